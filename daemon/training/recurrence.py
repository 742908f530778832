"""An LSTM over whole batches of windows, made to be trained: one compiled loop forward, one back.

Rules that hold here:

- Time comes first: (steps, batch, …). A step reads and writes whole rows.
- Only what depends on the step before is inside a loop. The input's part of the gates is one
  matrix product for all steps before it; the weights' gradients are one for all steps after it.
  TensorFlow's own gradient of a loop would make a small one each step, and is several times slower.
- The gates are in Keras's order (input, forget, cell, output), with Keras's activations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

GATES = 4


@dataclass(frozen=True, slots=True)
class Product:
    """How the last step's output enters the gates.

    Attributes
    ----------
    forward : (h, weights) → gates
        (batch, units) → (batch, 4·units).
    back : (gradient of gates, weights) → gradient of h
    gradient : (all h before their steps, gradients of all gates) → gradient of the weights
        (steps, batch, units) and (steps, batch, 4·units).
    """

    forward: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    back: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    gradient: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


# Every unit sees every unit: weights (units, 4·units).
COMMON = Product(
    tf.matmul,
    lambda gates, weights: tf.matmul(gates, weights, transpose_b=True),
    lambda h, gates: tf.matmul(_rows(h), _rows(gates), transpose_a=True),
)


def per_channel(channels: int, units: int) -> Product:
    """Units see those of their own channel: weights (4, channels, units before, units after).

    A channel's units stand together. One unit a channel makes no matrix product at all.
    """

    def forward(h: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        before = tf.reshape(h, (-1, 1, channels, units, 1))
        return tf.reshape(tf.reduce_sum(before * weights, -2), (-1, GATES * channels * units))

    def back(gates: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        after = tf.reshape(gates, (-1, GATES, channels, 1, units))
        return tf.reshape(tf.reduce_sum(after * weights, (1, -1)), (-1, channels * units))

    def gradient(h: tf.Tensor, gates: tf.Tensor) -> tf.Tensor:
        before = tf.reshape(h, (-1, 1, channels, units, 1))
        after = tf.reshape(gates, (-1, GATES, channels, 1, units))
        return tf.reduce_sum(before * after, 0)

    return Product(forward, back, gradient)


def lstm(projected: tf.Tensor, weights: tf.Tensor, product: Product) -> tf.Tensor:
    """All outputs of an LSTM from zero state, (steps, batch, units).

    Parameters
    ----------
    projected : (steps, batch, 4·units) float32
        The input's part of the gates, bias included; its shape has to be known when traced.
    weights : float32
        The recurrent ones, as ``product`` wants them.
    product : Product
    """

    @tf.custom_gradient
    def run(projected: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, Any]:
        kept = _forward(projected, weights, product)
        h = kept[-1]

        def back(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            gates = _back(upstream, weights, product, *kept[:-1])
            before = tf.concat([tf.zeros_like(h[:1]), h[:-1]], 0)
            return gates, product.gradient(before, gates)

        return h, back

    return run(projected, weights)


def _forward(
    projected: tf.Tensor, weights: tf.Tensor, product: Product
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The opened gates (steps, batch, 4·units), the cells and the outputs of every step."""
    steps, batch, width = projected.shape
    units = width // GATES

    def step(
        t: tf.Tensor, h: tf.Tensor, c: tf.Tensor, *kept: tf.TensorArray
    ) -> tuple[tf.Tensor, ...]:
        i, f, candidate, o = tf.split(projected[t] + product.forward(h, weights), GATES, -1)
        i, f, candidate, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(candidate), tf.sigmoid(o)
        c = f * c + i * candidate
        h = o * tf.tanh(c)
        values = (tf.concat([i, f, candidate, o], -1), c, h)
        written = (array.write(t, value) for array, value in zip(kept, values, strict=True))
        return t + 1, h, c, *written

    zero = tf.zeros((batch, units))
    kept = [
        tf.TensorArray(tf.float32, steps, element_shape=(batch, n)) for n in (width, units, units)
    ]
    after = tf.while_loop(
        lambda t, *_: t < steps, step, (0, zero, zero, *kept), maximum_iterations=steps
    )
    return tuple(array.stack() for array in after[3:])


def _back(
    upstream: tf.Tensor, weights: tf.Tensor, product: Product, opened: tf.Tensor, cells: tf.Tensor
) -> tf.Tensor:
    """The gradients of all gates before their activations, (steps, batch, 4·units)."""
    steps, batch, width = opened.shape
    units = width // GATES

    def step(
        n: tf.Tensor, dh: tf.Tensor, dc: tf.Tensor, gates: tf.TensorArray
    ) -> tuple[tf.Tensor, ...]:
        t = steps - 1 - n
        i, f, candidate, o = tf.split(opened[t], GATES, -1)
        c = tf.tanh(cells[t])
        before = tf.where(t > 0, cells[tf.maximum(t - 1, 0)], 0.0)
        dh += upstream[t]
        dc += dh * o * (1 - c * c)
        gradient = tf.concat(
            [
                dc * candidate * i * (1 - i),
                dc * before * f * (1 - f),
                dc * i * (1 - candidate * candidate),
                dh * c * o * (1 - o),
            ],
            -1,
        )
        return n + 1, product.back(gradient, weights), dc * f, gates.write(t, gradient)

    zero = tf.zeros((batch, units))
    gates = tf.TensorArray(tf.float32, steps, element_shape=(batch, width))
    after = tf.while_loop(
        lambda n, *_: n < steps, step, (0, zero, zero, gates), maximum_iterations=steps
    )
    return after[3].stack()


def _rows(values: tf.Tensor) -> tf.Tensor:
    return tf.reshape(values, (-1, values.shape[-1]))
