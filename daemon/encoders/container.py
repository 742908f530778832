"""The two kinds of model file, opened without following anything out of them.

A ``.keras`` file is a zip archive with ``config.json`` and the HDF5 file ``model.weights.h5``; an
``.h5`` file is HDF5 with the description as an attribute. The content says which it is: Keras
before 2.12 wrote HDF5 into ``model.keras``.

The file is copied once, and the hash, the inspection and the loading all see that copy. Of an
archive only the members named here are read. In HDF5 every link stays inside the file and every
array is stored in full, as Keras writes it, so that no array can be larger than the file.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import h5py

from daemon.encoders.bundle import Seal
from daemon.encoders.inspection import Entry, Refused, rebuilt

SUFFIXES = (".keras", ".h5", ".hdf5")

MAX_DESCRIPTION = 16 * 2**20
MAX_FILE = 2 * 2**30

_AGAIN = "save it again with model.save('model.keras')"
_BROKEN = f"it is damaged or no Keras model; {_AGAIN}"


@dataclass(frozen=True)
class ModelFile:
    """What is safe to give to Keras.

    Attributes
    ----------
    config : dict
        For ``keras.saving.deserialize_keras_object``.
    weights : Path
        For ``keras.Model.load_weights``; in the folder that was given.
    sha256 : str
        Of the model file, in hexadecimal digits.
    """

    config: Entry
    weights: Path
    sha256: str


def opened(path: Path, folder: Path, seal: Seal | None = None) -> ModelFile:
    """Inspect a model file, of a bundle with ``seal``, and put its weights into ``folder``.

    Raises
    ------
    Refused
        Not a whole Keras model file, or one that holds more than Keras's own layers.
    OSError
        The file cannot be read, or the folder not written.
    UsageError
        It is not the file that the bundle was sealed with.
    """
    copy = folder / "model.h5"
    with path.open("rb") as source:
        sha256 = _copy(source, copy)
    if seal is not None:
        seal.require(path.name, sha256)
    with copy.open("rb") as file:
        magic = file.read(8)
    if magic == b"\x89HDF\r\n\x1a\n":
        return ModelFile(_described(copy), copy, sha256)
    if magic.startswith(b"PK\x03\x04"):
        weights = folder / "model.weights.h5"
        return ModelFile(_unpacked(copy, weights), weights, sha256)
    raise Refused(f"it is neither a zip archive nor HDF5; {_AGAIN}")


def _unpacked(archive: Path, weights: Path) -> Entry:
    """The description in a ``.keras`` archive; its weights go to the file ``weights``."""
    try:
        with zipfile.ZipFile(archive) as members:
            names = members.namelist()
            for name in ("metadata.json", "config.json", "model.weights.h5"):
                if name not in names:
                    raise Refused(f"the archive has no {name}; {_AGAIN}")
            description = _text(members, "config.json")
            metadata = _text(members, "metadata.json")
            with members.open("model.weights.h5") as source:
                _copy(source, weights)
    # RuntimeError is an encrypted member or an unknown compression, UnicodeError a broken name.
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        RuntimeError,
        UnicodeError,
        OSError,
    ):
        raise Refused(f"the archive cannot be unpacked: {_BROKEN}") from None
    with _hdf5(weights):
        pass
    version = _parsed(metadata)
    version = version.get("keras_version") if isinstance(version, dict) else None
    return rebuilt(_parsed(description), keras_2=_is_keras_2(version))


def _described(path: Path) -> Entry:
    """The description in an HDF5 file."""
    with _hdf5(path) as file:
        description = _attribute(file, "model_config")
        version = _attribute(file, "keras_version")
        if description is None or "model_weights" not in file:
            raise Refused(f"it holds no whole model, perhaps only weights; {_AGAIN}")
    return rebuilt(_parsed(description), keras_2=_is_keras_2(version))


@contextmanager
def _hdf5(path: Path) -> Iterator[Any]:
    """An HDF5 file, found self-contained and open for reading."""
    try:
        with h5py.File(path, "r") as file:
            _require_self_contained(file, path.stat().st_size)
            yield file
    # What h5py raises on a damaged file; SystemError for a failure inside a visit.
    except (OSError, RuntimeError, KeyError, SystemError):
        raise Refused(f"its HDF5 part cannot be read: {_BROKEN}") from None


def _require_self_contained(file: Any, size: int) -> None:
    # h5py loses an exception that such a function raises; what it returns ends the visit.
    link = file.visititems_links(
        lambda name, kind: None if isinstance(kind, h5py.HardLink) else str(name)
    )
    if link is not None:
        raise Refused(f"its HDF5 part has a link to elsewhere at {link[:60]!r}; {_AGAIN}")
    declared = 0

    def odd(name: str, kind: Any) -> str | None:
        nonlocal declared
        if isinstance(kind, h5py.Group):
            return None
        if not isinstance(kind, h5py.Dataset) or not _is_plain(kind):
            return str(name)
        declared += kind.nbytes
        return None

    node = file.visititems(odd)
    if node is not None:
        raise Refused(f"its HDF5 part has no plain array at {node[:60]!r}; {_AGAIN}")
    if declared > size:
        raise Refused(f"its arrays are larger than the file: {_BROKEN}")


def _is_plain(dataset: Any) -> bool:
    """Numbers, stored in full in the file itself and not through a filter."""
    return (
        not dataset.external
        and not dataset.is_virtual
        and dataset.dtype.kind in "biufV"
        and not dataset.id.get_create_plist().get_nfilters()
        and dataset.nbytes <= dataset.id.get_storage_size()
    )


def _attribute(file: Any, name: str) -> str | None:
    if name not in file.attrs or file.attrs.get_id(name).shape != ():
        return None
    value = file.attrs[name]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value if isinstance(value, str) and len(value) <= MAX_DESCRIPTION else None


def _text(members: zipfile.ZipFile, name: str) -> str:
    with members.open(name) as source:
        content = source.read(MAX_DESCRIPTION + 1)
    if len(content) > MAX_DESCRIPTION:
        raise Refused(f"its {name} is larger than {MAX_DESCRIPTION >> 20} MiB")
    return content.decode("utf-8", "replace")


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Refused(f"its description is not JSON: {_BROKEN}") from None


def _is_keras_2(version: object) -> bool:
    """Keras 2, or Keras 1, which did not note its version."""
    return not isinstance(version, str) or version.split(".")[0] in ("0", "1", "2")


def _copy(source: IO[bytes], target: Path) -> str:
    """Copy a file; the SHA-256 of its content."""
    digest = hashlib.sha256()
    left = MAX_FILE
    with target.open("wb") as sink:
        while block := source.read(2**20):
            left -= len(block)
            if left < 0:
                raise Refused(f"it is larger than {MAX_FILE >> 30} GiB")
            digest.update(block)
            sink.write(block)
    return digest.hexdigest()
