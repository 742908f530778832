"""Of the streams of an XDF file, the EEG and the markers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from daemon.errors import UsageError
from daemon.recordings.events import is_of_eegd, markers_beside
from daemon.recordings.recording import Recording
from daemon.recordings.streams import XdfStream, read_streams
from daemon.text import clean


def read_xdf(
    path: Path, wanted: dict[str, str], markers: str | None, *, strict: bool = False
) -> Recording:
    """The EEG and the markers of an XDF file.

    Raises
    ------
    UsageError, ImportError
        As `read_streams`; or not exactly one stream is as wanted.
    """
    streams = read_streams(path, strict=strict)
    return recording_of(path, choose(path, streams, wanted), streams, markers)


def recording_of(
    path: Path, eeg: XdfStream, streams: Iterable[XdfStream], markers: str | None
) -> Recording:
    """``eeg`` with the markers of ``streams``, or of those of the name ``markers`` alone."""
    streams = list(streams)
    telling = [stream for stream in streams if markers in (None, stream.about.name)]
    if not telling:
        names = ", ".join(repr(s.about.name) for s in streams if s is not eeg)
        raise UsageError(
            f"recording {path} has no stream {clean(markers or '')!r} for the markers; beside the "
            f"EEG it has {names or 'none'}"
        )
    marks = markers_beside(eeg, telling)
    return Recording(path, eeg.about, eeg.values, eeg.stamps, eeg.synchronized, marks)


def choose(path: Path, streams: Iterable[XdfStream], wanted: dict[str, str]) -> XdfStream:
    """The one numeric stream with samples that is as wanted.

    Raises
    ------
    UsageError
        None is, or several are; lists what there is.
    """
    streams = list(streams)
    asked = " and ".join(f"{key} {value!r}" for key, value in wanted.items()) or "any name"
    numeric = [s for s in streams if s.about.channel_format != "string" and len(s.stamps)]
    matching = [
        stream
        for stream in numeric
        if all(
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
    asked_type = clean(wanted.get("type", "")).casefold()
    types = [s.about.type for s in numeric if s.about.sample_rate and not is_of_eegd(s)]
    others = [kind for kind in types if asked_type and kind.casefold() != asked_type]
    hint = ""
    if others:
        hint = f"; if {others[0]!r} is the type of the EEG, say so (stream.type, or replay --type)"
    raise UsageError(
        f"recording {path} holds no EEG: no numeric stream with samples has {asked}; "
        f"streams found: {found or 'none'}{hint}"
    )
