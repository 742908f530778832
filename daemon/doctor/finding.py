"""A finding: what a check saw, how bad it is, and what mends it.

Rules that hold here:

- A fault keeps the daemon from working, or makes what it publishes wrong. A warning is what could,
  or what only a person can judge.
- Every warning and every fault has its mend.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "fault"]

_INDENT = 23
_ARROW = " " * _INDENT + "→ "


@dataclass(frozen=True, slots=True)
class Finding:
    """One of them.

    Attributes
    ----------
    subject : str
        What was looked at, in a word or two.
    level : "ok", "warning" or "fault"
    text : str
        What was seen.
    mend : str
        What to do about it; empty for ``ok``.
    """

    subject: str
    level: Level
    text: str
    mend: str = ""


def ok(subject: str, text: str) -> Finding:
    return Finding(subject, "ok", text)


def warning(subject: str, text: str, mend: str) -> Finding:
    return Finding(subject, "warning", text, mend)


def fault(subject: str, text: str, mend: str) -> Finding:
    return Finding(subject, "fault", text, mend)


def exit_code(findings: Sequence[Finding]) -> int:
    """1 where there is a fault, else 0: warnings do not count."""
    return int(any(finding.level == "fault" for finding in findings))


def lines(finding: Finding, width: int) -> str:
    """``finding`` for people, in lines of at most ``width`` characters where words allow it."""
    mark = finding.level if finding.level == "ok" else finding.level.upper()
    text = _wrapped(f"{mark:<9}{finding.subject:<14}", finding.text, width)
    return "\n".join(text + (_wrapped(_ARROW, finding.mend, width) if finding.mend else []))


def count(findings: Sequence[Finding]) -> str:
    """How many there are, in words."""
    levels = Counter(finding.level for finding in findings)
    return ", ".join(
        f"{levels[level]} {level}{'s' * (levels[level] != 1)}" for level in ("fault", "warning")
    )


def _wrapped(head: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text,
        max(width, 2 * _INDENT),
        initial_indent=head,
        subsequent_indent=" " * len(_ARROW if head == _ARROW else head),
        break_long_words=False,
        break_on_hyphens=False,
    )
