"""The stream that is subscribed to: what has come of it and is not answered yet, and its end.

Rules that hold here:

- A stream is taken when it fits and is the only one that matches, and only then.
- All that has arrived is taken at once: what liblsl still holds dies with the stream.
- A sample that arrived is handed on, or counted where it is left out.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import numpy as np

from daemon.discovery import Search, Wanted
from daemon.errors import ContractError
from daemon.inlet import Inlet, StreamLostError
from daemon.intake import Intake
from daemon.reasons import Code, Reason
from daemon.records import Chunk, StreamDescription

log = logging.getLogger(__name__)

_NOTHING = Chunk(np.empty((0, 0)), np.empty(0))


class Subscription:
    """An open inlet and the samples that wait behind it; `subscribe` makes one.

    Attributes
    ----------
    stream : StreamDescription
    intake : Intake
        Made for the stream.
    backlog : Chunk
        Samples that were received and have not been taken.
    lost : Reason or None
        Why nothing more will come; None while it may.
    """

    def __init__(self, inlet: Inlet, intake: Intake, wanted: Wanted) -> None:
        self.stream = inlet.stream
        self.intake = intake
        self.backlog = _NOTHING
        self.lost: Reason | None = None
        self._inlet = inlet
        self._wanted = wanted
        self._lookout: Search | None = None
        self._heard = time.monotonic()

    @property
    def waiting(self) -> int:
        """Samples in the backlog."""
        return len(self.backlog.stamps)

    @property
    def silence(self) -> float:
        """Seconds since the last sample was received."""
        return time.monotonic() - self._heard

    @property
    def stalled(self) -> bool:
        """Whether `look_out` has been called and nothing has come since."""
        return self._lookout is not None

    @property
    def replaced(self) -> bool:
        """Whether it is stalled, and another stream answers that matches."""
        return self._lookout is not None and self._lookout.another(self._inlet.uid)

    def look_out(self) -> None:
        """Look for another stream from now on, until the next sample."""
        self._lookout = Search(self._wanted)

    def pull(self, timeout: float) -> None:
        """Everything there is into the backlog; waits up to ``timeout`` seconds for a sample."""
        if self.lost:
            return
        try:
            chunk = self._inlet.pull(timeout)
        except StreamLostError as error:
            self.lost = Reason(Code.STREAM_LOST, str(error))
            return
        if chunk is not None:
            self._heard = time.monotonic()
            self._lookout = None
            self.backlog = Chunk.joined([self.backlog, chunk]) if self.waiting else chunk

    def oldest(self, most: int | None) -> Chunk:
        """The first ``most`` samples of the backlog, in which they stay; None: all of them."""
        backlog = self.backlog
        return Chunk(backlog.samples[:most], backlog.stamps[:most], backlog.offset)

    def drop(self, n: int) -> None:
        """Remove the first ``n`` samples from the backlog."""
        backlog = self.backlog
        self.backlog = Chunk(backlog.samples[n:], backlog.stamps[n:], backlog.offset)

    def close(self) -> int:
        """Unsubscribe; the samples that had arrived, were not taken and are in no message."""
        left = self._inlet.close()
        return self.waiting + (0 if self.lost else left)


def subscribe(
    wanted: Wanted,
    fit: Callable[[StreamDescription], Intake],
    *,
    timeout: float | None,
    stopped: Callable[[], bool],
    leave_out: Callable[[int], object],
    search: Search | None = None,
) -> Subscription | None:
    """Wait for the one stream that matches, and take it; None when ``stopped`` says so first.

    Parameters
    ----------
    wanted : Wanted
    fit : function of StreamDescription
        A new `Intake` for a stream; raises a `ContractError` where it does not fit.
    timeout : float or None
        Seconds to wait for it since the search began; None waits for ever.
    stopped : function returning bool
        True ends any waiting.
    leave_out : function of int
        Told how many samples had arrived of a stream that is refused after all.
    search : Search, optional
        One that has begun already.

    Raises
    ------
    ContractError
        It does not fit, or several match.
    StreamLostError
        It went away meanwhile.
    StreamNotFoundError
        None within the time allowed.
    """
    log.info("waiting for a stream that matches %s", wanted)
    info = (search or Search(wanted)).first(timeout=timeout, stopped=stopped)
    if info is None:
        return None
    inlet = Inlet(info, stopped)
    try:
        try:
            intake = fit(inlet.stream)
            inlet.open()
        finally:
            inlet.require_only(wanted)  # two that match are worse than one that is wrong
        inlet.synchronise()
    except (ContractError, StreamLostError):
        leave_out(inlet.close())
        raise
    for assumption in intake.pick.assumptions:
        log.warning("stream %s: %s", inlet.stream, assumption)
    log.info(
        "connected to stream %s: %g Hz, %d of its %d channels",
        inlet.stream,
        intake.pick.sample_rate,
        len(intake.pick.indices),
        inlet.stream.channel_count,
    )
    return Subscription(inlet, intake, wanted)
