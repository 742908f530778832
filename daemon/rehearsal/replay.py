"""Plays the simulator or a recording over LSL, as an amplifier would.

Rules that hold here:

- Every sample carries an explicit stamp: the start on this host's ``local_clock`` plus the
  recorded time since the first sample. Steps between stamps are the recording's own, so a gap, a
  jitter or a backward step is replayed as it was.
- A sample goes out when its chunk would have been measured, a marker at its own time. Where the
  recorded clock was set back, by more than jitter is, the next chunk follows at once.
  ``timetable`` alone decides when; it knows no clock.
- ``speed`` shortens the waiting and nothing else: at speed 10 the stamps run ahead of the clock
  by 0.9 s for each second of the recording. A consumer that cannot keep up loses the oldest
  samples once 360 s of them wait.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import numpy as np

from daemon.errors import UsageError
from daemon.recordings.recording import Marker
from daemon.records import Chunk, StreamDescription
from daemon.rehearsal.sources import Source

logger = logging.getLogger(__name__)

_SET_BACK = 1.0  # seconds
_LONG = 30.0  # seconds, of which one waits without a word

Timed = Iterator[tuple[float, Chunk | Marker]]
Item = Chunk | Marker | Callable[[float], None]


def timetable(
    pieces: Iterator[tuple[Chunk, list[Marker]]],
    *,
    speed: float = 1.0,
    burst: float = 0.0,
    seconds: float | None = None,
) -> Iterator[tuple[float, Chunk | Marker]]:
    """When to push what.

    Parameters
    ----------
    pieces : iterator of (Chunk, list of (float, str))
        As in ``Source``.
    speed : float
        Times real time; infinite is without waiting.
    burst : float
        The first ``burst`` seconds are due at once.
    seconds : float or None
        End after ``burst + seconds`` of the source's time.

    Yields
    ------
    due : float
        Seconds of wall time after the start, never decreasing.
    item : Chunk or (float, str)
        Its stamps are as the source has them.
    """
    end = np.inf if seconds is None else burst + seconds
    due = latest = back = 0.0

    def later(at: float) -> float:
        return max(due, (at + back - burst) / speed)

    for chunk, markers in pieces:
        if len(chunk.stamps) and (step := latest - back - float(chunk.stamps[0])) > _SET_BACK:
            back += step
        keep = chunk.stamps + back < end - 1e-9
        if not keep.all():
            stop = int(np.argmin(keep))
            chunk = Chunk(chunk.samples[:stop], chunk.stamps[:stop])
            markers = [marker for marker in markers if marker[0] + back < end]
        last = float(chunk.stamps.max()) if len(chunk.stamps) else -np.inf
        for marker in markers:
            # One behind the last sample is not waited for.
            due = later(min(marker[0], last))
            yield due, marker
        if len(chunk.stamps):
            due = later(last)
            latest = max(latest, last + back)
            yield due, chunk
        if not keep.all():
            return


def play(
    source: Source,
    *,
    speed: float = 1.0,
    burst: float = 0.0,
    seconds: float | None = None,
    stop: Event | None = None,
    wait_for_consumer: float | None = None,
    linger: float = 1.0,
    disturb: Callable[[Timed], Iterator[tuple[float, Item]]] = iter,
    late: float = 0.0,
    origin: float | None = None,
) -> int:
    """Open the outlets and push until the source ends or ``stop`` is set.

    Parameters
    ----------
    source : Source
    speed, burst, seconds
        As in ``timetable``. The burst's samples are stamped into the past, so that the first one
        after it is stamped with the time it goes out.
    stop : threading.Event or None
        Ends it at once.
    wait_for_consumer : float or None
        Seconds to wait for somebody to listen before the first push, ``inf`` for ever; then it
        begins all the same. None begins at once; what nobody listens to is lost.
    linger : float
        Seconds to stay after the last push: liblsl drops what is unsent when an outlet closes.
    disturb : function of a timetable
        Changes it; what it puts in that is neither chunk nor marker is called when it is due, with
        the stamp of the source's time 0.
    late : float
        Seconds by which the stamps lie in the past, beside the burst.
    origin : float or None
        When the source whose continuation this is began, on this host's ``local_clock``: at a
        ``speed`` its stamps have run ahead since then. None is now.

    Returns
    -------
    int
        How many samples were pushed.

    Raises
    ------
    UsageError
        A speed, burst or length that makes no sense.
    """
    if not speed > 0:
        raise UsageError(f"the speed has to be greater than 0, not {speed:g}")
    if not 0 <= burst < np.inf:
        raise UsageError(f"the burst has to be 0 s or more, not {burst:g}")
    if seconds is not None and not seconds > 0:
        raise UsageError(f"the seconds to play have to be more than 0, not {seconds:g}")
    from pylsl import local_clock

    stop = stop or Event()
    # The markers' outlet first: who sees the EEG finds it.
    marker_outlet = _outlet(_marker_description(source), burst)
    outlet = _outlet(source.stream, burst + late)
    logger.info("stream %s is open, markers in %r", source.stream, source.marker_stream)
    if wait_for_consumer is not None and not _wait_for_consumer(outlet, wait_for_consumer, stop):
        logger.warning("nobody listens to %r; beginning all the same", source.stream.name)
    pushed = 0
    start = local_clock()
    first = start - burst - late
    if origin is not None:
        first += (start - origin) * (speed - 1)
    timed = timetable(source.pieces, speed=speed, burst=burst, seconds=seconds)
    for due, item in disturb(timed):
        if (ahead := start + due - local_clock()) > _LONG:
            logger.warning("a gap: nothing comes for %.0f s", ahead)
        if stop.wait(max(0.0, start + due - local_clock())):
            return pushed
        if isinstance(item, Chunk):
            # A list: of an array of one stamp, pylsl makes a number.
            outlet.push_chunk(item.samples, (item.stamps + first).tolist())
            pushed += len(item.stamps)
        elif callable(item):
            item(first)
        else:
            marker_outlet.push_sample([item[1]], first + item[0])
    stop.wait(linger)
    return pushed


def _wait_for_consumer(outlet: Any, seconds: float, stop: Event) -> bool:
    from pylsl import local_clock

    until = local_clock() + seconds
    while not stop.is_set():
        if outlet.wait_for_consumers(min(0.1, max(0.0, until - local_clock()))):
            return True
        if local_clock() >= until:
            return False
    return True


def _outlet(stream: StreamDescription, burst: float) -> Any:
    from pylsl import StreamInfo, StreamOutlet

    info = StreamInfo(
        stream.name,
        stream.type,
        stream.channel_count,
        stream.sample_rate,
        stream.channel_format,
        stream.source_id,
    )
    info.desc().append_child_value("manufacturer", "eegd")
    if any(stream.labels) or any(stream.units):
        channels = info.desc().append_child("channels")
        for label, unit in zip(stream.labels, stream.units, strict=True):
            channel = channels.append_child("channel")
            for key, value in (("label", label), ("unit", unit), ("type", stream.type)):
                if value:
                    channel.append_child_value(key, value)
    # liblsl's default of 360 s, more where the burst alone would overflow it.
    return StreamOutlet(info, 0, int(max(360, 2 * burst)))


def _marker_description(source: Source) -> StreamDescription:
    return StreamDescription(
        name=source.marker_stream,
        type="Markers",
        source_id=f"{source.stream.source_id}-markers",
        hostname=source.stream.hostname,
        sample_rate=0.0,
        channel_format="string",
        labels=("",),
        units=("",),
    )
