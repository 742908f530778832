"""A training as it stands after an epoch, in one file, so that a kill costs an epoch at the most.

Rules that hold here:

- The file is written beside its place, brought to the disk, and renamed: there is always a whole
  one, the last or the one before.
- It carries the fingerprint of what it belongs to. One of other settings or other recordings is
  refused, never taken up.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from daemon.errors import UsageError
from daemon.records import Float32

History = dict[str, list[float]]


@dataclass
class State:
    """All that the next epoch depends on besides settings and data.

    Attributes
    ----------
    weights, optimizer : list of arrays
        The encoder's, and the optimizer's own.
    best : list of float32 arrays
        The weights with the least validation loss so far.
    history : dict of str to list of float
        An entry an epoch.
    """

    weights: list[Any]
    optimizer: list[Any]
    best: list[Float32]
    history: History


def best_epoch(history: History) -> int:
    """The epoch, from 0, whose weights are kept; -1 for the start."""
    start = history.get("start", [])
    return int(np.argmin([*start, *history["val_loss"]])) - len(start)


def fingerprint(settings: str, arrays: Sequence[Any]) -> str:
    """SHA-256 of settings and data, in hexadecimal digits."""
    digest = hashlib.sha256(settings.encode())
    for array in arrays:
        digest.update(f"{array.shape} {array.dtype}".encode())
        # Row by row: a copy of all windows at once may not fit into memory.
        for row in array:
            digest.update(np.ascontiguousarray(row).tobytes())
    return digest.hexdigest()


def save(path: Path, mark: str, state: State) -> None:
    """Replace the checkpoint ``path``, at once and whole.

    Raises
    ------
    UsageError
        It cannot be written.
    """
    beside = path.with_name(path.name + ".part")
    arrays: dict[str, Any] = {
        f"{kind} {n}": np.asarray(array)
        for kind in ("weights", "optimizer", "best")
        for n, array in enumerate(getattr(state, kind))
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            np.savez(file, fingerprint=mark, history=json.dumps(state.history), **arrays)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise UsageError(f"checkpoint {path} cannot be written: {error.strerror}") from None


def read(path: Path, mark: str) -> State | None:
    """The state to go on from; None where there is no checkpoint yet.

    Raises
    ------
    UsageError
        It belongs to another training, or is no checkpoint.
    """
    if not path.exists():
        return None
    try:
        # np.load leaves a path open where it is no archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            other = str(content["fingerprint"])
            history: History = json.loads(str(content["history"]))
            lists: dict[str, list[Any]] = {"weights": [], "optimizer": [], "best": []}
            for name in content.files:
                kind, _, number = name.partition(" ")
                if number:
                    lists[kind].append(content[name])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        raise UsageError(
            f"checkpoint {path} is damaged or no checkpoint: remove it to begin anew"
        ) from None
    if other != mark:
        raise UsageError(
            f"checkpoint {path} belongs to a training with other settings or other recordings: "
            f"remove it to begin anew, or name another"
        )
    return State(**lists, history=history)
