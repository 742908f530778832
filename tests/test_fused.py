"""Whole windows, layer by layer or in one loop, against the user's own model."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from daemon.encoders.architectures import channel_lstm, common_lstm
from daemon.encoders.fuse import fuse
from daemon.encoders.fused import BLOCK, UNROLLED, Fused, in_one_loop
from daemon.reorder import split_channels

CHANNELS = 3

Way = Callable[..., Callable[..., Any]]
both_ways = pytest.mark.parametrize("way", [Fused, in_one_loop])


def windows(count: int, steps: int) -> np.ndarray:
    noise = np.random.default_rng(0).normal(scale=2, size=(count, CHANNELS, steps))
    return noise.astype(np.float32)


@both_ways
@pytest.mark.parametrize("steps", [1, 5, UNROLLED, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK - 100])
def test_any_length_of_window(steps: int, way: Way) -> None:
    keras.utils.set_random_seed(1)
    model = common_lstm(steps, CHANNELS, units=(6, 4))
    run = way(fuse(model), steps, "/CPU:0")
    batch = windows(2, steps)
    expected = model.predict_on_batch(batch.transpose(0, 2, 1))
    np.testing.assert_allclose([run(window) for window in batch], expected, atol=1e-6)


@both_ways
def test_channel_encoder_gives_what_keras_gives(way: Way) -> None:
    keras.utils.set_random_seed(1)
    model = channel_lstm(2 * BLOCK, CHANNELS, units=(7, 5))
    run = way(fuse(model), 2 * BLOCK, "/CPU:0")
    batch = windows(4, 2 * BLOCK)
    expected = model.predict_on_batch(split_channels(batch.transpose(0, 2, 1)))
    np.testing.assert_allclose([run(window) for window in batch], expected, atol=1e-6)


@both_ways
def test_a_model_that_remembers_gives_what_keras_gives(way: Way) -> None:
    keras.utils.set_random_seed(1)
    model = common_lstm(2 * BLOCK, CHANNELS, units=(8,))
    lstm = model.layers[1]
    kernel, recurrent, bias = lstm.get_weights()
    bias[lstm.units : 2 * lstm.units] += 7
    lstm.set_weights([0.1 * kernel, 0.1 * recurrent, bias])
    run = way(fuse(model), 2 * BLOCK, "/CPU:0")
    batch = windows(2, 2 * BLOCK)
    expected = model.predict_on_batch(batch.transpose(0, 2, 1))
    np.testing.assert_allclose([run(window) for window in batch], expected, atol=1e-6)


def test_what_goes_wrong_in_a_layer_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Fused(fuse(common_lstm(2 * BLOCK, CHANNELS, units=(6, 4))), 2 * BLOCK, "/CPU:0")

    def fail(*_: object) -> None:
        raise ArithmeticError("in a layer")

    monkeypatch.setattr(run, "_layers", [run._layers[0], fail])
    with pytest.raises(ArithmeticError, match="in a layer"):
        run(windows(1, 2 * BLOCK)[0])
