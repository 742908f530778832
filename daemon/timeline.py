"""Raw stamps → regular sample positions: what was lost, what was bridged, where to start over.

Rules that hold here:

- Samples are counted; stamps only tell whether some are missing before one. No received sample is
  dropped, doubled or moved.
- A sample on time leaves with the very `feed` that brings it. Held back is only one that is later
  than this sender's usually are (`daemon.habits`), or more than a second early, until one on time
  follows: then it was jitter. A backlog, whose stamps come closer than samples are made, is waited
  for.
- What stays late for a second (three at the start, up to six where long chunks have a delay of
  their own) is a gap, as long as it is late. Up to ``fill_up_to`` seconds are bridged by holding
  the last value, and marked; a longer one restarts the timeline.
- A gap that drowns in the sender's jitter shows only over some seconds. It is bridged, or restarts
  the timeline, where it is found: what came in between lies too early, by less than the jitter. A
  loss that is smaller than ten times the error with which the clock can be foretold (of a second
  with 20 ms of jitter, some 2 samples at 160 Hz) cannot be told from jitter, nor can one within
  the first second or two of a sender that jitters.
- A gap's length is right to one sample where the jitter has an edge, as delays, batches and uniform
  jitter do (once in thousands to two). Where it has none, and where chunks have delays of their
  own, it is as uncertain as the mean of a second of stamps: with a standard deviation of 20 ms, up
  to 3 samples at 160 Hz and 6 at 512 Hz; and of such chunks, one gap in a thousand is found
  seconds late, or as two. Beyond that, a long gap is known as well as the rate, to some 0.05 %.
- A clock that steps forward, its samples complete, gives the stamps of a gap and counts as one. One
  that steps back does not tell how many samples are missing, if any; nor do samples that come
  twice. Then the timeline restarts: at the step if it is longer than a second, else some 3 s after
  it.
- A sender with another rate is followed. What it sends when that is more than 1 % off is marked, as
  soon as it is known: within 2 s of steady stamps, 16 s of jittering ones.

Any way of cutting the same samples into chunks gives the same segments' content.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daemon.clock import Clock
from daemon.habits import LATE
from daemon.offsets import step
from daemon.reasons import Code, Reason
from daemon.records import Chunk, Float64, Samples

BACKLOG = 60.0  # seconds of a held-up sender's samples that are waited for
UNCLEAR = 2  # more blocks to wait where late samples tell of no single shift
FEW = 16  # samples that may be late together by chance
LATEST = 1e11  # seconds; beyond it a stamp cannot tell samples apart and counts as none


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
    why : Reason or None
        Why it does; None for the first start.
    off_rate : float or None
        Hz, where the sender is known to be more than 1 % off the nominal rate.
    """

    samples: Samples
    stamps: Float64
    filled: bool = False
    restart: bool = False
    why: Reason | None = None
    off_rate: float | None = None


