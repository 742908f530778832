"""The codes of reasons: one list, which the page has too; and nobody reads the words back."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator

import pytest
from documentation import ROOT

from daemon.reasons import CONNECTION, Code, kind

SOURCES = sorted((ROOT / "daemon").rglob("*.py"))
READING = {
    *("split", "rsplit", "partition", "rpartition", "startswith", "endswith", "find", "rfind"),
    *("index", "count", "removeprefix", "removesuffix", "splitlines"),
}
SEARCHING = {"match", "search", "fullmatch", "findall", "finditer", "sub", "shape", "Alike"}
WORDS = {"reason", "why"}


def test_the_page_lists_every_code_with_its_meaning() -> None:
    page = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
    table = page.partition("| code | meaning |")[2].partition("\n\n")[0]
    listed = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", table, re.MULTILINE))
    assert listed == {code.value: code.meaning for code in Code}


def test_a_code_is_its_text_wherever_it_is_written() -> None:
    assert (str(Code.FLAT), f"{Code.FLAT}", json.dumps(Code.FLAT)) == ("flat", "flat", '"flat"')
    assert Code("flat") is Code.FLAT
    assert all(re.fullmatch(r"[a-z_]+", code.value) for code in Code)
    assert all("\n" not in code.meaning for code in Code)


def test_a_code_that_was_read_as_text_is_found_among_the_codes() -> None:
    assert json.loads(json.dumps(Code.STALLED)) in CONNECTION
    assert json.loads(json.dumps(Code.FLAT)) not in CONNECTION


def test_reasons_are_counted_as_one_by_code_and_channels() -> None:
    flat = kind("flat", ("Fp1",), "flat for 1 s")
    assert flat == kind(Code.FLAT, ["Fp1"], "flat for 2 s")
    assert flat != kind("flat", ("Fp1", "Cz"), "flat for 1 s")
    assert flat != kind("saturated", ("Fp1",), "flat for 1 s")


def test_reasons_without_a_code_are_one_if_their_words_are() -> None:
    assert kind(None, (), "flat for 1 s") == kind(None, (), "flat for 1 s")
    assert kind(None, (), "flat for 1 s") != kind(None, (), "flat for 2 s")
    assert kind(None, (), "flat") != kind("flat", (), "flat")


def _are_words(node: ast.AST) -> bool:
    """Whether ``node`` stands for a reason, its words, or those of an error."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str":
        return any(isinstance(arg, ast.Name) and arg.id == "error" for arg in node.args)
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant) and node.slice.value in WORDS
    if isinstance(node, ast.Attribute) and node.attr == "text":
        return isinstance(node.value, ast.Name) and node.value.id == "fault"
    return getattr(node, "attr", getattr(node, "id", None)) in WORDS


def _has_words(node: ast.AST) -> bool:
    return any(map(_are_words, ast.walk(node)))


def _read_back(source: str) -> Iterator[int]:
    """Lines in which something is looked for in a reason's words, or they are compared."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            owner = node.func.value if isinstance(node.func, ast.Attribute) else None
            # Without arguments, `split` only tidies the blanks of a library's message.
            reads = name in READING and bool(node.args) and owner is not None
            if (reads and _has_words(owner)) or (
                name in SEARCHING and any(map(_has_words, node.args))
            ):
                yield node.lineno
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            contained = any(isinstance(op, ast.In | ast.NotIn) for op in node.ops)
            against_text = any(
                (isinstance(side, ast.Constant) and isinstance(side.value, str))
                or (isinstance(side, ast.Call) and _are_words(side))
                for side in sides
            )
            if (contained or against_text) and any(map(_has_words, sides)):
                yield node.lineno


def test_no_part_of_the_program_reads_the_words_of_another() -> None:
    assert len(SOURCES) > 100
    found = [
        f"{source.relative_to(ROOT)}:{line}"
        for source in SOURCES
        for line in _read_back(source.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        '_CHANNELS.match(last.reason or "")',
        "shape(reason)",
        'str(error).partition("contract: ")[2]',
        "if str(error) != self._refusal: pass",
        'if "flat" in marker["reason"]: pass',
        'if prediction.reason == "flat": pass',
        'prediction.reason.startswith("channel")',
        'fault.text.split(": ")',
        're.search("flat", stretch.why.text)',
    ],
)
def test_who_reads_words_is_found(source: str) -> None:
    assert [*_read_back(source)] == [1]


@pytest.mark.parametrize(
    "source",
    [
        "if error.reason != self._refusal: pass",
        "if marker.code == Code.FLAT: pass",
        "clean(marker['reason'], 300)",
        'log.warning("abstaining: %s", reason)',
        "if prediction.reason is None: pass",
    ],
)
def test_who_shows_words_or_goes_by_codes_does_not(source: str) -> None:
    assert [*_read_back(source)] == []
