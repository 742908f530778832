"""The timetable of replay: what goes out when, without a clock and without LSL."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import UsageError
from daemon.recordings.recording import Recording
from daemon.records import Chunk, StreamDescription
from daemon.rehearsal.replay import play, timetable
from daemon.rehearsal.simulator import Simulator
from daemon.rehearsal.sources import chunk_bounds, recording_source, simulator_source


def _recording(stamps: list[float], rate: float = 100.0, markers=()) -> Recording:
    stream = StreamDescription(
        "amp", "EEG", "sn1", "elsewhere", rate, "int16", ("C3", "C4"), ("microvolts", "")
    )
    samples = np.arange(2 * len(stamps), dtype=np.int16).reshape(-1, 2)
    at = np.asarray(stamps, np.float64)
    return Recording(Path("a.xdf"), stream, samples, at, at, tuple(markers))


def _items(source, count: int | None = None, **how):
    return list(islice(timetable(source.pieces, **how), count))


def _chunks(items):
    return [(due, item) for due, item in items if isinstance(item, Chunk)]


@given(
    steps=st.lists(st.sampled_from([-0.02, 0.0, 0.003, 0.01, 0.011, 0.5]), max_size=60),
    size=st.integers(1, 9),
)
def test_chunks_are_all_samples_in_order_and_bridge_no_gap(steps: list[float], size: int):
    relative = np.concatenate([[0.0], np.cumsum(steps)])
    bounds = chunk_bounds(relative, size, 100.0)
    assert [i for first, end in bounds for i in range(first, end)] == list(range(len(relative)))
    assert max(end - first for first, end in bounds) <= size
    for first, end in bounds:
        assert (np.diff(relative[first:end]) <= size / 100 + 1e-6).all()


def test_an_irregular_stream_goes_sample_by_sample():
    assert chunk_bounds(np.array([0.0, 3.0, 3.0]), 32, 0.0) == [(0, 1), (1, 2), (2, 3)]


def test_a_chunk_is_due_when_its_last_sample_was_measured():
    source = recording_source(_recording([5 + i / 100 for i in range(10)]), chunk=4)
    items = _items(source)
    assert [due for due, _ in items] == pytest.approx([0.03, 0.07, 0.09])
    assert [len(chunk.stamps) for _, chunk in items] == [4, 4, 2]
    np.testing.assert_allclose(
        np.concatenate([chunk.stamps for _, chunk in items]), np.arange(10) / 100, atol=1e-12
    )
    samples = np.concatenate([chunk.samples for _, chunk in items])
    assert samples.dtype == np.int16
    assert samples.tolist() == np.arange(20).reshape(10, 2).tolist()


def test_a_gap_delays_what_is_behind_it_and_nothing_before():
    source = recording_source(_recording([0, 0.01, 5, 5.01]), chunk=4)
    assert [due for due, _ in _items(source)] == pytest.approx([0.01, 5.01])


def test_a_step_backward_is_kept_and_never_makes_the_timetable_run_backward():
    stamps = [0, 0.01, 0.02, 0.005, 0.015, 0.03]
    items = _items(recording_source(_recording(stamps), chunk=1))
    assert [chunk.stamps[0] for _, chunk in items] == pytest.approx(stamps)
    assert [due for due, _ in items] == pytest.approx([0, 0.01, 0.02, 0.02, 0.02, 0.03])


def test_a_clock_that_was_set_back_makes_no_burst():
    once = [50_000 + n / 100 for n in range(300)]
    again = [30 + n / 100 for n in range(300)]
    source = recording_source(_recording(once + again, markers=[(31.0, "a")]), chunk=10)
    items = _items(source)
    chunks = _chunks(items)
    np.testing.assert_allclose(
        np.concatenate([chunk.stamps for _, chunk in chunks]), np.subtract(once + again, once[0])
    )
    waits = np.diff([due for due, _ in chunks])
    assert waits.max() == pytest.approx(0.1)
    # What follows the step is due with it, and from there on all goes by the clock as it is then.
    assert np.sort(waits)[:2] == pytest.approx([0.09, 0.1])
    assert chunks[-1][0] == pytest.approx(5.97, abs=0.02)
    half = _chunks(_items(recording_source(_recording(once + again), chunk=10), seconds=3.5))
    assert sum(len(chunk.stamps) for _, chunk in half) == pytest.approx(350, abs=2)


@pytest.mark.parametrize("speed", [0.5, 4.0, float("inf")])
def test_speed_changes_when_and_not_what(speed: float):
    recording = _recording([i / 100 for i in range(30)], markers=[(0.05, "a"), (0.2, "b")])
    slow = _items(recording_source(recording))
    fast = _items(recording_source(recording), speed=speed)
    assert [due / speed for due, _ in slow] == pytest.approx([due for due, _ in fast])
    for (_, one), (_, other) in zip(slow, fast, strict=True):
        if isinstance(one, Chunk):
            np.testing.assert_array_equal(one.stamps, other.stamps)
        else:
            assert one == other


def test_the_burst_is_due_at_once_and_the_rest_in_real_time():
    source = recording_source(_recording([i / 100 for i in range(100)]), chunk=5)
    items = _items(source, burst=0.5, speed=2)
    early = [due for due, chunk in items if chunk.stamps[-1] <= 0.5]
    late = [(due, chunk.stamps[-1]) for due, chunk in items if chunk.stamps[-1] > 0.5]
    assert len(early) == 10
    assert not any(early)
    assert [due for due, _ in late] == pytest.approx([(last - 0.5) / 2 for _, last in late])


def test_markers_are_due_at_their_own_times():
    marks = [(9.0, "before"), (10.03, "c"), (12.0, "in the gap"), (15.02, "d"), (99.0, "behind")]
    stamps = [10, 10.01, 10.02, 10.03, 15, 15.01, 15.02, 15.03]
    items = _items(recording_source(_recording(stamps, markers=marks), chunk=4))
    told = [(due, item[1], item[0]) for due, item in items if not isinstance(item, Chunk)]
    assert [text for _, text, _ in told] == [text for _, text in marks]
    assert [at for *_, at in told] == pytest.approx([at - 10 for at, _ in marks])
    # What lies before the first sample is due at once, behind the last one with it.
    assert [due for due, *_ in told] == pytest.approx([0, 0.03, 2, 5.02, 5.03])


def test_a_loop_goes_on_one_period_later():
    recording = _recording([7, 7.01, 7.02, 7.025], markers=[(7.01, "a"), (8.0, "behind")])
    source = recording_source(recording, loop=True, chunk=2)
    items = _items(source, 12)
    stamps = np.concatenate([chunk.stamps for _, chunk in _chunks(items)])
    once = np.array([0, 0.01, 0.02, 0.025])
    np.testing.assert_allclose(stamps[:12], [*once, *(once + 0.035), *(once + 0.07)])
    told = [item for _, item in items if not isinstance(item, Chunk)]
    assert [text for _, text in told] == ["a", "behind"] * 3
    assert [at for at, _ in told[::2]] == pytest.approx([0.01, 0.045, 0.08])


def test_a_loop_begins_behind_the_latest_stamp_where_the_last_steps_back():
    source = recording_source(_recording([0, 0.01, 0.05, 0.02]), loop=True, chunk=4)
    stamps = np.concatenate([chunk.stamps for _, chunk in _items(source, 2)])
    assert stamps[4] == pytest.approx(0.06)


@pytest.mark.parametrize("chunk", [1, 3, 7, 50])
def test_seconds_count_samples_exactly(chunk: int):
    marks = [(0.0, "start"), (0.35, "in"), (0.5, "out")]
    source = recording_source(_recording([i / 100 for i in range(100)], markers=marks), chunk=chunk)
    items = _items(source, seconds=0.4, burst=0.1)
    stamps = np.concatenate([chunk.stamps for _, chunk in _chunks(items)])
    np.testing.assert_allclose(stamps, np.arange(50) / 100)
    assert [i[1] for _, i in items if not isinstance(i, Chunk)] == ["start", "in"]
    assert max(due for due, _ in items) == pytest.approx(0.39)


def test_the_simulator_as_a_source():
    source = simulator_source(Simulator(160, seed=4, block_seconds=(1, 2)), chunk=7)
    expected, changes = Simulator(160, seed=4, block_seconds=(1, 2)).next(1600)
    items = _items(source, seconds=10)
    np.testing.assert_array_equal(
        np.concatenate([chunk.samples for _, chunk in _chunks(items)]), expected
    )
    told = [item for _, item in items if not isinstance(item, Chunk)]
    assert told == [(at / 160, name) for at, name in changes]
    assert source.stream.labels == Simulator().labels
    assert set(source.stream.units) == {"microvolts"}
    assert (source.stream.name, source.marker_stream) == ("SimulatedEEG", "SimulatedEEG-classes")


def test_a_recording_is_announced_as_itself_under_its_own_source_id():
    source = recording_source(_recording([0.0]))
    again = recording_source(_recording([0.0]), name="other")
    assert (source.stream.name, source.marker_stream) == ("amp", "amp-markers")
    assert (again.stream.name, again.marker_stream) == ("other", "other-markers")
    assert source.stream.source_id.startswith("eegd-replay-amp")
    assert source.stream.source_id != again.stream.source_id
    assert (source.stream.labels, source.stream.units) == (("C3", "C4"), ("microvolts", ""))
    assert (source.stream.channel_format, source.stream.sample_rate) == ("int16", 100)


def test_nonsense_is_refused():
    recording = _recording([0.0])
    for how in ({"speed": 0}, {"speed": float("nan")}, {"burst": -1}, {"seconds": 0}):
        with pytest.raises(UsageError):
            play(recording_source(recording), **how)
    with pytest.raises(UsageError, match="1 sample or more"):
        recording_source(recording, chunk=0)
