"""The real programs and streams that the live tests put around the daemon."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pylsl
import yaml

# Stands in for TensorFlow: says that it is imported, and hangs.
_HANGING = """
import pathlib, time
pathlib.Path(__file__).with_name("imported").touch()
time.sleep(600)
"""

START = 60.0  # seconds: TensorFlow's import on a loaded machine

# The real command line; LSL says that there are consumers once the file named first exists.
_GATED = """
import pathlib, sys, time
import pylsl
gate = pathlib.Path(sys.argv.pop(1))
def wait_for_consumers(outlet, timeout):
    if not gate.exists():
        time.sleep(timeout)
    return gate.exists()
pylsl.StreamOutlet.wait_for_consumers = wait_for_consumers
from daemon.cli import main
main(prog_name="eegd")
"""


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


@dataclass
class Program:
    """``eegd`` in a process of its own."""

    process: subprocess.Popen[str]
    log: Path

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Exit code, and seconds from the signal to the end."""
        start = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(30)
        return code, time.monotonic() - start

    def wait_for(self, text: str, seconds: float = START) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.said():
            assert self.process.poll() is None, f"ended early: {self.said()}"
            assert time.monotonic() < deadline, f"never said {text!r}: {self.said()}"
            time.sleep(0.02)

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")


@contextmanager
def eegd(
    folder: Path, *arguments: str, gate: Path | None = None, env: dict[str, str] | None = None
) -> Iterator[Program]:
    """``eegd`` from entering to leaving; ``env`` is its whole environment.

    With ``gate``, what ``--wait`` waits for is not the first consumer but that this file exists,
    so that several can subscribe before the first sample.
    """
    log = folder / f"{unique(arguments[0])}.log"
    start = ["-m", "daemon"] if gate is None else ["-c", _GATED, str(gate)]
    with log.open("w", encoding="utf-8") as stderr:
        process = subprocess.Popen(
            [sys.executable, *start, *arguments], stderr=stderr, text=True, env=env
        )
        try:
            yield Program(process, log)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def finish(
    *arguments: str, seconds: float = START, env: dict[str, str] | None = None
) -> tuple[int, str, str]:
    """Run ``eegd`` to its end: exit code, standard output, standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "daemon", *arguments],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        env=env,
    )
    return done.returncode, done.stdout, done.stderr


@dataclass(frozen=True)
class HangingTensorFlow:
    """A TensorFlow whose import never ends, for programs that start in ``env``."""

    folder: Path

    @property
    def env(self) -> dict[str, str]:
        (self.folder / "tensorflow.py").write_text(_HANGING, encoding="utf-8")
        path = os.pathsep.join([str(self.folder), os.environ.get("PYTHONPATH", "")])
        return {**os.environ, "PYTHONPATH": path}

    @property
    def imported(self) -> bool:
        return (self.folder / "imported").exists()

    def wait(self) -> None:
        """Until its import has begun."""
        deadline = time.monotonic() + START
        while not self.imported:
            assert time.monotonic() < deadline, "TensorFlow was never imported"
            time.sleep(0.02)


def write_config(folder: Path, content: dict[str, Any]) -> Path:
    content = {"metrics": {"port": None}, **content}
    path = folder / f"{unique('config')}.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def write_contract(
    folder: Path, *, channels: Sequence[str], classes: Sequence[str], **content: Any
) -> None:
    """In microvolts, where ``content`` does not say otherwise."""
    lists = {"channels": [*channels], "classes": [*classes]}
    text = yaml.safe_dump({"unit": "microvolts", **lists, **content})
    (folder / "contract.yaml").write_text(text, encoding="utf-8")


def open_outlet(
    name: str,
    rate: float,
    labels: Sequence[str],
    *,
    unit: str = "microvolts",
    fmt: str = "float32",
    source_id: str | None = None,
    kind: str = "EEG",
) -> pylsl.StreamOutlet:
    """An amplifier that pushes what the test tells it to."""
    info = pylsl.StreamInfo(name, kind, len(labels), rate, fmt, source_id or name)
    if any(labels):
        channels = info.desc().append_child("channels")
        for label in labels:
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("unit", unit)
    return pylsl.StreamOutlet(info, max_buffered=3600)


def open_inlet(name: str, seconds: float = START, buffer: int = 360) -> pylsl.StreamInlet:
    """A consumer, subscribed; ``buffer`` seconds of samples wait to be pulled."""
    found = pylsl.resolve_byprop("name", name, timeout=seconds)
    assert len(found) == 1, f"{len(found)} streams {name!r}"
    # As apps do it: a consumer that recovers keeps what it has not pulled when the outlet closes.
    inlet = pylsl.StreamInlet(found[0], max_buflen=buffer)
    inlet.open_stream(timeout=10)
    return inlet


def wait_for_consumer(outlet: pylsl.StreamOutlet, seconds: float = START) -> None:
    assert outlet.wait_for_consumers(seconds), "nobody subscribed"


def pull(inlet: pylsl.StreamInlet, count: int, seconds: float) -> tuple[list[Any], np.ndarray]:
    """``count`` samples with their stamps, or fewer if they do not come in time."""
    samples: list[Any] = []
    stamps: list[float] = []
    deadline = time.monotonic() + seconds
    while len(samples) < count and time.monotonic() < deadline:
        sample, stamp = inlet.pull_sample(timeout=0.2)
        if sample is not None:
            samples.append(sample)
            stamps.append(stamp)
    return samples, np.array(stamps)


def pull_markers(inlet: pylsl.StreamInlet, count: int, seconds: float = 30) -> list[dict[str, Any]]:
    """Markers as dicts, each with the ``stamp`` that LSL gave it."""
    samples, stamps = pull(inlet, count, seconds)
    return [
        {**json.loads(sample[0]), "stamp": stamp}
        for sample, stamp in zip(samples, stamps, strict=True)
    ]
