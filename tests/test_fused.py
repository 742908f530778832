"""Whole windows, in one piece and in stretches side by side, against the user's own Keras model."""

import keras
import numpy as np
import pytest

from daemon.encoders import fused
from daemon.encoders.architectures import channel_lstm, common_lstm
from daemon.encoders.fuse import fuse
from daemon.encoders.fused import TRIES, Fused
from daemon.reorder import split_channels

WINDOW, CHANNELS = 1003, 3


@pytest.fixture(autouse=True)
def three_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    monkeypatch.setattr(fused, "APART", 16)


def windows(count: int) -> np.ndarray:
    noise = np.random.default_rng(0).normal(scale=2, size=(count, CHANNELS, WINDOW))
    return noise.astype(np.float32)


def test_stretches_side_by_side_give_what_keras_gives() -> None:
    keras.utils.set_random_seed(1)
    model = channel_lstm(WINDOW, CHANNELS, units=(7, 5))
    run = Fused(fuse(model), WINDOW, "/CPU:0")
    batch = windows(4)
    expected = model.predict_on_batch(split_channels(batch.transpose(0, 2, 1)))
    np.testing.assert_allclose([run(window) for window in batch], expected, atol=1e-6)
    assert run.in_stretches


def test_a_model_that_remembers_runs_in_one_piece_and_gives_what_keras_gives() -> None:
    keras.utils.set_random_seed(1)
    model = common_lstm(WINDOW, CHANNELS, units=(8,))
    lstm = model.layers[1]
    kernel, recurrent, bias = lstm.get_weights()
    bias[lstm.units : 2 * lstm.units] += 7
    lstm.set_weights([0.1 * kernel, 0.1 * recurrent, bias])
    run = Fused(fuse(model), WINDOW, "/CPU:0")
    batch = windows(TRIES + 1)
    tried = []
    for window, expected in zip(
        batch, model.predict_on_batch(batch.transpose(0, 2, 1)), strict=True
    ):
        tried.append(run.in_stretches)
        np.testing.assert_allclose(run(window), expected, atol=1e-6)
    assert tried == [True] * TRIES + [False]


@pytest.mark.parametrize("window", [1, 5, 383, 384, 390, 391])
def test_any_length_of_window(window: int) -> None:
    model = common_lstm(window, CHANNELS, units=(6,))
    run = Fused(fuse(model), window, "/CPU:0")
    samples = windows(1)[:, :, :window]
    np.testing.assert_allclose(
        run(samples[0]), model.predict_on_batch(samples.transpose(0, 2, 1))[0], atol=1e-6
    )
