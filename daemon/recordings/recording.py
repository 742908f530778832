"""What every reader gives: the EEG of one file, as the file has it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from daemon.records import Float64, Samples, StreamDescription
from daemon.text import clean, marker_text

Marker = tuple[float, str]
Markers = tuple[Marker, ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """The EEG of one file.

    Attributes
    ----------
    path : Path
    stream : StreamDescription
        As the file says; ``name`` is the file's stem where it names nothing.
    samples : array, shape (n, channels), any numeric dtype
        In the units of ``stream.units``. XDF: the recorded values. Otherwise float64: EDF and
        BDF in the unit of the file's header, FIF in volts, SET in microvolts. Trigger channels are
        left out, but of XDF.
    stamps : float64 array, shape (n,)
        Seconds. XDF: the recorded stamps, on the clock of the EEG's own host. Otherwise the
        sample's index over the rate, and the gaps before it (`daemon.recordings.boundaries`; of
        EDF and BDF `daemon.recordings.record_times`).
    synchronized : float64 array, shape (n,)
        The stamps mapped to the recorder's clock by the clock offsets of an XDF file, for
        comparing streams of different hosts; equal to ``stamps`` in the other formats.
    markers : tuple of (float, str)
        In order of time, on the clock of ``stamps``, each a `daemon.text.marker_text`. XDF: of
        every stream that tells events (`daemon.recordings.events`), mapped by both streams' clock
        offsets. Otherwise the file's annotations. In all of them the codes of trigger channels.
    """

    path: Path
    stream: StreamDescription
    samples: Samples
    stamps: Float64
    synchronized: Float64
    markers: Markers


def from_file(
    path: Path,
    *,
    type: str,
    rate: float,
    labels: Iterable[str],
    units: Iterable[str],
    samples: Samples,
    stamps: Float64,
    markers: Iterable[Marker],
) -> Recording:
    """Make a Recording of a file that holds nothing but samples at one rate and markers.

    Parameters
    ----------
    path : Path
    type : str
        Of the stream that a replay of the file announces.
    rate : float
        Hz.
    labels, units : iterable of str
        As the file has them, one for each channel.
    samples : array, shape (n, channels)
    stamps : float64 array, shape (n,)
        Seconds since the first sample.
    markers : iterable of (float, str)
        In any order, on the clock of ``stamps``.
    """
    name = path.stem
    stream = StreamDescription(
        name=Path(name).stem if path.suffix.lower() == ".gz" else name,
        type=type,
        source_id="",
        hostname="",
        sample_rate=rate,
        channel_format="double64",
        labels=tuple(map(clean, labels)),
        units=tuple(map(clean, units)),
    )
    return Recording(path, stream, samples, stamps, stamps, once(in_order(markers), 1 / rate))


def once(markers: Markers, period: float) -> Markers:
    """``markers`` without those that tell the same again within a sample, as two sources do.

    A code of a trigger channel that the file also has as an annotation is one event.
    """
    kept: list[Marker] = []
    latest: dict[str, float] = {}
    for at, text in markers:
        if at - latest.get(text, -np.inf) > 1.01 * period:
            kept.append((at, text))
            latest[text] = at
    return tuple(kept)


def in_order(markers: Iterable[Marker]) -> Markers:
    """``markers`` by time, their texts as they count; an empty one is no marker."""
    texts = ((at, marker_text(text)) for at, text in markers)
    return tuple(sorted((mark for mark in texts if mark[1]), key=lambda mark: mark[0]))
