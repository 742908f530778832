"""The kinds of model file, opened without following anything out of them.

A ``.keras`` file is a zip archive with ``config.json`` and the HDF5 file ``model.weights.h5``; an
``.h5`` file is HDF5 with the description as an attribute. The content says which it is: Keras
before 2.12 wrote HDF5 into ``model.keras``. The description may also be a JSON file of its own
beside an HDF5 file of weights. A SavedModel is a folder, see `daemon.encoders.saved_model`.

The file is copied once, and the hash, the inspection and the loading all see that copy. Of an
archive only the members named here are read. `daemon.encoders.hdf5` opens HDF5.
"""

from __future__ import annotations

import json
import lzma
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from daemon.encoders import saved_model
from daemon.encoders.bundle import Seal
from daemon.encoders.description import (
    BROKEN,
    MAX_DESCRIPTION,
    SAVE_AGAIN,
    Entry,
    Refused,
)
from daemon.encoders.hdf5 import attribute, hdf5
from daemon.encoders.inspection import rebuilt
from daemon.encoders.saved_model import copied
from daemon.encoders.weights import mend

SUFFIXES = (".keras", ".h5", ".hdf5")

MAX_FILE = 2 * 2**30


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


def opened(
    path: Path,
    folder: Path,
    *,
    seal: Seal | None = None,
    architecture: Path | None = None,
    replaced: Mapping[str, Entry] | None = None,
) -> ModelFile:
    """Inspect a model file and put its weights into ``folder``.

    Parameters
    ----------
    path : Path
        A model file, or a SavedModel's folder.
    folder : Path
        An empty one.
    seal : Seal or None
        Of the bundle that the file is in.
    architecture : Path or None
        A JSON file of ``model.to_json()``; ``path`` then has the weights alone.
    replaced : mapping of str to dict, or None
        See `daemon.encoders.inspection.rebuilt`.

    Raises
    ------
    Refused
        Not a whole Keras model, or one that holds more than Keras's own layers.
    OSError
        The file cannot be read, or the folder not written.
    UsageError
        It is not the file that the bundle was sealed with.
    """
    if saved_model.is_one(path):
        weights = folder / "model.h5"
        description, version, sha256 = saved_model.read(path, folder, weights)
        return _ready(description, version, weights, sha256, replaced)
    copy = folder / "copy"
    with path.open("rb") as source:
        sha256 = copied(source, copy, MAX_FILE)
    if seal is not None:
        seal.require(path.name, sha256)
    with copy.open("rb") as file:
        magic = file.read(8)
    if magic == b"\x89HDF\r\n\x1a\n":
        if architecture is not None:
            description, version = _architecture(architecture)
        else:
            description, version = _described(copy)
        with hdf5(copy) as content:
            ordered = "layer_names" in content.attrs or "model_weights" in content
        # Keras goes by the name: layers in order, or by their paths.
        weights = copy.rename(folder / ("model.h5" if ordered else "model.weights.h5"))
    elif magic.startswith(b"PK\x03\x04") and architecture is None:
        weights = folder / "model.weights.h5"
        description, version = _unpacked(copy, weights)
    else:
        raise Refused(f"it is neither a zip archive nor HDF5; {SAVE_AGAIN}")
    return _ready(description, version, weights, sha256, replaced)


def _ready(
    description: str,
    version: object,
    weights: Path,
    sha256: str,
    replaced: Mapping[str, Entry] | None,
) -> ModelFile:
    config = rebuilt(_parsed(description), keras_2=_is_keras_2(version), replaced=replaced)
    with hdf5(weights):
        pass
    with hdf5(weights, "r+") as file:
        mend(file, cudnn='"CuDNN' in description)
    return ModelFile(config, weights, sha256)


def _unpacked(archive: Path, weights: Path) -> tuple[str, object]:
    """Description and version in a ``.keras`` archive; its weights go to the file ``weights``."""
    try:
        with zipfile.ZipFile(archive) as members:
            names = members.namelist()
            for name in ("metadata.json", "config.json", "model.weights.h5"):
                if name not in names:
                    raise Refused(f"the archive has no {name}; {SAVE_AGAIN}")
            description = _text(members, "config.json")
            metadata = _text(members, "metadata.json")
            with members.open("model.weights.h5") as source:
                copied(source, weights, MAX_FILE)
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
        raise Refused(f"the archive cannot be unpacked: {BROKEN}") from None
    version = _parsed(metadata)
    return description, version.get("keras_version") if isinstance(version, dict) else None


def _described(path: Path) -> tuple[str, object]:
    """Description and version in an HDF5 file."""
    with hdf5(path) as file:
        description = attribute(file, "model_config")
        version = attribute(file, "keras_version")
        if description is None or "model_weights" not in file:
            raise Refused(
                f"it holds no whole model, perhaps only weights; {SAVE_AGAIN}, or give "
                "`eegd bundle` its --architecture"
            )
    return description, version


def _architecture(path: Path) -> tuple[str, object]:
    """Description and version in a JSON file; Keras 3 notes no version, but modules."""
    if path.stat().st_size > MAX_DESCRIPTION:
        raise Refused(f"its architecture {path} is larger than {MAX_DESCRIPTION >> 20} MiB")
    description = path.read_text(encoding="utf-8", errors="replace")
    content = _parsed(description)
    if not isinstance(content, dict):
        raise Refused(f"its architecture {path} is not what model.to_json() writes")
    return description, content.get("keras_version", "3" if "module" in content else None)


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
        raise Refused(f"its description is not JSON: {BROKEN}") from None


def _is_keras_2(version: object) -> bool:
    """Keras 2, or Keras 1, which did not note its version."""
    return not isinstance(version, str) or version.split(".")[0] in ("0", "1", "2")
