"""The same engines on a GPU, where TensorFlow sees one."""

import numpy as np
import pytest
import tensorflow as tf
from jobs import job

from daemon.encoders import engines
from daemon.encoders.architectures import channel_lstm, common_lstm
from daemon.encoders.plan import Kind, plan
from daemon.encoders.streaming import StreamingEngine
from daemon.reorder import split_channels

WINDOW, HOP, CHANNELS = 300, 70, 8

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not tf.config.list_physical_devices("GPU"), reason="TensorFlow sees no GPU here"
    ),
]


@pytest.mark.parametrize("build", [channel_lstm, common_lstm])
@pytest.mark.parametrize("kind", ["streaming", "window"])
def test_a_gpu_answers_what_keras_answers(build: object, kind: Kind) -> None:
    model = build(WINDOW, CHANNELS)  # type: ignore[operator]
    per_channel = len(model.inputs) > 1
    planned = plan(job(model, WINDOW, HOP), kind, "gpu")
    assert planned.device == "/GPU:0"
    engine, _ = engines.build(planned)
    size = (WINDOW + 4 * HOP, CHANNELS)
    eeg = np.random.default_rng(0).normal(size=size).astype(np.float32)
    windows = np.stack([eeg[start : start + WINDOW] for start in range(0, 4 * HOP + 1, HOP)])
    expected = model(split_channels(windows) if per_channel else windows).numpy()
    answers = []
    for n in range(len(eeg)):
        answer = engine.feed(eeg[n : n + 1], n + 1 >= WINDOW and (n + 1 - WINDOW) % HOP == 0)
        engine.catch_up()
        if answer is not None:
            answers.append(answer)
    np.testing.assert_allclose(answers, expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["streaming", "window"])
def test_auto_takes_the_faster_device_and_says_what_both_take(kind: Kind) -> None:
    model = channel_lstm(WINDOW, CHANNELS)
    planned = plan(job(model, WINDOW, HOP), kind, "auto")
    assert planned.devices == ("/GPU:0", "/CPU:0")
    _, taken = engines.build(planned)
    assert len(taken.devices) == 1
    assert "ms on /GPU:0" in taken.device_why
    assert "ms on /CPU:0" in taken.device_why


def test_beside_a_gpu_the_cpu_still_answers_what_keras_answers() -> None:
    model = channel_lstm(WINDOW, CHANNELS)
    planned = plan(job(model, WINDOW, HOP), "streaming", "cpu")
    _, taken = engines.build(planned)
    assert taken.devices == ("/CPU:0",)


def test_the_lanes_states_stay_on_the_device() -> None:
    model = channel_lstm(WINDOW, CHANNELS)
    planned = plan(job(model, WINDOW, HOP), "streaming", "gpu")
    engine, _ = engines.build(planned)
    assert isinstance(engine, StreamingEngine)
    engine.feed(np.zeros((HOP, CHANNELS), np.float32), False)
    assert all("GPU" in part.device for state in engine._batch._parts for part in state)
