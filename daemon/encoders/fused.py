"""An LSTM stack run over whole windows, each from its first sample to its last.

Rules that hold here:

- Layer by layer: what a layer takes from the one below is projected for many steps in one matrix
  product, so that a step reads only the recurrent weights.
- A step of one window keeps one core busy. On a CPU the layers are therefore dealt to as many
  threads as there are cores (more would take them from each other), and hand on blocks of steps:
  while the layer above takes a block, the one below is at the next. The arithmetic is that of the
  whole window in one piece.
- A GPU has to be told to start every operation and every turn of a loop, which takes longer than
  the operation. There all layers share a loop of as few turns as can be, whose number is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import numpy as np
import tensorflow as tf

from daemon.encoders import cores
from daemon.encoders.network import Run
from daemon.encoders.stack import Recurrence, Stack, State, recurrence_of
from daemon.records import Float32

# Steps handed on at once: the layers above idle for the first, those below for the last, and each
# takes half a millisecond to be handed on.
BLOCK = 1024
# Steps in a turn of the loop, on a GPU.
UNROLLED = 8

_Block = tuple[tf.Tensor, int]
"""Steps as they come from below, (steps, 1, ·), and how many of them are true."""

# What a step takes: a multiplication in its own product as one, one in a product for many steps at
# once as a quarter, and all the rest as so many.
_AT_ONCE, _REST = 1 / 4, 20_000


def fused(stack: Stack, window: int, device: str) -> Run:
    """One window, channel-major (channels, steps), to the model's output, (outputs,)."""
    return Fused(stack, window, device) if "CPU" in device else in_one_loop(stack, window, device)


def in_one_loop(stack: Stack, window: int, device: str) -> Run:
    """As `fused`; all layers step by step."""
    classify = _loop(recurrence_of(stack, device), window)

    def run(samples: Float32) -> Float32:
        sequence = samples.T
        with tf.device(device):
            output: Float32 = classify(tf.constant(sequence[:, None])).numpy()[0]
        return output

    run(np.zeros((stack.channels, window), np.float32))  # compiles
    return run


@cache
def _loop(recurrence: Recurrence, window: int) -> Any:
    """(window, 1, channels) → (1, outputs)."""
    stack = recurrence.stack
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

    with tf.device(recurrence.device):
        return classify.get_concrete_function()


class Fused:
    """As `fused`; layers in threads, which hand on blocks of steps."""

    def __init__(self, stack: Stack, window: int, device: str) -> None:
        self._device = device
        self._block = min(BLOCK, window)
        self._recurrence = recurrence_of(stack, device)
        self._project = _projection(self._recurrence, self._block)
        self._layers = [
            _layer(self._recurrence, layer, self._block) for layer in range(len(stack.lstms))
        ]
        # One thread each, so that a layer's blocks keep their order.
        threads = [ThreadPoolExecutor(1, "layers") for _ in range(cores.count())]
        self._threads = [threads[n] for n in dealt(_costs(stack), len(threads))]
        self(np.zeros((stack.channels, window), np.float32))  # compiles

    def __call__(self, samples: Float32) -> Float32:
        window = samples.T
        with tf.device(self._device):
            states = self._recurrence.zero_state(1)
        # h and c of each layer, touched by its own thread alone.
        pairs = [states[n : n + 2] for n in range(0, len(states), 2)]

        def project(start: int) -> _Block:
            block = window[start : start + self._block, None]
            padded = np.zeros((self._block, *block.shape[1:]), np.float32)
            padded[: len(block)] = block
            with tf.device(self._device):
                return self._project(tf.constant(padded)), len(block)

        def advance(layer: int, below: Future[_Block]) -> _Block:
            sequence, n = below.result()
            with tf.device(self._device):
                above, *pairs[layer] = self._layers[layer](sequence, tf.constant(n), *pairs[layer])
            return above, n

        stages: list[Callable[[Any], _Block]] = [project]
        stages += [partial(advance, layer) for layer in range(len(self._layers))]
        starts = [*range(0, len(window), self._block), *[None] * len(self._layers)]
        given: list[Any] = [None] * len(stages)
        tops = []
        # In a turn each stage takes what the one below gave in the turn before.
        for start in starts:
            given = [
                None if below is None else thread.submit(stage, below)
                for thread, stage, below in zip(
                    self._threads, stages, [start, *given[:-1]], strict=True
                )
            ]
            tops.append(given[-1])
        for top in filter(None, tops):
            top.result()  # raises what went wrong with its block
        with tf.device(self._device):
            output: Float32 = self._recurrence.head(pairs[-1][0]).numpy()[0]
        return output


def _costs(stack: Stack) -> list[float]:
    """What a step takes in the first layer's projection, then in each layer."""
    first, *above = stack.lstms
    return [
        first.kernel.size * _AT_ONCE,
        first.recurrent.size + _REST,
        *(lstm.kernel.size * _AT_ONCE + lstm.recurrent.size + _REST for lstm in above),
    ]


def dealt(costs: Sequence[float], hands: int) -> list[int]:
    """Whose each of ``costs`` is, so that none of the ``hands`` has much more than another."""
    held = [0.0] * hands
    found = [0] * len(costs)
    for n in sorted(range(len(costs)), key=lambda n: -costs[n]):
        found[n] = held.index(min(held))
        held[found[n]] += costs[n]
    return found


@cache
def _projection(recurrence: Recurrence, steps: int) -> Any:
    """The first layer's input term: (steps, 1, channels) → (steps, 1, 4·units)."""

    @tf.function(
        input_signature=[tf.TensorSpec((steps, 1, recurrence.stack.channels))],
        jit_compile=True,
        autograph=False,
    )
    def project(sequence: tf.Tensor) -> tf.Tensor:
        return recurrence.project(0, sequence)

    with tf.device(recurrence.device):
        return project.get_concrete_function()


@cache
def _layer(recurrence: Recurrence, layer: int, steps: int) -> Any:
    """(sequence, n, h, c) → (h of every step, h, c) after ``n`` of the ``steps``.

    The first layer's sequence is its `_projection`, (steps, 1, 4·units), any other's the output of
    the layer below, (steps, 1, units).
    """
    stack = recurrence.stack
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

    with tf.device(recurrence.device):
        return run.get_concrete_function()
