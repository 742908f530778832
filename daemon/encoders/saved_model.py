"""A TensorFlow SavedModel: what Keras 2 noted of its layers, and its variables.

The folder holds a graph of operations that may do anything, such as write files, in
``saved_model.pb``. It is never run, and never given to TensorFlow: Keras also left a description of
the model, in ``keras_metadata.pb`` or, before TensorFlow 2.5, as a note in ``saved_model.pb``. From
that the model is rebuilt as one of any other file is. The variables are a table of arrays, which
TensorFlow reads without a graph. Which layer has which variables is noted beside them.

Only files named here are read, after they were copied.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np

from daemon.encoders.description import BROKEN, MAX_DESCRIPTION, SAVE_AGAIN, Refused
from daemon.records import Float32

MAX_GRAPH = 2**29
MAX_VARIABLES = 2 * 2**30

_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
_METADATA, _GRAPH = "keras_metadata.pb", "saved_model.pb"
_INDEX, _DATA = "variables.index", "variables.data-00000-of-00001"


def is_one(path: Path) -> bool:
    """Whether ``path`` is the folder of a SavedModel."""
    return (path / _GRAPH).is_file()


def read(path: Path, folder: Path, weights: Path) -> tuple[str, object, str]:
    """The description of the model at ``path``, Keras's version and the SHA-256 of both.

    Its variables go to the file ``weights``, as Keras 2 writes them into HDF5: layer by layer.

    Raises
    ------
    Refused
        Not saved by Keras, or damaged.
    OSError
        A file cannot be read, or ``folder`` not written.
    """
    described = _METADATA if (path / _METADATA).is_file() else _GRAPH
    digest = hashlib.sha256()
    for source, most in (
        (path / described, MAX_DESCRIPTION if described == _METADATA else MAX_GRAPH),
        (path / "variables" / _INDEX, MAX_DESCRIPTION),
        (path / "variables" / _DATA, MAX_VARIABLES),
    ):
        if not source.is_file():
            raise Refused(f"its {source.name} is missing; copy the whole folder, or {SAVE_AGAIN}")
        with source.open("rb") as file:
            digest.update(copied(file, folder / source.name, most).encode())
    description, version = _described(folder / described)
    _write(_variables(folder), weights)
    return description, version, digest.hexdigest()


def copied(source: IO[bytes], target: Path, most: int) -> str:
    """Copy a file; the SHA-256 of its content.

    Raises
    ------
    Refused
        It has more than ``most`` bytes.
    """
    digest = hashlib.sha256()
    left = most
    with target.open("wb") as sink:
        while block := source.read(2**20):
            left -= len(block)
            if left < 0:
                raise Refused(f"it is larger than {most >> 20} MiB")
            digest.update(block)
            sink.write(block)
    return digest.hexdigest()


def _described(path: Path) -> tuple[str, object]:
    # Not at the top: whoever looks into other model files needs no TensorFlow.
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
    from tensorflow.python.keras.protobuf.saved_metadata_pb2 import SavedMetadata

    try:
        if path.name == _METADATA:
            nodes = SavedMetadata.FromString(path.read_bytes()).nodes
            note = next((node.metadata for node in nodes if node.node_id == 0), "")
        else:
            objects = SavedModel.FromString(path.read_bytes()).meta_graphs[0].object_graph_def.nodes
            note = objects[0].user_object.metadata
        content = json.loads(note)
        entry = {"class_name": content["class_name"], "config": content["config"]}
        return json.dumps(_plain_tuples(entry)), content.get("keras_version")
    except (DecodeError, ValueError, LookupError, TypeError, RecursionError):
        raise Refused(
            f"its {path.name} has no description of a Keras model, as if it had been exported; "
            f"{SAVE_AGAIN}"
        ) from None


def _plain_tuples(value: Any) -> Any:
    """Tuples, which a SavedModel marks as such, as the lists that other files have."""
    if isinstance(value, dict):
        if value.get("class_name") == "__tuple__" and isinstance(value.get("items"), list):
            return [_plain_tuples(item) for item in value["items"]]
        if value.get("class_name") == "TypeSpec":
            return None
        return {key: _plain_tuples(item) for key, item in value.items()}
    return [_plain_tuples(item) for item in value] if isinstance(value, list) else value


def _variables(folder: Path) -> list[list[Float32]]:
    """The arrays of each layer in turn: those that it trains, then the others."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    try:
        reader = tf.train.load_checkpoint(str(folder / "variables"))
        dtypes = reader.get_variable_to_dtype_map()
        shapes = reader.get_variable_to_shape_map()
        declared = sum(
            int(np.prod(shape, dtype=object)) * dtypes[name].size for name, shape in shapes.items()
        )
        if declared > (folder / _DATA).stat().st_size:
            raise Refused(f"its arrays are larger than their file: {BROKEN}")
        nodes = TrackableObjectGraph.FromString(reader.get_tensor(_OBJECTS)).nodes

        layers: list[list[Float32]] = []
        while (layer := _child(nodes, nodes[0], f"layer-{len(layers)}")) is not None:
            keys = _keys(nodes, layer)
            layers.append([np.asarray(reader.get_tensor(key), np.float32) for key in keys])
    except Refused:
        raise
    except (DecodeError, tf.errors.OpError, RuntimeError, ValueError, LookupError, TypeError):
        raise Refused(f"its variables cannot be read: {BROKEN}") from None
    if not any(layers):
        raise Refused(
            "it does not note which layer has which variables, as if it had been saved with "
            f"save_traces=False; {SAVE_AGAIN}"
        )
    return layers


def _keys(nodes: Sequence[Any], layer: Any) -> list[str]:
    """What a layer's variables are called in the table, in Keras's order."""
    noted = _child(nodes, layer, "keras_api")
    kinds = ("trainable_variables", "non_trainable_variables")
    lists = [noted and _child(nodes, noted, kind) for kind in kinds]
    variables = [
        nodes[child.node_id]
        for found in filter(None, lists)
        for child in sorted(found.children, key=lambda child: int(child.local_name))
    ]
    return [variable.attributes[0].checkpoint_key for variable in variables]


def _child(nodes: Sequence[Any], node: Any, name: str) -> Any:
    found = (child.node_id for child in node.children if child.local_name == name)
    return next((nodes[n] for n in found), None)


def _write(layers: list[list[Float32]], weights: Path) -> None:
    with h5py.File(weights, "w") as file:
        file.attrs["layer_names"] = [f"layer-{n}".encode() for n in range(len(layers))]
        for n, arrays in enumerate(layers):
            group = file.create_group(f"layer-{n}")
            group.attrs["weight_names"] = [str(m).encode() for m in range(len(arrays))]
            for m, array in enumerate(arrays):
                group[str(m)] = array
