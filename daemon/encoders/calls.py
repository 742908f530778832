"""How layers are called: what Keras 2 and 3 note of it, in the form of Keras 3, all plain values.

Keras 3 notes a call as its ``args`` and ``kwargs``, with a ``__keras_tensor__`` for the output of
another layer. Keras 2 notes ``[layer, call, output, {arguments}]``, one or a list of them; among
the arguments another tensor is ``[layer, call, output]``, and a number in the place of the first
tensor is ``["_CONSTANT_VALUE", -1, number, {arguments}]``. Keras 3 reads that form too, but not
the tensors among the arguments.

Nothing here imports Keras.
"""

from __future__ import annotations

from typing import Any

from daemon.encoders.description import REBUILD, Entry, Refused, plain

_INDICES = ("__slice__", "__ellipsis__")


def calls(nodes: object, where: str, *, keras_2: bool, models: frozenset[str]) -> list[Entry]:
    """All calls of a layer, as ``{"args": [...], "kwargs": {...}}``.

    Parameters
    ----------
    nodes : object
        What the file has as ``inbound_nodes``.
    where : str
        The layer in a message.
    keras_2 : bool
        Written by Keras 2.
    models : frozenset of str
        The nested models, whose calls Keras 2 counted from 1.

    Raises
    ------
    Refused
    """
    if not isinstance(nodes, list):
        raise Refused(f"{where} is not called in a way that eegd knows; {REBUILD}")
    found: list[Entry] = []
    for node in nodes:
        if isinstance(node, dict) and "class_name" not in node:
            if not isinstance(node.get("args"), list) or not isinstance(node.get("kwargs"), dict):
                raise Refused(f"{where} is not called in a way that eegd knows; {REBUILD}")
            found.append(
                {
                    "args": [_new(item, where) for item in node["args"]],
                    "kwargs": {key: _new(item, where) for key, item in node["kwargs"].items()},
                }
            )
        else:
            found.append(_Old(where, models).call(node))
    if keras_2 and any(call["kwargs"].get("training") is True for call in found):
        raise Refused(
            f"{where} is called with training=True, which Keras 3 leaves out in use and the "
            "Keras 2 that wrote the file does not; build it without, and save it again"
        )
    return found


def renumbered(outputs: object, models: frozenset[str]) -> object:
    """Outputs ``[layer, call, output]`` with the calls of these models counted from 0, not 1."""
    if not isinstance(outputs, list):
        return outputs
    if _is_output(outputs):
        return [outputs[0], outputs[1] - (outputs[0] in models), *outputs[2:]]
    return [renumbered(output, models) for output in outputs]


def _new(value: object, where: str) -> object:
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        config = value.get("config")
        if not isinstance(config, dict):
            raise Refused(f"{where} is called on something that is not a tensor")
        return {"class_name": "__keras_tensor__", "config": plain(config, where)}
    if isinstance(value, dict) and value.get("class_name") in _INDICES:
        return {"class_name": value["class_name"], "config": plain(value.get("config"), where)}
    if isinstance(value, list):
        return [_new(item, where) for item in value]
    if isinstance(value, dict) and "class_name" not in value:
        return {key: _new(item, where) for key, item in value.items()}
    return plain(value, where)


class _Old:
    """One call as Keras 2 notes it."""

    def __init__(self, where: str, models: frozenset[str]) -> None:
        self.where = where
        self.models = models
        self.arguments: Entry = {}

    def call(self, node: object) -> Entry:
        first = self._first(node)
        # It meant the tensor by a list of one.
        if isinstance(first, list) and len(first) == 1:
            first = first[0]
        return {"args": [first], "kwargs": self.arguments}

    def _first(self, value: object) -> object:
        """The first argument, its structure kept; the others are noted beside each tensor of it."""
        if isinstance(value, list) and value and isinstance(value[0], str) and len(value) in (3, 4):
            arguments = value[3] if len(value) == 4 else {}
            if not isinstance(arguments, dict):
                raise Refused(f"{self.where} is called in a way that eegd does not know; {REBUILD}")
            self.arguments = {key: self._other(item) for key, item in arguments.items()}
            if value[0] == "_CONSTANT_VALUE":
                return plain(value[2], self.where)
            return self._tensor(value)
        if isinstance(value, list):
            return [self._first(item) for item in value]
        raise Refused(f"{self.where} is called on something that is not a tensor; {REBUILD}")

    def _other(self, value: object) -> object:
        if isinstance(value, list):
            if _is_output(value) and len(value) == 3:
                return self._tensor(value)
            return [self._other(item) for item in value]
        return _new(value, self.where)

    def _tensor(self, value: list[Any]) -> Entry:
        if not _is_output(value):
            raise Refused(f"{self.where} is called on something that is not a tensor; {REBUILD}")
        name, call, output = value[:3]
        history = [name, call - (name in self.models), output]
        # Keras finds the tensor by its history alone; shape and dtype have to be there.
        config = {"shape": [None], "dtype": "float32", "keras_history": history}
        return {"class_name": "__keras_tensor__", "config": config}


def _is_output(value: list[Any]) -> bool:
    return (
        len(value) > 2
        and isinstance(value[0], str)
        and type(value[1]) is int
        and type(value[2]) is int
    )
