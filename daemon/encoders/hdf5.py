"""HDF5 that stands for itself: nothing out of it is followed, and nothing in it is boundless.

Rules that hold here:

- Every link stays inside the file.
- Every array is stored in full, as Keras writes it, and all of them with all attributes take no
  more than the file.
- Text of any length lies in heaps. The library walks one object by object and never ends at an
  object without a size, so the heaps are walked here before.
"""

from __future__ import annotations

import math
import mmap
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from daemon.encoders.description import BROKEN, MAX_DESCRIPTION, SAVE_AGAIN, Refused

_HEAP = re.compile(rb"GCOL\x01\0\0\0")


@contextmanager
def hdf5(path: Path, mode: str = "r") -> Iterator[Any]:
    """An HDF5 file, found self-contained and open.

    Raises
    ------
    Refused
        It is damaged, here or while it is open, or not self-contained.
    """
    try:
        _require_sound_heaps(path)
        with h5py.File(path, mode) as file:
            if file.id.get_create_plist().get_sizes() != (8, 8):
                raise Refused(f"its HDF5 part is not as Keras writes it; {SAVE_AGAIN}")
            _require_self_contained(file, path.stat().st_size)
            yield file
    except Refused:
        raise
    # What h5py raises on a damaged file; SystemError for a failure inside a visit.
    except (OSError, RuntimeError, LookupError, SystemError, ValueError, TypeError):
        raise Refused(f"its HDF5 part cannot be read: {BROKEN}") from None


def _require_sound_heaps(path: Path) -> None:
    if not path.stat().st_size:
        return  # which cannot be mapped
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for heap in _HEAP.finditer(content):
            at = heap.start()
            end = at + int.from_bytes(content[at + 8 : at + 16], "little")
            at += 16
            while at + 16 <= min(end, len(content)):
                index = int.from_bytes(content[at : at + 2], "little")
                size = int.from_bytes(content[at + 8 : at + 16], "little")
                # What is free has the index 0, and its header counted in its size.
                taken = 16 + -(-size // 8) * 8 if index else size
                if taken < 16:
                    raise Refused(f"its HDF5 part cannot be read: {BROKEN}")
                at += taken


def _require_self_contained(file: Any, size: int) -> None:
    # h5py loses an exception that such a function raises; what it returns ends the visit.
    link = file.visititems_links(
        lambda name, kind: None if isinstance(kind, h5py.HardLink) else str(name)
    )
    if link is not None:
        raise Refused(f"its HDF5 part has a link to elsewhere at {link[:60]!r}; {SAVE_AGAIN}")
    declared = 0

    def odd(name: str, kind: Any) -> str | None:
        nonlocal declared
        for attribute in map(kind.attrs.get_id, kind.attrs):
            declared += math.prod(attribute.shape or ()) * attribute.dtype.itemsize
        if isinstance(kind, h5py.Dataset) and _is_plain(kind):
            declared += kind.nbytes
        elif not isinstance(kind, h5py.Group):
            return str(name)
        return None if declared <= size else ""

    node = odd("", file) or file.visititems(odd)
    if node:
        raise Refused(f"its HDF5 part has no plain array at {node[:60]!r}; {SAVE_AGAIN}")
    if declared > size:
        raise Refused(f"its arrays are larger than the file: {BROKEN}")


def _is_plain(dataset: Any) -> bool:
    """Numbers, stored in full in the file itself and not through a filter."""
    return (
        not dataset.external
        and not dataset.is_virtual
        and dataset.dtype.kind in "biufV"
        and not dataset.id.get_create_plist().get_nfilters()
        and dataset.nbytes <= dataset.id.get_storage_size()
    )


def attribute(file: Any, name: str) -> str | None:
    """A text attribute of ``file``; None if there is none, or too long a one."""
    if name not in file.attrs or file.attrs.get_id(name).shape != ():
        return None
    value = file.attrs[name]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value if isinstance(value, str) and len(value) <= MAX_DESCRIPTION else None
