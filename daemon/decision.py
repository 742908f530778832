"""Probabilities → a label, or none below the threshold.

The probabilities that are published are the model's own (calibrated, where the contract has a
temperature). Smoothing changes only the label.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from daemon.records import Float64

_LEAST = 2.0**-25  # half of what a float32 below 1 can differ by from it


class Decision:
    """Calibrate, smooth over time, compare with the threshold.

    Parameters
    ----------
    classes : sequence of str
        In the order of the model's outputs.
    threshold : float
        The label is None unless the best class's (smoothed) probability reaches it.
    smoothing : float
        Time constant in seconds of an exponential average; 0 turns it off.
    temperature : float
        softmax(logits / temperature).
    logits : bool
        The model gives logits, not probabilities.

    Attributes
    ----------
    logits : bool
        As given.
    """

    def __init__(
        self,
        classes: Sequence[str],
        *,
        threshold: float = 0.0,
        smoothing: float = 0.0,
        temperature: float = 1.0,
        logits: bool = False,
    ) -> None:
        self._classes = tuple(classes)
        self._threshold = threshold
        self._smoothing = smoothing
        self._temperature = temperature
        self.logits = logits
        self.restart()

    def restart(self) -> None:
        """Forget the past: the next decision stands on its own window."""
        self._smooth: Float64 | None = None
        self._time = 0.0

    def probabilities(self, output: Float64) -> Float64:
        """The classes' probabilities, (classes,), from the model's output for one window.

        One output p, of a sigmoid, stands for two classes with 1 - p and p; one logit for the
        logits 0 and that. Calibration is softmax(logits / temperature), of probabilities
        softmax(log(p) / temperature), which is the same; at temperature 1 probabilities are left
        exactly as they are.
        """
        if self.logits:
            logits = output if len(output) > 1 else np.concatenate([np.zeros(1), output])
            return _softmax(logits / self._temperature)
        exact = self._temperature == 1.0
        if len(output) == 1:
            # A float32 next to 1 is 1 itself, and would leave the other class without any chance.
            least = 0.0 if exact else _LEAST
            output = np.concatenate([np.maximum(1 - output, least), output])
        if exact:
            return output
        # A probability that underflowed to 0 stays there: its logit was below float32's reach.
        return _softmax(np.log(np.maximum(output, np.finfo(np.float64).tiny)) / self._temperature)

    def label(self, probabilities: Float64, time: float) -> str | None:
        """The class decided at ``time`` (seconds), given all calls since `restart`.

        Parameters
        ----------
        probabilities : float64 array, shape (classes,)
        time : float
            End of the window; must not run backward for the average to mean anything.
        """
        if self._smooth is None or self._smoothing == 0:
            self._smooth = probabilities
        else:
            keep = math.exp(-max(time - self._time, 0.0) / self._smoothing)
            self._smooth = keep * self._smooth + (1 - keep) * probabilities
        self._time = time
        best = int(np.argmax(self._smooth))
        return self._classes[best] if self._smooth[best] >= self._threshold else None


def _softmax(logits: Float64) -> Float64:
    powered = np.exp(logits - logits.max())
    found: Float64 = powered / powered.sum()
    return found
