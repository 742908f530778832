"""How many inputs each target got, and a process of its own for what may take it down."""

import json
import os
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HANG = 60.0  # seconds; such an input takes milliseconds on an idle machine
START = 600.0  # seconds; TensorFlow's import takes a minute on a loaded one


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """Outcomes of one target; printed with ``-s``."""
    outcomes: Counter[str] = Counter()
    begin = time.monotonic()
    yield outcomes
    seconds = time.monotonic() - begin
    said = ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items()))
    print(f"\n{request.node.name}: {outcomes.total()} inputs in {seconds:.0f} s: {said}")  # noqa: T201


class Worker:
    """`worker.py`, started anew whenever it died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run(self, kind: str, path: Path) -> tuple[str, str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("worker.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                bufsize=1,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            )
            self._line(START)
        assert self._process.stdin
        self._process.stdin.write(f"{kind} {path}\n")
        line = self._line(HANG)
        if line is None:
            self.close()
            return "bug", f"no answer within {HANG:g} s"
        if not line:
            code = self._process.wait()
            self._process = None
            return "bug", f"the process ended with {code}"
        outcome, text = json.loads(line)
        return outcome, text

    def _line(self, seconds: float) -> str | None:
        """Read the process's next line, empty if it ended; None if none comes in time."""
        assert self._process
        assert self._process.stdout
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            return None
        return self._process.stdout.readline()

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@pytest.fixture(scope="module")
def worker() -> Iterator[Callable[[str, Path], tuple[str, str]]]:
    started = Worker()
    yield started.run
    started.close()
