"""A model as this program sees it: what it takes and gives, and how it runs, by any library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from daemon.encoders.stack import Stack
from daemon.layout import PER_CHANNEL, STANDARD, Layout, Shape
from daemon.records import Float32

Library = Literal["Keras", "ONNX Runtime"]

Run = Callable[[Float32], Float32]
"""One window, channel-major (channels, steps), to the model's output, (outputs,)."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output.

    Attributes
    ----------
    name : str
    batch : int or None
        Windows that it takes at once; None for any number.
    shape : Shape
        Of one window.
    dtype : str
    """

    name: str
    batch: int | None
    shape: Shape
    dtype: str

    def __str__(self) -> str:
        return str((self.batch, *self.shape))


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer, for people: its kind, its name and how many parameters it has."""

    kind: str
    name: str
    parameters: int


class Network(Protocol):
    """A loaded model.

    Attributes
    ----------
    inputs, outputs : tuple of Tensor
    layers : tuple of Layer
    parameters : int
    activation : str or None
        Keras's name of the function that the only output comes from; None where it is not known.
    recurrent_first : bool
        Whether recurrent layers are the first to see the input.
    library : "Keras" or "ONNX Runtime"
        What runs it as it was built.
    """

    @property
    def inputs(self) -> tuple[Tensor, ...]: ...
    @property
    def outputs(self) -> tuple[Tensor, ...]: ...
    @property
    def layers(self) -> tuple[Layer, ...]: ...
    @property
    def parameters(self) -> int: ...
    @property
    def activation(self) -> str | None: ...
    @property
    def recurrent_first(self) -> bool: ...
    @property
    def library(self) -> Library: ...

    def stack(self) -> Stack:
        """The LSTM stack that it is.

        Raises
        ------
        NotFusableError
            It is none; says why.
        """

    def shortened(self, steps: int) -> Network:
        """The same weights for windows of ``steps`` samples; of an LSTM stack alone."""

    def run(self, device: str, layout: Layout) -> Run:
        """The model run as it is, on TensorFlow's ``device``."""


def usual_layout(network: Network) -> Layout:
    """The layout of a contract that says none: by the number of inputs."""
    return PER_CHANNEL if len(network.inputs) > 1 else STANDARD
