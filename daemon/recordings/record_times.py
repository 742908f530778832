"""When the records of an EDF+ or BDF+ file begin, of which each one tells its onset.

Rules that hold here:

- Onsets jitter by milliseconds, since a computer's clock tells them, and that clock drifts against
  the amplifier's. Neither is a gap. A gap is a step to later that stays: all of the records behind
  it, up to `_FEW`, are later than all of those before it by more than half a sample, than half a
  thousandth of a record (as no clock drifts), and than onsets usually jitter in this file. A step
  of more than a second is no jitter, and need not stay. Where nearly all records come early, or
  late, by up to a hundredth, the rate in the header is off by that, and no record is a gap.
- Between two gaps the samples lie on a straight line through the onsets, so jitter does not add up;
  it has the header's rate unless the clocks drifted apart by a sample or more.
- Records that begin before the one in front of them has ended do not tell what is missing, if
  anything. There lies a gap of unknown length, and the file's clock is moved on for what follows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from daemon.recordings.boundaries import UNKNOWN
from daemon.records import Float64

_FEW = 16  # records that are compared on either side of a step
_DRIFT = 5e-4  # of a record's duration
_OFF_RATE = 1e-2  # of a record's duration
_JITTER = 0.1  # seconds; where steps are usually larger, they are gaps and no jitter
_NO_JITTER = 1.0  # seconds


class RecordTimes(NamedTuple):
    """Where records lie on the recording's clock, which begins with its first sample.

    Attributes
    ----------
    starts : float64 array, shape (records,)
        Seconds.
    moved : float64 array, shape (records,)
        Seconds to add to a time on the file's clock that is told in this record.
    back : tuple of int
        Records that begin before the one in front of them has ended.
    """

    starts: Float64
    moved: Float64
    back: tuple[int, ...]


def record_times(onsets: Float64, duration: float, rate: float) -> RecordTimes:
    """Place records of ``duration`` (s) with samples at ``rate`` (Hz).

    Parameters
    ----------
    onsets : float64 array, shape (records,), one or more
        Seconds on the file's clock; nan for a record that is taken to follow the one before it.
    duration, rate : float
    """
    onsets = _completed(onsets, duration)
    regular = np.arange(len(onsets)) * np.float64(duration)
    late = onsets - onsets[0] - regular
    steady = _off_rate(late, duration) * np.arange(len(late))
    begins = _begins(late - steady, max(0.5 / rate, _DRIFT * duration))
    runs = np.split(late, begins)
    level = np.concatenate([_level(run, 1 / rate) for run in runs])
    moved = np.zeros(len(late))
    back = []
    for begin in begins:
        if late[begin] < late[begin - 1]:
            back.append(begin)
            moved[begin:] += UNKNOWN - (level[begin] - level[begin - 1])
    return RecordTimes(regular + level - level[0] + moved, moved - onsets[0], tuple(back))


def _completed(onsets: Float64, duration: float) -> Float64:
    """Onsets of all records, each unknown one from the known one before it (or the first)."""
    known = np.flatnonzero(np.isfinite(onsets))
    if not len(known):
        return np.arange(len(onsets)) * np.float64(duration)
    here = np.arange(len(onsets))
    nearest = known[np.maximum(np.searchsorted(known, here, side="right") - 1, 0)]
    completed: Float64 = onsets[nearest] + (here - nearest) * duration
    return completed


def _off_rate(late: Float64, duration: float) -> float:
    """Seconds by which nearly every record is longer than it should be; 0 where they differ."""
    apart = min(_FEW, len(late)) // 3  # records, over which jitter does not hide it
    if not apart:
        return 0.0
    low, middle, high = np.quantile((late[apart:] - late[:-apart]) / apart, [0.1, 0.5, 0.9])
    return float(middle) if low * high > 0 and abs(middle) <= _OFF_RATE * duration else 0.0


def _begins(late: Float64, least: float) -> list[int]:
    """Records that no longer lie in line with those before them, by ``least`` seconds or more."""
    steps = np.diff(late)
    sizes = np.abs(steps)
    jitter = min(float(np.median(sizes)), _JITTER) if len(sizes) else 0.0
    large = np.flatnonzero(sizes > _NO_JITTER) + 1
    begins = [0]
    for at in np.flatnonzero(sizes >= max(least, jitter)) + 1:
        before = late[max(begins[-1], at - _FEW) : at]
        until = large[np.searchsorted(large, at, side="right") :][:1]
        after = late[at : min(at + _FEW, *until, len(late))]
        apart = max(after.min() - before.max(), before.min() - after.max())
        # A few records alone may all be late by more than others usually are.
        usual = jitter * (1 if min(len(before), len(after)) > 3 else 3)
        if apart >= max(least, usual):
            begins.append(int(at))
    return begins[1:]


def _level(late: Float64, sample: float) -> Float64:
    """The straight line that a run of records lies on, through medians, which no jitter moves."""
    third = max(len(late) // 3, 1)
    drift = float(np.median(late[-third:]) - np.median(late[:third]))
    middle = np.full(len(late), np.median(late))
    if abs(drift) < sample:
        return middle
    line: Float64 = middle + drift / (len(late) - third) * (
        np.arange(len(late)) - (len(late) - 1) / 2
    )
    return line
