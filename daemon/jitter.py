"""Keeps how a sender's timestamps usually lie around the clock's line.

The theory is in `daemon.clock`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from daemon.records import Float64
from daemon.residuals import HIGH, LARGEST, LOW, MEDIAN, PIECES, quantiles, total_variation

LATE = 0.75  # sample periods; below one, so that a single lost sample shows
_CERTAIN = 10.0  # times the usual error
_ERRORS = 16  # blocks that a quantile's usual error is taken from
_UNCERTAINTY_LEFT = 0.7  # of the first block's uncertainty, after each further one
_YOUNG = 3  # blocks after which the jitter is known
_LONGEST = 6  # blocks that are waited for at most


class Shift(NamedTuple):
    """How far a stretch of residuals lies from the usual ones.

    Attributes
    ----------
    size : float
        Seconds; positive where the timestamps are late.
    unusual : bool
        One of the quantiles is not where it usually is.
    certain : bool
        All of the stretch is later, or earlier, by more than jitter could make it.
    """

    size: float
    unusual: bool
    certain: bool


class Jitter:
    """Keeps the usual quantiles of one sender's residuals, and how well each is predicted.

    Attributes
    ----------
    blocks : int
        How many have been seen since the jitter was learned anew.
    best : int
        The quantile that was predicted best.
    """

    def __init__(self) -> None:
        self.blocks = 0
        self.best = MEDIAN
        self._usual = [0.0] * 4
        self._error = [0.0] * 4  # mean squares of the prediction errors
        self._uncertainty = 0.0
        self._variation = 0.0

    def learn(self, residuals: Float64, uncertainty: float) -> float:
        """Forget all else; returns the median, which becomes zero.

        ``uncertainty`` (seconds) is added to that which the jitter makes.
        """
        now = quantiles(residuals)
        self.blocks = 1
        self.best = MEDIAN
        self._usual = [quantile - now[MEDIAN] for quantile in now]
        self._error = [0.0] * 4
        self._uncertainty = uncertainty + (now[HIGH] - now[LOW]) / 8
        self._variation = total_variation(residuals)
        return now[MEDIAN]

    def follow(self, residuals: Float64, gain: float, period: float) -> float:
        """Take one more block; returns by how many seconds the best quantile is off.

        ``gain`` (0 … 1) is how far the other quantiles follow, ``period`` the sample period in
        seconds.
        """
        errors = self._errors(quantiles(residuals))
        off = errors[self.best]
        self.blocks += 1
        for at, error in enumerate(errors):
            # A single wild block must not make the sender seem unpredictable.
            limited = min(abs(error), 4 * self.usual_error(at) + LATE * period)
            self._error[at] += (limited**2 - self._error[at]) / min(self.blocks - 1, _ERRORS)
            self._usual[at] += gain * (error - off)
        self._uncertainty *= _UNCERTAINTY_LEFT
        self._variation += gain * (total_variation(residuals) - self._variation)
        # Rounding noise must not choose between quantiles.
        floor = (period / 20) ** 2
        self.best = min(range(4), key=lambda at: max(self._error[at], floor))
        return off

    def compare(self, residuals: Float64, period: float, before: Float64) -> Shift:
        """Hold a stretch against the usual, or against those ``before`` it while none is known."""
        now = quantiles(residuals)
        if self.blocks:
            errors = self._errors(now)
            noise = [self.usual_error(at) for at in range(4)]
        else:
            errors = [one - other for one, other in zip(now, quantiles(before), strict=True)]
            noise = [1.5 * (now[HIGH] - now[LOW]) / _CERTAIN] * 4
        size = errors[self.best]
        unusual = [abs(errors[at]) > max(LATE * period, _CERTAIN * noise[at]) for at in range(4)]
        together = all(
            errors[at] * np.sign(size) > abs(size) / 2 - 2 * noise[at] for at in (MEDIAN, LOW, HIGH)
        )
        return Shift(size, any(unusual[:LARGEST]), unusual[self.best] and together)

    @property
    def spread(self) -> float:
        """Seconds between the earliest and the latest usual residual."""
        return self._usual[HIGH] - self._usual[LOW]

    @property
    def best_error(self) -> float:
        """Seconds (root mean square) by which the best quantile is predicted wrong."""
        return self.usual_error(self.best)

    def usual_error(self, quantile: int) -> float:
        """Seconds (root mean square) by which a quantile is predicted wrong."""
        return float((self._error[quantile] + self._uncertainty**2) ** 0.5)

    def bounds(self, period: float) -> tuple[float, float]:
        """Residuals, in seconds, between which a sample is neither early nor late."""
        margin = self.spread / 4
        beyond = max(LATE * period, 3 * self.best_error)
        late = min(self._usual[LARGEST], self._usual[HIGH] + margin) + beyond
        return self._usual[LOW] - margin - beyond, late

    def patience(self, period: float) -> int:
        """Blocks of late samples that prove a shift.

        One, unless the jitter is not known yet, or comes in few pieces: then several in a row have
        to be late.
        """
        if self.blocks < _YOUNG:
            return _YOUNG
        if self.spread < LATE * period:
            return 1
        return int(min(max(PIECES * self.spread / max(self._variation, 1e-12), 1), _LONGEST))

    def _errors(self, now: list[float]) -> list[float]:
        return [quantile - usual for quantile, usual in zip(now, self._usual, strict=True)]
