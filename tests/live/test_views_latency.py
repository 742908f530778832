"""With page, terminal view and a scraper attached, the daemon answers as soon as without.

One daemon, one amplifier; the views come and go, block by block, so that both ways meet the same
machine.
"""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pages import Tab, chromium, free_port, needs_chromium
from programs import eegd, open_inlet, pull_markers, unique, write_config
from test_soak import BUNDLE

SECONDS = float(os.environ.get("EEGD_BLOCK_SECONDS", "60"))
BLOCKS = 5  # of each kind
RATE, HOP = 160, 40
SETTLE = 5.0
# Set, the daemon goes before every ordinary program, as with `eegd service --realtime`, and so does
# the amplifier, whose own delays would count as the daemon's.
REALTIME = "EEGD_REALTIME" in os.environ

# Sends a window at once, then sample by sample in real time, each with the time of its sending.
_AMPLIFIER = """
import sys, time, json
import numpy as np
import pylsl
from daemon.chatter import quiet_liblsl
from daemon.bench.loopback import _amplifier
name, rate, window, labels = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
outlet = _amplifier(name, rate, labels)
outlet.wait_for_consumers(300)
time.sleep(1)
eeg = np.random.default_rng(0).normal(scale=20, size=(4096, len(labels))).astype(np.float32)
begin = pylsl.local_clock()
past = begin - np.arange(window, 0, -1) / rate
for first in range(0, window, 512):
    block = eeg[np.arange(first, min(first + 512, window)) % 4096]
    outlet.push_chunk(block, past[first : first + len(block)].tolist())
n = 0
while True:
    while (left := begin + n / rate - pylsl.local_clock()) > 0:
        time.sleep(left)
    outlet.push_sample(eeg[n % 4096], pylsl.local_clock())
    n += 1
"""


@contextmanager
def terminal_view(output: str) -> Iterator[None]:
    """``eegd watch`` on a terminal that is read."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "daemon", "watch", "--name", output]
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL) as process:
        os.close(theirs)

        def read() -> None:
            try:
                while os.read(ours, 1 << 16):
                    pass
            except OSError:
                pass  # its end

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)
            reader.join()
            os.close(ours)


@contextmanager
def scraper(port: int) -> Iterator[None]:
    stop = threading.Event()

    def scrape() -> None:
        while not stop.wait(1.0):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                answer.read()

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def ages(inlet: Any) -> list[float]:
    """Milliseconds from last sample to marker, of a block's answers."""
    while inlet.pull_sample(timeout=0.0)[0] is not None:
        pass  # those of before
    due = int(SECONDS * RATE / HOP)
    said = pull_markers(inlet, due, SECONDS + 30)
    assert len(said) == due
    assert {marker["status"] for marker in said} == {"ok"}
    return [marker["age_ms"] for marker in said]


@pytest.mark.slow
@needs_chromium
def test_views_cost_the_daemon_no_latency(tmp_path: Path) -> None:
    contract = yaml.safe_load((BUNDLE / "contract.yaml").read_text(encoding="utf-8"))
    name, output, metrics, port = unique("Amp"), unique("Out"), free_port(), free_port()
    config = {
        "stream": {"name": name},
        "model": {"path": str(BUNDLE)},
        "window": {"hop": HOP},
        "engine": {"kind": "streaming"},
        "quality": {"stall_after": 30.0},
        "output": {"name": output},
        "metrics": {"port": metrics},
    }
    arguments = [name, str(RATE), str(contract["window"]), *contract["channels"]]
    found: dict[str, list[float]] = {"without": [], "with": []}
    with ExitStack() as stack:
        daemon = stack.enter_context(
            eegd(tmp_path, "run", "-c", str(write_config(tmp_path, config)))
        )
        inlet = open_inlet(output, 300)
        daemon.wait_for("waiting for a stream", 300)
        amplifier = subprocess.Popen([sys.executable, "-c", _AMPLIFIER, *arguments])
        stack.callback(amplifier.wait)
        stack.callback(amplifier.kill)
        pull_markers(inlet, int(10 * RATE / HOP), 300)  # the burst is digested
        if REALTIME:
            for pid in (daemon.process.pid, amplifier.pid):
                for thread in Path(f"/proc/{pid}/task").iterdir():
                    os.sched_setscheduler(int(thread.name), os.SCHED_RR, os.sched_param(1))
        for block in range(2 * BLOCKS):
            with ExitStack() as views:
                kind = "with" if block % 2 else "without"
                if kind == "with":
                    page = ("dashboard", "--name", output, "--port", str(port))
                    views.enter_context(eegd(tmp_path, *page))
                    views.enter_context(terminal_view(output))
                    views.enter_context(scraper(metrics))
                    browser = views.enter_context(chromium())
                    Tab(browser, f"http://127.0.0.1:{port}/").wait_for("good")
                time.sleep(SETTLE)
                took = ages(inlet)
            found[kind] += took
            print(f"{kind:<8}", *_row(took), flush=True)  # noqa: T201
    for kind, took in found.items():
        print(f"{kind:<8}", *_row(took), f"of {len(took)} answers")  # noqa: T201
    before, after = (np.percentile(found[kind], 99) for kind in ("without", "with"))
    assert after <= max(1.1 * before, before + 0.5)


def _row(took: list[float]) -> list[str]:
    return [f"p{q} {np.percentile(took, q):6.2f} ms" for q in (50, 95, 99)]
