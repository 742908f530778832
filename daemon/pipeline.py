"""intake → engine → decision, once for live, replay and scoring.

Rules that hold here:

- Any way of cutting the same samples into chunks gives the same predictions.
- Whatever ends a window early is said at once, by an abstention that belongs to no window.
- Every sample that arrives reaches the engine. Only a window's answer may be skipped, only where
  the caller asks for the newest one alone, and it is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from daemon.decision import Decision
from daemon.intake import Intake, Stretch
from daemon.reasons import Code, Reason
from daemon.records import Chunk, Float32, Prediction
from daemon.ring import Ring

Answered = Literal["all", "newest", "none"]
"""Which of the windows that end in a chunk are answered."""


class Engine(Protocol):
    """A model that is fed every sample and asked at the end of each window."""

    def restart(self) -> None:
        """Forget all samples."""

    def feed(self, block: Float32, answer: bool) -> Float32 | None:
        """Take the next steps, (n, inputs); a window that ends in them ends with the last.

        ``answer`` says that one does and that the model's output for it, (outputs,), is wanted;
        otherwise the result is None.
        """

    def catch_up(self) -> None:
        """Do now what the last `feed` put off so that its answer was out sooner."""


@dataclass(slots=True)
class Counts:
    """What has happened since the start of the program.

    ``abstentions`` has a number for every code from the start, so that another thread may read it.
    """

    samples: int = 0
    filled: int = 0
    restarts: int = 0
    ok: int = 0
    abstentions: dict[Code, int] = field(default_factory=lambda: dict.fromkeys(Code, 0))
    skipped: int = 0

    @property
    def abstained(self) -> int:
        return sum(self.abstentions.values())


class Pipeline:
    """The way from a stream's chunks to predictions.

    Parameters
    ----------
    engine, decision
        The stages that know no stream; the intake comes with it, see `connect`.
    classes : sequence of str
        In the order of the model's outputs.
    max_filled : float
        Fraction of a window that may be filled before it abstains.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        decision: Decision,
        classes: Sequence[str],
        max_filled: float,
    ) -> None:
        self.counts = Counts()
        self._intake: Intake | None = None
        self._engine = engine
        self._decision = decision
        self._classes = tuple(classes)
        self._max_filled = max_filled
        self._sequence = 0
        self._gaps_before = 0
        self._back_steps_before = 0
        # Per sample of the stream in the window: stamp, filled (0/1).
        self._window = 1
        self._lead = 0
        self._history = Ring(2, self._window, np.float64)
        self._start_over()

    def connect(self, intake: Intake) -> None:
        """Take the samples that follow from a (new) stream, by an ``intake`` that is new too."""
        self._gaps_before, self._back_steps_before = self.gaps, self.back_steps
        self._intake = intake
        self._window = intake.window
        self._lead = intake.lead
        self._history = Ring(2, self._window, np.float64)
        self._start_over()

    def continue_from(self, other: Pipeline) -> None:
        """Count on where ``other``, whose place this one takes, has stopped."""
        self.counts = other.counts
        self._sequence = other._sequence
        self._gaps_before += other.gaps - self.gaps
        self._back_steps_before += other.back_steps - self.back_steps

    @property
    def window_full(self) -> bool:
        """Whether a whole window, and what comes before the first, was received since a restart."""
        return self._since_restart >= self._lead + self._window

    @property
    def fullness(self) -> float:
        """How much of a window has been received since the last restart, 0 … 1."""
        return min(self._since_restart / (self._lead + self._window), 1.0)

    @property
    def gaps(self) -> int:
        return self._gaps_before + (self._intake.timeline.gaps if self._intake else 0)

    @property
    def effective_rate(self) -> float:
        """Samples a second that the stream really has, in Hz; nan before it is known."""
        return self._intake.timeline.effective_rate if self._intake else np.nan

    @property
    def rate_is_off(self) -> bool:
        """Whether that is more than 1 % off the announced rate, so that windows abstain."""
        return self._intake is not None and self._intake.timeline.rate_is_off

    @property
    def back_steps(self) -> int:
        """Times that the stream's clock stepped back, which restarts the window."""
        return self._back_steps_before + (self._intake.timeline.back_steps if self._intake else 0)

    def feed(self, chunk: Chunk, *, newest_only: bool = False) -> Iterator[Prediction]:
        """Predictions of the windows that end in ``chunk``, each as soon as it is known.

        The iterator does the work: run it to its end. ``newest_only`` answers the last of these
        windows alone and counts the others as skipped: a live consumer that has fallen behind is
        served by the present, not by the past.
        """
        assert self._intake is not None, "connect() comes before feed()"
        return self._run(self._intake.feed(chunk), "newest" if newest_only else "all")

    def follow(self, chunk: Chunk) -> None:
        """Take ``chunk`` like `feed`, but answer no window."""
        assert self._intake is not None, "connect() comes before follow()"
        for _ in self._run(self._intake.feed(chunk), "none"):
            pass

    def flush(self) -> Iterator[Prediction]:
        """Predictions of samples that were held back, when no more will come."""
        return self._run(self._intake.flush() if self._intake else (), "all")

    def abstain(self, reason: Reason, now: float) -> Prediction:
        """An abstention that belongs to no window: it ends with the last sample received.

        ``now`` (seconds, on the samples' clock) stands in where there was none. What comes after
        it is a new timeline.
        """
        if self._since_restart:
            abstention = self._broken_off(reason)
        else:
            abstention = self._abstention(reason, now, now, 0.0)
        self.restart()
        return abstention

    def restart(self) -> None:
        """Start a new timeline with the next sample."""
        if self._intake is not None:
            self._intake.restart()
        self._start_over()

    def _start_over(self) -> None:
        self._engine.restart()
        self._decision.restart()
        self._since_restart = 0
        # Since the restart: where the last sample at another rate, or filled, was; and that rate.
        self._off_rate = (-np.inf, 0.0)
        self._filled_at = -np.inf

    def _run(self, stretches: Iterable[Stretch], answered: Answered) -> Iterator[Prediction]:
        if answered == "newest":
            stretches = list(stretches)
            newest = max((n for n, one in enumerate(stretches) if one.ends_window), default=-1)
            for n, stretch in enumerate(stretches):
                yield from self._advance(stretch, answer=n == newest)
        else:
            # One by one: an answer goes out before anything is done that comes after it.
            for stretch in stretches:
                yield from self._advance(stretch, answer=stretch.ends_window and answered == "all")
        self._engine.catch_up()  # whoever asks for more has published the last answer

    def _advance(self, stretch: Stretch, *, answer: bool) -> Iterator[Prediction]:
        if stretch.restart:
            self.counts.restarts += 1
            if self._since_restart:
                assert stretch.why is not None, "only the first start has no reason"
                yield self._broken_off(stretch.why)
            self._start_over()
        n = len(stretch.received)
        steps = np.zeros((n, 2))
        steps[:, 0] = stretch.received
        steps[:, 1] = stretch.filled
        self._history.push(steps)
        self._since_restart += n
        if stretch.off_rate is not None:
            self._off_rate = (self._since_restart, stretch.off_rate)
        if stretch.filled:
            self.counts.filled += n
            self._filled_at = self._since_restart
        else:
            self.counts.samples += n
        if not len(stretch.samples):
            return
        output = self._engine.feed(stretch.samples, answer)
        if output is not None:
            yield self._judge(output, stretch.fault)
        elif stretch.ends_window:
            self.counts.skipped += 1
            self._sequence += 1

    def _judge(self, output: Float32, fault: Reason | None) -> Prediction:
        stamps, was_filled = self._history.window()
        start, end = float(stamps[0]), float(stamps[-1])
        filled = float(was_filled.mean()) if self._within(self._filled_at) else 0.0
        reason = fault or self._doubt(start, end, filled, output)
        if reason is not None:
            return self._abstention(reason, start, end, filled)
        probabilities = self._decision.probabilities(output.astype(np.float64))
        label = self._decision.label(probabilities, end)
        self.counts.ok += 1
        return Prediction(
            sequence=self._next(),
            status="ok",
            reason=None,
            label=label,
            probabilities=dict(zip(self._classes, probabilities.tolist(), strict=True)),
            window_start=start,
            window_end=end,
            filled=filled,
        )

    def _doubt(self, start: float, end: float, filled: float, output: Float32) -> Reason | None:
        if filled > self._max_filled:
            return Reason(
                Code.FILLED,
                f"{filled:.1%} of the window was missing and is filled, more than "
                f"{self._max_filled:.1%}",
            )
        if self._within(self._off_rate[0]):
            assert self._intake is not None
            sent, rate = self._off_rate[1], self._intake.timeline.rate
            return Reason(Code.OFF_RATE, f"the stream runs at {sent:.5g} Hz, not at {rate:g} Hz")
        if end < start:
            return Reason(
                Code.CLOCK_STEPPED_BACK, "the stream's clock stepped back within the window"
            )
        if not np.isfinite(output).all():
            return Reason(Code.MODEL_OUTPUT, "the model's output is not finite")
        if len(output) == 1 and not self._decision.logits and not 0 <= output[0] <= 1:
            return Reason(Code.MODEL_OUTPUT, "the model's one output is no probability")
        return None

    def _within(self, position: float) -> bool:
        """Whether the window that ends now holds the sample of that number since the restart."""
        return self._since_restart - position < self._window

    def _broken_off(self, reason: Reason) -> Prediction:
        """An abstention for the samples since the last restart, of which no more come."""
        stamps = self._history.window()[0]
        known = min(self._since_restart, self._window)
        return self._abstention(reason, float(stamps[-known]), float(stamps[-1]), 0.0)

    def _abstention(self, reason: Reason, start: float, end: float, filled: float) -> Prediction:
        self.counts.abstentions[reason.code] += 1
        span, why = (start, end, filled), (reason.code, reason.channels)
        return Prediction(self._next(), "abstain", reason.text, None, None, *span, *why)

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence - 1
