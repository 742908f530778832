"""Watches a daemon as one more LSL client: its markers, the EEG it takes, its metrics.

Rules that hold here:

- It observes and never steers. Each source has a thread of its own, small buffers, and memory that
  does not grow; what is looked at is a copy.
- A stream that is lost is said to be lost, since when, and looked for anew; liblsl's own silent
  recovery is off.
- Anybody can publish a stream under these names. One that is not what it should be is said, and
  never ends the watching.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import pylsl
from pylsl.util import LostError
from pylsl.util import TimeoutError as LslTimeoutError

from daemon.addresses import is_address, is_here
from daemon.config import StreamConfig
from daemon.discovery import Search, Wanted, describe
from daemon.errors import ContractError
from daemon.inlet import now
from daemon.views.announcement import Announcement, Marker, announcement, marker
from daemon.views.scrape import scrape
from daemon.views.traces import Traces

MARKERS = 600  # kept: five minutes of two a second
_BUFFER = 5  # seconds (or hundreds of markers) that wait in liblsl
_PULL = 0.1  # seconds between two looks at the EEG
_AGAIN = 0.5  # seconds between two attempts
_OFFSETS = 5.0  # seconds between two questions for the clock offset
_UNANSWERED = 30.0  # the same once one was not answered: asking holds up the samples
_SCRAPES = 2.0


@dataclass(frozen=True, slots=True)
class Link:
    """One of the three sources.

    ``since`` is the monotonic time of the state, in seconds; ``heard`` that of its last word;
    ``why`` says more where it is not connected.
    """

    state: Literal["off", "looking", "connected", "lost"]
    since: float
    heard: float = 0.0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is known at one moment; ``now`` is monotonic, markers' stamps are LSL's clock.

    ``fresh`` says whether the last marker is from the daemon as it is connected now.
    """

    now: float
    name: str
    daemon: Link
    amplifier: Link
    metrics: Link
    said: Announcement | None
    markers: tuple[Marker, ...]
    received: int
    traces: Traces | None
    bad: dict[str, str]
    effective_rate: float | None
    figures: dict[str, float]
    fresh: bool = True

    @property
    def last(self) -> Marker | None:
        """The latest marker, if it is ``fresh``: what another process said tells nothing of now."""
        return self.markers[-1] if self.markers and self.fresh else None


