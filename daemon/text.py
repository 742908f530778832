"""Text from outside, made fit for a terminal, a log or a page.

Streams, recordings and model files are written by others. Cleaning is done once, where their text
comes in; what is compared with the config is the text as it was. Markers are what people have to
type: theirs is what `marker_text` leaves, in a comparison as in a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

LENGTH = 128


def clean(text: str, length: int = LENGTH) -> str:
    """``text`` in one line of at most ``length`` characters.

    Line breaks and runs of spaces become one space. What cannot be printed becomes U+FFFD: control
    characters and with them a terminal's escape sequences, marks that turn the direction of
    writing, zero-width characters, halves of surrogate pairs.
    """
    # Cut first too: what is thrown away need not be cleaned.
    line = " ".join(text[: 4 * length].split())
    line = "".join(letter if letter.isprintable() else "\ufffd" for letter in line)
    cut = len(line) > length or len(text) > 4 * length
    return line[: length - 1] + "…" if cut else line


def marker_text(text: str) -> str:
    """What counts of a marker: it is compared, shown and typed like this.

    White space and NUL at the ends are no part of it, which programs pad with and end lines with.
    Blanks inside are, as in BrainVision's ``S  1``; line breaks and tabs inside become one blank,
    what cannot be printed U+FFFD.
    """
    text = text.replace("\0", "\n").replace("\ufeff", "").strip()
    line = re.sub(r"\s+", lambda white: white[0] if white[0].strip(" ") == "" else " ", text)
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in line)


def quoted(text: str) -> str:
    """A `marker_text` in quotes, for a message: its blanks can be counted."""
    text = marker_text(text)
    cut = text if len(text) <= LENGTH else text[: LENGTH - 1] + "…"
    return f'"{cut}"' if "'" in cut else f"'{cut}'"


def listed(names: Sequence[object], most: int) -> str:
    """``names`` with commas between, ``most`` of them, and how many more there are."""
    more = len(names) - most
    return ", ".join(map(str, names[:most])) + f" and {more} more" * (more > 0)


def nearly(texts: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Which `marker_text` differs from one that is wanted by blanks or case alone, in words."""
    asked = {_bare(text): text for text in wanted}
    return [
        f"{quoted(text)} is not {quoted(asked[_bare(text)])}: blanks and case count"
        for text in texts
        if _bare(text) in asked and text not in asked.values()
    ]


def _bare(text: str) -> str:
    return "".join(text.split()).casefold()


def normal_label(label: str) -> str:
    """The form in which labels are compared: no case, spaces or trailing dots."""
    return "".join(label.split()).rstrip(".").upper()
