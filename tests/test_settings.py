"""A training file's mistakes are one line that names the key and the mend."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from daemon.errors import UsageError
from daemon.training.settings import FROM_TRAINING, Training, load_training

MINIMAL = {
    "recordings": ["data/*.edf"],
    "channels": ["C3", "C4"],
    "sample_rate": 160,
    "window": 640,
    "classes": {"rest": "T0", "fist": ["T1", {"marker": "T2", "files": "*R03*"}]},
}


def _load(folder: Path, **more: object) -> Training:
    path = folder / "training.yaml"
    path.write_text(yaml.safe_dump({**MINIMAL, **more}, sort_keys=False), encoding="utf-8")
    return load_training(path)


def test_minimal(tmp_path: Path):
    training = _load(tmp_path)
    assert training.recordings == (str(tmp_path / "data/*.edf"),)
    assert (training.steps, training.hop, training.trial.length) == (640, None, None)
    assert training.class_of("S1R03.edf", "T2") == "fist"
    assert training.class_of("S1R05.edf", "T2") is None
    assert training.class_of("S1R05.edf", "T1") == "fist"
    contract = training.contract(temperature=1.5)
    assert contract.classes == ("rest", "fist")
    assert (contract.window, contract.temperature, contract.conditioning) == (640, 1.5, ())


def test_the_scale_from_training_becomes_the_contracts_last_step(tmp_path: Path):
    training = _load(tmp_path, conditioning=[{"highpass": 0.5}, FROM_TRAINING])
    assert training.scaled_from_training
    assert [step.kind for step in training.contract().conditioning] == ["highpass"]
    contract = training.contract([{"zscore": {"mean": [0.0, 1.0], "std": [2.0, 3.0]}}])
    assert [step.kind for step in contract.conditioning] == ["highpass", "zscore"]
    assert not _load(tmp_path).scaled_from_training
    assert len(_load(tmp_path, conditioning=[{"notch": 50}]).fixed_conditioning) == 1


def test_the_number_of_a_trigger_stands_for_its_text(tmp_path: Path):
    classes = {"rest": 1, "fist": [2, {"marker": 3}], "foot": "S  4 "}
    training = _load(tmp_path, classes=classes, trial={"ends": [9, "stop"]})
    for marker, name in (("1", "rest"), ("2", "fist"), ("3", "fist"), ("S  4", "foot")):
        assert training.class_of("S1R03.edf", marker) == name
    assert training.trial.ends == ("9", "stop")
    assert training.markers_meant == {"1", "2", "3", "S  4", "9", "stop"}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"classes": {"rest": True, "fist": "T1"}}, "classes.rest"),
        ({"classes": {"rest": 1.5, "fist": "T1"}}, "classes.rest"),
        ({"classes": {"rest": [False], "fist": "T1"}}, "classes.rest.0"),
        ({"chanels": 1}, "unknown key 'chanels'; known here: recordings, channels"),
        ({"split": {"fold": 3}}, "unknown key 'split.fold'; known here: folds, validation"),
        ({"classes": {"rest": "T0"}}, "classes: must have at least 2 keys, not 1"),
        ({"classes": {"a": "T0", "b": []}}, "classes.b"),
        ({"training_window": 641}, "training_window 641 is longer than the window 640"),
        ({"conditioning": [{"lowpass": 90}]}, "conditioning: .*90"),
        (
            {"conditioning": [FROM_TRAINING, {"notch": 50}]},
            "zscore: from training must be the last",
        ),
        ({"channels": ["C3", "c3."]}, "C3 occurs more than once"),
        ({"per_window": ["demena"]}, "'demena' is no step"),
        ({"per_window": ["demean"], "training_window": 320}, "leave training_window out"),
        (
            {
                "per_window": ["demean"],
                "conditioning": [{"bandpower": {"bands": [[8, 13]], "rate": 4}}],
            },
            "leave bandpower out",
        ),
        ({"fit": {"epochs": 0}}, "fit.epochs: must be 1 or more, not 0"),
    ],
)
def test_mistakes(tmp_path: Path, more: dict[str, object], says: str):
    with pytest.raises(UsageError, match=says) as caught:
        _load(tmp_path, **more)
    assert str(caught.value).startswith(str(tmp_path / "training.yaml"))
    assert "\n" not in str(caught.value)
