"""An ONNX file reaches nothing outside of its folder, and brings no operators of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from onnx_models import graph, saved, saved_with_weights_beside

from daemon.encoders import onnx_file
from daemon.encoders.description import Refused

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")


def refused(path: Path, *said: str) -> None:
    with pytest.raises(Refused) as caught:
        onnx_file.opened(path)
    for part in said:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_whole_file_is_opened_with_its_hash(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.onnx")
    model, sha256 = onnx_file.opened(path)
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert model.graph.node[0].op_type == "Conv"


def test_weights_beside_the_model_are_read_into_it_and_count_for_its_hash(tmp_path: Path) -> None:
    path = saved_with_weights_beside(tmp_path / "net.onnx", "net.onnx.data")
    model, sha256 = onnx_file.opened(path)
    whole = graph()
    for read, written in zip(model.graph.initializer, whole.graph.initializer, strict=True):
        assert read.raw_data == written.raw_data
    (tmp_path / "net.onnx.data").write_bytes(bytes(4 + 4 * 5 * 3 * 7))
    assert onnx_file.opened(path)[1] != sha256
    (tmp_path / "net.onnx.data").write_bytes(bytes(10))
    refused(path, "'kernel' reach beyond the end of 'net.onnx.data'")
    (tmp_path / "net.onnx.data").unlink()
    refused(path, "'net.onnx.data', which is not beside it")


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "sub/secret", "..", "", "."])
def test_weights_from_elsewhere_are_refused(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    for place in (tmp_path, folder / "sub"):
        (place / "secret").write_bytes(bytes(1000))
    path = saved_with_weights_beside(folder / "net.onnx", "secret")
    content = onnx.load_model_from_string(path.read_bytes())
    kernel = next(one for one in content.graph.initializer if one.name == "kernel")
    kernel.external_data[0].value = location
    path.write_bytes(content.SerializeToString())
    refused(path, "which is no")


def test_a_link_in_the_place_of_weights_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(1000))
    path = saved_with_weights_beside(folder / "net.onnx", "weights")
    (folder / "weights").unlink()
    (folder / "weights").symlink_to(tmp_path / "secret")
    refused(path, "which is no file beside it")


def _with_function(model: object) -> None:
    helper = onnx.helper
    node = helper.make_node("Relu", ["x"], ["y"])
    own = helper.make_function("own", "Own", ["x"], ["y"], [node], [helper.make_opsetid("", 18)])
    model.functions.append(own)  # type: ignore[attr-defined]


def _with_node(model: object) -> None:
    model.graph.node.append(  # type: ignore[attr-defined]
        onnx.helper.make_node("X", [], [], domain="com.x")
    )


def _with_lots(model: object) -> None:
    node = onnx.helper.make_node("RandomNormalLike", ["logits"], ["noise"])
    model.graph.node.append(node)  # type: ignore[attr-defined]


def _in_training(model: object) -> None:
    node = onnx.helper.make_node("BatchNormalization", ["logits"] * 5, ["n"], training_mode=1)
    model.graph.node.append(node)  # type: ignore[attr-defined]


def _with_branch(model: object) -> None:
    helper = onnx.helper
    branch = helper.make_graph(
        [helper.make_node("Evil", [], ["z"], domain="org.evil")], "branch", [], []
    )
    node = helper.make_node("If", ["logits"], ["w"], then_branch=branch, else_branch=branch)
    model.graph.node.append(node)  # type: ignore[attr-defined]


def test_sparse_weights_in_an_attribute_reach_no_other_file(tmp_path: Path) -> None:
    helper, kind = onnx.helper, onnx.TensorProto
    (tmp_path / "secret").write_bytes(bytes(range(16)))
    values = kind(name="v", dims=[2], data_type=kind.FLOAT, data_location=kind.EXTERNAL)
    entry = values.external_data.add()
    entry.key, entry.value = "location", "secret"
    indices = helper.make_tensor("i", kind.INT64, [2], [0, 1])
    sparse = helper.make_sparse_tensor(values, indices, [4])
    model = graph()
    model.graph.node.append(helper.make_node("Constant", [], ["more"], sparse_value=sparse))
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    opened, sha256 = onnx_file.opened(path)
    read = opened.graph.node[-1].attribute[0].sparse_tensor.values
    assert (read.data_location, read.raw_data) == (kind.DEFAULT, bytes(range(16)))
    (tmp_path / "secret").write_bytes(bytes(16))
    assert onnx_file.opened(path)[1] != sha256


def test_a_file_that_many_weights_share_counts_for_each_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved_with_weights_beside(tmp_path / "net.onnx", "net.data")
    model = onnx.load_model_from_string(path.read_bytes())
    for n in range(9):
        again = model.graph.initializer.add()
        again.CopyFrom(next(one for one in model.graph.initializer if one.name == "kernel"))
        again.name = f"again{n}"
    path.write_bytes(model.SerializeToString())
    monkeypatch.setattr(onnx_file, "MAX_FILE", path.stat().st_size + 5 * 4 * 5 * 3 * 7)
    refused(path, "larger than 2 GiB")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda m: m.graph.node.append(onnx.helper.make_node("X", [], [], domain="com.x")),
            "com.x",
        ),
        (_with_function, "functions of its own"),
        (_with_branch, "org.evil"),
        (_with_lots, "draws lots"),
        (_in_training, "draws lots"),
    ],
)
def test_operators_of_others_are_refused_wherever_they_stand(
    tmp_path: Path, change: Callable[[object], None], said: str
) -> None:
    model = graph()
    change(model)
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    refused(path, said)


def test_rubbish_and_cuts_are_refused(tmp_path: Path) -> None:
    content = graph().SerializeToString()
    path = tmp_path / "net.onnx"
    for wrong in (b"", b"rubbish", content[: len(content) // 2], content[:-3]):
        path.write_bytes(wrong)
        refused(path)
