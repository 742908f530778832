"""Decides of each sample whether it is on time, and what it means where it is not.

Timestamps alone tell of samples that never came, and they are not exact: drivers stamp in batches,
chunks are pushed late, threads are held up. A loss has to be told from all that.

**The line.** Samples are counted in blocks of a second, 16 samples at least. Sample i of a block
belongs at ``place + period · i``; the seconds by which its timestamp is later are its residual. The
line is the least-squares line through the latest six blocks, kept as an alpha-beta filter
(`daemon.regression`). So a rate that is off its nominal one, or drifts, is followed and never late.

**What is predicted.** Of each block's residuals four quantiles are followed: the median, 5 %, 95 %
and the largest (`daemon.jitter`). The one that was predicted best so far moves the line and judges
the next block. It is the sharpest edge that the sender's jitter has: the 5 % quantile where
timestamps are delayed, as no delay is negative; the largest where a batch has one timestamp; the
median where jitter is symmetric and has no edge.

**Late.** A sample is late where its residual lies above the usual ones by more than 3/4 of a sample
period and three usual prediction errors: one lost sample makes a whole period. To be taken for late
wrongly costs a delay and nothing else, so three errors are enough. It is held back until one on
time follows: then it was jitter. What stays late for a block is judged. An early sample leaves at
once, since none can be missing before it, and is judged with its block; only one that is more than
a second early is held back like a late one.

**The verdict.** All are judged by one rule (`Clock._meaning`), by how far the best quantile is off.
That is a shift for certain if it is more than 3/4 of a period and ten usual errors, and the median,
5 % and 95 % moved along. Ten, as the error is an estimate from a few blocks, and ten million
samples are 60,000 chances to be wrong.

- *other rate*: a shift for certain whose residuals rise across a block by a quarter of its size. A
  loss is a step and does not rise, nor does jitter rise steadily: the line is laid anew.
- *gap*, or *back step* where they are early: a shift for certain that no longer grows and has
  lasted for the sender's patience. That is one block; three at the start; up to six where chunks
  have a delay of their own, since a block then holds but a few independent delays.
- *on time*: no shift for certain. The line follows.
- *wait*: none of these yet. What is held back may be waited for by two blocks more, and is then on
  time, or of another rate if it rises. A block that has left is not followed the first time that it
  is unusual: the shift may have begun within it.

A backlog, whose timestamps come closer than samples are made, is waited for up to a minute: the
sender was held up and lost nothing.

**How exact that is.** A gap's length is right to one sample where the jitter has an edge, as
delays, batches and uniform jitter do (once in thousands to two). Where it has none, and where
chunks have delays of their own, it is as uncertain as the mean of a second of timestamps: with a
standard deviation of 20 ms, up to 3 samples at 160 Hz and 6 at 512 Hz; and of such chunks, one gap
in a thousand is found seconds late, or as two. Beyond that, a long gap is known as well as the
rate, to some 0.05 %. A loss smaller than ten times the error with which the line is predicted (of a
second with 20 ms of jitter, some 2 samples at 160 Hz) cannot be told from jitter, nor can one
within the first second or two of a sender that jitters.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from daemon.jitter import LATE, Shift
from daemon.records import Float64
from daemon.regression import Regression
from daemon.residuals import change_point

BACKLOG = 60.0  # seconds of a held-up sender's samples that are waited for
UNCLEAR = 2  # more blocks to wait where they tell of no single shift

Meaning = Literal["wait", "on time", "gap", "back step", "other rate"]
SHIFTS: tuple[Meaning, ...] = ("gap", "back step")


class Verdict(NamedTuple):
    """What the next samples are, or what happened before them.

    Attributes
    ----------
    meaning : str
        ``"on time"`` or ``"other rate"``: the next ``n`` samples follow upon those before them.
        ``"gap"``: ``n`` samples are missing here. ``"back step"``: the sender's clock stepped back
        here. ``"wait"`` is never given: what it is about stays held back.
    n : int
    seconds : float
        By which the timestamps have shifted; negative for a step back.
    """

    meaning: Meaning
    n: int
    seconds: float = 0.0


class Clock:
    """Judges the timestamps of one sender: each sample is let go by one verdict, in order.

    Parameters
    ----------
    rate : float
        Nominal rate in Hz.
    start : float
        Timestamp of the first sample.

    Attributes
    ----------
    line : Regression
        Where the samples belong: their period and rate.
    """

    def __init__(self, rate: float, start: float) -> None:
        self.line = Regression(rate, start)
        self._unusual_blocks = 0  # in a row, of samples that have left
        self._unusual_size = 0.0  # seconds by which the latest of them lies beside the usual
        self._held: list[Float64] = []  # timestamps
        self._waiting = 0  # how many
        self._backlog = BACKLOG * rate

    @property
    def block_is_full(self) -> bool:
        """Whether a block of samples is complete, which `judge` has to end."""
        return not self.line.room

    def accept(self, timestamp: float) -> bool:
        """Whether the next sample is on time and none is held back: the short way for a single one.

        It counts as judged. `judge` has to follow once `block_is_full`.
        """
        return not self._waiting and self.line.take_if_on_time(timestamp)

    def judge(self, timestamps: Float64) -> Iterator[Verdict]:
        """The verdicts that the next samples bring, on those held back too.

        The iterator does the work: run it to its end.
        """
        size = self.line.size
        if self.block_is_full:
            yield from self._end_block()
        while len(timestamps):
            if self._waiting:
                room = size - self._waiting % size
                n = _first(self.line.on_time(timestamps[:room], ahead=self._waiting))
                self._hold(timestamps[:n])
                timestamps = timestamps[n:]
                if n < room and len(timestamps):
                    yield from self._release()
                elif n == room:
                    anew = yield from self._settle()
                    timestamps = np.concatenate([anew, timestamps])
                continue
            n = _soon_on_time(self.line.on_time(timestamps[: self.line.room]), size // 4)
            if n:
                yield from self._take(timestamps[:n])
            else:
                n = 1
                self._hold(timestamps[:n])
            timestamps = timestamps[n:]

    def flush(self) -> Iterator[Verdict]:
        """The verdicts on samples still held back, when no more will come."""
        while self._waiting:
            anew = yield from self._settle(final=True)
            yield from self.judge(anew)

    def _hold(self, timestamps: Float64) -> None:
        if len(timestamps):
            self._held.append(timestamps)
            self._waiting += len(timestamps)

    def _let_go(self) -> Float64:
        held = np.concatenate(self._held)
        self._held, self._waiting = [], 0
        return held

    def _release(self) -> Iterator[Verdict]:
        """What was held back was only late: a sample after it is on time."""
        held = self._let_go()
        if len(held) <= self.line.size // 4:
            yield from self._take(held)
        else:  # so many say nothing of the usual jitter
            self.line.skip(len(held))
            yield Verdict("on time", len(held))

    def _take(self, timestamps: Float64) -> Iterator[Verdict]:
        """Let samples go that are on time."""
        while n := len(timestamps[: self.line.room]):
            self.line.take(timestamps[:n])
            timestamps = timestamps[n:]
            yield Verdict("on time", n)
            if self.block_is_full:
                yield from self._end_block()

    def _end_block(self) -> Iterator[Verdict]:
        """Judge a block whose samples have left, each of them on time."""
        residuals = self.line.block
        shift = self.line.compare(residuals)
        growth, self._unusual_size = shift.size - self._unusual_size, shift.size
        settled = abs(growth) <= max(LATE * self.line.period / 2, 3 * self.line.jitter.best_error)
        meaning = self._meaning(residuals, shift, self._unusual_blocks, settled=settled)
        yield from self._conclude(meaning, residuals, shift, growth)

    def _settle(self, *, final: bool = False) -> Generator[Verdict, None, Float64]:
        """Judge what is held back; returns the timestamps that are to be judged anew."""
        size, nothing = self.line.size, np.empty(0)
        residuals = self.line.residuals(np.concatenate(self._held))
        if self.line.catches_up(residuals[-size:]):
            if final:
                yield from self._release()
            if final or self._waiting < self._backlog:
                return nothing
        n = change_point(residuals, LATE * self.line.period) or self._waiting
        ended = final or n < self._waiting
        residuals = residuals[:n][-size:]
        shift = self.line.compare(residuals)
        blocks = np.inf if final else self._waiting // size
        meaning = self._meaning(residuals, shift, blocks, held=True, ended=ended)
        if meaning == "wait":
            return nothing
        held = self._let_go()
        if ended and meaning not in SHIFTS:
            yield from self._take(held[:n])
        else:
            self.line.skip(n)
            yield from self._conclude(meaning, residuals, shift)
            yield Verdict("on time" if meaning in SHIFTS else meaning, n)
        return held[n:]

    def _meaning(
        self,
        residuals: Float64,
        shift: Shift,
        blocks: float,
        *,
        settled: bool = True,
        held: bool = False,
        ended: bool = False,
    ) -> Meaning:
        """What a stretch of samples means: the one place where that is decided.

        ``blocks`` have been so for certain, not counting one in which the shift may have begun;
        ``settled`` says that it no longer grows from block to block, ``held`` that the samples are
        held back, ``ended`` that no more of them will make it clearer.
        """
        patience = self.line.jitter.patience(self.line.period)
        if shift.certain and blocks:
            rise = self.line.significant_drift(residuals) * len(residuals)
            if rise * np.sign(shift.size) > abs(shift.size) / 4:
                return "other rate"
            if settled and blocks >= patience:
                return "gap" if shift.size > 0 else "back step"
        if not shift.certain and not held:
            return "wait" if shift.unusual and not blocks else "on time"
        longest = patience if ended else patience + UNCLEAR
        if (shift.certain or self.line.is_known) and blocks < longest:
            return "wait"
        return "on time" if settled and not self.line.significant_drift(residuals) else "other rate"

    def _conclude(
        self, meaning: Meaning, residuals: Float64, shift: Shift, growth: float = 0.0
    ) -> Iterator[Verdict]:
        """Move the line as the meaning asks for, and learn from the latest block."""
        line = self.line
        if meaning in SHIFTS:
            missing = max(round(shift.size / line.period), 1) if meaning == "gap" else 0
            yield Verdict(meaning, missing, shift.size)
            line.shift(shift.size)
            residuals = residuals - shift.size
        if len(residuals) < line.size:
            return
        if meaning == "wait":
            self._unusual_blocks += 1
            line.coast()
            return
        self._unusual_blocks, self._unusual_size = 0, 0.0
        if line.is_known and meaning == "on time":
            line.follow(residuals)
            return
        drift = line.significant_drift(residuals)
        if meaning == "other rate":
            drift = drift or growth / line.size
        if drift or not line.is_known:
            line.learn(residuals, drift)
        else:
            line.follow(residuals)


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
