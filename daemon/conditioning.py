"""Voltages at the stream's rate → what the model was trained on: the same object everywhere.

Rules that hold here:

- Causal only: a sample's output never depends on a later one.
- Any way of cutting the samples into blocks gives the same output, to the last digit.
- The output follows from the samples since the restart alone. Every step starts as if its first
  sample had lasted for ever, so that a constant offset of any size leaves no transient.
- What is computed is float64, and rounded to float32 once, at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import signal

from daemon.contract import normal_label
from daemon.records import Float32, Float64
from daemon.resampling import Resampler
from daemon.steps import Filter, Step


class _Stage(Protocol):
    def restart(self) -> None: ...

    def apply(self, block: Float64) -> Float64:
        """``block`` (n, channels), n > 0, in any layout."""


class Conditioning:
    """Applies a contract's steps to one stream.

    Parameters
    ----------
    steps : sequence of Step
    rate : float
        The contract's, in Hz.
    labels : sequence of str
        Of the samples' channels: the model's first, then others that are referred to.
    channels : int
        How many are the model's.
    up, down : int
        The contract's rate over the stream's; both 1 for the same.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        rate: float,
        labels: Sequence[str],
        channels: int,
        up: int = 1,
        down: int = 1,
    ) -> None:
        self._channels = channels
        self._resampler = Resampler(up, down) if up != down else None
        self._stages = _stages(steps, rate, [*map(normal_label, labels)], channels)

    def restart(self) -> None:
        """Forget all samples."""
        if self._resampler is not None:
            self._resampler.restart()
        for stage in self._stages:
            stage.restart()

    def apply(self, block: Float32) -> tuple[Float32, npt.NDArray[np.intp] | None]:
        """``block`` (n, channels) as the model's samples, (m, channels of the model).

        The second is, for each of them, the newest sample of ``block`` in it; None where they
        are the same samples.
        """
        if self._resampler is None and not self._stages:
            return block, None
        samples: Float64 = block.astype(np.float64)
        newest = None
        if self._resampler is not None:
            samples, newest = self._resampler.apply(samples)
            if not len(samples):
                return np.empty((0, self._channels), np.float32), newest
        for stage in self._stages:
            samples = stage.apply(samples)
        return samples.astype(np.float32, order="C"), newest


def second_order_sections(step: Filter, rate: float) -> Float64:
    """The filter of ``step`` at ``rate`` Hz as SciPy's second-order sections, (sections, 6)."""
    sections: Float64
    if step.notch is not None:
        sections = signal.tf2sos(*signal.iirnotch(step.notch.frequency, step.notch.q, fs=rate))
        return sections
    design = step.highpass or step.lowpass or step.bandpass
    assert design is not None
    sections = signal.butter(
        design.order,
        step.frequencies if step.bandpass else step.frequencies[0],
        step.kind,
        fs=rate,
        output="sos",
    )
    return sections


def _stages(steps: Sequence[Step], rate: float, labels: list[str], channels: int) -> list[_Stage]:
    stages: list[_Stage] = []
    for filtering, group in groupby(steps, lambda step: bool(step.frequencies)):
        if filtering:
            # Filters that follow each other are one cascade: SciPy's cost is that of the call.
            sections = [second_order_sections(step, rate) for step in group]
            stages.append(_Filter(np.concatenate(sections)))
            continue
        for step in group:
            if step.reference is not None:
                named = [labels.index(normal_label(label)) for label in step.reference]
                stages.append(_Reference(named or range(channels), channels))
            elif step.zscore is not None:
                stages.append(_ZScore(step.zscore.mean, step.zscore.std))
    return stages


class _Filter:
    """A cascade of second-order sections, each channel with a state of its own."""

    def __init__(self, sections: Float64) -> None:
        self._sections = sections
        self._at_rest = signal.sosfilt_zi(sections)[:, :, None]
        self.restart()

    def restart(self) -> None:
        self._state: Float64 | None = None

    def apply(self, block: Float64) -> Float64:
        if self._state is None:
            self._state = self._at_rest * block[0]
        filtered: Float64
        filtered, self._state = signal.sosfilt(self._sections, block, axis=0, zi=self._state)
        return filtered


class _Reference:
    """Subtracts the mean of some channels from the model's, and drops the others."""

    def __init__(self, of: Sequence[int], channels: int) -> None:
        self._of = np.array(of)
        self._channels = channels

    def restart(self) -> None:
        """It remembers nothing."""

    def apply(self, block: Float64) -> Float64:
        # A sum has the same order, and so the same digits, only in the same layout.
        reference = np.ascontiguousarray(block[:, self._of]).mean(axis=1, keepdims=True)
        referred: Float64 = block[:, : self._channels] - reference
        return referred


class _ZScore:
    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self._mean = np.array(mean, np.float64)
        self._std = np.array(std, np.float64)

    def restart(self) -> None:
        """It remembers nothing."""

    def apply(self, block: Float64) -> Float64:
        scores: Float64 = (block - self._mean) / self._std
        return scores
