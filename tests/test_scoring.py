"""Predictions as CSV: a row each, with the reason as words and as data."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from daemon.contract import Contract
from daemon.decision import Decision
from daemon.intake import Intake
from daemon.offline.scoring import write_predictions
from daemon.pick import pick_for
from daemon.pipeline import Pipeline
from daemon.recordings.recording import Recording
from daemon.records import Float32, Prediction, StreamDescription

LABELS = ("Cz", "Pz")
STREAM = StreamDescription("Amp", "EEG", "", "", 100.0, "float32", LABELS, ("uV", "uV"))
CONTRACT = Contract(sample_rate=100, window=50, channels=LABELS, classes=("a", "b"))


class Even:
    """Finds all classes equally likely."""

    def restart(self) -> None: ...

    def feed(self, block: Float32, answer: bool) -> Float32 | None:
        return np.array([0.5, 0.5], np.float32) if answer else None

    def catch_up(self) -> None: ...


def test_every_prediction_is_a_row_with_its_reason(tmp_path: Path) -> None:
    samples = np.random.default_rng(4).normal(scale=20, size=(200, 2)).astype(np.float32)
    samples[60:70] = np.nan
    stamps = np.arange(200) / 100
    pipeline = Pipeline(
        engine=Even(), decision=Decision(("a", "b")), classes=("a", "b"), max_filled=0.0
    )
    pipeline.connect(Intake(CONTRACT, pick_for(CONTRACT, STREAM, hop=50), hop=50, fill_up_to=0.1))
    recording = Recording(tmp_path / "r.xdf", STREAM, samples, stamps, stamps, ())
    kept: list[Prediction] = []
    out = tmp_path / "out.csv"
    write_predictions(pipeline, recording, ("a", "b"), out, lambda n: None, kept.append)
    rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    assert [row["status"] for row in rows] == ["ok", "abstain", "ok", "ok"]
    assert [(row["code"], row["channels"]) for row in rows] == [
        ("", ""),
        ("not_finite", "Cz;Pz"),
        ("", ""),
        ("", ""),
    ]
    assert rows[1]["reason"] == "channels Cz, Pz: values that are not finite numbers"
    assert (rows[0]["a"], rows[1]["a"]) == ("0.5", "")
    assert [int(row["sequence"]) for row in rows] == [one.sequence for one in kept]
