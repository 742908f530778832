"""The streaming engine: all windows in flight advance together, the answer is there at once.

Windows that start every ``hop`` samples overlap. Each window in flight has a lane, an LSTM state
that started at zero with the window's first sample; every sample advances all lanes as one batch.
When a lane has seen ``window`` steps, its state is what the model would have computed from the
whole window.

Rules that hold here:

- The lane whose window ends next (the front) is kept current with every sample, in numpy. The
  others may lag by a block, and are advanced when an answer is out or far off.
- Blocks that come in faster than that, from a recording or after a delay, skip the front: the
  batch is cheaper a sample.
- Lanes that have become one (`daemon.encoders.convergence`) share a row of the batch. They are
  looked for when a window starts, so that how the samples were cut does not matter. A model that
  never lets them costs a row a lane, which is what the daemon reckons with.
"""

from __future__ import annotations

import math
from itertools import count

import numpy as np

from daemon.encoders.batch import BLOCK, Batch
from daemon.encoders.convergence import Convergence
from daemon.encoders.lane import Lane
from daemon.encoders.stack import Stack
from daemon.records import Float32

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
        TensorFlow's name for it.
    joining : bool
        False gives every lane a row of its own for good.
    """

    def __init__(
        self, stack: Stack, window: int, hop: int, device: str, *, joining: bool = True
    ) -> None:
        self._window = window
        self._hop = hop
        self._batch = Batch(stack, lane_count(window, hop), device)
        self._convergence = Convergence(stack)
        self._joining = joining
        self._front = Lane(stack)
        self.restart()

    def warm_up(self) -> float:
        """Compile all that is needed; seconds that a sample of all lanes takes at the most."""
        seconds = self._batch.warm_up(self._hop)
        self.restart()
        return seconds

    def restart(self) -> None:
        """Forget all samples: the next one is the first of a window."""
        self._rows: dict[int, int] = {}  # of the windows in flight, by their first sample
        self._compared = 0  # what `_done` was when lanes were last compared
        self._batch.clear()
        self._seen = 0  # samples that were fed
        self._done = 0  # samples that the batch has taken
        self._lag: list[Float32] = []  # the samples between the two
        self._take_front()

    @property
    def rows(self) -> int:
        """Lanes that are advanced now, those that have become one counted once."""
        return len(set(self._rows.values()))

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
        begin = end - self._window
        if begin >= self._done:
            self._front.zero()  # it has not begun
        else:
            row = self._rows[begin]
            self._front.set(np.concatenate([layer[row] for layer in self._batch.state()]))

    def _advance_batch(self, upto: int) -> None:
        lag = np.concatenate(self._lag) if len(self._lag) > 1 else self._lag[0]
        first = self._done
        while self._done < upto:
            since_start = self._done % self._hop
            begins = -1 if since_start else self._begin_window(lag[self._done - first])
            n = min(upto - self._done, self._hop - since_start, BLOCK)
            self._batch.advance(lag[self._done - first : self._done - first + n], begins)
            self._done += n
        self._lag = [lag[upto - first :]]

    def _begin_window(self, sample: Float32) -> int:
        """The row of the window that begins with ``sample``; drops those that have ended."""
        # The oldest lane first, and so its row.
        lanes = {
            begin: row for begin, row in self._rows.items() if begin + self._window > self._done
        }
        rows = list(dict.fromkeys(lanes.values()))
        joined = self._joined(rows, sample)
        kept = [row for row in rows if row not in joined]
        place = {row: row for row in kept}
        if not self._batch.fits(len(kept) + 1):
            place = {row: n for n, row in enumerate(kept)}
            self._batch.arrange([*kept, -1])
        taken = set(place.values())
        new = next(row for row in count() if row not in taken)
        place.update((row, place[rows[0]]) for row in joined)
        self._rows = {begin: place[row] for begin, row in lanes.items()} | {self._done: new}
        return new

    def _joined(self, rows: list[int], sample: Float32) -> set[int]:
        """Those of ``rows`` that have become one with the first, which they then are."""
        if not self._joining or len(rows) < 2 or self._done - self._compared < BLOCK:
            return set()
        self._compared = self._done
        state = self._batch.state()
        older, younger = ([layer[n] for layer in state] for n in (rows[:1], rows[1:]))
        joins = self._convergence.joins(older, younger, sample)
        return {row for row, joined in zip(rows[1:], joins, strict=True) if joined}
