"""A sender's habits: how its stamps usually lie around the places where its samples belong.

Rules that hold here:

- Habits are learned from blocks of offsets (see `daemon.offsets`), each of a second of samples.
- Of each block four marks are followed: the middle, the 5 % and 95 % quantiles and the largest
  offset. One of them was foretold best so far: the largest where batches have one stamp, the 5 %
  quantile where stamps are delayed, the middle where jitter is symmetric. By that one a block is
  judged and the clock is set.
- A block is late, or early, when its best mark is off by more than `LATE` samples and `SURE` times
  its usual error, and all others moved with it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from daemon.offsets import HIGH, LOW, MIDDLE, PIECES, TOP, marks, travel
from daemon.records import Float64

LATE = 0.75  # samples; below one, so that a single lost sample shows
SURE = 10.0
_ERRORS = 16  # blocks that a mark's usual error is taken from
_DOUBT = 0.7  # of the first block's doubt is left after each further one
_YOUNG = 3  # blocks after which the habits are trusted
_LONGEST = 6  # blocks that are waited for at most


class Shift(NamedTuple):
    """How a stretch of offsets lies beside the usual.

    Attributes
    ----------
    size : float
        Seconds; positive where the stamps are late.
    odd : bool
        The stretch is not as usual.
    certain : bool
        All of it is later, or earlier, by more than jitter could make it.
    """

    size: float
    odd: bool
    certain: bool


class Habits:
    """How the offsets of one sender usually lie, in seconds from the clock's line.

    Attributes
    ----------
    blocks : int
        How many have been seen since they were learned anew.
    best : int
        The mark that was foretold best.
    """

    def __init__(self) -> None:
        self.blocks = 0
        self.best = MIDDLE
        self._usual = [0.0] * 4
        self._error = [0.0] * 4  # mean squares of what each mark was foretold wrong
        self._doubt = 0.0
        self._travel = 0.0

    def learn(self, offsets: Float64, doubt: float) -> float:
        """Forget all else; returns the middle, which becomes zero.

        ``doubt`` (seconds) is added to what the jitter makes uncertain.
        """
        found = marks(offsets)
        self.blocks = 1
        self.best = MIDDLE
        self._usual = [mark - found[MIDDLE] for mark in found]
        self._error = [0.0] * 4
        self._doubt = doubt + (found[HIGH] - found[LOW]) / 8
        self._travel = travel(offsets)
        return found[MIDDLE]

    def follow(self, offsets: Float64, gain: float, step: float) -> float:
        """Take one more block; returns by how much the best mark is off.

        ``gain`` (0 … 1) is how far the other marks follow, ``step`` one sample in seconds.
        """
        errors = self._errors(marks(offsets))
        off = errors[self.best]
        self.blocks += 1
        for mark, error in enumerate(errors):
            surprise = min(abs(error), 4 * self.usual_error(mark) + LATE * step)
            self._error[mark] += (surprise**2 - self._error[mark]) / min(self.blocks - 1, _ERRORS)
            self._usual[mark] += gain * (error - off)
        self._doubt *= _DOUBT
        self._travel += gain * (travel(offsets) - self._travel)
        # Rounding noise must not choose between marks.
        floor = (step / 20) ** 2
        self.best = min(range(4), key=lambda mark: max(self._error[mark], floor))
        return off

    def compare(self, offsets: Float64, step: float, before: Float64) -> Shift:
        """Hold a stretch of offsets against the usual, or those ``before`` it where none is."""
        found = marks(offsets)
        if self.blocks:
            errors = self._errors(found)
            noise = [self.usual_error(mark) for mark in range(4)]
        else:
            errors = [mark - seen for mark, seen in zip(found, marks(before), strict=True)]
            noise = [1.5 * (found[HIGH] - found[LOW]) / SURE] * 4
        size = errors[self.best]
        odd = [abs(errors[mark]) > max(LATE * step, SURE * noise[mark]) for mark in range(4)]
        together = all(
            errors[mark] * np.sign(size) > abs(size) / 2 - 2 * noise[mark]
            for mark in (MIDDLE, LOW, HIGH)
        )
        return Shift(size, any(odd[:TOP]), odd[self.best] and together)

    @property
    def spread(self) -> float:
        """Seconds between the earliest and the latest usual offset."""
        return self._usual[HIGH] - self._usual[LOW]

    def usual_error(self, mark: int) -> float:
        """Seconds (root mean square) by which a mark was foretold wrong."""
        return float((self._error[mark] + self._doubt**2) ** 0.5)

    def bounds(self, step: float, second: float) -> tuple[float, float]:
        """Between which offsets a sample is on time; ``second`` is a block's length."""
        margin = self.spread / 4
        beyond = max(LATE * step, 3 * self.usual_error(self.best))
        late = min(self._usual[TOP], self._usual[HIGH] + margin) + beyond
        return self._usual[LOW] - margin - beyond - second, late

    def patience(self, step: float) -> int:
        """Blocks of late samples that prove a shift.

        One, unless the habits are new, or the stamps come in few pieces: several of those in a row
        have to be late.
        """
        if self.blocks < _YOUNG:
            return _YOUNG
        if self.spread < LATE * step:
            return 1
        return int(min(max(PIECES * self.spread / max(self._travel, 1e-12), 1), _LONGEST))

    def _errors(self, found: list[float]) -> list[float]:
        return [mark - usual for mark, usual in zip(found, self._usual, strict=True)]
