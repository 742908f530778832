"""A sender's clock: where its next sample belongs, at which rate it sends, and when that shifts.

Rules that hold here:

- Sample i of a block, that is of a second of samples, belongs at ``place + step · i``. Stamps lie
  around it as the sender's habits have it (`daemon.habits`).
- The line is the least-squares line through the latest `MEMORY` blocks, as an alpha-beta filter: a
  rate that is off its nominal one, or drifts, is followed and never late.
- A shift is a step of the line, no matter of its rate. Offsets that grow steadily within a stretch
  are another rate and no shift: the line is laid anew.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from daemon.habits import LATE, Habits, Shift
from daemon.offsets import drift, slope
from daemon.records import Float64

MEMORY = 6
RATE_TOLERANCE = 0.01  # of the nominal rate
_RATE = 32  # blocks that the rate is taken from
_RATE_KNOWN = 16  # blocks after which jitter cannot feign one
_FASTEST = 16.0  # times the nominal rate: stamps that stand still have no rate at all


class Clock:
    """Follows the stamps of one sender.

    Parameters
    ----------
    rate : float
        Nominal rate in Hz.
    start : float
        Stamp of the first sample.

    Attributes
    ----------
    size : int
        Samples of a block: a second of them, or 16.
    step : float
        Seconds from sample to sample.
    rate : float
        Samples a second over the last half minute; nan until it is known.
    rate_is_off : bool
        It is known to be more than `RATE_TOLERANCE` off the nominal one.
    """

    def __init__(self, rate: float, start: float) -> None:
        self.size = max(round(rate), 16)
        self.step = self._nominal = 1.0 / rate
        self.rate = np.nan
        self.rate_is_off = False
        self._habits = Habits()
        self._place = start
        self._index = 0  # of the next sample, within the block
        self._offsets = np.empty(self.size)
        self._count = 0  # of them
        self._early, self._late = self._habits.bounds(self.step, self.size * self.step)
        self._suspicions = 0  # blocks in a row that may have shifted
        self._suspected = 0.0
        self._received = 0
        self._shifted = 0.0
        # Samples received and their place, without shifts, at the ends of the latest blocks.
        self._ends: deque[tuple[int, float]] = deque(maxlen=_RATE + 1)

    @property
    def known(self) -> bool:
        """Whether a whole block has been seen."""
        return self._habits.blocks > 0

    @property
    def room(self) -> int:
        """Samples that the block still takes."""
        return self.size - self._count

    @property
    def spread(self) -> float:
        """Seconds between the earliest and the latest usual stamp for a place."""
        if self.known:
            return self._habits.spread
        return float(np.ptp(self._offsets[: self._count])) if self._count else 0.0

    @property
    def patience(self) -> int:
        """Blocks of late samples that prove a shift."""
        return self._habits.patience(self.step)

    def is_on_time(self, stamp: float) -> bool:
        """Whether the next sample's stamp is neither late nor a second too early."""
        return self._early <= stamp - (self._place + self.step * self._index) <= self._late

    def offsets(self, stamps: Float64, ahead: int = 0) -> tuple[Float64, npt.NDArray[np.bool_]]:
        """Seconds by which each stamp is late, and which are on time; from ``ahead`` samples on."""
        index = np.arange(self._index + ahead, self._index + ahead + len(stamps))
        offsets = stamps - (self._place + self.step * index)
        return offsets, (self._early <= offsets) & (offsets <= self._late)

    def accept(self, stamp: float) -> None:
        """Count one sample."""
        self._offsets[self._count] = stamp - (self._place + self.step * self._index)
        self._count += 1
        self._index += 1

    def accept_all(self, stamps: Float64) -> None:
        """Count samples, no more than there is room for."""
        n = len(stamps)
        self._offsets[self._count : self._count + n] = self.offsets(stamps)[0]
        self._count += n
        self._index += n

    def skip(self, n: int) -> None:
        """Count samples whose stamps say nothing of the sender's habits."""
        self._index += n

    def compare(self, offsets: Float64) -> Shift:
        """Hold a stretch of offsets against the usual."""
        return self._habits.compare(offsets, self.step, self._offsets[: self._count])

    def is_rate(self, offsets: Float64, size: float) -> bool:
        """Whether a shift by ``size`` seconds is growing within the stretch."""
        return bool(self._slope(offsets) * len(offsets) * np.sign(size) > abs(size) / 4)

    def catches_up(self, offsets: Float64) -> bool:
        """Whether late stamps come closer than samples are made: a backlog is delivered."""
        shrunk = -drift(offsets) * len(offsets) / 2
        enough = len(offsets) * self.step / 20 + self.spread / 4
        return bool(offsets[-1] > self._late and shrunk > enough)

    def shift(self, size: float) -> None:
        """From here on everything is ``size`` seconds later."""
        self._place += size
        self._shifted += size

    def absorb(self, offsets: Float64, n: int, *, anew: bool = False) -> None:
        """Count ``n`` samples; the last, if they fill a block, tell of habits, or of new ones."""
        self._index += n
        if len(offsets) >= self.size:
            rising = self._slope(offsets)
            if anew or rising or not self.known:
                self._learn(offsets, rising)
            else:
                self._follow(offsets)
            self._turn()

    def revise(self) -> float:
        """At the end of a block: follow it, or return by how many seconds the clock has shifted.

        Not at the first odd block: it may have been jitter, or the shift lies within it and it has
        seen but a part. What it saw is not followed, and the next ones decide.
        """
        offsets = self._offsets[: self._count]
        found = 0.0
        if not self.known:
            self._learn(offsets, self._slope(offsets))
            self._turn()
            return found
        shift = self.compare(offsets)
        growth, self._suspected = shift.size - self._suspected, shift.size
        self._suspicions += 1
        error = self._habits.usual_error(self._habits.best)
        settled = abs(growth) <= max(LATE * self.step / 2, 3 * error)
        if not shift.certain and (not shift.odd or self._suspicions > 1):
            self._follow(offsets)
        elif self._suspicions > self.patience and settled:
            self._coast()
            self.shift(shift.size)
            self._trust()
            found = shift.size
        elif self._suspicions > 1 and self.is_rate(offsets, shift.size):
            self._learn(offsets, self._slope(offsets))
        elif self._suspicions > self.patience + 2:
            self._learn(offsets, growth / self.size)
        else:
            self._coast()
        self._turn()
        return found

    def _learn(self, offsets: Float64, rising: float) -> None:
        """Lay the line anew through this block, the last samples counted."""
        n = len(offsets)
        before, self.step = self.step, self._bounded(self.step + rising)
        flat = offsets - (self.step - before) * np.arange(n)
        middle = self._habits.learn(flat, 0.0 if rising else abs(drift(offsets)) * n / 3)
        first = self._place + before * (self._index - n) + middle
        self._place = first + self.step * n
        self._trust()
        self._ends.clear()
        self._ends.append((self._received + self._index - n, first - self._shifted))

    def _follow(self, offsets: Float64) -> None:
        n = min(self._habits.blocks + 2, MEMORY)
        alpha, beta = 2 * (2 * n - 1) / (n * (n + 1)), 6 / (n * (n + 1))
        error = self._habits.follow(offsets, alpha, self.step)
        self._place += self.step * self._index + (alpha + beta / 2) * error
        self.step = self._bounded(self.step + beta * error / self._index)
        self._trust()

    def _coast(self) -> None:
        self._place += self.step * self._index

    def _trust(self) -> None:
        self._suspicions, self._suspected = 0, 0.0

    def _turn(self) -> None:
        """Begin the next block."""
        self._received += self._index
        self._index = self._count = 0
        self._early, self._late = self._habits.bounds(self.step, self.size * self.step)
        self._ends.append((self._received, self._place - self._shifted))
        (before, start), (after, end) = self._ends[0], self._ends[-1]
        seconds = max(end - start, (after - before) * self._nominal / _FASTEST)
        rate = (after - before) / seconds
        # By as much could jitter feign another one.
        jitter = self.spread + 3 * self._habits.usual_error(self._habits.best)
        doubt = 0.0 if len(self._ends) > _RATE_KNOWN else jitter / seconds
        self.rate_is_off = abs(rate * self._nominal - 1) > RATE_TOLERANCE + doubt
        known = self.rate_is_off or doubt < RATE_TOLERANCE / 2
        self.rate = rate if known else np.nan

    def _slope(self, offsets: Float64) -> float:
        return slope(offsets, LATE * self.step / 4)

    def _bounded(self, step: float) -> float:
        return min(max(step, self._nominal / _FASTEST), self._nominal * _FASTEST)
