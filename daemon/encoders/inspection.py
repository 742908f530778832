"""A model file's description, rebuilt from the parts that are known; whatever is not is refused.

The rules that keep a foreign file from running code:

- Keras never sees the file's own description. Given one, it resolves names in any of its modules
  and, in HDF5 files with some versions, runs marshalled functions whatever ``safe_mode`` says. It
  gets the one rebuilt here, which names only classes from `daemon.encoders.vocabulary`.
- What only training needs (initial weights, regularizers, constraints, the compiled loss) is left
  out, so nothing of it is ever built.
- Everything else has to be a plain value. Unknown means refused, never skipped.

Nothing here imports Keras.
"""

from __future__ import annotations

import re
from importlib import metadata
from typing import Any

from daemon.encoders.vocabulary import (
    ACTIVATIONS,
    ANY,
    DTYPES,
    LAYERS,
    MASKING,
    MODELS,
    MODULES,
    OPERATIONS,
    SETTINGS,
)

Entry = dict[str, Any]

KERAS = metadata.version("keras")

_REBUILD = "rebuild the model with keras layers only and save it again"


class Refused(ValueError):  # noqa: N818 - a verdict on a file, not a failure of this program
    """What is wrong with a model file, without its name: a phrase for one line."""


def rebuilt(config: object, *, keras_2: bool) -> Entry:
    """A model's description, safe to give to ``keras.saving.deserialize_keras_object``.

    Parameters
    ----------
    config : object
        The parsed JSON of a ``.keras`` archive's ``config.json`` or an HDF5 file's
        ``model_config``, written by Keras 2 or 3.
    keras_2 : bool
        Written before Keras 3, where ``hard_sigmoid`` was another function.

    Raises
    ------
    Refused
        Names the layer and what to do.
    """
    try:
        model = _Rebuilder(keras_2).model(_entry(config))
    except RecursionError:
        raise Refused("its description is nested too deeply") from None
    for key in ("input_layers", "output_layers"):
        tensors = model["config"].get(key, [])
        # Keras 2 wrote lists only, and meant the tensor by a list of one.
        if len(tensors) == 1 and isinstance(tensors[0], list):
            model["config"][key] = tensors[0]
    return model


