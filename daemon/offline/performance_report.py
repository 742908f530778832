"""A recording's predictions against its markers, in words and for machines."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daemon.errors import UsageError
from daemon.offline.ground_truth import Interval, intervals
from daemon.offline.performance import QUANTILES, Comparison, compare, quantiles
from daemon.recordings.recording import Recording
from daemon.records import Float64, Prediction
from daemon.text import marker_text, nearly, quoted

log = logging.getLogger(__name__)

_LISTED = 5


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison, and what is needed to speak of it.

    Attributes
    ----------
    comparison : Comparison
    classes : tuple of str
    others : Counter of str
        Markers that tell no class.
    window : float
        Seconds.
    """

    comparison: Comparison
    classes: tuple[str, ...]
    others: Counter[str]
    window: float

    def text(self) -> str:
        """A line for each figure."""
        found = self.comparison
        over_time = [
            f"{begin:g}{f'-{end:g}' if math.isfinite(end) else ' and more'} s {_percent(share)} of "
            f"{count}"
            for begin, end, count, share in found.over_time
        ]
        shares = "/".join(f"{share:.0%}" for share in QUANTILES)
        lines = {
            "compared": f"{found.windows} windows whose class the markers tell, {found.decided} of "
            "them with a label",
            "accuracy": f"{_percent(found.accuracy)}, balanced {_percent(found.balanced)} (chance "
            f"{1 / len(self.classes):.0%}); {_percent(found.within_accuracy)} of the "
            f"{found.within} windows within one class",
            "since change": ", ".join(over_time) or "nothing",
            "delay": "unknown: no class changed while predictions were there",
            "information": f"{found.bits:.2f} bits a decision, {found.bits_per_minute:.2f} a "
            f"minute with one each {self.window:g} s ({found.bits_per_minute_every_hop:.2f} if "
            "each window were one of its own)",
        }
        if found.changes:
            lines["delay"] = (
                f"{_delays(found.first)} to the right class, {_delays(found.steady)} to it for "
                f"good ({shares} of {found.changes} changes)"
            )
        if self.others:
            told = [f"{quoted(text)} ({n})" for text, n in self.others.most_common(_LISTED)]
            more = len(self.others) - _LISTED
            lines["no class"] = ", ".join(told) + f" and {more} other markers" * (more > 0)
        return "\n".join(f"{key:<14} {value}" for key, value in lines.items())

    def as_dict(self) -> dict[str, Any]:
        """For machines; None stands for what is not known, or was never reached."""
        found = self.comparison
        share = [f"{share:g}" for share in QUANTILES]
        return {
            "windows": found.windows,
            "decided": found.decided,
            "classes": self.classes,
            "confusion": found.confusion.tolist(),
            "accuracy": _known(found.accuracy),
            "balanced_accuracy": _known(found.balanced),
            "chance": 1 / len(self.classes),
            "windows_within_one_class": found.within,
            "accuracy_within_one_class": _known(found.within_accuracy),
            "accuracy_over_time": [
                {"from": begin, "to": _known(end), "windows": count, "accuracy": _known(part)}
                for begin, end, count, part in found.over_time
            ],
            "changes": found.changes,
            "delay_first": dict(zip(share, map(_known, quantiles(found.first)), strict=True)),
            "delay_steady": dict(zip(share, map(_known, quantiles(found.steady)), strict=True)),
            "bits_per_decision": _known(found.bits),
            "bits_per_minute": _known(found.bits_per_minute),
            "bits_per_minute_every_hop": _known(found.bits_per_minute_every_hop),
            "other_markers": {marker_text(text): n for text, n in self.others.most_common()},
        }


def told(
    recording: Recording, classes: Sequence[str], names: Mapping[str, str]
) -> tuple[list[Interval], Counter[str]]:
    """The true classes in ``recording``; see `daemon.offline.ground_truth.intervals`.

    Raises
    ------
    UsageError
        No marker tells a class, or ``names`` has one that the model has not.
    """
    truth, others = intervals(recording.markers, classes, names)
    near = nearly(others, [*names, *classes])
    if not truth:
        found = ", ".join(f"{quoted(text)} ({n})" for text, n in others.most_common(_LISTED))
        raise UsageError(
            f"recording {recording.path}: no marker names a class of the model "
            f"({', '.join(classes)}); markers found: {found or 'none'}; say which is which with "
            "--map MARKER=CLASS" + "".join(f"; {text}" for text in near)
        )
    for text in near:
        log.warning("recording %s: the marker %s", recording.path, text)
    return truth, others


def compared(
    predictions: Sequence[Prediction],
    truth: tuple[Sequence[Interval], Counter[str]],
    classes: Sequence[str],
    *,
    window: float,
    hop: float,
) -> Compared:
    """``predictions`` against what `told` has found, both on one clock.

    Parameters
    ----------
    predictions : sequence of Prediction
    truth : as `told` gives it
    classes : sequence of str
        The model's.
    window, hop : float
        Seconds of a window, and between two.
    """
    intervals, others = truth
    found = compare(predictions, intervals, classes, window=window, hop=hop)
    return Compared(found, tuple(classes), others, window)


def _percent(share: float) -> str:
    return "unknown" if math.isnan(share) else f"{share:.1%}"


def _delays(delays: Float64) -> str:
    told = ("never" if math.isinf(delay) else f"{delay:.1f}" for delay in quantiles(delays))
    return "/".join(told) + " s"


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
