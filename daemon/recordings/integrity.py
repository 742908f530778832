"""Is a recording file whole? Asked before a reader sees it.

Readers guess at the rest of a file that was cut off, or skip it silently. These checks walk the
lengths that a file states of itself, without reading its samples.
"""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from daemon.errors import UsageError

_XDF_CHUNKS = {
    1: "file header",
    2: "stream header",
    3: "samples",
    4: "clock offset",
    5: "boundary",
    6: "stream footer",
}


def open_maybe_gzip(path: Path) -> BinaryIO:
    """The file's content, unpacked where it is gzip's."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast("BinaryIO", gzip.open(path)) if packed else path.open("rb")


def _size(path: Path, file: BinaryIO) -> int:
    """Bytes of the unpacked content; leaves the file at its end."""
    try:
        return file.seek(0, os.SEEK_END)
    except EOFError:
        raise UsageError(f"recording {path} is cut off: its gzip data has no end") from None
    except (zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(f"recording {path} is corrupt within its gzip data: {error}") from None


def check_xdf(path: Path) -> None:
    """Walk the chunks of an XDF file.

    Raises
    ------
    UsageError
        It is no XDF file, a chunk runs past its end, or no chunk begins where one has to.
    """
    with open_maybe_gzip(path) as file:
        end = _size(path, file)
        file.seek(0)
        if file.read(4) != b"XDF:":
            raise UsageError(f"recording {path} is not an XDF file: it does not begin with 'XDF:'")
        at = 4
        while at < end:
            file.seek(at)
            width = file.read(1)[0]
            if width not in (1, 4, 8):
                raise UsageError(
                    f"recording {path} is corrupt: byte {at} of {end} begins no XDF chunk"
                )
            length = int.from_bytes(file.read(width), "little")
            tag = int.from_bytes(file.read(2), "little")
            if at + 1 + width + length > end:
                kind = _XDF_CHUNKS.get(tag, "unknown")
                raise UsageError(
                    f"recording {path} is cut off: its last chunk ({kind}) begins at byte {at} and "
                    f"needs {1 + width + length} bytes, but the file ends at byte {end}"
                )
            at += 1 + width + length


def check_fif(path: Path) -> None:
    """Walk the tags of a FIF file.

    Raises
    ------
    UsageError
        It ends within a tag, before the one that says it is the last, or leads in a circle.
    """
    with open_maybe_gzip(path) as file:
        end = _size(path, file)
        at, following = 0, 0
        while following != -1:
            file.seek(at)
            tag = file.read(16)
            if len(tag) == 16:
                _, _, size, following = struct.unpack(">iiii", tag)
            if len(tag) < 16 or size < 0 or at + 16 + size > end:
                raise UsageError(
                    f"recording {path} is cut off or no FIF file: byte {at} begins no whole tag, "
                    f"and the file ends at byte {end}"
                )
            if 0 < following <= at:  # a reader that goes there may never come to an end
                raise UsageError(
                    f"recording {path} is corrupt: the tag at byte {at} leads back to byte "
                    f"{following}"
                )
            at = following if following > 0 else at + 16 + size  # 0: the one behind this