class _Rebuilder:
    def __init__(self, keras_2: bool) -> None:
        self.keras_2 = keras_2

    def model(self, entry: Entry) -> Entry:
        kind, config = entry["class_name"], entry["config"]
        where = _where(entry)
        if kind not in MODELS:
            raise Refused(f"{where} is not a keras.Model or keras.Sequential; {_REBUILD}")
        _require_keras_own(entry, where)
        if isinstance(config, list):  # so wrote Keras before 2.2.3 its Sequential models
            config = {"layers": config}
        if not isinstance(config, dict) or not isinstance(config.get("layers"), list):
            raise Refused(f"{where} does not list its layers; {_REBUILD}")
        layers = [_entry(layer) for layer in config["layers"]]
        for layer in layers:
            if self.keras_2 and _trains(layer.get("inbound_nodes")):
                raise Refused(
                    f"{_where(layer)} is called with training=True, which Keras 3 leaves out "
                    "in use and the Keras 2 that wrote the file does not; build it without, and "
                    "save it again"
                )
        content: Entry = {"name": _text(config.get("name", kind.lower()), where)}
        if kind == "Sequential":
            content["layers"] = [self.layer(layer) for layer in _with_input(layers)]
            if config.get("build_input_shape") is not None:
                content["build_input_shape"] = _plain(config["build_input_shape"], where)
            return _keras_object("keras", "Sequential", content)
        # Keras 2 counted a nested model's making as its first call, Keras 3 does not; for the
        # outputs of a functional one it corrects that itself.
        nested = [layer for layer in layers if self.keras_2 and layer["class_name"] in MODELS]
        sequential = {str(m.get("name")) for m in nested if m["class_name"] == "Sequential"}
        functional = {str(m.get("name")) for m in nested} - sequential
        content["layers"] = [
            {
                **self.layer(layer),
                "name": _text(layer.get("name"), where),
                "inbound_nodes": _renumbered(
                    _nodes(layer.get("inbound_nodes", []), _where(layer)), sequential | functional
                ),
            }
            for layer in layers
        ]
        for key in ("input_layers", "output_layers"):
            if not isinstance(config.get(key), list):
                # A dict of inputs is ordered by its keys, where channel_10 comes before channel_2.
                raise Refused(f"{where} has no list as its {key}; build it with lists of tensors")
            content[key] = _renumbered(_plain(config[key], where), sequential)
        return _keras_object("keras", "Model", content)

    def layer(self, entry: Entry) -> Entry:
        kind, config, where = entry["class_name"], entry["config"], _where(entry)
        if kind in MODELS:
            return self.model(entry)
        operation = kind in MASKING and entry.get("module", OPERATIONS) == OPERATIONS
        if kind not in LAYERS and not operation:
            raise Refused(f"{where} is not a layer that eegd runs; {_REBUILD}")
        if not isinstance(config, dict):
            raise Refused(f"{where} has no settings")
        if operation:
            return _keras_object(OPERATIONS, kind, {k: _plain(v, where) for k, v in config.items()})
        _require_keras_own(entry, where)
        if config.get("time_major"):
            raise Refused(
                f"{where} has time_major=True, which swaps its time and batch axes; build it "
                f"without time_major and save it again"
            )
        if config.get("stateful"):
            raise Refused(
                f"{where} is stateful, so its state would carry from one window into the next; "
                f"build it with stateful=False and save it again"
            )
        content = {
            key: self.setting(key, value, where)
            for key, value in config.items()
            if not _neutral(kind, key, value, where)
        }
        shape = content.pop("batch_input_shape", None)
        if kind == "InputLayer":
            content.setdefault("batch_shape", shape)
        if kind == "LeakyReLU" and "alpha" in content:
            content["negative_slope"] = content.pop("alpha")
        axes = content.get("axis")
        if kind == "BatchNormalization" and isinstance(axes, list) and len(axes) == 1:
            content["axis"] = axes[0]
        return _keras_object("keras.layers", kind, content)

    def setting(self, key: str, value: object, where: str) -> object:
        if key.endswith("_initializer"):
            # A weight that the file does not fill must show.
            return _keras_object("keras.initializers", "Constant", {"value": float("nan")})
        if key.endswith(("_regularizer", "_constraint")):
            return None
        if key.endswith("activation"):
            return self.activation(value, where)
        if key == "dtype":
            return _dtype(value, where)
        if key in ("layer", "backward_layer", "cell") and value is not None:
            return self.layer(_entry(value))
        if key == "cells" and isinstance(value, list):
            return [self.layer(_entry(cell)) for cell in value]
        return _plain(value, where)

    def activation(self, value: object, where: str) -> str | None:
        if (
            isinstance(value, dict)
            and value.get("class_name") == "function"
            and value.get("module") in ("builtins", "keras.activations")
            and value.get("registered_name") in (None, value.get("config"))
        ):
            value = value.get("config")
        if value is None:
            return None
        if not isinstance(value, str) or value not in ACTIVATIONS:
            named = f" {value[:40]!r}" if isinstance(value, str) else ""
            raise Refused(f"{where} has an activation{named} that is not Keras's own; {_REBUILD}")
        if value == "hard_sigmoid" and self.keras_2:
            raise Refused(
                f"{where} uses hard_sigmoid, which is another function in Keras 3 than in the "
                f"Keras 2 that wrote the file; retrain it with sigmoid, or with Keras 3"
            )
        return value


def _keras_object(module: str, kind: str, config: Entry) -> Entry:
    return {"module": module, "class_name": kind, "config": config, "registered_name": None}


