"""ONNX files: broken bytes, graphs without sense, weights from anywhere. Only refusals."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutation import FUZZ, ODD_TEXT, mutated
from onnx_models import graph

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")

Run = Callable[[str, Path], tuple[str, str]]

WHOLE = graph().SerializeToString()
OPERATORS = ["Conv", "Relu", "MatMul", "Reshape", "Gather", "Loop", "If", "Scan", "LSTM", "Resize"]
OPERATORS += ["Split", "Pad", "Expand", "Tile", "ConstantOfShape", "Einsum", "TopK", "Sequence", ""]
NUMBERS = st.sampled_from([-(2**63), -1, 0, 1, 2, 3, 7, 40, 2**31, 2**62])
TEXTS = st.sampled_from(["", "eeg", "logits", "kernel", "time", "../x", "com.evil", "ai.onnx"])


@st.composite
def graphs(draw: st.DrawFn) -> bytes:
    """The model with up to three of its parts changed."""
    model = graph()
    for _ in range(draw(st.integers(1, 3))):
        node = draw(st.sampled_from(list(model.graph.node)))
        tensor = draw(st.sampled_from(list(model.graph.initializer)))
        match draw(st.integers(0, 9)):
            case 0:
                node.op_type = draw(st.sampled_from(OPERATORS))
            case 1:
                node.domain = draw(TEXTS)
            case 2:
                names = node.input if draw(st.booleans()) else node.output
                names[draw(st.integers(0, len(names) - 1))] = draw(TEXTS)
            case 3:
                name = draw(st.sampled_from(["axis", "axes", "keepdims", "pads", "group"]))
                node.attribute.append(onnx.helper.make_attribute(name, draw(NUMBERS)))
            case 4:
                tensor.dims[draw(st.integers(0, len(tensor.dims) - 1))] = draw(NUMBERS)
            case 5:
                tensor.data_type = draw(st.integers(0, 23))
            case 6:
                tensor.raw_data = draw(st.binary(max_size=20))
            case 7:
                tensor.data_location = onnx.TensorProto.EXTERNAL
                entry = tensor.external_data.add()
                entry.key = draw(st.sampled_from(["location", "offset", "length", "checksum"]))
                entry.value = draw(st.sampled_from([text.decode("latin-1") for text in ODD_TEXT]))
            case 8:
                shape = model.graph.input[0].type.tensor_type.shape
                shape.dim[draw(st.integers(0, 2))].dim_value = draw(NUMBERS)
            case _:
                model.opset_import[0].version = draw(NUMBERS)
    return bytes(model.SerializeToString())


@FUZZ
@given(st.one_of(graphs(), mutated(WHOLE), st.binary(max_size=100)))
def test_onnx(
    count: Counter[str], tmp_path_factory: pytest.TempPathFactory, worker: Run, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "net.onnx"
    path.write_bytes(content)
    outcome, text = worker("onnx", path)
    count[outcome] += 1
    assert outcome != "bug", text
