"""Trigger channels: which channels hold codes instead of a voltage, and the codes as markers.

Rules that hold here:

- Every change to a value other than 0 is a marker, that from nothing to the first sample included:
  a code that is held until the next one counts once, and so does a pulse.
- A code is written as people do: a whole number without a fraction.
- BioSemi's ``Status`` has 24 bits, of which the low 16 are trigger lines. A line from 8 to 15
  that is high in every sample is open: nothing is plugged in there, and it is no part of a code.
- Where channels hold the bits of a sum (Neuromag's STI001 … beside STI101), the sum alone counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from daemon.records import Samples
from daemon.text import normal_label

Digital = npt.NDArray[np.signedinteger]

# What drivers and converters call such channels. A label is one if it has nothing but these words
# and numbers in it, and one word that says so by itself.
_TELLING = {"STI", "STIM", "STIMULUS", "STATUS", "DIGITAL", "DIN", "TTL"}
_TELLING |= {"TRIG", "TRIGS", "TRIGGER", "TRIGGERS", "TRG", "MARKER", "MARKERS", "EVENT", "EVENTS"}
_BESIDE = {"IN", "INPUT", "CH", "CHAN", "CHANNEL", "CODE", "CODES", "LINE", "PORT"}

_BIT = re.compile(r"STI\d{3}")
# Sums of bits, in the order in which they count.
_SUMS = ("STI101", "STI014")


def is_trigger(label: str) -> bool:
    """Whether a channel of this label holds trigger codes, as ``TRIG``, ``STI 014``, ``Status``."""
    words = re.findall(r"[^\W\d_]+", label.upper())
    return bool(_TELLING & {*words}) and {*words} <= _TELLING | _BESIDE


def without_bits(labels: Sequence[str]) -> list[int]:
    """Indices of the trigger channels that count: all but those that hold bits beside their sum."""
    plain = ["".join(label.split()).upper() for label in labels]
    total = next((name for name in _SUMS if name in plain), None)
    return [
        n for n, name in enumerate(plain) if not total or name == total or not _BIT.fullmatch(name)
    ]


def changes(values: Samples) -> list[int]:
    """Indices at which ``values`` (n,) change to another one than 0; the first one counts too."""
    known = np.nan_to_num(np.asarray(values))
    before = np.concatenate([known[:1] * 0, known[:-1]])
    return [int(at) for at in np.flatnonzero((known != before) & (known != 0))]


def status_lines(status: Digital) -> Digital:
    """The codes on the trigger lines of a ``Status`` channel, both (n,)."""
    lines = status & 0xFFFF
    codes: Digital = lines & ~(np.bitwise_and.reduce(lines) & 0xFF00)
    return codes


def codes(values: Samples, label: str = "") -> list[tuple[int, int]]:
    """Find the codes of one trigger channel, ``values`` (n,): at which sample, and which."""
    numbers = np.nan_to_num(np.asarray(values, np.float64))
    whole = np.rint(numbers.clip(-(2**53), 2**53)).astype(np.int64)
    if normal_label(label) == "STATUS" and len(whole) and whole.min() >= 0:
        whole = status_lines(whole)
    return [(at, int(whole[at])) for at in changes(whole)]


def code_text(value: float) -> str:
    """A code as people write it: a whole number without a fraction."""
    return np.format_float_positional(value, trim="-") if value % 1 else str(int(value))
