"""Says in the log what a run loses or makes wait.

A number that grows is said again when it has doubled; `daemon.runtime.repeats` does the same for
what comes again and again.
"""

from __future__ import annotations

import logging

from daemon.pipeline import Pipeline

log = logging.getLogger(__name__)

_BEHIND = 2048  # samples that wait until it is said


class Commentary:
    """Remembers what has been said."""

    def __init__(self) -> None:
        self._left_out = 0
        self._gaps = 0
        self._back_steps = 0
        self._off_rate = False
        self._skipped = 0
        self._waiting = 0

    def tell(self, pipeline: Pipeline, waiting: int) -> None:
        """Say what is new, with ``waiting`` samples received and not answered yet."""
        if pipeline.gaps > self._gaps:
            self._gaps = pipeline.gaps
            log.warning("samples are missing from the stream: gap %d since the start", self._gaps)
        if pipeline.back_steps > self._back_steps:
            self._back_steps = pipeline.back_steps
            log.warning("the stream's clock stepped back; the window starts over")
        if pipeline.rate_is_off != self._off_rate:
            self._off_rate = pipeline.rate_is_off
            if self._off_rate:
                log.warning(
                    "the stream runs at %.5g Hz, not at its nominal rate: windows abstain",
                    pipeline.effective_rate,
                )
        skipped = pipeline.counts.skipped
        if skipped >= max(2 * self._skipped, 1):
            self._skipped = skipped
            log.warning(
                "the model is slower than window.hop: %d windows skipped since the start", skipped
            )
        if waiting >= max(2 * self._waiting, _BEHIND):
            self._waiting = waiting
            log.warning("%d samples wait to be taken: the answers are late", waiting)
        elif not waiting:
            self._waiting = 0

    def leave_out(self, samples: int) -> None:
        """Count samples that had arrived and are not taken, to be told by `tell_left_out`."""
        self._left_out += samples

    def tell_left_out(self) -> None:
        """Once a refusal is over: a stream may send for hours while it is refused."""
        if self._left_out:
            log.warning(
                "%d samples that had arrived are left out: their stream was refused, or the "
                "daemon was stopped before it came to them",
                self._left_out,
            )
            self._left_out = 0
