"""A whole window, as the model was trained on windows: normalised or filtered by itself.

Rules that hold here:

- A window's values follow from its own samples alone, so that live, scoring and training agree.
- What is computed is float64, and rounded to float32 once, at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import signal

from daemon.conditioning import second_order_sections
from daemon.records import Float32, Float64
from daemon.window_steps import MinMax, WindowStep, ZScoreOfWindow

Transform = Callable[[Float64], Float64]


class PerWindow:
    """Applies a contract's ``per_window`` steps, in order.

    Parameters
    ----------
    steps : sequence of WindowStep
    rate : float
        The contract's, in Hz.
    """

    def __init__(self, steps: Sequence[WindowStep], rate: float) -> None:
        self._transforms = [_transform(step, rate) for step in steps]

    def __bool__(self) -> bool:
        return bool(self._transforms)

    def apply(self, window: Float32) -> Float32:
        """The window, float32 (channels, steps), as the model takes it; itself without steps."""
        if not self._transforms:
            return window
        samples: Float64 = window.astype(np.float64)
        # Where a channel stands still a division gives NaN: the model's answer shows it.
        with np.errstate(all="ignore"):
            for transform in self._transforms:
                samples = transform(samples)
            return samples.astype(np.float32)


NOTHING = PerWindow((), 1.0)
"""No step at all."""


def _transform(step: WindowStep, rate: float) -> Transform:
    if step.frequencies:
        sections = second_order_sections(step, rate)
        return lambda window: np.asarray(signal.sosfiltfilt(sections, window, axis=1))
    if step.demean:
        return lambda window: window - window.mean(axis=1, keepdims=True)
    if step.detrend:
        return lambda window: np.asarray(signal.detrend(window, axis=1))
    if step.zscore is not None:
        return _zscore(step.zscore)
    if step.minmax is not None:
        return _minmax(step.minmax)
    if step.reference is not None:
        return lambda window: window - window.mean(axis=0)
    assert step.scale is not None
    factor = step.scale
    return lambda window: window * factor


def _axis(over: str) -> int | None:
    return 1 if over == "channel" else None


def _zscore(by: ZScoreOfWindow) -> Transform:
    axis = _axis(by.over)

    def apply(window: Float64) -> Float64:
        mean = window.mean(axis=axis, keepdims=True)
        std = window.std(axis=axis, keepdims=True, ddof=by.ddof)
        scaled: Float64 = (window - mean) / (std + by.epsilon)
        return scaled

    return apply


def _minmax(by: MinMax) -> Transform:
    axis = _axis(by.over)
    low, high = by.to

    def apply(window: Float64) -> Float64:
        least = window.min(axis=axis, keepdims=True)
        most = window.max(axis=axis, keepdims=True)
        share = (window - least) / (most - least + by.epsilon)
        scaled: Float64 = low + share * (high - low)
        return scaled

    return apply
