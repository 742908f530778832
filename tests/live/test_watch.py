"""The terminal view on a terminal, and without one."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from programs import START, unique

BEGIN, END = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
COMMAND = (sys.executable, "-m", "daemon", "watch")


@pytest.mark.parametrize(("number", "colour"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_the_terminal_is_given_back_as_it_was(number: int, colour: bool) -> None:
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    environment.pop("NO_COLOR", None)
    if not colour:
        environment["NO_COLOR"] = "1"
    ours, theirs = pty.openpty()
    shown = bytearray()

    def read() -> None:
        try:
            while part := os.read(ours, 1 << 16):
                shown.extend(part)
        except OSError:
            pass  # its end

    with subprocess.Popen(
        [*COMMAND, "--name", unique("None")],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as process:
        os.close(theirs)
        reader = threading.Thread(target=read)
        reader.start()
        deadline = time.monotonic() + START
        while b"No daemon" not in shown:
            assert time.monotonic() < deadline, shown
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(START) == 0
        reader.join()
    os.close(ours)
    text = shown.decode()
    assert text.startswith(BEGIN)
    assert text.rstrip().endswith(END)
    assert ("\x1b[1;36m" in text) == colour
    screen = text.removeprefix(BEGIN).partition("\x1b[J")[0]
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen).splitlines()
    assert max(map(len, lines)) <= 80


def test_without_a_terminal_there_are_plain_lines(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with (
        out.open("w") as file,
        subprocess.Popen(
            [*COMMAND, "--name", unique("None")], stdout=file, stderr=subprocess.DEVNULL
        ) as process,
    ):
        deadline = time.monotonic() + START
        while "No daemon" not in out.read_text(encoding="utf-8"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.terminate()
        assert process.wait(START) == 0
    assert "\x1b" not in out.read_text(encoding="utf-8")
