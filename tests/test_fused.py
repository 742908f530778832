"""Whole windows, layer by layer or in one loop, against the user's own model."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from daemon.encoders.architectures import channel_lstm, common_lstm
from daemon.encoders.fuse import fuse
from daemon.encoders.fused import BLOCK, UNROLLED, Fused, dealt, in_one_loop
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


def test_on_any_number_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    keras.utils.set_random_seed(1)
    model = common_lstm(3 * BLOCK, CHANNELS, units=(6, 9, 4))
    batch = windows(2, 3 * BLOCK)
    expected = model.predict_on_batch(batch.transpose(0, 2, 1))
    for cores in (None, 1, 2, 3, 16):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        run = Fused(fuse(model), 3 * BLOCK, "/CPU:0")
        np.testing.assert_allclose([run(window) for window in batch], expected, atol=1e-6)


def test_the_largest_is_dealt_first_and_nobody_gets_much_more_than_another() -> None:
    assert dealt([1, 24, 89, 44], 2) == [1, 1, 0, 1]
    assert dealt([8, 282, 118, 44], 2) == [1, 0, 1, 1]
    assert dealt([1, 2, 3], 1) == [0, 0, 0]
    assert sorted(dealt([1, 2, 3, 4], 16)) == [0, 1, 2, 3]


def test_what_goes_wrong_in_a_layer_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Fused(fuse(common_lstm(2 * BLOCK, CHANNELS, units=(6, 4))), 2 * BLOCK, "/CPU:0")

    def fail(*_: object) -> None:
        raise ArithmeticError("in a layer")

    monkeypatch.setattr(run, "_layers", [run._layers[0], fail])
    with pytest.raises(ArithmeticError, match="in a layer"):
        run(windows(1, 2 * BLOCK)[0])
