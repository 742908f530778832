"""A training and its answers on left-out data → all figures of ``report.json``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from daemon.training import baseline, evaluation, scores, splits
from daemon.training.baseline import LDA, features_of
from daemon.training.evaluation import Answers
from daemon.training.recipe import Recipe
from daemon.training.settings import Training
from daemon.training.splits import Fold, Groups
from daemon.training.trained import Trained
from daemon.training.verdict import verdict
from daemon.training.windows import Dataset


def figures(
    training: Training,
    how: Recipe,
    data: Dataset,
    groups: Groups,
    folds: list[Fold],
    randoms: list[Fold],
    trained: dict[str, Trained],
    why: list[str],
) -> tuple[Any, Answers]:
    """What ``report.json`` holds, and the answers on left-out data that it is about.

    Parameters
    ----------
    training : Training
    how : Recipe
    data : Dataset
    groups : Groups
    folds, randoms : list of Fold
        Honest ones, and those of a random split.
    trained : dict of str to Trained
        ``fold 1``, …, ``final``, ``random 1``, …
    why : list of str
        Why the accuracy cannot be trusted.
    """
    seed = training.seed
    ofs = [trained[f"fold {n + 1}"] for n in range(len(folds))]
    answers = _answered(data, folds, ofs)
    of_baselines = features_of(training, data)
    features = of_baselines[LDA]
    baselines = {
        name: baseline.over_folds(values, data.targets, folds)
        for name, values in of_baselines.items()
    }
    if how.settings.start == "discriminant":
        starts = [one.start_answers(data, fold.test) for fold, one in zip(folds, ofs, strict=True)]
        baselines["the encoder's untrained start"] = (answers.windows, np.concatenate(starts))
    deployed = None
    if training.window != training.steps:
        longer = _answered(data, folds, ofs, training.window)
        if len(np.unique(data.targets[longer.windows])) == len(data.classes):
            deployed = evaluation.encoder_figures(data, groups.of, longer)
    at_random = {}
    if randoms:
        chosen = [trained[f"random {n + 1}"] for n in range(len(randoms))]
        one = _answered(data, randoms, chosen)
        two = baseline.over_folds(features, data.targets, randoms)
        at_random = {
            "encoder": evaluation.encoder_figures(data, data.trial, one),
            LDA: evaluation.judged(data, data.trial, *two),
        }
    split = evaluation.split_figures(data, groups, folds)
    split |= {"test": training.split.test, "together": list(training.split.together)}
    kept = (
        evaluation.split_figures(
            data, groups, [splits.final(data, groups, training.split, training.seed)]
        )["folds"][0]
        if "final" in trained
        else split["folds"][0]
    )
    content = {
        "verdict": "",
        "why_not_trusted": why,
        "encoder": evaluation.encoder_figures(data, groups.of, answers),
        "baselines": evaluation.compared(data, groups.of, answers, baselines),
        "deployed": {"encoder": deployed},
        "random_split": at_random,
        "leaks": evaluation.leaks(data, features, folds, answers, seed),
        "split": split,
        "training": {
            "settings": asdict(how.settings),
            "window": training.window,
            "training_window": training.steps,
            "conditioning": [
                *map(str, training.contract().conditioning),
                *["z-score from training"] * training.scaled_from_training,
            ],
            "temperature": trained.get("final", trained["fold 1"]).temperature,
            "fold_temperatures": [one.temperature for one in ofs],
            "kept": kept,
            "members": len(trained.get("final", ofs[0]).histories),
            "ask_from": how.ask_from,
            "history": {
                f"{name}{f' member {m + 1}' if len(one.histories) > 1 else ''}": history
                for name, one in trained.items()
                for m, history in enumerate(one.histories)
            },
        },
        "data": evaluation.data_figures(data),
    }
    content["verdict"] = verdict(content)
    return content, answers


def _answered(
    data: Dataset, folds: Sequence[Fold], trained: Sequence[Trained], steps: int | None = None
) -> Answers:
    parts = []
    for n, (fold, one) in enumerate(zip(folds, trained, strict=True)):
        test = fold.test
        if steps is not None:
            test = data.reaches(test, steps, np.concatenate([fold.training, fold.validation]))
        plain = one.probabilities(data, test, steps)
        calibrated = scores.calibrated(plain, one.temperature)
        parts.append(Answers(test, np.full(len(test), n, np.int64), plain, calibrated))
    return Answers.joined(parts)
