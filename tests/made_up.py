"""Datasets and recordings that tests of training make up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from daemon.training.windows import Dataset

RATE = 100.0
STEPS = 100


def dataset(*recordings: str, trial: int = 2, seed: int = 0, signal: float = 0.0) -> Dataset:
    """One recording for each string, a trial of ``trial`` windows for each letter: its class.

    Windows are noise, and ``signal`` of the class's own channel.
    """
    classes = sorted(set("".join(recordings)))
    random = np.random.default_rng(seed)
    rows, signals = [], []
    number = block = -1
    for r, letters in enumerate(recordings):
        before = ""
        samples = random.normal(size=(len(letters) * trial * STEPS, len(classes)))
        for n, letter in enumerate(letters):
            number += 1
            block += letter != before
            before = letter
            for k in range(trial):
                end = (n * trial + k + 1) * STEPS
                c = classes.index(letter)
                samples[end - STEPS : end, c] *= 1 + signal
                rows.append((r, end, c, r, number, block))
        signals.append(samples.astype(np.float32))
    table = np.array(rows, np.int64)
    return Dataset(
        classes=tuple(classes),
        recordings=tuple(f"R{r}" for r in range(len(recordings))),
        rate=RATE,
        steps=STEPS,
        signals=tuple(signals),
        signal=table[:, 0],
        end=table[:, 1],
        targets=table[:, 2],
        recording=table[:, 3],
        trial=table[:, 4],
        block=table[:, 5],
        start_time=(table[:, 1] - STEPS) / RATE,
        time=(table[:, 1] - 1) / RATE,
        deployable=np.zeros(len(table), bool),
    )


def write_edf(
    path: Path,
    samples: np.ndarray,
    marks: Sequence[tuple[float, str]],
    labels: Sequence[str],
    rate: float = RATE,
) -> Path:
    """``samples`` (n, channels) in microvolts, within ±500, as EDF+ with annotations."""
    import edfio

    signals = [
        edfio.EdfSignal(row, rate, label=label, physical_dimension="uV", physical_range=(-500, 500))
        for row, label in zip(np.ascontiguousarray(samples.T), labels, strict=True)
    ]
    annotations = [edfio.EdfAnnotation(at, 0, text) for at, text in marks]
    edfio.Edf(signals, annotations=annotations).write(path)
    return path
