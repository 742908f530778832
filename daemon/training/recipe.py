"""How an encoder is trained: what the training file says, and what follows where it says nothing.

Of EEG itself an encoder is trained as the source does. Of band powers it begins as a discriminant,
is asked at every step, and has several members (docs/training.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from daemon.errors import UsageError
from daemon.training.examples import NO_CLASS
from daemon.training.fit import Settings
from daemon.training.scores import Indices
from daemon.training.settings import Training

OF_BAND_POWER: dict[str, Any] = {
    "epochs": 25,
    "patience": 6,
    "units": (32,),
    "start": "discriminant",
    "drift": 0.5,
    "dropout": 0.3,
}
_MEMBERS, _ASK_FROM = 4, 1.0  # seconds


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes
    ----------
    settings : Settings
    members : int
        Encoders that are trained, each stopped by other recordings, and folded into one.
    ask_from : int or None
        The first step of a window at which the class is asked; None: at the last one alone.
    """

    settings: Settings
    members: int
    ask_from: int | None

    def targets(self, targets: Indices, steps: int) -> Indices:
        """What a window of each of ``targets`` is asked: (n,), or (n, steps)."""
        if self.ask_from is None:
            return targets
        every = np.repeat(targets[:, None], steps, axis=1)
        every[:, : min(self.ask_from, steps - 1)] = NO_CLASS
        return every


def recipe(training: Training) -> Recipe:
    """How to train as ``training`` says.

    Raises
    ------
    UsageError
        What it says does not go together.
    """
    contract = training.contract()
    power = any(step.bandpower for step in contract.conditioning)
    given = training.fit.model_dump(exclude_none=True)
    members = given.pop("members", _MEMBERS if power else 1)
    ask_from = given.pop("ask_from", _ASK_FROM if power else None)
    memory = given.pop("memory", training.steps / contract.step_rate / 2) * contract.step_rate
    chosen = {**(OF_BAND_POWER if power else {}), **given}
    settings = Settings(seed=training.seed, memory=memory, **chosen)
    if settings.start == "discriminant" or members > 1:
        units = settings.units
        if units is None or len(units) > 1:
            raise UsageError(
                "fit.units: one number of units, as start: discriminant and members have it"
            )
        if settings.start == "discriminant" and units[0] < len(training.classes):
            raise UsageError(
                f"fit.units: {units[0]} units are fewer than the {len(training.classes)} classes, "
                "of which start: discriminant gives one to each"
            )
    scaled = training.scaled_from_training or any(step.zscore for step in contract.conditioning)
    if settings.start == "discriminant" and not scaled:
        raise UsageError(
            "conditioning: start: discriminant takes z-scores: end with {zscore: from training}"
        )
    return Recipe(
        settings, members, None if ask_from is None else round(ask_from * contract.step_rate)
    )
