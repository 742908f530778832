"""startup → main loop → tick → shutdown: the daemon's life between a stream and its consumers.

One thread pulls, feeds and pushes; nothing else is ever on the way from sample to prediction.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from daemon.commentary import Commentary
from daemon.discovery import Search, Wanted
from daemon.errors import ContractError
from daemon.inlet import StreamLostError, now
from daemon.intake import Intake
from daemon.outlet import Outlet
from daemon.pipeline import Counts, Pipeline
from daemon.reasons import Code, Reason
from daemon.records import Prediction, StreamDescription
from daemon.subscription import Subscription, subscribe

log = logging.getLogger(__name__)

_PULL = 0.1  # seconds a pull may wait; bounds how long a stop goes unnoticed
_UNDER_WAY = 0.05  # seconds that a sample may be on its way to us when the stop comes
_DRAIN = 0.5  # seconds that the samples received before a stop may take to be answered
_BLOCK = 512  # samples fed between two looks at the stop flag
_RETRY, _RETRY_MOST = 0.5, 2.0  # seconds between two attempts to connect, doubled each time


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
    search : Search or None
        One for the stream that has begun already, and has not found it yet.

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
        search: Search | None = None,
    ) -> None:
        self._parts = self._successor = parts
        self._followed: Parts | None = None
        self._outlet = parts.open_outlet()
        self._resolve_timeout = resolve_timeout
        self._search = search
        self._ended = stop
        self._observe = observe
        self.reconnects = 0
        self._commentary = Commentary()
        self._subscription: Subscription | None = None
        self._refusal: Reason | None = None
        self._retry = _RETRY
        self._took = 0.0  # seconds, the latest answer

    def require_fit(self, parts: Parts) -> None:
        """Make sure that ``parts`` could take over now. For any thread.

        Raises
        ------
        ContractError
            The stream that is connected, and that they want too, contradicts their contract.
        """
        subscription = self._subscription
        if subscription is not None and parts.wanted == self._parts.wanted:
            parts.intake(subscription.stream)

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
    def _pipeline(self) -> Pipeline:
        return self._parts.pipeline

    @property
    def connected(self) -> bool:
        return self._subscription is not None

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
        subscription = self._subscription
        return subscription.waiting if subscription is not None else 0

    def status(self) -> str:
        """What it is doing, in a line."""
        subscription = self._subscription
        if subscription is None:
            return f"waiting for a stream that matches {self._parts.wanted}"
        if subscription.stalled:
            return f"stream {subscription.stream} is silent"
        what = "classifying" if self.window_full else "filling the window from"
        return f"{what} stream {subscription.stream}"

    def _stop(self) -> bool:
        """Whether waiting for a stream has to end: for good, or since another may be wanted."""
        return self._ended() or (not self.connected and self._successor is not self._parts)

    def _startup(self) -> None:
        while not self.connected and not self._ended():
            self._renew()
            try:
                self._connect(self._resolve_timeout, self._search)
            except StreamLostError as error:
                log.warning("%s", error)
            self._search = None

    def _connect(self, timeout: float | None, search: Search | None = None) -> None:
        subscription = subscribe(
            self._parts.wanted,
            self._parts.intake,
            timeout=timeout,
            stopped=self._stop,
            leave_out=self._commentary.leave_out,
            search=search,
        )
        if subscription is not None:
            self._commentary.tell_left_out()
            self._pipeline.connect(subscription.intake)
            self._subscription = subscription

    def _tick(self) -> None:
        self._renew()
        subscription = self._subscription
        if subscription is None:
            self._reconnect()
            self.reconnects += self.connected
            return
        subscription.pull(0.0 if subscription.waiting else _PULL)
        if subscription.waiting:
            self._feed(subscription)
        elif subscription.lost:
            self._lose(subscription, subscription.lost)
        elif subscription.replaced:
            silent = f"stream {subscription.stream} stays silent and another one matches"
            self._lose(subscription, Reason(Code.STALLED, silent))
        elif subscription.silence > self._parts.stall_after and not subscription.stalled:
            self._abstain(Reason(Code.STALLED, f"no sample for {self._parts.stall_after:g} s"))
            subscription.look_out()

    def _feed(self, subscription: Subscription) -> None:
        """Feed the backlog: all of it if only the newest window counts, else a block of it."""
        block = subscription.oldest(_BLOCK if self._parts.answer_all else None)
        self._publish(self._pipeline.feed(block, newest_only=not self._parts.answer_all))
        if self._followed is not None:
            self._followed.pipeline.follow(block)
        subscription.drop(len(block.stamps))
        self._commentary.tell(self._pipeline, subscription.waiting)

    def _renew(self) -> None:
        """Let the successor hear all that is heard; with a window as full as ours it takes over.

        One that wants another stream, or contradicts the one there is, begins without a stream.
        """
        new = self._successor
        if new is self._parts:
            return
        subscription = self._subscription
        if subscription is not None and self._followed is not new:
            try:
                if new.wanted != self._parts.wanted:
                    raise ContractError(
                        "the config has changed: another stream is wanted now", Code.RELOAD
                    )
                new.pipeline.connect(new.intake(subscription.stream))
                self._followed = new
            except ContractError as error:
                self._drain(subscription)
                self._lose(subscription, error.reason)
        if not self.connected or new.pipeline.fullness >= self._pipeline.fullness:
            self._take_over(new)

    def _take_over(self, new: Parts) -> None:
        new.pipeline.continue_from(self._pipeline)
        if new.outlet_says != self._parts.outlet_says:
            # Closing waits for consumers; they find the new streams by the same names.
            threading.Thread(target=self._outlet.close, name="old outlets").start()
            self._outlet = new.open_outlet()
        self._parts = new
        self._followed = self._search = None
        log.info("the reloaded config and model have taken over")

    def _abstain(self, reason: Reason) -> None:
        log.warning("abstaining: %s", reason)
        self._flush()
        self._outlet.push(self._pipeline.abstain(reason, now()))
        if self._followed is not None:
            self._followed.pipeline.restart()  # it heard the same

    def _flush(self) -> None:
        self._publish(self._pipeline.flush())

    def _publish(self, predictions: Iterator[Prediction]) -> None:
        begin = time.perf_counter()
        for prediction in predictions:
            compute = time.perf_counter() - begin
            self._took = compute
            self._observe(self._outlet.push(prediction), compute)
            begin = time.perf_counter()

    def _lose(self, subscription: Subscription, reason: Reason) -> None:
        self._commentary.leave_out(subscription.close())
        self._subscription = None
        if subscription.stalled:
            log.warning("%s", reason)  # the abstention is out since the stall
        else:
            self._abstain(reason)

    def _reconnect(self) -> None:
        try:
            self._connect(timeout=None)
            self._refusal = None
            self._retry = _RETRY
            return
        except StreamLostError as error:
            log.warning("%s", error)  # the abstention is out
        except ContractError as error:
            if error.reason != self._refusal:
                self._refusal = error.reason
                waiting = f"waiting for the right stream: {error.reason}"
                self._abstain(replace(error.reason, text=waiting))
        self._pause(self._retry)
        self._retry = min(2 * self._retry, _RETRY_MOST)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._stop():
            time.sleep(_PULL)

    def _drain(self, subscription: Subscription) -> None:
        """Answer what had been received, or was under way, as far as that goes quickly."""
        until = time.monotonic() + _UNDER_WAY
        while (left := until - time.monotonic()) > 0 and not subscription.lost:
            subscription.pull(left)
        if not self._parts.answer_all and self._took > _DRAIN:
            return  # one more window would take longer than that
        until = time.monotonic() + _DRAIN
        while subscription.waiting and time.monotonic() < until:
            self._feed(subscription)
        self._flush()

    def _shutdown(self) -> None:
        if self._subscription is not None:
            self._drain(self._subscription)
            self._commentary.leave_out(self._subscription.close())
        self._commentary.tell_left_out()
        self._outlet.close()
        counts = self._pipeline.counts
        log.info(
            "stopped after %d samples: %d predictions, %d abstained, %d windows skipped, "
            "%d gaps, %d samples filled",
            counts.samples,
            counts.ok,
            counts.abstained,
            counts.skipped,
            self._pipeline.gaps,
            counts.filled,
        )
