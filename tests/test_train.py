"""From recordings to a bundle: what is left out decides nothing, and the report says all."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from made_up import RATE, write_edf

from daemon.cli import main
from daemon.encoders import bundle
from daemon.encoders.architectures import channel_lstm
from daemon.encoders.loading import load
from daemon.errors import UsageError
from daemon.training import evaluation, fit, scores
from daemon.training.examples import Examples
from daemon.training.settings import load_training
from daemon.training.train import train

LABELS = ("C3", "C4")
DATA = Path(__file__).parents[1].parent / "shared/data/eegbci_S001"


def _recordings(folder: Path, *, closed: bool = False) -> Path:
    """Six recordings of fists left and right in turns, stronger at the other side's electrode."""
    for n in range(6):
        random = np.random.default_rng(n)
        samples = random.normal(0, 10, (1600, 2))
        for trial in range(8):
            samples[trial * 200 : trial * 200 + 200, 1 - trial % 2] *= 3
        marks = [(2.0 * trial, ("left", "right")[trial % 2]) for trial in range(8)]
        write_edf(folder / f"r{n}.edf", samples, marks, LABELS)
    if closed:
        samples = np.random.default_rng(9).normal(0, 25, (1600, 2))
        write_edf(folder / "eyes.edf", samples, [(0.0, "closed")], LABELS)
    path = folder / "training.yaml"
    content = {
        "recordings": ["*.edf"],
        "channels": list(LABELS),
        "sample_rate": RATE,
        "window": 200,
        "training_window": 100,
        "classes": {"left": "left", "right": "right"} | ({"closed": "closed"} if closed else {}),
        "conditioning": [{"highpass": 1}, {"zscore": "from training"}],
        "fit": {"epochs": 2},
    }
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


