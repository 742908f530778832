"""One lane of an LSTM stack in numpy: the shortest way from a sample to its answer.

A call into TensorFlow costs more than this whole step, above all in a process that idles between
samples. The arithmetic is that of `daemon.encoders.stack`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from daemon.encoders.stack import Lstm, Stack, gates_first
from daemon.encoders.vocabulary import HARD_SIGMOID_2
from daemon.records import Float32

Function = Callable[[Float32], Float32]

_ONE = np.float32(1)
_LARGEST = np.float32(87)


def _sigmoid(x: Float32) -> Float32:
    # Not by tanh: a gate that is almost shut would lose its digits, and an LSTM that remembers
    # for thousands of steps adds them up. Beyond 87 the exponential overflows.
    sigmoid: Float32 = _ONE / (_ONE + np.exp(np.minimum(-x, _LARGEST)))
    return sigmoid


def _hard_sigmoid(x: Float32) -> Float32:
    clipped: Float32 = np.clip(x / np.float32(6) + np.float32(0.5), np.float32(0), np.float32(1))
    return clipped


def _hard_sigmoid_2(x: Float32) -> Float32:
    clipped: Float32 = np.clip(np.float32(0.2) * x + np.float32(0.5), np.float32(0), np.float32(1))
    return clipped


def _relu(x: Float32) -> Float32:
    relu: Float32 = np.maximum(x, np.float32(0))
    return relu


def _softsign(x: Float32) -> Float32:
    return np.divide(x, np.float32(1) + np.abs(x), dtype=np.float32)


def _elu(x: Float32) -> Float32:
    elu: Float32 = np.where(x > 0, x, np.expm1(np.minimum(x, np.float32(0))))
    return elu


def _softplus(x: Float32) -> Float32:
    return np.logaddexp(x, np.float32(0), dtype=np.float32)


def _softmax(x: Float32) -> Float32:
    powered = np.exp(x - x.max())
    softmax: Float32 = powered / powered.sum()
    return softmax


FUNCTIONS: dict[str, Function] = {
    "linear": lambda x: x,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
    "relu": _relu,
    "hard_sigmoid": _hard_sigmoid,
    HARD_SIGMOID_2: _hard_sigmoid_2,
    "elu": _elu,
    "softsign": _softsign,
    "softplus": _softplus,
}
"""Keras's activations by name, for float32 arrays of one dimension."""


class Lane:
    """The state of one window in flight.

    Parameters
    ----------
    stack : Stack
        Every activation has to be in `FUNCTIONS`.
    """

    def __init__(self, stack: Stack) -> None:
        self._layers = [_Layer(lstm) for lstm in stack.lstms]
        self._denses = [(d.kernel, d.bias, FUNCTIONS[d.activation]) for d in stack.denses]

    def zero(self) -> None:
        """The state of a window that has seen no sample."""
        for layer in self._layers:
            layer.h = layer.c = np.zeros(layer.units, np.float32)

    def set(self, state: Float32) -> None:
        """Take over h and c of each layer in turn, all in one array."""
        start = 0
        for layer in self._layers:
            stop = start + 2 * layer.units
            layer.h, layer.c = state[start:stop].reshape(2, -1)
            start = stop

    def advance(self, samples: Float32) -> None:
        """Take ``samples`` (n, channels)."""
        for sample in samples:
            below = sample
            for layer in self._layers:
                below = layer.step(below)

    def answer(self) -> Float32:
        """The Dense layers' output, (outputs,)."""
        encoding = self._layers[-1].h
        for kernel, bias, function in self._denses:
            encoding = function(encoding @ kernel + bias)
        return encoding


class _Layer:
    def __init__(self, lstm: Lstm) -> None:
        self.units = lstm.units
        self.h = self.c = np.zeros(lstm.units, np.float32)
        self._kernel = gates_first(lstm.kernel)
        self._recurrent = gates_first(lstm.recurrent)
        self._bias = gates_first(lstm.bias)
        self._function = FUNCTIONS[lstm.activation]
        self._recurrent_function = FUNCTIONS[lstm.recurrent_activation]

    def step(self, below: Float32) -> Float32:
        gates = below @ self._kernel
        gates += self.h @ self._recurrent
        gates += self._bias
        units = self.units
        opened = self._recurrent_function(gates[: 3 * units])
        candidate = self._function(gates[3 * units :])
        self.c = opened[units : 2 * units] * self.c + opened[:units] * candidate
        self.h = opened[2 * units :] * self._function(self.c)
        return self.h
