"""Units of voltage: what streams and recordings call them, and how large they are.

A text is a known unit, says nothing, or is something else. The first is what samples are scaled by.
For the second the model's own unit is taken. For the third somebody has to say it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from daemon.text import clean

Unit = Literal["volts", "millivolts", "microvolts", "nanovolts"]

MICROVOLTS: dict[Unit, float] = {
    "volts": 1e6,
    "millivolts": 1e3,
    "microvolts": 1.0,
    "nanovolts": 1e-3,
}

# Powers of ten of a volt, as MNE-LSL announces them.
_POWERS: dict[float, Unit] = {0: "volts", -3: "millivolts", -6: "microvolts", -9: "nanovolts"}
_FACTORS: dict[float, Unit] = {1e-3: "millivolts", 1e-6: "microvolts", 1e-9: "nanovolts"}


def _read_as_latin_1(text: str, *encodings: str) -> tuple[str, ...]:
    """What ``text`` becomes for a reader who takes it for Latin-1."""
    return tuple(clean(text.encode(encoding).decode("latin-1")) for encoding in encodings)


def _plain(text: str) -> str:
    """``text`` without case, white space, brackets, and with one way to write each letter."""
    normal = unicodedata.normalize("NFKC", clean(text))
    return "".join(re.sub(r"[\[\]()]", "", normal).split()).casefold()


# NFKC makes the Greek letter of the micro sign. Where it was lost on the way (U+FFFD), nothing else
# stands before a volt that is no ASCII letter.
_PREFIXES: dict[Unit, tuple[str, ...]] = {
    "volts": ("",),
    "millivolts": ("m", "milli"),
    "microvolts": (
        *("u", "mu", "mc", "mk", "micro", "mikro", "\u03bc", "\ufffd"),
        *_read_as_latin_1("\u00b5", "utf-8", "cp437"),
        *_read_as_latin_1("\u03bc", "utf-8", "shift-jis"),
    ),
    "nanovolts": ("n", "nano"),
}
# Root mean square is how an amplifier's noise is given; its samples are volts all the same.
_VOLT = ("v", "vrms", "volt", "volts")
_SPELLINGS: dict[str, Unit] = {
    **{
        _plain(prefix + volt): unit
        for unit, prefixes in _PREFIXES.items()
        for prefix in prefixes
        for volt in _VOLT
    },
    # Cyrillic, and what is left of it.
    "\u0432": "volts",
    "\u043c\u0432": "millivolts",
    "\u043c\u043a\u0432": "microvolts",
    "\u043d\u0432": "nanovolts",
    **{
        _plain(read): "microvolts"
        for read in _read_as_latin_1("\u043c\u043a\u0412", "cp1251", "koi8-r", "utf-8")
    },
}
_SAYS_NOTHING = {
    *("", "na", "nan", "nil", "none", "notavailable", "notspecified", "null", "undefined"),
    *("unit", "unknown", "unspecified"),
}


def known_unit(text: str) -> Unit | None:
    """The unit that a stream's metadata names, or None for one that is not known.

    A power of ten stands for that of a volt: ``-6`` and ``1e-6`` are microvolts, ``0`` is volts.
    ``mV`` and ``MV`` are both taken for millivolts: no EEG is in megavolts.
    """
    # Fields of a fixed length are padded; `clean` may have made U+FFFD of zeros.
    plain = _plain(text.rstrip("\0\ufffd "))
    if plain in _SPELLINGS:
        return _SPELLINGS[plain]
    try:
        number = float(plain)
    except ValueError:
        return None
    return _POWERS.get(number) or _FACTORS.get(number)


def says_nothing(text: str) -> bool:
    """Whether a unit's text names none: it is empty, ``none``, ``n/a``, ``?``, ``unknown``, …"""
    return re.sub(r"[\s\0\ufffd\-_.?/*()\[\]<>]", "", text).casefold() in _SAYS_NOTHING


def unit_of(said: str, told: Unit | None, own: Unit | None) -> Unit | None:
    """The unit of a channel that announces ``said``, or None for one that is not known.

    Its own word comes first; else what the config has ``told``; else, where the channel says
    nothing, the model's ``own``.
    """
    return known_unit(said) or told or (own if says_nothing(said) else None)
