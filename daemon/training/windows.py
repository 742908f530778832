"""Windows of EEG, each with its class and its place: what encoders learn from and are judged by."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from daemon.per_window import NOTHING, PerWindow
from daemon.records import Float32, Float64
from daemon.training.scores import Indices


@dataclass(frozen=True)
class Dataset:
    """Windows of ``steps`` steps, and what is known of each.

    Attributes
    ----------
    classes, recordings : tuple of str
    rate : float
        Steps a second, in Hz.
    steps : int
    signals : tuple of float32 arrays, shape (n, inputs)
        Conditioned stretches of the recordings that the windows are cut from, a row a step.
    signal, end : int64 arrays, shape (windows,)
        Which of them, and one past the window's last step in it.
    targets, recording, trial, block : int64 arrays, shape (windows,)
        Class, number in ``recordings``, and numbers that count trials and blocks over all
        recordings. A block is a stretch of a recording with trials of one class alone.
    start_time, time : float64 arrays, shape (windows,)
        Stamps of the window's first and last sample, in seconds of the recording.
    deployable : bool array, shape (windows,)
        Whether the daemon would answer a window of the deployed length with the same end.
    left_out : mapping of str to int
        Windows (or trials, as the reason says) that were not taken, by reason.
    first_left_out : mapping of str to str
        For each reason, the first of them in words.
    unused : mapping of str to int
        Markers that begin no class, and how often they occur.
    assumptions : tuple of str
        What was taken for granted because a recording does not say it.
    per_step : int
        Samples of the EEG that make a step.
    eeg : tuple of float32 arrays, shape (n · per_step, channels)
        For each of ``signals``, the EEG of which band power is, see
        `daemon.training.stretches.Stretch`; empty where the steps are EEG.
    per_window : PerWindow
        What is still to be done to each window before the encoder.
    """

    classes: tuple[str, ...]
    recordings: tuple[str, ...]
    rate: float
    steps: int
    signals: tuple[Float32, ...]
    signal: Indices
    end: Indices
    targets: Indices
    recording: Indices
    trial: Indices
    block: Indices
    start_time: Float64
    time: Float64
    deployable: npt.NDArray[np.bool_]
    left_out: dict[str, int] = field(default_factory=dict)
    first_left_out: dict[str, str] = field(default_factory=dict)
    unused: dict[str, int] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()
    per_step: int = 1
    eeg: tuple[Float32, ...] = ()
    per_window: PerWindow = NOTHING

    def windows(self, which: Indices, steps: int | None = None) -> Float32:
        """The steps of windows ``which``, (n, steps, inputs), those of each up to its end.

        ``steps`` other than the windows' own begin earlier or later; see `reaches`.
        """
        steps = steps or self.steps
        found = np.empty((len(which), steps, self.signals[0].shape[1]), np.float32)
        for n, window in enumerate(which):
            end = self.end[window]
            found[n] = self.signals[self.signal[window]][end - steps : end]
        return found

    def eeg_windows(self, which: Indices) -> Float32:
        """The EEG of windows ``which``, (n, samples, channels), where band power is of it."""
        ends = self.end * self.per_step
        length = self.steps * self.per_step
        cut = [self.eeg[self.signal[w]][ends[w] - length : ends[w]] for w in which]
        return np.stack(cut)

    def reaches(self, which: Indices, steps: int, beside: Indices) -> Indices:
        """Those of ``which`` that are `deployable` and share no sample with windows ``beside``.

        ``steps`` samples long, as they are deployed.
        """
        found = which[self.deployable[which]]
        taken = [np.zeros(len(signal) + 1, np.int64) for signal in self.signals]
        for window in beside:
            taken[self.signal[window]][self.end[window] - self.steps + 1 : self.end[window] + 1] = 1
        before = [counts.cumsum() for counts in taken]
        places = zip(self.signal[found], self.end[found], strict=True)
        free = np.array([before[s][end] == before[s][end - steps] for s, end in places], bool)
        reaching: Indices = found[free]
        return reaching
