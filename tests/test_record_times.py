"""A gap between records is found, and jitter and drift of their onsets are none."""

from __future__ import annotations

import numpy as np
import pytest

from daemon.recordings.boundaries import UNKNOWN
from daemon.recordings.record_times import record_times

REGULAR = np.arange(200.0)
BY_TURNS = 0.004 * (np.arange(200) % 2)


def gaps(onsets: np.ndarray, duration: float = 1.0, rate: float = 100.0) -> dict[int, float]:
    """From the record behind a gap to its length, as `record_times` has it."""
    steps = np.diff(record_times(onsets, duration, rate).starts) - duration
    return {int(n) + 1: float(steps[n]) for n in np.flatnonzero(np.abs(steps) > 0.5 / rate)}


def test_records_that_follow_each_other_begin_at_their_number_times_the_duration() -> None:
    for first in (0.0, 5.25, -3.0):
        times = record_times(REGULAR + first, 1.0, 100.0)
        np.testing.assert_allclose(times.starts, REGULAR, atol=1e-9)
        np.testing.assert_allclose(times.moved, -first, atol=1e-9)
        assert times.back == ()


@pytest.mark.parametrize("length", [0.01, 0.3, 10.0, 86400.0])
@pytest.mark.parametrize(
    ("at", "jitter"),
    [
        (1, 0 * BY_TURNS),
        (2, 0 * BY_TURNS),
        (100, 0 * BY_TURNS),
        (199, 0 * BY_TURNS),
        (4, BY_TURNS),
        (100, BY_TURNS),
        (196, BY_TURNS),
    ],
)
def test_a_gap_of_a_sample_or_more_is_found_and_keeps_its_length(
    length: float, at: int, jitter: np.ndarray
) -> None:
    found = gaps(REGULAR + jitter + length * (at <= REGULAR))
    assert found == {at: pytest.approx(length, abs=0.0041 if jitter.any() else 1e-9)}


@pytest.mark.parametrize("between", [(0.2, 60), (9.9, 10.1)])
def test_every_record_may_stand_alone(between: tuple[float, float]) -> None:
    lengths = np.random.default_rng(0).uniform(*between, 199)
    onsets = REGULAR + np.concatenate([[0], lengths.cumsum()])
    assert gaps(onsets) == {n + 1: pytest.approx(length) for n, length in enumerate(lengths)}


@pytest.mark.parametrize("rate", [100.0, 1000.0, 5000.0])
@pytest.mark.parametrize("jitter", ["by turns", "uniform", "normal", "early", "late", "seconds"])
def test_jitter_is_no_gap_and_does_not_add_up(rate: float, jitter: str) -> None:
    random = np.random.default_rng(1)
    late = {
        "by turns": BY_TURNS,
        "uniform": random.uniform(0, 0.02, 200),
        "normal": random.normal(0, 0.01, 200),
        "early": BY_TURNS - 0.006 * (REGULAR == 0),
        "late": 0.5 * (REGULAR == 50),
        "seconds": -((0.25 * REGULAR) % 1.0),
    }[jitter]
    duration = 0.25 if jitter == "seconds" else 1.0
    starts = record_times(REGULAR * duration + late, duration, rate).starts
    assert np.ptp(np.diff(starts)) < 1e-9
    np.testing.assert_allclose(starts, REGULAR * duration, rtol=0, atol=np.ptp(late))


@pytest.mark.parametrize("drift", [1e-5, 2e-4, -2e-4, 3e-3, -3e-3])
@pytest.mark.parametrize("jitter", [0 * BY_TURNS, BY_TURNS])
def test_a_clock_that_drifts_is_followed_without_a_gap(drift: float, jitter: np.ndarray) -> None:
    times = record_times(REGULAR * (1 + drift) + jitter, 1.0, 1000.0)
    assert times.back == ()
    np.testing.assert_allclose(times.starts, REGULAR * (1 + drift), rtol=0, atol=0.009)
    assert np.abs(np.diff(times.starts, 2)).max() < 1e-9


@pytest.mark.parametrize("overlap", [0.01, 0.4, 3600.0])
def test_records_that_step_back_are_a_gap_of_unknown_length(overlap: float) -> None:
    times = record_times(REGULAR + 7 - overlap * (REGULAR >= 60), 1.0, 100.0)
    assert times.back == (60,)
    np.testing.assert_allclose(times.starts, REGULAR + UNKNOWN * (REGULAR >= 60), atol=1e-9)
    # What is told in such a record keeps its place in it.
    assert 7 + 59.5 + times.moved[59] == pytest.approx(times.starts[59] + 0.5)
    assert 7 - overlap + 60.5 + times.moved[60] == pytest.approx(times.starts[60] + 0.5)


def test_a_record_that_is_late_by_more_than_a_second_lies_there() -> None:
    times = record_times(REGULAR + 3 * (REGULAR == 50), 1.0, 100.0)
    assert times.back == (51,)
    expected = REGULAR + 3 * (REGULAR >= 50) + UNKNOWN * (REGULAR >= 51)
    np.testing.assert_allclose(times.starts, expected, atol=1e-9)


def test_a_record_that_tells_no_onset_follows_the_one_before_it() -> None:
    onsets = REGULAR[:10] + 3 + 5 * (REGULAR[:10] >= 6)
    onsets[[0, 3, 6]] = np.nan
    assert gaps(onsets) == {7: pytest.approx(5)}
    assert record_times(onsets, 1.0, 100.0).moved[0] == pytest.approx(-3)
    np.testing.assert_allclose(record_times(np.full(4, np.nan), 0.5, 10.0).starts, [0, 0.5, 1, 1.5])
    np.testing.assert_array_equal(record_times(np.array([8.0]), 0.5, 10.0).starts, [0])