class Observer:
    """Watches the daemon whose output is ``name``, from `start` to `close`.

    Parameters
    ----------
    name : str
    metrics : (str, int) or None
        Host and port of its metrics; None takes the port that it announces, if it runs on this
        machine.
    """

    def __init__(self, name: str, metrics: tuple[str, int] | None = None) -> None:
        self.name = name
        self._metrics_at = metrics
        self._lock = threading.RLock()
        self._closed = threading.Event()
        begin = time.monotonic()
        self._links = {
            "daemon": Link("looking", begin),
            "amplifier": Link("looking", begin),
            "metrics": Link("off", begin),
        }
        self._said: Announcement | None = None
        self._markers: deque[Marker] = deque(maxlen=MARKERS)
        self._received = 0
        self._fresh = False
        self._traces: Traces | None = None
        self._figures: dict[str, float] = {}
        self._threads = [
            threading.Thread(target=self._follow_markers, name="markers", daemon=True),
            threading.Thread(target=self._follow_eeg, name="eeg", daemon=True),
            threading.Thread(target=self._follow_metrics, name="figures", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End all watching; waits for the inlets to be closed."""
        self._closed.set()
        for thread in self._threads:
            thread.join(timeout=2.0)

    def snapshot(self) -> Snapshot:
        with self._lock:
            traces = self._traces
            comes = traces if self._links["amplifier"].state == "connected" else None
            return Snapshot(
                now=time.monotonic(),
                name=self.name,
                daemon=self._links["daemon"],
                amplifier=self._links["amplifier"],
                metrics=self._links["metrics"],
                said=self._said,
                markers=tuple(self._markers),
                received=self._received,
                traces=traces,
                bad=comes.bad() if comes else {},
                effective_rate=comes.effective_rate if comes else None,
                figures=dict(self._figures),
                fresh=self._fresh,
            )

    def clock(self) -> float:
        """This host's LSL clock, that of the stamps."""
        return now()

    def latest(self, traces: Traces, n: int) -> tuple[Any, Any]:
        """`Traces.latest`, not while samples are being pushed."""
        with self._lock:
            return traces.latest(n)

    # The daemon.

    def _follow_markers(self) -> None:
        wanted = StreamConfig(type="Markers", name=self.name)
        self._follow("daemon", lambda: wanted, self._take_daemon, self._pull_markers)

    def _take_daemon(self, info: Any) -> None:
        before, self._said = self._said, announcement(info)
        self._fresh = False
        if before is not None and before.contract != self._said.contract:
            self._markers.clear()  # another model's classes

    def _pull_markers(self, inlet: Any, offset: Callable[[], float]) -> bool:
        sample, stamp = inlet.pull_sample(timeout=_PULL)
        any_came = sample is not None
        while sample is not None:
            said = marker(sample[0].decode("utf-8", "replace"), stamp + offset())
            if said is not None:
                with self._lock:
                    self._markers.append(said)
                    self._received += 1
                    self._fresh = True
            sample, stamp = inlet.pull_sample(timeout=0.0)
        return any_came

    # The EEG that it takes.

    def _follow_eeg(self) -> None:
        self._follow("amplifier", self._wanted_eeg, self._take_eeg, self._pull_eeg)

    def _wanted_eeg(self) -> Wanted | None:
        return self._said.wanted if self._said else None

    def _take_eeg(self, info: Any) -> None:
        stream, said = describe(info), self._said
        if said is None or said.wanted is None or said.contract is None:
            self._traces = Traces(stream)
        else:
            self._traces = Traces(stream, said.wanted, said.contract.unit)

    def _pull_eeg(self, inlet: Any, offset: Callable[[], float]) -> bool:
        samples, stamps = inlet.pull_chunk(timeout=_PULL, max_samples=4096, as_numpy=True)
        if not len(stamps):
            return False
        stamps = np.asarray(stamps) + offset()
        with self._lock:
            if self._traces is not None:
                self._traces.push(np.asarray(samples), stamps)
        return True

    # Either.

    def _follow(
        self,
        what: str,
        wanted: Callable[[], Wanted | None],
        take: Callable[[Any], None],
        pull: Callable[[Any, Callable[[], float]], bool],
    ) -> None:
        """Find the stream, take it, pull until it is lost; over and over."""
        while not self._closed.is_set():
            sought = wanted()
            if sought is None:
                self._closed.wait(_PULL)
                continue
            why = ""
            try:
                found = Search(sought).first(
                    timeout=None, stopped=partial(self._unwanted, wanted, sought)
                )
                if found is not None:
                    self._listen(what, found, sought, wanted, take, pull)
            except (LostError, LslTimeoutError):
                pass
            except (ContractError, RuntimeError, ValueError) as error:
                why = str(error)
                self._closed.wait(_AGAIN)
            with self._lock:
                link = self._links[what]
                if link.state == "connected":
                    link = Link("lost", time.monotonic())
                self._links[what] = replace(link, why=why)

    def _unwanted(self, wanted: Callable[[], Wanted | None], sought: Wanted) -> bool:
        return self._closed.is_set() or wanted() != sought

    def _listen(
        self,
        what: str,
        found: Any,
        sought: Any,
        wanted: Callable[[], Wanted | None],
        take: Callable[[Any], None],
        pull: Callable[[Any, Callable[[], float]], bool],
    ) -> None:
        stream = describe(found)  # refuses what announces absurd amounts
        if (stream.channel_format == "string") != (what == "daemon"):
            kind = "numbers" if what == "daemon" else "text"
            raise ContractError(f"stream {stream} carries {kind}: it is not the {what}'s")
        # NumPy: text then comes as bytes, and what is no UTF-8 raises nothing.
        inlet = pylsl.StreamInlet(found, max_buflen=_BUFFER, recover=False, as_numpy=True)
        try:
            info = inlet.info(timeout=2.0)
            with self._lock:
                take(info)
            inlet.open_stream(timeout=2.0)
            offset = _Offset(inlet, here=stream.hostname == socket.gethostname())
            begin = time.monotonic()
            with self._lock:
                self._links[what] = Link("connected", begin, begin)
            while not self._unwanted(wanted, sought):
                if pull(inlet, offset):
                    with self._lock:
                        self._links[what] = replace(
                            self._links[what], heard=time.monotonic(), why=offset.doubt
                        )
        finally:
            inlet.close_stream()

    # Its metrics.

    def _follow_metrics(self) -> None:
        while not self._closed.wait(_SCRAPES if self._figures else _AGAIN):
            at, why = (self._metrics_at, "") if self._metrics_at else self._announced()
            before, at_once = self._links["metrics"], time.monotonic()
            if at is None:
                link, figures = Link("off", before.since, why=why), {}
            else:
                try:
                    figures = scrape(*at)
                    since = before.since if before.state == "connected" else at_once
                    link = Link("connected", since, at_once)
                except (OSError, ValueError) as error:
                    since = at_once if before.state in ("connected", "off") else before.since
                    link, figures = Link("lost", since, why=f"{at[0]}:{at[1]}: {error}"), {}
            with self._lock:
                self._links["metrics"], self._figures = link, figures

    def _announced(self) -> tuple[tuple[str, int] | None, str]:
        """Where the daemon says that they are, if that is this computer; or why that is not known.

        What a stream says leads nowhere else: anybody can publish one.
        """
        said = self._said
        if said is None:
            return None, ""
        if said.metrics_port is None:
            return None, "the daemon announces none"
        host = _EVERYWHERE.get(said.metrics_host, said.metrics_host)
        if said.hostname != socket.gethostname() or not (is_address(host) and is_here(host)):
            return None, "of another computer: --metrics URL shows them"
        return (host, said.metrics_port), ""


_EVERYWHERE = {"": "127.0.0.1", "localhost": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


class _Offset:
    """Seconds from the sender's clock to this host's; 0 for one that does not answer.

    Parameters
    ----------
    inlet : pylsl.StreamInlet
    here : bool
        Whether the sender is on this computer, and both clocks are one.

    Attributes
    ----------
    doubt : str
        What is wrong with it, or nothing.
    """

    def __init__(self, inlet: Any, *, here: bool) -> None:
        self._inlet = inlet
        self._here = here
        self._offset = 0.0
        self._again = 0.0
        self.doubt = ""

    def __call__(self) -> float:
        now = time.monotonic()
        if now >= self._again:
            try:
                self._offset = self._inlet.time_correction(timeout=2.0)
                self._again, self.doubt = now + _OFFSETS, ""
            except LslTimeoutError:
                self._again = time.monotonic() + _UNANSWERED
                if not self._here:
                    self.doubt = "its clock does not answer, so its times may be wrong"
        return self._offset