class Power:
    """Stands for an encoder: the channel of most power names the class. Trains in no time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(evaluation, "ENCODER_PERMUTATIONS", 100)
        monkeypatch.setattr(evaluation, "BASELINE_PERMUTATIONS", 10)
        self.seen: list[tuple[Examples, Examples, Path]] = []
        self.errs = False
        monkeypatch.setattr(fit, "fit", self.fit)
        monkeypatch.setattr(fit, "predict", self.predict)
        monkeypatch.setattr(
            "daemon.training.encoder.export",
            lambda model, window: channel_lstm(window, 2, self.classes),
        )

    def fit(
        self,
        settings: fit.Settings,
        training: Examples,
        validation: Examples,
        *,
        classes: int,
        checkpoint: Path,
        progress: Callable[[fit.Progress], object],
    ) -> Any:
        self.classes = classes
        self.seen.append((training, validation, checkpoint))
        checkpoint.parent.mkdir(exist_ok=True)
        checkpoint.touch()
        progress(fit.Progress(0, 2, 1, 2, {}))
        names = ("loss", "accuracy", "val_loss", "val_accuracy")
        history = {name: [1.0, 0.5] for name in names}
        return SimpleNamespace(model=self, history=history, begun=lambda: self)

    def predict(self, model: object, windows: np.ndarray) -> np.ndarray:
        power = windows.var(axis=1).astype(np.float64)
        given = np.stack([power[:, 1], power[:, 0], np.full(len(power), 1.7)], axis=1)
        if self.errs:
            wrong = windows[:, 0, 0] > 1
            given[wrong] = given[wrong][:, [1, 0, 2]]
        given = np.exp(5 * given[:, : self.classes])
        return given / given.sum(axis=1, keepdims=True)


def _train(path: Path, out: Path, **more: Any) -> tuple[str, Any, list[float]]:
    shares: list[float] = []
    training = load_training(path)
    verdict = train(training, out, say=lambda text: None, advance=shares.append, **more)
    return verdict, json.loads((out / "report.json").read_text()), shares


def test_left_out_recordings_decide_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    encoder = Power(monkeypatch)
    out = tmp_path / "bundle"
    verdict, report, shares = _train(_recordings(tmp_path), out, also_random=True)

    # Three folds, the model that is kept, three random folds.
    names = [path.name for *_, path in encoder.seen]
    assert names == [
        *(f"fold-{n}.npz" for n in (1, 2, 3)),
        "final.npz",
        *(f"random-{n}.npz" for n in (1, 2, 3)),
    ]
    assert not (tmp_path / "bundle.training").exists()
    assert shares == sorted(shares)
    assert shares[-1] == 1
    for training, validation, _ in encoder.seen:
        # Scaled by its own training data, to the last digit; the validation data is not.
        samples = training.windows.reshape(-1, 2)
        np.testing.assert_allclose(samples.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(samples.std(axis=0), 1, atol=1e-5)
        assert abs(validation.windows.std() - 1) > 1e-4

    assert verdict == report["verdict"]
    assert verdict.startswith("1.00 balanced accuracy on left-out recordings (chance 0.50, 95 % CI")
    # Half of a window of 200 steps may be of the class before.
    deployed = report["deployed"]["encoder"]["balanced_accuracy"]
    said = f"; {deployed:.2f} at the deployed length of 200 steps (2 s) (95 % CI "
    assert f", n = 96), with windows of 100 steps (1 s){said}" in verdict
    assert 0.5 < deployed < 0.9
    assert "; equal to band-power LDA at 1.00 as far as 6 recordings tell (p = 1); " in verdict
    assert "; recordings can be told apart with 0." in verdict
    assert report["why_not_trusted"] == []
    assert report["encoder"]["confusion"] == [[48, 0], [0, 48]]
    # Windows of 200 steps end with the same samples; the first of each recording has no room.
    assert report["deployed"]["encoder"]["n"] == 96 - 6
    assert report["leaks"]["permuted"]["encoder"]["p"] < 0.01
    assert report["leaks"]["from_recording_alone"] == 0.5
    tested = [name for fold in report["split"]["folds"] for name in fold["test"]]
    assert sorted(tested) == [f"r{n}.edf" for n in range(6)]
    for fold in report["split"]["folds"]:
        assert not set(fold["test"]) & {*fold["train"], *fold["validate"]}

    page = (out / "report.md").read_text()
    assert page.startswith("# bundle\n\n1.00 balanced accuracy")
    assert "RANDOM SPLIT: over-states" in page
    for picture in ("learning", "confusion", "reliability", "permuted"):
        assert f"({picture}.png)" in page
        assert (out / f"{picture}.png").read_bytes().startswith(b"\x89PNG")
    assert len((out / "predictions.csv").read_text().splitlines()) == 1 + 96
    assert load(out, None).verdict == verdict
    with pytest.raises(UsageError, match="exists already"):
        _train(tmp_path / "training.yaml", out)


def test_a_class_of_a_recording_of_its_own_is_the_first_thing_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    Power(monkeypatch)
    verdict, report, _ = _train(_recordings(tmp_path, closed=True), tmp_path / "bundle")
    why = "closed is in eyes.edf alone, where no other class is"
    assert verdict.startswith(f"NOT TO BE TRUSTED, {why}: ")
    assert report["why_not_trusted"] == [why]
    assert report["split"]["cut"] == ["eyes.edf"]
    first = (tmp_path / "bundle/report.md").read_text().splitlines()[0]
    assert first.startswith(f"**The accuracy below cannot be trusted: {why}.**")
    assert "Block Design" in first


def test_the_temperature_is_from_validation_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    encoder = Power(monkeypatch)
    encoder.errs = True
    _, report, _ = _train(_recordings(tmp_path), tmp_path / "bundle")
    expected = [
        scores.fitted_temperature(encoder.predict(None, validation.windows), validation.targets)
        for _, validation, _ in encoder.seen
    ]
    training = report["training"]
    assert [*training["fold_temperatures"], training["temperature"]] == pytest.approx(expected)
    assert len({round(value, 3) for value in expected}) == 4
    assert load(tmp_path / "bundle", None).contract.temperature == training["temperature"]
    after, before = (report["encoder"]["calibration"][key] for key in ("after", "before"))
    assert after["nll"] < before["nll"]


def test_a_kill_keeps_the_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    encoder = Power(monkeypatch)
    path, out = _recordings(tmp_path), tmp_path / "bundle"
    whole = encoder.fit

    def killed(*given: Any, **more: Any) -> Any:
        if len(encoder.seen) == 2:
            raise KeyboardInterrupt
        return whole(*given, **more)

    monkeypatch.setattr(fit, "fit", killed)
    with pytest.raises(KeyboardInterrupt):
        _train(path, out)
    kept = sorted(path.name for path in (tmp_path / "bundle.training").iterdir())
    assert kept == ["fold-1.npz", "fold-2.npz"]
    assert not out.exists()


POWER = [
    {"highpass": 1},
    {"bandpower": {"bands": [[8, 20], [20, 40]], "smooth": 0.2, "rate": 10}},
    {"zscore": "from training"},
]


@pytest.mark.parametrize("power", [False, True])
def test_the_bundle_answers_live_as_it_was_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, power: bool
):
    """The whole command with a real encoder, then `eegd score` over what it was tested on."""
    monkeypatch.setattr(evaluation, "ENCODER_PERMUTATIONS", 100)
    monkeypatch.setattr(evaluation, "BASELINE_PERMUTATIONS", 10)
    path = _recordings(tmp_path)
    content = yaml.safe_load(path.read_text())
    content["split"] = {"test": ["r4.edf", "r5.edf"]}
    steps = 10 if power else 100
    content["training_window"] = content["window"] = content["hop"] = steps
    if power:
        content["conditioning"] = POWER
        content["fit"] = {"epochs": 1, "members": 2, "units": 4, "memory": 0.3, "ask_from": 0.5}
    else:
        content["per_window"] = ["detrend", {"zscore": {"over": "all"}}]
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    out = tmp_path / "bundle"
    done = CliRunner().invoke(main, ["train", str(path), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "balanced accuracy on left-out recordings" in done.output
    seal = bundle.verified(out)
    assert seal
    shown = CliRunner().invoke(main, ["inspect", str(out)]).output
    assert f"bundle     {seal.sha256}" in shown
    if power:
        assert "1 a window, 10 steps a second" in shown
        assert "inputs       C3 8-20, C3 20-40, C4 8-20, C4 20-40" in shown
        report = json.loads((out / "report.json").read_text())
        assert report["training"]["members"] == 2
        assert [*report["training"]["history"]] == ["fold 1 member 1", "fold 1 member 2"]
        assert [*report["baselines"]] == [
            "band-power LDA",
            "LDA of the encoder's inputs",
            "the encoder's untrained start",
        ]
        assert report["encoder"]["balanced_accuracy"] > 0.8

    config = tmp_path / "config.yaml"
    content = {
        "model": {"path": str(out)},
        "window": {"hop": 1 if power else 100},
        "engine": {"kind": "auto" if power else "window"},
    }
    config.write_text(yaml.safe_dump(content))
    scored = tmp_path / "scored.csv"
    command = ["score", str(tmp_path / "r5.edf"), "-c", str(config), "--out", str(scored)]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    live = {row["window_end"]: row for row in _rows(scored)}
    evaluated = [row for row in _rows(out / "predictions.csv") if row["recording"] == "r5.edf"]
    # Band powers have settled after 0.8 s: of 160 steps the last 152 are known.
    assert (len(evaluated), len(live)) == ((15, 143) if power else (16, 16))
    for row in evaluated:
        for name in ("left", "right"):
            assert float(row[name]) == pytest.approx(float(live[row["window_end"]][name]), abs=1e-5)


@pytest.mark.skipif(not DATA.is_dir(), reason="the real recordings are not beside the repository")
def test_eyes_closed_from_a_recording_of_its_own_in_the_real_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    encoder = Power(monkeypatch)
    monkeypatch.setattr(fit, "predict", lambda model, windows: _even(len(windows), encoder.classes))
    content = yaml.safe_load((Path(__file__).parents[1] / "examples/eegbci.yaml").read_text())
    content["recordings"] = [str(DATA)]
    content["channels"] = ["C3", "C4"]
    content["window"], content["training_window"], content["trial"] = 640, None, {}
    content["conditioning"] = [{"highpass": 0.5}, {"notch": 60}, {"zscore": "from training"}]
    content["classes"]["eyes_closed"] = {"marker": "T0", "files": "*R02*"}
    path = tmp_path / "training.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    verdict, report, _ = _train(path, tmp_path / "bundle")
    assert verdict.startswith(
        "NOT TO BE TRUSTED, eyes_closed is in S001R02.edf alone, where no other class is: "
    )
    assert "which chance could give too" in verdict
    assert report["split"]["cut"] == ["S001R02.edf"]
    assert report["encoder"]["n"] == 360 + 15
    # The signature of a run, and what it is worth here; R02 is a single trial.
    which = report["leaks"]["which_recording"]
    assert which["recordings"] == 12
    assert which["balanced_accuracy"] > 2 * which["chance"]
    assert report["leaks"]["from_recording_alone"] > 0.4


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def _even(count: int, classes: int) -> np.ndarray:
    return np.full((count, classes), 1 / classes)
