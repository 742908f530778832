"""What a session's verification came to: counts, the worst, what is missing, in words.

A session agrees where every prediction that can be recomputed was, within the tolerance; labels,
abstentions and all three streams say the same; and nothing is missing in between. Predictions
whose samples begin before the recording or end after it cannot be checked, and are no fault.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from daemon.offline.verification import Check
from daemon.reasons import CONNECTION, kind
from daemon.text import clean, listed

_FAULTS = {
    "contradicted": "abstain where the recorded EEG gives an answer, or the other way round",
    "another reason": "abstain for another reason than the recorded EEG gives",
    "not found": "name a window that the recorded EEG does not have",
    "lost by the recorder": "had samples that the recording lacks",
    "lost by the daemon": "had samples filled that the recording has",
}
_UNCHECKED = {
    "before": "whose samples begin before the recording",
    "after": "whose samples end after the recording",
    "unsettled": "while filters still remember samples that are not in the recording",
}
_LISTED = 8


@dataclass(frozen=True, slots=True)
class Abstained:
    """Abstentions for one reason: those with one code and the same channels.

    Attributes
    ----------
    reason : str
        The words of the first of them.
    code : str or None
        None where it was published by an eegd before there were codes.
    channels : tuple of str
    count : int
        How many there are.
    confirmed : int
        How many of them the recorded EEG shows too.
    """

    reason: str
    code: str | None
    channels: tuple[str, ...]
    count: int
    confirmed: int

    def __str__(self) -> str:
        connection = self.code in CONNECTION if self.code else not self.confirmed
        told = "about the connection" if connection else f"the recorded EEG shows {self.confirmed}"
        first = ", first" if self.count > 1 else ""
        name = f"{self.code}{first}: " if self.code else ""
        return f"{self.count} × {name}{self.reason} ({told})"


@dataclass(frozen=True, slots=True)
class Findings:
    """What became of a session's predictions.

    Attributes
    ----------
    checks : tuple of Check
        One for each prediction, as recorded.
    streams : mapping of str to int or None
        For the other two streams: how many samples do not say what the markers say, or are
        missing; None where the stream was not recorded.
    tolerance : float
        Of a probability.
    """

    checks: tuple[Check, ...]
    streams: Mapping[str, int | None]
    tolerance: float

    @property
    def missing(self) -> list[tuple[int, int]]:
        """First and last of each stretch of sequence numbers that are missing in between."""
        return [(a + 1, b - 1) for a, b in self._neighbours() if b > a + 1]

    @property
    def restarts(self) -> int:
        """Times that sequence numbers begin anew: the daemon was started again."""
        return sum(b <= a for a, b in self._neighbours())

    def _neighbours(self) -> Iterator[tuple[int, int]]:
        return itertools.pairwise(check.sequence for check in self.checks)

    @property
    def worst(self) -> Check | None:
        """The one of the largest difference among those that can be judged."""
        judged = [check for check in self.checks if check.outcome == "recomputed"]
        return max(judged, key=lambda check: check.difference or 0.0, default=None)

    @property
    def differing(self) -> list[int]:
        """Sequence numbers whose probabilities differ by more than the tolerance."""
        return [
            check.sequence
            for check in self.checks
            if check.outcome == "recomputed" and not (check.difference or 0.0) <= self.tolerance
        ]

    @property
    def mislabelled(self) -> list[int]:
        return [check.sequence for check in self.checks if check.label is False]

    def faults(self) -> list[str]:
        """Why the session does not agree, a clause each; empty if it does."""
        said = []
        if self.differing:
            said.append(f"{_those(self.differing)} differ by more than {self.tolerance:g}")
        for outcome, what in _FAULTS.items():
            numbers = [check.sequence for check in self.checks if check.outcome == outcome]
            if numbers:
                said.append(f"{_those(numbers)} {what}")
        if self.mislabelled:
            said.append(f"{_those(self.mislabelled)} have another label than follows")
        if self.missing:
            count = sum(last - first + 1 for first, last in self.missing)
            said.append(f"{count} missing ({_ranges(self.missing)})")
        for name, wrong in self.streams.items():
            if wrong:
                said.append(f"{wrong} {name} are missing or not what the markers say")
        if self.worst is None:
            said.append("no prediction could be recomputed")
        return said

    def text(self) -> str:
        """A line for each finding."""
        outcomes: Counter[str] = Counter(check.outcome for check in self.checks)
        answered = sum(check.reason is None for check in self.checks)
        worst = self.worst
        lines = {
            "predictions": f"{len(self.checks)} recorded, {answered} of them ok"
            + f"; the daemon was started again {self.restarts} times" * bool(self.restarts),
            "recomputed": f"{outcomes['recomputed']} of {answered}"
            + (f", largest difference {worst.difference:.1e} at {worst.sequence}" if worst else ""),
        }
        unchecked = [f"{outcomes[key]} {what}" for key, what in _UNCHECKED.items() if outcomes[key]]
        lines["not checked"] = "; ".join(unchecked) or "none"
        lines["missing"] = _ranges(self.missing) or "none"
        labels = Counter(check.label for check in self.checks if check.outcome == "recomputed")
        lines["labels"] = f"{labels[True]} as they follow, {labels[False]} not" + (
            f", {labels[None]} unknown: they are smoothed over windows before" * bool(labels[None])
        )
        for name, wrong in self.streams.items():
            lines[name] = (
                "not recorded"
                if wrong is None
                else f"{wrong} samples differ from the markers or are missing"
                if wrong
                else "as the markers say"
            )
        shown = [f"{key:<14} {value}" for key, value in lines.items()]
        shown += [f"{'abstained':<14} {one}" for one in self.abstentions()]
        agrees = "no" if self.faults() else f"yes, to {self.tolerance:g}"
        shown.append(f"{'agrees':<14} {agrees}")
        return "\n".join(shown)

    def abstentions(self) -> list[Abstained]:
        """Each reason, the most frequent first; without those that could not be checked."""
        alike: dict[object, list[Check]] = {}
        for check in self.checks:
            if check.reason is not None and check.outcome not in _UNCHECKED:
                key = kind(check.code, check.channels, check.reason)
                alike.setdefault(key, []).append(check)
        return [
            Abstained(
                reason=clean(first.reason or "", 300),
                code=clean(first.code) if first.code else None,
                channels=tuple(map(clean, first.channels)),
                count=1 + len(more),
                confirmed=sum(check.outcome == "confirmed" for check in (first, *more)),
            )
            for first, *more in sorted(alike.values(), key=len, reverse=True)
        ]

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        worst = self.worst
        return {
            "agrees": not self.faults(),
            "faults": self.faults(),
            "tolerance": self.tolerance,
            "predictions": len(self.checks),
            "outcomes": dict(Counter(check.outcome for check in self.checks)),
            "largest_difference": worst.difference if worst else None,
            "largest_difference_at": worst.sequence if worst else None,
            "differing": self.differing,
            "mislabelled": self.mislabelled,
            "missing": self.missing,
            "restarts": self.restarts,
            "streams": dict(self.streams),
            "abstentions": [asdict(one) for one in self.abstentions()],
        }


def _those(numbers: Sequence[int]) -> str:
    return f"prediction{'s'[: len(numbers) > 1]} {listed(numbers, _LISTED)}"


def _ranges(ranges: Sequence[tuple[int, int]]) -> str:
    named = [str(first) if first == last else f"{first} to {last}" for first, last in ranges]
    return listed(named, _LISTED)
