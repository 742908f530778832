"""Streaming against the user's own Keras model, window by window."""

import itertools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.encoders import streaming
from daemon.encoders.architectures import channel_lstm, common_lstm
from daemon.encoders.batch import BLOCK
from daemon.encoders.fuse import fuse
from daemon.encoders.streaming import StreamingEngine, lane_count
from daemon.reorder import split_channels

CHANNELS = 3


def reference(model: keras.Model, samples: np.ndarray, window: int, hop: int) -> np.ndarray:
    starts = range(0, len(samples) - window + 1, hop)
    windows = np.stack([samples[start : start + window] for start in starts])
    return model.predict_on_batch(split_channels(windows) if len(model.inputs) > 1 else windows)


def stream(
    engine: StreamingEngine, samples: np.ndarray, window: int, hop: int, cuts: list[int]
) -> np.ndarray:
    """As the pipeline feeds an engine: blocks end where chunks or windows do."""
    ends = set(range(window, len(samples) + 1, hop))
    edges = sorted({0, len(samples), *(c for c in cuts if c <= len(samples)), *ends})
    answers = []
    for start, stop in itertools.pairwise(edges):
        answer = engine.feed(samples[start:stop], stop in ends)
        assert (answer is not None) == (stop in ends)
        if answer is not None:
            answers.append(answer)
        if stop in cuts:
            engine.catch_up()
    return np.array(answers)


def eeg(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=2, size=(n, CHANNELS)).astype(np.float32)


MODELS = {
    "channel": lambda window: channel_lstm(window, CHANNELS, units=(7, 5)),
    "channel, two units": lambda window: channel_lstm(
        window, CHANNELS, channel_units=2, units=(7,)
    ),
    "common": lambda window: common_lstm(window, CHANNELS, units=(8, 6, 4)),
}


HOPS = [(40, 8), (40, 7), (40, 1), (40, 40), (40, 39), (40, 55), (40, 140), (200, 70), (1, 1)]


@pytest.mark.parametrize(
    ("name", "window", "hop"),
    [("channel", *both) for both in HOPS]
    + [(name, *both) for name in ("channel, two units", "common") for both in ((40, 7), (150, 35))],
)
def test_every_window_is_what_keras_gives(name: str, window: int, hop: int) -> None:
    model = MODELS[name](window)
    engine = StreamingEngine(fuse(model), window, hop, "/CPU:0")
    steps = window + max(3 * hop, 2 * BLOCK)
    samples = eeg(steps)
    expected = reference(model, samples, window, hop)
    for size in (1, 5, 100, 1000):
        # Nothing of the run before is left.
        engine.restart()
        answers = stream(engine, samples, window, hop, list(range(size, steps + 1, size)))
        np.testing.assert_allclose(answers, expected, atol=1e-6)


@pytest.fixture(scope="module")
def engine() -> StreamingEngine:
    keras.utils.set_random_seed(1)
    return StreamingEngine(fuse(MODELS["channel"](150)), 150, 35, "/CPU:0")


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 600), max_size=60), st.integers(0, 2**32 - 1))
def test_any_chunking_gives_the_same(engine: StreamingEngine, cuts: list[int], seed: int) -> None:
    samples = eeg(600, seed)
    engine.restart()
    whole = stream(engine, samples, 150, 35, [])
    engine.restart()
    np.testing.assert_allclose(stream(engine, samples, 150, 35, cuts), whole, atol=1e-6)
    engine.restart()
    singly = stream(engine, samples, 150, 35, list(range(601)))
    np.testing.assert_allclose(singly, whole, atol=1e-6)


def test_an_answer_does_not_wait_for_the_other_lanes(
    engine: StreamingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a trickle, from the last sample to the answer nothing is asked of TensorFlow."""
    engine.restart()
    samples = eeg(150 + 35)
    for n in range(150 + 34):
        engine.feed(samples[n : n + 1], n == 149)
        engine.catch_up()
    monkeypatch.setattr(engine, "_batch", None)
    assert engine.feed(samples[-1:], True) is not None


def test_the_lag_stays_bounded(engine: StreamingEngine) -> None:
    engine.restart()
    for _ in range(1000):
        engine.feed(eeg(1), False) if (engine._seen + 1 - 150) % 35 else engine.feed(eeg(1), True)
        engine.catch_up()
        assert engine._seen - engine._done < 2 * streaming.BLOCK


def test_lane_count() -> None:
    assert lane_count(15360, 160) == 96
    assert lane_count(15360, 161) == 96
    assert lane_count(15360, 15360) == 1
    assert lane_count(15360, 20000) == 1
    assert lane_count(15360, 1) == 15360
