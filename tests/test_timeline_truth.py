"""The timeline against simulated senders at length, arbitrary stamps, and real recordings."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import senders
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.records import Chunk
from daemon.timeline import Segment, Timeline

RATES = (160.0, 512.0)
RECORDINGS = Path(__file__).parents[2] / "shared/data/xdf"


def feed(timeline: Timeline, n: np.ndarray, stamps: np.ndarray, size: int) -> Iterator[Segment]:
    for start in range(0, len(n), size):
        part = slice(start, start + size)
        yield from timeline.feed(Chunk(n[part, None], stamps[part]))


def received(segments: Iterable[Segment]) -> np.ndarray:
    return np.concatenate([s.samples[:, 0] for s in segments if not s.filled])


def filled(segments: Iterable[Segment]) -> list[tuple[int, int]]:
    """Of each filled gap, the last sample before it and its length."""
    return [(int(s.samples[0, 0]), len(s.stamps)) for s in segments if s.filled]


def assert_no_gap(sender: str, rate: float, count: int, off: float = 0.0) -> None:
    """Nothing is missing, nothing comes out but what went in, in its order."""
    random = np.random.default_rng(count)
    timeline = Timeline(rate, 0.1)
    expected, restarts = 0, 0
    for first in range(0, count, 1 << 20):
        n = np.arange(first, min(first + (1 << 20), count))
        stamps = senders.ALL[sender](n, rate, random)
        stamps += off * (stamps - senders.START)
        segments = list(feed(timeline, n, stamps, 512))
        if n[-1] == count - 1:
            segments += timeline.flush()
        restarts += sum(segment.restart for segment in segments)
        values = np.concatenate([segment.samples[:, 0] for segment in segments])
        np.testing.assert_array_equal(values, np.arange(expected, expected + len(values)))
        expected += len(values)
    assert (timeline.gaps, timeline.back_steps, restarts) == (0, 0, 1)
    assert expected == count
    assert timeline.effective_rate == pytest.approx(rate / (1 + off), rel=5e-4)
    assert timeline.rate_is_off == (off > 0.01)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("sender", senders.ALL)
def test_no_sender_loses_a_sample(sender: str, rate: float) -> None:
    assert_no_gap(sender, rate, 100_000)


@pytest.mark.slow
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("sender", senders.ALL)
def test_no_sender_loses_one_of_ten_million(sender: str, rate: float) -> None:
    assert_no_gap(sender, rate, 10_000_000)


@pytest.mark.parametrize("off", [0.001, 0.005, 0.0099, 0.012, 125 / 51 - 1, -0.005])
@pytest.mark.parametrize("sender", ["steady", "delayed", "batches"])
def test_another_rate_is_followed_and_said(sender: str, off: float) -> None:
    assert_no_gap(sender, 125.0, 20_000, off)


def with_gaps(rate: float, count: int, seed: int) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Positions sent, and of each gap the first position that is missing and the length."""
    random = np.random.default_rng(seed)
    keep = np.ones(count, bool)
    gaps = []
    at = int(6 * rate)
    while True:
        longest = 0.3 if random.random() < 0.8 else 10
        length = int(np.ceil(rate * random.uniform(0.15, longest)))
        if at + length + 6 * rate > count:
            return np.flatnonzero(keep), gaps
        keep[at : at + length] = False
        gaps.append((at, length))
        at += length + int(rate * (5 + random.exponential(3)))


def assert_gaps_found(sender: str, rate: float, count: int, seed: int, within: int) -> None:
    n, gaps = with_gaps(rate, count, seed)
    stamps = senders.ALL[sender](n, rate, np.random.default_rng(seed))
    timeline = Timeline(rate, fill_up_to=1e6)
    segments = [*feed(timeline, n, stamps, 512), *timeline.flush()]
    np.testing.assert_array_equal(received(segments), n)
    found = filled(segments)
    assert timeline.gaps == len(found) == len(gaps)
    waited = 8 * rate if sender == "chunks" else 0  # for enough of them to be late
    for (at, length), (before, missing) in zip(gaps, found, strict=True):
        # Samples just before it that were themselves late are taken for the first after it.
        assert at - 0.1 * rate <= before < at + waited
        # Over a long one the rate counts, too: it is known to some 0.05 %.
        assert abs(missing - length) <= within + 5e-4 * length
    # Too long to be filled, they restart the timeline, and nothing else does.
    restarting = Timeline(rate, fill_up_to=0.1)
    again = [*feed(restarting, n, stamps, 512), *restarting.flush()]
    np.testing.assert_array_equal(received(again), n)
    assert sum(segment.restart for segment in again) == len(gaps) + 1


# Where the jitter is of many samples and has no edge, the clock does not allow for one.
# For one in two thousand gaps it is two with uniform jitter, too.
WITHIN = {
    ("symmetric", 160.0): 2,
    ("gaussian", 160.0): 3,
    ("gaussian", 512.0): 6,
    ("jittering_batches", 160.0): 2,
    ("jittering_batches", 512.0): 2,
    ("chunks", 160.0): 3,
    ("chunks", 512.0): 4,
}
WITH_GAPS = [sender for sender in senders.ALL if sender != "held_up"]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("sender", WITH_GAPS)
def test_every_gap_is_found(sender: str, rate: float) -> None:
    assert_gaps_found(sender, rate, 60_000, 1, WITHIN.get((sender, rate), 1))


