"""Texts that are alike but for their numbers, and the one text that stands for all of them.

Only numbers that stand alone can differ: what is quoted, or names a channel, is another text.
"""

from __future__ import annotations

import re

_NUMBER = re.compile(
    r"""'[^']*'|"[^"]*"|\bchannels?\ [^:;]*:  # as they are
    |(?P<number>(?<![\w.,:/-])-?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?(?![\w/-]|[.,:]\w))""",
    re.VERBOSE,
)
_SPACE = "\0"


def shape(text: str) -> str:
    """What all texts that are alike have in common."""
    return _parts(text)[0]


def _parts(text: str) -> tuple[str, list[str]]:
    numbers: list[str] = []

    def taken(match: re.Match[str]) -> str:
        if match["number"] is None:
            return match[0]
        numbers.append(match["number"])
        return _SPACE

    return _NUMBER.sub(taken, text.replace(_SPACE, "\ufffd")), numbers


class Alike:
    """Texts of one `shape` as one, with the range of each number: ``at 116.9 … 197.9 Hz``."""

    def __init__(self, text: str) -> None:
        self.shape, self._least = _parts(text)
        self._most = self._least[:]

    def add(self, text: str) -> None:
        """Take in another text of the same shape."""
        for place, number in enumerate(_parts(text)[1]):
            self._least[place] = min(self._least[place], number, key=_value)
            self._most[place] = max(self._most[place], number, key=_value)

    def __str__(self) -> str:
        ranges = (
            least if _value(least) == _value(most) else f"{least} … {most}"
            for least, most in zip(self._least, self._most, strict=True)
        )
        return re.sub(_SPACE, lambda _: next(ranges), self.shape)


def _value(number: str) -> float:
    return float(number.replace(",", ""))
