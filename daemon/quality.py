"""Can the window's samples be EEG? If not: what is wrong, and with which channels.

Rules that hold here:

- A verdict follows from the window's own samples alone: any way of cutting them into chunks gives
  the same one, and a fault is forgotten with the window that held it.
- It looks at voltages, before any filter. A constant offset is no fault: DC-coupled amplifiers
  deliver some hundred millivolts of it. Only what changes within the window is judged.
- Memory is fixed, and a sample costs little more than its copy: samples are summarised a block at
  a time, and a window is judged by the summaries of its blocks.
- A window's answer waits for the verdict. What can be known before its last sample is gathered
  before: the last block is that sample alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress

import numpy as np
import numpy.typing as npt

from daemon.reasons import Code, Reason
from daemon.records import Float32
from daemon.ring import Ring
from daemon.text import listed

# All in microvolts, peak to peak where a range is meant.
#
# No EEG amplifier's input reaches 10 V. Such a value is kept from the model like a NaN: its sums
# would overflow.
BEYOND = 1e7
# Brain, muscle, eyes and sweat stay far below 100 mV; a pulled electrode does not, nor do
# microvolts that are taken for volts.
SWING = 1e5
# An amplifier with its inputs shorted has several times as much noise of its own.
NOISE = 0.1
# From sample to sample. Of converters' steps the finest are 20 times as large, and it leaves room
# for what a filter before us makes of a dead channel.
STILL = 1e-3
FLAT_SECONDS = 1.0
# At one extreme: a rail of the amplifier, or zeros that a driver put for what its radio lost.
# Clipped hum spends nearly half its time at each rail. A sine that is sampled eight times a cycle
# spends 1/8 of it at its largest value, and EEG far less.
RAIL = 0.2
# Fewer samples than that may be equal by chance: EEG in whole microvolts repeats up to 4 times.
ENOUGH_SECONDS = 0.1

BLOCK = 64  # samples of one summary, at most
_NAMED = 3  # channels that a reason names in its words


class Quality:
    """Watches the samples on their way to the model.

    Parameters
    ----------
    labels : sequence of str
        The channels' names.
    microvolts : float
        Of one unit of the samples.
    rate : float
        Hz.
    window, hop : int
        Samples of one window, and between the starts of two.
    lead : int
        Samples before the first window, which no verdict is about.
    """

    def __init__(
        self,
        labels: Sequence[str],
        microvolts: float,
        rate: float,
        window: int,
        hop: int,
        *,
        lead: int = 0,
    ) -> None:
        self._labels = tuple(labels)
        self._microvolts = microvolts
        self._rate = rate
        self._beyond = BEYOND / microvolts
        self._still = STILL / microvolts
        self._window = window
        self._lead = lead
        enough = max(round(ENOUGH_SECONDS * rate), 2)
        self._enough = window >= enough
        # A window shorter than a second can be flat as a whole.
        self._second = max(min(round(FLAT_SECONDS * rate), window), enough)
        self._rail = max(RAIL * window, enough)
        # Blocks are cut where windows begin and where they end, and within these parts by length.
        head, tail = _parts(window % hop), _parts(hop - window % hop)
        self._lengths = head + tail
        blocks = window // hop * len(self._lengths) + len(head)
        channels = len(self._labels)
        # Per block and channel: largest and smallest value, how often each occurs, and how many
        # were not finite.
        self._blocks = Ring(5 * channels, blocks, np.float32)
        self._block: Float32 = np.zeros((BLOCK, channels), np.float32)
        self._filled = np.zeros(BLOCK, bool)
        self._broken = np.zeros(channels)
        self.restart()

    def restart(self) -> None:
        """Forget all samples: with the next one, or after the lead, a window begins."""
        self._ahead = self._lead
        self._turn = 0
        self._in_block = 0
        self._gathered = False
        self._done = 0  # samples before the block
        self._broken[:] = 0
        # The last sample of the block before; the first of all has none to be equal to.
        self._last: Float32 = np.full(len(self._labels), np.inf, np.float32)
        self._given: Float32 = np.zeros(len(self._labels), np.float32)
        self._moved = np.zeros(len(self._labels), np.int64)
        self._flat_from = np.full(len(self._labels), -1, np.int64)

    def usable(self, samples: Float32) -> npt.NDArray[np.bool_]:
        """Where ``samples`` are voltages: finite, and within what an amplifier can measure."""
        within: npt.NDArray[np.bool_] = np.abs(samples) < self._beyond
        return within

    def push(self, samples: Float32, filled: bool = False) -> Float32:
        """Take the next ``samples``, (n, channels); what comes back is fit for the model.

        That is ``samples``, with the channel's last voltage where a value is no number or no
        voltage (0 where there was none yet): it would stay in a recurrent state, and a jump would
        in a filter's. The windows that hold it are faulty. ``filled`` says that they were never
        received.
        """
        usable = self.usable(samples)
        given = samples
        finite: npt.NDArray[np.bool_] | None = None
        if not usable.all():
            given = _held(samples, usable, self._given)
            finite = np.isfinite(samples)
            samples = np.where(finite, samples, np.float32(0))
        if len(given):
            self._given = given[-1]
        start = min(self._ahead, len(samples))
        self._ahead -= start
        while start < len(samples):
            n = min(len(samples) - start, self._lengths[self._turn] - self._in_block)
            into = slice(self._in_block, self._in_block + n)
            self._block[into] = samples[start : start + n]
            self._filled[into] = filled
            if finite is not None:
                self._broken += (~finite[start : start + n]).sum(axis=0)
            self._in_block += n
            start += n
            if self._in_block == self._lengths[self._turn]:
                self._summarise()
        if self._in_block == 0 and self._lengths[self._turn - 1] > 1:
            # Not after a window's last sample, whose verdict is still to be asked for.
            self._gather()
        return given

    def fault(self) -> Reason | None:
        """What is wrong with the window that ended in the last sample pushed; None for nothing."""
        last = self._blocks.window()[:, -1].reshape(5, -1)
        top, bottom = np.maximum(self._top, last[0]), np.minimum(self._bottom, last[1])
        lost = self._lost | (last[4] > 0)
        if lost.any():
            return self._of(lost, Code.NOT_FINITE, "values that are not finite numbers")
        peak = np.maximum(np.abs(top), np.abs(bottom)).astype(np.float64) * self._microvolts
        swing = (top.astype(np.float64) - bottom) * self._microvolts
        wild = (swing > SWING) | (peak >= BEYOND)
        if wild.any():
            largest = np.maximum(swing, peak)[wild].max()
            return self._of(
                wild,
                Code.TOO_LARGE,
                f"too large for EEG ({largest:.2g} microvolts): an electrode is off, or the "
                "stream's unit is not what it announces",
            )
        if self._enough and 0 < swing.max() < NOISE:
            return Reason(
                Code.TOO_SMALL,
                f"no channel varies by more than {swing.max():.2g} microvolts, less than an "
                "amplifier's own noise: the stream's unit is not what it announces",
                self._labels,
            )
        flat = self._flat_from >= self._done - self._window
        if flat.any():
            seconds = self._second / self._rate
            return self._of(flat, Code.FLAT, f"flat for {seconds:g} s or longer")
        # Most windows have fewer samples at their blocks' own extremes than the rail takes.
        if (self._at_extreme + last[2:4]).max() >= self._rail:
            blocks = self._blocks.window().reshape(5, len(self._labels), -1)
            at_extreme = np.where(
                [blocks[0] == top[:, None], blocks[1] == bottom[:, None]], blocks[2:4], 0
            ).sum(axis=2)
            railed = at_extreme.max(axis=0) >= self._rail
            if railed.any():
                share = at_extreme.max() / self._window
                stuck = f"stuck at an extreme for {share:.0%} of the window"
                return self._of(railed, Code.SATURATED, stuck)
        return None

    def _of(self, which: npt.NDArray[np.bool_], code: Code, what: str) -> Reason:
        labels = tuple(compress(self._labels, which))
        named = listed(labels, _NAMED)
        return Reason(code, f"channel{'s'[: len(labels) > 1]} {named}: {what}", labels)

    def _gather(self) -> None:
        """What all blocks but the next, the last sample's, say of a window that ends with it."""
        if self._gathered or self._lengths[self._turn] > 1:
            return
        blocks = self._blocks.window().reshape(5, len(self._labels), -1)[:, :, 1:]
        self._top = blocks[0].max(axis=1, initial=-np.inf)
        self._bottom = blocks[1].min(axis=1, initial=np.inf)
        self._at_extreme = blocks[2:4].sum(axis=2)
        self._lost = blocks[4].any(axis=1)
        self._gathered = True

    def _summarise(self) -> None:
        self._gather()
        self._gathered = False
        n = self._in_block
        block = self._block[:n]
        if n == 1:
            high = low = block[0]
            at_high = at_low = np.ones(len(high))
        else:
            high, low = block.max(axis=0), block.min(axis=0)
            at_high, at_low = (block == high).sum(axis=0), (block == low).sum(axis=0)
        self._blocks.push(
            np.concatenate([high, low, at_high, at_low, self._broken], dtype=np.float32)[None]
        )
        self._follow_runs(block, n)
        self._last = block[-1].copy()
        self._done += n
        self._broken[:] = 0
        self._in_block = 0
        self._turn = (self._turn + 1) % len(self._lengths)

    def _follow_runs(self, block: Float32, n: int) -> None:
        """Where a channel last stood still for long: the first sample of its latest such second."""
        before = np.concatenate([self._last[None], block[:-1]])
        with np.errstate(over="ignore"):
            moved = np.abs(block - before) > self._still
        # A filled value is held by ourselves.
        moved |= self._filled[:n, None]
        if moved[-1].all() and self._done + n - self._moved.min() < self._second:
            self._moved[:] = self._done + n - 1  # nearly every block of a living EEG
            return
        at = np.arange(self._done, self._done + n)[:, None]
        begun = np.where(moved, at, self._moved)
        np.maximum.accumulate(begun, axis=0, out=begun)
        self._moved = begun[-1]
        still = at - begun >= self._second - 1
        if still.any():
            latest = np.where(still, at - (self._second - 1), -1).max(axis=0)
            self._flat_from = np.maximum(self._flat_from, latest)


def _held(samples: Float32, usable: npt.NDArray[np.bool_], before: Float32) -> Float32:
    """``samples`` with the last usable value, or ``before``, in the place of every other one."""
    latest = np.where(usable, np.arange(1, len(samples) + 1)[:, None], 0)
    np.maximum.accumulate(latest, axis=0, out=latest)
    return np.take_along_axis(np.concatenate([before[None], samples]), latest, axis=0)


def _parts(length: int) -> list[int]:
    """Lengths of the blocks that ``length`` samples are cut into; the last sample is one."""
    full, rest = divmod(max(length - 1, 0), BLOCK)
    return [BLOCK] * full + [rest] * (rest > 0) + [1] * (length > 0)
