"""How good answers are, and how sure one can be of it.

Targets and answers are int64 class indices (n,), probabilities float64 (n, classes).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from daemon.offline.performance import balanced_accuracy
from daemon.records import Float64

Indices = npt.NDArray[np.int64]

LEVEL = 0.95
BINS = 10

_TEMPERATURES = (0.05, 100.0)


def confusion(targets: Indices, answers: Indices, classes: int) -> Indices:
    """How often each class (row) was answered as each (column), (classes, classes)."""
    counts: Indices = np.bincount(targets * classes + answers, minlength=classes**2)
    return counts.reshape(classes, classes).astype(np.int64)


def accuracy_interval(right: int, of: int) -> tuple[float, float]:
    """Wilson's score interval of a fraction, as if every window were independent."""
    interval = stats.binomtest(right, of).proportion_ci(LEVEL, method="wilson")
    return float(interval.low), float(interval.high)


def balanced_accuracy_interval(
    targets: Indices, answers: Indices, groups: Indices, classes: int
) -> tuple[float, float] | None:
    """Jackknife over whole groups, since windows of one are alike, and Student's t.

    With the few recordings that there are, a bootstrap's percentiles hardly reach beyond the best
    and the worst of them (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters
    11 and 14). None where there are fewer than three groups, whose spread says nothing.
    """
    names = np.unique(groups)
    n = len(names)
    if n < 3:
        return None
    each = np.stack([confusion(targets[groups == g], answers[groups == g], classes) for g in names])
    whole = balanced_accuracy(each.sum(axis=0))
    without = np.array([balanced_accuracy(each.sum(axis=0) - one) for one in each])
    error = math.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
    reach = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * error
    return max(whole - reach, 0.0), min(whole + reach, 1.0)


def calibrated(probabilities: Float64, temperature: float) -> Float64:
    """softmax(log(p) / temperature), as `daemon.decision.Decision` does it live."""
    logits = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
    powered = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    result: Float64 = powered / powered.sum(axis=1, keepdims=True)
    return result


def surprise(probabilities: Float64, targets: Indices) -> float:
    """Mean negative log probability of the true class, in nats."""
    true = probabilities[np.arange(len(targets)), targets]
    return float(-np.mean(np.log(np.maximum(true, np.finfo(np.float64).tiny))))


def fitted_temperature(probabilities: Float64, targets: Indices) -> float:
    """The temperature under which ``targets`` surprise least; at most 100, at least 1/20.

    One number, so it changes no answer: only how sure the model says it is (Guo et al., On
    calibration of modern neural networks, ICML 2017).
    """
    low, high = np.log(_TEMPERATURES)
    found = optimize.minimize_scalar(
        lambda log: surprise(calibrated(probabilities, float(np.exp(log))), targets),
        bounds=(low, high),
        method="bounded",
    )
    return float(np.exp(found.x))


@dataclass(frozen=True)
class Reliability:
    """What was said against what was so, by the probability of the answer.

    Attributes
    ----------
    edges : float64 array, shape (bins + 1,)
        Bins of the answer's probability, of equal width, each with its upper edge.
    count : int64 array, shape (bins,)
    said, right : float64 array, shape (bins,)
        Mean probability of the answer, and fraction of answers that were right; nan for an empty
        bin.
    error : float
        Expected calibration error: mean over all windows of the bins' |said - right|.
    """

    edges: Float64
    count: Indices
    said: Float64
    right: Float64
    error: float


def reliability(probabilities: Float64, targets: Indices, bins: int = BINS) -> Reliability:
    """Calibration of the answers (the classes of highest probability)."""
    answers = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    edges = np.linspace(0, 1, bins + 1)
    at = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    count = np.bincount(at, minlength=bins).astype(np.int64)
    with np.errstate(invalid="ignore"):
        said = np.bincount(at, confidence, bins) / count
        right = np.bincount(at, answers == targets, bins) / count
    gap = np.abs(said - right)[count > 0]
    return Reliability(edges, count, said, right, float(gap @ count[count > 0] / count.sum()))
