"""HDF5 files that would keep their library busy for ever, or take more than there is."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from daemon.encoders.description import Refused
from daemon.encoders.hdf5 import attribute, hdf5


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file.attrs["names"] = ["lstm", "dense"]
        file.attrs["model_config"] = "{}"
        file["weights"] = np.ones(100, np.float32)
    return path


def test_what_is_sound_opens(path: Path) -> None:
    with hdf5(path) as file:
        assert attribute(file, "model_config") == "{}"
        assert attribute(file, "names") is None
        assert list(file.attrs["names"]) == ["lstm", "dense"]


def test_a_heap_object_without_a_size_is_refused(path: Path) -> None:
    """The library itself would walk on the spot for ever."""
    content = bytearray(path.read_bytes())
    at = content.index(b"GCOL") + 16
    while int.from_bytes(content[at : at + 2], "little"):
        at += 16 + -(-int.from_bytes(content[at + 8 : at + 16], "little") // 8) * 8
    content[at + 8 : at + 16] = bytes(8)  # of what is free
    path.write_bytes(content)
    with pytest.raises(Refused, match="cannot be read"), hdf5(path):
        pass


def test_attributes_larger_than_the_file_are_refused(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs.create("text", np.bytes_(b"a" * 60000))
    content = path.read_bytes()
    path.write_bytes(content.replace((60000).to_bytes(4, "little"), b"\xff\xff\xff\x7f"))
    with pytest.raises(Refused), hdf5(path):
        pass


def test_an_error_inside_is_one_of_the_file(path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read"), hdf5(path) as file:
        file["nothing"]
    with pytest.raises(Refused, match="mine"), hdf5(path):
        raise Refused("mine")


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"GCOL\x01\0\0\0"])
def test_what_is_no_hdf5(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(Refused, match="cannot be read"), hdf5(path):
        pass
