"""Is a recording file whole? Asked before a reader sees it.

Readers guess at the rest of a file that was cut off, or skip it silently. These checks walk the
lengths that a file states of itself, without reading its samples.
"""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple, NoReturn, cast

from daemon.errors import UsageError


def open_maybe_gzip(path: Path) -> BinaryIO:
    """The file's content, unpacked where it is gzip's."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast("BinaryIO", gzip.open(path)) if packed else path.open("rb")


def size_of(path: Path, file: BinaryIO) -> int:
    """Bytes of the unpacked content; leaves the file at its end."""
    try:
        return file.seek(0, os.SEEK_END)
    except EOFError:
        raise UsageError(f"recording {path} is cut off: its gzip data has no end") from None
    except (zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(f"recording {path} is corrupt within its gzip data: {error}") from None


class Signal(NamedTuple):
    """What the header of an EDF or BDF file says of one of its signals; ``rate`` in Hz."""

    label: str
    dimension: str
    rate: float


def check_edf(path: Path) -> tuple[Signal, ...]:
    """Compare an EDF or BDF file with its own header.

    Returns
    -------
    tuple of Signal
        All that are no annotations, in the file's order.

    Raises
    ------
    UsageError
        It is no EDF or BDF file, it ends within a record or before the last one, or its records
        do not follow each other without gaps (EDF+D), which readers would hide.
    """
    sample_bytes = 3 if path.suffix.lower() == ".bdf" else 2
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(256)
        try:
            header_bytes, records = int(head[184:192]), int(head[236:244])
            duration, signals = float(head[244:252]), int(head[252:256])
            names = _fields(file, signals, 16)
            file.seek(256 + signals * 96)
            dimensions = _fields(file, signals, 8)
            file.seek(256 + signals * 216)
            samples = [int(text) for text in _fields(file, signals, 8)]
        except ValueError:
            raise UsageError(
                f"recording {path} has no EDF or BDF header, or one that is cut off: "
                f"the file ends at byte {size}"
            ) from None
        record = sum(samples) * sample_bytes
        whole, rest = divmod(max(size - header_bytes, 0), record) if record else (0, 0)
        # -1 records: the recorder was stopped before it could write how many; whole ones count.
        if whole < max(records, 1) or (records == -1 and rest):
            said = f"its header says {records}" if records != -1 else "the last is not complete"
            raise UsageError(
                f"recording {path} is cut off: it ends at byte {size} after {whole} whole "
                f"records of {record} bytes, {said}"
            )
        annotations = [i for i, name in enumerate(names) if name.endswith("DF Annotations")]
        if head[192:236].startswith((b"EDF+D", b"BDF+D")) and annotations:
            offset = header_bytes + sum(samples[: annotations[0]]) * sample_bytes
            _check_contiguous(path, file, offset, record, duration, whole)
    return tuple(
        Signal(name, dimension, count / duration if duration > 0 else 0.0)
        for i, (name, dimension, count) in enumerate(zip(names, dimensions, samples, strict=True))
        if i not in annotations
    )


def _fields(file: BinaryIO, count: int, width: int) -> list[str]:
    return [file.read(width).decode("latin-1").strip() for _ in range(count)]


def _check_contiguous(
    path: Path, file: BinaryIO, offset: int, record: int, duration: float, whole: int
) -> None:
    """Every record of an EDF+D begins with its own onset: ``+12.5`` up to the first 0x14."""
    expected: float | None = None
    for index in range(whole):
        file.seek(offset + index * record)
        try:
            onset = float(file.read(32).partition(b"\x14")[0])
        except ValueError:
            _refuse(path, f"record {index + 1} does not say when it begins")
        if expected is not None and abs(onset - expected) > 1e-3:
            _refuse(
                path,
                f"record {index + 1} begins at {onset:g} s where {expected:g} s was due; reading "
                f"it as one piece would hide the gap (cut it into continuous files)",
            )
        expected = onset + duration


def _refuse(path: Path, why: str) -> NoReturn:
    raise UsageError(f"recording {path} is a discontinuous EDF+: {why}")
