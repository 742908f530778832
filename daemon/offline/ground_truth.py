"""The true class at every time, as the markers of a recording tell it.

A class holds from its marker to the next marker that names another class, or ends one. A marker
that does neither changes nothing, and is counted, so that one can see what was not understood.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from daemon.errors import UsageError


@dataclass(frozen=True, slots=True)
class Interval:
    """``label`` is the true class from ``begin`` to ``end``, in seconds; the end is not in it."""

    begin: float
    end: float
    label: str


def intervals(
    markers: Iterable[tuple[float, str]],
    classes: Sequence[str],
    names: Mapping[str, str],
) -> tuple[list[Interval], Counter[str]]:
    """The true classes that markers tell, and how often which marker tells none.

    Parameters
    ----------
    markers : iterable of (float, str)
        In order of time.
    classes : sequence of str
    names : mapping of str to str
        From a marker to its class; one to ``""`` ends a class. Markers that are not in it are
        classes by their own name.

    Returns
    -------
    intervals : list of Interval
        In order of time, each of another class than the one before, if they touch; the last one
        ends at infinity unless a marker ends it.
    others : Counter of str

    Raises
    ------
    UsageError
        ``names`` has a class that is none of ``classes``.
    """
    for marker, label in names.items():
        if label and label not in classes:
            raise UsageError(
                f"--map {marker}={label}: the model has no class {label!r}, its classes are "
                f"{', '.join(classes)}"
            )
    others: Counter[str] = Counter()
    begins: list[tuple[float, str]] = []
    for at, text in markers:
        label = names.get(text, text)
        if label not in classes and text not in names:
            others[text] += 1
        elif not begins or begins[-1][1] != label:
            begins.append((at, label))
    ends = [at for at, _ in [*begins, (np.inf, "")][1:]]
    found = [Interval(at, end, label) for (at, label), end in zip(begins, ends, strict=True)]
    return [interval for interval in found if interval.label], others