def _neutral(kind: str, key: str, value: object, where: str) -> bool:
    """Whether to leave out a setting; refuses one that counts and that Keras here does not know."""
    setting = SETTINGS.get(key)
    if setting is None or not re.fullmatch(setting.layers, kind):
        return False
    if any(item is ANY or item == value for item in setting.neutral):
        return True
    here = tuple(map(int, KERAS.split(".")[:2]))
    if setting.since is None or here < setting.since:
        since = setting.since and f"Keras {setting.since[0]}.{setting.since[1]}, of Python 3.11 on,"
        raise Refused(
            f"{where} has a {key} other than usual, which {since or 'an older Keras'} knows and "
            f"Keras {KERAS} here does not; build it without {key} and save it again"
        )
    return False


def _entry(value: object) -> Entry:
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("class_name"), str)
        or "config" not in value
    ):
        raise Refused("its description is not one of Keras layers; save it with model.save()")
    return value


def _where(entry: Entry) -> str:
    """The layer in a message; its names come from outside, so quoted and short."""
    config = entry["config"]
    name = entry.get("name") or (config.get("name") if isinstance(config, dict) else None)
    named = f"{name[:60]!r} " if isinstance(name, str) else ""
    return f"layer {named}of class {entry['class_name'][:60]!r}"


def _require_keras_own(entry: Entry, where: str) -> None:
    """Refuse a layer of one's own that has the name of a Keras layer."""
    module = entry.get("module", "keras")
    registered = entry.get("registered_name")
    if (
        not isinstance(module, str)
        or not MODULES.fullmatch(module)
        or registered not in (None, entry["class_name"])
    ):
        raise Refused(f"{where} is not Keras's own, it is from {str(module)[:60]!r}; {_REBUILD}")


def _with_input(layers: list[Entry]) -> list[Entry]:
    """Sequential layers, headed by the input that Keras 2 noted on the first of them."""
    first = layers[0] if layers else None
    config = first and first["config"]
    if not first or first["class_name"] == "InputLayer" or not isinstance(config, dict):
        return layers
    shape = config.get("batch_input_shape")
    if shape is None:
        return layers
    return [_keras_object("keras.layers", "InputLayer", {"batch_shape": shape}), *layers]


def _nodes(value: object, where: str) -> object:
    """How a layer is called: plain values and references to other layers' outputs."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        config = value.get("config")
        if not isinstance(config, dict):
            raise Refused(f"{where} is called on something that is not a tensor")
        return {"class_name": "__keras_tensor__", "config": _plain(config, where)}
    if isinstance(value, list):
        return [_nodes(item, where) for item in value]
    if isinstance(value, dict) and "class_name" not in value:
        return {key: _nodes(item, where) for key, item in value.items()}
    return _plain(value, where)


def _trains(nodes: object) -> bool:
    """Whether a call says ``training=True``, which in Keras 2 holds in `predict` too."""
    if isinstance(nodes, dict):
        return nodes.get("training") is True or any(map(_trains, nodes.values()))
    return isinstance(nodes, list) and any(map(_trains, nodes))


def _renumbered(calls: object, models: set[str]) -> object:
    """References [name, call, tensor, …] with the calls of these models counted from 0, not 1."""
    if not isinstance(calls, list):
        return calls
    if len(calls) > 2 and isinstance(calls[0], str) and isinstance(calls[1], int):
        return [calls[0], calls[1] - (calls[0] in models), *calls[2:]]
    return [_renumbered(call, models) for call in calls]


def _plain(value: object, where: str) -> object:
    if isinstance(value, list):
        return [_plain(item, where) for item in value]
    if isinstance(value, dict):
        if "class_name" in value:
            kind = str(value["class_name"])[:60]
            raise Refused(f"{where} holds an object of class {kind!r}; {_REBUILD}")
        return {key: _plain(item, where) for key, item in value.items()}
    return value


def _dtype(value: object, where: str) -> str | None:
    if isinstance(value, dict) and value.get("class_name") in (
        "DTypePolicy",
        "FloatDTypePolicy",
        "Policy",
    ):
        config = value.get("config")
        value = config.get("name") if isinstance(config, dict) else None
    if value is not None and (not isinstance(value, str) or value not in DTYPES):
        raise Refused(f"{where} has a dtype that eegd does not run; {_REBUILD} in float32")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise Refused(f"{where} has a name that is not text")
    return value
