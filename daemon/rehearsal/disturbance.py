"""A timetable → the same one with faults: what changes in samples, stamps and delivery.

Rules that hold here:

- The faults and the seed decide everything; nothing here knows a clock, a process or LSL.
- A sample keeps its number, whatever happens to its values, its stamp or its delivery.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daemon.recordings.recording import Marker
from daemon.records import Chunk, Float64
from daemon.rehearsal.faults import PROCESS, Fault


@dataclass(frozen=True, slots=True)
class Sent:
    """A chunk as it leaves the amplifier, its stamps as the source's clock has them.

    Attributes
    ----------
    chunk : Chunk
    numbers : int array, shape (n,)
        Of the samples, from the source's first one on.
    """

    chunk: Chunk
    numbers: npt.NDArray[np.int64]

    def part(self, which: slice) -> Sent:
        samples, stamps = self.chunk.samples[which], self.chunk.stamps[which]
        return Sent(Chunk(samples, stamps), self.numbers[which])

    def followed_by(self, other: Sent) -> Sent:
        ours, theirs = self.chunk, other.chunk
        samples = np.concatenate([ours.samples, theirs.samples])
        stamps = np.concatenate([ours.stamps, theirs.stamps])
        return Sent(Chunk(samples, stamps), np.concatenate([self.numbers, other.numbers]))


Timed = Iterator[tuple[float, Sent | Marker | Fault]]


def disturbed(
    items: Iterator[tuple[float, Chunk | Marker]],
    faults: Sequence[Fault],
    *,
    rate: float,
    seed: int,
    speed: float = 1.0,
) -> Timed:
    """A timetable (see ``replay.timetable``) with faults; those of ``PROCESS`` become items."""
    numbered = _numbered(items, rate)
    struck = _struck(numbered, [fault for fault in faults if fault.kind in PROCESS], rate)
    changed = _changed(struck, faults, rate, np.random.default_rng(seed))
    batched = _batched(changed, [fault for fault in faults if fault.kind == "batch"], rate)
    return _hurried(batched, [fault for fault in faults if fault.kind == "burst"], rate, speed)


def lateness(faults: Sequence[Fault]) -> float:
    """Seconds by which the first sample goes out late, so that all are in time after the bursts."""
    return sum(fault["seconds"] for fault in faults if fault.kind == "burst")


def ahead_by(faults: Sequence[Fault], times: Float64) -> Float64:
    """Seconds by which jumps and drifts have put the clock ahead at each of ``times``."""
    ahead: Float64 = np.zeros_like(times, np.float64)
    for fault in faults:
        if fault.kind == "jump":
            ahead += fault["by"] * (times >= fault.at - 1e-9)
        elif fault.kind == "drift":
            ahead += 1e-6 * fault["ppm"] * np.clip(times - fault.at, 0, fault["seconds"])
    return ahead


def _numbered(items: Iterator[tuple[float, Chunk | Marker]], rate: float) -> Timed:
    for due, item in items:
        if isinstance(item, Chunk):
            yield due, Sent(item, np.rint(item.stamps * rate).astype(np.int64))
        else:
            yield due, item


def _changed(
    items: Timed, faults: Sequence[Fault], rate: float, random: np.random.Generator
) -> Timed:
    held: dict[Fault, Any] = {}
    for due, item in items:
        if not isinstance(item, Sent):
            yield due, item
            continue
        times = item.numbers / rate
        samples, stamps = item.chunk.samples.copy(), item.chunk.stamps + ahead_by(faults, times)
        keep = np.ones(len(stamps), bool)
        for fault in faults:
            inside = fault.within(times)
            if not inside.any():
                continue
            elif fault.kind == "gap":
                keep &= ~inside
            elif fault.kind == "jitter":
                stamps[inside] += random.uniform(-1e-3, 1e-3, inside.sum()) * fault["ms"]
            elif fault.kind == "nan":
                samples[inside, int(fault["channel"])] = np.nan
            elif fault.kind == "flat":
                channel = int(fault["channel"])
                held.setdefault(fault, samples[inside, channel][0])
                samples[inside, channel] = held[fault]
        if keep.any():
            yield due, Sent(Chunk(samples[keep], stamps[keep]), item.numbers[keep])


def _batched(items: Timed, faults: Sequence[Fault], rate: float) -> Timed:
    """Samples within a fault are held back until ``size`` of them are there."""
    due, held = 0.0, Sent(Chunk(np.empty((0, 0)), np.empty(0)), np.empty(0, np.int64))
    for due, item in items:
        if not isinstance(item, Sent):
            yield due, item
            continue
        inside = [fault for fault in faults if fault.within(item.numbers / rate).any()]
        if not inside:
            if len(held.numbers):
                yield due, _stamped_alike(held)
                held = held.part(slice(0, 0))
            yield due, item
            continue
        size = int(inside[0]["size"])
        held = held.followed_by(item) if len(held.numbers) else item
        while len(held.numbers) >= size:
            yield due, _stamped_alike(held.part(slice(size)))
            held = held.part(slice(size, None))
    if len(held.numbers):
        yield due, _stamped_alike(held)


def _stamped_alike(sent: Sent) -> Sent:
    stamps = np.full(len(sent.numbers), sent.chunk.stamps.max())
    return Sent(Chunk(sent.chunk.samples, stamps), sent.numbers)


def _struck(items: Timed, faults: Sequence[Fault], rate: float) -> Timed:
    """Each fault just before the first chunk that ends after it began."""
    pending = sorted(faults, key=lambda fault: fault.at)
    for due, item in items:
        while pending and isinstance(item, Sent) and item.numbers[-1] / rate >= pending[0].at:
            yield due, pending.pop(0)
        yield due, item


def _hurried(items: Timed, bursts: Sequence[Fault], rate: float, speed: float) -> Timed:
    """What falls into a burst is due at its beginning."""
    early = 0.0
    for due, item in items:
        if isinstance(item, Sent):
            last = item.numbers[-1] / rate
            early = sum(min(max(last - burst.at, 0.0), burst["seconds"]) for burst in bursts)
        yield max(due - early / speed, 0.0), item
