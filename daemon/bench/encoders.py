"""How fast the source's encoders run here: this project's engines, Keras, and peers.

Every way's output is compared with Keras's before anything is timed, and the ways take turns, so
that a change of the machine's speed meets all of them.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from daemon import __version__
from daemon.bench.peers import available
from daemon.encoders import cores
from daemon.encoders.architectures import WINDOW, channel_lstm, common_lstm
from daemon.encoders.fuse import fuse
from daemon.encoders.fused import fused
from daemon.encoders.keras_network import KerasNetwork
from daemon.encoders.plan import Device, choose_devices, lane_bytes
from daemon.encoders.stack import Stack
from daemon.encoders.streaming import StreamingEngine, lane_count
from daemon.layout import PER_CHANNEL, STANDARD
from daemon.records import Float32

Figures = dict[str, Any]

HOP = 160
SAMPLES = 4 * WINDOW
HOPS = (1920, 640, 160, 64, 16)
WINDOWS = (3840, 7680, 15360, 30720)
_AGREEMENT = 1e-5
_SGEMM = 2048
_REST = 0.1  # seconds: the threads of the way before spin on for a while


def measure(
    eeg: Float32,
    device: Device = "cpu",
    rounds: int = 9,
    say: Callable[[str], object] = print,
) -> Figures:
    """All figures; takes some minutes.

    Parameters
    ----------
    eeg : float32 array, (samples, 32)
        `SAMPLES` of them or more: how soon lanes become one depends on what they are fed.
    device : str
        What eegd and Keras run on; the peers always run on the CPU.
    rounds : int
        How often each way takes its turn.
    say : function of str
        Is told what is being measured.

    Raises
    ------
    UsageError
        ``device`` is ``gpu`` and TensorFlow sees none.
    """
    cores.leave_to_engines()  # as where a model of these is loaded
    (name, *_), why = choose_devices(device)
    say(f"on {name}: {why}")
    encoders: Figures = {}
    for build in (channel_lstm, common_lstm):
        keras.utils.set_random_seed(0)
        model = build()
        stack = fuse(model)
        encoder = build.__name__
        say(f"{encoder}: one window")
        ways = _one_window(model, stack, name, eeg, rounds)
        say(f"{encoder}: streaming")
        live = _streaming(stack, WINDOW, HOP, name, eeg)
        say(f"{encoder}: throughput")
        encoders[encoder] = {
            "parameters": model.count_params(),
            "one_window": ways,
            "streaming": live,
            "throughput": _throughput(stack, live, eeg),
        }
    keras.utils.set_random_seed(0)
    stack = fuse(channel_lstm())
    say("cost against hop and window length")
    return {
        "eegd": __version__,
        "tensorflow": tf.__version__,
        "machine": f"{platform.machine()}, {platform.system()}",
        "device": f"{name}: {why}",
        "sgemm_gflops": sgemm(name),
        "encoders": encoders,
        "hops": {hop: _streaming(stack, WINDOW, hop, name, eeg) for hop in HOPS},
        "windows": {
            window: {
                **_streaming(stack, window, HOP, name, eeg),
                "whole_seconds": _whole(stack, window, name, eeg),
            }
            for window in WINDOWS
        },
    }


def _one_window(
    model: keras.Model, stack: Stack, device: str, eeg: Float32, rounds: int
) -> Figures:
    """Whole windows, one at a time: median seconds of each way."""
    time_major = eeg[:WINDOW, None]
    samples = np.ascontiguousarray(eeg[:WINDOW].T)
    whole = fused(stack, WINDOW, device)
    source = KerasNetwork(model).run(device, PER_CHANNEL if len(model.inputs) > 1 else STANDARD)
    ways: dict[str, Callable[[], Float32]] = {
        "Keras, tf.function": lambda: source(samples),
        "eegd, window": lambda: whole(samples),
    }
    for name, run in available(stack).items():
        ways[name] = lambda run=run: run(time_major)[0]  # type: ignore[misc]
    outputs = {name: way() for name, way in ways.items()}
    expected = outputs["Keras, tf.function"]
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds):
        for name, way in ways.items():
            if name != "Keras, tf.function" or turn < 3:  # seconds each
                time.sleep(_REST)
                seconds[name].append(_seconds(way))
    found = {}
    for name, times in seconds.items():
        difference = float(np.abs(outputs[name] - expected).max())
        if difference > _AGREEMENT:
            raise AssertionError(f"{name} differs from Keras by {difference:.2g}")
        found[name] = {
            "seconds": statistics.median(times),
            "least": min(times),
            "most": max(times),
            "gflops": stack.flops_per_step * WINDOW / statistics.median(times) / 1e9,
            "difference": difference,
        }
    return found


def _streaming(stack: Stack, window: int, hop: int, device: str, eeg: Float32) -> Figures:
    """Fed from a recording first, then live, sample by sample, without waiting between them."""
    engine = StreamingEngine(stack, window, hop, device)
    most_sample_seconds = engine.warm_up()
    windows = max(2, min(10, 2000 // hop))
    bulk = window + (len(eeg) - window - windows * hop) // hop * hop
    start = time.perf_counter()
    for first in range(0, bulk, hop):
        engine.feed(eeg[first : min(first + hop, bulk)], first + hop >= window)
    engine.catch_up()
    bulk_seconds = (time.perf_counter() - start) / bulk
    answers, others = [], []
    for n in range(bulk, bulk + windows * hop):
        ends = (n + 1 - window) % hop == 0
        start = time.perf_counter()
        engine.feed(eeg[n : n + 1], ends)
        answered = time.perf_counter()
        engine.catch_up()
        others.append(time.perf_counter() - start)
        if ends:
            answers.append(answered - start)
    return {
        "lanes": lane_count(window, hop),
        "rows": engine.rows,
        "answer_seconds": statistics.median(answers),
        "sample_seconds": statistics.fmean(others),
        "bulk_sample_seconds": bulk_seconds,
        "most_sample_seconds": most_sample_seconds,
        "lane_mebibytes": lane_bytes(stack) * lane_count(window, hop) / 2**20,
    }


def _whole(stack: Stack, window: int, device: str, eeg: Float32) -> float:
    """Seconds of the window engine."""
    whole = fused(stack, window, device)
    samples = np.ascontiguousarray(eeg[:window].T)
    return statistics.median(_seconds(lambda: whole(samples)) for _ in range(9))


def _throughput(stack: Stack, live: Figures, eeg: Float32) -> Figures:
    """Windows a second from a recording: streaming at its lanes, peers at a batch of as many."""
    starts = np.linspace(0, len(eeg) - WINDOW, live["lanes"]).astype(int)
    windows = np.stack([eeg[start : start + WINDOW] for start in starts], axis=1)
    found = {
        "eegd, streaming": 1 / (HOP * live["bulk_sample_seconds"]),
        "eegd, streaming, if no lanes became one": 1 / (HOP * live["most_sample_seconds"]),
    }
    for name, run in available(stack).items():
        found[name] = len(starts) / min(_seconds(lambda run=run: run(windows)) for _ in range(3))  # type: ignore[misc]
    return found


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def sgemm(device: str = "/CPU:0") -> float:
    """GFLOP/s of the device's own matrix product, one for each core at once, the best of five."""
    parts = cores.count() if "CPU" in device else 1
    with tf.device(device):
        a = tf.random.normal((_SGEMM, _SGEMM))
    with ThreadPoolExecutor(parts) as threads:
        seconds = min(
            _seconds(lambda: list(threads.map(lambda _: tf.matmul(a, a).numpy(), range(parts))))
            for _ in range(5)
        )
    return parts * 2 * _SGEMM**3 / seconds / 1e9


