"""Puts received samples onto a regular timeline: fills short gaps, starts over at long ones.

The clock decides (`daemon.clock`), the timeline emits. Rules that hold here:

- Samples are counted; timestamps only tell whether some are missing before one. No received sample
  is dropped, doubled or moved.
- A sample on time leaves with the very `feed` that brings it. One that is later than this sender's
  usually are, or more than a second early, is held back until the clock has judged it.
- What stays late for a second (three at the start, up to six where long chunks have a delay of
  their own) is a gap. Up to ``fill_up_to`` seconds are filled by holding the last value, and
  marked; a longer one restarts the timeline.
- A gap that drowns in the sender's jitter shows only over some seconds. It is filled, or restarts
  the timeline, where it is found: what came in between lies too early, by less than the jitter.
- A clock that steps forward, its samples complete, gives the timestamps of a gap and counts as one.
  One that steps back does not tell how many samples are missing, if any; nor do samples that come
  twice. Then the timeline restarts: at the step if it is longer than a second, else some 3 s after
  it.
- A sender with another rate is followed. What it sends when that is more than 1 % off is marked, as
  soon as it is known: within 2 s of steady timestamps, 16 s of jittering ones.

Any way of cutting the same samples into chunks gives the same segments' content.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from daemon.clock import Clock, Verdict
from daemon.reasons import Code, Reason
from daemon.records import Chunk, Float64, Samples

LATEST = 1e11  # seconds; beyond it a timestamp cannot tell samples apart and counts as none


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive samples at the regular rate.

    Attributes
    ----------
    samples : array, shape (n, channels of the stream)
    stamps : float64 array, shape (n,)
        As received; of filled samples, where they should have been.
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
        Longest gap in seconds that is filled.

    Attributes
    ----------
    rate : float
        As given.
    gaps : int
        Times that samples were missing.
    missing : int
        How many, filled or not.
    back_steps : int
        Times that the clock stepped back.
    """

    def __init__(self, rate: float, fill_up_to: float) -> None:
        self.rate = rate
        # A gap of exactly fill_up_to is filled however its timestamps were rounded.
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
        self._last: Segment | None = None
        self._before = 0.0

    @property
    def effective_rate(self) -> float:
        """Samples a second that the sender really sends, in Hz; nan before it is known."""
        return self._clock.line.rate if self._clock else np.nan

    @property
    def rate_is_off(self) -> bool:
        """Whether that is more than 1 % off the nominal rate."""
        return self._clock is not None and self._clock.line.rate_is_off

    def feed(self, chunk: Chunk) -> Iterator[Segment]:
        """The segments that ``chunk`` completes, in order."""
        clock = self._clock
        if clock is not None and len(chunk.stamps) == 1:
            stamp = float(chunk.stamps[0])
            if clock.accept(stamp):
                self._before = stamp
                yield self._segment(chunk)
                if clock.block_is_full:
                    yield from self._emit(clock, clock.judge(chunk.stamps[:0]))
                return
        if not len(chunk.stamps):
            return
        chunk = Chunk(chunk.samples, self._numbers(chunk.stamps))
        if clock is None:
            clock = self._clock = Clock(self.rate, float(chunk.stamps[0]))
        self._held.append(chunk)
        yield from self._emit(clock, clock.judge(chunk.stamps))

    def flush(self) -> Iterator[Segment]:
        """The segments still held back, when no more samples will come."""
        if self._clock is not None:
            yield from self._emit(self._clock, self._clock.flush())

    def _numbers(self, stamps: Float64) -> Float64:
        """A timestamp that is no number is taken to come one sample after its predecessor."""
        strange = ~(np.abs(stamps) < LATEST)
        if strange.any():
            stamps = stamps.copy()
            for n in np.flatnonzero(strange):
                stamps[n] = (stamps[n - 1] if n else self._before) + 1 / self.rate
        self._before = float(stamps[-1])
        return stamps

    def _emit(self, clock: Clock, verdicts: Iterable[Verdict]) -> Iterator[Segment]:
        for verdict in verdicts:
            if verdict.meaning == "gap":
                self.gaps += 1
                self.missing += verdict.n
                if verdict.n <= self._fill_up_to:
                    yield self._filled(verdict.n, clock.line.period)
                else:
                    self._start_over(verdict)
            elif verdict.meaning == "back step":
                self.back_steps += 1
                self._start_over(verdict)
            else:
                yield self._segment(self._release(verdict.n))

    def _start_over(self, verdict: Verdict) -> None:
        """With the next sample, because of a gap or a step back."""
        if verdict.meaning == "gap":
            code, what = Code.GAP, f"{verdict.n} samples ({verdict.seconds:.3g} s) are missing"
        else:
            code = Code.CLOCK_STEPPED_BACK
            what = f"the clock stepped back by {-verdict.seconds:.3g} s"
        self._starting, self._why = True, Reason(code, f"{what}: the window starts over")

    def _release(self, n: int) -> Chunk:
        """The next ``n`` samples of those held."""
        chunk = Chunk.joined(self._held)
        self._held = [Chunk(chunk.samples[n:], chunk.stamps[n:])] if n < len(chunk.stamps) else []
        return Chunk(chunk.samples[:n], chunk.stamps[:n])

    def _filled(self, missing: int, period: float) -> Segment:
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
        return self._clock.line.rate if self._clock and self._clock.line.rate_is_off else None