@pytest.mark.slow
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("sender", [sender for sender in WITH_GAPS if sender != "chunks"])
def test_every_one_of_thousands_of_gaps_is_found(sender: str, rate: float) -> None:
    for seed in range(20):
        assert_gaps_found(sender, rate, int(1000 * rate), seed, WITHIN.get((sender, rate), 1))


def content(segments: Iterable[Segment]) -> list[tuple[object, ...]]:
    """Every sample, bit for bit."""
    return [
        (int(s.samples[n, 0]), s.stamps[n].tobytes(), s.filled, s.restart and n == 0, s.off_rate)
        for s in segments
        for n in range(len(s.stamps))
    ]


def cut(n: np.ndarray, stamps: np.ndarray, rate: float, cuts: Iterable[int]) -> list[Segment]:
    timeline = Timeline(rate, 0.1)
    segments: list[Segment] = []
    for start, stop in itertools.pairwise([0, *sorted(min(c, len(n)) for c in cuts), len(n)]):
        segments += timeline.feed(Chunk(n[start:stop, None], stamps[start:stop]))
    return segments + list(timeline.flush())


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(list(senders.ALL)),
    st.lists(st.tuples(st.integers(1, 1500), st.integers(1, 60)), max_size=4),
    st.lists(st.tuples(st.integers(0, 1500), st.floats(-3, 3)), max_size=2),
    st.sampled_from([1.0, 1.004, 1.1, 125 / 51]),
    st.lists(st.integers(0, 1500), max_size=25),
    st.integers(0, 2**32 - 1),
)
def test_any_chunking_gives_the_same(
    sender: str,
    gaps: list[tuple[int, int]],
    steps: list[tuple[int, float]],
    slower: float,
    cuts: list[int],
    seed: int,
) -> None:
    keep = np.ones(1500, bool)
    for at, length in gaps:
        keep[at : at + length] = False
    n = np.flatnonzero(keep)
    stamps = senders.ALL[sender](n, 125.0, np.random.default_rng(seed)) * slower
    for at, step in steps:
        stamps[at:] += step
    whole = content(cut(n, stamps, 125.0, []))
    assert content(cut(n, stamps, 125.0, cuts)) == whole
    assert content(cut(n, stamps, 125.0, range(1, len(n)))) == whole
    assert [value for value, _, filled, *_ in whole if not filled] == n.tolist()


ANY = st.floats(width=64)
PIECES = st.one_of(
    st.lists(ANY, min_size=1, max_size=40),
    st.builds(
        lambda start, step, count: [start + step * i for i in range(count)],
        st.one_of(ANY, st.floats(0, 100)),
        st.one_of(ANY, st.floats(-1, 1), st.just(0.05)),
        st.integers(1, 120),
    ),
)


def assert_nothing_lost(pieces: list[list[float]], order: bool, cuts: list[int]) -> None:
    stamps = np.array([stamp for stamps in pieces for stamp in stamps])
    if order:
        stamps.sort()
    n = np.arange(len(stamps))
    segments = cut(n, stamps, 20.0, cuts)
    np.testing.assert_array_equal(received(segments), n)
    assert all(len(s.stamps) == len(s.samples) > 0 for s in segments)
    assert all(np.isfinite(s.stamps).all() for s in segments)
    assert all(length <= 2 for _, length in filled(segments))
    assert segments[0].restart


STRANGE = (st.lists(PIECES, min_size=1, max_size=6), st.booleans(), st.lists(st.integers(0, 400)))


@settings(deadline=None)
@given(*STRANGE)
def test_of_any_stamps_nothing_is_lost(
    pieces: list[list[float]], order: bool, cuts: list[int]
) -> None:
    assert_nothing_lost(pieces, order, cuts)


@pytest.mark.slow
@settings(deadline=None, max_examples=20_000, suppress_health_check=[HealthCheck.too_slow])
@given(*STRANGE)
def test_of_twenty_thousand_strange_streams_nothing_is_lost(
    pieces: list[list[float]], order: bool, cuts: list[int]
) -> None:
    assert_nothing_lost(pieces, order, cuts)


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"needs the recordings in {RECORDINGS}")
@pytest.mark.parametrize("size", [1, 12, 512])
def test_real_recordings_have_no_gap(size: int) -> None:
    pyxdf = pytest.importorskip("pyxdf")
    seen = 0
    for path in sorted(RECORDINGS.glob("*.xdf")):
        streams, _ = pyxdf.load_xdf(path, synchronize_clocks=False, dejitter_timestamps=False)
        for stream in streams:
            rate = float(stream["info"]["nominal_srate"][0])
            stamps = np.asarray(stream["time_stamps"], np.float64)
            if not rate or not len(stamps):
                continue
            n = np.arange(len(stamps))
            timeline = Timeline(rate, 0.1)
            segments = [*feed(timeline, n, stamps, size), *timeline.flush()]
            np.testing.assert_array_equal(received(segments), n)
            assert (timeline.gaps, timeline.back_steps) == (0, 0), path
            if len(n) > 100:
                assert timeline.effective_rate == pytest.approx(rate, rel=0.004), path
                assert not timeline.rate_is_off
            seen += len(n)
    assert seen > 70_000
