"""The pages of the documentation, as the tests read them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

_FENCED = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def fenced(page: Path) -> list[tuple[str, str]]:
    """What stands after the opening fence, and the text within, of each block."""
    return [(found[2], found[3]) for found in _FENCED.finditer(page.read_text(encoding="utf-8"))]


def block(page: str, name: str) -> str:
    """The one block of ``docs/<page>`` whose fence says ``<language> name``."""
    found = [text for fence, text in fenced(ROOT / "docs" / page) if fence.split()[1:] == [name]]
    assert len(found) == 1, f"{len(found)} blocks {name} in {page}"
    return found[0]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCED.sub("", page.read_text(encoding="utf-8"))
