"""Do a session's streams of probabilities and codes say what its markers say?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from daemon.offline.session import Session, Track
from daemon.records import Prediction

_TURNS = 5.0  # seconds


def disagreements(session: Session, classes: Sequence[str]) -> dict[str, int | None]:
    """For each of the two: how many samples do not say what the markers say, or are missing.

    None where a stream was not recorded. ``classes`` are in the order of the model's outputs.
    """
    said = session.predictions
    answers = [p for p in said if p.probabilities is not None]
    probabilities = [[*(p.probabilities or {}).values()] for p in answers]
    codes = [[classes.index(p.label) + 1 if p.label in classes else 0] for p in said]
    return {
        "probabilities": _wrong(session.probabilities, said, answers, probabilities),
        "codes": _wrong(session.codes, said, said, codes),
    }


def _wrong(
    track: Track | None,
    said: Sequence[Prediction],
    told: Sequence[Prediction],
    values: Sequence[Sequence[float]],
) -> int | None:
    """Samples of ``track`` that are not one of ``told`` with its values, or the other way round.

    A recorder begins and ends its streams one by one, within `_TURNS`: what only one of both can
    have is not asked for there. At the very first and last stamp one may have a sample more.
    """
    if track is None:
        return None
    if not len(track.stamps) or not told:
        return len(told)
    first = max(min(float(track.stamps[0]), told[0].window_end + _TURNS), said[0].window_end)
    last = min(max(float(track.stamps[-1]), told[-1].window_end - _TURNS), said[-1].window_end)
    expected = Counter(
        (p.window_end, *np.asarray(row, track.values.dtype).tolist())
        for p, row in zip(told, values, strict=True)
    )
    rows = zip(track.stamps.tolist(), track.values.tolist(), strict=True)
    recorded = Counter((stamp, *row) for stamp, row in rows)
    absent = {key[0] for key in expected - recorded}
    strange = {key[0] for key in recorded - expected}
    wrong = {at for at in absent | strange if first < at < last}
    return len(wrong | (absent & strange))
