"""startup → main loop → tick → shutdown: the daemon's life between a stream and its consumers.

One thread pulls, feeds and pushes; nothing else is ever on the way from sample to prediction.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import numpy as np

from daemon.conditioning import Conditioning
from daemon.contract import Pick
from daemon.errors import ContractError
from daemon.inlet import Inlet, Lookout, StreamLostError, Wanted, now, resolve
from daemon.outlet import Outlet
from daemon.pipeline import Pipeline
from daemon.records import Chunk, StreamDescription

log = logging.getLogger(__name__)

_PULL = 0.1  # seconds a pull may wait; bounds how long a stop goes unnoticed
_UNDER_WAY = 0.05  # seconds that a sample may be on its way to us when the stop comes
_DRAIN = 1.0  # seconds that the samples received before a stop may take to be answered
_BLOCK = 512  # samples fed between two looks at the stop flag
_RETRY, _RETRY_MOST = 0.5, 2.0  # seconds between two attempts to connect, doubled each time

_NOTHING = Chunk(np.empty((0, 0)), np.empty(0))


def _joined(first: Chunk, second: Chunk) -> Chunk:
    return Chunk(
        np.concatenate([first.samples, second.samples]),
        np.concatenate([first.stamps, second.stamps]),
        second.offset,
    )


class Service:
    """Runs a pipeline between an inlet and an outlet until it is stopped.

    Parameters
    ----------
    wanted : Wanted
        Which stream to look for.
    resolve_timeout : float or None
        Seconds to wait for it at the start; None waits for ever.
    pick : function of StreamDescription
        `Contract.pick` with what the config adds to it.
    pipeline : Pipeline
    outlet : Outlet
    answer_all : bool
        False: of the windows that ended while the model was busy, answer the newest only.
    stall_after : float
        Seconds without a sample until the stream counts as lost.
    stop : function returning bool
        True ends the run.
    """

    def __init__(
        self,
        *,
        wanted: Wanted,
        resolve_timeout: float | None,
        pick: Callable[[StreamDescription], Pick],
        pipeline: Pipeline,
        outlet: Outlet,
        answer_all: bool,
        stall_after: float,
        stop: Callable[[], bool],
    ) -> None:
        self._wanted = wanted
        self._resolve_timeout = resolve_timeout
        self._pick = pick
        self._pipeline = pipeline
        self._outlet = outlet
        self._answer_all = answer_all
        self._stall_after = stall_after
        self._stop = stop
        self._inlet: Inlet | None = None
        self._lookout: Lookout | None = None
        self._heard = 0.0
        self._backlog = _NOTHING
        self._lost = ""
        self._refusal = ""
        self._retry = _RETRY
        self._told_gaps = 0
        self._told_skipped = 0

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
            while not self._stop():
                self._tick()
        finally:
            self._shutdown()

    def _startup(self) -> None:
        while self._inlet is None and not self._stop():
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
                pick = self._pick(inlet.stream)
                inlet.open()
            finally:
                inlet.require_only(self._wanted)  # two that match are worse than one that is wrong
            inlet.synchronise()
        except (ContractError, StreamLostError):
            inlet.close()
            raise
        for assumption in pick.assumptions:
            log.warning("stream %s: %s", inlet.stream, assumption)
        self._pipeline.connect(Conditioning(pick.indices, pick.scales))
        self._inlet = inlet
        self._backlog = _NOTHING
        self._lost = ""
        self._lookout = None
        self._heard = time.monotonic()
        log.info(
            "connected to stream %s: %g Hz, %d of its %d channels",
            inlet.stream,
            inlet.stream.sample_rate,
            len(pick.indices),
            inlet.stream.channel_count,
        )

    def _tick(self) -> None:
        if self._inlet is None:
            self._reconnect()
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
            self._backlog = (
                chunk if not len(self._backlog.stamps) else _joined(self._backlog, chunk)
            )

    def _feed(self) -> None:
        """Feed the backlog: all of it if only the newest window counts, else a block of it."""
        backlog = self._backlog
        n = _BLOCK if self._answer_all else len(backlog.stamps)
        self._backlog = Chunk(backlog.samples[n:], backlog.stamps[n:], backlog.offset)
        block = Chunk(backlog.samples[:n], backlog.stamps[:n], backlog.offset)
        for prediction in self._pipeline.feed(block, newest_only=not self._answer_all):
            self._outlet.push(prediction)
        self._pipeline.catch_up()
        self._tell()

    def _tell(self) -> None:
        """Say what was lost; skipped windows again each time their number has doubled."""
        gaps, skipped = self._pipeline.gaps, self._pipeline.counts.skipped
        if gaps > self._told_gaps:
            log.warning("samples are missing from the stream (gap %d since the start)", gaps)
            self._told_gaps = gaps
        if skipped >= max(2 * self._told_skipped, 1):
            log.warning(
                "the model is slower than window.hop: %d windows skipped since the start", skipped
            )
            self._told_skipped = skipped

    def _abstain(self, reason: str) -> None:
        log.warning("abstaining: %s", reason)
        self._flush()
        self._outlet.push(self._pipeline.abstain(reason, now()))

    def _flush(self) -> None:
        for prediction in self._pipeline.flush():
            self._outlet.push(prediction)

    def _lose(self, reason: str) -> None:
        assert self._inlet is not None
        self._inlet.close()
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
            self._inlet.close()
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
