"""Is an EEGLAB file (.set, MATLAB 5) whole? Asked before SciPy sees it, which some bring down.

A MATLAB 5 file is made of elements: a type, a length, the data. Matrices hold elements, cells and
structs hold matrices. The walk goes the same way as SciPy's and reads no samples. Files of MATLAB
7.3 are HDF5, and are left to h5py.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from daemon.errors import UsageError

_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1, 2, 3, 4, 5, 6, 7, 9, 12, 13}
_TEXT = {16, 17, 18}
_CELL, _STRUCT, _OBJECT, _CHAR, _SPARSE, _FUNCTION, _OPAQUE = 1, 2, 3, 4, 5, 16, 17
_COMPLEX = 0x800
_DEPTH = 50
_BLOCK = 1 << 20


class _Broken(Exception):  # noqa: N818 - a verdict on a file
    pass


def check_set(path: Path) -> None:
    """Walk the elements of a MATLAB 5 file.

    Raises
    ------
    UsageError
        It is no MATLAB file of version 5 or 7.3, or an element is not what it has to be.
    """
    with path.open("rb") as file:
        head = file.read(128)
        if head.startswith(b"\x89HDF") or head[124:] in (b"\x00\x02IM", b"\x02\x00MI"):
            return
        order = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}.get(head[124:], "")
        size = path.stat().st_size
        try:
            if not order or 0 in head[:4]:
                raise _Broken
            while file.tell() < size:
                _variable(file, order, size - file.tell())
        except (_Broken, zlib.error):
            raise UsageError(
                f"recording {path} ({size} bytes) is cut off, corrupt or no MATLAB file of "
                "version 5 or 7.3"
            ) from None


def _variable(file: BinaryIO, order: str, left: int) -> None:
    top = _Elements(file, order, left)
    kind, size = top.tag()
    after = file.tell() + size
    if size > top.left:
        raise _Broken
    if kind == _COMPRESSED:
        unpacked = _Elements(io.BufferedReader(_Unpacked(file, size)), order, 1 << 62)
        kind, size = unpacked.tag()
        if kind != _MATRIX:
            raise _Broken
        unpacked.left = size
        unpacked.matrix(0)
    elif kind == _MATRIX:
        top.left = size
        top.matrix(0)
    else:
        raise _Broken
    file.seek(after)


class _Unpacked(io.RawIOBase):
    """The content of ``size`` compressed bytes."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._left, self._zip = file, size, zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = b""
        while not data and not self._zip.eof:
            packed = self._zip.unconsumed_tail
            if not packed:
                packed = self._file.read(min(self._left, _BLOCK))
                self._left -= len(packed)
            if not packed:
                break
            data = self._zip.decompress(packed, len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Elements:
    """What the next ``left`` bytes of a file hold."""

    def __init__(self, file: BinaryIO, order: str, left: int) -> None:
        self._file, self._order, self.left = file, order, left

    def tag(self) -> tuple[int, int]:
        kind, size = struct.unpack(f"{self._order}II", self._take(8))
        return kind, size

    def matrix(self, depth: int) -> None:
        """A matrix's content, all that is left."""
        if depth > _DEPTH:
            raise _Broken
        if self.left == 0:
            return
        kind, flags = self._element(8)
        if kind != 6 or len(flags) != 8:
            raise _Broken
        (flags,) = struct.unpack(f"{self._order}I", flags[:4])
        if flags & 0xFF == _OPAQUE:
            # An object of MATLAB's own: no shape and name, but three strings.
            for _ in range(3):
                self._string()
            self._matrices(1, depth)
        else:
            self._array(flags, depth)
        if self.left and depth:
            raise _Broken

    def _array(self, flags: int, depth: int) -> None:
        kind, dims = self._element(4 * 32)
        if kind not in (5, 6) or len(dims) % 4 or len(dims) < 8:
            raise _Broken
        shape = struct.unpack(f"{self._order}{len(dims) // 4}i", dims)
        entries, of = math.prod(shape), flags & 0xFF
        # Text may have a shape and no data, so a small one passes.
        if min(shape) < 0 or (of != _SPARSE and entries > max(self.left, _BLOCK)):
            raise _Broken
        self._string()
        self._content(of, bool(flags & _COMPLEX), entries, depth)

    def _content(self, kind: int, is_complex: bool, entries: int, depth: int) -> None:
        if kind == _CELL:
            self._matrices(entries, depth)
        elif kind in (_STRUCT, _OBJECT):
            if kind == _OBJECT:
                self._string()
            width_kind, width = self._element(4)
            if width_kind not in (5, 6) or len(width) != 4:
                raise _Broken
            (length,) = struct.unpack(f"{self._order}i", width)
            names = self._string()
            if names and (length < 1 or names % length):
                raise _Broken
            self._matrices(entries * (names // max(length, 1)), depth)
        elif kind == _CHAR:
            self._data(_NUMBERS | _TEXT)
        elif kind == _SPARSE or _CHAR < kind < _FUNCTION:
            for _ in range((3 if kind == _SPARSE else 1) + is_complex):
                self._data(_NUMBERS)
        elif kind == _FUNCTION:
            self._matrices(1, depth)
        else:
            raise _Broken

    def _matrices(self, count: int, depth: int) -> None:
        if 8 * count > self.left:
            raise _Broken
        for _ in range(count):
            kind, size = self.tag()
            if kind != _MATRIX or size > self.left:
                raise _Broken
            inner = _Elements(self._file, self._order, size)
            inner.matrix(depth + 1)
            self.left -= size

    def _string(self) -> int:
        """The length of a name."""
        return self._data({1, 16})

    def _data(self, kinds: set[int]) -> int:
        """The size of an element that is skipped."""
        kind, size, short = self._head()
        if kind not in kinds:
            raise _Broken
        if not short:
            self._skip(size)
        return size

    def _element(self, most: int) -> tuple[int, bytes]:
        kind, size, short = self._head()
        if short:
            return kind, short[:size]
        if size > most:
            raise _Broken
        data = self._take(size)
        self._skip(0, -size % 8)
        return kind, data

    def _head(self) -> tuple[int, int, bytes]:
        """Type and size; a small element has its data with them."""
        both = self._take(8)
        first, size = struct.unpack(f"{self._order}II", both)
        if first >> 16:
            if first >> 16 > 4:
                raise _Broken
            return first & 0xFFFF, first >> 16, both[4:]
        return first, size, b""

    def _skip(self, size: int, padding: int | None = None) -> None:
        size += -size % 8 if padding is None else padding
        while size:
            size -= len(self._take(min(size, _BLOCK)))

    def _take(self, size: int) -> bytes:
        if size > self.left:
            raise _Broken
        data = self._file.read(size)
        if len(data) < size:
            raise _Broken
        self.left -= size
        return data
