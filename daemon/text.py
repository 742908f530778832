"""Text from outside, made fit for a terminal, a log or a page.

Streams, recordings and model files are written by others. Cleaning is done once, where their text
comes in; what is compared with the config is the text as it was.
"""

from __future__ import annotations

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


def normal_label(label: str) -> str:
    """The form in which labels are compared: no case, spaces or trailing dots."""
    return "".join(label.split()).rstrip(".").upper()
