"""Models run as Keras built them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from daemon.encoders.keras_network import as_built
from daemon.errors import UsageError
from daemon.layout import STANDARD

WINDOW, CHANNELS = 24, 4
L = keras.layers
SAMPLES = np.random.default_rng(0).normal(size=(CHANNELS, WINDOW)).astype(np.float32)


def convolutional(order: str) -> keras.Model:
    eeg = keras.Input((WINDOW, CHANNELS))
    x = L.Permute((2, 1))(eeg) if order == "channels_first" else eeg
    x = L.Conv1D(5, 3, data_format=order)(x)
    x = keras.Model(x_in := keras.Input(x.shape[1:]), L.MaxPooling1D(2, data_format=order)(x_in))(x)
    x = L.GlobalAveragePooling1D(data_format=order)(x)
    return keras.Model(eeg, L.Dense(3, activation="softmax")(x))


def test_channels_first_run_on_a_processor() -> None:
    """TensorFlow's own convolutions refuse them there."""
    last, first = convolutional("channels_last"), convolutional("channels_first")
    first.set_weights(last.get_weights())
    answers = [as_built(model, "/CPU:0", STANDARD)(SAMPLES) for model in (last, first)]
    np.testing.assert_allclose(answers[1], answers[0], rtol=0, atol=1e-6)


def test_what_goes_wrong_as_it_runs_is_said_in_one_line() -> None:
    eeg = keras.Input((WINDOW, CHANNELS))
    inverse = L.Lambda(lambda x: tf.linalg.inv(0 * tf.matmul(x, x, transpose_b=True)))(eeg)
    model = keras.Model(eeg, L.Dense(3)(L.Flatten()(inverse)))
    with pytest.raises(UsageError, match=r"does not run on /CPU:0: .*not invertible") as e:
        as_built(model, "/CPU:0", STANDARD)(SAMPLES)
    assert "\n" not in str(e.value)
