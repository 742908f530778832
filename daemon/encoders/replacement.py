"""What may be put in the place of a Lambda layer: an operation from a short list, in words.

``squeeze:2`` is an operation and its numbers. Axes count as in NumPy, the batch is axis 0; a shape
or an order of axes is that of one window, without the batch, as in Keras's Reshape and Permute.

Nothing here imports Keras.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from daemon.encoders.description import Entry, keras_object
from daemon.encoders.operations import named
from daemon.errors import UsageError


def _plain(name: str) -> Callable[[list[Any]], Entry]:
    def make(numbers: list[Any]) -> Entry:
        _require(not numbers)
        return named(name, {}, name)

    return make


def _along(name: str) -> Callable[[list[Any]], Entry]:
    def make(numbers: list[Any]) -> Entry:
        _require(numbers and all(type(axis) is int for axis in numbers))
        return named(name, {"axis": numbers if len(numbers) > 1 else numbers[0]}, name)

    return make


def _with(name: str, *parameters: str) -> Callable[[list[Any]], Entry]:
    def make(numbers: list[Any]) -> Entry:
        _require(len(numbers) == len(parameters))
        return named(name, dict(zip(parameters, numbers, strict=True)), name)

    return make


def _layer(kind: str, key: str) -> Callable[[list[Any]], Entry]:
    def make(numbers: list[Any]) -> Entry:
        _require(numbers and all(type(number) is int for number in numbers))
        return keras_object("keras.layers", kind, {key: numbers})

    return make


def _identity(numbers: list[Any]) -> Entry:
    _require(not numbers)
    return keras_object("keras.layers", "Identity", {})


_MADE: Mapping[str, Callable[[list[Any]], Entry]] = {
    "identity": _identity,
    "reshape": _layer("Reshape", "target_shape"),
    "permute": _layer("Permute", "dims"),
    **{name: _along(name) for name in ("squeeze", "expand_dims", "flip", "softmax")},
    **{name: _along(name) for name in ("mean", "sum", "max", "min", "std", "var")},
    **{name: _plain(name) for name in ("square", "sqrt", "log", "exp", "negative", "tanh", "relu")},
    "abs": _plain("absolute"),
    **{name: _with(name, "x2") for name in ("add", "subtract", "multiply", "divide", "power")},
    "clip": _with("clip", "x_min", "x_max"),
}


def replacements(options: Sequence[str]) -> dict[str, Entry]:
    """Layer names → what takes their place, from ``NAME=OPERATION`` or ``NAME=OPERATION:1,2``.

    Raises
    ------
    UsageError
        An operation that is not on the list, or numbers that do not go with it.
    """
    made = {}
    for option in options:
        name, _, what = option.partition("=")
        operation, _, numbers = what.partition(":")
        if not name or operation not in _MADE:
            raise UsageError(
                f"--replace {option!r} is not LAYER=OPERATION with one of {', '.join(_MADE)}"
            )
        try:
            made[name] = _MADE[operation](json.loads(f"[{numbers}]"))
        except ValueError:
            raise UsageError(
                f"--replace {option!r}: these numbers do not go with {operation}; for example "
                "squeeze:2, mean:1, reshape:20,3, permute:2,1, multiply:0.5, clip:-1,1, square"
            ) from None
    return made


def _require(fits: object) -> None:
    if not fits:
        raise ValueError
