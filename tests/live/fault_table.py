"""The table of docs/reliability.md: what came of each fault."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fault_case import Case, Outcome

BEGIN, END = "<!-- made by `make faults`: begin -->", "<!-- end -->"

_HEAD = (
    "| fault (times tried) | published | counted | first good prediction | largest difference |",
    "|---|---|---|---|---|",
)


@dataclass
class Row:
    case: Case
    outcome: Outcome
    difference: float
    wrong: int
    waits: Sequence[float]
    silences: Sequence[float]

    def __str__(self) -> str:
        counted = self.outcome.counted
        reasons = Counter(_general(reason) for reason in self.outcome.reasons.elements())
        published = f"{counted['ok']:,} ok, {counted['abstained']} abstained"
        if reasons:
            published += ": " + "; ".join(f"{reason} ({n})" for reason, n in reasons.items())
        counts = f"{counted['samples']:,} samples of {self.outcome.truth.sent:,} sent"
        if self.case.refused:
            counts += ", the others while it was refused"
        if self.outcome.lost:
            counts += f", {self.outcome.lost} said to be lost with the stream"
        for key, word in (("gaps", "gaps"), ("filled", "filled"), ("skipped", "skipped")):
            if counted[key]:
                counts += f", {counted[key]} {word}"
        after = " · ".join(f"{wait:.2f} s" for wait in self.waits)
        if self.silences:
            said = " · ".join(f"{wait:.2f} s" for wait in self.silences)
            after += f" (silence said after {said})"
        difference = f"{self.difference:.1e}" + (f", {self.wrong} WRONG" if self.wrong else "")
        tried = f"{self.case.name} ({len(self.waits)})"
        return f"| {tried} | {published} | {counts} | {after} | {difference} |"


def _general(reason: str) -> str:
    """A reason without what differs from run to run."""
    reason = re.sub(r"stream '.*?\) on \S+", "stream", reason)
    reason = re.sub(r"^(waiting for the right stream: \d+ streams match).*", r"\1", reason)
    reason = re.sub(r"\(it has .*?\)", "", reason)
    return re.sub(r"^\d+ samples", "n samples", reason).strip()


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """Put the table between its two marks in ``path``."""
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    table = "\n".join([BEGIN, "", *_HEAD, *map(str, rows), "", END])
    path.write_text(before + table + after, encoding="utf-8")
