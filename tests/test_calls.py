"""The calls that Keras 2 and 3 note, in one form and without anything that is not plain."""

from typing import Any

import pytest

from daemon.encoders.calls import calls, renumbered
from daemon.encoders.description import Refused


def tensor(*history: object) -> dict[str, Any]:
    config = {"shape": [None], "dtype": "float32", "keras_history": list(history)}
    return {"class_name": "__keras_tensor__", "config": config}


def one(node: object, *, keras_2: bool = True, models: frozenset[str] = frozenset()) -> Any:
    return calls([node], "it", keras_2=keras_2, models=models)


@pytest.mark.parametrize(
    ("node", "args", "kwargs"),
    [
        ([["a", 0, 0]], [tensor("a", 0, 0)], {}),
        ([["a", 0, 0, {}]], [tensor("a", 0, 0)], {}),
        ([["a", 0, 0, {}], ["b", 1, 2, {}]], [[tensor("a", 0, 0), tensor("b", 1, 2)]], {}),
        (["a", 0, 0, {"y": 0.5}], [tensor("a", 0, 0)], {"y": 0.5}),
        (["a", 0, 0, {"y": ["b", 0, 1]}], [tensor("a", 0, 0)], {"y": tensor("b", 0, 1)}),
        (["_CONSTANT_VALUE", -1, 1.0, {"y": ["a", 0, 0]}], [1.0], {"y": tensor("a", 0, 0)}),
        ([["m", 1, 0, {"axis": [1, 2]}]], [tensor("m", 0, 0)], {"axis": [1, 2]}),
    ],
)
def test_what_keras_2_notes(node: object, args: list[Any], kwargs: dict[str, Any]) -> None:
    assert one(node, models=frozenset(["m"])) == [{"args": args, "kwargs": kwargs}]


def test_what_keras_3_notes_stays() -> None:
    node = {"args": [tensor("a", 0, 0), 0.5], "kwargs": {"mask": None, "key": tensor("b", 0, 0)}}
    assert one(node, keras_2=False) == [node]


@pytest.mark.parametrize(
    "node",
    [
        None,
        5,
        "a",
        [["a", 0]],
        [["a", "b", "c"]],
        [["a", 0, 0, 0]],
        ["a", 0, 0, {"y": {"class_name": "__lambda__", "config": {}}}],
        ["_CONSTANT_VALUE", -1, {"class_name": "__lambda__"}, {}],
        {"args": [{"class_name": "__lambda__", "config": {}}], "kwargs": {}},
        {"args": [{"class_name": "__keras_tensor__", "config": "a"}], "kwargs": {}},
        {"args": None, "kwargs": {}},
        {"class_name": "__lambda__", "config": {}},
    ],
)
def test_nothing_else_passes(node: object) -> None:
    with pytest.raises(Refused, match=r"^it "):
        one(node)


def test_training_for_ever_is_refused_of_keras_2_alone() -> None:
    with pytest.raises(Refused, match="training=True"):
        one([["a", 0, 0, {"training": True}]])
    node = {"args": [tensor("a", 0, 0)], "kwargs": {"training": True}}
    assert one(node, keras_2=False) == [node]


def test_outputs_are_renumbered() -> None:
    outputs = [["m", 1, 0], ["a", 1, 0]]
    assert renumbered(outputs, frozenset(["m"])) == [["m", 0, 0], ["a", 1, 0]]
    assert renumbered(outputs[0], frozenset(["m"])) == ["m", 0, 0]
