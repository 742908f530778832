"""The header of an EDF or BDF file: what each signal is, and where its samples lie.

Rules that hold here:

- The header is read as programs in the field write it: padded with spaces or NUL, with a decimal
  comma, in UTF-8 or else Latin-1. Nobody needs the date.
- Only what the samples cannot be found without is required: how many signals there are, how many
  samples each has in a record, and how long a record lasts. A signal whose scale cannot be read
  keeps no other one from being read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import NoReturn

from daemon.errors import UsageError

_FIXED = 256  # bytes before those of the signals, and bytes of each signal
_LARGEST = 1e10  # no number of a header or an annotation is beyond it
_SHORTEST = 1e-6  # seconds of a record

# Microvolts in the encodings of headers that are neither UTF-8 nor Latin-1.
_MICROVOLTS = {
    *("\u03bcV".encode(code) for code in ("shift_jis", "gb2312", "big5", "cp1253")),
    *("\u043c\u043a\u0412".encode(code) for code in ("cp1251", "cp866", "koi8_r", "utf-8")),
    "\u00b5V".encode("cp437"),
}


@dataclass(frozen=True, slots=True)
class Signal:
    """What a header says of one of its signals.

    Attributes
    ----------
    label, unit : str
        ``unit`` is the header's physical dimension.
    scale : (float, float) or None
        Gain and offset: value in ``unit`` = gain · digital value + offset. None where the header's
        minima and maxima give none.
    count : int
        Samples in a record.
    first : int
        Byte of a record at which they begin.
    """

    label: str
    unit: str
    scale: tuple[float, float] | None
    count: int
    first: int

    @property
    def is_annotations(self) -> bool:
        """Whether its bytes are text, not samples."""
        return "".join(self.label.split()).casefold() in ("edfannotations", "bdfannotations")


@dataclass(frozen=True, slots=True)
class Header:
    """What an EDF or BDF file says of itself.

    Attributes
    ----------
    size : int
        Bytes before the first record.
    width : int
        Bytes of a sample: 2 in EDF, 3 in BDF.
    discontinuous : bool
        Whether it says that records do not follow each other (EDF+D, BDF+D).
    records : int or None
        How many it says there are; None where it does not say.
    record_size : int
        Bytes of a record.
    duration : float
        Of a record, in seconds; 0 in a file of annotations alone.
    signals : tuple of Signal
        In the file's order.
    """

    size: int
    width: int
    discontinuous: bool
    records: int | None
    record_size: int
    duration: float
    signals: tuple[Signal, ...]


def number(field: bytes) -> float | None:
    """The number that a field holds, or None."""
    try:
        found = float(field.strip(b" \0").replace(b",", b"."))
    except ValueError:
        return None
    return found if abs(found) <= _LARGEST else None  # nan is not


def read_header(path: Path) -> Header:
    """Read the header of an EDF or BDF file.

    Raises
    ------
    UsageError
        It is none, it is cut off, or a number is missing that the samples cannot be found without.
    """
    with path.open("rb") as file:
        head = file.read(_FIXED)
        if len(head) < _FIXED:
            _refuse(path, f"its header is cut off: the file ends at byte {len(head)}")
        is_bdf = head.startswith(b"\xffBIOSEMI")
        if not is_bdf and head[:8].strip(b" \0") != b"0":
            _refuse(path, "it is no EDF or BDF file: it begins with neither 0 nor BIOSEMI")
        count = _whole(path, head[252:256], "number of signals", least=1)
        body = file.read(_FIXED * count)
    if len(body) < _FIXED * count:
        _refuse(
            path,
            f"its header is cut off: {count} signals need {_FIXED * (count + 1)} bytes, and the "
            f"file ends at byte {_FIXED + len(body)}",
        )
    size = _whole(path, head[184:192], "size of the header", least=_FIXED * (count + 1))
    width = 3 if is_bdf else 2
    signals = _signals(path, body, count, width)
    duration = number(head[244:252])
    if duration is None or duration < 0 or 0 < duration < _SHORTEST:
        _refuse(path, f"its header has no duration of a record, but {_shown(head[244:252])}")
    said = number(head[236:244])
    return Header(
        size=size,
        width=width,
        discontinuous=head[192:236].strip().upper().startswith((b"EDF+D", b"BDF+D")),
        records=int(said) if said is not None and said >= 0 else None,
        record_size=sum(signal.count for signal in signals) * width,
        duration=duration,
        signals=signals,
    )


def _signals(path: Path, body: bytes, count: int, width: int) -> tuple[Signal, ...]:
    def fields(start: int, length: int) -> list[bytes]:
        """A field of every signal: all labels come first, then all of the next field."""
        places = range(start * count, (start + length) * count, length)
        return [body[place : place + length] for place in places]

    samples = [_whole(path, field, "samples in a record", least=0) for field in fields(216, 8)]
    firsts = [*accumulate((n * width for n in samples), initial=0)][:-1]
    ranges = [fields(start, 8) for start in (104, 112, 120, 128)]
    return tuple(
        Signal(
            label=_text(label),
            unit="\u00b5V" if dimension.strip(b" \0") in _MICROVOLTS else _text(dimension),
            scale=_scale(*map(number, limits)),
            count=number_of_samples,
            first=first,
        )
        for label, dimension, number_of_samples, first, *limits in zip(
            fields(0, 16), fields(96, 8), samples, firsts, *ranges, strict=True
        )
    )


def _scale(
    lowest: float | None, highest: float | None, low: float | None, high: float | None
) -> tuple[float, float] | None:
    """Gain and offset that take digital ``low`` … ``high`` to physical ``lowest`` … ``highest``.

    Either range may be upside down; one of no width tells of no gain.
    """
    if lowest is None or highest is None or low is None or high is None:
        return None
    if lowest == highest or abs(high - low) < 1:
        return None
    gain = (highest - lowest) / (high - low)
    return gain, lowest - gain * low


def _whole(path: Path, field: bytes, what: str, least: int) -> int:
    found = number(field)
    if found is None or found != math.floor(found) or found < least:
        _refuse(path, f"its header has no {what} of {least} or more, but {_shown(field)}")
    return int(found)


def _text(field: bytes) -> str:
    """The standard asks for ASCII; what is beyond is UTF-8 or else Latin-1."""
    try:
        text = field.decode("utf-8")
    except UnicodeDecodeError:
        text = field.decode("latin-1")
    return text.strip(" \0\t\r\n")


def _shown(field: bytes) -> str:
    return repr(field.strip(b" \0").decode("latin-1"))


def _refuse(path: Path, why: str) -> NoReturn:
    raise UsageError(f"recording {path} cannot be read: {why}; export it anew")
