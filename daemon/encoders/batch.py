"""The states of the windows in flight, advanced together as one batch of rows.

Rules that hold here:

- Only a few shapes are ever compiled, all of them in `Batch.warm_up`: rows are padded to the next
  width, samples to a block, whose true length is data.
- On a CPU the rows are shared out over the cores, each part a compiled call of its own: XLA runs
  matrix products of this size on one core.
- The states stay on the device between calls, and a row where it is until there are so many more
  or fewer that other shapes fit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import count
from typing import Any

import numpy as np
import tensorflow as tf

from daemon.encoders import cores
from daemon.encoders.stack import Recurrence, Stack, State, recurrence_of
from daemon.records import Float32

BLOCK = 64  # samples of one compiled call, at most

_NARROWEST = 6  # rows; fewer take almost as long, since products are made in blocks of so many


class Batch:
    """Up to ``rows`` states of ``stack``, on TensorFlow's ``device``; at first there are none."""

    def __init__(self, stack: Stack, rows: int, device: str) -> None:
        self._channels = stack.channels
        self._recurrence = recurrence_of(stack, device)
        self._rows = rows
        self._device = device
        self._cores = cores.count() if "CPU" in device else 1
        self._widths = _widths(rows, self._cores)
        self._threads = ThreadPoolExecutor(self._cores, "lanes")
        self._advance = {width: _advance(self._recurrence, width) for width in self._widths}
        self._arrange = _arrange(self._recurrence)
        self.clear()

    def clear(self) -> None:
        """Forget all states."""
        with tf.device(self._device):
            self._parts = [self._recurrence.zero_state(self._widths[0])]

    def warm_up(self, size: int) -> float:
        """Compile all shapes; all states are forgotten.

        Returns
        -------
        float
            Seconds that a sample takes at the most: all rows in use, and arranged anew every
            ``size`` samples.
        """
        block = np.zeros((min(size, BLOCK), self._channels), np.float32)
        seconds = 0.0
        for rows in (*self._widths, self._rows, self._rows):
            start = time.perf_counter()
            self.arrange([-1] * rows)
            self.advance(block)
            self.state()
            seconds = time.perf_counter() - start
        self.clear()
        return seconds / len(block)

    def arrange(self, rows: Sequence[int]) -> None:
        """Make row n what row ``rows[n]`` is now; -1 stands for the zeros of a window's start."""
        parts, width = self._cut(len(rows))
        padded = np.full(parts * width, -1, np.int32)
        padded[: len(rows)] = rows
        with tf.device(self._device):
            state = self._arrange(tf.constant(padded), self._together())
            self._parts = list(
                zip(*(tf.split(layer, parts) for layer in state), strict=True)
                if parts > 1
                else [state]
            )

    def fits(self, rows: int) -> bool:
        """Whether so many are as many as there are now, with padding.

        Then a new window may begin in any row that is not needed, and no other has to move.
        """
        return self._cut(rows) == (len(self._parts), len(self._parts[0][0]))

    def advance(self, block: Float32, begins: int = -1) -> None:
        """Take the next samples, (n, channels), at most `BLOCK` of them.

        In row ``begins``, which may be one of padding, a window begins with the first of them.
        """
        # A new array each time: TensorFlow may still be reading the last one.
        padded = np.zeros((BLOCK, self._channels), np.float32)
        padded[: len(block)] = block
        width = len(self._parts[0][0])

        def advance(n: int, part: State) -> State:
            with tf.device(self._device):
                row = tf.constant(begins - n * width)
                run = self._advance[width]
                state: State = run(tf.constant(padded), tf.constant(len(block)), row, part)
            return state

        if len(self._parts) == 1:
            self._parts = [advance(0, self._parts[0])]
        else:
            self._parts = list(self._threads.map(advance, count(), self._parts))

    def state(self) -> list[Float32]:
        """h and c of each layer in turn, (rows and padding, units) each; not to be written to."""
        with tf.device(self._device):
            parts = zip(*self._parts, strict=True)
            return [np.concatenate([part.numpy() for part in layer]) for layer in parts]

    def _cut(self, rows: int) -> tuple[int, int]:
        """How many parts of what width ``rows`` rows make."""
        fits = (width for width in self._widths if width * self._cores >= rows)
        width = next(fits, self._widths[-1])
        return math.ceil(rows / width), width

    def _together(self) -> State:
        if len(self._parts) == 1:
            return self._parts[0]
        return tuple(tf.concat(layer, axis=0) for layer in zip(*self._parts, strict=True))


def _widths(rows: int, cores: int) -> list[int]:
    """Rows of one compiled call: up to what a core gets when all are in use."""
    most = math.ceil(rows / max(1, min(cores, round(rows / _NARROWEST))))
    widths = {most}
    width = _NARROWEST
    while width < most:
        widths.add(width)
        width *= 2
        widths.add(min(width * 3 // 2, most))
    return sorted(widths)


def _specs(stack: Stack, rows: int | None) -> State:
    return tuple(
        tf.TensorSpec((rows, lstm.units), tf.float32) for lstm in stack.lstms for _ in ("h", "c")
    )


@cache
def _advance(recurrence: Recurrence, rows: int) -> Any:
    """(block, n, row, state) → the state after ``n`` of the block's (BLOCK, channels) samples.

    ``row`` starts at zero; one that is none of them says that none does.
    """
    stack = recurrence.stack

    @tf.function(
        input_signature=[
            tf.TensorSpec((BLOCK, stack.channels), tf.float32),
            tf.TensorSpec((), tf.int32),
            tf.TensorSpec((), tf.int32),
            _specs(stack, rows),
        ],
        jit_compile=True,
        autograph=False,
    )
    def advance(block: tf.Tensor, n: tf.Tensor, row: tf.Tensor, state: State) -> State:
        projected = recurrence.project(0, block)
        goes_on = (tf.range(rows) != row)[:, None]
        after = tf.while_loop(
            lambda t, *_: t < n,
            lambda t, *state: (t + 1, *recurrence.step(state, projected[t])),
            (0, *(tf.where(goes_on, layer, 0.0) for layer in state)),
        )
        return tuple(after[1:])

    # Traced here and now: it has but one shape.
    with tf.device(recurrence.device):
        return advance.get_concrete_function()


@cache
def _arrange(recurrence: Recurrence) -> Any:
    """(rows, state) → the state with those rows, zeros for -1; not compiled, so of any size."""

    @tf.function(
        input_signature=[tf.TensorSpec((None,), tf.int32), _specs(recurrence.stack, None)],
        autograph=False,
    )
    def arrange(rows: tf.Tensor, state: State) -> State:
        held = (rows >= 0)[:, None]
        return tuple(tf.where(held, tf.gather(layer, tf.maximum(rows, 0)), 0.0) for layer in state)

    with tf.device(recurrence.device):
        return arrange.get_concrete_function()
