"""What a simulated amplifier really sent, and what the model makes of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np

from daemon.rehearsal.simulator import LABELS, Simulator
from daemon.reorder import split_channels

FLAT = 1.1  # seconds after which a channel without any change has to be known for dead


@dataclass
class TrueLife:
    """One life of the amplifier.

    Attributes
    ----------
    numbers, stamps : array, shape (sent,)
        Of the samples that were sent, in the order of sending.
    faults : list of dict
        With times that count from this life's first sample.
    """

    seed: int
    rate: float
    opened: float
    faults: list[dict[str, Any]]
    first: float = 0.0
    pieces: list[tuple[int, int, list[float] | None]] = field(default_factory=list)

    @cached_property
    def numbers(self) -> np.ndarray:
        pieces = [np.arange(sent, sent + count) for sent, count, _ in self.pieces]
        return np.concatenate(pieces) if pieces else np.empty(0, int)

    @cached_property
    def stamps(self) -> np.ndarray:
        stamps = self.first + self.numbers / self.rate
        at = 0
        for _, count, written in self.pieces:
            if written is not None:
                stamps[at : at + count] = written
            at += count
        return stamps

    @cached_property
    def samples(self) -> np.ndarray:
        """What was measured by number, (numbers, channels): NaN and held values are measured."""
        samples, _ = Simulator(self.rate, self.seed).next(int(self.numbers.max()) + 1)
        for fault in self.faults:
            span = slice(*np.rint(self._span(fault) * self.rate).astype(int))
            channel = int(fault["values"].get("channel", 0))
            if fault["kind"] == "nan":
                samples[span, channel] = np.nan
            elif fault["kind"] == "flat":
                samples[span, channel] = samples[span, channel][:1]
        return samples

    @property
    def _flat(self) -> list[np.ndarray]:
        spans = [self._span(fault) for fault in self.faults if fault["kind"] == "flat"]
        return [span * self.rate for span in spans]

    def ends(self, fault: dict[str, Any]) -> float:
        """The stamp with which a fault is over, on the clock that the stamps had by then."""
        at = np.searchsorted(self.numbers, round(self._span(fault)[1] * self.rate))
        return float(self.stamps[min(at, len(self.stamps) - 1)])

    def _span(self, fault: dict[str, Any]) -> np.ndarray:
        return fault["at"] + np.array([0.0, fault["values"].get("seconds", 0.0)])

    def windows(
        self, end: float, filled: int, tolerance: float, channels: Sequence[int], steps: int
    ) -> np.ndarray:
        """The windows that end with stamp ``end``, give or take, (n, steps, channels).

        Missing samples hold the value before them, as bridging does; a window in which not
        ``filled`` of them are missing cannot be the one, nor one with a dead channel.
        """
        found = []
        for at in np.flatnonzero(np.abs(self.stamps - end) <= tolerance):
            wanted = np.arange(self.numbers[at] - steps + 1, self.numbers[at] + 1)
            before = np.searchsorted(self.numbers, wanted, side="right") - 1
            if before[0] < 0:
                continue
            held = self.numbers[before]
            dead = any(
                ((held >= first) & (held < last)).sum() > FLAT * self.rate
                for first, last in self._flat
            )
            if (held != wanted).sum() == filled and not dead:
                found.append(self.samples[held][:, channels])
        return np.array(found).reshape(-1, steps, len(channels))


@dataclass
class Truth:
    """The lives, and the times at which something happened to the process."""

    lives: list[TrueLife]
    happened: list[dict[str, Any]]

    @property
    def sent(self) -> int:
        return sum(len(life.numbers) for life in self.lives)


def read_truth(path: Path) -> Truth:
    truth = Truth([], [])
    for line in path.read_text(encoding="utf-8").splitlines():
        said = json.loads(line)
        if "opened" in said:
            keys = ("seed", "rate", "opened", "faults")
            truth.lives.append(TrueLife(**{key: said[key] for key in keys}))
        elif "began" in said:
            truth.lives[-1].first = said["first"]
        elif "sent" in said:
            truth.lives[-1].pieces.append((said["sent"], said["count"], said.get("stamps")))
        else:
            truth.happened.append(said)
    return truth


def largest_difference(
    model: keras.Model,
    truth: Truth,
    markers: Sequence[dict[str, Any]],
    channels: Sequence[str],
    tolerance: float,
) -> tuple[float, list[dict[str, Any]]]:
    """Between each ``ok`` and plain Keras on the true samples of its window.

    Returns
    -------
    largest : float
    unexplained : list of dict
        The markers that no window explains: none ends then, or it was not whole.
    """
    indices = [LABELS.index(label) for label in channels]
    steps = (model.inputs[0].shape)[1]
    said, windows, owners = [], [], []
    for n, marker in enumerate(markers):
        said.append(np.array([*marker["probabilities"].values()]))
        filled = round(marker["filled"] * steps)
        for life in truth.lives:
            found = life.windows(marker["window_end"], filled, tolerance, indices, steps)
            windows.append(found)
            owners += [n] * len(found)
    if not owners:
        return 0.0, list(markers)
    expected = model.predict(
        split_channels(np.concatenate(windows).astype(np.float32)), batch_size=1024, verbose=0
    )
    differences = np.full(len(said), np.inf)
    for owner, probabilities in zip(owners, expected, strict=True):
        difference = np.abs(probabilities - said[owner]).max()
        differences[owner] = np.fmin(differences[owner], difference)
    known = np.isfinite(differences)
    unexplained = [marker for marker, ok in zip(markers, known, strict=True) if not ok]
    return float(differences[known].max(initial=0.0)), unexplained
