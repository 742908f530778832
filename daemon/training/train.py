"""``eegd train``: recordings → encoders on folds, their evaluation, and the bundle.

Rules that hold here:

- Scaling, early stopping and temperature know nothing of what a fold is tested on.
- A killed training goes on where it was: every fold has its checkpoint beside the bundle, until
  the bundle is there.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from daemon.encoders import bundle
from daemon.errors import UsageError
from daemon.records import Float32, Float64
from daemon.training import baseline, encoder, evaluation, fit, report, scores, splits
from daemon.training.bundling import write_bundle
from daemon.training.coincidence import coincidences
from daemon.training.dataset import read_dataset
from daemon.training.evaluation import Answers
from daemon.training.examples import Examples
from daemon.training.scores import Indices
from daemon.training.settings import Training
from daemon.training.splits import Fold
from daemon.training.windows import Dataset

_BYTES_AT_ONCE = 1 << 28


@dataclass(frozen=True)
class Trained:
    """What came of one fold.

    Attributes
    ----------
    scale : tuple of two float64 arrays, shape (channels,)
        Mean and standard deviation of the training windows' samples; 0 and 1 where none is asked.
    fitted : fit.Fitted
    temperature : float
    """

    scale: tuple[Float64, Float64]
    fitted: fit.Fitted
    temperature: float

    def probabilities(self, data: Dataset, which: Indices, steps: int | None = None) -> Float64:
        """Of windows ``which``, (n, classes), without the temperature."""
        steps = steps or data.steps
        channels = data.signals[0].shape[1]
        size = max(1, _BYTES_AT_ONCE // (4 * steps * channels))
        parts = [
            fit.predict(self.fitted.model, _scaled(data, which[n : n + size], self.scale, steps))
            for n in range(0, len(which), size)
        ]
        return np.concatenate(parts) if parts else np.empty((0, len(data.classes)))


def train(
    training: Training,
    out: Path,
    *,
    also_random: bool = False,
    say: Callable[[str], object],
    advance: Callable[[float], object],
) -> str:
    """Train, evaluate, and write the bundle ``out``; its verdict.

    Parameters
    ----------
    training : Training
    out : Path
        A folder that does not exist yet.
    also_random : bool
        Evaluate on a random split too, which over-states.
    say : function of str
        Told what is being done.
    advance : function of float
        Told the share of all trainings that is done, 0 … 1.

    Raises
    ------
    UsageError
        See `daemon.training.dataset`, `daemon.training.splits` and `daemon.encoders.bundle`.
    """
    bundle.require_free(out)
    say("reading the recordings")
    data = read_dataset(training)
    groups = splits.grouped(data, training.split)
    folds = splits.folds(data, groups, training.split, training.seed)
    jobs = {f"fold {n + 1}": fold for n, fold in enumerate(folds)}
    if training.split.test is None:
        jobs["final"] = splits.final(data, groups, training.split, training.seed)
    randoms: list[Fold] = []
    if also_random:
        randoms = splits.random_folds(
            data, training.split.folds, training.split.validation, training.seed
        )
        jobs |= {f"random {n + 1}": fold for n, fold in enumerate(randoms)}
    why = coincidences(data, folds)
    for clause in why:
        say(f"the accuracy will not be worth anything: {clause}")
    say(
        f"{len(data.targets)} windows of {len(data.classes)} classes from "
        f"{len(np.unique(data.recording))} recordings; {len(jobs)} trainings"
    )
    beside = out.resolve().with_name(f"{out.name}.training")
    trained = {}
    for n, (name, fold) in enumerate(jobs.items()):

        def told(progress: fit.Progress, done: int = n) -> None:
            epoch = (progress.epoch + progress.step / progress.steps) / progress.epochs
            advance((done + epoch) / len(jobs))

        checkpoint = beside / f"{name.replace(' ', '-')}.npz"
        trained[name] = _trained(training, data, fold, checkpoint, told)
        advance((n + 1) / len(jobs))
    say("evaluating")
    content, answers = _evaluated(training, data, groups, folds, randoms, trained, why)
    kept = trained.get("final", trained["fold 1"])
    more = []
    if training.scaled_from_training:
        mean, deviation = (values.tolist() for values in kept.scale)
        more = [{"zscore": {"mean": mean, "std": deviation}}]
    contract = training.contract(more, temperature=kept.temperature)
    model = encoder.export(kept.fitted.model, training.window)
    write_bundle(out, model, contract, content, data, answers)
    shutil.rmtree(beside, ignore_errors=True)
    return str(content["verdict"])


def _trained(
    training: Training,
    data: Dataset,
    fold: Fold,
    checkpoint: Path,
    progress: Callable[[fit.Progress], object],
) -> Trained:
    scale = _scale(training, data, fold.training)
    fitted = fit.fit(
        _fit_settings(training),
        Examples(_scaled(data, fold.training, scale), data.targets[fold.training]),
        Examples(_scaled(data, fold.validation, scale), data.targets[fold.validation]),
        classes=len(data.classes),
        checkpoint=checkpoint,
        progress=progress,
    )
    done = Trained(scale, fitted, 1.0)
    validated = done.probabilities(data, fold.validation)
    temperature = scores.fitted_temperature(validated, data.targets[fold.validation])
    return Trained(scale, fitted, temperature)


def _fit_settings(training: Training) -> fit.Settings:
    return fit.Settings(seed=training.seed, **training.fit.model_dump(exclude_none=True))


def _scale(training: Training, data: Dataset, which: Indices) -> tuple[Float64, Float64]:
    channels = len(training.channels)
    if not training.scaled_from_training:
        return np.zeros(channels), np.ones(channels)
    samples = data.windows(which).reshape(-1, channels)
    mean, deviation = samples.mean(axis=0, dtype=np.float64), samples.std(axis=0, dtype=np.float64)
    flat = [label for label, s in zip(training.channels, deviation, strict=True) if not s > 0]
    if flat:
        raise UsageError(f"channels: {', '.join(flat)} never changes in the training data")
    return mean, deviation


def _scaled(
    data: Dataset, which: Indices, scale: tuple[Float64, Float64], steps: int | None = None
) -> Float32:
    windows = data.windows(which, steps)
    mean, deviation = scale
    if mean.any() or (deviation != 1).any():
        for window in windows:
            window[:] = (window - mean) / deviation
    return windows


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


def _evaluated(
    training: Training,
    data: Dataset,
    groups: splits.Groups,
    folds: list[Fold],
    randoms: list[Fold],
    trained: dict[str, Trained],
    why: list[str],
) -> tuple[Any, Answers]:
    seed = training.seed
    ofs = [trained[f"fold {n + 1}"] for n in range(len(folds))]
    answers = _answered(data, folds, ofs)
    features = baseline.band_powers(data.windows(np.arange(len(data.targets))), data.rate)
    windows, said = baseline.over_folds(features, data.targets, folds)
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
            "band-power LDA": evaluation.judged(data, data.trial, *two),
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
        "baseline": evaluation.judged(data, groups.of, windows, said),
        "deployed": {"encoder": deployed},
        "random_split": at_random,
        "leaks": evaluation.leaks(data, features, folds, answers, seed),
        "split": split,
        "training": {
            "settings": asdict(_fit_settings(training)),
            "window": training.window,
            "training_window": training.steps,
            "conditioning": [
                f"{key} {value}" for step in training.conditioning for key, value in step.items()
            ],
            "temperature": trained.get("final", trained["fold 1"]).temperature,
            "fold_temperatures": [one.temperature for one in ofs],
            "kept": kept,
            "history": {name: one.fitted.history for name, one in trained.items()},
        },
        "data": evaluation.data_figures(data),
    }
    content["verdict"] = report.verdict(content)
    return content, answers
