"""Voltages at the stream's rate → what the model was trained on: the same object everywhere.

Rules that hold here:

- Causal only: a sample's output never depends on a later one.
- Any way of cutting the samples into blocks gives the same output, to the last digit.
- The output follows from the samples since the restart alone. Every step starts as if its first
  sample had lasted for ever, so that a constant offset of any size leaves no transient.
- Band power of a sample that had lasted for ever is none. So nothing comes out until its filters
  and averages have settled; only then the model's first step begins.
- Where a step of the model is several samples, it comes out with the last of them.
- What is computed is float64, and rounded to float32 once, at the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import signal

from daemon.electrodes import nearest
from daemon.records import Float32, Float64
from daemon.resampling import Resampler
from daemon.step_options import Filter
from daemon.steps import Step, model_inputs, samples_per_step
from daemon.text import normal_label

_NEIGHBOURS = 4
_AVERAGES = 3  # time constants until an average has settled, to 5 %
# A power of nothing has no logarithm; this one is beyond what any amplifier's noise has.
_LEAST = float(np.finfo(np.float64).tiny)


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

    Attributes
    ----------
    per_step : int
        Samples at the contract's rate that make one step of the model.
    lead : int
        Samples of the stream after a restart of which nothing comes out.
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
        self._inputs = len(model_inputs(steps, labels[:channels]))
        self._resampler = Resampler(up, down) if up != down else None
        self._stages = _stages(steps, rate, labels, channels)
        self.per_step = samples_per_step(steps, rate)
        # Whole steps, and whole samples of the stream.
        unit = math.lcm(self.per_step, up)
        self._lead = math.ceil(settling(steps) * rate / unit) * unit
        self.lead = self._lead * down // up
        self._taken = 0

    def restart(self) -> None:
        """Forget all samples."""
        if self._resampler is not None:
            self._resampler.restart()
        for stage in self._stages:
            stage.restart()
        self._taken = 0

    def apply(self, block: Float32) -> tuple[Float32, npt.NDArray[np.intp] | None]:
        """``block`` (n, channels) as the model's steps, (m, inputs of the model).

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
                return np.empty((0, self._inputs), np.float32), newest
        for stage in self._stages:
            samples = stage.apply(samples)
        if self.per_step > 1 or self._lead:
            ends = self._ends(len(samples))
            samples, newest = samples[ends], ends if newest is None else newest[ends]
        return samples.astype(np.float32, order="C"), newest

    def _ends(self, count: int) -> npt.NDArray[np.intp]:
        """Which of the next ``count`` samples are the last of a step."""
        begin = max(self._lead - self._taken, 0)
        first = begin + -(self._taken + begin + 1) % self.per_step
        self._taken += count
        return np.arange(first, count, self.per_step)


def settling(steps: Sequence[Step]) -> float:
    """Seconds until band powers have settled: band-passes by their width or lowest, then means."""
    return max(
        (
            max(1 / min(band.low, band.high - band.low) for band in step.bandpower.bands)
            + _AVERAGES * step.bandpower.smooth
            for step in steps
            if step.bandpower
        ),
        default=0.0,
    )


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


def _stages(
    steps: Sequence[Step], rate: float, labels: Sequence[str], channels: int
) -> list[_Stage]:
    stages: list[_Stage] = []
    normal = [*map(normal_label, labels)]
    for filtering, group in groupby(steps, lambda step: bool(step.frequencies)):
        if filtering:
            # Filters that follow each other are one cascade: SciPy's cost is that of the call.
            sections = [second_order_sections(step, rate) for step in group]
            stages.append(_Filter(np.concatenate(sections)))
            continue
        for step in group:
            if step.laplacian is not None:
                stages.append(_Laplacian(step.laplacian.places(labels[:channels])))
            elif step.reference is not None:
                named = [normal.index(normal_label(label)) for label in step.reference]
                stages.append(_Reference(named or range(channels), channels))
            elif step.bandpower is not None:
                bands = [_Filter(second_order_sections(one, rate)) for one in step.filters]
                keeps = math.exp(-1 / (step.bandpower.smooth * rate))
                stages.append(_BandPower(bands, keeps))
            elif step.decimate is not None:
                stages.append(_Mean(samples_per_step([step], rate)))
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


class _Laplacian:
    """Subtracts from each channel the weighted mean of those around it, and drops the others."""

    def __init__(self, places: Sequence[tuple[float, float, float]]) -> None:
        self._channels = len(places)
        around, weights = nearest(np.array(places), min(_NEIGHBOURS, len(places) - 1))
        self._around = np.array(around).T
        self._weights = weights.T

    def restart(self) -> None:
        """It remembers nothing."""

    def apply(self, block: Float64) -> Float64:
        referred = block[:, : self._channels].copy()
        # One neighbour after the other: a sum of fixed order.
        for channels, weights in zip(self._around, self._weights, strict=True):
            referred -= block[:, channels] * weights
        return referred


class _BandPower:
    """Logarithm of each channel's power in each band, a channel's bands beside each other.

    Its one-pole average ``keeps`` that share of itself from sample to sample.
    """

    def __init__(self, bands: Sequence[_Filter], keeps: float) -> None:
        self._bands = bands
        self._keeps = keeps
        self.restart()

    def restart(self) -> None:
        for band in self._bands:
            band.restart()
        self._state: Float64 | None = None

    def apply(self, block: Float64) -> Float64:
        squared = np.stack([band.apply(block) for band in self._bands], axis=-1) ** 2
        squared = squared.reshape(len(block), -1)
        if self._state is None:
            self._state = np.zeros((1, squared.shape[1]))
        power, self._state = signal.lfilter(
            [1 - self._keeps], [1, -self._keeps], squared, axis=0, zi=self._state
        )
        # In one layout, in which the logarithm has the same digits.
        logarithm: Float64 = np.log(np.maximum(np.ascontiguousarray(power), _LEAST))
        return logarithm


class _Mean:
    """Of each sample and those before it, ``count`` in all."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.restart()

    def restart(self) -> None:
        self._before: Float64 | None = None

    def apply(self, block: Float64) -> Float64:
        if self._before is None:
            self._before = np.zeros((self._count - 1, block.shape[1]))
        known = np.concatenate([self._before, block])
        self._before = known[len(block) :]
        total = known[: len(block)].copy()
        # One sample after the other: a sum of fixed order.
        for n in range(1, self._count):
            total += known[n : n + len(block)]
        return total / self._count


class _ZScore:
    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self._mean = np.array(mean, np.float64)
        self._std = np.array(std, np.float64)

    def restart(self) -> None:
        """It remembers nothing."""

    def apply(self, block: Float64) -> Float64:
        scores: Float64 = (block - self._mean) / self._std
        return scores
