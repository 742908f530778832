"""What travels through the program: stream descriptions, chunks of samples, predictions.

Plain values with their shapes and units; no behaviour beyond what follows from the values.
Times are seconds; live, they are on this host's LSL ``local_clock``, and for a recording on the
recording's own clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Samples = npt.NDArray[np.generic]


PROPERTIES = ("type", "name", "source_id", "hostname")
"""Of a stream, by which one is chosen."""


def is_property(key: str, said: str, wanted: str) -> bool:
    """Whether the property that a stream says is the one wanted: a type in any case, else exactly.

    Senders write the type as ``EEG`` and as ``eeg``.
    """
    return said.casefold() == wanted.casefold() if key == "type" else said == wanted


@dataclass(frozen=True, slots=True)
class StreamDescription:
    """What a stream (or a recording) says of itself.

    Attributes
    ----------
    name, type, source_id, hostname : str
        As announced; empty where the stream says nothing.
    sample_rate : float
        Nominal rate in Hz; 0 for an irregular stream.
    channel_format : str
        LSL's name of the sample format: ``float32``, ``double64``, ``int16``, ``string``, …
    labels, units : tuple of str
        One entry per channel, in the stream's order; ``""`` where a channel has none.
    """

    name: str
    type: str
    source_id: str
    hostname: str
    sample_rate: float
    channel_format: str
    labels: tuple[str, ...]
    units: tuple[str, ...]

    @property
    def channel_count(self) -> int:
        return len(self.labels)

    def __str__(self) -> str:
        """Name, type and origin in one line, for messages."""
        origin = f" on {self.hostname}" if self.hostname else ""
        identity = f", source_id {self.source_id!r}" if self.source_id else ""
        return f"{self.name!r} (type {self.type!r}{identity}){origin}"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Samples as they arrived.

    Attributes
    ----------
    samples : array, shape (n, channels of the stream), any numeric dtype
        In the stream's own channel order and units.
    stamps : float64 array, shape (n,)
        Seconds, one for each sample, on the sender's clock.
    offset : float
        Seconds to add to get this host's clock. Apart from the stamps, since each new estimate of
        it moves them, and no sample is lost or gained by that.
    """

    samples: Samples
    stamps: Float64
    offset: float = 0.0

    @staticmethod
    def joined(chunks: Sequence[Chunk]) -> Chunk:
        """``chunks``, one or more, as one with the last one's offset."""
        if len(chunks) == 1:
            return chunks[0]
        return Chunk(
            np.concatenate([chunk.samples for chunk in chunks]),
            np.concatenate([chunk.stamps for chunk in chunks]),
            chunks[-1].offset,
        )


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the daemon says of one window.

    Attributes
    ----------
    sequence : int
        Counts every window from the start of the program, skipped ones included, so that a
        missing number shows a skipped window.
    status : "ok" or "abstain"
    reason : str or None
        Why it abstains, for people; None for ``ok``.
    label : str or None
        The class, or None below the threshold and for an abstention.
    probabilities : mapping of class to float, or None
        In the contract's order of classes; sums to 1. None for an abstention.
    window_start, window_end : float
        Times of the window's first and last sample, in seconds.
    filled : float
        Fraction of the window that was filled, 0 … 1.
    code : str or None
        Why it abstains, for programs: one of `daemon.reasons.Code`. None for ``ok``, and for what
        an eegd published before there were codes.
    channels : tuple of str
        Labels of all channels that the reason is about.
    """

    sequence: int
    status: Literal["ok", "abstain"]
    reason: str | None
    label: str | None
    probabilities: Mapping[str, float] | None
    window_start: float
    window_end: float
    filled: float
    code: str | None = None
    channels: tuple[str, ...] = ()
