"""The streams of an XDF file, as they were recorded.

pyxdf reads; its removal of jitter stays off, because it hides gaps and backward steps. What is
damaged at the end of a file is left out before pyxdf sees it, which would go on at a place that
nobody knows (`daemon.recordings.chunks`). A stream says of itself what it says live.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import numpy as np

from daemon.errors import UsageError
from daemon.recordings.chunks import Whole, find_chunks
from daemon.recordings.complaints import quiet, unreadable
from daemon.recordings.integrity import open_maybe_gzip
from daemon.records import Float64, StreamDescription
from daemon.text import clean, marker_text

log = logging.getLogger(__name__)

_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class XdfStream:
    """One stream of a file, as it was recorded.

    Attributes
    ----------
    about : StreamDescription
    said : dict of str to str
        The single values of its ``desc``, cleaned.
    values : array, shape (n, channels), or list of str
        Of a string stream one text a sample: its channels without white space at their ends,
        those that hold anything joined by blanks.
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


def read_streams(path: Path, *, strict: bool = False) -> list[XdfStream]:
    """Every stream of an XDF file; one that was restarted is one stream.

    Parameters
    ----------
    path : Path
    strict : bool
        Refuse a damaged file, instead of reading what is whole and logging the damage.

    Raises
    ------
    UsageError
        As ``read_recording``.
    ImportError
        pyxdf is not installed.
    """
    import pyxdf

    recorded: dict[int, list[Float64]] = {}

    def keep_stamps(values: Any, stamps: Float64, header: Any, stream: int) -> Any:
        recorded.setdefault(stream, []).append(stamps.copy())
        return values, stamps, header

    with quiet("pyxdf") as complaints, open_maybe_gzip(path) as file:
        chunks = find_chunks(path, file)
        if chunks.damage and strict:
            raise UsageError(f"recording {path} {' and '.join(chunks.damage)}")
        whole = io.BufferedReader(Whole(file, chunks.extents), _BUFFER)
        try:
            streams, _ = pyxdf.load_xdf(
                whole, on_chunk=keep_stamps, synchronize_clocks=True, dejitter_timestamps=False
            )
            headers = {number: _parsed(xml) for number, xml in chunks.headers.items()}
        except Exception as error:
            if not complaints:
                raise unreadable(path, error) from error
    if complaints:  # it goes on behind a chunk that it cannot read, or tries to
        raise UsageError(
            f"recording {path} is corrupt: a chunk does not hold what its length and its stream's "
            "header say"
        )
    if chunks.damage:
        damage = " and ".join(chunks.damage)
        log.warning("recording %s %s; what is whole is read", path, damage)
    numbers = [stream["info"]["stream_id"] for stream in streams]
    found = [
        _stream(stream, headers[number], path, recorded.get(number, []))
        for stream, number in zip(streams, numbers, strict=True)
    ]
    return _joined(path, found)


def _stream(stream: Any, header: Element, path: Path, recorded: list[Float64]) -> XdfStream:
    about = _describe(header, path)
    values = stream["time_series"]
    synchronized = np.asarray(stream["time_stamps"], np.float64)
    times, offsets = (stream.get(key, ()) for key in ("clock_times", "clock_values"))
    return XdfStream(
        about=about,
        said=_said(header),
        values=[*map(_text, values)] if about.channel_format == "string" else values,
        # pyxdf may drop samples at the end that only a fault of liblsl recorded.
        stamps=np.concatenate([*recorded, np.empty(0)])[: len(synchronized)],
        synchronized=synchronized,
        offsets=np.stack([np.asarray(times, float), np.asarray(offsets, float)], axis=1),
    )


def _text(channels: Sequence[str]) -> str:
    return " ".join(filter(None, map(marker_text, channels)))


def _joined(path: Path, streams: list[XdfStream]) -> list[XdfStream]:
    """``streams``, those of a rate that are the same one before and after a restart joined.

    They say the same of themselves, and one begins after the other has ended.
    """
    found: list[XdfStream] = []
    for stream in sorted(streams, key=_begin):
        before = next((n for n, other in enumerate(found) if _goes_on(other, stream)), None)
        if before is None:
            found.append(stream)
            continue
        log.warning("recording %s: %s was restarted; its parts are one", path, stream.about)
        parts = (found[before], stream)
        found[before] = XdfStream(
            stream.about,
            stream.said,
            *(
                np.concatenate([getattr(part, key) for part in parts])
                for key in ("values", "stamps", "synchronized", "offsets")
            ),
        )
    return found


def _begin(stream: XdfStream) -> float:
    return float(stream.synchronized.min()) if len(stream.synchronized) else -np.inf


def _goes_on(before: XdfStream, after: XdfStream) -> bool:
    """Whether ``after`` is ``before`` once more."""
    about = before.about
    return (
        about == after.about
        and about.channel_format != "string"
        and about.sample_rate > 0
        and bool(len(before.stamps) and len(after.stamps))
        and float(before.synchronized.max()) < _begin(after)
    )


def _parsed(xml: bytes) -> Element:
    """A stream's header, each of its values decoded as pylsl decodes it live: UTF-8, or Latin-1."""
    try:
        return fromstring(xml.decode("utf-8"))
    except UnicodeDecodeError:
        header = fromstring(xml.decode("latin-1"))
    for element in header.iter():
        try:
            element.text = (element.text or "").encode("latin-1").decode("utf-8")
        except UnicodeError:
            continue
    return header


def _describe(header: Element, path: Path) -> StreamDescription:
    """What a stream's header says of it."""

    def text(of: Element, key: str) -> str:
        return clean(of.findtext(key) or "")

    count = int(text(header, "channel_count"))
    # As `daemon.discovery.describe` reads it live: the first channels, as far as it goes.
    listed = header.findall("./desc[1]/channels[1]/channel")[:count]
    rest = [""] * (count - len(listed))
    return StreamDescription(
        name=text(header, "name") or clean(path.stem),
        type=text(header, "type"),
        source_id=text(header, "source_id"),
        hostname=text(header, "hostname"),
        sample_rate=float(text(header, "nominal_srate") or 0),
        channel_format=text(header, "channel_format"),
        labels=(*(text(channel, "label") for channel in listed), *rest),
        units=(*(text(channel, "unit") for channel in listed), *rest),
    )


def _said(header: Element) -> dict[str, str]:
    """The single values in a stream's ``desc``."""
    desc = header.find("desc")
    values = [] if desc is None else [child for child in desc if not len(child)]
    tags = [child.tag for child in values]
    return {
        clean(child.tag): clean(child.text or "") for child in values if tags.count(child.tag) == 1
    }
