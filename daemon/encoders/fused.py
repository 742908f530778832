"""An LSTM stack run over whole windows, each from its first sample to its last.

Rules that hold here:

- Layer by layer: what a layer takes from the one below is projected for many steps in one matrix
  product, so that a step reads only the recurrent weights.
- A step of one window keeps one core busy. On a CPU every layer therefore has a thread of its own
  and hands on a block of steps when it has done it: while the layer above takes that block, it is
  at the next one. The arithmetic is that of the whole window in one piece.
- A GPU has to be told to start every operation and every turn of a loop, which takes longer than
  the operation. There all layers share a loop of as few turns as can be, whose number is known.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf

from daemon.encoders.stack import Recurrence, Stack, State
from daemon.records import Float32
from daemon.reorder import model_inputs

# Steps handed on at once: the layers above idle for the first, those below for the last.
BLOCK = 512
# Steps in a turn of the loop, on a GPU.
UNROLLED = 8

_Below = Callable[[], tuple[tf.Tensor, int]]
"""A block from the layer below, (steps, 1, ·), of which so many steps are true."""


def fused(stack: Stack, window: int, device: str) -> Callable[[Float32], Float32]:
    """One window, channel-major (channels, steps), to the model's output, (outputs,)."""
    return Fused(stack, window, device) if "CPU" in device else in_one_loop(stack, window, device)


def in_one_loop(stack: Stack, window: int, device: str) -> Callable[[Float32], Float32]:
    """As `fused`; all layers step by step."""
    classify = _loop(stack, window, device)

    def run(samples: Float32) -> Float32:
        (sequence,) = model_inputs(samples, per_channel=False)[0]
        with tf.device(device):
            output: Float32 = classify(tf.constant(sequence[:, None])).numpy()[0]
        return output

    run(np.zeros((stack.channels, window), np.float32))  # compiles
    return run


@cache
def _loop(stack: Stack, window: int, device: str) -> Any:
    """(window, 1, channels) → (1, outputs)."""
    recurrence = Recurrence(stack)
    looped = window // UNROLLED * UNROLLED

    @tf.function(
        input_signature=[tf.TensorSpec((window, 1, stack.channels))],
        jit_compile=True,
        autograph=False,
    )
    def classify(sequence: tf.Tensor) -> tf.Tensor:
        projected = recurrence.project(0, sequence)

        def steps(t: tf.Tensor, *state: tf.Tensor) -> tuple[tf.Tensor, ...]:
            for n in range(UNROLLED):
                state = recurrence.step(state, projected[t + n])
            return t + UNROLLED, *state

        _, *state = tf.while_loop(
            lambda t, *_: t < looped,
            steps,
            (0, *recurrence.zero_state(1)),
            maximum_iterations=looped // UNROLLED,
        )
        for t in range(looped, window):
            state = recurrence.step(tuple(state), projected[t])
        return recurrence.head(state[-2])

    with tf.device(device):
        return classify.get_concrete_function()


class Fused:
    """As `fused`; a thread for each layer, which hands on blocks of steps."""

    def __init__(self, stack: Stack, window: int, device: str) -> None:
        self._device = device
        self._block = min(BLOCK, window)
        self._recurrence = Recurrence(stack)
        self._project = _projection(stack, self._block, device)
        self._layers = [
            _layer(stack, layer, self._block, device) for layer in range(len(stack.lstms))
        ]
        # One each, so that a layer's blocks keep their order.
        self._threads = [ThreadPoolExecutor(1, f"layer {n}") for n in range(len(stack.lstms) + 1)]
        self(np.zeros((stack.channels, window), np.float32))  # compiles

    def __call__(self, samples: Float32) -> Float32:
        (window,) = model_inputs(samples, per_channel=False)[0]
        with tf.device(self._device):
            states = self._recurrence.zero_state(1)
        # h and c of each layer, touched by its own thread alone.
        pairs = [states[n : n + 2] for n in range(0, len(states), 2)]

        def project(start: int) -> tuple[tf.Tensor, int]:
            block = window[start : start + self._block, None]
            padded = np.zeros((self._block, *block.shape[1:]), np.float32)
            padded[: len(block)] = block
            with tf.device(self._device):
                return self._project(tf.constant(padded)), len(block)

        def advance(layer: int, below: _Below) -> tuple[tf.Tensor, int]:
            sequence, n = below()
            with tf.device(self._device):
                above, *pairs[layer] = self._layers[layer](sequence, tf.constant(n), *pairs[layer])
            return above, n

        tops: list[_Below] = []
        for start in range(0, len(window), self._block):
            below: _Below = self._threads[0].submit(project, start).result
            for layer, thread in enumerate(self._threads[1:]):
                below = thread.submit(advance, layer, below).result
            tops.append(below)
        for top in tops:
            top()  # raises what went wrong with its block
        with tf.device(self._device):
            output: Float32 = self._recurrence.head(pairs[-1][0]).numpy()[0]
        return output


@cache
def _projection(stack: Stack, steps: int, device: str) -> Any:
    """The first layer's input term: (steps, 1, channels) → (steps, 1, 4·units)."""
    recurrence = Recurrence(stack)

    @tf.function(
        input_signature=[tf.TensorSpec((steps, 1, stack.channels))],
        jit_compile=True,
        autograph=False,
    )
    def project(sequence: tf.Tensor) -> tf.Tensor:
        return recurrence.project(0, sequence)

    with tf.device(device):
        return project.get_concrete_function()


@cache
def _layer(stack: Stack, layer: int, steps: int, device: str) -> Any:
    """(sequence, n, h, c) → (h of every step, h, c) after ``n`` of the ``steps``.

    The first layer's sequence is its `_projection`, (steps, 1, 4·units), any other's the output of
    the layer below, (steps, 1, units).
    """
    recurrence = Recurrence(stack)
    units = stack.lstms[layer].units
    below = stack.lstms[layer - 1].units if layer else 4 * units
    state = tf.TensorSpec((1, units))

    @tf.function(
        input_signature=[
            tf.TensorSpec((steps, 1, below)),
            tf.TensorSpec((), tf.int32),
            state,
            state,
        ],
        jit_compile=True,
        autograph=False,
    )
    def run(sequence: tf.Tensor, n: tf.Tensor, h: tf.Tensor, c: tf.Tensor) -> State:
        projected = recurrence.project(layer, sequence) if layer else sequence

        def step(
            t: tf.Tensor, h: tf.Tensor, c: tf.Tensor, outputs: tf.TensorArray
        ) -> tuple[tf.Tensor, ...]:
            h, c = recurrence.cell(layer, projected[t], h, c)
            return t + 1, h, c, outputs.write(t, h)

        outputs = tf.TensorArray(tf.float32, steps, element_shape=(1, units))
        _, h, c, outputs = tf.while_loop(
            lambda t, *_: t < n, step, (0, h, c, outputs), maximum_iterations=steps
        )
        return outputs.stack(), h, c

    with tf.device(device):
        return run.get_concrete_function()
