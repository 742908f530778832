"""The pipeline over a recording from any sample on, and where a run of the daemon may have begun.

Where the begin is not known, the live run began earlier, and what its filters remember of that is
not known either. Then samples before are fed too, as long as filters take to forget; what is
answered later than that after the first of them does not depend on where it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from daemon.conditioning import second_order_sections
from daemon.contract import Contract
from daemon.pick import Pick
from daemon.pipeline import Pipeline
from daemon.recordings.recording import Recording
from daemon.records import Chunk, Prediction

FORGOTTEN = 1e-9  # of a filter's first transient, which the first sample has made small already
_BLOCK = 1024


def settling(contract: Contract, pick: Pick) -> float:
    """Seconds until conditioning has forgotten where it began; 0 if it remembers nothing.

    A filter forgets as fast as the slowest of its poles, an average by its time constant; the
    resampler knows ten samples of the lower rate to either side.
    """
    rates = (contract.sample_rate, pick.sample_rate)
    seconds = 20 / min(rates) if pick.up != pick.down else 0.0
    for step in contract.conditioning:
        poles = [
            max(abs(np.roots(section[3:])).max() for section in sections)
            for sections in (second_order_sections(f, contract.sample_rate) for f in step.filters)
        ]
        if poles:
            seconds += math.log(FORGOTTEN) / math.log(max(poles)) / contract.sample_rate
        if step.bandpower:
            seconds -= math.log(FORGOTTEN) * step.bandpower.smooth
    return seconds


@dataclass(frozen=True, slots=True)
class Start:
    """Where a run may have begun.

    Attributes
    ----------
    index : int
        Its first sample in the recording.
    lead : int
        How many windows it has before the one in question.
    settled : float
        From when on its filters are as the live run's, on the clock of the recording's stamps.
    known : bool
        The live run began there too.
    """

    index: int
    lead: int
    settled: float
    known: bool


class Run:
    """The pipeline's answers to the recorded samples from ``start`` on.

    Samples are fed as far as an answer that is asked for needs them. Only the newest of several
    runs of one pipeline can be asked.

    Parameters
    ----------
    pipeline : Pipeline
        Connected to the recording's stream.
    recording : Recording
    start : Start
    sequence : int
        Number of the window in question.

    Attributes
    ----------
    settled : float
        As of ``start``.
    whole : bool
        All that it answered before was published too, from its known begin on.
    latest : Prediction or None
        The answer that was looked at last.
    """

    def __init__(
        self, pipeline: Pipeline, recording: Recording, start: Start, sequence: int
    ) -> None:
        pipeline.restart()
        self.settled = start.settled
        self.whole = start.known
        self._answers = _answers(pipeline, recording, start.index)
        self.latest = next(self._answers, None)
        self._shift = sequence - start.lead - (self.latest.sequence if self.latest else 0)

    def answer(self, sequence: int) -> Prediction | None:
        """The one with this number; call it with numbers that ascend. None: there is none."""
        while self.latest and self.latest.sequence + self._shift < sequence:
            self.latest = next(self._answers, None)
        latest = self.latest
        return latest if latest and latest.sequence + self._shift == sequence else None


def _answers(pipeline: Pipeline, recording: Recording, start: int) -> Iterator[Prediction]:
    for first in range(start, len(recording.stamps), _BLOCK):
        block = slice(first, first + _BLOCK)
        yield from pipeline.feed(Chunk(recording.samples[block], recording.stamps[block]))
    yield from pipeline.flush()


def starts(
    recording: Recording,
    start: float,
    *,
    rate: float,
    within: float,
    hop: float,
    lead: int,
    known: bool,
    settle: float,
) -> Iterator[Start]:
    """Where the run of the window that begins at ``start`` may have begun, the likeliest first.

    Parameters
    ----------
    recording : Recording
    start : float
        On the clock of the recording's stamps.
    rate : float
        Nominal rate of the samples in Hz.
    within : float
        Seconds that ``start`` may be off. Samples that share a stamp are all possible.
    hop : float
        Seconds between two windows.
    lead : int
        Samples of a run before its first window.
    known : bool
        It is known to begin with this window.
    settle : float
        Seconds until filters have forgotten where they began; 0 without any.
    """
    stamps = recording.stamps
    apart = np.abs(stamps - start)
    near = np.flatnonzero(apart <= within)
    near = near[np.argsort(apart[near], kind="stable")] - lead
    near = near[near >= 0]
    settles = settle > 0 and not known
    if settles:
        step = round(hop * rate)
        for index in near.tolist():
            windows = min(math.ceil(settle / hop), index // step)
            begin = index - windows * step
            yield Start(begin, windows, float(stamps[begin]) + settle, known)
    for index in near.tolist():
        yield Start(index, 0, float(stamps[index]) + settle if settles else -np.inf, known)
