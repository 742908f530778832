"""An LSTM stack run over whole windows, each from its first sample to its last.

Rules that hold here:

- Layer by layer: what a layer takes from the one below is projected for all steps in one matrix
  product, so that a step reads only the recurrent weights.
- A step of one window keeps one core busy. On a CPU the window is therefore cut into stretches, one
  a core, that run side by side. Each but the first starts from nothing, a quarter window before the
  one ahead of it ends; where its lane has become one with that one's by then
  (`daemon.encoders.convergence`), it went on as the whole window would have.
- Where one has not, this window runs in one piece; after `TRIES` such windows in a row all later
  ones do, since the model remembers for longer.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf

from daemon.encoders.convergence import Convergence
from daemon.encoders.stack import Recurrence, Stack
from daemon.records import Float32
from daemon.reorder import model_inputs

# Two stretches are compared so often, so many steps apart: now and then rounding peaks.
MEETINGS, APART = 4, 64
TRIES = 3

_State = Sequence[Float32]


class Fused:
    """One window, channel-major (channels, steps), to the model's output, (outputs,)."""

    def __init__(self, stack: Stack, window: int, device: str) -> None:
        self._device = device
        cores = (os.cpu_count() or 1) if "CPU" in device else 1
        self._stride = (window - window // 4) // cores
        self._overlap = window - cores * self._stride
        self._threads = ThreadPoolExecutor(cores, "stretches")
        self._convergence = Convergence(stack)
        self._starts = [n * self._stride for n in range(cores)]
        # Steps into a stretch after which it is compared with the one before.
        self._meetings = [self._overlap - APART * n for n in reversed(range(MEETINGS))]
        with tf.device(device):
            self._whole = _run(stack, [window])
        long_enough = min(self._stride, self._overlap) > MEETINGS * APART
        self._tries = TRIES if cores > 1 and long_enough else 0
        nothing = np.zeros((window, stack.channels), np.float32)
        self._once(self._whole, nothing)  # compiles
        if self._tries:
            stops = [*self._meetings, *(self._stride + step for step in self._meetings)]
            with tf.device(device):
                self._stretch = _run(stack, stops)
            self._in_stretches(nothing)

    @property
    def in_stretches(self) -> bool:
        """Whether windows are run in stretches side by side."""
        return self._tries > 0

    def __call__(self, samples: Float32) -> Float32:
        (window,) = model_inputs(samples, per_channel=False)[0]
        if self._tries:
            output = self._in_stretches(window)
            if output is not None:
                self._tries = TRIES
                return output
            self._tries -= 1
        return self._once(self._whole, window)[0]

    def _in_stretches(self, window: Float32) -> Float32 | None:
        steps = self._stride + self._overlap
        stretches = [window[start : start + steps] for start in self._starts]
        ran = list(self._threads.map(lambda stretch: self._once(self._stretch, stretch), stretches))
        for (_, older), (_, younger), samples in zip(ran, ran[1:], stretches[1:], strict=False):
            if not self._meet(older[MEETINGS:], younger[:MEETINGS], samples):
                return None
        return ran[-1][0]

    def _meet(self, older: list[_State], younger: list[_State], samples: Float32) -> bool:
        return any(
            self._convergence.joins(before, after, samples[step])[0]
            for before, after, step in zip(older, younger, self._meetings, strict=True)
        )

    def _once(self, run: Any, samples: Float32) -> tuple[Float32, list[_State]]:
        with tf.device(self._device):
            output, states = run(tf.constant(samples[:, None]))
            return output.numpy()[0], [[part.numpy() for part in state] for state in states]


def _run(stack: Stack, stops: Sequence[int]) -> Any:
    """(steps, 1, channels) → the output, and the states after each of ``stops`` (the last: all)."""
    recurrence = Recurrence(stack)
    steps = stops[-1]

    @tf.function(
        input_signature=[tf.TensorSpec((steps, 1, stack.channels), tf.float32)],
        jit_compile=True,
        autograph=False,
    )
    def run(sequence: tf.Tensor) -> tuple[tf.Tensor, list[list[tf.Tensor]]]:
        zero = recurrence.zero_state(1)
        states: list[list[tf.Tensor]] = [[] for _ in stops]
        for layer, lstm in enumerate(stack.lstms):
            projected = recurrence.project(layer, sequence)

            def step(
                t: tf.Tensor,
                h: tf.Tensor,
                c: tf.Tensor,
                outputs: tf.TensorArray,
                layer: int = layer,
                projected: tf.Tensor = projected,
            ) -> tuple[tf.Tensor, ...]:
                h, c = recurrence.cell(layer, projected[t], h, c)
                return t + 1, h, c, outputs.write(t, h)

            outputs = tf.TensorArray(tf.float32, steps, element_shape=(1, lstm.units))
            at = (0, *zero[2 * layer : 2 * layer + 2], outputs)
            for until, state in zip(stops, states, strict=True):
                at = tf.while_loop(
                    lambda t, *_, until=until: t < until, step, at, maximum_iterations=steps
                )
                state += at[1:3]
            sequence = at[3].stack()
        return recurrence.head(states[-1][-2]), states

    return run.get_concrete_function()
