"""First weights are those that Keras draws."""

import keras
import numpy as np
import pytest

from daemon.training.encoder import Encoder


@pytest.mark.parametrize("channel_units", [1, 3])
def test_first_weights_are_those_of_keras_layers(channel_units: int) -> None:
    seeds = np.random.default_rng(5)
    model = Encoder("channel", 2, 4, seed=5, units=(6,), channel_units=channel_units)
    drawn = model.source_weights()
    layers = (("channel_lstm_0", channel_units, 1), ("channel_lstm_1", channel_units, 1))
    for name, units, inputs in (*layers, ("common_lstm_0", 6, 2 * channel_units)):
        one, other = (int(seed) for seed in seeds.integers(2**31, size=2))
        layer = keras.layers.LSTM(
            units,
            kernel_initializer=keras.initializers.GlorotUniform(seed=one),
            recurrent_initializer=keras.initializers.Orthogonal(seed=other),
        )
        layer.build((None, None, inputs))
        for mine, keras_own in zip(drawn[name], layer.get_weights(), strict=True):
            np.testing.assert_array_equal(mine, keras_own)
