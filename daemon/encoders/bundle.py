"""A bundle folder: there whole or not at all, and what it says of itself is checked.

Rules that hold here:

- A bundle is filled under another name beside its place and renamed when all of it is on the disk.
- ``manifest.json`` has the SHA-256 of each file that a run depends on. Reports and pictures may be
  edited; a bundle made by hand may have no manifest.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from daemon.contract import Contract
from daemon.errors import UsageError
from daemon.validation import limited_text

MODEL = "model.keras"
CONTRACT = "contract.yaml"
REPORT = "report.json"
MANIFEST = "manifest.json"

MODELS = (MODEL, "model.h5", "model.onnx")
_SEALED = (*MODELS, CONTRACT, REPORT)
_AGAIN = "copy or train it anew"


def require_free(folder: Path) -> None:
    """Refuse a place for a bundle that is taken, or has no folder to stand in.

    Raises
    ------
    UsageError
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"--out {folder} exists already: name a new folder, or move that one away")
    if not folder.resolve().parent.is_dir():
        raise UsageError(f"--out {folder}: there is no folder {folder.resolve().parent}")


@contextmanager
def written(folder: Path) -> Iterator[Path]:
    """An empty folder to fill, which becomes the bundle ``folder`` in the end.

    Raises
    ------
    UsageError
        It cannot be written.
    """
    require_free(folder)
    folder = folder.resolve()
    beside = folder.with_name(f".{folder.name}.unfinished-{os.getpid()}")
    try:
        beside.mkdir()
        try:
            yield beside
            _seal(beside)
            beside.replace(folder)
            _to_disk(folder.parent)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise UsageError(f"--out {folder} cannot be written: {error.strerror or error}") from None


def contract_text(contract: Contract) -> str:
    """``contract`` as the content of ``contract.yaml``."""
    content = contract.model_dump(mode="json")
    text: str = yaml.safe_dump(
        content, sort_keys=False, default_flow_style=None, allow_unicode=True, width=100
    )
    return text


@dataclass(frozen=True, slots=True)
class Seal:
    """What the manifest of the bundle ``folder`` says: the SHA-256 of each of its ``files``.

    Attributes
    ----------
    sha256 : str
        Of all of them; the bundle's content hash, in hexadecimal digits.
    """

    folder: Path
    files: dict[str, str]

    @property
    def sha256(self) -> str:
        return _content_hash(self.files)

    def require(self, name: str, sha256: str) -> None:
        """Make sure that the file ``name``, with this hash, is what it was.

        Raises
        ------
        UsageError
            Names the file and what to do.
        """
        if self.files.get(name, sha256) != sha256:
            raise UsageError(
                f"model bundle {self.folder} is corrupt: {name} is not the file that {MANIFEST} "
                f"was written for; {_AGAIN}, or, if you changed {name} yourself, remove {MANIFEST}"
            )


def verified(folder: Path) -> Seal | None:
    """What the bundle's manifest says, if its files are what they were; None without a manifest.

    The model file is not read here: whoever loads it hashes what is loaded, and asks the seal.

    Raises
    ------
    UsageError
        A file is missing or changed, or the manifest is none. Names the file and what to do.
    """
    manifest = folder / MANIFEST
    if not manifest.exists():
        return None
    seal = Seal(folder, _listed(manifest))
    for name in seal.files:
        try:
            if name in MODELS:
                (folder / name).stat()
            else:
                seal.require(name, _sha256(folder / name))
        except FileNotFoundError:
            raise UsageError(
                f"model bundle {folder} is not whole: {name} is missing; {_AGAIN}"
            ) from None
        except OSError as error:
            raise UsageError(
                f"model bundle {folder}: {name} cannot be read: {error.strerror}"
            ) from None
    return seal


def _listed(manifest: Path) -> dict[str, str]:
    try:
        content = json.loads(limited_text(manifest))
        files = content["files"]
        whole = _content_hash(files) == content["sha256"] and any(map(files.get, MODELS))
        plain = all(name in _SEALED and isinstance(files[name], str) for name in files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        whole = plain = False
    if not whole or not plain:
        raise UsageError(
            f"model bundle {manifest.parent} is corrupt: {MANIFEST} is damaged; {_AGAIN}"
        )
    return dict(files)


def _content_hash(files: dict[str, str]) -> str:
    """Of names and content, whatever order the files are listed in."""
    lines = "".join(f"{files[name]}  {name}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def _seal(folder: Path) -> None:
    files = {name: _sha256(folder / name) for name in _SEALED if (folder / name).exists()}
    content = {"sha256": _content_hash(files), "files": files}
    (folder / MANIFEST).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    for path in (*folder.iterdir(), folder):
        _to_disk(path)


def _to_disk(path: Path) -> None:
    """Whole after a power cut too. Windows opens no folders."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
