"""startup → main loop → tick → shutdown: the daemon's life between a stream and its consumers.

One thread pulls, feeds and pushes; nothing else is ever on the way from sample to prediction.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from daemon.errors import ContractError
from daemon.inlet import Inlet, Lookout, StreamLostError, Wanted, now, resolve
from daemon.intake import Intake
from daemon.outlet import Outlet
from daemon.pipeline import Counts, Pipeline
from daemon.records import Chunk, Prediction, StreamDescription

log = logging.getLogger(__name__)

_PULL = 0.1  # seconds a pull may wait; bounds how long a stop goes unnoticed
_UNDER_WAY = 0.05  # seconds that a sample may be on its way to us when the stop comes
_DRAIN = 0.5  # seconds that the samples received before a stop may take to be answered
_BLOCK = 512  # samples fed between two looks at the stop flag
_RETRY, _RETRY_MOST = 0.5, 2.0  # seconds between two attempts to connect, doubled each time
_BEHIND = 4 * _BLOCK  # samples that wait until it is said

_NOTHING = Chunk(np.empty((0, 0)), np.empty(0))


@dataclass(frozen=True, slots=True)
class Parts:
    """What one config comes to: all that a reload puts in the place of the running.

    Attributes
    ----------
    wanted : Wanted
        Which stream to look for.
    intake : function of StreamDescription
        A new `Intake` for a stream; raises a `ContractError` where it does not fit.
    pipeline : Pipeline
    open_outlet : function returning Outlet
    outlet_says : object
        Equal for outlets that say the same of themselves.
    answer_all : bool
        False: of the windows that ended while the model was busy, answer the newest only.
    stall_after : float
        Seconds without a sample until the stream counts as lost.
    """

    wanted: Wanted
    intake: Callable[[StreamDescription], Intake]
    pipeline: Pipeline
    open_outlet: Callable[[], Outlet]
    outlet_says: object
    answer_all: bool
    stall_after: float


class Service:
    """Runs a pipeline between an inlet and an outlet until it is stopped.

    The outlet is open from construction to the end of `run`.

    Parameters
    ----------
    parts : Parts
    resolve_timeout : float or None
        Seconds to wait for the stream at the start; None waits for ever.
    stop : function returning bool
        True ends the run. Asked at every turn of the main loop, and all the time while it waits.
    observe : function of two floats
        Told of each window's answer: seconds from its last sample to its marker, and seconds that
        the pipeline took for it.

    Attributes
    ----------
    reconnects : int
        Streams taken after the first one.
    """

    def __init__(
        self,
        parts: Parts,
        *,
        resolve_timeout: float | None,
        stop: Callable[[], bool],
        observe: Callable[[float, float], object],
    ) -> None:
        self._use(parts)
        self._successor = parts
        self._followed: Parts | None = None
        self._outlet = parts.open_outlet()
        self._resolve_timeout = resolve_timeout
        self._ended = stop
        self._observe = observe
        self.reconnects = 0
        self._inlet: Inlet | None = None
        self._lookout: Lookout | None = None
        self._heard = 0.0
        self._backlog = _NOTHING
        self._lost = ""
        self._refusal = ""
        self._retry = _RETRY
        self._left_out = 0
        self._told_gaps = 0
        self._told_back_steps = 0
        self._told_rate = False
        self._told_skipped = 0
        self._told_waiting = 0

    def _use(self, parts: Parts) -> None:
        self._parts = parts
        self._wanted = parts.wanted
        self._intake = parts.intake
        self._pipeline = parts.pipeline
        self._answer_all = parts.answer_all
        self._stall_after = parts.stall_after

    def require_fit(self, parts: Parts) -> None:
        """Make sure that ``parts`` could take over now. For any thread.

        Raises
        ------
        ContractError
            The stream that is connected, and that they want too, contradicts their contract.
        """
        inlet = self._inlet
        if inlet is not None and parts.wanted == self._wanted:
            parts.intake(inlet.stream)

    def succeed(self, parts: Parts) -> None:
        """Let ``parts`` take over as soon as that costs no window. For any thread."""
        self._successor = parts

    def run(self) -> None:
        """Serve until stopped.

        Raises
        ------
        ContractError
            At the start: the stream contradicts the contract, or several streams match.
        StreamNotFoundError
            At the start: no stream within the time allowed.
        """
        try:
            self._startup()
            while not self._ended():
                self._tick()
        finally:
            self._shutdown()

    @property
    def connected(self) -> bool:
        return self._inlet is not None

    @property
    def window_full(self) -> bool:
        return self._pipeline.window_full

    @property
    def fullness(self) -> float:
        """How much of a window has been received since it last started over; 0 while no stream."""
        return self._pipeline.fullness if self.connected else 0.0

    @property
    def counts(self) -> Counts:
        return self._pipeline.counts

    @property
    def gaps(self) -> int:
        return self._pipeline.gaps

    @property
    def effective_rate(self) -> float:
        """Samples a second by their stamps; 0 while there is no stream, nan before it is known."""
        return self._pipeline.effective_rate if self.connected else 0.0

    @property
    def backlog(self) -> int:
        """Samples that were received and are not answered yet."""
        return len(self._backlog.stamps)

    def status(self) -> str:
        """What it is doing, in a line."""
        if self._inlet is None:
            return f"waiting for a stream that matches {self._wanted}"
        if self._lookout is not None:
            return f"stream {self._inlet.stream} is silent"
        what = "classifying" if self.window_full else "filling the window from"
        return f"{what} stream {self._inlet.stream}"

    def _stop(self) -> bool:
        """Whether waiting for a stream has to end: for good, or since another may be wanted."""
        return self._ended() or (self._inlet is None and self._successor is not self._parts)

    def _startup(self) -> None:
        while self._inlet is None and not self._ended():
            self._renew()
            try:
                self._connect(self._resolve_timeout)
            except StreamLostError as error:
                log.warning("%s", error)

    def _connect(self, timeout: float | None) -> None:
        info = resolve(self._wanted, timeout=timeout, stopped=self._stop)
        if info is None:
            return
        inlet = Inlet(info, self._stop)
        try:
            try:
                intake = self._intake(inlet.stream)
                inlet.open()
            finally:
                inlet.require_only(self._wanted)  # two that match are worse than one that is wrong
            inlet.synchronise()
        except (ContractError, StreamLostError):
            self._left_out += inlet.close()
            raise
        self._tell_left_out()
        for assumption in intake.pick.assumptions:
            log.warning("stream %s: %s", inlet.stream, assumption)
        self._pipeline.connect(intake)
        self._inlet = inlet
        self._backlog = _NOTHING
        self._lost = ""
        self._lookout = None
        self._heard = time.monotonic()
        log.info(
            "connected to stream %s: %g Hz, %d of its %d channels",
            inlet.stream,
            inlet.stream.sample_rate,
            len(intake.pick.indices),
            inlet.stream.channel_count,
        )

    def _tick(self) -> None:
        self._renew()
        if self._inlet is None:
            self._reconnect()
            self.reconnects += self.connected
            return
        self._pull(self._inlet, 0.0 if len(self._backlog.stamps) else _PULL)
        if len(self._backlog.stamps):
            self._feed()
        elif self._lost:
            self._lose(self._lost)
        elif self._lookout is not None:
            if self._lookout.another(self._inlet.uid):
                self._lose(f"stream {self._inlet.stream} stays silent and another one matches")
        elif time.monotonic() - self._heard > self._stall_after:
            self._abstain(f"no sample for {self._stall_after:g} s")
            self._lookout = Lookout(self._wanted)

    def _pull(self, inlet: Inlet, timeout: float) -> None:
        """Everything there is into the backlog: what liblsl still holds dies with the stream."""
        if self._lost:
            return
        try:
            chunk = inlet.pull(timeout)
        except StreamLostError as error:
            self._lost = str(error)
            return
        if chunk is not None:
            self._heard = time.monotonic()
            self._lookout = None
            self._backlog = chunk if not self.backlog else Chunk.joined([self._backlog, chunk])

    def _feed(self) -> None:
        """Feed the backlog: all of it if only the newest window counts, else a block of it."""
        backlog = self._backlog
        n = _BLOCK if self._answer_all else len(backlog.stamps)
        block = Chunk(backlog.samples[:n], backlog.stamps[:n], backlog.offset)
        self._publish(self._pipeline.feed(block, newest_only=not self._answer_all))
        self._pipeline.catch_up()
        if self._followed is not None:
            self._followed.pipeline.follow(block)
        self._backlog = Chunk(backlog.samples[n:], backlog.stamps[n:], backlog.offset)
        self._tell()

    def _renew(self) -> None:
        """Let the successor hear all that is heard; with a window as full as ours it takes over.

        One that wants another stream, or contradicts the one there is, begins without a stream.
        """
        new = self._successor
        if new is self._parts:
            return
        if self._inlet is not None and self._followed is not new:
            if len(self._backlog.stamps):
                return  # what has been received is answered by the model it was received for
            try:
                if new.wanted != self._wanted:
                    raise ContractError("the config has changed: another stream is wanted now")
                new.pipeline.connect(new.intake(self._inlet.stream))
                self._followed = new
            except ContractError as error:
                self._lose(str(error))
        if self._inlet is None or new.pipeline.fullness >= self._pipeline.fullness:
            self._take_over(new)

    def _take_over(self, new: Parts) -> None:
        new.pipeline.continue_from(self._pipeline)
        if new.outlet_says != self._parts.outlet_says:
            # Closing waits for consumers; they find the new streams by the same names.
            threading.Thread(target=self._outlet.close, name="old outlets").start()
            self._outlet = new.open_outlet()
        self._use(new)
        self._followed = None
        log.info("the reloaded config and model have taken over")

    def _tell(self) -> None:
        """Say what was lost or waits; again each time that its number has doubled."""
        gaps, skipped = self._pipeline.gaps, self._pipeline.counts.skipped
        if gaps > self._told_gaps:
            log.warning("samples are missing from the stream (gap %d since the start)", gaps)
            self._told_gaps = gaps
        if self._pipeline.back_steps > self._told_back_steps:
            self._told_back_steps = self._pipeline.back_steps
            log.warning("the stream's clock stepped back; the window starts over")
        if self._pipeline.rate_is_off != self._told_rate:
            self._told_rate = self._pipeline.rate_is_off
            if self._told_rate:
                log.warning(
                    "the stream runs at %.5g Hz: windows abstain, the model needs another rate",
                    self._pipeline.effective_rate,
                )
        if skipped >= max(2 * self._told_skipped, 1):
            log.warning(
                "the model is slower than window.hop: %d windows skipped since the start", skipped
            )
            self._told_skipped = skipped
        waiting = self.backlog
        if waiting >= max(2 * self._told_waiting, _BEHIND):
            log.warning("%d samples wait to be taken: the answers are late", waiting)
            self._told_waiting = waiting
        elif not waiting:
            self._told_waiting = 0

    def _abstain(self, reason: str) -> None:
        log.warning("abstaining: %s", reason)
        self._flush()
        self._outlet.push(self._pipeline.abstain(reason, now()))

    def _tell_left_out(self) -> None:
        """Once a refusal is over: a stream may send for hours while it is refused."""
        if self._left_out:
            log.warning(
                "%d samples that had arrived are left out: their stream was refused, or the "
                "daemon was stopped before it came to them",
                self._left_out,
            )
            self._left_out = 0

    def _flush(self) -> None:
        self._publish(self._pipeline.flush())

    def _publish(self, predictions: Iterator[Prediction]) -> None:
        begin = time.perf_counter()
        for prediction in predictions:
            compute = time.perf_counter() - begin
            self._observe(self._outlet.push(prediction), compute)
            begin = time.perf_counter()

    def _lose(self, reason: str) -> None:
        assert self._inlet is not None
        left = self._inlet.close()
        if not self._lost:  # else its reason says so already
            self._left_out += left
        self._inlet = None
        if self._lookout is not None:
            log.warning("%s", reason)  # the abstention is out since the stall
        else:
            self._abstain(reason)

    def _reconnect(self) -> None:
        try:
            self._connect(timeout=None)
            self._refusal = ""
            self._retry = _RETRY
            return
        except StreamLostError as error:
            log.warning("%s", error)  # the abstention is out
        except ContractError as error:
            if str(error) != self._refusal:
                self._refusal = str(error)
                self._abstain(f"waiting for the right stream: {error}")
        self._pause(self._retry)
        self._retry = min(2 * self._retry, _RETRY_MOST)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._stop():
            time.sleep(_PULL)

    def _drain(self, inlet: Inlet) -> None:
        """Answer what had been received, or was under way, when the stop came."""
        until = time.monotonic() + _UNDER_WAY
        while (left := until - time.monotonic()) > 0 and not self._lost:
            self._pull(inlet, left)
        until = time.monotonic() + _DRAIN
        while len(self._backlog.stamps) and time.monotonic() < until:
            self._feed()
        self._flush()

    def _shutdown(self) -> None:
        if self._inlet is not None:
            self._drain(self._inlet)
            self._left_out += self._inlet.close() + self.backlog
        self._tell_left_out()
        self._outlet.close()
        counts = self._pipeline.counts
        log.info(
            "stopped after %d samples: %d predictions, %d abstained, %d windows skipped, "
            "%d gaps, %d samples bridged",
            counts.samples,
            counts.ok,
            counts.abstained,
            counts.skipped,
            self._pipeline.gaps,
            counts.filled,
        )
