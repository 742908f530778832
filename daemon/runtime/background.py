"""Lines written by a thread of their own, so that no disk or terminal is ever waited for.

Rules that hold here:

- `Aside.write` never blocks. Lines wait in a bounded queue; those that find it full are counted
  and left out.
- A line is one `write` to a file opened for appending, and lies within one page of it: there whole,
  or not at all, whenever the process is killed. Linux takes a write page by page and gives up
  between two of them when the process is killed, so that a line across two would be cut there.
- The thread may hang for ever without harm; nobody waits for it longer than `FAREWELL`.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue

from daemon.errors import UsageError

log = logging.getLogger(__name__)

LINES = 10_000  # that may wait: some megabytes of markers, hours of windows at the default hop
FAREWELL = 0.5  # seconds
PAGE = 4096  # bytes; the smallest that a file is written in


class Aside:
    """Writes lines to ``fd``, which becomes its own, from construction to `close`.

    Parameters
    ----------
    name : str
        Of the thread.
    fd : int
        An open file descriptor.
    full : function of no arguments
        Called once, when the first line is left out.
    failed : function of OSError, or None
        Called once, when writing has failed; no line is written after that. None: only that line
        is left out.
    """

    def __init__(
        self,
        name: str,
        fd: int,
        *,
        full: Callable[[], object] = lambda: None,
        failed: Callable[[OSError], object] | None = None,
    ) -> None:
        self.left_out = 0
        self._fd = fd
        self._full = full
        self._failed = failed
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        if self._lines.qsize() < LINES:
            self._lines.put((line + "\n").encode(errors="backslashreplace"))
            return
        self.left_out += 1
        if self.left_out == 1:
            self._full()

    def close(self) -> None:
        """Write what waits, as far as that goes quickly; what does not counts as left out."""
        self._lines.put(None)
        self._thread.join(FAREWELL)
        if self._thread.is_alive():
            self.left_out += self._lines.qsize()

    def _run(self) -> None:
        failed = False
        longest = PAGE // 4
        while (line := self._lines.get()) is not None:
            if failed:
                self.left_out += 1
                continue
            longest = max(longest, len(line))
            try:
                _write_whole(self._fd, _filling_its_page(self._fd, line, longest))
            except OSError as error:
                self.left_out += 1
                if self._failed is not None:
                    failed = True
                    self._failed(error)
        os.close(self._fd)


def _filling_its_page(fd: int, line: bytes, longest: int) -> bytes:
    """``line``, with spaces at its end where one of up to ``longest`` bytes needs the next page."""
    file = os.fstat(fd)
    room = -(file.st_size + len(line)) % PAGE
    if stat.S_ISREG(file.st_mode) and room < longest:
        return line[:-1] + b" " * room + b"\n"
    return line


def _write_whole(fd: int, line: bytes) -> None:
    written = os.write(fd, line)
    if written < len(line):  # the disk is full: half a line would be no line
        with contextlib.suppress(OSError):
            os.ftruncate(fd, os.fstat(fd).st_size - written)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class MarkerLog:
    """The file that also receives every marker, if there is one.

    Raises
    ------
    UsageError
        ``path`` cannot be opened.
    """

    def __init__(self, path: Path | None) -> None:
        # Held for a moment: a line must not go to a thread that has just been told to end.
        self._lock = threading.Lock()
        self._aside: Aside | None = None
        self.reopen(path)

    def reopen(self, path: Path | None) -> None:
        """Append to ``path`` from now on, also if a file of that name was moved away.

        Raises
        ------
        UsageError
            ``path`` cannot be opened; the file from before stays.
        """
        aside = None
        if path is not None:
            aside = Aside(
                "output.log",
                _open(path),
                full=lambda: log.warning(
                    "output.log: %s is not written fast enough; markers are missing from it", path
                ),
                failed=lambda error: log.warning(
                    "output.log: %s cannot be written (%s); predictions go on without it",
                    path,
                    error.strerror,
                ),
            )
            if _ends_within_a_line(path):
                aside.write("")  # one broken line, rather than one glued to the first of ours
        with self._lock:
            before, self._aside = self._aside, aside
        if before is not None:
            _close(before)

    def write(self, marker: str) -> None:
        with self._lock:
            if self._aside is not None:
                self._aside.write(marker)

    def close(self) -> None:
        self.reopen(None)


def _close(aside: Aside) -> None:
    aside.close()
    if aside.left_out:
        log.warning("output.log: %d markers are missing from it", aside.left_out)


def _open(path: Path) -> int:
    # A named pipe without a reader is refused by O_NONBLOCK, where the bare open would hang.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0)
    try:
        fd = os.open(path, flags, 0o644)
    except OSError as error:
        raise UsageError(f"output.log: {path} cannot be opened: {error.strerror}") from None
    if hasattr(os, "O_NONBLOCK"):
        os.set_blocking(fd, True)
    return fd


def _ends_within_a_line(path: Path) -> bool:
    if not path.is_file() or path.stat().st_size == 0:
        return False
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:
        return False  # ours to write, and not to read


class _Handler(logging.Handler):
    def __init__(self, aside: Aside) -> None:
        super().__init__()
        self._aside = aside

    def emit(self, record: logging.LogRecord) -> None:
        self._aside.write(self.format(record))


@contextlib.contextmanager
def logging_aside() -> Iterator[None]:
    """Log to standard error as before, but through an `Aside`."""
    root = logging.getLogger()
    before = root.handlers[:]
    # A descriptor of its own: the other one is put aside while TensorFlow is imported.
    aside = Aside("log", os.dup(2))
    handler = _Handler(aside)
    if before:
        handler.setFormatter(before[0].formatter)
        handler.filters = before[0].filters
    root.handlers[:] = [handler]
    try:
        yield
    finally:
        root.handlers[:] = before
        aside.close()
