"""Raw stamps → regular sample positions: what was lost, what was bridged, where to start over.

Rules that hold here:

- Samples are counted; stamps only tell whether some are missing before one. No received sample
  is ever dropped.
- A sample is late when its stamp lies beyond the place that counting gives it. Lateness that
  goes away again is jitter of the sender. Lateness that stays for `HOLD` seconds of samples is a
  gap: that many samples are missing. Until this is known the late samples are held back.
- A gap of up to ``fill_up_to`` seconds is bridged by holding the last value; those samples are
  marked. A longer one restarts the timeline.
- The place of the count on the clock follows the latest stamps of each second, so a sender whose
  rate is slightly off its nominal one never looks late, nor does one that stamps whole batches
  alike.

Any way of cutting the same samples into chunks gives the same segments' content.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daemon.records import Chunk, Float64, Samples

HOLD = 0.5
LATE = 0.75  # periods; below one, so that a single lost sample shows


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive samples at the regular rate.

    Attributes
    ----------
    samples : array, shape (n, channels of the stream)
    stamps : float64 array, shape (n,)
        As received; of bridged samples, where they should have been.
    filled : bool
        True: these were never received, the last value before them is repeated.
    restart : bool
        True: the timeline starts over with this segment's first sample.
    """

    samples: Samples
    stamps: Float64
    filled: bool = False
    restart: bool = False


class Timeline:
    """Puts received samples onto a regular timeline.

    Parameters
    ----------
    rate : float
        Nominal rate in Hz.
    fill_up_to : float
        Longest gap in seconds that is bridged.
    """

    def __init__(self, rate: float, fill_up_to: float) -> None:
        self._period = 1.0 / rate
        self._second = max(round(rate), 1)
        self._hold = max(round(HOLD * rate), 2)
        # A gap of exactly fill_up_to counts as bridgeable however its stamps were rounded.
        self._fill_up_to = int(fill_up_to * rate + 1e-6)
        self.gaps = 0
        self.restart()

    def restart(self) -> None:
        """Start over: the next sample is the first."""
        self._origin: float | None = None
        self._count = 0
        self._latest = -np.inf
        self._held: Chunk | None = None
        self._last: Chunk | None = None

    def feed(self, chunk: Chunk) -> Iterator[Segment]:
        """The segments that ``chunk`` completes, in order."""
        if not np.isfinite(chunk.stamps).all():
            chunk = Chunk(chunk.samples, self._finite(chunk.stamps))
        yield from self._place(chunk, final=False)

    def flush(self) -> Iterator[Segment]:
        """The segments still held back, when no more samples will come."""
        if self._held is not None:
            held, self._held = self._held, None
            yield from self._place(held, final=True)

    def _place(self, chunk: Chunk, *, final: bool) -> Iterator[Segment]:
        if self._held is not None:
            chunk = Chunk(
                np.concatenate([self._held.samples, chunk.samples]),
                np.concatenate([self._held.stamps, chunk.stamps]),
            )
            self._held = None
        while len(chunk.stamps):
            restart = self._origin is None
            if self._origin is None:
                self._origin = float(chunk.stamps[0])
            # The count's place on the clock is revised once a second, so no further than that.
            until_revision = self._second - self._count % self._second
            late = self._lateness(chunk.stamps)
            on_time = late <= LATE * self._period
            if on_time[0]:
                n = min(_first(~on_time), until_revision)
                self._latest = max(self._latest, float(late[:n].max()))
                yield self._accept(chunk, n, restart)
                chunk = _tail(chunk, n)
                continue
            patience = self._patience(late)
            jitter = _first(on_time[:patience])
            if jitter < min(patience, len(late)):
                n = min(jitter, until_revision)
                yield self._accept(chunk, n, restart)
                chunk = _tail(chunk, n)
                continue
            if len(late) < patience and not final:
                self._held = chunk
                return
            self.gaps += 1
            # Nearly the largest, as the count's place follows the largest; but not one stray stamp.
            missing = max(round(float(np.quantile(late[: self._hold], 0.9)) / self._period), 1)
            if missing <= self._fill_up_to:
                yield self._bridge(missing)
            else:
                self.restart()

    def _finite(self, stamps: Float64) -> Float64:
        """A stamp that is no number becomes its predecessor's; counting places its sample."""
        known = self._held or self._last
        before = known.stamps[-1] if known else 0.0
        stamps = stamps.copy()
        for n in np.flatnonzero(~np.isfinite(stamps)):
            stamps[n] = stamps[n - 1] if n else before
        return stamps

    def _lateness(self, stamps: Float64) -> Float64:
        """Seconds by which each of the next samples' stamps lies beyond its counted place."""
        assert self._origin is not None
        counted = self._origin + (self._count + np.arange(len(stamps))) * self._period
        lateness: Float64 = stamps - counted
        return lateness

    def _patience(self, late: Float64) -> int:
        """How many late samples to look at before they prove a gap.

        A sender that was held up delivers its backlog with stamps closer than a period: lateness
        then shrinks with every sample, and the backlog's length says when it will be gone.
        """
        if len(late) >= self._hold:
            shrunk = (late[0] - late[self._hold - 1]) / self._period
            if shrunk > self._hold / 2:
                return min(self._hold + int(late[0] / self._period) + 1, 10 * self._second)
        return self._hold

    def _accept(self, chunk: Chunk, n: int, restart: bool) -> Segment:
        segment = Segment(chunk.samples[:n], chunk.stamps[:n], restart=restart)
        self._advance(segment)
        return segment

    def _bridge(self, missing: int) -> Segment:
        assert self._last is not None
        stamps = self._last.stamps[0] + self._period * np.arange(1, missing + 1)
        samples = np.repeat(self._last.samples, missing, axis=0)
        segment = Segment(samples, stamps, filled=True)
        self._advance(segment)
        return segment

    def _advance(self, segment: Segment) -> None:
        assert self._origin is not None
        before = self._count // self._second
        self._count += len(segment.stamps)
        if self._count // self._second > before and np.isfinite(self._latest):
            self._origin += self._latest
            self._latest = -np.inf
        self._last = Chunk(segment.samples[-1:], segment.stamps[-1:])


def _first(flags: npt.NDArray[np.bool_]) -> int:
    """Index of the first True, or the length where there is none."""
    return int(np.argmax(flags)) if flags.any() else len(flags)


def _tail(chunk: Chunk, n: int) -> Chunk:
    return Chunk(chunk.samples[n:], chunk.stamps[n:])