def table(figures: Figures) -> str:
    """``figures`` for people."""
    lines = [
        f"TensorFlow {figures['tensorflow']} on {figures['device']}",
        f"its sgemm makes {figures['sgemm_gflops']:.0f} GFLOP/s",
    ]
    for name, encoder in figures["encoders"].items():
        source = encoder["one_window"]["Keras, tf.function"]["seconds"]
        live = encoder["streaming"]
        lines += ["", f"{name}, {encoder['parameters']:,} parameters, windows of {WINDOW} steps"]
        for way, row in encoder["one_window"].items():
            lines.append(
                f"  {way:<36}{row['seconds'] * 1e3:>10,.1f} ms {source / row['seconds']:>9,.1f}x"
                f"{row['gflops']:>7.0f} GFLOP/s  differs {row['difference']:.0e}"
            )
        answer = f"eegd, last sample to answer, {live['lanes']} lanes"
        lines.append(
            f"  {answer:<36}"
            f"{live['answer_seconds'] * 1e3:>10,.3f} ms {source / live['answer_seconds']:>9,.0f}x"
        )
        lines += [
            f"  {way + ', windows a second':<36}{rate:>10,.1f}"
            for way, rate in encoder["throughput"].items()
        ]
    lines += [
        "",
        "channel_lstm, streaming: lanes, those that have not become one, answer, one sample",
    ]
    lines += ["of all lanes, the most that it can take, memory"]
    for key, title in (("hops", "hop"), ("windows", "window")):
        for value, row in figures[key].items():
            lines.append(
                f"  {title + ' ' + str(value):<16}{row['lanes']:>6}{row['rows']:>5} "
                f"{row['answer_seconds'] * 1e3:>9.3f} ms {row['sample_seconds'] * 1e3:>9.3f} ms "
                f"{row['most_sample_seconds'] * 1e3:>9.3f} ms "
                f"{row['lane_mebibytes']:>8.1f} MiB"
                + (
                    f", run whole {row['whole_seconds'] * 1e3:.0f} ms"
                    if "whole_seconds" in row
                    else ""
                )
            )
    if "loopback" in figures:
        lines += ["", "over LSL on this machine, milliseconds: p50 p95 p99"]
        for row in figures["loopback"]:
            for way in ("echo", "daemon"):
                p = row[f"{way}_ms"]
                lines.append(
                    f"  {row['rate']:g} Hz, {row['lanes']} lanes, {way:<8}"
                    f"{p['p50']:>8.2f}{p['p95']:>8.2f}{p['p99']:>8.2f}"
                )
            cores = row["daemon_cores"]
            lines.append(
                f"    {row['windows_answered']} of {row['windows_due']} windows answered, "
                f"{'unknown' if cores is None else f'{cores:.2f}'} of a core"
            )
            lines += [f"    {warning}" for warning in row["daemon_warnings"]]
    return "\n".join(lines)
