"""What a rebuilt model may use and Keras 3 does not have; registered with it under ``eegd>``."""

from __future__ import annotations

from typing import Any

import keras

from daemon.encoders.operations import OPERATIONS
from daemon.encoders.vocabulary import HARD_SIGMOID_2


@keras.saving.register_keras_serializable("eegd", HARD_SIGMOID_2.removeprefix("eegd>"))
def hard_sigmoid(x: Any) -> Any:
    """The ``hard_sigmoid`` of Keras 2: 0.2 x + 0.5, between 0 and 1. Keras 3 has x / 6 in it."""
    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)


@keras.saving.register_keras_serializable("eegd")
class Operation(keras.layers.Layer):  # type: ignore[misc]
    """An operation of ``keras.ops`` as a layer.

    Parameters
    ----------
    operation : str
        One of `daemon.encoders.operations.OPERATIONS`.
    arguments : dict
        The plain arguments by their parameters' names; tensors fill the others in order.
    """

    def __init__(self, operation: str, arguments: dict[str, Any], **settings: Any) -> None:
        # Of the same dtype as its tensors, whatever that is.
        super().__init__(autocast=False, **settings)
        self.operation = operation
        self.arguments = arguments
        self.supports_masking = True

    def call(self, *tensors: Any) -> Any:
        given = {key: _usable(value) for key, value in self.arguments.items()}
        free = [key for key in OPERATIONS[self.operation] if key not in given]
        given |= dict(zip(free, tensors, strict=False))
        if self.operation == "get_item":
            return given["x"][given["key"]]
        return getattr(keras.ops, self.operation)(**given)

    def compute_mask(self, *_: Any) -> None:
        """An operation hands on no mask, in Keras 2 and 3 alike."""

    def get_config(self) -> dict[str, Any]:
        own = {"operation": self.operation, "arguments": self.arguments}
        return {"name": self.name, **own}


def _usable(value: Any) -> Any:
    """A plain argument as ``keras.ops`` takes it: tuples, slices, the ellipsis."""
    if isinstance(value, (list, tuple)):
        return tuple(_usable(item) for item in value)
    if isinstance(value, dict):
        return slice(value["start"], value["stop"], value["step"])
    return ... if value == "Ellipsis" else value
