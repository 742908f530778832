"""A Keras model's graph → the plain LSTM stack that it is, where it is one.

N LSTM layers side by side, each over a channel of its own, equal one LSTM over all channels whose
kernels are block-diagonal per gate: the zeros keep the channels apart, and one matrix product does
the work of N. Everything after it already is a plain stack.

Recognised: one input with LSTM layers in a row, or one input per channel, an LSTM for each, their
concatenation and LSTM layers in a row; then Dense layers. Any sizes, any units per channel,
activations by name, and layers that do nothing at inference (dropout, noise) anywhere. All else is
refused with the reason, and runs as the user's own model.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from daemon.encoders import additions
from daemon.encoders.description import Entry
from daemon.encoders.stack import GATES, Dense, Lstm, Stack
from daemon.encoders.vocabulary import HARD_SIGMOID_2

# These return their input when the model is not training.
_IDENTITIES = (
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.AlphaDropout,
    keras.layers.ActivityRegularization,
    keras.layers.Identity,
)


# What may stand inside an LSTM: side by side, channels must not mix.
ELEMENTWISE = frozenset(
    [
        *("tanh", "sigmoid", "hard_sigmoid", "relu", "linear", "elu", "softsign", "softplus"),
        HARD_SIGMOID_2,
    ]
)

# Of these and the identities alone a stack is made.
_CLASSES = frozenset(
    layer.__name__
    for layer in (
        *_IDENTITIES,
        keras.layers.InputLayer,
        keras.layers.LSTM,
        keras.layers.Concatenate,
        keras.layers.Dense,
        keras.layers.Activation,
        keras.layers.Softmax,
    )
)


class NotFusableError(Exception):
    """The model is no LSTM stack; the message says what it has instead."""


def fuse(model: keras.Model) -> Stack:
    """The stack that ``model`` is, its inputs in the order of ``model.inputs``.

    Raises
    ------
    NotFusableError
    """
    walk = _Walk(model)
    lstms = [walk.channel_lstms()] if len(model.inputs) > 1 else []
    lstms += walk.lstms(have=len(lstms))
    denses = walk.denses()
    return Stack(tuple(lstms), tuple(denses))


def may_fuse(description: Entry) -> bool:
    """Whether a model's description has no other layers than those of which `fuse` makes a stack.

    ``description`` is that of a model not built yet, see `daemon.encoders.inspection.rebuilt`.
    """
    kinds = {layer["class_name"] for layer in description["config"]["layers"]}
    return "LSTM" in kinds and kinds <= _CLASSES


class _Walk:
    """Follows the graph from the inputs to the output, layer by layer."""

    def __init__(self, model: keras.Model) -> None:
        if not hasattr(model, "inputs") or len(model.outputs) != 1:
            raise NotFusableError("it has more than one output")
        self._consumers: dict[int, list[Any]] = {}
        for node in _nodes(model):
            for tensor in node.input_tensors:
                self._consumers.setdefault(id(tensor), []).append(node)
        self._inputs = list(model.inputs)
        self._output = model.outputs[0]
        self._at = model.inputs[0]
        dtypes = {layer.compute_dtype for layer in model.layers}
        if dtypes | {tensor.dtype for tensor in model.inputs} != {"float32"}:
            raise NotFusableError("it does not compute in float32 throughout")

    def channel_lstms(self) -> Lstm:
        """One LSTM for each input and their concatenation, as one block-diagonal LSTM."""
        encoded = {}
        layers = []
        for n, channel in enumerate(self._inputs):
            self._at = channel
            layer = self._take(keras.layers.LSTM, f"input {n}")
            self._skip_identities()
            encoded[id(self._at)] = n
            layers.append(_lstm(layer, last=False))
        node = self._only_consumer()
        if type(node.operation) is not keras.layers.Concatenate:
            raise NotFusableError(f"the channels meet in {_named(node.operation)}")
        if node.operation.axis not in (-1, 2):
            raise NotFusableError(f"{_named(node.operation)} does not join along the last axis")
        order = [encoded.get(id(tensor), -1) for tensor in node.input_tensors]
        if sorted(order) != list(range(len(layers))):
            raise NotFusableError(f"{_named(node.operation)} does not join each channel once")
        self._at = node.output_tensors[0]
        return _side_by_side(layers, order)

    def lstms(self, have: int) -> list[Lstm]:
        """LSTM layers in a row; only the last gives its last step alone."""
        found: list[Lstm] = []
        while True:
            self._skip_identities()
            node = self._only_consumer()
            if type(node.operation) is not keras.layers.LSTM:
                break
            layer = self._take(keras.layers.LSTM, "the LSTM stack")
            found.append(_lstm(layer, last=not layer.return_sequences))
            if not layer.return_sequences:
                return found
        if have or found:
            raise NotFusableError(
                f"no LSTM gives its last step alone before {_named(node.operation)}"
            )
        raise NotFusableError(f"it begins with {_named(node.operation)}")

    def denses(self) -> list[Dense]:
        """Dense layers in a row up to the output, activations of their own merged in."""
        found: list[Dense] = []
        self._skip_identities()
        while self._at is not self._output:
            node = self._only_consumer()
            layer = node.operation
            if type(layer) is keras.layers.Dense:
                weights = [np.asarray(w, np.float32) for w in layer.get_weights()]
                bias = weights[1] if layer.use_bias else np.zeros(layer.units, np.float32)
                found.append(Dense(weights[0], bias, _activation(layer, layer.activation)))
            elif found and found[-1].activation == "linear" and _is_activation(layer):
                last = found.pop()
                function = getattr(layer, "activation", keras.activations.softmax)
                found.append(Dense(last.kernel, last.bias, _activation(layer, function)))
            else:
                raise NotFusableError(f"{_named(layer)} follows the LSTM stack")
            self._at = node.output_tensors[0]
            self._skip_identities()
        if not found:
            raise NotFusableError("no Dense layer follows the LSTM stack")
        return found

    def _take(self, kind: type, where: str) -> keras.layers.Layer:
        self._skip_identities()
        node = self._only_consumer()
        if type(node.operation) is not kind:
            raise NotFusableError(f"{where} goes into {_named(node.operation)}")
        self._at = node.output_tensors[0]
        return node.operation

    def _skip_identities(self) -> None:
        while self._at is not self._output:
            node = self._only_consumer()
            if type(node.operation) not in _IDENTITIES:
                return
            self._at = node.output_tensors[0]

    def _only_consumer(self) -> Any:
        consumers = self._consumers.get(id(self._at), [])
        if len(consumers) != 1:
            raise NotFusableError(f"{len(consumers)} layers take the same values")
        node = consumers[0]
        joins = type(node.operation) is keras.layers.Concatenate
        if len(node.output_tensors) != 1 or (len(node.input_tensors) != 1 and not joins):
            raise NotFusableError(f"{_named(node.operation)} takes or gives several tensors")
        return node


def _nodes(model: keras.Model) -> list[Any]:
    """The calls of layers that the graph is made of; each has operation and tensors."""
    # Keras has no public view of a graph but its serialised config, which is harder to follow.
    graph = getattr(model, "_functional", None) or model
    return [
        node
        for nodes in getattr(graph, "_nodes_by_depth", {}).values()
        for node in nodes
        if not node.is_input
    ]


def _lstm(layer: keras.layers.LSTM, *, last: bool) -> Lstm:
    if layer.return_sequences == last:
        raise NotFusableError(f"{_named(layer)} gives only its last step, to another LSTM")
    for flag in ("go_backwards", "stateful", "return_state"):
        if getattr(layer, flag):
            raise NotFusableError(f"{_named(layer)} has {flag}=True")
    activations = [
        _activation(layer, function) for function in (layer.activation, layer.recurrent_activation)
    ]
    strange = set(activations) - ELEMENTWISE
    if strange:
        raise NotFusableError(f"{_named(layer)} has the activation {strange.pop()!r}")
    weights = [np.asarray(w, np.float32) for w in layer.get_weights()]
    bias = weights[2] if layer.use_bias else np.zeros(GATES * layer.units, np.float32)
    return Lstm(weights[0], weights[1], bias, *activations)


def _side_by_side(layers: list[Lstm], order: list[int]) -> Lstm:
    """One LSTM that runs ``layers``, the n-th on input n, outputs in ``order``."""
    if len({(layer.activation, layer.recurrent_activation) for layer in layers}) > 1:
        raise NotFusableError("the channels' LSTM layers have different activations")
    units = sum(layer.units for layer in layers)
    kernel = np.zeros((len(layers), GATES, units), np.float32)
    recurrent = np.zeros((units, GATES, units), np.float32)
    bias = np.zeros((GATES, units), np.float32)
    start = 0
    for channel in order:
        layer = layers[channel]
        own = slice(start, start + layer.units)
        kernel[channel, :, own] = layer.kernel.reshape(GATES, layer.units)
        recurrent[own, :, own] = layer.recurrent.reshape(layer.units, GATES, layer.units)
        bias[:, own] = layer.bias.reshape(GATES, layer.units)
        start += layer.units
    return Lstm(
        kernel.reshape(len(layers), -1),
        recurrent.reshape(units, -1),
        bias.reshape(-1),
        layers[0].activation,
        layers[0].recurrent_activation,
    )


def _is_activation(layer: keras.layers.Layer) -> bool:
    return type(layer) is keras.layers.Activation or (
        type(layer) is keras.layers.Softmax and layer.axis == -1
    )


def _activation(layer: keras.layers.Layer, function: Any) -> str:
    """The name under which Keras knows ``function``."""
    if function is additions.hard_sigmoid:
        return HARD_SIGMOID_2
    name = keras.activations.serialize(function)
    if not isinstance(name, str):
        raise NotFusableError(f"{_named(layer)} has an activation of its own")
    return name


def _named(layer: keras.layers.Layer) -> str:
    return f"{type(layer).__name__} {layer.name!r}"
