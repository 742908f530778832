"""A stack of LSTM layers and Dense layers: its weights, and one step of its arithmetic.

The formulas are Keras's, in Keras's order of gates, so that results differ from the user's model
only by the rounding of sums taken in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf

from daemon.records import Float32

GATES = 4  # in Keras's order: input, forget, cell, output


@dataclass(frozen=True, slots=True)
class Lstm:
    """One LSTM layer's weights, float32.

    kernel (inputs, 4·units), recurrent (units, 4·units), bias (4·units,); activations by their
    Keras names.
    """

    kernel: Float32
    recurrent: Float32
    bias: Float32
    activation: str
    recurrent_activation: str

    @property
    def units(self) -> int:
        return len(self.recurrent)


@dataclass(frozen=True, slots=True)
class Dense:
    """kernel (inputs, outputs), bias (outputs,), activation by its Keras name."""

    kernel: Float32
    bias: Float32
    activation: str


@dataclass(frozen=True, slots=True)
class Stack:
    """LSTM layers over every step, then Dense layers over the last one's last step."""

    lstms: tuple[Lstm, ...]
    denses: tuple[Dense, ...]

    @property
    def channels(self) -> int:
        return len(self.lstms[0].kernel)

    @property
    def flops_per_step(self) -> int:
        """Multiplications and additions of the matrix products of one step of one window."""
        return sum(2 * (lstm.kernel.size + lstm.recurrent.size) for lstm in self.lstms)


State = tuple[tf.Tensor, ...]  # h and c of each layer, (batch, units), in turn


def zero_state(stack: Stack, batch: int) -> State:
    return tuple(
        tf.zeros((batch, lstm.units), tf.float32) for lstm in stack.lstms for _ in ("h", "c")
    )


def project(stack: Stack, samples: tf.Tensor) -> tf.Tensor:
    """The first layer's input term for every sample at once: (…, channels) → (…, 4·units)."""
    first = stack.lstms[0]
    return tf.tensordot(samples, first.kernel, 1) + first.bias


def step(stack: Stack, state: State, projected: tf.Tensor) -> State:
    """Advance all layers by one step.

    ``projected`` (batch or 1, 4·units of the first layer) is `project`'s row for the step.
    """
    after: list[tf.Tensor] = []
    below: tf.Tensor | None = None
    for n, lstm in enumerate(stack.lstms):
        h, c = state[2 * n], state[2 * n + 1]
        if below is None:
            gates = projected + tf.matmul(h, lstm.recurrent)
        else:
            gates = tf.matmul(below, lstm.kernel) + tf.matmul(h, lstm.recurrent) + lstm.bias
        below, c = _cell(lstm, gates, c)
        after += [below, c]
    return tuple(after)


def head(stack: Stack, encoding: tf.Tensor) -> tf.Tensor:
    """The Dense layers: (batch, units of the last LSTM) → (batch, outputs)."""
    for dense in stack.denses:
        activation = keras.activations.get(dense.activation)
        encoding = activation(tf.matmul(encoding, dense.kernel) + dense.bias)
    return encoding


def _cell(lstm: Lstm, gates: tf.Tensor, c: tf.Tensor) -> Sequence[tf.Tensor]:
    activation = keras.activations.get(lstm.activation)
    recurrent_activation = keras.activations.get(lstm.recurrent_activation)
    i, f, candidate, o = tf.split(gates, GATES, axis=-1)
    c = recurrent_activation(f) * c + recurrent_activation(i) * activation(candidate)
    return recurrent_activation(o) * activation(c), c
