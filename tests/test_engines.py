"""Choosing, warming up and running an engine on any Keras model."""

import re
from dataclasses import replace

import keras
import numpy as np
import pytest

from daemon.encoders import engines
from daemon.encoders.architectures import channel_lstm, common_lstm
from daemon.encoders.fuse import fuse
from daemon.encoders.stack import Stack
from daemon.encoders.window import WindowEngine
from daemon.errors import EegdError, UsageError
from daemon.reorder import split_channels

WINDOW, HOP, CHANNELS = 24, 7, 4
L = keras.layers


def convolutional() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((WINDOW, CHANNELS)),
            L.Conv1D(5, 3, activation="relu"),
            L.Bidirectional(L.LSTM(4)),
            L.Dense(6, activation="softmax"),
        ]
    )


MODELS = {
    "channel": (lambda: channel_lstm(WINDOW, CHANNELS), True),
    "common": (lambda: common_lstm(WINDOW, CHANNELS, units=(5, 4)), True),
    "convolutional": (convolutional, False),
    "sigmoid": (
        lambda: keras.Sequential(
            [keras.Input((WINDOW, CHANNELS)), L.LSTM(4), L.Dense(1, activation="sigmoid")]
        ),
        True,
    ),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", ["auto", "window"])
def test_an_engine_answers_with_the_models_own_output(name: str, kind: engines.Kind) -> None:
    make, is_stack = MODELS[name]
    model = make()
    per_channel = len(model.inputs) > 1
    plan = engines.plan(model, kind, "cpu", window=WINDOW, hop=HOP)
    assert (plan.stack is not None) == is_stack
    assert plan.kind == ("streaming" if is_stack and kind == "auto" else "window")
    assert ("no LSTM stack: it begins with Conv1D" in plan.why) != is_stack
    engine, built_plan = engines.build(
        plan, model, per_channel=per_channel, window=WINDOW, hop=HOP, step_rate=1.0
    )
    assert built_plan == plan
    samples = np.random.default_rng(0).normal(size=(WINDOW + HOP, CHANNELS)).astype(np.float32)
    both = np.stack([samples[:WINDOW], samples[HOP:]])
    expected = model(split_channels(both) if per_channel else both).numpy()
    for _ in range(2):
        assert engine.feed(samples[:10], False) is None
        answers = [engine.feed(samples[10:WINDOW], True), engine.feed(samples[WINDOW:], True)]
        np.testing.assert_allclose(answers, expected, atol=1e-6)
        engine.restart()


@pytest.mark.parametrize("activation", ["linear", "relu", "sigmoid"])
def test_outputs_that_are_no_probabilities_are_refused(activation: str) -> None:
    model = keras.Sequential(
        [keras.Input((WINDOW, CHANNELS)), L.LSTM(4), L.Dense(3, activation=activation)]
    )
    with pytest.raises(UsageError, match="no probabilities"):
        built(model)


@pytest.mark.parametrize("kind", ["auto", "window"])
def test_dropout_that_was_built_to_drop_for_ever_is_run_as_predict_runs_it(
    kind: engines.Kind,
) -> None:
    eeg = keras.Input((WINDOW, CHANNELS))
    kept = L.Dropout(0.5)(L.LSTM(8)(eeg), training=True)
    model = keras.Model(eeg, L.Dense(2, activation="softmax")(kept))
    samples = np.random.default_rng(0).normal(size=(WINDOW, CHANNELS)).astype(np.float32)
    answer = built(model, kind).feed(samples, True)
    expected = model.predict(samples[None], verbose=0)[0]
    np.testing.assert_allclose(answer, expected, atol=1e-6)


def built(model: keras.Model, kind: engines.Kind = "auto") -> engines.Engine:
    plan = engines.plan(model, kind, "cpu", window=WINDOW, hop=HOP)
    per_channel = len(model.inputs) > 1
    return engines.build(plan, model, per_channel=per_channel, window=WINDOW, hop=HOP)[0]


@pytest.mark.parametrize("kind", ["auto", "window"])
def test_an_engine_that_differs_from_the_model_does_not_start(
    kind: engines.Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slightly_off(model: keras.Model) -> Stack:
        stack = fuse(model)
        kernel = stack.lstms[0].kernel.copy()
        kernel[0, 0] += 0.02
        first = replace(stack.lstms[0], kernel=kernel)
        return replace(stack, lstms=(first, *stack.lstms[1:]))

    monkeypatch.setattr(engines, "fuse", slightly_off)
    with pytest.raises(EegdError, match="differs from the model itself by"):
        built(common_lstm(WINDOW, CHANNELS, units=(5,)), kind)


def test_streaming_what_cannot_be_streamed_is_refused_with_the_reason() -> None:
    with pytest.raises(
        UsageError, match="cannot be streamed, it is no LSTM stack: it begins with Conv1D"
    ):
        engines.plan(convolutional(), "streaming", "cpu", window=WINDOW, hop=HOP)
    model = keras.Sequential(
        [keras.Input((WINDOW, CHANNELS)), L.LSTM(4), L.Dense(3, "gelu"), L.Dense(3, "softmax")]
    )
    plan = engines.plan(model, "auto", "cpu", window=WINDOW, hop=HOP)
    assert plan.kind == "window"
    assert "'gelu'" in plan.why
    built(model)


def test_more_windows_in_flight_than_memory_are_refused_with_the_hop_that_fits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = common_lstm(WINDOW, CHANNELS, units=(5,))
    stack = fuse(model)
    monkeypatch.setattr(engines, "MAX_LANE_BYTES", engines.lane_bytes(stack) * 6)
    with pytest.raises(UsageError, match=r"24 windows in flight.*a hop of 4 or more fits"):
        engines.plan(model, "streaming", "cpu", window=WINDOW, hop=1)
    assert engines.plan(model, "auto", "cpu", window=WINDOW, hop=3).kind == "window"
    assert engines.plan(model, "streaming", "cpu", window=WINDOW, hop=4).kind == "streaming"


def test_a_gpu_that_is_not_there_is_said_and_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: [])
    devices, why = engines.choose_devices("auto")
    assert devices == ("/CPU:0",)
    assert why
    with pytest.raises(UsageError, match=r"engine\.device is gpu, but"):
        engines.choose_devices("gpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    with pytest.raises(UsageError, match="CUDA_VISIBLE_DEVICES hides every GPU"):
        engines.choose_devices("gpu")
    assert engines.choose_devices("cpu")[1] == "engine.device is cpu"


@pytest.mark.parametrize("kind", ["streaming", "window"])
def test_of_several_devices_the_faster_one_is_taken_and_both_figures_are_said(
    kind: engines.Kind,
) -> None:
    model = common_lstm(WINDOW, CHANNELS, units=(5,))
    plan = engines.plan(model, kind, "cpu", window=WINDOW, hop=HOP)
    twice = replace(plan, devices=("/CPU:0", "/device:CPU:0"))
    assert twice.device == "/CPU:0 or /device:CPU:0"
    _, taken = engines.build(twice, model, per_channel=False, window=WINDOW, hop=HOP)
    times = re.findall(r"([\d.e+-]+) ms on (\S+?)(?:,|$)", taken.device_why)
    assert {device for _, device in times} == set(twice.devices)
    fastest = min(float(time) for time, _ in times)
    assert taken.devices in [(device,) for time, device in times if float(time) == fastest]


def test_streaming_that_cannot_keep_up_gives_way_to_the_window_and_says_so() -> None:
    model = common_lstm(WINDOW, CHANNELS, units=(5,))
    plan = engines.plan(model, "auto", "cpu", window=WINDOW, hop=HOP)
    engine, taken = engines.build(
        plan, model, per_channel=False, window=WINDOW, hop=HOP, step_rate=1e9
    )
    assert taken.kind == "window"
    assert isinstance(engine, WindowEngine)
    assert "a window.hop of about" in taken.why
    # A recording waits.
    _, taken = engines.build(plan, model, per_channel=False, window=WINDOW, hop=HOP)
    assert taken.kind == "streaming"
