"""An ONNX model as a `daemon.encoders.network.Network`, run by ONNX Runtime on the CPU.

What comes from PyTorch comes so.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from daemon.encoders import onnx_file
from daemon.encoders.bundle import Seal
from daemon.encoders.description import Refused
from daemon.encoders.fuse import NotFusableError
from daemon.encoders.network import Layer, Library, Network, Run, Tensor
from daemon.encoders.stack import Stack
from daemon.errors import UsageError, with_extra
from daemon.layout import Layout
from daemon.records import Float32
from daemon.reorder import model_inputs
from daemon.text import clean

_DTYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16"}

# What changes a tensor's shape and none of its values.
_RESHAPING = {"Identity", "Squeeze", "Unsqueeze", "Reshape", "Flatten", "Transpose", "Cast"}
_ACTIVATIONS = {
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Sigmoid": "sigmoid",
    "HardSigmoid": "hard_sigmoid",
}
_LINEAR = {"Gemm", "MatMul", "Conv"}
_RECURRENT = {"LSTM", "GRU", "RNN"}
_LISTED = 200  # layers that are shown


def load_onnx(path: Path, seal: Seal | None = None) -> tuple[Network, str]:
    """The model in an ONNX file, and the SHA-256 of all its files.

    Raises
    ------
    UsageError
        The extra ``onnx`` is not installed; or the file is damaged, uses operators that are not
        ONNX's own, or weights from outside its folder; or the ``seal`` of its bundle is broken.
    """
    try:
        model, sha256 = onnx_file.opened(path, seal)
        return OnnxNetwork(model), sha256
    except ImportError as error:
        raise UsageError(
            f"model {path} needs {error.name} to be run: {with_extra('onnx')}"
        ) from None
    except (Refused, OSError) as error:
        raise UsageError(f"model {path}: {error}") from None


class OnnxNetwork:
    """Runs ``model``, an ``onnx.ModelProto`` that `daemon.encoders.onnx_file` has checked.

    Attributes
    ----------
    content : bytes
        The whole model as one file, its weights in it.

    Raises
    ------
    Refused
        ONNX Runtime cannot run it.
    """

    library: Library = "ONNX Runtime"

    def __init__(self, model: Any) -> None:
        import onnxruntime

        self._graph = model.graph
        self.content: bytes = model.SerializeToString()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what matters is raised
        options.intra_op_num_threads = os.cpu_count() or 1
        # Threads that spin would take the cores from the acquisition beside it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                self.content, options, providers=["CPUExecutionProvider"]
            )
        # ONNX Runtime's own errors have no class in common.
        except Exception as error:  # noqa: BLE001
            raise Refused(f"ONNX Runtime cannot run it: {_gist(error)}") from None

    @cached_property
    def inputs(self) -> tuple[Tensor, ...]:
        return tuple(map(_tensor, self._session.get_inputs()))

    @cached_property
    def outputs(self) -> tuple[Tensor, ...]:
        return tuple(map(_tensor, self._session.get_outputs()))

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        weights = {tensor.name: tensor for tensor in self._graph.initializer}
        return tuple(
            Layer(
                clean(node.op_type),
                clean(node.name),
                onnx_file.parameters(weights[name] for name in node.input if name in weights),
            )
            for node in self._graph.node[:_LISTED]
        )

    @property
    def parameters(self) -> int:
        return onnx_file.parameters(self._graph.initializer)

    @cached_property
    def activation(self) -> str | None:
        makers = {name: node for node in self._graph.node for name in node.output}
        node = makers.get(self._graph.output[0].name) if len(self._graph.output) == 1 else None
        while node is not None and node.op_type in _RESHAPING and node.input:
            node = makers.get(node.input[0])
        if node is not None and node.op_type == "Add":  # the bias behind a product
            node = next((makers[name] for name in node.input if name in makers), None)
            return "linear" if node is not None and node.op_type in _LINEAR else None
        if node is not None and node.op_type in _LINEAR:
            return "linear"
        return _ACTIVATIONS.get(node.op_type) if node is not None else None

    @cached_property
    def recurrent_first(self) -> bool:
        kinds = [node.op_type for node in self._graph.node if node.op_type not in _RESHAPING]
        return bool(_RECURRENT & {*kinds[:1]})

    def stack(self) -> Stack:
        raise NotFusableError("it is an ONNX model, which ONNX Runtime runs as a whole")

    def shortened(self, steps: int) -> Network:
        raise NotImplementedError("an LSTM stack alone is run in another way than as it was built")

    def run(self, device: str, layout: Layout) -> Run:
        names = [tensor.name for tensor in self._session.get_inputs()]
        # Those that `daemon.encoders.shapes.require_windows` lets through.
        dtypes = [np.dtype(tensor.dtype) for tensor in self.inputs]

        def run(samples: Float32) -> Float32:
            arrays = model_inputs(samples, layout)
            given = {
                name: np.ascontiguousarray(array, dtype)
                for name, array, dtype in zip(names, arrays, dtypes, strict=True)
            }
            try:
                (output,) = self._session.run(None, given)
            except Exception as error:  # noqa: BLE001
                raise UsageError(f"ONNX Runtime cannot run the model: {_gist(error)}") from None
            answer: Float32 = np.asarray(output, np.float32)[0]
            return answer

        return run


def _tensor(argument: Any) -> Tensor:
    shape = [length if isinstance(length, int) else None for length in argument.shape]
    batch, *others = shape or [None]
    dtype = _DTYPES.get(argument.type, clean(argument.type))
    return Tensor(clean(argument.name), batch, tuple(others), dtype)


def _gist(error: Exception) -> str:
    return clean(str(error), 240) or type(error).__name__
