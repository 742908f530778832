"""What an encoder's answers on left-out data are worth: the numbers of ``report.json``.

Rules that hold here:

- Every figure comes with its chance level, its n and its interval, and with the baseline's on the
  same windows.
- Nothing here decides what is shown: a bad figure goes the same way as a good one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from daemon.offline.performance import balanced_accuracy
from daemon.records import Float64
from daemon.training import baseline, scores
from daemon.training.coincidence import coincidences, from_recording_alone, from_time_alone
from daemon.training.scores import Indices, confusion
from daemon.training.signflip import versus
from daemon.training.splits import Fold, Groups
from daemon.training.windows import Dataset

ENCODER_PERMUTATIONS = 1000  # of its answers as they are
BASELINE_PERMUTATIONS = 100  # each trains anew


@dataclass(frozen=True)
class Answers:
    """An encoder's answers for the windows that were left out, over all folds.

    Attributes
    ----------
    windows : int64 array, shape (n,)
        Their numbers in the dataset.
    fold : int64 array, shape (n,)
        Which fold's encoder it was.
    plain, calibrated : float64 array, shape (n, classes)
        Probabilities, without and with the fold's temperature.
    """

    windows: Indices
    fold: Indices
    plain: Float64
    calibrated: Float64

    @staticmethod
    def joined(parts: Sequence[Answers]) -> Answers:
        return Answers(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("windows", "fold", "plain", "calibrated")
            )
        )


def judged(data: Dataset, groups: Indices, windows: Indices, answers: Indices) -> Any:
    """Accuracies with their intervals and chance levels, n and recall of each class."""
    targets = data.targets[windows]
    classes = len(data.classes)
    counts = confusion(targets, answers, classes)
    of_class = counts.sum(axis=1)
    right = int(np.trace(counts))
    return {
        "n": len(windows),
        "balanced_accuracy": balanced_accuracy(counts),
        "balanced_accuracy_interval": scores.balanced_accuracy_interval(
            targets, answers, groups[windows], classes
        ),
        "balanced_accuracy_chance": 1 / classes,
        "accuracy": right / len(windows),
        "accuracy_interval": scores.accuracy_interval(right, len(windows)),
        "accuracy_of_the_most_frequent_class": float(of_class.max() / of_class.sum()),
        "n_per_class": dict(zip(data.classes, of_class.tolist(), strict=True)),
        "recall": {
            name: float(counts[c, c] / of_class[c]) if of_class[c] else None
            for c, name in enumerate(data.classes)
        },
        "confusion": counts.tolist(),
    }


def compared(
    data: Dataset,
    groups: Indices,
    answers: Answers,
    baselines: Mapping[str, tuple[Indices, Indices]],
) -> Any:
    """`judged` for windows and answers of each of ``baselines``, and how the encoder compares."""
    said = np.full(len(data.targets), -1, np.int64)
    said[answers.windows] = answers.calibrated.argmax(axis=1)
    return {
        name: {
            **judged(data, groups, windows, theirs),
            "encoder": versus(data.targets[windows], said[windows], theirs, groups[windows]),
        }
        for name, (windows, theirs) in baselines.items()
    }


def encoder_figures(data: Dataset, groups: Indices, answers: Answers) -> Any:
    """`judged`, and how far the probabilities can be believed."""
    targets = data.targets[answers.windows]
    figures = judged(data, groups, answers.windows, answers.calibrated.argmax(axis=1))
    for name, probabilities in (("before", answers.plain), ("after", answers.calibrated)):
        bins = scores.reliability(probabilities, targets)
        figures.setdefault("calibration", {})[name] = {
            "ece": bins.error,
            "nll": scores.surprise(probabilities, targets),
            "bins": [
                {"up_to": float(edge), "n": int(n), "said": float(said), "right": float(right)}
                for edge, n, said, right in zip(
                    bins.edges[1:], bins.count, bins.said, bins.right, strict=True
                )
                if n
            ],
        }
    return figures


def leaks(
    data: Dataset, features: Float64, folds: Sequence[Fold], answers: Answers, seed: int
) -> Any:
    """What the answers may rest on besides the class: the recording's identity."""
    usable = np.unique(
        np.concatenate([*(fold.test for fold in folds), *(f.training for f in folds)])
    )
    which = baseline.which_recording(
        features[usable], data.recording[usable], data.trial[usable], seed
    )
    windows = answers.windows
    said = answers.calibrated.argmax(axis=1)
    return {
        "from_recording_alone": from_recording_alone(
            data.targets[usable], data.recording[usable], len(data.classes)
        ),
        "from_time_alone": from_time_alone(data, usable),
        "which_recording": None
        if which is None
        else {
            "balanced_accuracy": which[0],
            "chance": which[1],
            "recordings": which[2],
            "classifier": "Band power and LDA, trials left out at random",
        },
        "permuted": {
            "encoder": _permuted_encoder(data, windows, said, seed),
            "baseline": _permuted_baseline(data, features, folds, seed),
        },
    }


