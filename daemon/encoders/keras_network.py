"""A Keras model as a `daemon.encoders.network.Network`."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import keras
import tensorflow as tf

from daemon.encoders.fuse import fuse
from daemon.encoders.network import Layer, Library, Run, Tensor
from daemon.encoders.stack import Stack
from daemon.errors import UsageError
from daemon.layout import Layout
from daemon.records import Float32
from daemon.reorder import model_inputs
from daemon.text import clean

# What gives the values that it takes, in another shape or averaged.
_PASSING = {"Flatten", "Reshape", "Permute", "Dropout", "Identity", "ActivityRegularization"}
_PASSING |= {f"GlobalAveragePooling{n}D" for n in (1, 2, 3)}
# Layers and operations that are an activation themselves.
_FUNCTIONS = {"Softmax": "softmax", "LogSoftmax": "log_softmax"}
_FUNCTIONS |= {"Sigmoid": "sigmoid", "HardSigmoid": "hard_sigmoid"}
# What leaves time on the axis that it was on.
_KEEPING = {"InputLayer", "Masking", "Activation", "BatchNormalization", "LayerNormalization"}
_KEEPING |= {"Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout", "AlphaDropout"}
_KEEPING |= {"Identity", "Normalization", "Rescaling"}


class KerasNetwork:
    """Wraps ``model``; see `daemon.encoders.network.Network`.

    Raises
    ------
    UsageError
        The model has no fixed input shape.
    """

    library: Library = "Keras"

    def __init__(self, model: keras.Model) -> None:
        if not model.built or not getattr(model, "inputs", None):
            raise UsageError(
                "the model has no fixed input shape: give it a keras.Input((steps, channels)) and "
                "save it again"
            )
        self.model = model

    @cached_property
    def inputs(self) -> tuple[Tensor, ...]:
        return tuple(map(_tensor, self.model.inputs))

    @cached_property
    def outputs(self) -> tuple[Tensor, ...]:
        return tuple(map(_tensor, self.model.outputs))

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        return tuple(
            Layer(type(layer).__name__, clean(layer.name), layer.count_params())
            for layer in self.model.layers
        )

    @property
    def parameters(self) -> int:
        count: int = self.model.count_params()
        return count

    @cached_property
    def activation(self) -> str | None:
        if len(self.model.outputs) != 1:
            return None
        tensor = self.model.outputs[0]
        while True:
            last: Any = tensor._keras_history.operation
            if isinstance(last, keras.Model):
                tensor = last.outputs[0]
            elif type(last).__name__ in _PASSING:
                (tensor,) = last._inbound_nodes[tensor._keras_history.node_index].input_tensors
            else:
                break
        name = getattr(getattr(last, "activation", None), "__name__", None)
        return name if isinstance(name, str) else _FUNCTIONS.get(type(last).__name__)

    @cached_property
    def recurrent_first(self) -> bool:
        return _is_recurrent_first(self.model)

    def stack(self) -> Stack:
        return fuse(self.model)

    def shortened(self, steps: int) -> KerasNetwork:
        # As a functional model with a list of inputs, whatever the user's model is.
        graph = keras.Model(self.model.inputs, self.model.outputs[0])
        inputs = [keras.Input((steps, tensor.shape[-1])) for tensor in self.model.inputs]
        short = keras.models.clone_model(graph, inputs)
        short.set_weights(graph.get_weights())
        return KerasNetwork(short)

    def run(self, device: str, layout: Layout) -> Run:
        return as_built(self.model, device, layout)


def _is_recurrent_first(model: keras.Model) -> bool:
    for layer in model.layers:
        if type(layer).__name__ in _KEEPING:
            continue
        if isinstance(layer, keras.Model):
            return _is_recurrent_first(layer)
        # Of Bidirectional, or another wrapper, what is wrapped.
        inner = getattr(layer, "forward_layer", None) or getattr(layer, "layer", None) or layer
        return isinstance(inner, keras.layers.RNN)
    return False


def as_built(model: keras.Model, device: str, layout: Layout) -> Run:
    """Run any model as Keras built it, traced once."""
    several = len(model.inputs) > 1
    # TensorFlow's own convolutions take channels first on a GPU only, XLA's take them anywhere.
    layers = model._flatten_layers()
    first = any(getattr(layer, "data_format", None) == "channels_first" for layer in layers)

    @tf.function(autograph=False, jit_compile=first or None)
    def classify(inputs: list[tf.Tensor]) -> tf.Tensor:
        # As `predict` calls it: then no layer draws lots, however it was called when it was built.
        return model(inputs if several else inputs[0], training=False)

    def run(samples: Float32) -> Float32:
        with tf.device(device):
            inputs = [tf.constant(one) for one in model_inputs(samples, layout)]
            try:
                output: Float32 = classify(inputs).numpy()[0]
            except tf.errors.OpError as error:
                raise UsageError(f"the model does not run on {device}: {_gist(error)}") from None
        return output

    return run


def _gist(error: Exception) -> str:
    """TensorFlow's own sentence, which stands behind where in Keras the operation was made."""
    lines = str(error).splitlines()
    last = max((n for n, line in enumerate(lines) if not line), default=-1)
    return clean(" ".join(lines[last + 1 : last + 2]), 200)


def _tensor(tensor: Any) -> Tensor:
    batch, *shape = tensor.shape
    return Tensor(clean(tensor.name), batch, tuple(shape), str(tensor.dtype))
