"""Named operations in a model's graph, such as ``x[:, -1]`` or ``0.5 * x``, known by a list.

Keras 3 notes each as a class of its own (``Multiply`` of ``keras.src.ops``), Keras 2 as a
``TFOpLambda`` or ``SlicingOpLambda`` with the name of a TensorFlow function. Either becomes one
layer, `daemon.encoders.additions.Operation`, with the operation's name and its plain arguments;
whoever rebuilds a model puts the same layer in the place of a Lambda.

Nothing here imports Keras.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from daemon.encoders.description import REBUILD, Entry, Refused, keras_object, plain

_OF_TWO = "add subtract multiply divide true_divide power maximum minimum matmul not_equal"
_OF_ONE = "absolute negative square sqrt rsqrt exp log log1p log10 tanh sigmoid relu"
_ALONG = "squeeze expand_dims softmax flip stack"
# What ``keras.ops`` calls them, with their parameters in order.
OPERATIONS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(_OF_TWO.split(), ("x1", "x2")),
    **dict.fromkeys(_OF_ONE.split(), ("x",)),
    **dict.fromkeys(_ALONG.split(), ("x", "axis")),
    **dict.fromkeys(("mean", "sum", "std", "var", "any"), ("x", "axis", "keepdims")),
    **dict.fromkeys(("max", "min"), ("x", "axis", "keepdims", "initial")),
    "concatenate": ("xs", "axis"),
    "reshape": ("x", "newshape"),
    "transpose": ("x", "axes"),
    "swapaxes": ("x", "axis1", "axis2"),
    "moveaxis": ("x", "source", "destination"),
    "clip": ("x", "x_min", "x_max"),
    "get_item": ("x", "key"),
}

_SAME = """
    math.add math.subtract math.multiply math.divide math.maximum math.minimum math.negative
    math.square math.sqrt math.rsqrt math.exp math.log math.log1p math.tanh math.sigmoid nn.relu
    nn.softmax expand_dims squeeze reshape transpose stack __operators__.add compat.v1.squeeze
    compat.v1.transpose
"""
_TENSORFLOW: Mapping[str, str] = {
    **{name: name.rpartition(".")[2] for name in _SAME.split()},
    **{f"math.reduce_{name}": name for name in ("mean", "sum", "max", "min", "std")},
    "math.reduce_variance": "var",
    "math.truediv": "true_divide",
    "math.pow": "power",
    "math.abs": "absolute",
    "linalg.matmul": "matmul",
    "concat": "concatenate",
    "clip_by_value": "clip",
    "reverse": "flip",
    "__operators__.getitem": "get_item",
}
# TensorFlow's names of parameters → those of ``keras.ops``.
_RENAMED: Mapping[str, str] = {
    "y": "x2",
    "b": "x2",
    "shape": "newshape",
    "perm": "axes",
    "clip_value_min": "x_min",
    "clip_value_max": "x_max",
    "slice_spec": "key",
}


def name_of(entry: Entry) -> str | None:
    """The operation that an entry among a model's layers is, as `OPERATIONS` has it; None: none."""
    kind, config, module = entry["class_name"], entry["config"], entry.get("module")
    if not isinstance(config, dict):
        return None
    if kind in ("TFOpLambda", "SlicingOpLambda"):
        function = config.get("function")
        return _TENSORFLOW.get(function) if isinstance(function, str) else None
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()
    # An HDF5 file names no modules; there a layer, which may have the same name, is trainable.
    ours = str(module).startswith("keras.src.ops.") if module else "trainable" not in config
    return name if ours and name in OPERATIONS else None


