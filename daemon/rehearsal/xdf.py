"""The EEG and the markers of an XDF file.

pyxdf reads; its removal of jitter stays off, because it hides gaps and backward steps.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from daemon.errors import UsageError
from daemon.records import Float64, Samples, StreamDescription
from daemon.rehearsal.complaints import quiet, unreadable
from daemon.rehearsal.integrity import check_xdf, open_maybe_gzip
from daemon.text import clean

Markers = tuple[tuple[float, str], ...]


def read_xdf(
    path: Path, wanted: dict[str, str], markers: str | None
) -> tuple[StreamDescription, Samples, Float64, Float64, Markers]:
    """Stream, samples, stamps, synchronized stamps and markers, as ``Recording`` has them.

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

    described = [(_describe(stream["info"], path), stream) for stream in streams]
    chosen, stream = _choose(path, described, wanted)
    synchronized = np.asarray(stream["time_stamps"], np.float64)
    # pyxdf may drop samples at the end that only a fault of liblsl recorded.
    stamps = np.concatenate(recorded[stream["info"]["stream_id"]])[: len(synchronized)]

    # From the recorder's clock to the EEG's, by the offset of the nearest samples.
    order = np.argsort(synchronized, kind="stable")
    marks = [
        (float(at - np.interp(at, synchronized[order], (synchronized - stamps)[order])), text)
        for kind, other in described
        if kind.channel_format == "string" and markers in (None, kind.name)
        for at, text in zip(other["time_stamps"], map(" ".join, other["time_series"]), strict=True)
    ]
    marks.sort(key=lambda mark: mark[0])
    return chosen, stream["time_series"], stamps, synchronized, tuple(marks)


def _choose(
    path: Path, described: list[tuple[StreamDescription, Any]], wanted: dict[str, str]
) -> tuple[StreamDescription, Any]:
    """The one numeric stream with samples that is as wanted."""
    asked = " and ".join(f"{key} {value!r}" for key, value in wanted.items()) or "any name"
    matching = [
        (stream, content)
        for stream, content in described
        if stream.channel_format != "string"
        and len(content["time_stamps"])
        and all(
            getattr(stream, key).casefold() == clean(value).casefold()
            if key == "type"
            else getattr(stream, key) == clean(value)
            for key, value in wanted.items()
        )
    ]
    if len(matching) == 1:
        return matching[0]
    found = "; ".join(
        f"{stream}, {stream.channel_count} {stream.channel_format} channels at "
        f"{stream.sample_rate:g} Hz, {len(content['time_stamps'])} samples"
        for stream, content in (matching or described)
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
    if not listed or len(listed) != count:
        listed = [{}] * count
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
