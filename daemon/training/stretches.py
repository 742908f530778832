"""A recording → the regular, conditioned samples that the daemon would have given a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daemon.contract import Contract
from daemon.intake import Intake
from daemon.intake import Stretch as Piece
from daemon.montage import Montage
from daemon.pick import Pick
from daemon.quality import Quality
from daemon.reasons import Code, Reason
from daemon.recordings.recording import Recording
from daemon.records import Chunk, Float32, Float64
from daemon.timeline import Timeline
from daemon.units import MICROVOLTS

_BLOCK = 1024


@dataclass(frozen=True)
class Stretch:
    """What lies between two restarts of the timeline.

    Attributes
    ----------
    samples : float32 array, shape (n, inputs of the model)
        The model's steps.
    stamps : float64 array, shape (n,)
        Of each step's last sample: seconds of the recording, never decreasing.
    eeg : float32 array, shape (n · samples per step, channels)
        Of which band power is, conditioned but for the reference, with the channels that the
        reference names behind the model's. None where the steps are EEG.
    raw : float32 array, shape (m, picked channels)
        What the stream held, in the contract's unit and at the stream's own rate.
    received : float64 array, shape (m,)
        Its stamps.
    filled, off_rate : bool arrays, shape (m,)
        Filled; received while the sender is known to run at another rate.
    """

    samples: Float32
    stamps: Float64
    eeg: Float32 | None
    raw: Float32
    received: Float64
    filled: npt.NDArray[np.bool_]
    off_rate: npt.NDArray[np.bool_]

    def fault(self, contract: Contract, pick: Pick, first: int, steps: int) -> Reason | None:
        """Why the daemon would abstain from the window of steps [first, first + steps)."""
        inside = self._received(contract, pick, first, steps)
        if self.off_rate[inside].any():
            other = f"it runs at another rate than {pick.sample_rate:g} Hz"
            return Reason(Code.OFF_RATE, other)
        raw, filled = self.raw[inside], self.filled[inside]
        quality = Quality(
            pick.labels, MICROVOLTS[contract.unit], pick.sample_rate, len(raw), len(raw)
        )
        for part in np.split(np.arange(len(raw)), np.flatnonzero(np.diff(filled)) + 1):
            quality.push(raw[part], filled=bool(filled[part[0]]))
        return quality.fault()

    def filled_share(self, contract: Contract, pick: Pick, first: int, steps: int) -> float:
        """Fraction of that window's samples that were never received."""
        return float(self.filled[self._received(contract, pick, first, steps)].mean())

    def _received(self, contract: Contract, pick: Pick, first: int, steps: int) -> slice:
        """That window's samples among those of the stream."""
        count = steps * contract.samples_per_step * pick.down // pick.up
        end = int(np.searchsorted(self.received, self.stamps[first + steps - 1], side="right"))
        return slice(max(end - count, 0), end)


def stretches(
    contract: Contract, pick: Pick, recording: Recording, *, fill_up_to: float
) -> Iterator[Stretch]:
    """All of ``recording``, which ``pick`` fits to ``contract``."""

    def taken(contract: Contract) -> tuple[list[list[Piece]], int]:
        """What an intake gives, and how many samples at the contract's rate come before that."""
        intake = Intake(contract, pick, hop=contract.window, fill_up_to=fill_up_to)
        given = [s for chunk in _chunks(recording) for s in intake.feed(chunk)]
        return _parted([*given, *intake.flush()]), intake.lead * pick.up // pick.down

    pieces, lead = taken(contract)
    before = contract.before_power()
    eeg = taken(before)[0] if before else [None] * len(pieces)
    # Once more for what the filters do not leave: it is the stream itself that is judged.
    timeline = Timeline(pick.sample_rate, fill_up_to)
    segments = [s for chunk in _chunks(recording) for s in timeline.feed(chunk)]
    segments += timeline.flush()
    if not segments:
        return
    counts = [len(segment.stamps) for segment in segments]
    raw = Montage(pick.indices, pick.scales).apply(np.concatenate([s.samples for s in segments]))
    received = np.concatenate([segment.stamps for segment in segments])
    filled = np.repeat([segment.filled for segment in segments], counts)
    off_rate = np.repeat([segment.off_rate is not None for segment in segments], counts)
    begin = 0
    for conditioned, unpowered in zip(pieces, eeg, strict=True):
        end = begin + sum(len(piece.received) for piece in conditioned)
        inside = slice(begin, end)
        stamps = np.concatenate([piece.stamps for piece in conditioned])
        yield Stretch(
            samples=np.concatenate([piece.samples for piece in conditioned]),
            stamps=np.maximum.accumulate(stamps),
            eeg=None
            if unpowered is None
            else np.concatenate([p.samples for p in unpowered])[lead:],
            raw=raw[inside],
            received=np.maximum.accumulate(received[inside]),
            filled=filled[inside],
            off_rate=off_rate[inside],
        )
        begin = end


def _chunks(recording: Recording) -> Iterator[Chunk]:
    for start in range(0, len(recording.stamps), _BLOCK):
        block = slice(start, start + _BLOCK)
        yield Chunk(recording.samples[block], recording.stamps[block])


def _parted(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """What lies between two restarts, together."""
    parts: list[list[Piece]] = []
    for piece in pieces:
        if piece.restart or not parts:
            parts.append([])
        parts[-1].append(piece)
    return parts
