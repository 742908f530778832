"""Windows and what they are, and the batches that a training takes them in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daemon.records import Float32, Float64

Int64 = npt.NDArray[np.int64]

NO_CLASS = -1

Batch = tuple[Float32, Int64, Float32]
"""Windows, their targets, and what each target counts."""


@dataclass(frozen=True)
class Examples:
    """Windows of EEG as the encoder sees them, and what they are.

    Attributes
    ----------
    windows : float32 array, shape (n, steps, channels)
    targets : int64 array, shape (n,) or (n, steps)
        The class of each window; or after each of its steps, `NO_CLASS` where nothing is asked.
    """

    windows: Float32
    targets: Int64


def class_weights(targets: Int64, classes: int, *, even: bool) -> Float64:
    """What an example of each class counts, and `NO_CLASS` at the end: nothing."""
    counts = np.bincount(targets[targets != NO_CLASS], minlength=classes)
    weights = np.ones(classes)
    if even:
        weights = np.divide(counts.sum(), classes * counts, where=counts > 0, out=weights)
    return np.append(weights, 0.0)


def batches(
    examples: Examples, weights: Float64, size: int, order: np.random.Generator | None = None
) -> Iterator[Batch]:
    """Windows, targets and weights, all batches of one size: the last is filled up with nothing."""
    count = len(examples.windows)
    which = order.permutation(count) if order else np.arange(count)
    which = np.append(which, np.zeros(-count % size, np.intp))
    for first in range(0, len(which), size):
        some = which[first : first + size]
        targets = examples.targets[some]
        counted = weights[targets].astype(np.float32)
        counted[max(0, count - first) :] = 0.0
        yield examples.windows[some], np.maximum(targets, 0), counted
