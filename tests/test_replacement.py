"""What takes a Lambda's place: an operation in words, or a line that says what may stand there."""

import pytest

from daemon.encoders.replacement import replacements
from daemon.errors import UsageError


@pytest.mark.parametrize(
    ("words", "operation", "arguments"),
    [
        ("squeeze:2", "squeeze", {"axis": 2}),
        ("expand_dims:-1", "expand_dims", {"axis": -1}),
        ("mean:1,2", "mean", {"axis": [1, 2]}),
        ("square", "square", {}),
        ("abs", "absolute", {}),
        ("multiply:0.5", "multiply", {"x2": 0.5}),
        ("clip:-1,1", "clip", {"x_min": -1, "x_max": 1}),
    ],
)
def test_operations(words: str, operation: str, arguments: dict[str, object]) -> None:
    config = replacements([f"lambda_1={words}"])["lambda_1"]["config"]
    assert (config["operation"], config["arguments"]) == (operation, arguments)


@pytest.mark.parametrize(
    ("words", "kind", "config"),
    [
        ("reshape:20,3", "Reshape", {"target_shape": [20, 3]}),
        ("permute:2,1", "Permute", {"dims": [2, 1]}),
        ("identity", "Identity", {}),
    ],
)
def test_layers(words: str, kind: str, config: dict[str, object]) -> None:
    layer = replacements([f"a={words}"])["a"]
    assert (layer["class_name"], layer["config"]) == (kind, config)


@pytest.mark.parametrize(
    "option", ["lambda_1", "=square", "a=", "a=eval", "a=__import__:1", "a=Lambda"]
)
def test_what_is_no_operation(option: str) -> None:
    with pytest.raises(UsageError, match="is not LAYER=OPERATION with one of identity, reshape"):
        replacements([option])


@pytest.mark.parametrize(
    "words", ["squeeze", "squeeze:a", "squeeze:0.5", "square:2", "clip:1", "reshape:", "mean:[1]"]
)
def test_numbers_that_do_not_go_with_it(words: str) -> None:
    with pytest.raises(UsageError, match="these numbers do not go with"):
        replacements([f"a={words}"])
