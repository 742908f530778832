"""What comes of one fold: its members trained, and folded into one encoder with its temperature.

Rule that holds here: scaling, early stopping and temperature know nothing of what a fold is tested
on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from daemon.errors import UsageError
from daemon.records import Float32, Float64
from daemon.training import fit, scores
from daemon.training.checkpoint import History
from daemon.training.encoder import Encoder
from daemon.training.examples import Examples
from daemon.training.members import folded
from daemon.training.recipe import Recipe
from daemon.training.scores import Indices
from daemon.training.settings import Training
from daemon.training.splits import Fold
from daemon.training.windows import Dataset

Scale = tuple[Float64, Float64]

_BYTES_AT_ONCE = 1 << 28


@dataclass(frozen=True)
class Trained:
    """An encoder that was trained on one fold.

    Attributes
    ----------
    scale : tuple of two float64 arrays, shape (inputs,)
        Mean and standard deviation of the training windows' steps; 0 and 1 where none is asked.
    model : Encoder
    histories : tuple of dict
        Of each member, see `daemon.training.fit.Fitted`.
    temperature : float
    start : Encoder or None
        As it was before the training, where that was a classifier.
    """

    scale: Scale
    model: Encoder
    histories: tuple[History, ...]
    temperature: float
    start: Encoder | None = None

    def probabilities(self, data: Dataset, which: Indices, steps: int | None = None) -> Float64:
        """Of windows ``which``, (n, classes), without the temperature."""
        return _probabilities(self.model, self.scale, data, which, steps)

    def start_answers(self, data: Dataset, which: Indices) -> Indices:
        """What the encoder would say of windows ``which`` had it not been trained, (n,)."""
        assert self.start is not None
        answers: Indices = _probabilities(self.start, self.scale, data, which).argmax(axis=1)
        return answers


def train_fold(
    training: Training,
    recipe: Recipe,
    data: Dataset,
    members: Sequence[Fold],
    checkpoints: Sequence[Path],
    progress: Callable[[float], object],
) -> Trained:
    """Train the members, one after the other.

    Parameters
    ----------
    training : Training
    recipe : Recipe
    data : Dataset
    members : sequence of Fold
        What each of them learns from and is stopped by: together, all that is not tested on.
    checkpoints : sequence of Path
        Of each.
    progress : function of float
        Told the share that is done, 0 … 1.
    """
    known = np.unique(np.concatenate([member.training for member in members]))
    scale = _scale(training, data, known)
    done: list[fit.Fitted] = []
    validated, targets = [], []
    for member, checkpoint in zip(members, checkpoints, strict=True):

        def told(one: fit.Progress) -> None:
            share = (one.epoch + one.step / one.steps) / one.epochs
            progress((len(done) + share) / len(members))

        def examples(which: Indices) -> Examples:
            asked = recipe.targets(data.targets[which], data.steps)
            return Examples(_scaled(data, which, scale), asked)

        fitted = fit.fit(
            recipe.settings,
            examples(member.training),
            examples(member.validation),
            classes=len(data.classes),
            checkpoint=checkpoint,
            progress=told,
        )
        done.append(fitted)
        # Each by what it was not trained on.
        validated.append(_probabilities(fitted.model, scale, data, member.validation))
        targets.append(data.targets[member.validation])
    temperature = scores.fitted_temperature(np.concatenate(validated), np.concatenate(targets))
    start = None
    if recipe.settings.start == "discriminant":
        start = folded([one.begun() for one in done])
    return Trained(
        scale,
        folded([one.model for one in done]),
        tuple(one.history for one in done),
        temperature,
        start,
    )


def _probabilities(
    model: Encoder, scale: Scale, data: Dataset, which: Indices, steps: int | None = None
) -> Float64:
    steps = steps or data.steps
    size = max(1, _BYTES_AT_ONCE // (4 * steps * data.signals[0].shape[1]))
    parts = [
        fit.predict(model, _scaled(data, which[n : n + size], scale, steps))
        for n in range(0, len(which), size)
    ]
    return np.concatenate(parts) if parts else np.empty((0, len(data.classes)))


def _scale(training: Training, data: Dataset, which: Indices) -> Scale:
    inputs = training.contract().inputs
    if not training.scaled_from_training:
        return np.zeros(len(inputs)), np.ones(len(inputs))
    samples = data.windows(which).reshape(-1, len(inputs))
    mean, deviation = samples.mean(axis=0, dtype=np.float64), samples.std(axis=0, dtype=np.float64)
    flat = [label for label, s in zip(inputs, deviation, strict=True) if not s > 0]
    if flat:
        raise UsageError(f"channels: {', '.join(flat)} never changes in the training data")
    return mean, deviation


def _scaled(data: Dataset, which: Indices, scale: Scale, steps: int | None = None) -> Float32:
    windows = data.windows(which, steps)
    mean, deviation = scale
    if mean.any() or (deviation != 1).any():
        for window in windows:
            window[:] = (window - mean) / deviation
    for window in windows if data.per_window else ():
        window[:] = data.per_window.apply(window.T).T
    return windows
