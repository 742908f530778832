"""Files that strangers wrote: bounded in time, memory and characters."""

import datetime
import math
import re
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

# So that every kind of file that is read is among the subclasses of `Strict`.
from daemon.config import load_config
from daemon.errors import UsageError
from daemon.training.settings import load_training
from daemon.validation import MAX_FILE, Strict, read_yaml, validated

LAUGHS = (
    "a: &a ["
    + "lol," * 9
    + "]\n"
    + "".join(
        f"{one}: &{one} [{f'*{before},' * 9}]\n"
        for before, one in zip("abcdefghi", "bcdefghij", strict=True)
    )
)
BOMBS = {
    "alias": LAUGHS,
    "alias to itself": "a: &a [*a]",
    "merged alias": "a: &a {b: 1}\nc: {<<: *a}",
    "flow nesting": "[" * 20_000,
    "mappings": "{a: " * 20_000,
    "block nesting": "".join("  " * depth + "- a:\n" for depth in range(300)),
    "size": "# " + "a" * MAX_FILE,
    "python object": "!!python/object/apply:os.system [echo]",
    "tag": "!!int ''",
    "long number": "9" * 10_000,
    "sexagesimal": "1" + ":59" * 20_000 + ".5",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_in_one_line_at_once(bomb: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(BOMBS[bomb], encoding="utf-8")
    tracemalloc.start()
    begin = time.process_time()
    with pytest.raises(UsageError) as caught:
        load_config(path)
    assert time.process_time() - begin < 5
    assert tracemalloc.get_traced_memory()[1] < 100 * MAX_FILE
    tracemalloc.stop()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500 + len(str(path))
    assert str(path) in str(caught.value)


def test_an_endless_file_is_not_read_to_its_end() -> None:
    with pytest.raises(UsageError, match="larger than 256 KiB"):
        read_yaml(Path("/dev/zero"), "config file")


@pytest.mark.parametrize(
    "text",
    [
        "model: {path: m, contract: {sample_rate: 1, window: 1, channels: [Cz], classes: [a, b], "
        'conditioning: [{"\\x1b[2J": 1}]}}',
        'model: {path: m}\n"\\x1b[2J": 1',
        'model: {path: m}\nwindow: {"\\u202e": 1}',
    ],
)
def test_what_a_refusal_quotes_can_be_shown(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load_config(path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("label", ["Fp\u202e1", "Fp\x1b[31m", "Fp\n1", "F" * 200])
def test_labels_and_classes_can_be_shown(label: str, tmp_path: Path) -> None:
    """A bundle's contract comes from outside, and its classes go to terminals and markers."""
    path = tmp_path / "config.yaml"
    written = label.encode("unicode_escape").decode()
    path.write_text(
        "model: {path: m, contract: {sample_rate: 1, window: 1, channels: [Cz], "
        f'classes: [a, "{written}"]}}}}',
        encoding="utf-8",
    )
    with pytest.raises(UsageError, match=r"model\.contract\.classes\.1: ") as caught:
        load_config(path)
    assert str(caught.value).isprintable()


def written_of_every_type() -> Iterator[object]:
    """Values of every kind that YAML has, right for few keys and wrong for most."""
    yield from (None, True, 0, -1, 3, 10**30, 2.5, -1e300, math.nan, math.inf)
    yield from ("", "text", "7", "true", "\x1b[2J", datetime.date(2020, 1, 1))
    yield from ([], ["a"], ["a", "A"], [1], [None], [True], [[1]], [{"a": 1}], ["a"] * 40, [{}])
    yield from ({}, {"a": 1}, {1: 2}, {"a": "b", "c": "B"}, {None: {}}, {"x": {"y": []}})


def models(kind: type[Strict] = Strict) -> Iterator[type[Strict]]:
    for model in kind.__subclasses__():
        yield model
        yield from models(model)


# Words by which pydantic speaks to programmers.
FOREIGN = re.compile(
    r"[Ii]nput|a valid|not valid|permitted|required|tuple|dictionary|string|integer|boolean"
    r"|instance|parse|float|Value error|should|(?<!\.)None|True|False",
)


def refusal(model: type[Strict], content: object) -> str | None:
    """What is said of ``content``, if it is refused."""
    try:
        validated(model, content, "file.yaml")
    except UsageError as error:
        return str(error).removeprefix("file.yaml: ")
    return None


@pytest.mark.parametrize("model", [*models()], ids=lambda model: model.__name__)
def test_whatever_is_written_is_refused_by_key_and_in_plain_words(model: type[Strict]) -> None:
    refused = 0
    for key in model.model_fields:
        for value in written_of_every_type():
            said = refusal(model, {key: value}) or ""
            assert not FOREIGN.search(said), said
            assert said.isprintable()
            for part in said.split("; "):
                # Of keys that are missing here; of more than one key; and lists of what is known.
                if not re.search(r": is missing$|^a step is|^known here|^$", part):
                    assert re.match(rf"(unknown key ')?{key}\b", part), said
                    refused += 1
    assert refused or not model.model_fields


@pytest.mark.parametrize("model", [*models()], ids=lambda model: model.__name__)
def test_what_is_no_mapping_is_refused_in_plain_words(model: type[Strict]) -> None:
    for value in written_of_every_type():
        said = refusal(model, value) or ""
        assert not FOREIGN.search(said), said
        assert said.isprintable()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("window: {hop: 2.5}", "window.hop: must be a whole number, not 2.5"),
        ("window: {hop: '160'}", "window.hop: must be a whole number, not the text '160': write it "
         "without quotes"),
        ("window: {hop: 0}", "window.hop: must be more than 0, not 0"),
        ("window: {hop: [1]}", "window.hop: must be a whole number, not a list"),
        ("window: {hop: 1000000000000000}", "hop: must be 10000000 or less, not so large a number"),
        ("quality: {stall_after: .inf}", "stall_after: must be a finite number, not a number that "
         "is not finite"),
        ("stream: {name: 5}", "stream.name: must be text, not 5: write it in quotes"),
        ("stream: {name: on}", "stream.name: must be text, not true: write it in quotes"),
        ("stream: {name: 2020-01-01}", "stream.name: must be text, not the date 2020-01-01: write"),
        ("stream: {channels: Cz}", "stream.channels: must be a list, not the text 'Cz'"),
        ("stream: {rename: [A1]}", "rename: must be a mapping of keys to values, not a list"),
        ("stream: {rename: {1: Cz}}", "stream.rename: the key 1 must be text: write it in quotes"),
        ("stream: {rename: {A1: Cz, a2: CZ.}}", "stream.rename: CZ occurs more than once"),
        ("stream: {rename: {A1: Cz, a1: Pz}}", "stream.rename: A1 occurs more than once"),
        ("stream: {sample_rate: 0}", "stream.sample_rate: must be more than 0, not 0"),
        ("stream: {sample_rate: 1.0e+9}", "sample_rate: must be 1000000 or less, not 1000000000"),
        ("stream: {unit: ohm}", "stream.unit: must be volts, millivolts, microvolts or nanovolts, "
         "not the text 'ohm'"),
        ("output: {name: ''}", "output.name: must have 1 character or more, not an empty text"),
        ("engine: [a]", "engine: must be a mapping of keys to values, not a list"),
        ("5: 6", "config.yaml: the key 5 must be text: write it in quotes"),
    ],
)  # fmt: skip
def test_what_belongs_there_and_what_is_there(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"model: {{path: m}}\n{text}", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load_config(path)
    assert said in str(caught.value)


def test_a_training_files_contract_is_refused_in_the_same_words(tmp_path: Path) -> None:
    path = tmp_path / "training.yaml"
    path.write_text(
        "{recordings: [a.edf], channels: [Cz], sample_rate: 100, window: 10, "
        "classes: {a: x, b: y}, conditioning: [{highpass: fast}, {notch: {frequency: '50'}}]}",
        encoding="utf-8",
    )
    with pytest.raises(UsageError) as caught:
        load_training(path)
    assert str(caught.value) == (
        f"{path}: conditioning.0.highpass: write frequency, or a mapping with it; "
        "conditioning.1.notch.frequency: must be a number, not the text '50': write it without "
        "quotes"
    )
