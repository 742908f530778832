"""What follows where the training file says nothing, and what does not go together."""

from typing import Any

import numpy as np
import pytest

from daemon.errors import UsageError
from daemon.training.recipe import recipe
from daemon.training.settings import Training

POWER = {"bandpower": {"bands": [[8, 13]], "smooth": 0.5, "rate": 4}}
SCALED = {"zscore": "from training"}


def training(*conditioning: dict[str, Any], **more: Any) -> Training:
    content = {
        "recordings": ["*.edf"],
        "channels": ["C3", "C4"],
        "sample_rate": 160,
        "window": 32,
        "training_window": 12,
        "classes": {"rest": "T0", "fist": "T1"},
        "conditioning": conditioning,
        **more,
    }
    return Training.model_validate(content)


def test_eeg_is_trained_as_the_source_does() -> None:
    how = recipe(training({"highpass": 1}, seed=3))
    assert (how.members, how.ask_from, how.settings.start) == (1, None, "keras")
    assert (how.settings.epochs, how.settings.units, how.settings.seed) == (60, None, 3)
    targets = np.array([0, 1])
    assert how.targets(targets, 5) is targets


def test_band_powers_are_trained_by_the_recipe() -> None:
    how = recipe(training(POWER, SCALED))
    settings = how.settings
    # Seconds in the file are steps here: 3 s are 12.
    assert (how.members, how.ask_from, settings.memory) == (4, 4, 6.0)
    assert (settings.start, settings.units, settings.epochs) == ("discriminant", (32,), 25)
    assert (settings.drift, settings.dropout, settings.patience) == (0.5, 0.3, 6)
    assert how.targets(np.array([0, 1]), 6).tolist() == [[-1] * 4 + [0] * 2, [-1] * 4 + [1] * 2]
    # At least the last step is asked.
    assert how.targets(np.array([1]), 3).tolist() == [[-1, -1, 1]]


def test_what_is_given_is_taken() -> None:
    fit = {"memory": 0.5, "ask_from": 2, "members": 2, "units": 8, "start": "keras", "epochs": 3}
    how = recipe(training(POWER, SCALED, fit=fit))
    assert (how.members, how.ask_from, how.settings.memory) == (2, 8, 2.0)
    assert (how.settings.units, how.settings.start, how.settings.epochs) == ((8,), "keras", 3)
    assert how.settings.drift == 0.5


@pytest.mark.parametrize(
    ("fit", "says"),
    [
        ({"units": [8, 8]}, "fit.units: one number of units"),
        ({"units": 1}, "fit.units: 1 units are fewer than the 2 classes"),
    ],
)
def test_what_does_not_go_together_is_refused(fit: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        recipe(training(POWER, SCALED, fit=fit))
    with pytest.raises(UsageError, match=r"end with \{zscore: from training\}"):
        recipe(training(POWER))
    with pytest.raises(UsageError, match="one number of units"):
        recipe(training(fit={"members": 2}))
