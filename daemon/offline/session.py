"""A session: one XDF file with the EEG and what the daemon published of it.

Every time is as it was recorded. What the daemon says is on its own host's clock; `Session.spans`
has it on the EEG's, by the clock offsets that the recorder measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from daemon.errors import UsageError
from daemon.recordings.complaints import readable
from daemon.recordings.events import is_of_eegd
from daemon.recordings.recording import Recording
from daemon.recordings.streams import XdfStream, read_streams
from daemon.recordings.xdf import choose, recording_of
from daemon.records import Float64, Prediction
from daemon.validation import Strict, validated

_SMOOTH = 5  # measurements of a clock's offset that one is the median of
_NOISE = 0.05  # seconds: of a clock offset over a bad network

Number = Annotated[float, Field(allow_inf_nan=False)]


class _Marker(Strict):
    # `code` and `channels` are in no marker of an eegd before there were codes.
    sequence: int = Field(ge=0)
    status: Literal["ok", "abstain"]
    reason: str | None
    code: str | None = None
    channels: tuple[str, ...] = Field(default=(), strict=False)
    label: str | None
    probabilities: dict[str, Number] | None
    window_start: Number
    window_end: Number
    age_ms: Number
    filled: Number


@dataclass(frozen=True, slots=True)
class Track:
    """The stream of probabilities, or of codes.

    Attributes
    ----------
    name : str
    stamps : float64 array, shape (n,)
    values : array, shape (n, channels)
    """

    name: str
    stamps: Float64
    values: npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Session:
    """What one file holds of a run of the daemon.

    Attributes
    ----------
    eeg : Recording
        Its markers are those of every stream but the daemon's own.
    name : str
        Of the daemon's marker stream.
    said : mapping of str to str
        That stream's metadata: model, window, hop, sample_rate, engine, input_stream.
    predictions : tuple of Prediction
        In the order in which they were recorded; times on the daemon's clock.
    spans : float64 array, shape (n, 2)
        Start and end of their windows on the clock of ``eeg.stamps``.
    probabilities, codes : Track or None
        The other two streams, where they were recorded; stamps on the daemon's clock.
    """

    eeg: Recording
    name: str
    said: Mapping[str, str]
    predictions: tuple[Prediction, ...]
    spans: Float64
    probabilities: Track | None
    codes: Track | None

    @property
    def on_eeg_clock(self) -> list[Prediction]:
        """The predictions with their times on the clock of ``eeg.stamps``."""
        return [
            replace(prediction, window_start=start, window_end=end)
            for prediction, (start, end) in zip(self.predictions, self.spans.tolist(), strict=True)
        ]


def read_session(
    path: Path,
    wanted: dict[str, str],
    output: str,
    markers: str | None = None,
    *,
    strict: bool = False,
) -> Session:
    """The session in an XDF file.

    Parameters
    ----------
    path : Path
    wanted : dict of str to str
        Which EEG the daemon took: its type, name, source_id, hostname, those that are known.
    output : str
        Name of the daemon's marker stream.
    markers : str or None
        Take the markers of the streams of this name only.
    strict : bool
        Refuse a file that is damaged, instead of taking what is whole.

    Raises
    ------
    UsageError
        One line: the file cannot be read, or holds no such EEG, or nothing that the daemon
        published under this name.
    """
    with readable(path):
        streams = read_streams(path, strict=strict)
    published = _published(path, streams, output)
    ours = {output: published, **_tracks(streams, output)}
    others = [stream for stream in streams if stream.about.name not in ours]
    eeg = choose(path, others, wanted)
    predictions = tuple(
        _prediction(text, f"recording {path}, stream {output!r}, sample {n}")
        for n, text in enumerate(published.values)
    )
    times = np.array([[p.window_start, p.window_end] for p in predictions]).reshape(-1, 2)
    recorded = [
        Track(stream.about.name, stream.stamps, stream.values) if stream else None
        for stream in (ours.get(f"{output}-probabilities"), ours.get(f"{output}-codes"))
    ]
    return Session(
        eeg=recording_of(path, eeg, others, markers),
        name=output,
        said=published.said,
        predictions=predictions,
        spans=_moved(times, published, eeg),
        probabilities=recorded[0],
        codes=recorded[1],
    )


def _published(path: Path, streams: list[XdfStream], output: str) -> XdfStream:
    ours = [
        stream
        for stream in streams
        if stream.about.channel_format == "string" and is_of_eegd(stream)
    ]
    named = [stream for stream in ours if stream.about.name == output]
    if len(named) == 1:
        return named[0]
    if named:
        raise UsageError(f"recording {path} holds {len(named)} streams {output!r} of eegd")
    if ours:
        raise UsageError(
            f"recording {path} holds no stream {output!r}; what eegd published there is named "
            f"{', '.join(repr(stream.about.name) for stream in ours)}: set output.name to it"
        )
    found = "; ".join(str(stream.about) for stream in streams)
    raise UsageError(
        f"recording {path} holds nothing that eegd published (record {output!r} beside the EEG); "
        f"streams found: {found or 'none'}"
    )


def _tracks(streams: list[XdfStream], output: str) -> dict[str, XdfStream]:
    names = (f"{output}-probabilities", f"{output}-codes")
    return {
        stream.about.name: stream
        for stream in streams
        if stream.about.name in names and stream.about.channel_format != "string"
    }


def _prediction(text: str, where: str) -> Prediction:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} is not a marker of eegd: {error}") from None
    marker = validated(_Marker, content, where).model_dump(exclude={"age_ms"})
    return Prediction(**marker)


def _moved(times: Float64, origin: XdfStream, target: XdfStream) -> Float64:
    """``times`` on the clock of ``origin``, on the clock of ``target``.

    Two streams of one host have one clock, however often the recorder has measured it: where what
    it measured agrees to `_NOISE`, the times stay. Hosts of one name are told apart by that.
    """
    recorder = times + _offsets(origin, times)
    near: Float64 = recorder - _offsets(target, recorder)
    moved: Float64 = recorder - _offsets(target, near)
    one_host = origin.about.hostname and origin.about.hostname == target.about.hostname
    if one_host and (np.abs(moved - times) < _NOISE).all():
        return times
    return moved


def _offsets(stream: XdfStream, times: Float64) -> Float64:
    """What the stream's clock is behind the recorder's at ``times``; 0 where nobody measured it.

    The nearest measurements, and no line through them all: a fast replay's stamps run minutes
    ahead of them, where a line's slope would be nothing but their noise.
    """
    if not len(stream.offsets):
        return np.zeros_like(times)
    at, values = stream.offsets[np.argsort(stream.offsets[:, 0], kind="stable")].T
    padded = np.pad(values, _SMOOTH // 2, mode="edge")
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(padded, _SMOOTH), axis=1)
    offsets: Float64 = np.interp(times, at, smooth)
    return offsets
