"""LSL → Chunk: subscribe to one stream and pull its raw samples.

Rules that hold here (each answers a way in which LSL loses data without a word):

- Raw stamps only. liblsl's dejitter hides gaps, and its clock synchronisation can block a pull.
- No silent recovery: a stream that is lost raises `StreamLostError`, and whoever comes next is
  resolved, described and verified anew.
- The clock offset is asked for in a thread of its own, which may hang without harm.
- Chunks of one sample on the wire, whatever the sender prefers; everything there is, each time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pylsl
from pylsl.util import LostError
from pylsl.util import TimeoutError as LslTimeoutError

from daemon.discovery import Anything, Wanted, describe, find_streams, refuse_several
from daemon.errors import ContractError, EegdError
from daemon.records import Chunk, StreamDescription

log = logging.getLogger(__name__)

# Seconds of samples that liblsl keeps for us; a burst of ten minutes must fit several times.
BUFFER = 3600
# liblsl reserves places for as many samples at once, some 35 bytes each. Up to 1165 Hz these are
# BUFFER, above less: a stream can announce any rate.
_PLACES = 1 << 22
_METADATA = 5.0
_SLICE = 0.2
_OFFSET_INTERVAL = 5.0


class StreamLostError(EegdError):
    """The stream's outlet is gone, and with it ``left`` samples that had arrived."""

    def __init__(self, message: str, left: int = 0) -> None:
        super().__init__(message)
        self.left = left


def now() -> float:
    """This host's LSL clock, in seconds: the clock of every stamp."""
    clock: float = pylsl.local_clock()
    return clock


def list_streams(wait: float) -> list[StreamDescription]:
    """Every stream that answers within ``wait`` seconds, as it describes itself."""
    described = []
    for info in find_streams(Anything(), wait):
        try:
            announced = describe(info)
            described.append(announced)
            described[-1] = Inlet(info).stream
        except StreamLostError:
            pass  # it announced itself, then went away
        except ContractError as error:
            log.warning("%s", error)
    return sorted(described, key=lambda stream: (stream.hostname, stream.name, stream.type))


class Inlet:
    """A subscription to one stream, open from construction to `close`.

    Parameters
    ----------
    info : pylsl.StreamInfo
        As resolved.
    stopped : function returning bool
        True ends any waiting.

    Attributes
    ----------
    stream : StreamDescription
        As the stream itself says, with labels and units.
    uid : str
        Of this very outlet: another after the sender's restart.

    Raises
    ------
    StreamLostError
        The stream went away before it could be asked.
    ContractError
        It announces more than any amplifier has.
    """

    def __init__(self, info: pylsl.StreamInfo, stopped: Callable[[], bool] = lambda: False) -> None:
        self._stopped = stopped
        self.uid = info.uid()
        self.stream = describe(info)
        # liblsl takes it as seconds, or hundreds of samples where the rate is 0.
        seconds = int(_PLACES / max(self.stream.sample_rate, 100.0))
        self._inlet = pylsl.StreamInlet(
            info,
            max_buflen=max(min(BUFFER, seconds), 1),
            max_chunklen=1,
            recover=False,
            processing_flags=pylsl.proc_none,
        )
        self.stream = describe(self._patiently(self._inlet.info))
        self._offset = 0.0
        self._waiting = 0
        self._closed = threading.Event()
        self._synchronised = threading.Event()
        self._clock: threading.Thread | None = None

    def open(self) -> None:
        """Subscribe: samples queue from now on.

        Raises
        ------
        StreamLostError
        """
        self._patiently(self._inlet.open_stream)
        self._clock = threading.Thread(target=self._follow_clock, name="clock offset", daemon=True)
        self._clock.start()

    def require_only(self, wanted: Wanted) -> None:
        """Look once more whether this is the one stream that matches.

        Raises
        ------
        ContractError
            Several match; names them all.
        StreamLostError
            Another one answers, and this one no longer does.
        """
        found = find_streams(wanted)
        refuse_several(found, wanted)
        if found and found[0].uid() != self.uid:
            raise StreamLostError(f"stream {self.stream} went away")

    def synchronise(self) -> None:
        """Wait for the offset between the sender's clock and this host's."""
        # Samples queue meanwhile. The first estimate takes liblsl about 0.6 s.
        until = time.monotonic() + _METADATA
        while not self._synchronised.wait(_SLICE) and time.monotonic() < until:
            if self._stopped():
                return
        if not self._synchronised.is_set():
            log.warning(
                "stream %s does not answer LSL's clock queries (UDP blocked by a firewall?); "
                "its time stamps are used as if its clock were this host's",
                self.stream,
            )

    @property
    def synchronised(self) -> bool:
        """Whether that offset is known, or nobody is there any more to ask for it."""
        return self._synchronised.is_set()

    def pull(self, timeout: float) -> Chunk | None:
        """Everything received since the last call; waits up to ``timeout`` seconds for a sample.

        Returns
        -------
        Chunk or None
            With the offset to this host's ``local_clock``; None when no sample came.

        Raises
        ------
        StreamLostError
            Says how many samples had arrived that liblsl does not hand out any more.
        """
        try:
            samples, stamps = self._inlet.pull_chunk(timeout=timeout, max_samples=1, as_numpy=True)
        except LostError:
            # liblsl counts its own sign of the end, which a pull that waits takes out.
            left = max(self._inlet.samples_available() - 1, self._waiting)
            with_it = f", and with it {left} samples that had arrived" if left else ""
            raise StreamLostError(f"stream {self.stream} was lost{with_it}", left) from None
        if not len(stamps):
            return None
        # A loss between the two pulls must not cost the first one's sample: the next call says it.
        self._waiting = self._inlet.samples_available()
        if self._waiting:
            with suppress(LostError):
                more, later = self._inlet.pull_chunk(
                    timeout=0.0, max_samples=1 << 16, as_numpy=True
                )
                samples, stamps = np.concatenate([samples, more]), np.concatenate([stamps, later])
                self._waiting = 0
        return Chunk(samples, stamps, self._offset)

    def close(self) -> int:
        """End the subscription; the number of samples that had arrived and were never pulled."""
        self._closed.set()
        left = 0
        if self._clock is not None:  # else nothing was subscribed to, and a pull would do it
            try:
                while chunk := self.pull(0.0):
                    left += len(chunk.stamps)
            except StreamLostError as error:
                left += error.left
        self._inlet.close_stream()
        if self._clock is not None:
            # Destroying the inlet under a clock query would crash; a query that hangs keeps it.
            self._clock.join(timeout=0.5)
        return left

    def _patiently(self, call: Callable[..., Any]) -> Any:
        """``call(timeout=…)`` in slices, so that a stop is heard in between."""
        until = time.monotonic() + _METADATA
        while time.monotonic() < until and not self._stopped():
            try:
                return call(timeout=_SLICE)
            except LslTimeoutError:
                continue
            except LostError:
                break
        raise StreamLostError(f"stream {self.stream} went away")

    def _follow_clock(self) -> None:
        while not self._closed.is_set():
            try:
                self._offset = self._inlet.time_correction(timeout=_OFFSET_INTERVAL)
                self._synchronised.set()
            except LslTimeoutError:
                pass  # the last offset stands
            except LostError:
                self._synchronised.set()  # nothing to wait for: the next pull says it
                return
            self._closed.wait(_OFFSET_INTERVAL)
