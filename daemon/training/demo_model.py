"""The encoder that `eegd demo` and the repository's config.yaml run: trained on the simulator.

``python -m daemon.training.demo_model`` trains it, examines it at its full length on seeds that it
never saw, and writes the bundle. Killed and started again, it goes on. What it has learned is
simulated EEG, and what is found of it says nothing about real EEG.

Rules that hold here:

- It is taught after every step, not once a window: which class it is that has lasted for a while.
  So it learns to forget the class before, and a window of 96 s ends with the class at its end.
- Windows grow: what tells the classes apart is learned on two seconds, how long to remember on
  more. No weight depends on the length.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from daemon.contract import Contract
from daemon.encoders import bundle
from daemon.encoders.architectures import WINDOW
from daemon.encoders.fuse import fuse
from daemon.encoders.streaming import StreamingEngine
from daemon.offline.performance import Comparison
from daemon.rehearsal.demo import BUNDLE
from daemon.rehearsal.simulator import CLASSES, LABELS
from daemon.steps import Step
from daemon.training.encoder import Encoder, export
from daemon.training.fit import Progress, Settings, fit
from daemon.training.simulated import Examination, Material, examine, examples, material

RATE = 160.0
HOP = 320  # of the examination
BAND = Step.model_validate({"bandpass": [8.0, 30.0]})  # mu, alpha and beta

# Window, and how it is trained. Each stage goes on from the one before.
STAGES = (
    (320, Settings(epochs=4, learning_rate=5e-3, patience=99)),
    (640, Settings(epochs=3, learning_rate=3e-3, patience=99)),
)
_TRAINING, _VALIDATION = range(1000, 1008), range(2000, 2001)  # seeds
_EXAMINED = range(3100, 3103)
_SECONDS = {"training": 1200.0, "validation": 600.0}
_BLOCKS = (4.0, 12.0)  # seconds: many classes, and many changes
_SETTLE = 1.5  # seconds of a class before it is asked for
_UNASKED = 160  # steps of a window before anything is asked

AFTER = 6.0  # seconds after a change of class from which on it should be recognised
LONG, USUAL = (138.0, 142.0), (20.0, 40.0)  # seconds of a class: longer than a window; the demo's


def contract(deviation: Sequence[float]) -> Contract:
    """What the encoder needs, with the standard deviation of each channel behind the filter."""
    zscore = {"zscore": {"mean": [0.0] * len(LABELS), "std": [float(d) for d in deviation]}}
    return Contract(
        sample_rate=RATE,
        window=WINDOW,
        channels=LABELS,
        unit="microvolts",
        classes=CLASSES,
        conditioning=(BAND, Step.model_validate(zscore)),
    )


def train(work: Path) -> tuple[Encoder, Contract]:
    """The trained encoder, and what it needs; its checkpoints lie in the folder ``work``."""
    filtered = np.concatenate([_made(seed, "training", (BAND,)).samples for seed in _TRAINING])
    needs = contract(filtered.std(axis=0).round(3).tolist())
    training = [_made(seed, "training", needs.conditioning) for seed in _TRAINING]
    validation = [_made(seed, "validation", needs.conditioning) for seed in _VALIDATION]
    encoder = None
    for steps, settings in STAGES:
        fitted = fit(
            settings,
            examples(training, steps, _UNASKED),
            examples(validation, steps, _UNASKED),
            classes=len(CLASSES),
            checkpoint=work / f"{steps}.npz",
            progress=_say,
            initial=encoder,
        )
        encoder = fitted.model
    assert encoder is not None
    return encoder, needs


def figures(engine: StreamingEngine, needs: Contract) -> dict[str, Any]:
    """What the deployed encoder makes of sessions that it never saw."""

    def sessions(seconds: float, block_seconds: tuple[float, float]) -> list[Examination]:
        return [
            examine(
                engine,
                needs,
                hop=HOP,
                seed=seed,
                seconds=seconds,
                block_seconds=block_seconds,
                after=AFTER,
            )
            for seed in _EXAMINED
        ]

    long, usual = sessions(840.0, LONG), sessions(700.0, USUAL)
    within = [session.comparison for session in long]
    windows = sum(one.within for one in within)
    delays = np.concatenate([session.comparison.first for session in usual])
    settled = sum(session.settled for session in usual)
    return {
        "seeds": list(_EXAMINED),
        "window_seconds": WINDOW / RATE,
        "within_one_class": {
            "class_seconds": LONG,
            "windows": windows,
            "accuracy": sum(one.within * one.within_accuracy for one in within) / windows,
            "confusion": _together(within),
        },
        "usual": {
            "class_seconds": USUAL,
            "windows": sum(session.comparison.decided for session in usual),
            "settled_after_seconds": AFTER,
            "settled_windows": settled,
            "settled_accuracy": sum(session.settled_right for session in usual) / settled,
            "changes": len(delays),
            "changes_recognised": int(np.isfinite(delays).sum()),
            "delay_seconds": {
                name: _finite(np.quantile(delays, share, method="higher"))
                for name, share in (("median", 0.5), ("90 %", 0.9), ("slowest", 1.0))
            },
            "confusion": _together([session.comparison for session in usual]),
        },
    }


def verdict(found: dict[str, Any]) -> str:
    """One line for the daemon."""
    within, usual = found["within_one_class"], found["usual"]
    return (
        f"trained and examined on SIMULATED EEG, which says nothing about real EEG: right in "
        f"{within['accuracy']:.1%} of {within['windows']} windows that lie within one class and "
        f"in {usual['settled_accuracy']:.1%} of those that end {AFTER:g} s or more after a "
        f"change, on seeds it never saw (chance {1 / len(CLASSES):.0%}); a change is recognised "
        f"after {usual['delay_seconds']['median']:.1f} s (median)"
    )


def page(found: dict[str, Any]) -> str:
    """The report for people, Markdown."""
    usual = found["usual"]
    delay = usual["delay_seconds"]
    rows = [
        f"| {name} | " + " | ".join(map(str, row)) + " |"
        for name, row in zip(CLASSES, usual["confusion"], strict=True)
    ]
    return "\n".join(
        [
            "# The demo's encoder",
            "",
            f"It was {verdict(found)}.",
            "",
            "The simulator's classes differ in nothing but the strength and the place of rhythms, "
            "and its head is one whose rhythms are strong and answer plainly "
            "(`daemon/rehearsal/rhythms.py`). Windows of 96 s are conditioned, run and judged as "
            f"the daemon does it, one every {HOP / RATE:g} s.",
            "",
            f"With classes of {USUAL[0]:g} to {USUAL[1]:g} s, as in the demo, "
            f"{usual['changes_recognised']} of {usual['changes']} changes were recognised before "
            f"the next: half of all within {delay['median']:.1f} s, nine in ten within "
            f"{_seconds(delay['90 %'])}, the slowest {_seconds(delay['slowest'])}. Rows are the "
            f"true class at the window's end, columns the recognised one, right after changes "
            f"included:",
            "",
            "| | " + " | ".join(CLASSES) + " |",
            "|---" * (len(CLASSES) + 1) + "|",
            *rows,
            "",
        ]
    )


def build(folder: Path, work: Path) -> str:
    """Train, examine, write the bundle ``folder`` in the place of the last one; the verdict."""
    encoder, needs = train(work)
    model = export(encoder, WINDOW)
    engine = StreamingEngine(fuse(model), WINDOW, HOP, "/CPU:0")
    engine.warm_up()
    found = figures(engine, needs)
    said = verdict(found)
    content = {"verdict": said, "examination": found}
    shutil.rmtree(folder, ignore_errors=True)
    with bundle.written(folder) as inside:
        model.save(inside / bundle.MODEL)
        (inside / bundle.CONTRACT).write_text(bundle.contract_text(needs), encoding="utf-8")
        (inside / bundle.REPORT).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        (inside / "report.md").write_text(page(found), encoding="utf-8")
    return said


def _made(seed: int, role: str, steps: Sequence[Step]) -> Material:
    return material(
        steps,
        rate=RATE,
        seed=seed,
        seconds=_SECONDS[role],
        block_seconds=_BLOCKS,
        settle=_SETTLE,
    )


def _say(progress: Progress) -> None:
    if progress.step in (progress.steps, progress.steps // 2):
        last = {name: f"{values[-1]:.3f}" for name, values in progress.history.items() if values}
        done = progress.epoch + progress.step / progress.steps
        print(f"epoch {done:.1f} of {progress.epochs}: {last}", flush=True)  # noqa: T201


def _together(comparisons: Sequence[Comparison]) -> list[list[int]]:
    confusion: list[list[int]] = np.sum([one.confusion for one in comparisons], axis=0).tolist()
    return confusion


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"


if __name__ == "__main__":
    print(build(BUNDLE, Path("build/demo-model")))  # noqa: T201
