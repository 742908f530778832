"""The trained form against plain Keras: the same output, the same gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from daemon.reorder import split_channels
from daemon.training.encoder import Encoder, Kind, export

STEPS, CHANNELS, CLASSES = 23, 3, 4


def encoder(kind: Kind, channel_units: int) -> Encoder:
    model = Encoder(kind, CHANNELS, CLASSES, seed=1, units=(7, 5), channel_units=channel_units)
    for n, weight in enumerate(model.weights):
        # Keras starts biases at 0 and 1, where a swap of gates would not be seen.
        noise = np.random.default_rng(n).normal(0, 0.3, weight.shape)
        weight.assign_add(noise.astype(np.float32))
    return model


def batch() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    windows = random.normal(0, 1.5, (6, STEPS, CHANNELS)).astype(np.float32)
    return windows, random.integers(0, CLASSES, 6)


@pytest.mark.parametrize(("kind", "units"), [("channel", 1), ("channel", 2), ("common", 1)])
def test_output_and_gradients_are_plain_kerass(kind: Kind, units: int) -> None:
    """float32 sums of 23 steps in another order: 1e-5 of the largest gradient of an array."""
    model = encoder(kind, units)
    source = export(model, STEPS)
    windows, targets = batch()
    inputs = split_channels(windows) if kind == "channel" else windows

    with tf.GradientTape() as tape:
        given = source(inputs)
        loss = keras.losses.sparse_categorical_crossentropy(targets, given)
        total = tf.reduce_sum(loss)
    expected = dict(
        zip(
            [weight.path for weight in source.trainable_variables],
            tape.gradient(total, [w.value for w in source.trainable_variables]),
            strict=True,
        )
    )
    with tf.GradientTape() as tape:
        ours = model.logits(tf.constant(windows))
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, ours)
        total = tf.reduce_sum(loss)
    gradients = tape.gradient(total, [weight.value for weight in model.trainable_variables])
    np.testing.assert_allclose(tf.nn.softmax(ours), given, atol=1e-6)

    # A gradient has the shape of its weight, and so goes the same way into the source's form.
    for weight, gradient in zip(model.trainable_variables, gradients, strict=True):
        weight.assign(gradient)
    for name, arrays in model.source_weights().items():
        layer = source.get_layer(name)
        for weight, array in zip(layer.trainable_variables, arrays, strict=True):
            wanted = np.asarray(expected[weight.path])
            np.testing.assert_allclose(array, wanted, atol=1e-5 * np.abs(wanted).max())


def test_every_step_is_a_window_that_ends_there() -> None:
    model = encoder("channel", 1)
    windows, _ = batch()
    every = model.logits(tf.constant(windows), every_step=True)
    for steps in (1, 2, 10, STEPS):
        last = model.logits(tf.constant(windows[:, :steps]))
        np.testing.assert_allclose(every[steps - 1], last, atol=1e-6)
