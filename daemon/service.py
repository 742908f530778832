"""startup → main loop → tick → shutdown: the daemon's life between a stream and its consumers.

One thread pulls, feeds and pushes; nothing else is ever on the way from sample to prediction.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from daemon.conditioning import Conditioning
from daemon.contract import Pick
from daemon.errors import ContractError
from daemon.inlet import Inlet, StreamLostError, Wanted, resolve
from daemon.outlet import Outlet
from daemon.pipeline import Pipeline
from daemon.records import Chunk, Prediction, StreamDescription

log = logging.getLogger(__name__)

_PULL = 0.1  # seconds a pull may wait; bounds how long a stop goes unnoticed
_UNDER_WAY = 0.05  # seconds that a sample may be on its way to us when the stop comes
_DRAIN = 1.0  # seconds that the samples received before a stop may take to be answered
_BLOCK = 512  # samples fed between two looks at the stop flag
_RETRY = 2.0


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
        self._stalled = False
        self._heard = 0.0
        self._refusal = ""
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
        inlet = Inlet(info)
        pick = self._pick(inlet.stream)
        for assumption in pick.assumptions:
            log.warning("stream %s: %s", inlet.stream, assumption)
        inlet.open()
        self._pipeline.connect(Conditioning(pick.indices, pick.scales))
        self._inlet = inlet
        self._stalled = False
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
        try:
            chunk = self._inlet.pull(_PULL)
        except StreamLostError as error:
            self._lose(str(error))
            return
        if chunk is None:
            silent = time.monotonic() - self._heard
            if silent > self._stall_after and not self._stalled:
                self._stalled = True
                self._abstain(f"no sample for {self._stall_after:g} s")
            return
        self._heard = time.monotonic()
        self._stalled = False
        self._feed(chunk)

    def _feed(self, chunk: Chunk) -> None:
        deadline = None
        size = _BLOCK if self._answer_all else len(chunk.stamps)
        for start in range(0, len(chunk.stamps), size):
            if self._stop():
                deadline = deadline or time.monotonic() + _DRAIN
                if time.monotonic() > deadline:
                    return
            part = Chunk(chunk.samples[start : start + size], chunk.stamps[start : start + size])
            for prediction in self._pipeline.feed(part, newest_only=not self._answer_all):
                self._publish(prediction)
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

    def _publish(self, prediction: Prediction) -> None:
        self._outlet.push(prediction)

    def _abstain(self, reason: str) -> None:
        log.warning("abstaining: %s", reason)
        self._publish(self._pipeline.abstain(reason))

    def _lose(self, reason: str) -> None:
        assert self._inlet is not None
        self._inlet.close()
        self._inlet = None
        if self._stalled:
            log.warning("%s", reason)
        else:
            self._abstain(reason)

    def _reconnect(self) -> None:
        try:
            self._connect(timeout=None)
            self._refusal = ""
        except (ContractError, StreamLostError) as error:
            if str(error) != self._refusal:
                self._refusal = str(error)
                log.warning("not connecting, waiting for the right stream: %s", error)
            self._pause(_RETRY)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._stop():
            time.sleep(_PULL)

    def _drain(self, inlet: Inlet) -> None:
        """Answer what was under way when the stop came."""
        until = time.monotonic() + _UNDER_WAY
        try:
            while (left := until - time.monotonic()) > 0:
                chunk = inlet.pull(left)
                if chunk is not None:
                    self._feed(chunk)
        except StreamLostError:
            pass  # nothing more will come; what came was answered

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
