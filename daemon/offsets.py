"""What a stretch of offsets (seconds by which consecutive stamps are late) tells by itself.

Offsets are float64 arrays of shape (n,), n at least 1; they are in the order of the samples.
"""

from __future__ import annotations

import numpy as np

from daemon.records import Float64

MIDDLE, LOW, HIGH, TOP = range(4)

# A stretch whose offsets move to and fro so often is jitter of independent samples. Long chunks,
# each pushed with a delay of its own, make fewer pieces: what they have in common may be chance.
PIECES = 8


def marks(offsets: Float64) -> list[float]:
    """`MIDDLE`, `LOW` (5 % quantile), `HIGH` (95 %) and `TOP` (the largest), in this order."""
    ordered = np.sort(offsets)
    n = len(ordered)
    middle, low, high, top = ordered[[n // 2, n // 20, n - 1 - n // 20, n - 1]].tolist()
    return [middle, low, high, top]


def drift(offsets: Float64) -> float:
    """Seconds by which the offsets grow from one sample to the next, in the middle."""
    half = len(offsets) // 2
    if not half:
        return 0.0
    first, second = np.sort(offsets[:half]), np.sort(offsets[-half:])
    return float(second[half // 2] - first[half // 2]) / (len(offsets) - half)


def travel(offsets: Float64) -> float:
    """Seconds that the offsets move to and fro, all ways added up."""
    return float(np.abs(np.diff(offsets)).sum())


def slope(offsets: Float64, least: float) -> float:
    """The drift, or zero where jitter or a single step among the offsets could feign it.

    The line has to rise by more than ``least`` seconds and above its jitter, and the more so the
    fewer pieces that jitter is of.
    """
    found = drift(offsets)
    flat = offsets - found * np.arange(len(offsets))
    _, low, high, _ = marks(flat)
    spread = high - low
    enough = max(least, 0.6 * spread, 2 * PIECES * spread**2 / max(travel(flat), 1e-12))
    return found if abs(found) * len(offsets) > enough else 0.0


def step(offsets: Float64, least: float) -> int | None:
    """Where all later offsets lie above all earlier ones, or None.

    By more than ``least`` seconds and than the offsets usually move from sample to sample.
    """
    if len(offsets) < 2:
        return None
    moves = np.sort(np.abs(np.diff(offsets)))
    before = np.maximum.accumulate(offsets)[:-1]
    after = np.minimum.accumulate(offsets[::-1])[::-1][1:]
    rise = after - before
    n = int(np.argmax(rise))
    return n + 1 if rise[n] > least + moves[len(moves) * 9 // 10] else None
