"""The chunks of an XDF file, of which those that are whole can be read.

A file is a row of chunks, each with its length before it. Recorders and computers that crash
leave a last chunk that is cut off, or zeros where the disk had been promised; recorders that are
stopped by force leave footers without content. What lies before is whole. A file that goes on
behind what is broken is corrupt: nobody knows what is missing.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from xml.etree.ElementTree import ParseError, fromstring

from daemon.errors import UsageError
from daemon.recordings.integrity import size_of

_MAGIC = b"XDF:"
# In every boundary chunk, which recorders write every few seconds.
_BOUNDARY = bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")
_BLOCK = 1 << 20
_SECTOR = 512  # bytes that a disk writes together
_HEADER, _FOOTER = 2, 6
_KINDS = {
    1: "file header",
    _HEADER: "stream header",
    3: "samples",
    4: "clock offset",
    5: "boundary",
    _FOOTER: "stream footer",
}


@dataclass(slots=True)
class Chunks:
    """What of an XDF file can be read.

    Attributes
    ----------
    extents : list of (int, int)
        First byte of what can be read in one piece, and one past its last.
    headers : dict of int to bytes
        The XML that announces each stream, by the stream's number.
    damage : list of str
        What is broken, in words; the chunks concerned lie outside ``extents``.
    """

    extents: list[tuple[int, int]] = field(default_factory=list)
    headers: dict[int, bytes] = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)

    def leave_out(self, first: int) -> None:
        """The chunks from byte ``first`` on, up to the last one so far."""
        begin, _ = self.extents.pop()
        self.extents.append((begin, max(begin, first)))


def find_chunks(path: Path, file: BinaryIO) -> Chunks:
    """Walk the chunks of an XDF file.

    Raises
    ------
    UsageError
        It is no XDF file, or no chunk begins where one has to.
    """
    end = size_of(path, file)
    file.seek(0)
    if file.read(len(_MAGIC)) != _MAGIC:
        raise UsageError(f"recording {path} is not an XDF file: it does not begin with 'XDF:'")
    found = Chunks([(0, len(_MAGIC))])
    at, last = len(_MAGIC), len(_MAGIC)
    broken = 0
    while at < end:
        file.seek(at)
        width = file.read(1)[0]
        if width not in (1, 4, 8):
            if not _only_zeros(file, at):
                raise UsageError(
                    f"recording {path} is corrupt: byte {at} of {end} begins no XDF chunk"
                )
            found.damage.append(f"ends in {end - at} bytes of zeros")
            # What was not written begins with a sector: perhaps within the chunk before.
            sector = (at - 1) // _SECTOR * _SECTOR
            file.seek(sector)
            if sector > last and not any(file.read(at - sector)):
                found.leave_out(last)
            break
        content = at + 1 + width
        behind = content + int.from_bytes(file.read(width), "little")
        tag = int.from_bytes(file.read(2), "little")
        if behind > end:
            if _goes_on(file, at):
                raise UsageError(
                    f"recording {path} is corrupt: the chunk at byte {at} of {end} has no end"
                )
            kind = _KINDS.get(tag, "unknown")
            found.damage.append(
                f"is cut off: its last chunk ({kind}) begins at byte {at} and needs "
                f"{behind - at} bytes, but the file ends at byte {end}"
            )
            break
        text = file.read(max(behind - content - 2, 0)) if tag in (_HEADER, _FOOTER) else b""
        if tag == _HEADER:
            found.headers[int.from_bytes(text[:4], "little")] = text[4:]
        if tag == _FOOTER and not _is_xml(text[4:]):
            broken += 1
            found.extents.append((behind, behind))
        else:
            found.extents[-1] = found.extents[-1][0], behind
        at, last = behind, at
    if broken:
        found.damage.append(f"has {broken} stream footer{'s'[: broken > 1]} that cannot be read")
    return found


def _only_zeros(file: BinaryIO, at: int) -> bool:
    file.seek(at)
    while block := file.read(_BLOCK):
        if block.count(0) < len(block):
            return False
    return True


def _goes_on(file: BinaryIO, at: int) -> bool:
    """Whether whole chunks follow somewhere behind byte ``at``."""
    file.seek(at)
    before = b""
    while block := file.read(_BLOCK):
        if _BOUNDARY in before + block:
            return True
        before = block[-len(_BOUNDARY) :]
    return False


def _is_xml(text: bytes) -> bool:
    try:
        fromstring(text)
    except (ParseError, LookupError, ValueError):
        return False
    return True


class Whole(io.RawIOBase):
    """A file that holds nothing but the ``extents`` of another, one after the other."""

    def __init__(self, file: BinaryIO, extents: list[tuple[int, int]]) -> None:
        self._file, self._extents, self._given = file, list(extents), 0

    def tell(self) -> int:
        return self._given

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while self._extents:
            begin, end = self._extents[0]
            self._file.seek(begin)
            data = self._file.read(min(len(buffer), end - begin))
            if data:
                self._extents[0] = begin + len(data), end
                buffer[: len(data)] = data
                self._given += len(data)
                return len(data)
            del self._extents[0]
        return 0
