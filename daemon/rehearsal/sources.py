"""What can be played: the simulator or a recording, as chunks that begin at time 0."""

from __future__ import annotations

import itertools
import platform
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from daemon.errors import UsageError
from daemon.recordings.recording import Marker, Recording
from daemon.records import Chunk, Float64, StreamDescription
from daemon.rehearsal.simulator import Simulator

_CHUNK_SECONDS = 1 / 32


@dataclass(frozen=True, slots=True)
class Source:
    """What can be played.

    Attributes
    ----------
    stream : StreamDescription
        As it will be announced.
    marker_stream : str
        Name of the marker stream beside it.
    pieces : iterator of (Chunk, list of (float, str))
        Samples in the order of the recording and the markers up to them, in order of time; times
        are seconds since the first sample. Consumed by playing.
    """

    stream: StreamDescription
    marker_stream: str
    pieces: Iterator[tuple[Chunk, list[Marker]]]


def simulator_source(
    simulator: Simulator, *, name: str = "SimulatedEEG", chunk: int | None = None
) -> Source:
    """The simulator, without end; the classes as markers in ``<name>-classes``.

    Parameters
    ----------
    simulator : Simulator
    name : str
    chunk : int or None
        Samples pushed together; None is about 1/32 s.
    """
    size = _chunk_size(chunk, simulator.rate)

    def pieces() -> Iterator[tuple[Chunk, list[Marker]]]:
        first = 0
        while True:
            samples, changes = simulator.next(size)
            stamps = np.arange(first, first + size) / simulator.rate
            yield Chunk(samples, stamps), [(at / simulator.rate, label) for at, label in changes]
            first += size

    count = len(simulator.labels)
    stream = StreamDescription(
        name=name,
        type="EEG",
        source_id=_source_id("simulate", name),
        hostname=platform.node(),
        sample_rate=simulator.rate,
        channel_format="float32",
        labels=simulator.labels,
        units=("microvolts",) * count,
    )
    return Source(stream, f"{name}-classes", pieces())


def recording_source(
    recording: Recording,
    *,
    name: str | None = None,
    loop: bool = False,
    chunk: int | None = None,
) -> Source:
    """A recording, once or without end; its markers in ``<name>-markers``.

    Parameters
    ----------
    recording : Recording
    name : str or None
        None keeps the recording's.
    loop : bool
        Begin again after the last sample, one sample period later.
    chunk : int or None
        Samples pushed together; None is about 1/32 s. A step of the stamps that is longer than a
        chunk lasts begins a new chunk.
    """
    rate = recording.stream.sample_rate
    relative = recording.stamps - recording.stamps[0]
    markers = [(stamp - recording.stamps[0], text) for stamp, text in recording.markers]
    size = _chunk_size(chunk, rate)
    bounds = chunk_bounds(relative, size, rate)
    ends = np.maximum.accumulate(relative)[[end - 1 for _, end in bounds]]
    period = 1 / rate if rate else ends[-1] / max(1, len(relative) - 1)

    def pieces() -> Iterator[tuple[Chunk, list[Marker]]]:
        turn = 0.0
        while True:
            given = 0
            for (first, end), latest in zip(bounds, ends, strict=True):
                upto = given
                while upto < len(markers) and (end == len(relative) or markers[upto][0] <= latest):
                    upto += 1
                chunk = Chunk(recording.samples[first:end], relative[first:end] + turn)
                yield chunk, [(at + turn, text) for at, text in markers[given:upto]]
                given = upto
            if not loop:
                return
            turn += float(ends[-1] + period)

    name = name or recording.stream.name
    stream = replace(
        recording.stream,
        name=name,
        source_id=_source_id("replay", name),
        hostname=platform.node(),
    )
    return Source(stream, f"{name}-markers", pieces())


def chunk_bounds(relative: Float64, size: int, rate: float) -> list[tuple[int, int]]:
    """Where to cut samples into chunks: (first, end) of each, all together in order.

    A chunk has at most ``size`` samples and no step of time within it that is longer than
    ``size`` sample periods; at rate 0 every sample is a chunk.
    """
    if not rate:
        return [(i, i + 1) for i in range(len(relative))]
    gaps = np.flatnonzero(np.diff(relative) > size / rate + 1e-9) + 1
    edges = [0, *gaps.tolist(), len(relative)]
    return [
        (first, min(first + size, end))
        for begin, end in itertools.pairwise(edges)
        for first in range(begin, end, size)
    ]


def _chunk_size(chunk: int | None, rate: float) -> int:
    if chunk is not None and chunk < 1:
        raise UsageError(f"a chunk has 1 sample or more, not {chunk}")
    return chunk or max(1, round(rate * _CHUNK_SECONDS))


def _source_id(command: str, name: str) -> str:
    """Stable across restarts, as the inlet's recovery and every config need it."""
    return f"eegd-{command}-{name}-{platform.node()}"
