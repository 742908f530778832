"""Where the samples of a file do not follow each other in time.

A file tells of a gap in one of three ways: an EEGLAB ``boundary`` says that something was cut out
there, and for how long it was; MNE notes with ``BAD boundary`` and ``EDGE boundary`` where it
joined two recordings; and under ``BAD_ACQ_SKIP`` in a FIF file lie zeros for samples that were
never acquired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import numpy.typing as npt

from daemon.records import Float64

UNKNOWN = 10.0  # seconds that stand for a gap of which nobody knows how long it was

Note = tuple[float, float, str]
"""An annotation: onset and duration in seconds, as if all samples followed each other; and text."""

CUT = "boundary"

_CUTS = {CUT, "bad boundary", "edge boundary"}
_SKIP = "bad_acq_skip"


def gaps_of(
    notes: Iterable[Note], count: int, rate: float
) -> tuple[dict[int, float], npt.NDArray[np.bool_]]:
    """Find what annotations say of gaps among ``count`` samples at ``rate`` (Hz).

    Returns
    -------
    gaps : dict of int to float
        From the index of the sample behind a gap to the gap's length in seconds.
    received : bool array, shape (count,)
        False for what only fills a skip.
    """
    received = np.ones(count, bool)
    gaps: dict[int, float] = {}
    for onset, duration, text in notes:
        first = _behind(onset, rate, count)
        length = duration if np.isfinite(duration) and duration > 0 else 0.0
        kind = text.casefold()
        if kind in _CUTS and 0 < first < count:
            gaps[first] = max(gaps.get(first, 0.0), length)
        elif kind == _SKIP:
            received[first : first + round(length * rate)] = False
    # What one annotation knows counts more than that another does not.
    return {first: length or UNKNOWN for first, length in gaps.items()}, received


def on_the_clock(
    count: int, rate: float, gaps: Mapping[int, float]
) -> tuple[Float64, Callable[[float], float]]:
    """Put ``count`` samples at ``rate`` (Hz) where they were recorded.

    Parameters
    ----------
    count : int
    rate : float
        Hz.
    gaps : mapping of int to float
        Seconds that are missing before the sample of that index.

    Returns
    -------
    stamps : float64 array, shape (count,)
        Seconds since the first sample.
    moved : function of float
        Where a time that takes all samples to follow each other is to be found among the stamps.
    """
    later = np.zeros(count + 1)
    for first, length in gaps.items():
        later[first:] += length

    def moved(onset: float) -> float:
        return float(onset + later[_behind(onset, rate, count)])

    return np.arange(count) / rate + later[:count], moved


def _behind(onset: float, rate: float, count: int) -> int:
    """The first sample at or after ``onset``: EEGLAB's boundaries lie half way between two."""
    return int(np.clip(np.ceil(onset * rate - 1e-6), 0, count))
