"""Keeps the line that a sender's timestamps lie along: its next sample's place, and its rate.

The theory is in `daemon.clock`.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from daemon.jitter import LATE, Jitter, Shift
from daemon.records import Float64
from daemon.residuals import drift, significant_drift

RATE_TOLERANCE = 0.01  # of the nominal rate
_MEMORY = 6  # blocks that the line runs through
_RATE = 32  # blocks that the rate is taken from
_RATE_KNOWN = 16  # blocks after which jitter cannot be taken for another rate
_FEW = 16  # samples that may be late together by chance
_FASTEST = 16.0  # times the nominal rate: timestamps that stand still have no rate at all


class Regression:
    """Keeps the least-squares line through the timestamps of one sender's latest blocks.

    Parameters
    ----------
    rate : float
        Nominal rate in Hz.
    start : float
        Timestamp of the first sample.

    Attributes
    ----------
    size : int
        Samples of a block: a second of them, or 16.
    room : int
        Samples that the present block still takes.
    period : float
        Sample period in seconds.
    jitter : Jitter
        Around the line.
    late : float
        The largest residual, in seconds, of a sample that is on time.
    rate : float
        Samples a second over the last half minute; nan until it is known.
    rate_is_off : bool
        It is known to be more than `RATE_TOLERANCE` off the nominal one.
    """

    def __init__(self, rate: float, start: float) -> None:
        self.size = self.room = max(round(rate), 16)
        self.period = self._nominal = 1.0 / rate
        self.jitter = Jitter()
        self.rate = np.nan
        self.rate_is_off = False
        self._place = start
        self._index = 0  # of the next sample, within the block
        self._block = np.empty(self.size)  # residuals
        self._received = 0
        self._shifted = 0.0
        # Samples received and their place, without shifts, at the ends of the latest blocks.
        self._ends: deque[tuple[int, float]] = deque(maxlen=_RATE + 1)
        self._set_bounds()

    @property
    def is_known(self) -> bool:
        """Whether a whole block has been seen."""
        return self.jitter.blocks > 0

    @property
    def block(self) -> Float64:
        """Residuals of the samples taken into the block."""
        return self._block[: self.size - self.room]

    @property
    def spread(self) -> float:
        """Seconds between the earliest and the latest usual residual."""
        if self.is_known:
            return self.jitter.spread
        return float(np.ptp(self.block)) if len(self.block) else 0.0

    def residuals(self, timestamps: Float64, ahead: int = 0) -> Float64:
        """Seconds by which each timestamp is late, the first that of ``ahead`` samples on."""
        index = np.arange(self._index + ahead, self._index + ahead + len(timestamps))
        return timestamps - (self._place + self.period * index)

    def on_time(self, timestamps: Float64, ahead: int = 0) -> npt.NDArray[np.bool_]:
        """Which of them are neither late nor a second early; arguments as of `residuals`."""
        residuals = self.residuals(timestamps, ahead)
        return (self._early <= residuals) & (residuals <= self.late)

    def take_if_on_time(self, timestamp: float) -> bool:
        """Whether the next sample is on time; then it is taken into the block."""
        residual = timestamp - (self._place + self.period * self._index)
        if not self._early <= residual <= self.late:
            return False
        self._block[self.size - self.room] = residual
        self.room -= 1
        self._index += 1
        return True

    def take(self, timestamps: Float64) -> None:
        """Take the next samples into the block, no more than there is room for."""
        n = len(timestamps)
        start = self.size - self.room
        self._block[start : start + n] = self.residuals(timestamps)
        self.room -= n
        self._index += n

    def skip(self, n: int) -> None:
        """Pass over samples whose timestamps do not count."""
        self._index += n

    def compare(self, residuals: Float64) -> Shift:
        """How a stretch of residuals lies beside the usual ones."""
        shift = self.jitter.compare(residuals, self.period, self.block)
        by_chance = len(residuals) < _FEW and abs(shift.size) <= 4 * self.spread
        return shift._replace(certain=False) if by_chance else shift

    def significant_drift(self, residuals: Float64) -> float:
        """Seconds by which residuals rise a sample; zero where that may come of jitter."""
        return significant_drift(residuals, LATE * self.period / 4)

    def catches_up(self, residuals: Float64) -> bool:
        """Whether late timestamps come closer than samples are made: a backlog is delivered."""
        shrunk = -drift(residuals) * len(residuals) / 2
        enough = len(residuals) * self.period / 20 + self.spread / 4
        return bool(residuals[-1] > self.late and shrunk > enough)

    def shift(self, size: float) -> None:
        """Move the line by ``size`` seconds, from here on."""
        self._place += size
        self._shifted += size

    def learn(self, residuals: Float64, per_sample: float) -> None:
        """End the block: lay the line anew through it, its residuals drifting by ``per_sample``."""
        n = len(residuals)
        before, self.period = self.period, self._bounded(self.period + per_sample)
        level = residuals - (self.period - before) * np.arange(n)
        uncertainty = 0.0 if per_sample else abs(drift(residuals)) * n / 3
        median = self.jitter.learn(level, uncertainty)
        first = self._place + before * (self._index - n) + median
        self._place = first + self.period * n
        self._ends.clear()
        self._ends.append((self._received + self._index - n, first - self._shifted))
        self._end_block()

    def follow(self, residuals: Float64) -> None:
        """End the block: turn the line towards it."""
        n = min(self.jitter.blocks + 2, _MEMORY)
        alpha, beta = 2 * (2 * n - 1) / (n * (n + 1)), 6 / (n * (n + 1))
        error = self.jitter.follow(residuals, alpha, self.period)
        self._place += self.period * self._index + (alpha + beta / 2) * error
        self.period = self._bounded(self.period + beta * error / self._index)
        self._end_block()

    def coast(self) -> None:
        """End the block: go straight on, whatever it told."""
        self._place += self.period * self._index
        self._end_block()

    def _end_block(self) -> None:
        self._received += self._index
        self._index, self.room = 0, self.size
        self._set_bounds()
        self._ends.append((self._received, self._place - self._shifted))
        (before, start), (after, end) = self._ends[0], self._ends[-1]
        seconds = max(end - start, (after - before) * self._nominal / _FASTEST)
        rate = (after - before) / seconds
        # By as much could jitter make it seem another one.
        jitter = self.jitter.spread + 3 * self.jitter.best_error
        uncertainty = 0.0 if len(self._ends) > _RATE_KNOWN else jitter / seconds
        self.rate_is_off = abs(rate * self._nominal - 1) > RATE_TOLERANCE + uncertainty
        is_known = self.rate_is_off or uncertainty < RATE_TOLERANCE / 2
        self.rate = rate if is_known else np.nan

    def _set_bounds(self) -> None:
        early, self.late = self.jitter.bounds(self.period)
        # A smaller step back shows at the end of its block.
        self._early = early - self.size * self.period

    def _bounded(self, period: float) -> float:
        return min(max(period, self._nominal / _FASTEST), self._nominal * _FASTEST)
