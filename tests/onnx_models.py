"""Small ONNX models, made as PyTorch exports them: (1, channels, steps) to logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

CHANNELS, STEPS, CLASSES = 3, 40, 4


def weights() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        "kernel": random.normal(size=(5, CHANNELS, 7)).astype(np.float32),
        "head": random.normal(size=(5, CLASSES)).astype(np.float32),
    }


def answer(window: np.ndarray) -> np.ndarray:
    """What the model gives for ``window`` (channels, steps): logits, in NumPy's float64."""
    kernel, head = weights()["kernel"].astype(float), weights()["head"].astype(float)
    pieces = np.lib.stride_tricks.sliding_window_view(window.astype(float), 7, axis=1)
    maps = np.einsum("ctk,fck->ft", pieces, kernel)
    return np.maximum(maps, 0).mean(axis=1) @ head


def graph(**more: Any) -> Any:
    """The model; ``more`` are nodes at its end, or other things of `onnx.helper.make_model`."""
    from onnx import TensorProto, helper, numpy_helper

    constants = [numpy_helper.from_array(value, name) for name, value in weights().items()]
    constants.append(numpy_helper.from_array(np.array([2]), "time"))
    nodes = [
        helper.make_node("Conv", ["eeg", "kernel"], ["maps"], name="conv"),
        helper.make_node("Relu", ["maps"], ["rectified"], name="relu"),
        helper.make_node("ReduceMean", ["rectified", "time"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "head"], ["logits"], name="head"),
    ]
    last = more.pop("last", None)
    if last is not None:
        nodes.append(helper.make_node(last, ["logits"], ["classes"], **more.pop("attributes", {})))
    eeg = helper.make_tensor_value_info("eeg", TensorProto.FLOAT, [1, CHANNELS, STEPS])
    name = "classes" if last else "logits"
    classes = helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, CLASSES])
    made = helper.make_graph(nodes, "net", [eeg], [classes], constants)
    opsets = more.pop("opsets", [helper.make_opsetid("", 18)])
    return helper.make_model(made, opset_imports=opsets, ir_version=9, **more)


def saved(path: Path, **more: Any) -> Path:
    path.write_bytes(graph(**more).SerializeToString())
    return path


def saved_with_weights_beside(path: Path, location: str) -> Path:
    """The model with its kernel in the file ``location``, which is written beside it."""
    from onnx import TensorProto

    model = graph()
    kernel = next(one for one in model.graph.initializer if one.name == "kernel")
    (path.parent / Path(location).name).write_bytes(b"pad." + kernel.raw_data)
    for key, value in (("location", location), ("offset", "4"), ("length", len(kernel.raw_data))):
        entry = kernel.external_data.add()
        entry.key, entry.value = key, str(value)
    kernel.ClearField("raw_data")
    kernel.data_location = TensorProto.EXTERNAL
    path.write_bytes(model.SerializeToString())
    return path
