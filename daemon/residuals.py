"""What a stretch of timestamp residuals tells by itself, whatever came before it.

A residual is the seconds by which a timestamp is later than its sample's place on the clock's line.
Residuals are float64 arrays of shape (n,), n at least 1; they are in the order of the samples.
"""

from __future__ import annotations

import numpy as np

from daemon.records import Float64

MEDIAN, LOW, HIGH, LARGEST = range(4)

# Residuals that move to and fro by so many times their spread are jitter of independent samples.
# Long chunks, each pushed with a delay of its own, move less: what they share may be chance.
PIECES = 8


def quantiles(residuals: Float64) -> list[float]:
    """`MEDIAN`, `LOW` (5 % quantile), `HIGH` (95 %) and `LARGEST`, in this order."""
    ordered = np.sort(residuals)
    n = len(ordered)
    median, low, high, largest = ordered[[n // 2, n // 20, n - 1 - n // 20, n - 1]].tolist()
    return [median, low, high, largest]


def drift(residuals: Float64) -> float:
    """Seconds by which the median grows from one sample to the next."""
    half = len(residuals) // 2
    if not half:
        return 0.0
    first, second = np.sort(residuals[:half]), np.sort(residuals[-half:])
    return float(second[half // 2] - first[half // 2]) / (len(residuals) - half)


def total_variation(residuals: Float64) -> float:
    """Seconds that the residuals move from sample to sample, up and down alike."""
    return float(np.abs(np.diff(residuals)).sum())


def significant_drift(residuals: Float64, least: float) -> float:
    """The drift, or zero where it may come of jitter or of a single change of level.

    The residuals have to rise by more than ``least`` seconds and above their jitter, and the more
    so the fewer pieces that jitter is of.
    """
    per_sample = drift(residuals)
    level = residuals - per_sample * np.arange(len(residuals))
    _, low, high, _ = quantiles(level)
    spread = high - low
    variation = max(total_variation(level), 1e-12)
    enough = max(least, 0.6 * spread, 2 * PIECES * spread**2 / variation)
    return per_sample if abs(per_sample) * len(residuals) > enough else 0.0


def change_point(residuals: Float64, least: float) -> int | None:
    """Index of the first residual from which on all lie above all before it, or None.

    They have to by more than ``least`` seconds and than residuals usually move from sample to
    sample.
    """
    if len(residuals) < 2:
        return None
    moves = np.sort(np.abs(np.diff(residuals)))
    before = np.maximum.accumulate(residuals)[:-1]
    after = np.minimum.accumulate(residuals[::-1])[::-1][1:]
    rise = after - before
    n = int(np.argmax(rise))
    return n + 1 if rise[n] > least + moves[len(moves) * 9 // 10] else None
