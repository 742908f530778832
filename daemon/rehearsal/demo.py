"""Simulated amplifier + daemon + page in the browser, each a process of its own, as in a lab."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import webbrowser
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any

import pylsl
import yaml

from daemon.discovery import find_streams
from daemon.errors import EegdError
from daemon.stop import Stop
from daemon.text import clean

BUNDLE = Path(__file__).with_name("demo_bundle")

_START = 120.0  # seconds that the daemon may take to be ready: TensorFlow's first import is slow
_STOP = 3.0


class _Named:
    """A stream of this demo, by its name alone."""

    type = source_id = hostname = None

    def __init__(self, name: str) -> None:
        self.name = name


class Demo:
    """Starts amplifier, daemon and page on entering, takes them down on leaving.

    Parameters
    ----------
    echo : function of str
        Shows a line.
    """

    def __init__(self, echo: Callable[[str], object]) -> None:
        self._echo = echo
        self._folder = tempfile.TemporaryDirectory(prefix="eegd-demo-")
        # Names of its own: a demo must not meet the amplifier next door, nor another demo.
        self._amplifier = f"eegd-demo-{os.getpid()}-EEG"
        self._classifier = f"eegd-demo-{os.getpid()}"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Demo:
        config = Path(self._folder.name) / "config.yaml"
        content = {
            "stream": {"name": self._amplifier},
            "model": {"path": str(BUNDLE)},
            "output": {"name": self._classifier},
            "metrics": {"port": _free_port()},
        }
        config.write_text(yaml.safe_dump(content), encoding="utf-8")
        contract = yaml.safe_load((BUNDLE / "contract.yaml").read_text(encoding="utf-8"))
        burst = contract["window"] / contract["sample_rate"]
        self._start("daemon", "run", "--config", str(config))
        self._start("page", "dashboard", "--name", self._classifier, "--port", "0")
        self._start(
            "amplifier",
            *("simulate", "--name", self._amplifier, "--rate", str(contract["sample_rate"])),
            *("--burst", str(burst), "--wait", str(_START)),
        )
        report = json.loads((BUNDLE / "report.json").read_text(encoding="utf-8"))
        self._echo(f"The encoder was {report['verdict']}.")
        self._echo(f"Simulated amplifier and daemon are starting; the first {burst:g} s of EEG")
        self._echo("are sent at once, so that the first window is full. Ctrl-C stops.")
        return self

    def show(self, seconds: float | None, stop: Stop) -> None:
        """Show the page, and a line for every prediction.

        Until ``stop``, or for ``seconds`` from the first one.

        Raises
        ------
        EegdError
            Amplifier or daemon ended by itself, or nothing came.
        """
        self._open_page(stop)
        # Amplifier first: it is up long before the daemon, and says its class when that connects.
        classes = self._listen(f"{self._amplifier}-classes", stop)
        markers = self._listen(self._classifier, stop)
        if markers is None or classes is None:
            return
        truth: list[tuple[float, str]] = []
        tally = Tally()
        deadline = time.monotonic() + _START
        shown = False
        while not stop.is_set() and (time.monotonic() < deadline or (shown and seconds is None)):
            self._require_alive()
            said, stamp = markers.pull_sample(timeout=0.1)
            names, stamps = classes.pull_chunk(timeout=0.0)
            truth += [(at, clean(name[0])) for name, at in zip(names, stamps, strict=True)]
            if said is None:
                continue
            if not shown:
                shown = True
                self._echo(_heading(json.loads(said[0])["probabilities"] or ()))
                deadline = time.monotonic() + (seconds or 0.0)
            marker = json.loads(said[0])
            begun = [change for change in truth if change[0] <= stamp]
            since, name = begun[-1] if begun else (0.0, "?")
            delay = tally(stamp, marker["label"], since, name)
            late = "" if delay is None else f"  right after {delay:.1f} s"
            self._echo(_line(marker, name) + late)
        if shown:
            self._echo(str(tally))
        elif not stop.is_set():
            raise EegdError(f"the demo's daemon published nothing within {_START:g} s")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            try:
                process.wait(_STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._folder.cleanup()

    def _start(self, role: str, *arguments: str) -> None:
        # A session of its own: Ctrl-C is for this process, which then takes the others down.
        self._processes[role] = subprocess.Popen(
            [sys.executable, "-m", "daemon", *arguments],
            start_new_session=True,
            stdout=(Path(self._folder.name) / f"{role}.out").open("wb"),
            stderr=(Path(self._folder.name) / f"{role}.log").open("wb"),
        )

    def _open_page(self, stop: Stop) -> None:
        """In the browser, where there is one; its address is printed in any case."""
        out = Path(self._folder.name) / "page.out"
        deadline = time.monotonic() + _START
        while "\n" not in (said := out.read_text(encoding="utf-8")):
            self._require_alive()
            if stop.is_set() or time.monotonic() > deadline:
                return
            time.sleep(0.05)
        url = said.split()[-1]
        self._echo(f"The page is at {url}")
        if _has_display():
            webbrowser.open(url)

    def _listen(self, name: str, stop: Stop) -> Any:
        deadline = time.monotonic() + _START
        while not stop.is_set() and time.monotonic() < deadline:
            self._require_alive()
            found = find_streams(_Named(name))
            if found:
                inlet = pylsl.StreamInlet(found[0], recover=False)
                inlet.open_stream(timeout=5.0)
                return inlet
        if stop.is_set():
            return None
        raise EegdError(f"the demo's stream {name} did not appear within {_START:g} s")

    def _require_alive(self) -> None:
        for role, process in self._processes.items():
            if process.poll() is not None:
                said = (Path(self._folder.name) / f"{role}.log").read_text(errors="replace")
                raise EegdError(
                    f"the demo's {role} ended with exit code {process.returncode}: {said.strip()}"
                )


class Tally:
    """Counts right labels, and the seconds from each change of class to the first of them."""

    def __init__(self) -> None:
        self._windows = self._right = self._changes = 0
        self._delays: list[float] = []
        self._since: float | None = None
        self._waits = False

    def __call__(self, at: float, label: str | None, since: float, truth: str) -> float | None:
        """Take a window's end and label, and its true class with the time when that began.

        Returns
        -------
        float or None
            The delay, where this is the first right label after a change that was seen.
        """
        if self._since is not None and since != self._since:
            self._changes += 1
            self._waits = True
        self._since = since
        self._windows += 1
        self._right += label == truth
        if label != truth or not self._waits:
            return None
        self._waits = False
        self._delays.append(at - since)
        return at - since

    def __str__(self) -> str:
        said = f"{self._right} of {self._windows} windows named the class at their end"
        if not self._changes:
            return f"{said}; no class was seen to change"
        said += f"; {len(self._delays)} of {self._changes} changes of class were recognised"
        if self._delays:
            slowest = max(self._delays)
            said += f", after {median(self._delays):.1f} s (median; the slowest {slowest:.1f} s)"
        return said


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _has_display() -> bool:
    """Whether a browser that is opened here is seen by whoever sits at this terminal."""
    if "SSH_CONNECTION" in os.environ:
        return False
    return sys.platform in ("win32", "darwin") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


def _heading(classes: Iterable[str]) -> str:
    head = f"{'true class':<13}{'recognised':<13}"
    return head + "".join(f"{clean(name):>{_width(name)}}" for name in classes)


def _line(marker: dict[str, Any], truth: str) -> str:
    """True and recognised class, then a percentage under each class, the best one marked."""
    if marker["status"] != "ok":
        return f"{truth:<13}abstains: {clean(marker['reason'], 300)}"
    probabilities: dict[str, float] = marker["probabilities"]
    best = max(probabilities, key=probabilities.__getitem__)
    return f"{truth:<13}{clean(marker['label'] or '-'):<13}" + "".join(
        f"{'*' * (name == best)}{p:.0%}".rjust(_width(name)) for name, p in probabilities.items()
    )


def _width(name: str) -> int:
    return max(len(name) + 1, 6)
