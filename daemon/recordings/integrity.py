"""Is a recording file whole? Asked before a reader sees it.

Readers guess at the rest of a file that was cut off, or skip it silently. These checks walk the
lengths that a file states of itself, without reading its samples.
"""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path
from typing import BinaryIO, cast

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
