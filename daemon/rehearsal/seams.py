"""Where the samples of a file do not follow each other in time, as its annotations tell.

EEGLAB notes with ``boundary`` that something was cut out there, and for how long it was; MNE notes
with ``BAD boundary`` and ``EDGE boundary`` where it joined two recordings; and under
``BAD_ACQ_SKIP`` in a FIF file lie zeros for samples that were never acquired. (MNE shortens the
length of a cut to that of what follows it; a hole remains all the same.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from daemon.records import Float64

UNKNOWN = 10.0  # seconds that stand for a gap of which nobody knows how long it was

_CUTS = {"boundary", "bad boundary", "edge boundary"}
_SKIP = "bad_acq_skip"


def on_the_clock(
    count: int, rate: float, annotations: Sequence[tuple[float, float, str]]
) -> tuple[npt.NDArray[np.bool_], Float64, Callable[[float], float]]:
    """Put ``count`` samples back to where they were recorded.

    Parameters
    ----------
    count : int
    rate : float
        Hz.
    annotations : sequence of (float, float, str)
        Onset and duration in seconds, as if the samples followed each other; and text.

    Returns
    -------
    received : bool array, shape (count,)
        False for what only fills a skip.
    stamps : float64 array, shape (count,)
        Seconds since the first sample.
    moved : function of float
        Where an onset is to be found among the stamps.
    """
    received = np.ones(count, bool)
    cuts: dict[int, float] = {}
    for onset, duration, text in annotations:
        # EEGLAB's boundaries lie half way between two samples.
        first = int(np.clip(np.ceil(onset * rate - 1e-6), 0, count))
        length = duration if np.isfinite(duration) and duration > 0 else 0.0
        kind = text.casefold()
        if kind in _CUTS and 0 < first < count:
            cuts[first] = max(cuts.get(first, 0.0), length or UNKNOWN)
        elif kind == _SKIP:
            received[first : first + round(length * rate)] = False
    later = np.zeros(count + 1)
    for first, length in cuts.items():
        later[first:] += length

    def moved(onset: float) -> float:
        at = int(np.clip(np.ceil(onset * rate - 1e-6), 0, count))
        return float(onset + later[at])

    return received, np.arange(count) / rate + later[:count], moved
