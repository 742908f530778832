"""Operations in a graph, as Keras 2 and 3 note them: known by a list, with plain arguments."""

from typing import Any

import pytest

from daemon.encoders.description import Refused
from daemon.encoders.operations import name_of, operation, own_layer

TENSOR = {"class_name": "__keras_tensor__", "config": {"keras_history": ["a", 0, 0]}}


def entry(kind: str, module: str | None = None, **config: object) -> dict[str, Any]:
    return {"class_name": kind, "config": config} | ({"module": module} if module else {})


def done(name: str, described: dict[str, Any], *args: object, **kwargs: object) -> Any:
    return with_call(name, described, {"args": list(args), "kwargs": kwargs})


def with_call(name: str, described: dict[str, Any], call: dict[str, Any]) -> Any:
    layer, calls = operation(name, described, [call], "it")
    return layer["config"]["arguments"], calls[0]["args"]


@pytest.mark.parametrize(
    ("described", "name"),
    [
        (entry("GetItem", "keras.src.ops.numpy"), "get_item"),
        (entry("Relu", "keras.src.ops.nn"), "relu"),
        (entry("Multiply", name="multiply"), "multiply"),  # of an HDF5 file
        (entry("Multiply", name="multiply", trainable=True), None),  # the layer
        (entry("Multiply", "keras.layers"), None),
        (entry("TFOpLambda", function="math.truediv"), "true_divide"),
        (entry("TFOpLambda", function="io.write_file"), None),
        (entry("TFOpLambda", function=["math.add"]), None),
        (entry("SlicingOpLambda", function="__operators__.getitem"), "get_item"),
        (entry("LoadImage", "keras.src.ops.image"), None),
        (entry("LSTM", "keras.layers", units=3), None),
    ],
)
def test_what_is_an_operation(described: dict[str, Any], name: str | None) -> None:
    assert name_of(described) == name


def test_constants_and_tensors_are_told_apart() -> None:
    assert done("subtract", entry("Subtract"), 1.0, TENSOR) == ({"x1": 1.0}, [TENSOR])
    assert done("subtract", entry("TFOpLambda"), 1.0, y=TENSOR) == ({"x1": 1.0}, [TENSOR])
    assert done("multiply", entry("Multiply"), TENSOR, TENSOR) == ({}, [TENSOR, TENSOR])
    assert done("concatenate", entry("Concatenate", axis=-1), [TENSOR, TENSOR]) == (
        {"axis": -1},
        [[TENSOR, TENSOR]],
    )
    assert done("mean", entry("Mean", axis=[1, 2], keepdims=False), TENSOR) == (
        {"axis": [1, 2], "keepdims": False},
        [TENSOR],
    )


def test_indices_of_both() -> None:
    every = {"start": None, "stop": None, "step": None}
    old = [every, -1, "Ellipsis", None]
    new = [{"class_name": "__slice__", "config": every}, -1]
    new += [{"class_name": "__ellipsis__", "config": {}}, None]
    assert done("get_item", entry("GetItem"), TENSOR, new) == ({"key": old}, [TENSOR])
    assert done("get_item", entry("SlicingOpLambda"), TENSOR, slice_spec=old)[0] == {"key": old}


def test_what_tensorflow_notes_of_arguments_not_given_is_dropped() -> None:
    given = {"perm": [0, 2, 1], "conjugate": False, "name": "transpose", "z": None}
    call = {"args": [TENSOR], "kwargs": given}
    assert with_call("transpose", entry("TFOpLambda"), call)[0] == {"axes": [0, 2, 1]}


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ([TENSOR, "text"], {}),
        ([TENSOR, {"class_name": "__lambda__", "config": {}}], {}),
        ([TENSOR, {"class_name": "__slice__", "config": {"start": TENSOR}}], {}),
        ([TENSOR, [TENSOR, 1]], {}),
        ([TENSOR, 1, 2], {}),
        ([TENSOR], {"transpose_b": True}),
        ([TENSOR], {"dtype": "float16"}),
    ],
)
def test_anything_else_is_refused(args: list[object], kwargs: dict[str, object]) -> None:
    with pytest.raises(Refused, match=r"^it "):
        done("matmul", entry("Matmul"), *args, **kwargs)


def test_different_constants_at_different_calls_are_refused() -> None:
    calls = [{"args": [TENSOR, n], "kwargs": {}} for n in (1, 2)]
    with pytest.raises(Refused, match="different arguments"):
        operation("add", entry("Add"), calls, "it")


@pytest.mark.parametrize(
    "config",
    [
        None,
        {"operation": "load_model", "arguments": {}},
        {"operation": "mean", "arguments": {"axes": 1}},
        {"operation": "mean", "arguments": {"axis": "os"}},
        {"operation": "mean", "arguments": None},
        {"operation": ["mean"], "arguments": {}},
    ],
)
def test_our_own_layer_is_held_against_the_list_too(config: object) -> None:
    with pytest.raises(Refused, match=r"^it "):
        own_layer({"class_name": "Operation", "config": config}, "it")
