"""What is played over LSL is what a consumer gets: samples, stamps, metadata, markers."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daemon.recordings.recording import Recording
from daemon.records import StreamDescription
from daemon.rehearsal.replay import play
from daemon.rehearsal.simulator import Simulator
from daemon.rehearsal.sources import Source, recording_source, simulator_source

RATE = 200.0


@pytest.fixture
def name() -> str:
    return f"replay-{uuid.uuid4().hex[:8]}"


def _recording(fmt: str) -> Recording:
    """Half a second with jitter, a gap and a backward step, and markers."""
    random = np.random.default_rng(0)
    dtype = {"float32": np.float32, "double64": np.float64, "int16": np.int16}[fmt]
    samples = (random.normal(0, 1000, (100, 3))).astype(dtype)
    stamps = 54321.0 + np.arange(100) / RATE + random.uniform(0, 0.002, 100)
    stamps[60:] += 0.4
    stamps[80] = stamps[79] - 0.001
    stream = StreamDescription(
        "amp", "EEG", "sn1", "", RATE, fmt, ("C3", "Cz", ""), ("microvolts", "volts", "")
    )
    markers = ((54321.1, "left"), (54321.5, "naïve → right"))
    return Recording(Path("a.xdf"), stream, samples, stamps, stamps, markers)


@contextmanager
def _played(source: Source, **how: Any) -> Iterator[Callable[[], int]]:
    """Play in a thread; the yielded function waits for the end and returns the pushed count."""
    stop = threading.Event()
    pushed: list[int] = []
    thread = threading.Thread(target=lambda: pushed.append(play(source, stop=stop, **how)))
    thread.start()

    def finished() -> int:
        thread.join(10)
        return pushed[0]

    try:
        yield finished
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def _inlet(name: str) -> Any:
    from pylsl import StreamInlet, resolve_byprop

    (info,) = resolve_byprop("name", name, 1, 10)
    inlet = StreamInlet(info, recover=False)
    inlet.open_stream(10)
    return inlet


def _pull(inlet: Any, count: int) -> tuple[list[Any], np.ndarray]:
    values, stamps = [], []
    deadline = time.monotonic() + 10
    while len(stamps) < count and time.monotonic() < deadline:
        some, at = inlet.pull_chunk(timeout=0.05, max_samples=4096)
        values.extend(some)
        stamps.extend(at)
    return values, np.array(stamps)


@pytest.mark.parametrize("fmt", ["float32", "double64", "int16"])
def test_round_trip(name: str, fmt: str):
    recording = _recording(fmt)
    source = recording_source(recording, name=name)
    with _played(source, wait_for_consumer=10) as finished:
        markers = _inlet(f"{name}-markers")
        eeg = _inlet(name)
        values, stamps = _pull(eeg, 100)
        texts, times = _pull(markers, 2)
        assert finished() == 100
    np.testing.assert_array_equal(np.array(values), recording.samples)
    np.testing.assert_allclose(
        stamps - stamps[0], recording.stamps - recording.stamps[0], rtol=0, atol=1e-9
    )
    assert texts == [["left"], ["naïve → right"]]
    for got, (at, _) in zip(times, recording.markers, strict=True):
        assert got - stamps[0] == pytest.approx(at - recording.stamps[0], abs=1e-9)


def test_metadata(name: str):
    from pylsl import local_clock

    source = recording_source(_recording("float32"), name=name)
    with _played(source, wait_for_consumer=float("inf")):
        eeg, markers = _inlet(name), _inlet(f"{name}-markers")
        info = eeg.info(5)
        assert (info.name(), info.type(), info.channel_count()) == (name, "EEG", 3)
        assert (info.nominal_srate(), info.source_id()) == (RATE, source.stream.source_id)
        channel = info.desc().child("channels").child("channel")
        described = []
        for _ in range(3):
            described.append([channel.child_value(key) for key in ("label", "unit", "type")])
            channel = channel.next_sibling()
        assert described == [["C3", "microvolts", "EEG"], ["Cz", "volts", "EEG"], ["", "", "EEG"]]
        said = markers.info(5)
        assert (said.type(), said.nominal_srate(), said.channel_count()) == ("Markers", 0, 1)
        # Sent in real time: the newest stamp is never ahead of the clock.
        _, stamps = _pull(eeg, 50)
        assert local_clock() - 2 < stamps[-1] <= local_clock()


def test_the_burst_lies_in_the_past_and_the_rest_follows_in_real_time(name: str):
    from pylsl import local_clock

    total = round(30.5 * 160)
    simulator = Simulator(160, seed=2, classes=["rest"])
    source = simulator_source(simulator, name=name)
    with _played(source, burst=30, seconds=0.5, wait_for_consumer=10) as finished:
        classes = _inlet(f"{name}-classes")
        eeg = _inlet(name)
        values, stamps = _pull(eeg, 30 * 160)
        assert len(stamps) >= 30 * 160
        assert 30 <= local_clock() - stamps[0] < 33
        # Before the end: an inlet that lost its stream gives nothing more of what it has.
        more, later = _pull(eeg, total - len(stamps))
        (text,), (begin,) = _pull(classes, 1)
        assert finished() == total
    expected, _ = Simulator(160, seed=2, classes=["rest"]).next(total)
    np.testing.assert_array_equal(np.array(values + more), expected)
    stamps = np.concatenate([stamps, later])
    np.testing.assert_allclose(stamps - stamps[0], np.arange(len(stamps)) / 160, rtol=0, atol=1e-9)
    assert (text, begin) == (["rest"], stamps[0])


def test_stopping_ends_it_at_once(name: str):
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    began = time.monotonic()
    pushed = play(simulator_source(Simulator(), name=name), stop=stop)
    assert time.monotonic() - began < 1
    assert 0 < pushed < 160
    began = time.monotonic()
    assert not play(
        simulator_source(Simulator(), name=name), stop=stop, wait_for_consumer=float("inf")
    )
    assert time.monotonic() - began < 1
