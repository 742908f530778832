"""What the libraries that read recordings complain of, as one line for the user."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.errors import UsageError, with_extra
from daemon.text import clean


@contextmanager
def quiet(name: str) -> Iterator[list[str]]:
    """Keep a library's log off the terminal; what it logs as an error is collected."""
    complaints: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            complaints.append(record.getMessage())

    logger = logging.getLogger(name)
    kept = logger.handlers[:], logger.propagate
    logger.handlers[:], logger.propagate = [Collect(logging.ERROR)], False
    try:
        yield complaints
    finally:
        logger.handlers[:], logger.propagate = kept


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """What keeps a recording from being read within the block becomes one line for the user."""
    if not path.is_file():
        raise UsageError(f"recording {path} does not exist")
    try:
        yield
    except ImportError as error:
        what = error.name or "a package"
        raise UsageError(
            f"recording {path} needs {what} to be read: {with_extra('recordings')}"
        ) from error
    except OSError as error:
        raise UsageError(f"recording {path} cannot be read: {one_line(error)}") from error


def unreadable(path: Path, error: Exception) -> UsageError:
    """The error to raise when a library failed on a file."""
    return UsageError(
        f"recording {path} ({path.stat().st_size} bytes) is cut off, corrupt or no continuous "
        f"recording: {one_line(error)}"
    )


def one_line(error: Exception) -> str:
    return clean(str(error), 300) or error.__class__.__name__
