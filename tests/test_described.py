"""What is said of a model: how it is run, and a contract to paste; or why none fits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import pytest

from daemon.encoders.described import described
from daemon.errors import UsageError
from daemon.rehearsal.demo import BUNDLE

L = keras.layers


def saved(path: Path, *layers: Any, shape: tuple[int | None, ...]) -> Path:
    model = keras.Sequential([keras.Input(shape), *layers])
    model.save(path)
    return path


def test_a_bundle_says_its_contract_and_a_streamed_model_no_time_of_a_window() -> None:
    found = described(BUNDLE)
    assert found.loaded is not None
    text = found.text()
    assert "engine     streaming" in text
    assert "sample_rate  160.0" in text
    assert "ms a window" not in text
    facts = found.as_dict()
    assert facts["contract"]["window"] == 15360
    assert facts["engine"] == "streaming"


def test_a_bare_file_says_what_its_contract_lacks(tmp_path: Path) -> None:
    layers = [L.Reshape((22, 200, 1)), L.Conv2D(4, (22, 1)), L.Flatten(), L.Dense(1)]
    path = saved(tmp_path / "net.keras", *layers, shape=(1, 22, 200))
    found = described(path)
    text = found.text()
    assert "takes      (None, 1, 22, 200)" in text
    assert "    layout: [1, channels, steps]\n" in text
    assert "    output: logits\n" in text
    assert "the 22 labels" in text
    assert "<- fill in: 2, in the order of its outputs" in text
    assert "ms a window" in text
    facts = json.loads(json.dumps(found.as_dict()))
    assert facts["layouts"] == ["[1, channels, steps]"]
    assert facts["output"] == "logits"
    assert facts["seconds_a_window"] > 0


def test_a_flat_window_is_cut_by_its_owner(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.keras", L.Dense(3, activation="softmax"), shape=(800,))
    text = described(path).text()
    assert "layout: [steps * channels]  # or, by its shape alone, [channels * steps]" in text
    assert "window:          # <- fill in: steps" in text
    assert "engine" not in text


@pytest.mark.parametrize(
    ("shape", "layers", "said"),
    [
        ((513,), [L.Dense(2, activation="softmax")], "takes 513 values a window that are no samp"),
        ((20,), [L.Dense(2, activation="softmax")], "takes 20 values a window that are no samples"),
        ((8, 8, 3), [L.Flatten(), L.Dense(2, activation="softmax")], "which no layout of steps"),
        ((20, 3), [L.LSTM(4, return_sequences=True)], "gives (None, 20, 4); a classifier has"),
    ],
)
def test_a_model_that_no_contract_fits_is_refused_with_the_reason(
    tmp_path: Path, shape: tuple[int, ...], layers: list[Any], said: str
) -> None:
    path = saved(tmp_path / "net.keras", *layers, shape=shape)
    with pytest.raises(UsageError) as refused:
        described(path)
    assert said in str(refused.value)
    assert str(refused.value).startswith(f"model {path}: ")


def test_a_recurrent_model_is_not_proposed_with_swapped_axes(tmp_path: Path) -> None:
    for n, first in enumerate((L.LSTM(4), L.Bidirectional(L.LSTM(4)))):
        layers = [L.GaussianNoise(0.1), first, L.Dense(3, activation="softmax")]
        text = described(saved(tmp_path / f"net{n}.keras", *layers, shape=(32, 1536))).text()
        assert "layout: [channels, steps]" not in text
        assert "    window: 32\n" in text
        assert "the axes are swapped: build it with\n    # input_shape=(1536, 32) and train" in text
    right = described(saved(tmp_path / "right.keras", L.LSTM(4), L.Dense(3), shape=(1536, 32)))
    assert "swapped" not in right.text()


def test_logits_are_known_behind_what_averages_them(tmp_path: Path) -> None:
    layers = [L.Conv1D(1, 3), L.GlobalAveragePooling1D()]
    found = described(saved(tmp_path / "net.keras", *layers, shape=(200, 3)))
    assert found.guess is not None
    assert found.guess.logits


def test_one_output_that_never_changes_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.keras", L.LSTM(4), L.Dense(1, activation="softmax"), shape=(20, 3))
    with pytest.raises(UsageError, match="over itself, which never changes: end it with a sigmoid"):
        described(path)