def _permuted_encoder(data: Dataset, windows: Indices, said: Indices, seed: int) -> Any:
    """The answers stay, the true classes change places within each recording."""
    classes = len(data.classes)

    def score(targets: Indices) -> float:
        return balanced_accuracy(confusion(targets, said, classes))

    targets = data.targets[windows]
    found, p = baseline.permutation_test(
        score(targets),
        targets,
        data.trial[windows],
        data.recording[windows],
        score,
        times=ENCODER_PERMUTATIONS,
        seed=seed,
    )
    return _distribution(found, score(targets), p)


def _permuted_baseline(data: Dataset, features: Float64, folds: Sequence[Fold], seed: int) -> Any:
    """The baseline learns and is tested on permuted classes: what is left is no class."""
    classes = len(data.classes)

    def score(targets: Indices) -> float:
        tested, said = baseline.over_folds(features, targets, folds)
        return balanced_accuracy(confusion(targets[tested], said, classes))

    found, p = baseline.permutation_test(
        score(data.targets),
        data.targets,
        data.trial,
        data.recording,
        score,
        times=BASELINE_PERMUTATIONS,
        seed=seed,
    )
    return _distribution(found, score(data.targets), p)


def _distribution(found: Float64, observed: float, p: float) -> Any:
    low, median, high = np.quantile(found, [0.025, 0.5, 0.975])
    return {
        "times": len(found),
        "observed": observed,
        "median": float(median),
        "interval": [float(low), float(high)],
        "p": p,
        "scores": [round(float(value), 4) for value in found],
    }


def split_figures(data: Dataset, groups: Groups, folds: Sequence[Fold]) -> Any:
    """Which groups each fold trained on, stopped by and tested on."""

    def names(windows: Indices) -> list[str]:
        return [groups.names[g] for g in np.unique(groups.of[windows])]

    return {
        "kind": "recordings left out whole"
        if not groups.cut
        else "contiguous parts of recordings left out"
        if len(groups.cut) == len(np.unique(data.recording))
        else "recordings left out, some of them in contiguous parts",
        "cut": list(groups.cut),
        "overlapping_windows_left_out": int((groups.of < 0).sum()),
        "folds": [
            {"train": names(f.training), "validate": names(f.validation), "test": names(f.test)}
            for f in folds
        ],
    }


def data_figures(data: Dataset) -> Any:
    """What there is of each class in each recording, and what was left out and why."""
    classes = len(data.classes)
    return {
        "windows": len(data.targets),
        "steps": data.steps,
        "step_rate": data.rate,
        "n_per_recording": {
            name: dict(
                zip(
                    data.classes,
                    np.bincount(data.targets[data.recording == r], minlength=classes).tolist(),
                    strict=True,
                )
            )
            for r, name in enumerate(data.recordings)
            if (data.recording == r).any()
        },
        "recordings_without_windows": [
            name for r, name in enumerate(data.recordings) if not (data.recording == r).any()
        ],
        "left_out": {
            reason: {"n": count, "first": data.first_left_out[reason]}
            for reason, count in data.left_out.items()
        },
        "markers_of_no_class": data.unused,
        "assumptions": list(data.assumptions),
    }


__all__ = [
    "Answers",
    "coincidences",
    "data_figures",
    "encoder_figures",
    "judged",
    "leaks",
    "split_figures",
]