def operation(name: str, entry: Entry, calls: Sequence[Entry], where: str) -> tuple[Entry, Any]:
    """The layer for an operation, and its calls with nothing but tensors in them.

    Parameters
    ----------
    name : str
        From `name_of`.
    entry : dict
        The operation as the file describes it.
    calls : sequence of dict
        How it is called: ``args`` and ``kwargs``, see `daemon.encoders.calls`.
    where : str
        It in a message.

    Raises
    ------
    Refused
        Arguments that are not plain, or that the operation does not have.
    """
    settings = {
        key: value
        for key, value in entry["config"].items()
        if key not in ("name", "trainable", "dtype", "function")
    }
    constants: list[Entry] = []
    tensors: list[Entry] = []
    for call in calls:
        given = dict(_arguments(name, call, where)) | settings
        fixed = {key: value for key, value in given.items() if not _is_tensor(value)}
        constants.append({key: _constant(value, where) for key, value in fixed.items()})
        in_order = [given[key] for key in OPERATIONS[name] if key in given and key not in fixed]
        tensors.append({"args": in_order, "kwargs": {}})
    if any(other != constants[0] for other in constants):
        raise Refused(f"{where} is called with different arguments; {REBUILD}")
    unknown = {key for given in constants for key in given} - set(OPERATIONS[name])
    if unknown:
        raise Refused(f"{where} has an argument {min(unknown)[:40]!r} that eegd does not know")
    layer_name = str(entry["config"].get("name", name))
    return named(name, constants[0] if constants else {}, layer_name), tensors


def named(name: str, arguments: Entry, layer_name: str) -> Entry:
    """The description of the layer that does the operation ``name``."""
    config = {"name": layer_name, "operation": name, "arguments": arguments}
    own = keras_object("daemon.encoders.additions", "Operation", config)
    return {**own, "registered_name": "eegd>Operation"}


def own_layer(entry: Entry, where: str) -> Entry:
    """The layer that `named` described, as a bundle made by ``eegd bundle`` has it.

    Raises
    ------
    Refused
    """
    config = entry["config"]
    name = config.get("operation") if isinstance(config, dict) else None
    arguments = config.get("arguments") if isinstance(config, dict) else None
    if (
        entry.get("registered_name") not in ("eegd>Operation", None)
        or not isinstance(name, str)
        or name not in OPERATIONS
        or not isinstance(arguments, dict)
        or not set(arguments) <= set(OPERATIONS[name])
    ):
        raise Refused(f"{where} is no operation that eegd knows; {REBUILD}")
    constants = {key: _constant(value, where) for key, value in arguments.items()}
    return named(name, constants, str(config.get("name", name)))


def _arguments(name: str, call: Entry, where: str) -> Iterator[tuple[str, object]]:
    """A call's arguments by the names of their parameters."""
    parameters = OPERATIONS[name]
    if len(call["args"]) > len(parameters):
        raise Refused(f"{where} is called with too many arguments")
    yield from zip(parameters, call["args"], strict=False)
    for key, value in call["kwargs"].items():
        renamed = _RENAMED.get(key, key)
        # What TensorFlow notes of arguments that were not given.
        if key != "name" and (renamed in parameters or value not in (None, False)):
            yield renamed, value


def _is_tensor(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(map(_is_tensor, value))
    return isinstance(value, dict) and value.get("class_name") == "__keras_tensor__"


def _constant(value: object, where: str) -> object:
    """A plain argument; slices and the ellipsis of an index in one spelling."""
    if isinstance(value, dict):
        kind, content = value.get("class_name"), value.get("config", value)
        if kind == "__ellipsis__":
            return "Ellipsis"
        if kind in (None, "__slice__") and isinstance(content, dict):
            bounds = {key: content.get(key) for key in ("start", "stop", "step")}
            if set(content) <= set(bounds) and all(
                bound is None or type(bound) is int for bound in bounds.values()
            ):
                return bounds
    if isinstance(value, list):
        return [_constant(item, where) for item in value]
    if value not in ("Ellipsis", None) and not isinstance(value, bool | int | float):
        raise Refused(f"{where} has an argument that is no number; {REBUILD}")
    return plain(value, where)
