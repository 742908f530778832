"""Lines to disks that are full, hang, or go away; and a process that is killed while it writes."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from daemon.errors import UsageError
from daemon.runtime import background as aside
from daemon.runtime.background import Aside, MarkerLog

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")


def test_lines_are_there_in_order_once_closed(tmp_path: Path) -> None:
    path = tmp_path / "markers.jsonl"
    path.write_text("before\n")
    markers = MarkerLog(path)
    for n in range(1000):
        markers.write(str(n))
    markers.close()
    lines = [line.rstrip(" ") for line in path.read_text().splitlines()]
    assert lines == ["before", *map(str, range(1000))]


def test_a_reopened_log_leaves_the_file_that_was_moved_away(tmp_path: Path) -> None:
    path = tmp_path / "markers.jsonl"
    markers = MarkerLog(path)
    markers.write("first")
    path.rename(tmp_path / "old")
    markers.reopen(path)
    markers.write("second")
    with pytest.raises(UsageError, match=r"output\.log: .* cannot be opened"):
        markers.reopen(tmp_path)
    markers.write("third")
    markers.close()
    assert (tmp_path / "old").read_text() == "first\n"
    assert path.read_text() == "second\nthird\n"


def test_no_line_is_lost_while_the_log_is_opened_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "markers.jsonl"
    markers = MarkerLog(path)
    into = aside.Aside.write
    entered = threading.Event()

    def write(lines: aside.Aside, line: str) -> None:
        entered.set()
        reopening.join(0.2)  # as long as it takes, or until it is seen to wait for us
        into(lines, line)

    reopening = threading.Thread(target=lambda: entered.wait() and markers.reopen(path))
    reopening.start()
    monkeypatch.setattr(aside.Aside, "write", write)
    markers.write("first")
    reopening.join()
    markers.write("second")
    markers.close()
    assert path.read_text().split() == ["first", "second"]


def test_no_line_lies_across_two_pages(tmp_path: Path) -> None:
    """Where a killed process would leave half of it."""
    path = tmp_path / "markers.jsonl"
    path.write_text("{}\n")
    markers = MarkerLog(path)
    lengths = [*range(30, 1020), *range(1020, 30, -7)]
    for length in lengths:
        markers.write(json.dumps({"padding": "x" * (length - 20)}))
    markers.close()
    start = 0
    for line in path.read_bytes().splitlines(keepends=True):
        assert start // aside.PAGE == (start + len(line) - 1) // aside.PAGE
        start += len(line)
    written = [len(json.loads(line).get("padding", "")) for line in path.read_text().splitlines()]
    assert written == [0, *(length - 20 for length in lengths)]


def test_a_line_that_a_power_cut_left_unfinished_takes_none_with_it(tmp_path: Path) -> None:
    path = tmp_path / "markers.jsonl"
    path.write_text('{"sequence": 0}\n{"sequ')
    markers = MarkerLog(path)
    markers.write('{"sequence": 1}')
    markers.close()
    assert path.read_text() == '{"sequence": 0}\n{"sequ\n{"sequence": 1}\n'


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_costs_one_warning_and_the_log(caplog: pytest.LogCaptureFixture) -> None:
    markers = MarkerLog(Path("/dev/full"))
    for _ in range(100):
        markers.write("{}")
    markers.close()
    failed, missing = (record.message for record in caplog.records)
    assert "output.log: /dev/full cannot be written (No space left on device)" in failed
    assert missing == "output.log: 100 markers are missing from it"


_UNTIL_FULL = """
import resource, sys, time
from pathlib import Path
from daemon.runtime.background import MarkerLog
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
markers = MarkerLog(Path(sys.argv[1]))
for n in range(100):
    markers.write('{"sequence": %d}' % n)
markers.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_a_disk_that_fills_up_within_a_line_keeps_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "markers.jsonl"
    subprocess.run([sys.executable, "-c", _UNTIL_FULL, str(path)], check=True, timeout=60)
    lines = path.read_text().splitlines(keepends=True)
    assert [json.loads(line)["sequence"] for line in lines] == [*range(len(lines))]
    assert 1000 - len(lines[-1]) - 1 <= path.stat().st_size <= 1000


@needs_pipes
def test_a_disk_that_hangs_keeps_nobody_waiting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A named pipe whose reader never reads."""
    monkeypatch.setattr(aside, "LINES", 100)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    markers = MarkerLog(path)
    start = time.perf_counter()
    for _ in range(1000):
        markers.write("x" * 1000)
    assert time.perf_counter() - start < 1
    markers.close()
    assert time.perf_counter() - start < 1 + aside.FAREWELL
    slow, missing = (record.message for record in caplog.records)
    assert "not written fast enough" in slow
    assert "markers are missing" in missing
    os.close(reader)  # lets the thread end


@needs_pipes
def test_a_pipe_that_nobody_has_open_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match=r"output\.log"):
        MarkerLog(tmp_path / "pipe")


_WRITE_ON = """
import sys
from pathlib import Path
from daemon.runtime.background import MarkerLog
markers = MarkerLog(Path(sys.argv[1]))
n = 0
while True:
    markers.write('{"sequence": %d, "padding": "%s"}' % (n, "x" * 300))
    n += 1
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_process_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "markers.jsonl"
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", _WRITE_ON, str(path)]) as process:
            deadline = time.monotonic() + 30
            size = path.stat().st_size if path.exists() else 0
            while not path.exists() or path.stat().st_size < size + 100_000:
                assert time.monotonic() < deadline
                time.sleep(0.005)
            process.kill()
    content = path.read_text()
    assert content.endswith("}\n")
    sequences = [json.loads(line)["sequence"] for line in content.splitlines()]
    assert sequences.count(0) == 3


def test_what_is_logged_beside_a_full_pipe_waits_for_nobody() -> None:
    heard, told = os.pipe()
    lines = Aside("log", told)
    handler = aside._Handler(lines)
    start = time.perf_counter()
    for _ in range(200):
        handler.emit(logging.makeLogRecord({"msg": "x" * 1000}))
    lines.close()
    assert time.perf_counter() - start < 1 + aside.FAREWELL
    assert lines.left_out > 100
    os.close(heard)
    for thread in threading.enumerate():
        if thread.name == "log":
            thread.join(5)
