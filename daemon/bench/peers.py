"""The same fused weights in PyTorch and ONNX Runtime, for comparison; extra ``bench``.

Both get what they are best at: whole windows, all LSTM layers fused over the channels, time-major.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from daemon.encoders.stack import GATES, Stack
from daemon.records import Float32

Peer = Callable[[Float32], Float32]
"""Windows (steps, batch, channels), contiguous, to (batch, classes)."""


def available(stack: Stack) -> dict[str, Peer]:
    """The peers that are installed, by name."""
    peers: dict[str, Peer] = {}
    for name, build in (("PyTorch", _torch), ("ONNX Runtime", _onnx)):
        try:
            peers[name] = build(stack)
        except ImportError:
            continue
    return peers


def _torch(stack: Stack) -> Peer:
    import torch

    layers = []
    for lstm in stack.lstms:
        layer = torch.nn.LSTM(len(lstm.kernel), lstm.units)  # PyTorch's gates are in Keras's order
        weights = (lstm.kernel.T, lstm.recurrent.T, lstm.bias, np.zeros_like(lstm.bias))
        with torch.no_grad():
            for parameter, value in zip(layer.parameters(), weights, strict=True):
                parameter.copy_(torch.tensor(np.ascontiguousarray(value)))
        layers.append(layer)
    (dense,) = stack.denses
    kernel, bias = torch.tensor(dense.kernel), torch.tensor(dense.bias)

    def run(windows: Float32) -> Float32:
        with torch.inference_mode():
            sequence = torch.from_numpy(windows)
            for layer in layers:
                sequence, _ = layer(sequence)
            output: Float32 = torch.softmax(sequence[-1] @ kernel + bias, -1).numpy()
        return output

    return run


def _onnx(stack: Stack) -> Peer:
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    constants, nodes = [], []

    def constant(name: str, value: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def reordered(weights: Float32) -> Float32:
        i, f, candidate, o = np.split(weights, GATES, axis=-1)
        return np.concatenate([i, o, f, candidate], axis=-1)  # ONNX's order of gates

    sequence, last = "windows", len(stack.lstms) - 1
    for n, lstm in enumerate(stack.lstms):
        bias = np.concatenate([reordered(lstm.bias), np.zeros_like(lstm.bias)])
        inputs = [
            sequence,
            constant(f"kernel{n}", reordered(lstm.kernel).T[None]),
            constant(f"recurrent{n}", reordered(lstm.recurrent).T[None]),
            constant(f"bias{n}", bias[None]),
        ]
        outputs = ["", "encoding"] if n == last else [f"outputs{n}"]
        nodes.append(helper.make_node("LSTM", inputs, outputs, hidden_size=lstm.units))
        if n != last:
            # (steps, directions, batch, units): there is one direction.
            axis = constant(f"axis{n}", np.array([1]))
            sequence = f"sequence{n}"
            nodes.append(helper.make_node("Squeeze", [outputs[0], axis], [sequence]))
    (dense,) = stack.denses
    axis = constant("axis", np.array([0]))
    nodes += [
        helper.make_node("Squeeze", ["encoding", axis], ["squeezed"]),
        helper.make_node(
            "Gemm",
            ["squeezed", constant("kernel", dense.kernel), constant("bias", dense.bias)],
            ["logits"],
        ),
        helper.make_node("Softmax", ["logits"], ["classes"], axis=-1),
    ]
    shapes = (("windows", [None, None, stack.channels]), ("classes", [None, len(dense.bias)]))
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in shapes]
    graph = helper.make_graph(nodes, "stack", [ends[0]], [ends[1]], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )

    def run(windows: Float32) -> Float32:
        (output,) = session.run(None, {"windows": windows})
        return np.asarray(output, np.float32)

    return run
