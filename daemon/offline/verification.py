"""Every prediction of a session, recomputed from the recorded EEG by the pipeline itself.

Rules that hold here:

- A run is what the daemon published from one start of its timeline on. Its samples are fed in
  order to a restarted pipeline, which counts its answers as the daemon does: sequence number and
  the times of the window say which answer is which prediction, and gaps in the recorded EEG
  restart both alike.
- A run begins at the first sample of the first window that the run before does not explain, or
  before it by what conditioning takes to settle. It is known to begin there if it is the daemon's
  first (sequence 0) or comes right after an abstention that ended the run before; where one stamp
  stands for several samples, the one is taken that agrees.
- Elsewhere it began earlier, and a prediction before filters have forgotten that is not judged
  (`daemon.offline.runs`). Without filters each one is.
- An abstention that the pipeline does not come to was about the connection (silence, loss, a wrong
  stream), which the recorded EEG need not show. It ends a run.
- The label is held against the published probabilities; where it is smoothed, against that of a
  run which is known from its start without a missing number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from daemon.offline.runs import Run, starts
from daemon.offline.session import Session
from daemon.pipeline import Pipeline
from daemon.reasons import CONNECTION
from daemon.records import Prediction

CLOCKS = 1e-3  # seconds to which two clocks are known to agree

Outcome = Literal[
    "recomputed",  # an `ok` whose probabilities were recomputed: see its difference
    "confirmed",  # an abstention where the pipeline abstains too
    "contradicted",  # one of both abstains and the other does not
    "another reason",  # both abstain, by another code; not about the connection
    "connection",  # an abstention that the recorded EEG does not show
    "before",  # its samples begin before the recording
    "after",  # its samples end after the recording
    "unsettled",  # recomputed, but filters still remember samples that are not known
    "lost by the recorder",  # the recording lacks samples that the daemon had
    "lost by the daemon",  # the daemon filled samples that the recording has
    "not found",  # no window of the recording has its times
]


@dataclass(frozen=True, slots=True)
class Check:
    """What became of one published prediction.

    Attributes
    ----------
    sequence : int
    outcome : str
        See `Outcome`.
    difference : float or None
        Largest of its probabilities' to the recomputed ones.
    label : bool or None
        Whether the label is the one that follows; None where that cannot be told.
    reason, code, channels
        The prediction's own; what the pipeline says where the prediction was ``ok`` and should
        not have been.
    """

    sequence: int
    outcome: Outcome
    difference: float | None = None
    label: bool | None = None
    reason: str | None = None
    code: str | None = None
    channels: tuple[str, ...] = ()


class Verifier:
    """Checks the predictions of one session, in order.

    Parameters
    ----------
    session : Session
    pipeline : Pipeline
        Of the session's model, connected to the session's EEG.
    rate : float
        Nominal rate of the EEG in Hz.
    hop : float
        Seconds between the starts of two windows.
    lead : int
        Samples of the EEG that a run has before its first window.
    settle : float
        Seconds until filters have forgotten where they began; 0 without any.
    label : function of the probabilities, or None
        The label that follows from them; None where labels are smoothed.
    tolerance : float
        Of a probability.
    """

    def __init__(
        self,
        session: Session,
        pipeline: Pipeline,
        *,
        rate: float,
        hop: float,
        lead: int,
        settle: float,
        label: Callable[[Mapping[str, float]], str | None] | None,
        tolerance: float,
    ) -> None:
        self._said = session.predictions
        self._spans: list[tuple[float, float]] = session.spans.tolist()
        self._eeg = session.eeg
        self._pipeline = pipeline
        self._hop = hop
        self._lead = lead
        self._settle = settle
        self._label = label
        self._tolerance = tolerance
        self._rate = rate
        self._near = max(0.5 / rate, CLOCKS)
        # The first window can begin there.
        self._first = float(session.eeg.stamps.min()) + lead / rate - self._near
        self._last = float(session.eeg.stamps.max()) + self._near
        self._batches = bool((np.diff(session.eeg.stamps) == 0).any())
        self._run: Run | None = None
        self._fresh: int | None = None  # the number of a run's first window, if it is to come
        self._lost_at = -np.inf  # the last sample before a gap that the daemon knew nothing of

    def checks(self) -> Iterator[Check]:
        """One for each of the session's predictions, in order."""
        before = -1
        for n, said in enumerate(self._said):
            if said.sequence <= before:  # the daemon was started anew
                self._run = self._fresh = None
            if self._run and said.sequence != before + 1:
                self._run.whole = False
            if said.sequence == 0:
                self._fresh = 0
            before = said.sequence
            outcome, found = self._place(n)
            ended = outcome == "connection" or (found and found.status == "abstain")
            self._fresh = said.sequence + 1 if ended else None
            if found:
                yield self._judged(said, found)
            else:
                yield _unmeasured(said, outcome)

    def _place(self, n: int) -> tuple[Outcome, Prediction | None]:
        """The pipeline's answer for the same window, or why there is none."""
        said, (start, end) = self._said[n], self._spans[n]
        found = self._answer(n)
        # An abstention about the connection may happen to have the times of a window.
        if found and (said.status == "ok" or found.status == "abstain" or self._answer(n + 1)):
            return "recomputed", found
        running, self._run = self._run is not None, None  # it does not explain this one
        if start < self._first:
            return "before", None
        if end > self._last:
            return "after", None
        if said.status == "abstain" and running:
            return "connection", None
        found = None if self._is_lost(start, end) else self._begin(n)
        if said.status == "abstain" and not (found and found.status == "abstain"):
            self._run = None
            return "connection", None
        if self._may_begin_before(start) and not (found and self._agrees(said, found)):
            self._run = None
            return "before", None
        return ("lost by the recorder" if self._is_lost(start, end) else "not found"), found

    def _may_begin_before(self, start: float) -> bool:
        """Whether ``start`` is the first stamp, of a sender that gives several samples one."""
        return start <= self._first + 2 * self._near and self._batches

    def _agrees(self, said: Prediction, found: Prediction) -> bool:
        return _difference(said, found) <= self._tolerance

    def _is_lost(self, start: float, end: float) -> bool:
        return start - self._near <= self._lost_at < end

    def _answer(self, n: int) -> Prediction | None:
        """The run's answer that has the number and the times of the prediction ``n``."""
        if self._run is None or n >= len(self._said):
            return None
        found = self._run.answer(self._said[n].sequence)
        if found is None:
            return None
        start, end = self._spans[n]
        apart = max(abs(found.window_start - start), abs(found.window_end - end))
        return found if apart <= self._near else None

    def _begin(self, n: int) -> Prediction | None:
        """Begin a run so that it answers the prediction ``n``."""
        said, (start, end) = self._said[n], self._spans[n]
        tries = list(
            starts(
                self._eeg,
                start,
                rate=self._rate,
                within=self._near,
                hop=self._hop,
                lead=self._lead,
                known=said.sequence == self._fresh,
                settle=self._settle,
            )
        )
        if not tries:  # the daemon had a sample of that time
            self._lost_at = start
        possible: list[tuple[float, int]] = []
        for place, begin in enumerate(tries):
            self._run = Run(self._pipeline, self._eeg, begin, said.sequence)
            found = self._answer(n)
            if found:
                possible.append((_difference(said, found), place))
                if possible[-1][0] <= self._tolerance:
                    return found
                continue
            broken = self._run.latest
            if broken and broken.status == "abstain" and start <= broken.window_end < end:
                self._lost_at = broken.window_end
        self._run = None
        if not possible:
            return None
        self._run = Run(self._pipeline, self._eeg, tries[min(possible)[1]], said.sequence)
        return self._answer(n)

    def _judged(self, said: Prediction, found: Prediction) -> Check:
        run = self._run
        assert run is not None
        if abs(said.filled - found.filled) > 1e-9:
            run.whole = False
            if self._settle:
                run.settled = max(run.settled, found.window_end + self._settle)
            by_recorder = said.filled < found.filled
            return _unmeasured(
                said, "lost by the recorder" if by_recorder else "lost by the daemon"
            )
        if said.status != found.status:
            abstained = said if said.status == "abstain" else found
            return _unmeasured(replace(abstained, sequence=said.sequence), "contradicted")
        if said.probabilities is None:
            return _unmeasured(said, _compared(said.code, found.code))
        difference = _difference(said, found)
        unsettled = found.window_start < run.settled
        label = None
        if self._label is not None:
            label = said.label == self._label(said.probabilities)
        elif run.whole:
            label = said.label == found.label
        return Check(
            said.sequence, "unsettled" if unsettled else "recomputed", difference, label=label
        )


def _unmeasured(of: Prediction, outcome: Outcome) -> Check:
    """The check ``of`` a prediction whose probabilities are not compared."""
    return Check(of.sequence, outcome, reason=of.reason, code=of.code, channels=of.channels)


def _compared(published: str | None, recomputed: str | None) -> Outcome:
    """What the codes of two abstentions from one window come to; None where one has no code.

    Where the connection failed, the recorded EEG shows at most the gap that it left.
    """
    comparable = published and recomputed and published not in CONNECTION
    return "another reason" if comparable and published != recomputed else "confirmed"


def _difference(said: Prediction, found: Prediction) -> float:
    """The largest of any class's probability; infinite where only one of both has any."""
    ours, theirs = found.probabilities, said.probabilities
    if ours is None and theirs is None:
        return 0.0
    if ours is None or theirs is None or ours.keys() != theirs.keys():
        return float("inf")
    return max(abs(ours[name] - theirs[name]) for name in ours)
