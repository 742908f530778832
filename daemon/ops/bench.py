"""How fast one window runs: fused, against the source's Keras model under ``tf.function``."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from daemon import __version__
from daemon.encoders.architectures import CHANNELS, WINDOW, channel_lstm, common_lstm
from daemon.encoders.fuse import fuse
from daemon.encoders.window import Run, as_built, fused

Figures = dict[str, object]

_SGEMM = 2048


def measure(fused_runs: int = 15, keras_runs: int = 3) -> Figures:
    """Times of one 15360-step window, both encoders, after comparing what they answer.

    The runs of the two ways alternate, so that a change of the machine's speed meets both.
    """
    window = np.random.default_rng(0).normal(scale=20.0, size=(CHANNELS, WINDOW))
    samples = window.astype(np.float32)
    encoders = {}
    for build in (channel_lstm, common_lstm):
        keras.utils.set_random_seed(0)
        model = build()
        stack = fuse(model)
        ways = {
            "keras": as_built(model, per_channel=len(model.inputs) > 1),
            "fused": fused(stack, WINDOW),
        }
        answers = {name: run(samples) for name, run in ways.items()}  # compiles, too
        times: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(fused_runs):
            times["fused"].append(_seconds(ways["fused"], samples))
            if turn < keras_runs:
                times["keras"].append(_seconds(ways["keras"], samples))
        median = {name: statistics.median(runs) for name, runs in times.items()}
        encoders[build.__name__] = {
            "parameters": model.count_params(),
            "largest_difference": float(np.abs(answers["fused"] - answers["keras"]).max()),
            "keras_seconds": median["keras"],
            "fused_seconds": median["fused"],
            "times_faster": median["keras"] / median["fused"],
            "fused_gflops": stack.flops_per_step * WINDOW / median["fused"] / 1e9,
        }
    return {
        "eegd": __version__,
        "tensorflow": tf.__version__,
        "machine": f"{platform.machine()}, {tf.config.list_logical_devices()[-1].name}",
        "sgemm_gflops": _sgemm(),
        "encoders": encoders,
    }


def table(figures: Figures) -> str:
    """``figures`` for people."""
    encoders = figures["encoders"]
    assert isinstance(encoders, dict)
    lines = [
        f"one window of {WINDOW} steps, TensorFlow {figures['tensorflow']}, "
        f"sgemm {figures['sgemm_gflops']:.0f} GFLOP/s",
        f"{'encoder':<14}{'Keras, tf.function':>20}{'fused':>12}{'faster':>9}"
        f"{'GFLOP/s':>9}{'difference':>12}",
    ]
    lines += [
        f"{name:<14}{row['keras_seconds'] * 1e3:>17,.0f} ms{row['fused_seconds'] * 1e3:>9,.0f} ms"
        f"{row['times_faster']:>8.1f}x{row['fused_gflops']:>9.1f}{row['largest_difference']:>12.1e}"
        for name, row in encoders.items()
    ]
    return "\n".join(lines)


def _seconds(run: Run, samples: np.ndarray) -> float:
    return _timed(lambda: run(samples))


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _sgemm() -> float:
    """GFLOP/s of this machine's own matrix product, the best of five."""
    a = tf.random.normal((_SGEMM, _SGEMM))
    return 2 * _SGEMM**3 / min(_timed(lambda: tf.matmul(a, a).numpy()) for _ in range(5)) / 1e9
