"""Files that strangers wrote: bounded in time, memory and characters."""

import time
import tracemalloc
from pathlib import Path

import pytest

from daemon.config import load_config
from daemon.errors import UsageError
from daemon.validation import MAX_FILE, read_yaml

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
