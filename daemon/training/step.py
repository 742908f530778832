"""One batch, compiled: the loss and its gradients, then Adam; or the loss alone."""

from __future__ import annotations

from typing import Protocol

import keras
import numpy as np
import tensorflow as tf

from daemon.encoders import cores
from daemon.records import Float64
from daemon.training.encoder import Encoder
from daemon.training.examples import Batch, Examples


class Regularization(Protocol):
    """Standard deviations of noise and drift, shares of smoothing and dropout, and their seed."""

    @property
    def noise(self) -> float: ...
    @property
    def drift(self) -> float: ...
    @property
    def smoothing(self) -> float: ...
    @property
    def dropout(self) -> float: ...
    @property
    def seed(self) -> int: ...


class Steps:
    """One batch: gradients in compiled parts side by side, one a core, then Adam.

    XLA runs a loop on one core.

    Parameters
    ----------
    model : Encoder
    optimizer : keras.optimizers.Optimizer
    examples : Examples
        Of the shape that batches have.
    batch : int
        Windows of one.
    settings : Regularization
        What is done to what the model learns from.
    """

    def __init__(
        self,
        model: Encoder,
        optimizer: keras.optimizers.Optimizer,
        examples: Examples,
        *,
        batch: int,
        settings: Regularization,
    ) -> None:
        parts = next(n for n in range(cores.count(), 0, -1) if batch % n == 0)
        variables = [variable.value for variable in model.trainable_variables]
        seeds = tf.TensorSpec(2, tf.int32)

        @tf.function(jit_compile=True, autograph=False)
        def part(
            windows: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor, seed: tf.Tensor
        ) -> tuple[tf.Tensor, list[tf.Tensor]]:
            if settings.noise:
                windows += settings.noise * tf.random.stateless_normal(windows.shape, seed)
            if settings.drift:
                shape = (windows.shape[0], 1, windows.shape[2])
                windows += settings.drift * tf.random.stateless_normal(shape, seed + 1)
            keep = None
            if settings.dropout:
                entering = (windows.shape[0], model.entering)
                kept = tf.random.stateless_uniform(entering, seed + 2) >= settings.dropout
                keep = tf.cast(kept, tf.float32) / (1 - settings.dropout)
            with tf.GradientTape() as tape:
                sums = _sums(model, windows, targets, weights, settings.smoothing, keep)
            return tf.stack(sums), tape.gradient(sums[0], variables)

        # Traced here and now: there is but one shape.
        part = part.get_concrete_function(*_specs(examples, batch // parts), seeds)

        @tf.function(autograph=False)
        def step(
            windows: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor, seed: tf.Tensor
        ) -> tf.Tensor:
            given = zip(*(tf.split(one, parts) for one in (windows, targets, weights)), strict=True)
            done = [part(*some, seed + tf.constant([0, n])) for n, some in enumerate(given)]
            sums = tf.add_n([sums for sums, _ in done])
            total = tf.maximum(sums[2], 1e-6)
            gradients = [tf.add_n(one) / total for one in zip(*(g for _, g in done), strict=True)]
            optimizer.apply(gradients, model.trainable_variables)
            return sums

        self._step = step.get_concrete_function(*_specs(examples, batch), seeds)
        self._seed = settings.seed

    def __call__(self, batch: Batch, at: tuple[int, int]) -> Float64:
        """Sums over the batch: loss, right ones and their weights."""
        seed = np.random.SeedSequence((self._seed, *at)).generate_state(2).astype(np.int32)
        sums: Float64 = self._step(*map(tf.constant, batch), tf.constant(seed)).numpy()
        return sums


class Check:
    """The same sums without learning anything."""

    def __init__(self, model: Encoder, examples: Examples, batch: int) -> None:
        @tf.function(jit_compile=True, autograph=False)
        def check(windows: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
            return tf.stack(_sums(model, windows, targets, weights))

        self._check = check.get_concrete_function(*_specs(examples, batch))

    def __call__(self, batch: Batch) -> Float64:
        sums: Float64 = self._check(*map(tf.constant, batch)).numpy()
        return sums


def _specs(examples: Examples, batch: int) -> list[tf.TensorSpec]:
    windows = tf.TensorSpec((batch, *examples.windows.shape[1:]), tf.float32)
    shape = (batch, *examples.targets.shape[1:])
    return [windows, tf.TensorSpec(shape, tf.int64), tf.TensorSpec(shape, tf.float32)]


def _sums(
    model: Encoder,
    windows: tf.Tensor,
    targets: tf.Tensor,
    weights: tf.Tensor,
    smoothing: float = 0.0,
    keep: tf.Tensor | None = None,
) -> list[tf.Tensor]:
    """Weighted sums over a batch: cross entropy, right answers, weights."""
    every_step = targets.shape.rank == 2
    given = model.logits(windows, every_step=every_step, keep=keep)
    if every_step:
        given = tf.transpose(given, (1, 0, 2))
    wanted = tf.one_hot(targets, model.classes) * (1 - smoothing) + smoothing / model.classes
    losses = tf.nn.softmax_cross_entropy_with_logits(wanted, given)
    right = tf.cast(tf.argmax(given, -1) == targets, tf.float32)
    return [tf.reduce_sum(one * weights) for one in (losses, right, tf.ones_like(right))]
