"""The timeline against senders whose truth is known.

Each sample's value is its true position, so that what comes out can be held against it.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.records import Chunk
from daemon.timeline import Segment, Timeline

RATE = 160.0


def chunk(positions: np.ndarray, stamps: np.ndarray) -> Chunk:
    return Chunk(np.asarray(positions, np.float32)[:, None], np.asarray(stamps, np.float64))


def run(
    positions: np.ndarray,
    stamps: np.ndarray,
    cuts: list[int] | None = None,
    fill_up_to: float = 0.1,
) -> tuple[list[Segment], Timeline]:
    timeline = Timeline(RATE, fill_up_to)
    segments: list[Segment] = []
    edges = [0, *sorted(cuts or []), len(stamps)]
    for start, stop in itertools.pairwise(edges):
        segments += timeline.feed(chunk(positions[start:stop], stamps[start:stop]))
    segments += timeline.flush()
    return segments, timeline


def flat(segments: list[Segment]) -> list[tuple[float, float, bool, bool]]:
    """Every sample as (value, stamp, filled, first after a restart)."""
    return [
        (float(s.samples[n, 0]), float(s.stamps[n]), s.filled, s.restart and n == 0)
        for s in segments
        for n in range(len(s.stamps))
    ]


def received(segments: list[Segment]) -> np.ndarray:
    return np.concatenate([s.samples[:, 0] for s in segments if not s.filled])


def test_regular_samples_pass_as_they_are() -> None:
    n = np.arange(1000)
    segments, timeline = run(n, 5 + n / RATE)
    assert timeline.gaps == 0
    assert [s.restart for s in segments].count(True) == 1
    assert segments[0].restart
    np.testing.assert_array_equal(received(segments), n)
    np.testing.assert_array_equal(np.concatenate([s.stamps for s in segments]), 5 + n / RATE)


@pytest.mark.parametrize("missing", [1, 2, 7, 16])
def test_a_short_gap_is_filled_with_the_last_value(missing: int) -> None:
    n = np.delete(np.arange(2000), slice(700, 700 + missing))
    segments, timeline = run(n, n / RATE)
    assert timeline.gaps == 1
    rows = flat(segments)
    assert len(rows) == 2000
    assert [value for value, *_ in rows[700 : 700 + missing]] == [699.0] * missing
    assert [filled for *_, filled, _ in rows].count(True) == missing
    assert all(filled for *_, filled, _ in rows[700 : 700 + missing])
    np.testing.assert_allclose([stamp for _, stamp, *_ in rows], np.arange(2000) / RATE, atol=1e-9)


@pytest.mark.parametrize("missing", [17, 160, 20000])
def test_a_long_gap_restarts(missing: int) -> None:
    n = np.delete(np.arange(2000 + missing), slice(700, 700 + missing))
    segments, timeline = run(n, n / RATE)
    assert timeline.gaps == 1
    assert [index for index, row in enumerate(flat(segments)) if row[3]] == [0, 700]
    np.testing.assert_array_equal(received(segments), n)


def test_two_gaps_close_together() -> None:
    n = np.delete(np.arange(2000), [700, 701, 710])
    segments, timeline = run(n, n / RATE)
    assert sum(len(s.stamps) for s in segments if s.filled) == 3
    assert len(flat(segments)) == 2000
    assert timeline.gaps in (1, 2)  # seen as one or as two, never as fewer samples


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.7))
def test_jitter_below_a_period_is_no_gap(seed: int, jitter: float) -> None:
    n = np.arange(1200)
    noise = np.random.default_rng(seed).uniform(0, jitter, n.size)
    segments, timeline = run(n, (n + noise) / RATE)
    assert timeline.gaps == 0
    np.testing.assert_array_equal(received(segments), n)


@settings(deadline=None)
@given(st.integers(2, 30), st.booleans(), st.integers(1, 25))
def test_batches_with_one_stamp_are_no_gaps(batch: int, at_end: bool, first: int) -> None:
    n = np.arange(1600)
    start = (n + first) // batch * batch - first
    stamps = (start + (batch if at_end else 0)) / RATE
    # The first batch may be cut: only then the first stamp lies before its sample's own time.
    whole = n[(n + first) // batch > first // batch]
    segments, timeline = run(whole, stamps[whole])
    assert timeline.gaps == 0
    np.testing.assert_array_equal(received(segments), whole)


@pytest.mark.parametrize("held_up", [0.02, 0.1, 0.2])
def test_a_sender_that_was_held_up_and_catches_up_lost_nothing(held_up: float) -> None:
    n = np.arange(1600)
    due = n / RATE
    stamps = np.where((due >= 5) & (due < 5 + held_up), 5 + held_up, due)
    segments, timeline = run(n, stamps)
    assert timeline.gaps == 0
    np.testing.assert_array_equal(received(segments), n)


def test_a_backlog_delivered_at_once_lost_nothing() -> None:
    n = np.arange(3200)
    due = n / RATE
    stamps = np.where((due >= 5) & (due < 8), 8 + (due - 5) * 1e-4, due)
    segments, timeline = run(n, stamps)
    assert timeline.gaps == 0
    np.testing.assert_array_equal(received(segments), n)


@pytest.mark.parametrize("seconds", [2, 3, 5])
def test_a_sender_held_up_at_its_start_lost_nothing(seconds: float) -> None:
    """What had waited comes at once, with stamps of that time, and seems to have a rate far off."""
    due = np.arange(9600) / RATE
    stamps = np.where(due < seconds, seconds + due * 1e-3, due)
    _, timeline = run(np.arange(9600), stamps)
    assert timeline.gaps == timeline.back_steps == 0


@pytest.mark.parametrize("rate", [0.997, 1.003])
def test_a_rate_slightly_off_is_no_gap(rate: float) -> None:
    n = np.arange(int(RATE * 300))
    segments, timeline = run(n, n / RATE * rate)
    assert timeline.gaps == 0
    np.testing.assert_array_equal(received(segments), n)


def test_a_clock_stepping_back_loses_nothing() -> None:
    n = np.arange(3200)
    segments, timeline = run(n, np.where(n < 1000, n / RATE, n / RATE - 3600))
    assert (timeline.gaps, timeline.back_steps) == (0, 1)
    assert [index for index, row in enumerate(flat(segments)) if row[3]] == [0, 1000]
    np.testing.assert_array_equal(received(segments), n)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 900), st.integers(1, 60)), max_size=4),
    st.lists(st.integers(0, 1000), max_size=25),
    st.integers(0, 2**32 - 1),
)
def test_any_chunking_gives_the_same(
    gaps: list[tuple[int, int]], cuts: list[int], seed: int
) -> None:
    keep = np.ones(1000, bool)
    for at, length in gaps:
        keep[at : at + length] = False
    n = np.arange(1000)[keep]
    stamps = (n + np.random.default_rng(seed).uniform(0, 0.5, n.size)) / RATE
    whole, _ = run(n, stamps)
    cut, _ = run(n, stamps, [min(c, n.size) for c in cuts])
    singly, _ = run(n, stamps, list(range(1, n.size)))
    assert flat(whole) == flat(cut) == flat(singly)
    np.testing.assert_array_equal(received(whole), n)


@pytest.mark.parametrize(("step", "batch"), [(-0.02, 1), (-0.5, 1), (-0.1, 12), (-0.5, 12)])
def test_a_small_step_back_restarts_within_three_seconds(step: float, batch: int) -> None:
    n = np.arange(3200)
    due = n // batch * batch / RATE
    segments, timeline = run(n, np.where(n < 1000, due, due + step))
    assert (timeline.gaps, timeline.back_steps) == (0, 1)
    first, second = (index for index, row in enumerate(flat(segments)) if row[3])
    assert first == 0
    assert 1000 < second <= 1000 + 3 * RATE
    np.testing.assert_array_equal(received(segments), n)


def test_a_clock_stepping_forward_is_a_gap() -> None:
    n = np.arange(3200)
    segments, timeline = run(n, np.where(n < 1000, n / RATE, n / RATE + 10))
    assert (timeline.gaps, timeline.missing, timeline.back_steps) == (1, 1600, 0)
    assert [index for index, row in enumerate(flat(segments)) if row[3]] == [0, 1000]


def test_samples_that_come_twice_restart() -> None:
    n = np.sort(np.append(np.arange(3200), np.arange(1000, 1010)))
    segments, timeline = run(n, n / RATE)
    assert (timeline.gaps, timeline.back_steps) == (0, 1)
    np.testing.assert_array_equal(received(segments), n)


@pytest.mark.parametrize("length", [80, 120])
def test_a_long_chunk_pushed_late_is_no_gap(length: int) -> None:
    n = np.arange(4800)
    late = (n // length) % 7 == 6
    segments, timeline = run(n, (n + 5 * late) / RATE)
    assert timeline.gaps == timeline.back_steps == 0
    np.testing.assert_array_equal(received(segments), n)


@pytest.mark.parametrize("period", [0.6, 1.4])
@pytest.mark.parametrize("swing", [0.001, 0.005])
def test_a_drifting_rate_is_followed(swing: float, period: float) -> None:
    """By so much up and down, in so many minutes."""
    n = np.arange(int(RATE * 300))
    turns = n / RATE / (60 * period)
    drift = swing * 60 * period * (1 - np.cos(2 * np.pi * turns)) / (2 * np.pi)
    segments, timeline = run(n, n / RATE + drift)
    assert timeline.gaps == timeline.back_steps == 0
    assert not timeline.rate_is_off
    np.testing.assert_array_equal(received(segments), n)


@pytest.mark.parametrize("rate", [0.99, 0.995, 1.002, 1.01])
def test_a_rate_that_changes_at_once_is_followed(rate: float) -> None:
    n = np.arange(int(RATE * 60))
    stamps = n / RATE + np.maximum(n / RATE - 20, 0) * (rate - 1)
    _, timeline = run(n, stamps)
    assert timeline.gaps == timeline.back_steps == 0
    assert timeline.effective_rate == pytest.approx(RATE / rate, rel=1e-3)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.7), st.sampled_from([1, 12]))
def test_a_sample_on_time_leaves_with_the_feed_that_brings_it(
    seed: int, jitter: float, batch: int
) -> None:
    n = np.arange(batch * 100)
    noise = np.random.default_rng(seed).uniform(0, jitter, n.size)
    stamps = (n // batch * batch + noise[n // batch]) / RATE
    timeline = Timeline(RATE, 0.1)
    for start in range(0, len(n), batch):
        part = slice(start, start + batch)
        out = list(timeline.feed(chunk(n[part], stamps[part])))
        np.testing.assert_array_equal(received(out), n[part])


def test_a_rate_is_known_and_said_when_it_is_off() -> None:
    n = np.arange(1600)
    segments, timeline = run(n, n / 51)
    assert timeline.rate_is_off
    assert timeline.effective_rate == pytest.approx(51)
    # The first sample is on time whatever the rate.
    assert [s.off_rate is None for s in segments] == [True] + [False] * (len(segments) - 1)
    assert len(segments[0].stamps) == 1
    timeline.restart()
    assert np.isnan(timeline.effective_rate)
    assert not timeline.rate_is_off


@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 300, 301])
def test_a_stamp_that_is_no_number_loses_nothing(strange: float, at: int) -> None:
    n = np.arange(1600)
    stamps = 7 + n / RATE
    stamps[at] = strange
    segments, timeline = run(n, stamps, cuts=[at, at + 1])
    assert sorted(received(segments)) == n.tolist()
    assert np.isfinite([stamp for _, stamp, *_ in flat(segments)]).all()
    assert timeline.gaps == (at == 0)  # nothing is known before the first


def test_one_stray_stamp_after_a_gap_does_not_lengthen_it() -> None:
    n = np.delete(np.arange(1600), [500])
    stamps = n / RATE
    stamps[510] += 0.03
    segments, _ = run(n, stamps)
    assert sum(len(s.stamps) for s in segments if s.filled) == 1
