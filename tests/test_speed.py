"""What the engines are for, as ratios of one run: the figures proper are `eegd bench`'s.

The bounds are a quarter of what was measured or less, so that only a change of kind breaks them.
"""

import time
from collections.abc import Callable

import keras
import numpy as np
import pytest

from daemon.encoders.architectures import CHANNELS, channel_lstm
from daemon.encoders.fuse import fuse
from daemon.encoders.fused import Fused
from daemon.encoders.keras_network import as_built
from daemon.encoders.stack import Stack
from daemon.encoders.streaming import StreamingEngine
from daemon.layout import PER_CHANNEL

WINDOW, HOP, CPU = 1920, 20, "/CPU:0"


def seconds(call: Callable[[], object]) -> float:
    """The least of five: a machine can be held up, not sped up."""

    def once() -> float:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    return min(once() for _ in range(5))


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    return channel_lstm(WINDOW)


@pytest.fixture(scope="module")
def stack(model: keras.Model) -> Stack:
    return fuse(model)


@pytest.fixture(scope="module")
def eeg() -> np.ndarray:
    noise = np.random.default_rng(0).normal(scale=20, size=(3 * WINDOW, CHANNELS))
    return noise.astype(np.float32)


@pytest.fixture(scope="module")
def whole(stack: Stack, eeg: np.ndarray) -> float:
    """Seconds of a fused window."""
    run = Fused(stack, WINDOW, CPU)
    return seconds(lambda: run(eeg[:WINDOW].T))


def test_a_fused_window_is_15_times_faster_than_the_models_own_run(
    model: keras.Model, whole: float, eeg: np.ndarray
) -> None:
    source = as_built(model, CPU, PER_CHANNEL)
    source(eeg[:WINDOW].T)
    assert seconds(lambda: source(eeg[:WINDOW].T)) > 15 * whole


def test_an_answer_is_40_times_faster_than_a_fused_window_of_1920_steps(
    stack: Stack, whole: float, eeg: np.ndarray
) -> None:
    engine = StreamingEngine(stack, WINDOW, HOP, CPU)
    engine.feed(eeg[:WINDOW], True)
    engine.catch_up()
    answers = []
    for n in range(WINDOW, WINDOW + 10 * HOP):
        ends = (n + 1 - WINDOW) % HOP == 0
        start = time.perf_counter()
        engine.feed(eeg[n : n + 1], ends)
        if ends:
            answers.append(time.perf_counter() - start)
        engine.catch_up()
    assert whole > 40 * min(answers)


def test_lanes_that_become_one_halve_the_cost_of_a_sample(stack: Stack) -> None:
    window, hop = 4 * WINDOW, 4 * HOP  # as many lanes, of which fewer still differ
    noise = np.random.default_rng(0).normal(scale=20, size=(window + 20 * hop, CHANNELS))
    eeg = noise.astype(np.float32)
    taken: dict[bool, list[float]] = {True: [], False: []}
    engines = {
        joining: StreamingEngine(stack, window, hop, CPU, joining=joining) for joining in taken
    }
    for engine in engines.values():
        engine.warm_up()
        engine.feed(eeg[:window], True)
    for first in range(window, len(eeg), 2 * hop):
        for joining, engine in engines.items():  # in turns, so that both meet the same machine
            start = time.perf_counter()
            engine.feed(eeg[first : first + hop], True)
            engine.feed(eeg[first + hop : first + 2 * hop], True)
            taken[joining].append(time.perf_counter() - start)
    assert len(set(engines[False]._rows.values())) == window // hop
    assert len(set(engines[True]._rows.values())) < window // hop / 4
    assert min(taken[True]) < min(taken[False]) / 2
