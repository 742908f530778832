"""A training file's mistakes are one line that names the key and the mend."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from daemon.errors import UsageError
from daemon.training.settings import FROM_TRAINING, Training, load_training, recording_files

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


@pytest.mark.parametrize(
    ("more", "says"),
    [
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
        ({"fit": {"epochs": 0}}, "fit.epochs: must be 1 or more, not 0"),
    ],
)
def test_mistakes(tmp_path: Path, more: dict[str, object], says: str):
    with pytest.raises(UsageError, match=says) as caught:
        _load(tmp_path, **more)
    assert str(caught.value).startswith(str(tmp_path / "training.yaml"))
    assert "\n" not in str(caught.value)


def test_files_folders_and_patterns(tmp_path: Path):
    (tmp_path / "in").mkdir()
    for name in ("a.edf", "b.xdf", "notes.txt", "in/c.bdf"):
        (tmp_path / name).touch()

    def found(*patterns: str) -> list[str]:
        files = recording_files([str(tmp_path / pattern) for pattern in patterns])
        return [file.name for file in files]

    assert found(".") == ["a.edf", "b.xdf", "c.bdf"]
    assert found("*.edf", "a.edf", "in/../b.*") == ["a.edf", "b.xdf"]
    assert found("**/*.bdf") == ["c.bdf"]
    with pytest.raises(
        UsageError, match=r"recordings: .*nothing\* is no file, no folder with \.xdf"
    ):
        found("nothing*")
