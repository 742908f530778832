"""Predictions against the true classes that markers tell: accuracy, delay, information.

Rules that hold here:

- The truth of a window is the class at its end (`daemon.offline.ground_truth`).
- No label, of an abstention or below the threshold, is no decision: it does not count for or
  against the accuracy, and it is not the right class when the delay is measured.
- The delay of a change is the time from its marker to the end of the first window with the right
  label; and of the first from which on all are right until the class ends. A class that is not
  reached while it lasts, for whatever reason, counts as a delay without end. Changes before the
  first prediction and after the last are left out.
- Overlapping windows share samples, so they are no independent decisions: an interval of
  confidence that takes them for such is too narrow, and none is given here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daemon.offline.ground_truth import Interval
from daemon.records import Float64, Prediction

BINS = 8  # of the accuracy over time, each a quarter of a window or a hop; then the rest
QUANTILES = (0.25, 0.5, 0.75, 0.9)


def wolpaw(accuracy: float, classes: int) -> float:
    """Bits of one decision among ``classes`` that is right with probability ``accuracy``.

    log2 N + P log2 P + (1 - P) log2((1 - P) / (N - 1)), of Wolpaw et al., "Brain-computer
    interface technology: a review of the first international meeting", IEEE Transactions on
    Rehabilitation Engineering 8 (2000), 164-173. It assumes that all classes are wanted equally
    often, are recognised equally well, and that an error is any other class with equal chance.
    At chance level or below it is 0.
    """
    if accuracy <= 1 / classes:
        return 0.0
    bits = np.log2(classes) + accuracy * np.log2(accuracy)
    if accuracy < 1:
        bits += (1 - accuracy) * np.log2((1 - accuracy) / (classes - 1))
    return float(bits)


def balanced_accuracy(confusion: npt.NDArray[np.int64]) -> float:
    """Mean over the classes that occur of the fraction of each that was recognised.

    ``confusion`` (classes, classes) has a row for each true class; nan where none occurs.
    """
    of_class = confusion.sum(axis=1)
    occurs = of_class > 0
    if not occurs.any():
        return float("nan")
    return float(np.mean(np.diag(confusion)[occurs] / of_class[occurs]))


@dataclass(frozen=True, slots=True)
class Comparison:
    """What comparing predictions with the truth came to.

    Attributes
    ----------
    windows : int
        Predictions whose truth is known.
    decided : int
        Those of them with a label; all that follows is of these.
    confusion : int array, shape (classes, classes)
        How often which class (row) was labelled as which (column).
    accuracy, balanced : float
        Share of right labels; mean over the true classes of each one's share. NaN without any.
    within, within_accuracy : int, float
        Windows that lie within one class as a whole, and the share of right labels of these.
    over_time : list of (float, float, int, float)
        Of windows that end so many seconds after the class began: from, to, how many, share of
        right labels. The last one may have no end.
    changes : int
        Class changes whose delay was measured.
    first, steady : float64 array, shape (changes,)
        Seconds until the first right label, and until the first from which on all are right;
        infinite where that never came.
    bits : float
        Of one decision, see `wolpaw`.
    bits_per_minute : float
        With one decision a window's length, so that no two share samples.
    bits_per_minute_every_hop : float
        With every published window as a decision, as is often reported: an upper bound, which
        overlapping windows do not reach.
    """

    windows: int
    decided: int
    confusion: npt.NDArray[np.int64]
    accuracy: float
    balanced: float
    within: int
    within_accuracy: float
    over_time: list[tuple[float, float, int, float]]
    changes: int
    first: Float64
    steady: Float64
    bits: float
    bits_per_minute: float
    bits_per_minute_every_hop: float


def compare(
    predictions: Sequence[Prediction],
    truth: Sequence[Interval],
    classes: Sequence[str],
    *,
    window: float,
    hop: float,
) -> Comparison:
    """Compare ``predictions`` with ``truth``, both in order of time and on one clock.

    Parameters
    ----------
    predictions : sequence of Prediction
    truth : sequence of Interval
    classes : sequence of str
        All that the model tells apart.
    window, hop : float
        Seconds of a window, and between two.
    """
    begins = np.array([interval.begin for interval in truth])
    places = {label: n for n, label in enumerate(classes)}
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    right: list[tuple[float, bool]] = []  # of each decision: time since the change, whether right
    within: list[bool] = []
    ends: dict[int, list[tuple[float, bool]]] = {n: [] for n in range(len(truth))}
    windows = 0
    for prediction in predictions:
        at = prediction.window_end
        n = int(np.searchsorted(begins, at, side="right")) - 1
        if n < 0 or at >= truth[n].end:
            continue
        windows += 1
        correct = prediction.label == truth[n].label
        ends[n].append((at - truth[n].begin, correct))
        if prediction.label is None:
            continue
        confusion[places[truth[n].label], places[prediction.label]] += 1
        right.append((at - truth[n].begin, correct))
        if prediction.window_start >= truth[n].begin:
            within.append(correct)
    first_end = predictions[0].window_end if predictions else np.inf
    last_end = max((prediction.window_end for prediction in predictions), default=-np.inf)
    delays = np.array(
        [
            _delays(ends[n])
            for n, interval in enumerate(truth)
            if first_end < interval.begin < last_end
        ]
    ).reshape(-1, 2)
    accuracy = _share([correct for _, correct in right])
    bits = wolpaw(accuracy, len(classes)) if right else np.nan
    decided = len(right) / windows if windows else np.nan
    return Comparison(
        windows=windows,
        decided=len(right),
        confusion=confusion,
        accuracy=accuracy,
        balanced=balanced_accuracy(confusion),
        within=len(within),
        within_accuracy=_share(within),
        over_time=_over_time(right, max(window / 4, hop)),
        changes=len(delays),
        first=delays[:, 0],
        steady=delays[:, 1],
        bits=bits,
        bits_per_minute=bits * decided * 60 / max(window, hop),
        bits_per_minute_every_hop=bits * decided * 60 / hop,
    )


def quantiles(delays: Float64) -> list[float]:
    """The delays that `QUANTILES` of all changes do not exceed; infinite where never reached."""
    if not len(delays):
        return [np.nan] * len(QUANTILES)
    # No mean of two: half of infinity is no time.
    found: list[float] = np.quantile(delays, QUANTILES, method="inverted_cdf").tolist()
    return found


def _delays(ends: Sequence[tuple[float, bool]]) -> tuple[float, float]:
    first = next((at for at, correct in ends if correct), np.inf)
    steady = np.inf
    for at, correct in reversed(ends):
        if not correct:
            break
        steady = at
    return first, steady


def _over_time(
    right: Sequence[tuple[float, bool]], width: float
) -> list[tuple[float, float, int, float]]:
    bins: dict[int, list[bool]] = {}
    for at, correct in right:
        # A window that ends with a bin belongs to it however its stamps were rounded.
        bins.setdefault(min(int(at / width + 1e-6), BINS), []).append(correct)
    return [
        (n * width, (n + 1) * width if n < BINS else np.inf, len(bins[n]), _share(bins[n]))
        for n in sorted(bins)
    ]


def _share(right: Sequence[bool]) -> float:
    return float(np.mean(right)) if right else np.nan
