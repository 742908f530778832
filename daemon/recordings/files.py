"""Which files are recordings, of those that files, folders and patterns name.

Rules that hold here:

- What is named by itself is taken as it is, so that its reader can say what is wrong with it.
- In folders, and of what fits a pattern, hidden files are none, as those that macOS puts beside
  others (``._S1.edf``); nor are FIF files without continuous samples, as epochs and averages.
- Of a FIF recording that was split, the first part counts, which brings the others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from daemon.errors import UsageError
from daemon.recordings.reading import FIF, SUFFIXES
from daemon.recordings.tags import first_part, read_contents


def recording_files(patterns: Sequence[str]) -> list[Path]:
    """The recordings that ``patterns`` (files, folders, globs) name, each once, in order of name.

    Raises
    ------
    UsageError
        A pattern that fits nothing.
    """
    found: dict[Path, Path] = {}  # by where links lead: the name counts, and each file once
    for pattern in patterns:
        path = Path(os.path.normpath(Path(pattern).absolute()))
        files = [path] if path.is_file() else [*_recordings(path)]
        if not files:
            raise UsageError(
                f"recordings: {pattern} is no file, no folder with {', '.join(SUFFIXES)} in it, "
                "and no pattern that fits any"
            )
        found.update((file.resolve(), file) for file in files)
    return sorted(found.values())


def _recordings(pattern: Path) -> Iterator[Path]:
    """Recordings in a folder, or that fit a pattern."""
    if pattern.is_dir():
        candidates = [*pattern.rglob("*")]
    else:
        try:
            within = str(pattern.relative_to(pattern.anchor))
            candidates = [*Path(pattern.anchor).glob(within)]
        except ValueError:
            raise UsageError(
                f"recordings: in {pattern} the ** has to stand alone between slashes, as in "
                "data/**/*.fif"
            ) from None
    for file in candidates:
        name = file.name.lower()
        hidden = any(part.startswith(".") for part in {*file.parts} - {*pattern.parts})
        if hidden or not name.endswith(SUFFIXES) or not file.is_file():
            continue
        if not name.endswith(FIF) or _begins(file):
            yield file


def _begins(file: Path) -> bool:
    """Whether a FIF file is a recording, and no part that another one brings."""
    try:
        return read_contents(file).is_recording and first_part(file) == file
    except (UsageError, OSError):
        return True  # a broken one is for its reader to refuse
