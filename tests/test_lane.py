"""The numpy lane against Keras, activation by activation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from daemon.encoders import fuse
from daemon.encoders.architectures import common_lstm
from daemon.encoders.lane import FUNCTIONS, Lane
from daemon.encoders.stack import activation_of


@pytest.mark.parametrize("name", FUNCTIONS)
def test_activations_are_keras_own(name: str) -> None:
    x = np.concatenate([np.linspace(-120, 120, 1001), [0.0, -0.0, 1e-8, -1e-8]]).astype(np.float32)
    expected = keras.ops.convert_to_numpy(activation_of(name)(x[None]))[0]
    answer = FUNCTIONS[name](x)
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer, expected, rtol=1e-6, atol=1.2e-7)


def test_an_almost_shut_gate_keeps_its_digits() -> None:
    """Relative to itself: what it lets through is added up over thousands of steps."""
    x = np.linspace(-30, -5, 101).astype(np.float32)
    exact = 1 / (1 + np.exp(-x.astype(np.float64)))
    np.testing.assert_allclose(FUNCTIONS["sigmoid"](x), exact, rtol=1e-6)
    fused = keras.ops.convert_to_numpy(tf.function(tf.sigmoid, jit_compile=True)(x))
    np.testing.assert_allclose(fused, exact, rtol=1e-5)


def test_every_activation_that_is_fused_is_known_here() -> None:
    assert set(FUNCTIONS) >= fuse.ELEMENTWISE


def test_one_window_sample_by_sample() -> None:
    model = common_lstm(30, 4, units=(6, 5))
    samples = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    lane = Lane(fuse.fuse(model))
    for _ in range(2):
        lane.zero()
        lane.advance(samples[:11])
        for sample in samples[11:]:
            lane.advance(sample[None])
        np.testing.assert_allclose(lane.answer(), model(samples[None]).numpy()[0], atol=1e-6)
