"""The report's pictures, drawn by Matplotlib without a display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib.figure import Figure

from daemon.training.checkpoint import History, best_epoch

_BLUE, _ORANGE, _GREY = "#1f5fa8", "#d9731a", "#8a8a8a"


def learning_curves(histories: Mapping[str, History], path: Path) -> None:
    """Loss and balanced accuracy by epoch, of every training, thin for training data."""
    figure = Figure((11, 4), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    folds: dict[str, str] = {}
    for name, history in histories.items():
        # The members of a fold have one colour.
        fold = name.partition(" member")[0]
        label = "" if fold in folds else fold
        color = folds.setdefault(fold, f"C{len(folds)}")
        epochs = np.arange(1, len(history["loss"]) + 1)
        best = best_epoch(history)
        for axes, key in ((loss, "loss"), (accuracy, "accuracy")):
            axes.plot(epochs, history[key], color=color, linewidth=0.8, linestyle=":")
            axes.plot(epochs, history[f"val_{key}"], color=color, linewidth=1.6, label=label)
            if best >= 0:
                axes.plot(epochs[best], history[f"val_{key}"][best], "o", color=color, markersize=5)
            elif key == "loss":
                axes.plot(0, history["start"][0], "o", color=color, markersize=5)
    for axes in (loss, accuracy):
        axes.xaxis.get_major_locator().set_params(integer=True)
    loss.set(xlabel="epoch", ylabel="cross entropy (nats)", title="loss")
    accuracy.set(xlabel="epoch", ylabel="balanced accuracy", title="accuracy", ylim=(0, 1.02))
    figure.legend(
        *loss.get_legend_handles_labels(),
        loc="outside right upper",
        title="solid: validation\ndotted: training\ndot: the best, kept\n(at 0: the start)",
        fontsize=8,
        title_fontsize=8,
    )
    _save(figure, path)


def confusions(
    counts: Mapping[str, Sequence[Sequence[int]]], classes: Sequence[str], path: Path
) -> None:
    """How often each class (row) was answered as each (column): share of the row, and counts."""
    size = 1.5 + 0.7 * len(classes)
    figure = Figure((size * len(counts) + 1, size), layout="constrained")
    shown: Any = figure.subplots(1, len(counts), squeeze=False)[0]
    for n, (axes, (name, rows)) in enumerate(zip(shown, counts.items(), strict=True)):
        table = np.asarray(rows)
        share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
        image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for row, column in np.ndindex(*table.shape):
            axes.text(
                column,
                row,
                f"{share[row, column]:.2f}\n{table[row, column]}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if share[row, column] > 0.55 else "black",
            )
        ticks = range(len(classes))
        axes.set_xticks(ticks, classes, rotation=35, ha="right", rotation_mode="anchor")
        axes.set_yticks(ticks, classes if n == 0 else [""] * len(classes))
        axes.set(xlabel="answered", title=name)
    shown[0].set_ylabel("true")
    figure.colorbar(image, ax=list(shown), label="share of the true class", shrink=0.8)
    _save(figure, path)


def reliability(calibration: Mapping[str, Any], path: Path) -> None:
    """How often an answer was right, against how probable the model called it."""
    figure = Figure((5.5, 5.5), layout="constrained")
    axes, counts = figure.subplots(2, 1, height_ratios=(4, 1), sharex=True)
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=1, linestyle="--", label="as it should be")
    for key, color, name in (
        ("before", _ORANGE, "as trained"),
        ("after", _BLUE, "with temperature"),
    ):
        bins = calibration[key]["bins"]
        said = [one["said"] for one in bins]
        label = f"{name}: ECE {calibration[key]['ece']:.3f}"
        axes.plot(said, [one["right"] for one in bins], "o-", color=color, label=label)
        counts.plot(said, [one["n"] for one in bins], "o-", color=color, markersize=3)
    axes.set(ylabel="fraction of answers that were right", ylim=(0, 1.02), xlim=(0, 1.02))
    axes.legend(loc="upper left")
    counts.set(xlabel="probability of the answer", ylabel="windows")
    counts.set_ylim(bottom=0)
    _save(figure, path)


def permutations(permuted: Mapping[str, Any], chance: float, path: Path) -> None:
    """Balanced accuracy with classes permuted within recordings, and with the true ones."""
    figure = Figure((8, 3.2), layout="constrained")
    shown = figure.subplots(1, len(permuted), squeeze=False)[0]
    for axes, (name, found) in zip(shown, permuted.items(), strict=True):
        axes.hist(found["scores"], bins=25, color=_GREY, label="classes permuted")
        axes.axvline(chance, color="black", linewidth=1, linestyle=":", label="chance")
        axes.axvline(found["observed"], color=_BLUE, linewidth=2, label="true classes")
        axes.set(xlabel="balanced accuracy", title=f"{name}: p = {found['p']:.3g}")
        axes.set_yticks([])
    shown[0].legend(fontsize=8, loc="upper left")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    # Without Matplotlib's version: the same training gives the same file.
    figure.savefig(path, dpi=110, metadata={"Software": None})
