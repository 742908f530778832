"""What a view's observer makes of streams that come, go, and are not what they should be."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pylsl
import pytest
from programs import START, open_outlet, unique, wait_for_consumer
from test_metrics import Fixed, free_port

from daemon.config import StreamConfig
from daemon.contract import Contract
from daemon.runtime.metrics import Metrics
from daemon.views.observer import Observer, Snapshot
from daemon.views.standing import standing

CONTRACT = Contract(
    sample_rate=100, window=9600, channels=("Fp1",), classes=("rest", "left"), unit="volts"
)


@pytest.fixture
def observer() -> Iterator[Observer]:
    with closing(Observer(unique("Out"))) as watching:
        watching.start()
        yield watching


def daemon(name: str, amplifier: str, **says: str) -> pylsl.StreamOutlet:
    """The marker stream of a daemon that takes the EEG of ``amplifier``."""
    info = pylsl.StreamInfo(name, "Markers", 1, 0, "string", name)
    announced = {
        "contract": CONTRACT.model_dump_json(),
        "stream": StreamConfig(name=amplifier).model_dump_json(),
        "hop": "50",
        **says,
    }
    for key, value in announced.items():
        info.desc().append_child_value(key, value)
    return pylsl.StreamOutlet(info)


def answer(sequence: int) -> list[str]:
    shares = {"rest": 0.25, "left": 0.75}
    said: dict[str, Any] = {"sequence": sequence, "status": "ok", "label": "left", "age_ms": 1.0}
    return [json.dumps({**said, "probabilities": shares})]


def wait_for(observer: Observer, what: Callable[[Snapshot], object]) -> Snapshot:
    deadline = time.monotonic() + START
    while not what(seen := observer.snapshot()):
        assert time.monotonic() < deadline, seen
        time.sleep(0.02)
    return seen


def test_what_another_process_decided_is_history(observer: Observer) -> None:
    first = daemon(observer.name, "nobody")
    wait_for_consumer(first)
    first.push_sample(answer(41))
    assert wait_for(observer, lambda seen: seen.last).last is not None
    del first
    wait_for(observer, lambda seen: seen.daemon.state == "lost")
    second = daemon(observer.name, "nobody")
    seen = wait_for(observer, lambda seen: seen.daemon.state == "connected")
    assert [marker.sequence for marker in seen.markers] == [41]
    assert seen.last is None
    assert standing(seen).kind != "good"
    second.push_sample(answer(0))
    seen = wait_for(observer, lambda seen: seen.last)
    assert [marker.sequence for marker in seen.markers] == [41, 0]


def test_strangers_samples_end_nothing(observer: Observer) -> None:
    name = unique("Amp")
    markers = daemon(observer.name, name)
    text = pylsl.StreamOutlet(pylsl.StreamInfo(name, "EEG", 1, 100, "string", unique("text")))
    seen = wait_for(observer, lambda seen: "carries text" in seen.amplifier.why)
    assert seen.amplifier.state == "looking"
    del text
    amplifier = open_outlet(name, 100, ["Fp1"], unit="")
    wait_for_consumer(amplifier)
    wait_for_consumer(markers)
    markers.push_sample([b"\xff\xfe"])
    markers.push_sample(answer(1), 1e300)
    markers.push_sample(answer(2))
    seen = wait_for(observer, lambda seen: seen.markers)
    assert [marker.sequence for marker in seen.markers] == [2]
    # Without a unit of its own a stream is in the contract's, as the daemon takes it.
    for value in np.sin(np.arange(300)) * 20e-6:
        amplifier.push_sample([value])
    seen = wait_for(observer, lambda seen: seen.traces and seen.traces.count == 300)
    assert seen.traces is not None
    assert observer.latest(seen.traces, 100)[1].std() == pytest.approx(20 / np.sqrt(2), rel=0.2)


def test_numbers_are_no_markers(observer: Observer) -> None:
    info = pylsl.StreamInfo(observer.name, "Markers", 1, 0, "int32", unique("codes"))
    outlet = pylsl.StreamOutlet(info)
    seen = wait_for(observer, lambda seen: seen.daemon.why)
    assert "carries numbers: it is not the daemon's" in seen.daemon.why
    del outlet


@pytest.mark.parametrize("host", ["127.0.0.2", "::1"])
def test_metrics_are_found_where_the_daemon_serves_them(observer: Observer, host: str) -> None:
    port = free_port()
    with closing(Metrics(host, port)) as metrics:
        metrics.serve(Fixed())
        outlet = daemon(observer.name, "nobody", metrics_host=host, metrics_port=str(port))
        seen = wait_for(observer, lambda seen: seen.figures)
        assert seen.figures["eegd_stream_reconnects_total"] == Fixed.reconnects
        del outlet


def test_metrics_of_another_computer_are_not_asked_for(observer: Observer) -> None:
    outlet = daemon(observer.name, "nobody", metrics_host="192.0.2.7", metrics_port="9464")
    seen = wait_for(observer, lambda seen: seen.metrics.why)
    assert seen.metrics.state == "off"
    assert "--metrics" in seen.metrics.why
    del outlet
