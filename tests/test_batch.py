"""The rows of a batch: arranged, padded, shared out over cores, and never compiled anew."""

import time
from dataclasses import replace

import keras
import numpy as np
import pytest

from daemon.encoders.architectures import common_lstm
from daemon.encoders.batch import BLOCK, Batch
from daemon.encoders.fuse import fuse
from daemon.encoders.lane import Lane
from daemon.encoders.stack import Stack
from daemon.records import Float32

CHANNELS = 3


@pytest.fixture(scope="module")
def stack() -> Stack:
    keras.utils.set_random_seed(1)
    return fuse(common_lstm(40, CHANNELS, units=(6, 4)))


def eeg(n: int, seed: int = 0) -> Float32:
    return np.random.default_rng(seed).normal(size=(n, CHANNELS)).astype(np.float32)


def row(batch: Batch, n: int) -> Float32:
    return np.concatenate([layer[n] for layer in batch.state()])


def alone(stack: Stack, samples: Float32) -> Float32:
    """What a lane is after ``samples``, in numpy."""
    lane = Lane(stack)
    lane.advance(samples)
    return np.concatenate([part for layer in lane._layers for part in (layer.h, layer.c)])


@pytest.mark.parametrize("cores", [1, 2, 3])
@pytest.mark.parametrize("rows", [1, 8, 9, 17, 40])
def test_each_row_is_what_a_lane_alone_would_be(
    stack: Stack, rows: int, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    batch = Batch(stack, 40, "/CPU:0")
    samples = eeg(rows)
    for n in range(rows):
        batch.arrange([*range(n), -1])
        batch.advance(samples[n : n + 1])
    for n in range(rows):
        np.testing.assert_allclose(row(batch, n), alone(stack, samples[n:]), atol=1e-6)


def test_arranging_moves_drops_and_begins_rows(stack: Stack) -> None:
    batch = Batch(stack, 20, "/CPU:0")
    batch.arrange([-1])
    batch.advance(eeg(BLOCK))
    batch.arrange([0, -1])
    batch.advance(eeg(5, 1))
    first, second = row(batch, 0), row(batch, 1)
    batch.arrange([1, -1, 0] + 17 * [1])
    np.testing.assert_array_equal(row(batch, 0), second)
    np.testing.assert_array_equal(row(batch, 1), np.zeros_like(first))
    np.testing.assert_array_equal(row(batch, 2), first)
    np.testing.assert_array_equal(row(batch, 19), second)
    batch.clear()
    assert not any(layer.any() for layer in batch.state())


@pytest.mark.parametrize("begins", [0, 3, 8, 11])
def test_a_window_begins_in_any_row_and_moves_no_other(
    stack: Stack, begins: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    batch = Batch(stack, 40, "/CPU:0")
    batch.arrange([-1] * 9)  # two parts of six, the last three rows are padding
    assert [batch.fits(rows) for rows in (6, 9, 12, 13)] == [False, True, True, False]
    before, after = eeg(BLOCK), eeg(7, 1)
    batch.advance(before)
    batch.advance(after, begins)
    for n in range(9):
        if n != begins:
            samples = np.concatenate([before, after])
            np.testing.assert_allclose(row(batch, n), alone(stack, samples), atol=1e-6)
    np.testing.assert_allclose(row(batch, begins), alone(stack, after), atol=1e-6)


def test_warming_up_leaves_no_state(stack: Stack) -> None:
    batch = Batch(stack, 40, "/CPU:0")
    assert batch.warm_up(BLOCK) > 0
    assert not any(layer.any() for layer in batch.state())


def test_after_warming_up_no_call_takes_as_long_as_compiling() -> None:
    """Every number of rows, every length of a block: compiling takes a hundred times as long."""
    keras.utils.set_random_seed(2)
    stack = fuse(common_lstm(40, CHANNELS, units=(6, 4)))  # not compiled yet
    batch = Batch(stack, 40, "/CPU:0")
    start = time.perf_counter()
    batch.warm_up(BLOCK)
    compiling = (time.perf_counter() - start) / len(batch._widths)
    calls = []
    for rows in range(1, 41):
        start = time.perf_counter()
        batch.arrange([-1] * rows)
        batch.advance(eeg(rows % BLOCK + 1))
        batch.state()
        calls.append(time.perf_counter() - start)
    assert np.median(calls) < compiling / 20
    # The machine may hold one up now and then; a width that had to be compiled would show in eight.
    assert sum(call > compiling / 4 for call in calls) < 4


def test_what_is_compiled_for_a_stack_serves_its_equals(stack: Stack) -> None:
    """TensorFlow never gives it back: a reload of the same model must not compile it anew."""
    keras.utils.set_random_seed(1)
    again = fuse(common_lstm(40, CHANNELS, units=(6, 4)))
    assert Batch(again, 30, "/CPU:0")._advance[6] is Batch(stack, 40, "/CPU:0")._advance[6]
    lstm, top = stack.lstms
    for other in (
        replace(stack, lstms=(replace(lstm, bias=lstm.bias + 1), top)),
        replace(stack, lstms=(replace(lstm, activation="relu"), top)),
        replace(stack, denses=()),
    ):
        assert other != stack
