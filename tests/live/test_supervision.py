"""An inlet that loses its stream, or its clock, says what it lost and hangs nobody."""

import subprocess
import sys
import threading
import time

import pylsl
import pytest
from programs import open_outlet, unique, wait_for_consumer
from pylsl.util import LostError

import daemon.inlet
from daemon.config import StreamConfig
from daemon.discovery import Search
from daemon.errors import ContractError
from daemon.inlet import Inlet, StreamLostError
from daemon.reasons import Code

LABELS = ("Fp1", "Cz")

# Pushes a thousand samples to its first consumer, then dies as by kill -9.
_DYING = """
import os, signal, sys, time
import pylsl
outlet = pylsl.StreamOutlet(pylsl.StreamInfo(sys.argv[1], "EEG", 2, 100, "float32", "dying"))
outlet.wait_for_consumers(60)
time.sleep(0.2)
for n in range(100):
    outlet.push_chunk([[n, n]] * 10)
time.sleep(0.3)
os.kill(os.getpid(), signal.SIGKILL)
"""


def opened(name: str) -> Inlet:
    info = Search(StreamConfig(name=name)).first(timeout=60, stopped=lambda: False)
    inlet = Inlet(info)
    inlet.open()
    return inlet


@pytest.fixture
def name() -> str:
    return unique("Amp")


def test_samples_that_liblsl_keeps_for_itself_after_a_loss_are_counted(name: str) -> None:
    with subprocess.Popen([sys.executable, "-c", _DYING, name]) as amplifier:
        inlet = opened(name)
        amplifier.wait(60)
        time.sleep(0.5)
        with pytest.raises(StreamLostError, match="and with it 1000 samples that had arrived"):
            inlet.pull(0.1)
        inlet.close()


def test_a_loss_between_two_pulls_costs_no_sample(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outlet = open_outlet(name, 100, LABELS)
    inlet = opened(name)
    wait_for_consumer(outlet)
    outlet.push_chunk([[1.0, 2.0]] * 5)
    pull = pylsl.StreamInlet.pull_chunk

    def lost_when_empty(self: pylsl.StreamInlet, timeout: float, **how: object) -> object:
        if not timeout:
            raise LostError("the stream has been lost.")
        return pull(self, timeout, **how)

    monkeypatch.setattr(pylsl.StreamInlet, "pull_chunk", lost_when_empty)
    time.sleep(0.3)
    chunk = inlet.pull(1.0)
    assert chunk is not None
    assert chunk.samples.tolist() == [[1.0, 2.0]]
    with pytest.raises(StreamLostError, match="and with it 4 samples"):
        inlet.pull(0.0)
    inlet.close()


def test_a_clock_query_that_hangs_stops_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hung = threading.Event()
    asked = threading.Event()

    def never(self: pylsl.StreamInlet, timeout: float) -> float:
        asked.set()
        hung.wait(60)
        raise LostError("the stream has been lost.")

    monkeypatch.setattr(pylsl.StreamInlet, "time_correction", never)
    monkeypatch.setattr(daemon.inlet, "_METADATA", 1.0)
    outlet = open_outlet(name, 100, LABELS)
    inlet = opened(name)
    inlet.synchronise()
    assert "does not answer LSL's clock queries" in caplog.text
    outlet.push_chunk([[1.0, 2.0]] * 5)
    chunk = inlet.pull(1.0)
    assert chunk is not None
    assert (asked.is_set(), chunk.offset) == (True, 0.0)
    begin = time.monotonic()
    inlet.close()
    assert time.monotonic() - begin < 1
    hung.set()


def test_the_second_look_names_all_that_match(name: str) -> None:
    outlets = [open_outlet(name, 100, LABELS, source_id=f"amp-{n}") for n in "ab"]
    inlet = opened(name)
    with pytest.raises(ContractError, match=r"2 streams match .*'amp-a'.*'amp-b'") as refused:
        inlet.require_only(StreamConfig(name=name))
    assert refused.value.reason.code is Code.SEVERAL_STREAMS
    del outlets[1]
    time.sleep(0.1)
    inlet.close()


def test_one_that_another_took_the_place_of_is_left(name: str) -> None:
    outlet = open_outlet(name, 100, LABELS, source_id="first")
    inlet = opened(name)
    del outlet
    other = open_outlet(name, 100, LABELS, source_id="second")
    with pytest.raises(StreamLostError, match=r"'first'.* went away"):
        inlet.require_only(StreamConfig(name=name))
    inlet.close()
    del other
