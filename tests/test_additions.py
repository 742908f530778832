"""Operations in graphs of Keras 2 and 3: loaded, each gives what its writer gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from daemon.encoders.loading import load_keras

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword"),
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning"),
]

STEPS, CHANNELS = 6, 3
K2, K3 = tf_keras.backend, keras.ops

# As one writes it in either; the samples are positive, for roots and logarithms.
BOTH: dict[str, Callable[[Any], Any]] = {
    "number first": lambda x: 1.0 - x,
    "arithmetic": lambda x: ((2 * x + 1) / 3 - 0.5) ** 2,
    "quotient": lambda x: 2 / x,
    "of two": lambda x: x * x + x,
    "negative": lambda x: abs(-x),
    "last step": lambda x: x[:, -1],
    "new axis": lambda x: x[:, :, None],
    "some channels": lambda x: x[:, 1:4, :2],
}
OF_KERAS_2: dict[str, Callable[[Any], Any]] = {
    "mean": lambda x: tf.reduce_mean(x, axis=[1, 2], keepdims=True),
    "K.mean": lambda x: K2.mean(x, axis=1),
    "sum": lambda x: tf.reduce_sum(x, 1),
    "max": lambda x: tf.reduce_max(x, 1),
    "min": lambda x: K2.min(x, 1),
    "std": lambda x: tf.math.reduce_std(x, 1),
    "variance": lambda x: K2.var(x, 1),
    "power": lambda x: tf.math.log(tf.reduce_mean(tf.square(x), 1)),
    "roots": lambda x: tf.sqrt(x) + tf.math.rsqrt(x) + tf.exp(x) + tf.math.log1p(x),
    "squeeze": lambda x: tf.squeeze(tf.expand_dims(x, -1), -1),
    "K.squeeze": lambda x: K2.squeeze(K2.expand_dims(x, 2), 2),
    "reshape": lambda x: tf.reshape(x, (-1, STEPS * CHANNELS)),
    "transpose": lambda x: tf.transpose(x, (0, 2, 1)),
    "permute": lambda x: K2.permute_dimensions(x, (0, 2, 1)),
    "concat": lambda x: tf.concat([x, x], 1),
    "stack": lambda x: K2.stack([x, x], 1),
    "clip": lambda x: K2.clip(x, 0.2, 1),
    "bounds": lambda x: tf.maximum(tf.minimum(x, 1.0), 0.3),
    "matmul": lambda x: tf.matmul(x, tf.transpose(x, (0, 2, 1))),
    "activations": lambda x: tf.nn.relu(x) + tf.sigmoid(x) + tf.tanh(x),
    "softmax": lambda x: tf.nn.softmax(x, axis=1),
    "reverse": lambda x: K2.reverse(x, 1),
}
OF_KERAS_3: dict[str, Callable[[Any], Any]] = {
    "every other": lambda x: x[..., ::2],
    "mean": lambda x: K3.mean(x, axis=(1, 2), keepdims=True),
    "sums": lambda x: K3.sum(x, 1) + K3.max(x, 1) + K3.min(x, 1) + K3.std(x, 1) + K3.var(x, 1),
    "roots": lambda x: K3.sqrt(x) + K3.rsqrt(x) + K3.exp(x) + K3.log(x) + K3.log10(x),
    "squeeze": lambda x: K3.squeeze(K3.expand_dims(x, -1), -1),
    "reshape": lambda x: K3.reshape(x, (-1, STEPS * CHANNELS)),
    "axes": lambda x: K3.swapaxes(K3.moveaxis(K3.transpose(x, (0, 2, 1)), 1, 2), 1, 2),
    "concatenate": lambda x: K3.concatenate([x, x], -1),
    "stack": lambda x: K3.stack([x, x], 1),
    "clip": lambda x: K3.clip(x, 0.2, 1),
    "bounds": lambda x: K3.maximum(K3.minimum(x, 1.0), 0.3),
    "matmul": lambda x: K3.matmul(x, K3.transpose(x, (0, 2, 1))),
    "activations": lambda x: K3.relu(x) + K3.sigmoid(x) + K3.tanh(x) + K3.log1p(x),
    "softmax": lambda x: K3.softmax(x, axis=1),
    "flip": lambda x: K3.flip(x, axis=1),
}
CASES = [
    *((keras, name, write) for name, write in {**BOTH, **OF_KERAS_3}.items()),
    *((tf_keras, name, write) for name, write in {**BOTH, **OF_KERAS_2}.items()),
]


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(
    ("k", "write"),
    [pytest.param(k, write, id=f"{k.__name__} {name}") for k, name, write in CASES],
)
def test_an_operation_gives_what_its_writer_gives(
    k: Any, write: Callable[[Any], Any], suffix: str, tmp_path: Path
) -> None:
    eeg = k.Input((STEPS, CHANNELS))
    written = k.Model(eeg, write(eeg))
    path = tmp_path / f"model{suffix}"
    written.save(path)
    samples = np.random.default_rng(0).uniform(0.1, 2, (2, STEPS, CHANNELS)).astype(np.float32)
    loaded = load_keras(path)
    np.testing.assert_allclose(loaded(samples), written(samples), rtol=1e-6, atol=1e-6)
    # A bundle keeps it.
    loaded.save(tmp_path / "again.keras")
    again = load_keras(tmp_path / "again.keras")
    np.testing.assert_array_equal(again(samples), loaded(samples))
