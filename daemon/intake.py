"""One stream's chunks → the samples that the model sees: what training and a live run share.

timeline → montage → quality → conditioning. Rules that hold here:

- Any way of cutting the same samples into chunks gives the same samples, verdicts and restarts.
- Stretches end where windows do. Window n covers samples [n·hop, n·hop + window) counted from the
  first one after a restart of the timeline, or from when its conditioning has settled.
- After a restart the windows, and what is conditioned, start over with the first sample that has a
  voltage of every channel: a filter starts from a voltage, never from the zero that stood in for
  one. No window before that could have been answered.
- Timeline and quality see the stream as it is, at its own rate. What they count is its samples,
  and a window is a whole number of these too, also where a step of the model is several.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import compress
from typing import NamedTuple

import numpy as np

from daemon.conditioning import Conditioning
from daemon.contract import Contract
from daemon.montage import Montage
from daemon.pick import Pick
from daemon.quality import Quality
from daemon.reasons import Code, Reason
from daemon.records import Chunk, Float32, Float64
from daemon.timeline import Segment, Timeline
from daemon.units import MICROVOLTS


class Stretch(NamedTuple):
    """Consecutive samples, received or filled, that no window ends within.

    Attributes
    ----------
    samples : float32 array, shape (n, inputs of the model)
        Steps of the model, conditioned. Where the stream is resampled, or a step is several
        samples, n may be 0 and is not the number of samples received.
    stamps : float64 array, shape (n,)
        Seconds on this host's clock: for each sample, the stamp of the newest one in it.
    received : float64 array, shape (samples of the stream,)
        Stamps of the stream's samples. The same array as ``stamps`` where each is a step.
    filled : bool
        True: these were never received, the last value before them is repeated.
    restart : bool
        True: the window starts over with this stretch, nothing before it has left a trace.
    why : Reason or None
        Why it does; None for the first start.
    off_rate : float or None
        Hz, where the stream is known to be more than 1 % off the rate that it announces.
    ends_window : bool
        Whether a window ends with the last sample.
    fault : Reason or None
        Why that window cannot be EEG; None for nothing, and where none ends.
    """

    samples: Float32
    stamps: Float64
    received: Float64
    filled: bool
    restart: bool
    why: Reason | None
    off_rate: float | None
    ends_window: bool
    fault: Reason | None


class Intake:
    """Takes one stream's chunks.

    Parameters
    ----------
    contract : Contract
    pick : Pick
        What `pick_for` came to for the stream, with the same ``hop``.
    hop : int
        Steps of the model between the starts of two windows.
    fill_up_to : float
        Longest gap in seconds that is filled.

    Attributes
    ----------
    pick : Pick
        As given.
    timeline : Timeline
        Knows the stream's real rate, and what was missing.
    window : int
        Samples of the stream in one window.
    lead : int
        Samples of the stream after a restart that come before the first window's.
    """

    def __init__(self, contract: Contract, pick: Pick, *, hop: int, fill_up_to: float) -> None:
        self.pick = pick
        self.timeline = Timeline(pick.sample_rate, fill_up_to)
        self._conditioning = Conditioning(
            contract.conditioning,
            contract.sample_rate,
            pick.labels,
            len(contract.channels),
            pick.up,
            pick.down,
        )
        # Whole numbers, since `pick_for` has been told the hop.
        self.window, self._hop = (
            steps * contract.samples_per_step * pick.down // pick.up
            for steps in (contract.window, hop)
        )
        self.lead = self._conditioning.lead
        self._montage = Montage(pick.indices, pick.scales)
        self._quality = Quality(
            pick.labels,
            MICROVOLTS[contract.unit],
            pick.sample_rate,
            self.window,
            self._hop,
            lead=self.lead,
        )
        self._offset = 0.0
        # Samples since the first window's first.
        self._count = -self.lead
        # Whether a sample has had a voltage of every channel since the restart, and which channels
        # had none in a sample before.
        self._begun = False
        self._without = np.zeros(len(pick.labels), bool)

    def feed(self, chunk: Chunk) -> Iterator[Stretch]:
        """The stretches that ``chunk`` completes, each as soon as it is known.

        The iterator does the work: run it to its end.
        """
        self._offset = chunk.offset
        return self._stretches(self.timeline.feed(chunk))

    def flush(self) -> Iterator[Stretch]:
        """Stretches of samples that were held back, when no more will come."""
        return self._stretches(self.timeline.flush())

    def restart(self) -> None:
        """Start a new timeline with the next sample."""
        self.timeline.restart()

    def _stretches(self, segments: Iterable[Segment]) -> Iterator[Stretch]:
        for segment in self._from_voltages(segments):
            if segment.restart:
                self._quality.restart()
                self._conditioning.restart()
                self._count = -self.lead
            start = 0
            while start < len(segment.stamps):
                to_end = self.window - self._count
                if to_end <= 0:
                    to_end = -(self._count - self.window) % self._hop or self._hop
                # Long stretches without an answer are cut too, so that blocks stay one size.
                stop = min(start + min(to_end, self._hop), len(segment.stamps))
                self._count += stop - start
                yield self._stretch(segment, start, stop, ends_window=stop - start == to_end)
                start = stop

    def _from_voltages(self, segments: Iterable[Segment]) -> Iterator[Segment]:
        """``segments``, which restart with the first sample that has a voltage of every channel."""
        for segment in segments:
            if segment.restart:
                self._begun = False
                self._without[:] = False
            if not self._begun:
                usable = self._quality.usable(self._montage.apply(segment.samples))
                whole = usable.all(axis=1)
                self._begun = bool(whole.any())
                at = int(whole.argmax())
                self._without |= ~usable[: at if self._begun else None].all(axis=0)
                if at:
                    before = slice(at)
                    yield replace(
                        segment, samples=segment.samples[before], stamps=segment.stamps[before]
                    )
                if self._begun and (at or not segment.restart):
                    segment = replace(
                        segment,
                        samples=segment.samples[at:],
                        stamps=segment.stamps[at:],
                        restart=True,
                        why=Reason(
                            Code.NO_VOLTAGE,
                            "not every channel had a voltage until now: the window starts over",
                            tuple(compress(self.pick.labels, self._without)),
                        ),
                    )
            yield segment

    def _stretch(self, segment: Segment, start: int, stop: int, *, ends_window: bool) -> Stretch:
        picked = self._montage.apply(segment.samples[start:stop])
        usable = self._quality.push(picked, filled=segment.filled)
        samples, newest = self._conditioning.apply(usable)
        received = segment.stamps[start:stop] + self._offset
        return Stretch(
            samples=samples,
            stamps=received if newest is None else received[newest],
            received=received,
            filled=segment.filled,
            restart=segment.restart and start == 0,
            why=segment.why if start == 0 else None,
            off_rate=segment.off_rate,
            ends_window=ends_window,
            fault=self._quality.fault() if ends_window else None,
        )
