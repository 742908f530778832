"""timeline → conditioning → quality → engine → decision, once for live, replay and scoring.

Rules that hold here:

- Window n covers samples [n·hop, n·hop + window) counted from the first sample after a restart of
  the timeline.
- Any way of cutting the same samples into chunks gives the same predictions.
- Whatever ends a window early is said at once, by an abstention that belongs to no window.
- Every sample that arrives reaches the engine. Only a window's answer may be skipped, only where
  the caller asks for the newest one alone, and it is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from daemon.conditioning import Conditioning
from daemon.decision import Decision
from daemon.quality import Quality
from daemon.records import Chunk, Float32, Prediction
from daemon.ring import Ring
from daemon.timeline import Segment, Timeline

Answered = Literal["all", "newest", "none"]
"""Which of the windows that end in a chunk are answered."""


class Engine(Protocol):
    """A model that is fed every sample and asked at the end of each window."""

    def restart(self) -> None:
        """Forget all samples."""

    def feed(self, block: Float32, answer: bool) -> Float32 | None:
        """Take the next samples, (n, channels); a window that ends in them ends with the last.

        ``answer`` says that one does and that the model's output for it, (outputs,), is wanted;
        otherwise the result is None.
        """

    def catch_up(self) -> None:
        """Do now what the last `feed` put off so that its answer was out sooner."""


@dataclass(slots=True)
class Counts:
    """What has happened since the start of the program."""

    samples: int = 0
    filled: int = 0
    restarts: int = 0
    ok: int = 0
    abstained: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class _Piece:
    """Consecutive samples of one segment, cut where windows end."""

    segment: Segment
    start: int
    stop: int
    ends_window: bool


class Pipeline:
    """One stream's way from chunks to predictions.

    Parameters
    ----------
    timeline, quality, engine, decision
        The stages; the conditioning comes with the stream, see `connect`.
    classes : sequence of str
        In the order of the model's outputs.
    window, hop : int
        Steps of one window, and between the starts of two.
    max_filled : float
        Fraction of a window that may be bridged before it abstains.
    """

    def __init__(
        self,
        *,
        timeline: Timeline,
        quality: Quality,
        engine: Engine,
        decision: Decision,
        classes: Sequence[str],
        window: int,
        hop: int,
        max_filled: float,
    ) -> None:
        self.counts = Counts()
        self._timeline = timeline
        self._quality = quality
        self._conditioning: Conditioning | None = None
        self._engine = engine
        self._decision = decision
        self._classes = tuple(classes)
        self._window = window
        self._hop = hop
        self._max_filled = max_filled
        self._sequence = 0
        self._gaps_before = 0
        self._since_restart = 0
        # Since the restart: where the last sample at another rate, or bridged, was; and that rate.
        self._off_rate = (-np.inf, 0.0)
        self._filled_at = -np.inf
        self._offset = 0.0
        # Per step of the window: stamp, bridged (0/1).
        self._history = Ring(2, window, np.float64)

    def connect(self, conditioning: Conditioning) -> None:
        """Take the samples that follow from a (new) stream, on a new timeline."""
        self._conditioning = conditioning
        self.restart()

    def continue_from(self, other: Pipeline) -> None:
        """Count on where ``other``, whose place this one takes, has stopped."""
        self.counts = other.counts
        self._sequence = other._sequence
        self._gaps_before = other.gaps - self._timeline.gaps

    @property
    def window_full(self) -> bool:
        """Whether a whole window has been received since the last restart."""
        return self._since_restart >= self._window

    @property
    def fullness(self) -> float:
        """How much of a window has been received since the last restart, 0 … 1."""
        return min(self._since_restart / self._window, 1.0)

    @property
    def gaps(self) -> int:
        return self._gaps_before + self._timeline.gaps

    @property
    def effective_rate(self) -> float:
        """Samples a second that the stream really has, in Hz; nan before it is known."""
        return self._timeline.effective_rate

    @property
    def rate_is_off(self) -> bool:
        """Whether that is more than 1 % off the model's, so that windows abstain."""
        return self._timeline.rate_is_off

    @property
    def back_steps(self) -> int:
        """Times that the stream's clock stepped back, which restarts the window."""
        return self._timeline.back_steps

    def feed(self, chunk: Chunk, *, newest_only: bool = False) -> Iterator[Prediction]:
        """Predictions of the windows that end in ``chunk``, each as soon as it is known.

        The iterator does the work: run it to its end. ``newest_only`` answers the last of these
        windows alone and counts the others as skipped: a live consumer that has fallen behind is
        served by the present, not by the past.
        """
        self._offset = chunk.offset
        return self._run(self._timeline.feed(chunk), "newest" if newest_only else "all")

    def follow(self, chunk: Chunk) -> None:
        """Take ``chunk`` like `feed`, but answer no window, and `catch_up`."""
        self._offset = chunk.offset
        for _ in self._run(self._timeline.feed(chunk), "none"):
            pass
        self.catch_up()

    def flush(self) -> Iterator[Prediction]:
        """Predictions of samples that were held back, when no more will come."""
        return self._run(self._timeline.flush(), "all")

    def catch_up(self) -> None:
        """What can wait until a prediction is out; call it after the last one was published."""
        self._engine.catch_up()

    def abstain(self, reason: str, now: float) -> Prediction:
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
        self._timeline.restart()
        self._start_over()

    def _start_over(self) -> None:
        self._quality.restart()
        self._engine.restart()
        self._decision.restart()
        self._since_restart = 0
        # Since the restart: where the last sample at another rate, or bridged, was; and that rate.
        self._off_rate = (-np.inf, 0.0)
        self._filled_at = -np.inf

    def _run(self, segments: Iterable[Segment], answered: Answered) -> Iterator[Prediction]:
        pieces: Iterable[_Piece] = self._cut(segments)
        if answered == "newest":
            pieces = list(pieces)
            newest = max((n for n, piece in enumerate(pieces) if piece.ends_window), default=-1)
            for n, piece in enumerate(pieces):
                yield from self._advance(piece, answer=n == newest)
            return
        # One by one: a window's answer goes out before anything is done that comes after it.
        for piece in pieces:
            yield from self._advance(piece, answer=piece.ends_window and answered == "all")

    def _cut(self, segments: Iterable[Segment]) -> Iterator[_Piece]:
        count = self._since_restart
        for segment in segments:
            if segment.restart:
                count = 0
            start = 0
            while start < len(segment.stamps):
                to_end = self._window - count
                if to_end <= 0:
                    to_end = -(count - self._window) % self._hop or self._hop
                # Long stretches without an answer are cut too, so that blocks stay one size.
                stop = min(start + min(to_end, self._hop), len(segment.stamps))
                count += stop - start
                yield _Piece(segment, start, stop, ends_window=stop - start == to_end)
                start = stop

    def _advance(self, piece: _Piece, *, answer: bool) -> Iterator[Prediction]:
        assert self._conditioning is not None, "connect() comes before feed()"
        segment = piece.segment
        if segment.restart and piece.start == 0:
            self.counts.restarts += 1
            if self._since_restart:
                yield self._broken_off(segment.why)
            self._start_over()
        n = piece.stop - piece.start
        block = self._conditioning.apply(segment.samples[piece.start : piece.stop])
        block = self._quality.push(block, bridged=segment.filled)
        steps = np.zeros((n, 2))
        steps[:, 0] = segment.stamps[piece.start : piece.stop] + self._offset
        steps[:, 1] = segment.filled
        self._history.push(steps)
        self._since_restart += n
        if segment.off_rate is not None:
            self._off_rate = (self._since_restart, segment.off_rate)
        if segment.filled:
            self.counts.filled += n
            self._filled_at = self._since_restart
        else:
            self.counts.samples += n
        output = self._engine.feed(block, answer)
        if output is not None:
            yield self._judge(output)
        elif piece.ends_window:
            self.counts.skipped += 1
            self._sequence += 1

    def _judge(self, output: Float32) -> Prediction:
        stamps, filled = self._history.window()
        start, end = float(stamps[0]), float(stamps[-1])
        bridged = float(filled.mean()) if self._within(self._filled_at) else 0.0
        reason = self._quality.fault() or self._doubt(start, end, bridged, output)
        if reason is not None:
            return self._abstention(reason, start, end, bridged)
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
            filled=bridged,
        )

    def _doubt(self, start: float, end: float, bridged: float, output: Float32) -> str | None:
        if bridged > self._max_filled:
            return f"{bridged:.1%} of the window is bridged, more than {self._max_filled:.1%}"
        if self._within(self._off_rate[0]):
            sent, rate = self._off_rate[1], self._timeline.rate
            return f"the stream runs at {sent:.5g} Hz, the model at {rate:g} Hz"
        if end < start:
            return "the stream's clock stepped back within the window"
        if not np.isfinite(output).all():
            return "the model's output is not finite"
        return None

    def _within(self, position: float) -> bool:
        """Whether the window that ends now holds the sample of that number since the restart."""
        return self._since_restart - position < self._window

    def _broken_off(self, reason: str) -> Prediction:
        """An abstention for the samples since the last restart, of which no more come."""
        stamps = self._history.window()[0]
        known = min(self._since_restart, self._window)
        return self._abstention(reason, float(stamps[-known]), float(stamps[-1]), 0.0)

    def _abstention(self, reason: str, start: float, end: float, filled: float) -> Prediction:
        self.counts.abstained += 1
        return Prediction(self._next(), "abstain", reason, None, None, start, end, filled)

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence - 1
