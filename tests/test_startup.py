"""The order of the start: compare, then build; or build while nothing is there to compare."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from daemon import startup
from daemon.beside import is_at_work
from daemon.config import StreamConfig
from daemon.errors import ContractError, StreamNotFoundError, UsageError
from daemon.inlet import StreamLostError
from daemon.startup import build_beside_search

PATIENCE = 60.0  # seconds; only a fault takes any


class Stage:
    """A network, in the place of LSL, and a build that goes on when it is told to.

    Attributes
    ----------
    stream : str
        The stream that is there; empty for none.
    several : bool
        Another one matches.
    seconds : float
        How long the search has taken.
    polled : function of no arguments
        Called each time that the search finds nothing.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stream = ""
        self.several = False
        self.lost = False
        self.seconds = 0.0
        self.polled: Callable[[], object] = lambda: None
        self.begin = threading.Event()
        self.began = threading.Event()  # what is slow
        self.finish = threading.Event()
        self.fault: Exception | None = None
        monkeypatch.setattr(startup, "Search", lambda wanted: self)
        monkeypatch.setattr(startup, "Inlet", lambda info, stopped: self._inlet(info))

    def _inlet(self, info: str) -> Any:
        if self.lost:
            raise StreamLostError("stream went away")
        return type("", (), {"stream": info, "close": lambda self: None})()

    def first(self, *, timeout: float | None, stopped: Callable[[], bool]) -> str | None:
        """As `daemon.discovery.Search.first`."""
        while not stopped():
            if self.stream:
                return self.stream
            if timeout is not None and self.seconds >= timeout:
                raise StreamNotFoundError("no stream")
            self.polled()
        return None

    def require_only(self) -> None:
        """As `daemon.discovery.Search.require_only`."""
        if self.several:
            raise ContractError("2 streams match")

    def build(self, begin: threading.Event) -> str:
        self.begin = begin
        assert begin.wait(PATIENCE)
        self.began.set()
        assert self.finish.wait(PATIENCE)
        if self.fault:
            raise self.fault
        return "built"

    def require_fit(self, stream: Any) -> None:
        assert not self.began.is_set() or self.seconds, "built before the stream was compared"
        if stream == "wrong":
            raise ContractError("its rate is 250 Hz")

    def end(self) -> None:
        """Nothing is at work any more, as after a process."""
        while is_at_work():
            self.begin.set()
            self.finish.set()

    def start(self, timeout: float | None = None) -> tuple[str, object]:
        return build_beside_search(StreamConfig(), self.require_fit, self.build, timeout=timeout)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    stage = Stage(monkeypatch)
    yield stage
    stage.end()


def test_a_stream_that_is_there_is_compared_before_anything_slow_begins(stage: Stage) -> None:
    stage.stream = "right"
    stage.finish.set()
    assert stage.start() == ("built", None)


@pytest.mark.parametrize("several", [False, True])
def test_a_wrong_stream_is_refused_and_nothing_slow_begins(stage: Stage, several: bool) -> None:
    """Two that match are worse than one that is wrong."""
    stage.stream = "wrong"
    stage.several = several
    with pytest.raises(ContractError, match="2 streams match" if several else "250 Hz"):
        stage.start()
    assert not stage.began.is_set()


def test_several_are_refused_although_the_first_one_fits(stage: Stage) -> None:
    stage.stream = "right"
    stage.several = True
    with pytest.raises(ContractError, match="2 streams match"):
        stage.start()


def test_without_a_stream_the_building_begins_and_the_search_goes_on(stage: Stage) -> None:
    def polled() -> None:
        assert not stage.began.is_set()
        stage.seconds = startup._FIRST_LOOK + 0.1
        stage.polled = built

    def built() -> None:
        assert stage.began.wait(PATIENCE)
        stage.finish.set()

    stage.polled = polled
    assert stage.start(timeout=600.0) == ("built", stage)


def test_a_wrong_stream_that_comes_during_the_building_is_refused_at_once(stage: Stage) -> None:
    def comes() -> None:
        stage.seconds = 3.0
        if stage.began.is_set():
            stage.stream = "wrong"

    stage.polled = comes
    with pytest.raises(ContractError, match="250 Hz"):
        stage.start()
    assert not stage.finish.is_set()


def test_a_fault_of_the_model_is_said_although_no_stream_is_there(stage: Stage) -> None:
    stage.seconds = 1.0
    stage.fault = UsageError("model is damaged")
    stage.finish.set()
    with pytest.raises(UsageError, match="model is damaged"):
        stage.start()


def test_a_wait_that_is_over_ends_the_building(stage: Stage) -> None:
    def wait() -> None:
        stage.seconds += 1.0

    stage.polled = wait
    with pytest.raises(StreamNotFoundError):
        stage.start(timeout=5.0)
    assert stage.began.wait(PATIENCE)
    assert not stage.finish.is_set()


def test_one_that_went_away_meanwhile_is_looked_for_anew(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.stream = "right"
    stage.lost = True
    stage.finish.set()
    assert stage.start() == ("built", None)
    assert "stream went away" in caplog.text


def test_what_runs_before_the_stream_is_compared_imports_nothing_slow() -> None:
    """SciPy takes as long as LSL to answer, TensorFlow ten times as long."""
    text = "import sys, daemon.live; print({'scipy', 'tensorflow', 'keras'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    assert done.stdout == "set()\n"
