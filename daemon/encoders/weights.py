"""The weights of a model file, put into the names and layouts that Keras 3 looks for.

- Keras 2 on Windows joined the names of an archive's groups with backslashes.
- TensorFlow 2.13 counted every layer of a class twice: ``lstm``, ``lstm_2``, ``lstm_4``.
- CuDNNLSTM and CuDNNGRU keep each gate's kernels transposed, and two biases.
- Keras 3.0 gave several weights of one layer the same name in HDF5, so that only one is left.

Nothing here imports Keras.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from daemon.encoders.description import Refused
from daemon.records import Float32

_TWICE = "_layer_checkpoint_dependencies"


def mend(file: Any, *, cudnn: bool) -> None:
    """Rename and convert in ``file``, an HDF5 file open for writing.

    Parameters
    ----------
    file : h5py.File
        A ``model.weights.h5`` or a whole HDF5 model.
    cudnn : bool
        Some layer is a CuDNNLSTM or CuDNNGRU.

    Raises
    ------
    Refused
        Weights have been lost.
    """
    _join_with_slashes(file)
    for group in [file, *_groups(file)]:
        if group.name.endswith(_TWICE):
            _count_once(group)
    for group in [file, *_groups(file)]:
        for name in map(_text, group.attrs.get("layer_names", ())):
            if name not in group:
                raise Refused(
                    f"it has no weights of its layer {name[:60]!r}, as if saving had been "
                    "interrupted; save it again"
                )
        names = [_text(name) for name in group.attrs.get("weight_names", ())]
        if len(set(names)) < len(names):
            raise Refused(
                f"Keras 3.0 gave weights of {group.name.rpartition('/')[2][:60]!r} the same name "
                "and lost all but one of them; save it again as .keras"
            )
        if cudnn:
            _from_cudnn(group, names or sorted(group, key=_number))


def _join_with_slashes(file: Any) -> None:
    names: list[str] = []
    file.visit(lambda name: names.append(name) if "\\" in name else None)
    # What lies deepest first, so that no group is moved with things still to be renamed in it.
    for name in sorted(names, key=lambda name: -name.count("/")):
        new = name.replace("\\", "/")
        if isinstance(file[name], h5py.Group):
            file.require_group(new)
        else:
            file.require_group(new.rpartition("/")[0] or "/")
            file.move(name, new)


def _count_once(group: Any) -> None:
    """Number the layers of each class without gaps, in their order."""
    numbered: dict[str, list[tuple[int, str]]] = {}
    for name in group:
        match = re.fullmatch(r"(.+?)(?:_(\d{1,9}))?", name, re.DOTALL)
        assert match
        numbered.setdefault(match[1], []).append((int(match[2] or 0), name))
    for kind, layers in numbered.items():
        for n, (_, name) in enumerate(sorted(layers)):
            new = f"{kind}_{n}" if n else kind
            if new != name:
                group.move(name, new)


def _from_cudnn(group: Any, names: list[str]) -> None:
    for triple in zip(names, names[1:], names[2:], strict=False):
        if not all(isinstance(group.get(name), h5py.Dataset) for name in triple):
            continue
        arrays = [np.asarray(group[name]) for name in triple]
        for name, array in zip(triple, of_cudnn(*arrays) or (), strict=False):
            del group[name]
            group[name] = array


def of_cudnn(
    kernel: Float32, recurrent: Float32, bias: Float32
) -> tuple[Float32, Float32, Float32] | None:
    """The weights of a CuDNNLSTM or CuDNNGRU as those of an LSTM or GRU; None if they are neither.

    kernel (inputs, gates·units), recurrent (units, gates·units), bias (2·gates·units,), which is
    the one shape that no other layer has; gates 4 or 3.
    """
    if kernel.ndim != 2 or recurrent.ndim != 2 or not len(recurrent):
        return None
    inputs, units = len(kernel), len(recurrent)
    gates = recurrent.shape[1] // units
    if (
        gates not in (3, 4)
        or kernel.shape[1] != gates * units
        or recurrent.shape[1] != gates * units
        or bias.shape != (2 * gates * units,)
    ):
        return None
    kernels = [gate.reshape(units, inputs).T for gate in np.hsplit(kernel, gates)]
    recurrents = [gate.T for gate in np.hsplit(recurrent, gates)]
    both = bias.reshape(2, -1)
    return np.hstack(kernels), np.hstack(recurrents), both.sum(axis=0) if gates == 4 else both


def _groups(file: Any) -> Iterator[Any]:
    """All groups, what lies in a group before the group itself."""
    found: list[str] = []
    file.visititems(lambda name, kind: found.append(name) if isinstance(kind, h5py.Group) else None)
    return (file[name] for name in reversed(found))


def _number(name: str) -> tuple[int, str]:
    return (int(name) if name.isdecimal() else 0, name)


def _text(name: object) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
