"""A bare Keras file becomes a bundle: asked for what is missing, checked for what is said."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest

from daemon.encoders import bare, bundle
from daemon.encoders.architectures import channel_lstm
from daemon.encoders.loading import load
from daemon.errors import UsageError

GIVEN = {"sample_rate": "160", "channels": "C3, Cz,C4", "unit": "microvolts", "classes": "a,b"}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "mine.keras"
    channel_lstm(20, 3, 2, units=(4, 3)).save(path)
    return path


def test_the_model_itself_stays_as_it_is(tmp_path: Path, model: Path):
    out = tmp_path / "bundle"
    contract = bare.adopt(model, out, GIVEN, None)
    assert (contract.window, contract.channels) == (20, ("C3", "Cz", "C4"))
    assert (out / "model.keras").read_bytes() == model.read_bytes()
    loaded = load(out, None)
    assert loaded.contract == contract
    assert loaded.verdict == bare.VERDICT
    assert bundle.verified(out)
    assert "Not evaluated" in (out / "report.md").read_text()


def test_what_is_missing_is_asked_for(tmp_path: Path, model: Path):
    asked = []

    def ask(question: str) -> str:
        asked.append(question)
        return {"Channels": "C3,Cz,C4", "Unit": "volts"}[question.split()[0]]

    given = {**GIVEN, "channels": None, "unit": None}
    assert bare.adopt(model, tmp_path / "bundle", given, ask).unit == "volts"
    assert asked == [
        "Channels in the model's order, separated by commas (3 of them)",
        "Unit of the samples (volts, millivolts, microvolts, nanovolts)",
    ]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"sample_rate": None, "classes": None}, "--sample-rate, --classes would: add them"),
        ({"sample_rate": "fast"}, "--sample-rate 'fast' is not a number"),
        (
            {"unit": "ohm"},
            "unit: must be volts, .* or nanovolts, not the text 'ohm'",
        ),
        ({"channels": "C3,C4"}, "the model takes 3 inputs"),
        ({"classes": "a,b,c"}, "the contract says 3 classes"),
        ({"window": "30"}, "30 steps of 3 channels"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line(
    tmp_path: Path, model: Path, given: dict[str, str | None], says: str
):
    with pytest.raises(UsageError, match=says) as caught:
        bare.adopt(model, tmp_path / "bundle", {**GIVEN, **given}, None)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.keras"]


def test_a_model_of_any_length_needs_a_window(tmp_path: Path):
    eeg = keras.Input((None, 3))
    path = tmp_path / "any.h5"
    keras.Model(eeg, keras.layers.Dense(1, "sigmoid")(keras.layers.LSTM(2)(eeg))).save(path)
    with pytest.raises(UsageError, match="--window would"):
        bare.adopt(path, tmp_path / "bundle", GIVEN, None)
    bare.adopt(path, tmp_path / "bundle", {**GIVEN, "window": "30"}, None)
    assert bundle.verified(tmp_path / "bundle")
    assert load(tmp_path / "bundle", None).contract.window == 30
