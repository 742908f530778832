"""Where in a recording the EEG of each class lies, by its markers."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from daemon.recordings.recording import Recording
from daemon.training.settings import Training


class Trial(NamedTuple):
    """EEG of one class, in seconds on the recording's clock.

    Another class lasts until ``since``, and another one begins at ``change``.
    """

    start: float
    stop: float
    since: float
    change: float
    target: int


def trials(recording: Recording, training: Training, unused: Counter[str]) -> list[Trial]:
    """The trials that the recording's markers begin, in order of time.

    Markers that neither begin nor end one are counted in ``unused``.
    """
    classes = list(training.classes)
    last = float(recording.stamps[-1]) + 1 / training.sample_rate
    whole = training.class_of(recording.path.name, None)
    marks: list[tuple[float, int | None]] = []
    if whole is not None:
        marks.append((float(recording.stamps[0]), classes.index(whole)))
    for at, marker in recording.markers:
        name = training.class_of(recording.path.name, marker)
        if name is not None or marker in training.trial.ends:
            marks.append((at, None if name is None else classes.index(name)))
        else:
            unused[marker] += 1
    found = []
    for n, (at, target) in enumerate(marks):
        if target is None:
            continue
        after = marks[n + 1][0] if n + 1 < len(marks) else last
        change = next((a for a, other in marks[n + 1 :] if other != target), np.inf)
        since = -np.inf
        for before in range(n - 1, -1, -1):
            if marks[before][1] != target:
                # Where no class lasted, there is none to share a window with.
                since = marks[before if marks[before][1] is None else before + 1][0]
                break
        start = at + training.trial.offset
        length = training.trial.length
        stop = after if length is None else start + length
        found.append(Trial(start, stop, since, change, target))
    return found
