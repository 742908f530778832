"""What the documentation names exists: pages, sections, files, commands, options, make targets."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from documentation import PAGES, ROOT, fenced, prose

from daemon.cli import main

SHELL = ("sh", "bash", "console")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_SPAN = re.compile(r"`([^`\n]+)`")
_EEGD = re.compile(r"(?:^|[\s/(|\\])eegd(?:\.exe)?((?:\s+[^\s`|;&()]+)*)")
_FILE = re.compile(r"(?:daemon|tests|docs)/[\w/.-]+\.(?:py|md|yaml)")
_COMMENT = re.compile(r"(?:^|\s)#.*$")

pytestmark = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def slug(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    words = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


def sections(page: Path) -> set[str]:
    return {slug(text) for text in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)}


def commands(page: Path) -> Iterator[str]:
    """Shell lines and code spans that may call something, without comments."""
    for fence, text in fenced(page):
        if fence in SHELL:
            for line in text.replace("\\\n", " ").splitlines():
                yield _COMMENT.sub("", line)
    yield from _SPAN.findall(prose(page))


def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(prose(page)):
        if "://" in link or link.startswith("mailto:"):
            continue
        target, _, section = link.partition("#")
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), link
        assert not section or section in sections(there), link


def test_every_command_and_option_exists(page: Path) -> None:
    context = click.Context(main)
    for text in commands(page):
        for called in _EEGD.findall(text):
            words = shlex.split(called.replace("'", "").replace('"', ""))
            if not words or not re.fullmatch(r"[a-z]+|-.*", words[0]):
                continue  # `eegd` alone, or a sentence's end
            command: click.Command | None = main
            if not words[0].startswith("-"):
                command = main.get_command(context, words[0])
                assert command is not None, f"`eegd {words[0]}`"
            known = {option for each in command.get_params(context) for option in each.opts}
            for option in (word for word in words if re.match(r"--?[a-z]", word)):
                assert option.partition("=")[0] in known, f"`{text}`: {option}"


def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for text in commands(page):
        if called := re.match(r"(?:\w+=\S+ )*make ([a-z-]+)", text):
            assert called[1] in targets, text


def test_files_that_are_named_exist(page: Path) -> None:
    for path in _SPAN.findall(prose(page)):
        if _FILE.fullmatch(path) and Path(path).stem not in ("x", "test_x"):  # "any module"
            assert (ROOT / path).exists(), path
