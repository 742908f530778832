"""Do the classes coincide with recordings or blocks? Then no accuracy can be trusted.

A block is a stretch of one recording with trials of one class alone. EEG drifts: windows of one
block are alike whatever the class is, and windows of different blocks or recordings differ. Where
a class has blocks of its own, a classifier can tell the block and be taken to tell the class. See
R. Li et al., "The Perils and Pitfalls of Block Design for EEG Classification Experiments", IEEE
Transactions on Pattern Analysis and Machine Intelligence 43(1), 2021.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from daemon.offline.performance import balanced_accuracy
from daemon.text import listed
from daemon.training.scores import Indices, confusion
from daemon.training.splits import Fold
from daemon.training.windows import Dataset

_LISTED = 4


def coincidences(data: Dataset, folds: Sequence[Fold]) -> list[str]:
    """Why an accuracy on ``folds`` cannot be trusted, a clause each; empty if nothing speaks so."""
    found = []
    several = len(np.unique(data.recording)) > 1
    occurring = set(np.unique(data.targets).tolist())
    held = [len(np.unique(data.targets[data.recording == r])) for r in np.unique(data.recording)]
    if several and max(held) == 1:
        return [
            "each recording holds one class alone, a block design: class and recording are "
            "confounded"
        ]
    for c, name in enumerate(data.classes):
        mine = data.targets == c
        recordings = np.unique(data.recording[mine])
        others = [
            set(np.unique(data.targets[data.recording == r]).tolist()) - {c} for r in recordings
        ]
        runs = listed([data.recordings[r] for r in recordings], _LISTED)
        if several and len(recordings) and not any(others):
            found.append(f"{name} is in {runs} alone, where no other class is")
        elif several and len(recordings) == 1 and (absent := occurring - others[0] - {c}):
            names = listed([data.classes[a] for a in sorted(absent)], _LISTED)
            found.append(f"{name} is in {runs} alone, where {names} never occurs")
        elif len(np.unique(data.block[mine])) == 1:
            found.append(f"all of {name} lies in one stretch of {runs}")
    time = from_time_alone(data, np.arange(len(data.targets)))
    if not found and time is not None and time >= (1 + 1 / len(data.classes)) / 2:
        found.append(
            "the classes come at the same times in every recording: the time since its begin alone "
            f"gives {time:.2f}"
        )
    shared = _shared_blocks(data, folds)
    if shared and not found:
        found.append(
            f"{shared} stretches of one class lie partly in the training and partly in the test "
            "data"
        )
    return found


def _shared_blocks(data: Dataset, folds: Sequence[Fold]) -> int:
    """Blocks with windows on both sides of a fold."""
    shared: set[int] = set()
    for fold in folds:
        seen = np.concatenate([fold.training, fold.validation])
        shared |= set(data.block[seen].tolist()) & set(data.block[fold.test].tolist())
    return len(shared)


def from_recording_alone(targets: Indices, recording: Indices, classes: int) -> float:
    """Balanced accuracy of an oracle that knows of a window only which recording it is from.

    It answers the class that is over-represented most in that recording, which is the best it can
    do for balanced accuracy.
    """
    totals = np.maximum(np.bincount(targets, minlength=classes), 1)
    answers = np.empty_like(targets)
    for r in np.unique(recording):
        inside = recording == r
        answers[inside] = (np.bincount(targets[inside], minlength=classes) / totals).argmax()
    return balanced_accuracy(confusion(targets, answers, classes))


def from_time_alone(data: Dataset, which: Indices) -> float | None:
    """Balanced accuracy of an oracle that knows of a window only how far its recording has run.

    Each recording in as many parts as there are classes, slow drift's grain: the oracle answers
    what is over-represented most in that part of all other recordings. None for a single one.
    """
    targets, recording = data.targets[which], data.recording[which]
    classes = len(data.classes)
    part = np.empty_like(targets)
    for r in np.unique(recording):
        inside = recording == r
        time = data.time[which][inside]
        span = np.ptp(time)
        run = (time - time.min()) / span if span else np.zeros(len(time))
        part[inside] = np.minimum((run * classes).astype(np.int64), classes - 1)
    if len(np.unique(recording)) < 2:
        return None
    answers = np.empty_like(targets)
    for r in np.unique(recording):
        inside, others = recording == r, recording != r
        totals = np.maximum(np.bincount(targets[others], minlength=classes), 1)
        for p in range(classes):
            there = np.bincount(targets[others & (part == p)], minlength=classes)
            answers[inside & (part == p)] = (there / totals).argmax()
    return balanced_accuracy(confusion(targets, answers, classes))
