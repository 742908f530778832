"""A model file's description, rebuilt from the parts that are known; whatever is not is refused.

The rules that keep a foreign file from running code:

- Keras never sees the file's own description. Given one, it resolves names in any of its modules
  and, in HDF5 files with some versions, runs marshalled functions whatever ``safe_mode`` says. It
  gets the one rebuilt here, which names only classes from `daemon.encoders.vocabulary`, and
  operations from `daemon.encoders.operations`.
- What only training needs (initial weights, regularizers, constraints, the compiled loss) is left
  out, so nothing of it is ever built.
- Everything else has to be a plain value. Unknown means refused, never skipped.

Nothing here imports Keras.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import metadata

from daemon.encoders.calls import calls, renumbered
from daemon.encoders.description import (
    REBUILD,
    Entry,
    Refused,
    entry_of,
    in_words,
    keras_object,
    plain,
    text,
)
from daemon.encoders.operations import name_of, operation, own_layer
from daemon.encoders.vocabulary import (
    ACTIVATIONS,
    ANY,
    CUDNN,
    DTYPES,
    HARD_SIGMOID_2,
    LAYERS,
    MODELS,
    MODULES,
    SETTINGS,
)

KERAS = metadata.version("keras")


def rebuilt(config: object, *, keras_2: bool, replaced: Mapping[str, Entry] | None = None) -> Entry:
    """A model's description, safe to give to ``keras.saving.deserialize_keras_object``.

    Parameters
    ----------
    config : object
        The parsed JSON of a ``.keras`` archive's ``config.json`` or an HDF5 file's
        ``model_config``, written by Keras 2 or 3.
    keras_2 : bool
        Written before Keras 3, where ``hard_sigmoid`` was another function.
    replaced : mapping of str to dict, or None
        What to put in the place of Lambda layers, by their names; see
        `daemon.encoders.replacement.replacements`.

    Raises
    ------
    Refused
        Names the layer and what to do.
    """
    rebuilder = _Rebuilder(keras_2, replaced or {})
    try:
        model = rebuilder.model(entry_of(config))
    except RecursionError:
        raise Refused("its description is nested too deeply") from None
    for name in rebuilder.replaced:
        if name not in rebuilder.lambdas:
            have = ", ".join(sorted(rebuilder.lambdas)) or "none"
            raise Refused(f"it has no Lambda layer {name[:60]!r} to replace (it has {have[:200]})")
    for key in ("input_layers", "output_layers"):
        tensors = model["config"].get(key, [])
        # Keras 2 wrote lists only, and meant the tensor by a list of one.
        if len(tensors) == 1 and isinstance(tensors[0], list):
            model["config"][key] = tensors[0]
    return model


class _Rebuilder:
    def __init__(self, keras_2: bool, replaced: Mapping[str, Entry]) -> None:
        self.keras_2 = keras_2
        self.replaced = replaced
        self.lambdas: set[str] = set()

    def model(self, entry: Entry) -> Entry:
        kind, config = entry["class_name"], entry["config"]
        where = in_words(entry)
        if kind not in MODELS:
            raise Refused(f"{where} is not a keras.Model or keras.Sequential; {REBUILD}")
        _require_keras_own(entry, where)
        if isinstance(config, list):  # so wrote Keras before 2.2.3 its Sequential models
            config = {"layers": config}
        if not isinstance(config, dict) or not isinstance(config.get("layers"), list):
            raise Refused(f"{where} does not list its layers; {REBUILD}")
        layers = [entry_of(layer) for layer in config["layers"]]
        content: Entry = {"name": text(config.get("name", kind.lower()), where)}
        if kind == "Sequential":
            content["layers"] = [self.layer(layer) for layer in _with_input(layers)]
            if config.get("build_input_shape") is not None:
                content["build_input_shape"] = plain(config["build_input_shape"], where)
            return keras_object("keras", "Sequential", content)
        # Keras 2 counted a nested model's making as its first call, Keras 3 does not; for the
        # outputs of a functional one it corrects that itself.
        nested = [layer for layer in layers if self.keras_2 and layer["class_name"] in MODELS]
        models = frozenset(str(model.get("name")) for model in nested)
        sequential = frozenset(
            str(model.get("name")) for model in nested if model["class_name"] == "Sequential"
        )
        content["layers"] = [self.called(layer, models) for layer in layers]
        for key in ("input_layers", "output_layers"):
            if not isinstance(config.get(key), list):
                # A dict of inputs is ordered by its keys, where channel_10 comes before channel_2.
                raise Refused(f"{where} has no list as its {key}; build it with lists of tensors")
            content[key] = renumbered(plain(config[key], where), sequential)
        return keras_object("keras", "Model", content)

    def called(self, entry: Entry, models: frozenset[str]) -> Entry:
        """A layer of a graph, with how it is called."""
        where = in_words(entry)
        name = text(entry.get("name"), where)
        nodes = calls(entry.get("inbound_nodes", []), where, keras_2=self.keras_2, models=models)
        done = name_of(entry)
        if done is None:
            layer = self.layer(entry)
            if entry["class_name"] == "Lambda":  # what takes its place knows no mask
                nodes = [{"args": node["args"], "kwargs": {}} for node in nodes]
        else:
            layer, nodes = operation(done, {**entry, "name": name}, nodes, where)
        return {**layer, "name": name, "inbound_nodes": nodes}

    def layer(self, entry: Entry) -> Entry:
        kind, config, where = entry["class_name"], entry["config"], in_words(entry)
        if kind in MODELS:
            return self.model(entry)
        if kind == "Lambda":
            return self.replacement(entry, where)
        if kind == "Operation":
            return own_layer(entry, where)
        if kind in CUDNN:
            kind = CUDNN[kind]
        if kind not in LAYERS:
            raise Refused(f"{where} is not a layer that eegd runs; {REBUILD}")
        if not isinstance(config, dict):
            raise Refused(f"{where} has no settings")
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
        return keras_object("keras.layers", kind, content)

    def replacement(self, entry: Entry, where: str) -> Entry:
        config = entry["config"]
        name = config.get("name") if isinstance(config, dict) else None
        name = str(name or entry.get("name"))
        self.lambdas.add(name)
        if name in self.replaced:
            layer = self.replaced[name]
            return {**layer, "config": {**layer["config"], "name": name}}
        raise Refused(
            f"{where} is code, which eegd never runs; say what it does with `eegd bundle "
            f"--replace {name[:60]}=…`, or {REBUILD}"
        )

    def setting(self, key: str, value: object, where: str) -> object:
        if key.endswith("_initializer"):
            # A weight that the file does not fill must show.
            return keras_object("keras.initializers", "Constant", {"value": float("nan")})
        if key.endswith(("_regularizer", "_constraint")):
            return None
        if key.endswith("activation"):
            return self.activation(value, where)
        if key == "dtype":
            return _dtype(value, where)
        if key in ("layer", "backward_layer", "cell") and value is not None:
            return self.layer(entry_of(value))
        if key == "cells" and isinstance(value, list):
            return [self.layer(entry_of(cell)) for cell in value]
        return plain(value, where)

    def activation(self, value: object, where: str) -> str | Entry | None:
        if (
            isinstance(value, dict)
            and value.get("class_name") == "function"
            and value.get("module") in ("builtins", "keras.activations")
            and value.get("registered_name") in (None, "function", value.get("config"))
        ):
            value = value.get("config")
        if value is None:
            return None
        if value == HARD_SIGMOID_2 or (value == "hard_sigmoid" and self.keras_2):
            function = {"class_name": "function", "config": HARD_SIGMOID_2}
            return {"module": "builtins", **function, "registered_name": "function"}
        if not isinstance(value, str) or value not in ACTIVATIONS:
            named = f" {value[:40]!r}" if isinstance(value, str) else ""
            raise Refused(f"{where} has an activation{named} that is not Keras's own; {REBUILD}")
        return value


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


def _require_keras_own(entry: Entry, where: str) -> None:
    """Refuse a layer of one's own that has the name of a Keras layer."""
    module = entry.get("module", "keras")
    registered = entry.get("registered_name")
    if (
        not isinstance(module, str)
        or not MODULES.fullmatch(module)
        or registered not in (None, entry["class_name"])
    ):
        raise Refused(f"{where} is not Keras's own, it is from {str(module)[:60]!r}; {REBUILD}")


def _with_input(layers: list[Entry]) -> list[Entry]:
    """Sequential layers, headed by the input that Keras 2 noted on the first of them."""
    first = layers[0] if layers else None
    config = first and first["config"]
    if not first or first["class_name"] == "InputLayer" or not isinstance(config, dict):
        return layers
    shape = config.get("batch_input_shape")
    if shape is None:
        return layers
    return [keras_object("keras.layers", "InputLayer", {"batch_shape": shape}), *layers]


def _dtype(value: object, where: str) -> str | None:
    if isinstance(value, dict) and value.get("class_name") in (
        "DTypePolicy",
        "FloatDTypePolicy",
        "Policy",
    ):
        config = value.get("config")
        value = config.get("name") if isinstance(config, dict) else None
    if value is not None and (not isinstance(value, str) or value not in DTYPES):
        raise Refused(f"{where} has a dtype that eegd does not run; {REBUILD} in float32")
    return value
