"""A stack of LSTM layers and Dense layers: its weights, and one step of its arithmetic.

The formulas are Keras's, in Keras's order of gates, so that results differ from the user's model
only by the rounding of sums taken in another order.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from daemon.encoders import additions
from daemon.encoders.vocabulary import HARD_SIGMOID_2
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


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """LSTM layers over every step, then Dense layers over the last one's last step.

    Two of the same weights and activations are equal. What is compiled for a stack is kept for the
    life of the process (`functools.cache`), since TensorFlow never gives it back: to reload a model
    must not compile it anew.
    """

    lstms: tuple[Lstm, ...]
    denses: tuple[Dense, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stack) and self._digest() == other._digest()

    def __hash__(self) -> int:
        return hash(self._digest())

    def _digest(self) -> bytes:
        digest = hashlib.sha256()
        layers: tuple[Lstm | Dense, ...] = (*self.lstms, *self.denses)
        for layer in layers:
            for field in fields(layer):
                value = getattr(layer, field.name)
                if isinstance(value, str):
                    digest.update(f"{field.name} {value}\n".encode())
                else:
                    digest.update(f"{field.name} {value.shape}\n".encode())
                    digest.update(value.tobytes())
        return digest.digest()

    @property
    def channels(self) -> int:
        return len(self.lstms[0].kernel)

    @property
    def flops_per_step(self) -> int:
        """Multiplications and additions of the matrix products of one step of one window."""
        return sum(2 * (lstm.kernel.size + lstm.recurrent.size) for lstm in self.lstms)


def activation_of(name: str) -> Any:
    """The activation that a `Lstm` or `Dense` names."""
    return additions.hard_sigmoid if name == HARD_SIGMOID_2 else keras.activations.get(name)


def gates_first(weights: Float32) -> Float32:
    """Columns i, f, candidate, o → i, f, o, candidate, so that one call opens all three gates."""
    i, f, candidate, o = np.split(weights, GATES, axis=-1)
    return np.concatenate([i, f, o, candidate], axis=-1)


State = tuple[tf.Tensor, ...]  # h and c of each layer, (batch, units), in turn


class Recurrence:
    """A stack's arithmetic as TensorFlow operations, to be traced into compiled loops.

    The weights are tensors on ``device``, so that what is compiled takes them as arguments: XLA
    does not align its constants to the vectors that it loads, and a step takes a sixth longer.
    """

    def __init__(self, stack: Stack, device: str) -> None:
        self.stack = stack
        self.device = device
        with tf.device(device):
            self._weights = [
                [
                    tf.constant(gates_first(weights))
                    for weights in (lstm.kernel, lstm.recurrent, lstm.bias)
                ]
                for lstm in stack.lstms
            ]

    def zero_state(self, batch: int) -> State:
        return tuple(tf.zeros((batch, lstm.units)) for lstm in self.stack.lstms for _ in ("h", "c"))

    def project(self, layer: int, below: tf.Tensor) -> tf.Tensor:
        """A layer's input term, for any number of steps at once: (…, inputs) → (…, 4·units)."""
        kernel, _, bias = self._weights[layer]
        return tf.tensordot(below, kernel, 1) + bias

    def cell(
        self, layer: int, projected: tf.Tensor, h: tf.Tensor, c: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """One step of one layer: h and c, (batch, units) each, after `project`'s row for it."""
        lstm = self.stack.lstms[layer]
        activation = activation_of(lstm.activation)
        gates = projected + tf.matmul(h, self._weights[layer][1])
        opened = activation_of(lstm.recurrent_activation)(gates[:, : 3 * lstm.units])
        candidate = activation(gates[:, 3 * lstm.units :])
        i, f, o = tf.split(opened, 3, axis=-1)
        c = f * c + i * candidate
        return o * activation(c), c

    def step(self, state: State, projected: tf.Tensor) -> State:
        """Advance all layers by one step.

        ``projected`` (batch or 1, 4·units of the first layer) is its `project`'s row for the step.
        """
        after: list[tf.Tensor] = []
        for layer in range(len(self._weights)):
            if layer:
                projected = self.project(layer, after[-2])
            after += self.cell(layer, projected, state[2 * layer], state[2 * layer + 1])
        return tuple(after)

    def head(self, encoding: tf.Tensor) -> tf.Tensor:
        """The Dense layers: (batch, units of the last LSTM) → (batch, outputs)."""
        for dense in self.stack.denses:
            activation = activation_of(dense.activation)
            encoding = activation(tf.matmul(encoding, dense.kernel) + dense.bias)
        return encoding


@cache
def recurrence_of(stack: Stack, device: str) -> Recurrence:
    """The one of ``stack`` and its equals on TensorFlow's ``device``, for all that is compiled."""
    return Recurrence(stack, device)
