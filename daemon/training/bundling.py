"""All that a trained bundle holds: model, contract, report, pictures, answers."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import keras

from daemon.contract import Contract
from daemon.encoders import bundle
from daemon.training import pictures, report
from daemon.training.evaluation import Answers
from daemon.training.windows import Dataset

_SHOWN = 3  # confusion matrices in a row


def write_bundle(
    out: Path, model: keras.Model, contract: Contract, content: Any, data: Dataset, answers: Answers
) -> None:
    """Write the bundle ``out``.

    Parameters
    ----------
    out : Path
        A folder that does not exist yet.
    model : keras.Model
        In the source's own form.
    contract : Contract
    content : mapping
        Of ``report.json``.
    data : Dataset
    answers : Answers
        For the windows that were left out.

    Raises
    ------
    UsageError
        See `daemon.encoders.bundle.written`.
    """
    with bundle.written(out) as folder:
        model.save(folder / bundle.MODEL)
        (folder / bundle.CONTRACT).write_text(bundle.contract_text(contract), encoding="utf-8")
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        (folder / bundle.REPORT).write_text(text + "\n", encoding="utf-8")
        page = report.markdown(content, out.name)
        (folder / "report.md").write_text(page, encoding="utf-8")
        _write_predictions(folder / "predictions.csv", data, answers)
        pictures.learning_curves(content["training"]["history"], folder / "learning.png")
        shown = {"encoder": content["encoder"], **content["baselines"]}
        tables = {name: one["confusion"] for name, one in list(shown.items())[:_SHOWN]}
        pictures.confusions(tables, data.classes, folder / "confusion.png")
        pictures.reliability(content["encoder"]["calibration"], folder / "reliability.png")
        chance = content["encoder"]["balanced_accuracy_chance"]
        pictures.permutations(content["leaks"]["permuted"], chance, folder / "permuted.png")


def _write_predictions(path: Path, data: Dataset, answers: Answers) -> None:
    """The calibrated answers on left-out data, for who wants other figures."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        head = ("recording", "window_start", "window_end", "fold", "class")
        writer.writerow([*head, *data.classes])
        for window, fold, row in zip(
            answers.windows, answers.fold, answers.calibrated, strict=True
        ):
            place = (data.recordings[data.recording[window]], data.start_time[window])
            true = data.classes[data.targets[window]]
            writer.writerow([*place, data.time[window], fold + 1, true, *row.tolist()])
