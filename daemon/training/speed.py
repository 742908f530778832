"""How long one training step takes: the source's own model under ``model.fit``, and `fit`.

Both take turns in one run, and each is measured whole, from one step's end to the next one's:
forward, backward, Adam, and what feeds them. ``python -m daemon.training.speed`` prints it.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import keras
import numpy as np

from daemon.bench.encoders import sgemm
from daemon.encoders.architectures import CHANNELS, CLASSES, channel_lstm
from daemon.encoders.stack import GATES
from daemon.records import Float32
from daemon.reorder import split_channels
from daemon.training.encoder import UNITS
from daemon.training.examples import Examples
from daemon.training.fit import Settings, fit


@dataclass(frozen=True)
class Speed:
    """Seconds of every step that was timed, and the machine's own GFLOP/s."""

    source: list[float]
    ours: list[float]
    gflop: float
    sgemm: float

    @property
    def ratio(self) -> float:
        """How many times faster, median over median."""
        return statistics.median(self.source) / statistics.median(self.ours)

    def __str__(self) -> str:
        lines = []
        for name, seconds in (("model.fit", self.source), ("eegd", self.ours)):
            median = statistics.median(seconds)
            share = self.gflop / median / self.sgemm
            lines.append(
                f"{name:<10}{median:7.3f} s a step ({min(seconds):.3f} … {max(seconds):.3f}, "
                f"{len(seconds)} steps), {share:.0%} of this machine's sgemm"
            )
        lines.append(f"{self.ratio:.1f} times faster; sgemm {self.sgemm:.0f} GFLOP/s")
        return "\n".join(lines)


def measure(steps: int = 1024, batch: int = 32, rounds: int = 3, timed: int = 4) -> Speed:
    """Time the channel encoder's training steps.

    Parameters
    ----------
    steps, batch : int
        Of one window, and windows of one training step.
    rounds, timed : int
        How often each side takes its turn, and steps that are timed in a turn.
    """
    random = np.random.default_rng(0)
    windows = random.normal(size=((timed + 1) * batch, steps, CHANNELS)).astype(np.float32)
    targets = random.integers(0, CLASSES, len(windows))
    model = channel_lstm(steps)
    model.compile(keras.optimizers.Adam(global_clipnorm=1.0), "sparse_categorical_crossentropy")
    source: list[float] = []
    ours: list[float] = []
    peaks = []
    for _ in range(rounds):
        source += _source(model, windows, targets, batch)
        peaks.append(sgemm())
        ours += _ours(Examples(windows, targets), batch)
        peaks.append(sgemm())
    # What is left of 32 LSTM(1) is no matrix product.
    multiplied, below = 0, CHANNELS
    for units in UNITS["channel"]:
        multiplied += GATES * units * (below + units)
        below = units
    # Forward, and back to the inputs and to the weights.
    gflop = 3 * 2 * multiplied * steps * batch / 1e9
    return Speed(source, ours, gflop, max(peaks))


def _source(model: keras.Model, windows: Float32, targets: np.ndarray, batch: int) -> list[float]:
    ends: list[float] = []
    told = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda n, logs: ends.append(time.perf_counter())
    )
    inputs = split_channels(windows)
    model.fit(inputs, targets, batch_size=batch, shuffle=False, verbose=0, callbacks=[told])
    return np.diff(ends).tolist()


def _ours(examples: Examples, batch: int) -> list[float]:
    ends: list[float] = []
    few = Examples(examples.windows[:batch], examples.targets[:batch])
    settings = Settings(epochs=1, batch=batch)
    fit(
        settings,
        examples,
        few,
        classes=CLASSES,
        progress=lambda progress: ends.append(time.perf_counter()),
    )
    return np.diff(ends).tolist()


if __name__ == "__main__":
    print(measure())  # noqa: T201
