"""The streams of an XDF file, and of them the EEG and the markers.

pyxdf reads; its removal of jitter stays off, because it hides gaps and backward steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from daemon.errors import UsageError
from daemon.recordings.complaints import quiet, unreadable
from daemon.recordings.integrity import check_xdf, open_maybe_gzip
from daemon.recordings.recording import Markers, Recording
from daemon.records import Float64, StreamDescription
from daemon.text import clean


@dataclass(frozen=True, slots=True)
class XdfStream:
    """One stream of a file, as it was recorded.

    Attributes
    ----------
    about : StreamDescription
    said : dict of str to str
        The single values of its ``desc``, cleaned.
    values : array, shape (n, channels), or list of str
        Of a string stream one text a sample, its channels joined by spaces.
    stamps : float64 array, shape (n,)
        On the clock of the stream's own host.
    synchronized : float64 array, shape (n,)
        The same on the recorder's clock, by pyxdf.
    offsets : float64 array, shape (m, 2)
        When (on the stream's clock) which offset to the recorder's clock was measured.
    """

    about: StreamDescription
    said: dict[str, str]
    values: Any
    stamps: Float64
    synchronized: Float64
    offsets: Float64


def read_streams(path: Path) -> list[XdfStream]:
    """Every stream of an XDF file.

    Raises
    ------
    UsageError
        As ``read_recording``.
    ImportError
        pyxdf is not installed.
    """
    import pyxdf

    check_xdf(path)
    recorded: dict[int, list[Float64]] = {}

    def keep_stamps(values: Any, stamps: Float64, header: Any, stream: int) -> Any:
        recorded.setdefault(stream, []).append(stamps.copy())
        return values, stamps, header

    with quiet("pyxdf") as complaints, open_maybe_gzip(path) as file:
        try:
            streams, _ = pyxdf.load_xdf(
                file, on_chunk=keep_stamps, synchronize_clocks=True, dejitter_timestamps=False
            )
        except Exception as error:
            raise unreadable(path, error) from error
    if complaints:
        raise UsageError(f"recording {path} is corrupt: {complaints[0]}")
    return [
        _stream(stream, path, recorded.get(stream["info"]["stream_id"], [])) for stream in streams
    ]


def _stream(stream: Any, path: Path, recorded: list[Float64]) -> XdfStream:
    about = _describe(stream["info"], path)
    values = stream["time_series"]
    synchronized = np.asarray(stream["time_stamps"], np.float64)
    times, offsets = (stream.get(key, ()) for key in ("clock_times", "clock_values"))
    return XdfStream(
        about=about,
        said=_said(stream["info"]),
        values=[" ".join(row) for row in values] if about.channel_format == "string" else values,
        # pyxdf may drop samples at the end that only a fault of liblsl recorded.
        stamps=np.concatenate([*recorded, np.empty(0)])[: len(synchronized)],
        synchronized=synchronized,
        offsets=np.stack([np.asarray(times, float), np.asarray(offsets, float)], axis=1),
    )


def read_xdf(path: Path, wanted: dict[str, str], markers: str | None) -> Recording:
    """The EEG and the markers of an XDF file.

    Raises
    ------
    UsageError, ImportError
        As `read_streams`; or not exactly one stream is as wanted.
    """
    streams = read_streams(path)
    chosen = choose(path, streams, wanted)
    others = [stream for stream in streams if markers in (None, stream.about.name)]
    marks = markers_beside(chosen, others)
    return Recording(path, chosen.about, chosen.values, chosen.stamps, chosen.synchronized, marks)


def markers_beside(chosen: XdfStream, others: Iterable[XdfStream]) -> Markers:
    """Events of the streams among ``others`` that tell any, on the clock of ``chosen``, by time."""
    # From the recorder's clock to the EEG's, by the offset of the nearest samples.
    order = np.argsort(chosen.synchronized, kind="stable")
    at = chosen.synchronized[order]
    offsets = (chosen.synchronized - chosen.stamps)[order]
    marks = [
        (float(stamp - np.interp(stamp, at, offsets)), text)
        for other in others
        if _tells_events(other)
        for stamp, text in zip(other.synchronized, _texts(other), strict=True)
    ]
    return tuple(sorted(marks, key=lambda mark: mark[0]))


def _tells_events(stream: XdfStream) -> bool:
    """Text; or single whole numbers at no rate, which are triggers if they are not eegd's codes."""
    about = stream.about
    if about.channel_format == "string":
        return True
    whole = about.channel_format.startswith("int") and about.channel_count == 1
    return whole and not about.sample_rate and "model" not in stream.said


def _texts(stream: XdfStream) -> list[str]:
    if stream.about.channel_format == "string":
        return list(stream.values)
    return [str(int(row[0])) for row in stream.values]


def choose(path: Path, streams: Iterable[XdfStream], wanted: dict[str, str]) -> XdfStream:
    """The one numeric stream with samples that is as wanted.

    Raises
    ------
    UsageError
        None is, or several are; lists what there is.
    """
    streams = list(streams)
    asked = " and ".join(f"{key} {value!r}" for key, value in wanted.items()) or "any name"
    matching = [
        stream
        for stream in streams
        if stream.about.channel_format != "string"
        and len(stream.stamps)
        and all(
            getattr(stream.about, key).casefold() == clean(value).casefold()
            if key == "type"
            else getattr(stream.about, key) == clean(value)
            for key, value in wanted.items()
        )
    ]
    if len(matching) == 1:
        return matching[0]
    found = "; ".join(
        f"{about}, {about.channel_count} {about.channel_format} channels at "
        f"{about.sample_rate:g} Hz, {len(stream.stamps)} samples"
        for stream in (matching or streams)
        for about in (stream.about,)
    )
    if matching:
        raise UsageError(
            f"recording {path} holds {len(matching)} streams with {asked}; choose one by name, "
            f"type, source_id or hostname: {found}"
        )
    raise UsageError(
        f"recording {path} holds no EEG: no numeric stream with samples has {asked}; "
        f"streams found: {found or 'none'}"
    )


def _describe(info: Any, path: Path) -> StreamDescription:
    """pyxdf's nested lists of one stream header as a description."""

    def text(of: Any, key: str) -> str:
        values = (of or {}).get(key) or [None]
        return clean(values[0] or "") if not isinstance(values[0], dict) else ""

    count = int(text(info, "channel_count"))
    desc = (info.get("desc") or [None])[0]
    channels = desc.get("channels") if isinstance(desc, dict) else None
    listed = channels[0].get("channel") if channels and isinstance(channels[0], dict) else None
    # As `daemon.discovery.describe` reads it live: the first channels, as far as it goes.
    listed = [*(listed or ())][:count]
    listed += [{}] * (count - len(listed))
    return StreamDescription(
        name=text(info, "name") or clean(path.stem),
        type=text(info, "type"),
        source_id=text(info, "source_id"),
        hostname=text(info, "hostname"),
        sample_rate=float(text(info, "nominal_srate") or 0),
        channel_format=text(info, "channel_format"),
        labels=tuple(text(channel, "label") for channel in listed),
        units=tuple(text(channel, "unit") for channel in listed),
    )


def _said(info: Any) -> dict[str, str]:
    """The single values in a stream's ``desc``."""
    desc = (info.get("desc") or [None])[0]
    if not isinstance(desc, dict):
        return {}
    return {
        clean(key): clean(values[0] or "")
        for key, values in desc.items()
        if len(values) == 1 and not isinstance(values[0], dict)
    }