class Timeline:
    """Puts received samples onto a regular timeline.

    Parameters
    ----------
    rate : float
        Nominal rate in Hz.
    fill_up_to : float
        Longest gap in seconds that is bridged.

    Attributes
    ----------
    rate : float
        As given.
    gaps : int
        Times that samples were missing.
    missing : int
        How many, bridged or not.
    back_steps : int
        Times that the clock stepped back.
    """

    def __init__(self, rate: float, fill_up_to: float) -> None:
        self.rate = rate
        # A gap of exactly fill_up_to counts as bridgeable however its stamps were rounded.
        self._fill_up_to = int(fill_up_to * rate + 1e-6)
        self.gaps = 0
        self.missing = 0
        self.back_steps = 0
        self.restart()

    def restart(self) -> None:
        """Start over: the next sample is the first, of a sender of which nothing is known."""
        self._clock: Clock | None = None
        self._starting = True
        self._why: Reason | None = None
        self._held: list[Chunk] = []
        self._waiting = 0
        self._last: Segment | None = None
        self._before = 0.0

    @property
    def effective_rate(self) -> float:
        """Samples a second that the sender really sends, in Hz; nan before it is known."""
        return self._clock.rate if self._clock else np.nan

    @property
    def rate_is_off(self) -> bool:
        """Whether that is more than 1 % off the nominal rate."""
        return self._clock is not None and self._clock.rate_is_off

    def feed(self, chunk: Chunk) -> Iterator[Segment]:
        """The segments that ``chunk`` completes, in order."""
        if len(chunk.stamps) == 1 and self._clock is not None and not self._waiting:
            stamp = float(chunk.stamps[0])
            if self._clock.is_on_time(stamp):
                self._before = stamp
                self._clock.accept(stamp)
                yield self._segment(chunk)
                if not self._clock.room:
                    yield from self._revise(self._clock)
                return
        yield from self._place(Chunk(chunk.samples, self._numbers(chunk.stamps)))

    def flush(self) -> Iterator[Segment]:
        """The segments still held back, when no more samples will come."""
        while self._clock is not None and self._waiting:
            rest = yield from self._settle(self._clock, final=True)
            if rest is not None:
                yield from self._place(rest)

    def _numbers(self, stamps: Float64) -> Float64:
        """A stamp that is no number is taken to come one sample after its predecessor."""
        strange = ~(np.abs(stamps) < LATEST)
        if strange.any():
            stamps = stamps.copy()
            for n in np.flatnonzero(strange):
                stamps[n] = (stamps[n - 1] if n else self._before) + 1 / self.rate
        if len(stamps):
            self._before = float(stamps[-1])
        return stamps

    def _place(self, chunk: Chunk) -> Iterator[Segment]:
        while len(chunk.stamps):
            if self._clock is None:
                self._clock = Clock(self.rate, float(chunk.stamps[0]))
            clock = self._clock
            if self._waiting:
                room = clock.size - self._waiting % clock.size
                n = _first(clock.offsets(chunk.stamps[:room], ahead=self._waiting)[1])
                self._hold(_head(chunk, n))
                chunk = _tail(chunk, n)
                if n < room and len(chunk.stamps):
                    yield from self._forgive(clock)
                elif n == room:
                    rest = yield from self._settle(clock)
                    chunk = Chunk.joined([rest, chunk]) if rest is not None else chunk
                continue
            n = _soon_on_time(clock.offsets(chunk.stamps[: clock.room])[1], clock.size // 4)
            if n:
                yield from self._accept(clock, _head(chunk, n))
            else:
                n = 1
                self._hold(_head(chunk, n))
            chunk = _tail(chunk, n)

    def _hold(self, chunk: Chunk) -> None:
        if len(chunk.stamps):
            self._held.append(chunk)
            self._waiting += len(chunk.stamps)

    def _release(self) -> Chunk:
        chunk = Chunk.joined(self._held)
        self._held, self._waiting = [], 0
        return chunk

    def _accept(self, clock: Clock, chunk: Chunk) -> Iterator[Segment]:
        while len(chunk.stamps):
            head = _head(chunk, clock.room)
            clock.accept_all(head.stamps)
            yield self._segment(head)
            if not clock.room:
                yield from self._revise(clock)
            chunk = _tail(chunk, len(head.stamps))

    def _revise(self, clock: Clock) -> Iterator[Segment]:
        shift = clock.revise()
        if shift:
            yield from self._move(clock, shift)

    def _forgive(self, clock: Clock) -> Iterator[Segment]:
        """What was held back was only late: a sample after it is on time."""
        chunk = self._release()
        if len(chunk.stamps) <= clock.size // 4:
            yield from self._accept(clock, chunk)
        else:
            clock.skip(len(chunk.stamps))
            yield self._segment(chunk)

    def _settle(
        self, clock: Clock, *, final: bool = False
    ) -> Generator[Segment, None, Chunk | None]:
        """Find out why what is held back stays late; returns what is to be looked at anew."""
        offsets, _ = clock.offsets(np.concatenate([chunk.stamps for chunk in self._held]))
        waiting, patience = len(offsets), clock.patience * clock.size
        if clock.catches_up(offsets[-clock.size :]):
            if final:
                yield from self._forgive(clock)
            if final or waiting < BACKLOG * self.rate:
                return None
        n = step(offsets, LATE * clock.step) or waiting
        latest = offsets[:n][-clock.size :]
        shift = clock.compare(latest)
        if waiting < patience and not final and (clock.known or shift.certain):
            return None
        by_chance = n < FEW and abs(shift.size) <= 4 * clock.spread
        is_gap = shift.certain and not clock.is_rate(latest, shift.size)
        if is_gap and not by_chance:
            chunk = self._release()
            yield from self._move(clock, shift.size)
            clock.shift(shift.size)
            clock.absorb(latest - shift.size, n)
            yield self._segment(_head(chunk, n))
            return _tail(chunk, n)
        if n < waiting or final:
            chunk = self._release()
            yield from self._accept(clock, _head(chunk, n))
            return _tail(chunk, n)
        if shift.certain or not clock.known or waiting >= patience + UNCLEAR * clock.size:
            clock.absorb(latest, n, anew=shift.certain)
            yield self._segment(self._release())
        return None

    def _move(self, clock: Clock, shift: float) -> Iterator[Segment]:
        """The clock has shifted: forward, samples are missing; back, nobody knows."""
        if shift > 0:
            self.gaps += 1
            missing = max(round(shift / clock.step), 1)
            self.missing += missing
            if missing <= self._fill_up_to:
                yield self._bridge(missing, clock.step)
                return
            self._why = Reason(
                Code.GAP, f"{missing} samples ({shift:.3g} s) are missing: the window starts over"
            )
        else:
            self.back_steps += 1
            self._why = Reason(
                Code.CLOCK_STEPPED_BACK,
                f"the clock stepped back by {-shift:.3g} s: the window starts over",
            )
        self._starting = True

    def _bridge(self, missing: int, period: float) -> Segment:
        assert self._last is not None
        stamps = self._last.stamps[-1] + period * np.arange(1, missing + 1)
        samples = np.repeat(self._last.samples[-1:], missing, axis=0)
        self._last = Segment(samples, stamps, filled=True, off_rate=self._off_rate)
        return self._last

    def _segment(self, chunk: Chunk) -> Segment:
        self._last = Segment(
            chunk.samples,
            chunk.stamps,
            restart=self._starting,
            why=self._why,
            off_rate=self._off_rate,
        )
        self._starting, self._why = False, None
        return self._last

    @property
    def _off_rate(self) -> float | None:
        return self._clock.rate if self._clock and self._clock.rate_is_off else None


def _first(flags: npt.NDArray[np.bool_]) -> int:
    """Index of the first True, or the length where there is none."""
    return int(np.argmax(flags)) if flags.any() else len(flags)


def _soon_on_time(on_time: npt.NDArray[np.bool_], within: int) -> int:
    """How many samples are on time, or no more than ``within`` before one that is."""
    if on_time.all():
        return len(on_time)
    at = np.flatnonzero(on_time)
    apart = np.diff(at, prepend=-1) > within + 1
    at = at[: _first(apart)]
    return int(at[-1]) + 1 if len(at) else 0


def _head(chunk: Chunk, n: int) -> Chunk:
    return Chunk(chunk.samples[:n], chunk.stamps[:n])


def _tail(chunk: Chunk, n: int) -> Chunk:
    return Chunk(chunk.samples[n:], chunk.stamps[n:])
