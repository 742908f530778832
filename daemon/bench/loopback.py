"""The whole path over LSL on this machine: last sample pushed → marker received.

Beside the daemon runs a bare echo, which pulls each sample of the same stream and pushes it: what
it takes is LSL's own share. Four processes: an amplifier (this one), the daemon, the echo and a
listener. LSL's clock is the machine's, so that they can compare times.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pylsl
import yaml

from daemon.chatter import quiet_liblsl
from daemon.errors import EegdError
from daemon.records import Float64

_START = 120.0
_SETTLE = 20.0
_END = b"end"
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0


def measure(
    bundle: Path, *, rate: float, hop: int, seconds: float, device: str = "cpu"
) -> dict[str, Any]:
    """Stream noise at ``rate`` Hz for ``seconds`` beyond the first window, answering every ``hop``.

    Parameters
    ----------
    bundle : Path
        Its model is taken, at ``rate`` whatever its contract says.
    device : str
        As `engine.device` in the config.

    Returns
    -------
    dict
        Latencies in milliseconds as p50, p95 and p99, of echo and daemon; windows due, answered;
        the daemon's share of one core (None where the system does not tell), what it warned of.
    """
    name = f"eegd-bench-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="eegd-bench-") as temporary:
        folder = Path(temporary)
        contract = yaml.safe_load((bundle / "contract.yaml").read_text(encoding="utf-8"))
        contract["sample_rate"] = rate
        shutil.copy(bundle / "model.keras", folder)
        (folder / "contract.yaml").write_text(yaml.safe_dump(contract), encoding="utf-8")
        config = {
            "stream": {"name": name},
            "model": {"path": "."},
            "window": {"hop": hop},
            "engine": {"device": device},
            "output": {"name": f"{name}-out"},
            "metrics": {"port": None},
        }
        (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        outlet = _amplifier(name, rate, contract["channels"])
        command = [sys.executable, "-m", "daemon", "run", "-c", str(folder / "config.yaml")]
        spawn = multiprocessing.get_context("spawn")
        here, there = spawn.Pipe()
        helpers = [
            spawn.Process(target=_echo, args=(name,), daemon=True),
            spawn.Process(
                target=_listen, args=({"echo": f"{name}-echo", "daemon": f"{name}-out"}, there)
            ),
        ]
        with (folder / "log").open("w+", encoding="utf-8") as log:
            daemon = subprocess.Popen(command, stderr=log)
            try:
                for helper in helpers:
                    helper.start()
                _until(here.poll, daemon, log)
                here.recv()
                _until(lambda: "connected to stream" in Path(log.name).read_text(), daemon, log)
                start, stamps, busy = _play(outlet, rate, contract["window"], seconds, daemon.pid)
                here.send(_END)
                heard = here.recv()
            finally:
                daemon.send_signal(signal.SIGTERM)
                daemon.wait(10)
                for helper in helpers:
                    if helper.pid is not None:
                        helper.terminate()
            log.seek(0)
            warnings = [line.strip() for line in log if " WARNING " in line]
    due = [n for n in range(contract["window"] - 1, len(stamps), hop) if stamps[n] >= start]
    answered = _latencies(heard["daemon"], start)
    return {
        "rate": rate,
        "lanes": -(-contract["window"] // hop),
        "echo_ms": _percentiles(_latencies(heard["echo"], start)),
        "daemon_ms": _percentiles(answered),
        "windows_due": len(due),
        "windows_answered": len(answered),
        "daemon_cores": busy,
        "daemon_warnings": warnings,
    }


def _amplifier(name: str, rate: float, labels: list[str]) -> pylsl.StreamOutlet:
    info = pylsl.StreamInfo(name, "EEG", len(labels), rate, pylsl.cf_float32, name)
    channels = info.desc().append_child("channels")
    for label in labels:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", "microvolts")
    return pylsl.StreamOutlet(info)


def _play(
    outlet: pylsl.StreamOutlet, rate: float, window: int, seconds: float, pid: int
) -> tuple[float, Float64, float | None]:
    """Push a window at once, let it be digested, then sample by sample in real time.

    Returns when the real time began, all stamps, and the daemon's share of a core since.
    """
    rng = np.random.default_rng(0)
    eeg = rng.normal(scale=20.0, size=(4096, outlet.channel_count)).astype(np.float32)
    begin = pylsl.local_clock()
    past = begin - np.arange(window, 0, -1) / rate
    for first in range(0, window, 512):
        block = eeg[first % 4096 : first % 4096 + 512]
        outlet.push_chunk(block, past[first : first + len(block)].tolist())
    count = int(seconds * rate)
    # Digesting the burst takes the daemon a while; only what follows is measured.
    settle = int(_SETTLE * rate)
    stamps = np.empty(settle + count)
    start, busy, since = 0.0, None, time.monotonic()
    for n in range(settle + count):
        if n == settle:
            start, busy, since = pylsl.local_clock(), _cpu_seconds(pid), time.monotonic()
        due = begin + n / rate
        while (left := due - pylsl.local_clock()) > 0:
            time.sleep(left)
        stamps[n] = pylsl.local_clock()
        outlet.push_sample(eeg[n % 4096], stamps[n])
    now = _cpu_seconds(pid)
    share = None if now is None or busy is None else (now - busy) / (time.monotonic() - since)
    time.sleep(0.5)  # well below `quality.stall_after`
    return start, np.concatenate([past, stamps]), share


def _echo(name: str) -> None:
    quiet_liblsl()
    (info,) = pylsl.resolve_byprop("name", name, timeout=_START)
    inlet = pylsl.StreamInlet(info, max_chunklen=1)
    outlet = pylsl.StreamOutlet(
        pylsl.StreamInfo(f"{name}-echo", "EEG", info.channel_count(), 0, pylsl.cf_float32, "echo")
    )
    while True:
        sample, stamp = inlet.pull_sample()
        outlet.push_sample(sample, stamp)


def _listen(names: dict[str, str], pipe: Connection) -> None:
    """Time of arrival of everything on the streams ``names``, until told to end."""
    import threading

    quiet_liblsl()
    heard: dict[str, list[tuple[float, float]]] = {}
    threads = []
    ended = threading.Event()

    def pull(key: str, inlet: pylsl.StreamInlet) -> None:
        while not ended.is_set():
            _, stamp = inlet.pull_sample(timeout=0.2)
            if stamp is not None:
                heard[key].append((stamp, pylsl.local_clock()))

    for key, name in names.items():
        (info,) = pylsl.resolve_byprop("name", name, timeout=_START)
        inlet = pylsl.StreamInlet(info, max_chunklen=1)
        inlet.open_stream()
        heard[key] = []
        threads.append(threading.Thread(target=pull, args=(key, inlet)))
    for thread in threads:
        thread.start()
    pipe.send("ready")
    pipe.recv()
    ended.set()
    for thread in threads:
        thread.join()
    pipe.send(heard)


def _latencies(heard: list[tuple[float, float]], start: float) -> Float64:
    stamps, arrivals = np.array(heard or np.empty((0, 2))).T
    latencies: Float64 = (arrivals - stamps)[stamps >= start]
    return latencies


def _percentiles(latencies: Float64) -> dict[str, float]:
    if not len(latencies):
        raise EegdError("the benchmark over LSL heard nothing")
    return {f"p{q}": float(np.percentile(latencies, q) * 1e3) for q in (50, 95, 99)}


def _until(condition: Any, daemon: subprocess.Popen[bytes], log: Any) -> None:
    deadline = time.monotonic() + _START
    while not condition():
        if daemon.poll() is not None or time.monotonic() > deadline:
            log.seek(0)
            raise EegdError(f"the benchmark's daemon did not start: {log.read().strip()}")
        time.sleep(0.05)


def _cpu_seconds(pid: int) -> float | None:
    """Processor time that a process has used, all its threads together."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / _TICKS
