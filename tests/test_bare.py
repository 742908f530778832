"""A bare Keras file becomes a bundle: asked for what is missing, checked for what is said."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import pytest
import tf_keras

from daemon.encoders import bare, bundle
from daemon.encoders.architectures import channel_lstm
from daemon.encoders.loading import load
from daemon.encoders.replacement import replacements
from daemon.errors import UsageError

# Keras 3.15 asks a TensorFlow variable for its array in the way of NumPy 1 when it saves.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

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


@pytest.mark.parametrize(
    ("k", "weights"),
    [(keras, "mine.weights.h5"), (tf_keras, "mine.weights.h5"), (tf_keras, "m.h5")],
)
def test_architecture_and_weights_become_one_file(tmp_path: Path, k: ModuleType, weights: str):
    eeg = k.Input((20, 3))
    written = k.Model(eeg, k.layers.Dense(2, activation="softmax")(k.layers.LSTM(4)(eeg)))
    (tmp_path / "mine.json").write_text(written.to_json())
    written.save_weights(tmp_path / weights)
    out = tmp_path / "bundle"
    bare.adopt(tmp_path / weights, out, GIVEN, None, architecture=tmp_path / "mine.json")
    assert bundle.verified(out)
    samples = np.random.default_rng(0).normal(size=(2, 20, 3)).astype(np.float32)
    np.testing.assert_allclose(load(out, None).network.model(samples), written(samples), atol=1e-6)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"class_name": "Lambda", "config": {}}'])
def test_an_architecture_that_is_none_is_refused(tmp_path: Path, model: Path, content: str):
    channel_lstm(20, 3, 2, units=(4, 3)).save_weights(tmp_path / "mine.weights.h5")
    (tmp_path / "mine.json").write_text(content)
    with pytest.raises(UsageError, match=r"mine\.weights\.h5"):
        bare.adopt(
            tmp_path / "mine.weights.h5",
            tmp_path / "bundle",
            GIVEN,
            None,
            architecture=tmp_path / "mine.json",
        )


def with_lambda(sequential: bool) -> keras.Model:
    layers = [
        keras.layers.Lambda(lambda x: keras.ops.mean(x, axis=1), name="lambda_1"),
        keras.layers.Dense(2, activation="softmax"),
    ]
    if sequential:
        return keras.Sequential([keras.Input((20, 3)), *layers])
    eeg = keras.Input((20, 3))
    return keras.Model(eeg, layers[1](layers[0](eeg)))


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize("sequential", [True, False])
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_named_operation_takes_a_lambdas_place(tmp_path: Path, suffix: str, sequential: bool):
    written = with_lambda(sequential)
    path = tmp_path / f"mine{suffix}"
    written.save(path)
    out = tmp_path / "bundle"
    bare.adopt(path, out, GIVEN, None, replaced=replacements(["lambda_1=mean:1"]))
    samples = np.random.default_rng(0).normal(size=(2, 20, 3)).astype(np.float32)
    np.testing.assert_allclose(load(out, None).network.model(samples), written(samples), atol=1e-7)
    replaced = replacements(["lambda_1=mean:1", "other=square"])
    with pytest.raises(UsageError, match=r"no Lambda layer 'other' to replace \(it has lambda_1\)"):
        bare.adopt(path, tmp_path / "second", GIVEN, None, replaced=replaced)
    with pytest.raises(UsageError, match="--replace lambda_1=…"):
        bare.adopt(path, tmp_path / "second", GIVEN, None)
