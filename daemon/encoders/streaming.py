"""The streaming engine: all windows in flight advance together, the answer is there at once.

Windows that start every ``hop`` samples overlap. Each window in flight has a lane, an LSTM state
that started at zero with the window's first sample; every sample advances all lanes as one batch.
When a lane has seen ``window`` steps, its state is what the model would have computed from the
whole window. Then it is zeroed for the window that comes ceil(window / hop) later.

Rules that hold here:

- The lane whose window ends next (the front) is kept current with every sample, in numpy. The
  others may lag by a block, and are advanced when an answer is out or far off.
- Blocks that come in faster than that, from a recording or after a delay, skip the front: the
  batch is cheaper a sample.
- One shape is ever compiled: a block is padded, and its length is data.
- On a CPU the lanes are shared out over the cores, each part a compiled call of its own: XLA runs
  matrix products of this size on one core.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf

from daemon.encoders.lane import Lane
from daemon.encoders.stack import Recurrence, Stack, State
from daemon.records import Float32

BLOCK = 64  # samples of one compiled call, at most
FEW = 32  # up to so many samples at once are a live trickle


def lane_count(window: int, hop: int) -> int:
    """How many windows are in flight at once."""
    return math.ceil(window / hop)


class StreamingEngine:
    """Advances every window in flight; see `daemon.pipeline.Engine`.

    Parameters
    ----------
    stack : Stack
    window, hop : int
        Steps.
    device : str
        TensorFlow's name for it; the lanes' states stay there.
    """

    def __init__(self, stack: Stack, window: int, hop: int, device: str) -> None:
        self._window = window
        self._hop = hop
        self._device = device
        self._lanes = lane_count(window, hop)
        parts = _parts(self._lanes) if "CPU" in device else 1
        self._lanes_per_part = math.ceil(self._lanes / parts)
        self._threads = ThreadPoolExecutor(parts, "lanes")
        self._channels = stack.channels
        self._recurrence = Recurrence(stack)
        self._advance = _advance(stack, self._lanes_per_part)
        self._state_of = _state_of()
        self._front = Lane(stack)
        self.restart()

    def restart(self) -> None:
        """Forget all samples: the next one is the first of a window."""
        with tf.device(self._device):
            # The value of a lane that has not begun does not matter.
            zero = self._recurrence.zero_state(self._lanes_per_part)
            self._parts = [zero] * math.ceil(self._lanes / self._lanes_per_part)
        self._seen = 0  # samples that were fed
        self._done = 0  # samples that the batch has taken
        self._lag: list[Float32] = []  # the samples between the two
        self._take_front()

    def feed(self, block: Float32, answer: bool) -> Float32 | None:
        if self._seen == self._front_end or len(block) > FEW:
            self._front_is_current = False
        if self._front_is_current:
            begins = self._front_end - self._window
            self._front.advance(block[max(begins - self._seen, 0) :])
        self._lag.append(block)
        self._seen += len(block)
        if not self._front_is_current:
            self._advance_batch(self._seen)
        if not answer:
            return None
        if not self._front_is_current:
            self._take_lane(self._seen)
        return self._front.answer()

    def catch_up(self) -> None:
        if self._seen == self._front_end or not self._front_is_current:
            self._advance_batch(self._seen)
            self._take_front()
        elif self._seen - self._done >= BLOCK and self._front_end - self._seen >= BLOCK:
            # A machine that keeps up at all is done with these before the window ends.
            self._advance_batch(self._done + BLOCK)

    def _take_front(self) -> None:
        """Make the window that ends next the front; the batch has to be current."""
        beyond = max(self._seen - self._window, -1)
        end = self._window + (beyond // self._hop + 1) * self._hop
        self._take_lane(end)
        self._front_end = end
        self._front_is_current = True

    def _take_lane(self, end: int) -> None:
        """Set the front lane to the state of the window that ends at ``end``."""
        if end - self._window >= self._done:
            self._front.zero()  # it has not begun
            return
        part, lane = self._place((end - self._window) // self._hop)
        with tf.device(self._device):
            self._front.set(self._state_of(tf.constant(lane), self._parts[part]).numpy())

    def _place(self, sequence: int) -> tuple[int, int]:
        """The part, and the lane in it, of the window that starts at ``sequence`` · hop."""
        return divmod(sequence % self._lanes, self._lanes_per_part)

    def _advance_batch(self, upto: int) -> None:
        lag = np.concatenate(self._lag) if len(self._lag) > 1 else self._lag[0]
        first = self._done
        while self._done < upto:
            since_start = self._done % self._hop
            begins = (-1, -1) if since_start else self._place(self._done // self._hop)
            n = min(upto - self._done, self._hop - since_start, BLOCK)
            # A new array each time: TensorFlow may still be reading the last one.
            block = np.zeros((BLOCK, self._channels), np.float32)
            block[:n] = lag[self._done - first : self._done - first + n]
            self._advance_parts(block, n, begins)
            self._done += n
        self._lag = [lag[upto - first :]]

    def _advance_parts(self, block: Float32, n: int, begins: tuple[int, int]) -> None:
        def advance(part: int) -> State:
            lane = begins[1] if part == begins[0] else -1
            with tf.device(self._device):
                state: State = self._advance(
                    tf.constant(block), tf.constant(n), tf.constant(lane), self._parts[part]
                )
            return state

        if len(self._parts) == 1:
            self._parts = [advance(0)]
        else:
            self._parts = list(self._threads.map(advance, range(len(self._parts))))


def _parts(lanes: int) -> int:
    """On how many cores to share out ``lanes``; a few lanes take hardly longer than one."""
    return max(1, min(os.cpu_count() or 1, lanes // 16))


def _advance(stack: Stack, lanes: int) -> Any:
    """(block, n, begins, state) → state after ``n`` of the block's (BLOCK, channels) samples.

    The lane ``begins`` is zeroed before, -1 for none.
    """
    recurrence = Recurrence(stack)
    spec = tuple(
        tf.TensorSpec((lanes, lstm.units), tf.float32) for lstm in stack.lstms for _ in ("h", "c")
    )

    @tf.function(
        input_signature=[
            tf.TensorSpec((BLOCK, stack.channels), tf.float32),
            tf.TensorSpec((), tf.int32),
            tf.TensorSpec((), tf.int32),
            spec,
        ],
        jit_compile=True,
        autograph=False,
    )
    def advance(block: tf.Tensor, n: tf.Tensor, begins: tf.Tensor, state: State) -> State:
        goes_on = tf.not_equal(tf.range(lanes), begins)[:, None]
        state = tuple(tf.where(goes_on, part, 0.0) for part in state)
        projected = recurrence.project(0, block)
        after = tf.while_loop(
            lambda t, *_: t < n,
            lambda t, *state: (t + 1, *recurrence.step(state, projected[t])),
            (0, *state),
        )
        return tuple(after[1:])

    return advance


def _state_of() -> Any:
    """(lane, state) → h and c of each layer of that lane, in one array."""

    @tf.function(autograph=False)
    def state_of(lane: tf.Tensor, state: State) -> tf.Tensor:
        # tf.gather, not a slice: a slice's start is compiled in, once for every lane.
        return tf.concat([tf.gather(part, lane) for part in state], axis=0)

    return state_of
