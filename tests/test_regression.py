"""The line through a sender's timestamps, and the rate that it tells."""

import numpy as np
import pytest

from daemon.regression import Regression
from daemon.residuals import LARGEST, LOW

RATE = 100.0


def followed(timestamps: np.ndarray) -> Regression:
    """After all of them, each block taken as it is."""
    line = Regression(RATE, float(timestamps[0]))
    for start in range(0, len(timestamps), line.size):
        line.take(timestamps[start : start + line.size])
        if line.is_known:
            line.follow(line.block)
        else:
            line.learn(line.block, 0.0)
    return line


@pytest.mark.parametrize("slower", [0.997, 1.0, 1.003])
def test_a_rate_slightly_off_is_followed(slower: float) -> None:
    timestamps = 5 + np.arange(3000) * slower / RATE
    line = followed(timestamps)
    following = 5 + np.arange(3000, 3100) * slower / RATE
    residuals = line.residuals(following)
    assert np.ptp(residuals) < 1e-4 / RATE
    assert line.on_time(following).all()
    assert line.period == pytest.approx(slower / RATE, rel=1e-6)
    assert line.rate == pytest.approx(RATE / slower, rel=1e-3)
    assert not line.rate_is_off


def test_the_line_is_the_least_squares_line_through_the_blocks() -> None:
    offsets = np.array([0, 2, -1, 3, 1]) * 1e-4  # of each block, in seconds
    line = followed(np.arange(500) / RATE + np.repeat(offsets, 100))
    # The nominal rate counts as one block before the first.
    per_block, at_zero = np.polyfit(np.arange(-1, 5), [0.0, *offsets], 1)
    assert line.period == pytest.approx(1 / RATE + per_block / 100, rel=1e-6)
    middle = line.residuals(np.arange(500, 600) / RATE)[50]
    assert middle == pytest.approx(-(at_zero + 5 * per_block), abs=1e-6)


@pytest.mark.parametrize(("sign", "best"), [(1, LOW), (-1, LARGEST)])
def test_the_edge_of_the_jitter_is_predicted_best(sign: int, best: int) -> None:
    delays = np.random.default_rng(0).exponential(0.1, 3000)
    assert followed(np.arange(3000) / RATE + sign * delays).jitter.best == best


def test_a_shift_moves_the_line_and_not_the_rate() -> None:
    line = followed(np.arange(3000) / RATE)
    before = line.rate
    line.shift(2.0)
    line.take(2.0 + np.arange(3000, 3100) / RATE)
    np.testing.assert_allclose(line.block, 0, atol=1e-9)
    line.follow(line.block)
    assert line.rate == pytest.approx(before)


def test_one_sample_is_taken_only_if_it_is_on_time() -> None:
    line = followed(np.arange(300) / RATE)
    assert not line.take_if_on_time(3.02)
    assert line.take_if_on_time(3.0)
    assert line.room == line.size - 1
    assert line.on_time(np.array([3.01, 3.02, 3.05])).tolist() == [True, True, False]
