"""The tags of a FIF file: is it whole, does it hold a recording, which files does it belong to?

A FIF file is a chain of tags, each with its kind, its size and where the next one is. Large
recordings are split: each part names the one before and the one after it, and a reader that is
given the first part reads them all.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import BinaryIO, NamedTuple

from daemon.errors import UsageError
from daemon.recordings.integrity import open_maybe_gzip, size_of

_BLOCK_BEGIN, _BLOCK_END = 104, 105
_REFERENCE = 118  # the block that names another part …
_ROLE, _NUMBER, _NAME = 115, 117, 118  # … by what it is to this one, by its number or its name
_BEFORE, _AFTER = 1, 2
_SAMPLES = (300, 301)  # received, or skipped
_LONGEST = 4096  # bytes of a tag that is read


class Contents(NamedTuple):
    """What the tags of a file tell.

    Attributes
    ----------
    is_recording : bool
        It has continuous samples, as epochs, averages and lists of events have not.
    before, after : str or None
        Names of the parts of the recording that this one continues, and that continue it.
    """

    is_recording: bool
    before: str | None
    after: str | None


def read_contents(path: Path) -> Contents:
    """Walk the tags of a FIF file.

    Raises
    ------
    UsageError
        It ends within a tag, before the one that says it is the last, or leads in a circle.
    """
    is_recording, inside, role = False, False, 0
    parts: dict[int, str] = {}
    with open_maybe_gzip(path) as file:
        for kind, data in _tags(path, file):
            number = int.from_bytes(data, "big") if len(data) == 4 else 0
            if kind in (_BLOCK_BEGIN, _BLOCK_END):
                inside, role = kind == _BLOCK_BEGIN and number == _REFERENCE, 0
            elif kind in _SAMPLES:
                is_recording = True
            elif inside and kind == _ROLE:
                role = number
            elif inside and kind == _NAME:
                parts[role] = PureWindowsPath(data.decode("latin-1")).name
            elif inside and kind == _NUMBER:
                parts.setdefault(role, _numbered(path, number))
    return Contents(is_recording, parts.get(_BEFORE), parts.get(_AFTER))


def first_part(path: Path) -> Path:
    """The part that brings all others of the recording that ``path`` is of; often itself.

    Raises
    ------
    UsageError
        As `read_contents`.
    """
    seen: set[Path] = set()
    while path not in seen:
        seen.add(path)
        before = read_contents(path).before
        # MNE names the first part as it would be called if there were no others.
        names = (before, path.name.replace("_split-02_", "_split-01_")) if before else ()
        parts = (path.with_name(name) for name in names if name not in ("", path.name))
        named = (p for p in parts if p.is_file() and read_contents(p).after == path.name)
        path = next(named, path)
    return path


def parts_behind(path: Path) -> list[Path]:
    """The parts that go on with ``path``, in order; the last one may be missing.

    Raises
    ------
    UsageError
        As `read_contents`; or a part goes on with one before it.
    """
    parts = [path]
    while parts[-1].is_file() and (after := read_contents(parts[-1]).after):
        part = path.with_name(after)
        if part in parts:
            raise UsageError(f"recording {parts[-1]} is corrupt: it goes on with {part.name}")
        parts.append(part)
    return parts[1:]


def _numbered(path: Path, number: int) -> str:
    """The name of another part: ``x_raw.fif``, ``x_raw-1.fif``, ``x_raw-2.fif`` …"""
    stem, _, rest = path.name.partition(".")
    stem = re.sub(r"-\d+$", "", stem)
    return f"{stem}-{number}.{rest}" if number else f"{stem}.{rest}"


def _tags(path: Path, file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Kind and first bytes of each tag, in the order of the chain."""
    end = size_of(path, file)
    seen: set[int] = set()
    at, following = 0, 0
    while following != -1:
        seen.add(at)
        file.seek(at)
        tag = file.read(16)
        if len(tag) == 16:
            kind, _, size, following = struct.unpack(">iiii", tag)
        if len(tag) < 16 or size < 0 or at + 16 + size > end:
            raise UsageError(
                f"recording {path} is cut off or no FIF file: byte {at} begins no whole tag, "
                f"and the file ends at byte {end}"
            )
        yield kind, b"" if kind in _SAMPLES else file.read(min(size, _LONGEST))
        here, at = at, following if following > 0 else at + 16 + size  # 0: the one behind this
        if following != -1 and at in seen:  # a reader that goes there may never come to an end
            raise UsageError(
                f"recording {path} is corrupt: the tag at byte {here} leads back to byte {at}"
            )
