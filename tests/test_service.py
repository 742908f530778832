"""A reload while the stream fails, and a stop while a slow model computes: what is said then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from daemon.config import StreamConfig
from daemon.contract import Contract
from daemon.decision import Decision
from daemon.encoders.window import WindowEngine
from daemon.errors import ContractError
from daemon.intake import Intake
from daemon.per_window import NOTHING
from daemon.pick import pick_for
from daemon.pipeline import Pipeline
from daemon.records import Chunk, Float32, Prediction, StreamDescription
from daemon.service import Parts, Service

WINDOW, HOP, RATE = 100, 20, 100.0
CONTRACT = Contract(
    sample_rate=RATE, window=WINDOW, channels=("number", "noise"), classes=("x", "y")
)
STREAM = StreamDescription("Amp", "EEG", "", "", RATE, "float32", ("number", "noise"), ("uV", "uV"))


class Subscribed:
    """What `daemon.subscription.Subscription` is to a service, with faults on demand."""

    def __init__(self, intake: Intake) -> None:
        self.stream = STREAM
        self.intake = intake
        self.lost = ""
        self.replaced = False
        self.stalled = False
        self.silence = 0.0
        self.left = 0
        self._backlog = Chunk(np.empty((0, 2), np.float32), np.empty(0))
        self._coming: list[Chunk] = []

    def send(self, chunk: Chunk) -> None:
        self._coming.append(chunk)

    @property
    def waiting(self) -> int:
        return len(self._backlog.stamps)

    def pull(self, timeout: float) -> None:
        if self._coming and not self.lost:
            self.silence, self.stalled = 0.0, False
            self._backlog = Chunk.joined([self._backlog, *self._coming])
            self._coming.clear()

    def oldest(self, most: int | None) -> Chunk:
        return Chunk(self._backlog.samples[:most], self._backlog.stamps[:most])

    def drop(self, n: int) -> None:
        self._backlog = Chunk(self._backlog.samples[n:], self._backlog.stamps[n:])

    def look_out(self) -> None:
        self.stalled = True

    def close(self) -> int:
        return self.waiting


class Life:
    """A service at a stream whose first channel is the number of the sample, and its predictions.

    ``said`` holds them; ``windows`` the numbers of the first and last sample of each that was ok.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **change: Any) -> None:
        self.said: list[Prediction] = []
        self.windows: list[tuple[int, int]] = []
        self.stamped = 0
        self._seen: Float32 = np.empty((2, 0), np.float32)
        self.compute = lambda: None
        self.service = Service(
            self.parts(**change), resolve_timeout=None, stop=lambda: False, observe=lambda *_: None
        )
        monkeypatch.setattr("daemon.service.subscribe", self._subscribe)
        self.refused = ""
        self.service._tick()
        assert self.service.connected

    def parts(self, **change: Any) -> Parts:
        engine = WindowEngine(self._run, 2, WINDOW, NOTHING)
        pipeline = Pipeline(
            engine=engine,
            decision=Decision(CONTRACT.classes),
            classes=CONTRACT.classes,
            max_filled=0.0,
        )
        parts = Parts(
            wanted=StreamConfig(),
            intake=lambda stream: Intake(
                CONTRACT, pick_for(CONTRACT, stream, hop=HOP), hop=HOP, fill_up_to=0.1
            ),
            pipeline=pipeline,
            open_outlet=lambda: self,  # type: ignore[arg-type, return-value]
            outlet_says="the same",
            answer_all=True,
            stall_after=1.0,
        )
        return replace(parts, **change)

    def _subscribe(
        self, wanted: object, fit: Callable[[StreamDescription], Intake], **_: object
    ) -> Subscribed:
        if self.refused:
            raise ContractError(self.refused)
        self.subscribed = Subscribed(fit(STREAM))
        return self.subscribed

    def _run(self, window: Float32) -> Float32:
        self._seen = window
        self.compute()
        return np.array([0.5, 0.5], np.float32)

    def push(self, prediction: Prediction) -> float:
        self.said.append(prediction)
        if prediction.status == "ok":
            self.windows.append((round(self._seen[0, 0]), round(self._seen[0, -1])))
        return 0.0

    def close(self) -> None:
        """As an outlet."""

    def samples(self, numbers: range) -> Chunk:
        """Stamped as the next ones, whatever their numbers are: a driver that counts."""
        stamps = 1000 + (self.stamped + np.arange(len(numbers))) / RATE
        self.stamped += len(numbers)
        noise = np.random.default_rng(numbers.start).normal(scale=10.0, size=len(numbers))
        return Chunk(np.stack([numbers, noise], axis=1).astype(np.float32), stamps)

    def hear(self, numbers: range) -> None:
        for number in numbers:
            self.subscribed.send(self.samples(range(number, number + 1)))
            self.service._tick()

    @property
    def reasons(self) -> list[str]:
        return [one.reason for one in self.said if one.reason]


@pytest.fixture
def life(monkeypatch: pytest.MonkeyPatch) -> Iterator[Life]:
    return Life(monkeypatch)


def test_no_window_spans_a_stall_although_the_model_is_being_exchanged(life: Life) -> None:
    life.hear(range(150))
    life.service.succeed(life.parts())
    life.hear(range(150, 230))  # the successor's window is nearly full
    life.subscribed.silence = 1.5
    life.service._tick()
    assert life.reasons == ["no sample for 1 s"]
    life.windows.clear()
    life.hear(range(530, 680))  # 300 samples were lost, and the stamps do not tell
    assert life.windows[0] == (530, 629)
    assert life.reasons == ["no sample for 1 s"]


def test_nothing_of_a_lost_stream_is_answered_after_its_loss_was_said(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.hear(range(150))
    life.service.succeed(life.parts())
    life.hear(range(150, 240))
    life.stamped += 4
    life.hear(range(244, 269))  # held back: a gap, or only late?
    life.subscribed.lost = "stream was lost"
    life.refused = "its rate is 320 Hz, the model needs 100 Hz"
    life.service._tick()
    assert life.reasons[-1] == "stream was lost"
    said = len(life.said)
    monkeypatch.setattr(life.service, "_pause", lambda seconds: None)
    life.service._tick()
    life.service._tick()
    (refused,) = life.said[said:]
    assert refused.reason == f"waiting for the right stream: {life.refused}"
    assert refused.window_start == refused.window_end
    assert refused.window_end > 0


def test_a_reload_takes_over_although_the_daemon_never_keeps_up(life: Life) -> None:
    new = life.parts()
    for n in range(40):
        life.subscribed.send(life.samples(range(600 * n, 600 * n + 600)))
        life.service._tick()
        life.service.succeed(new)
    assert life.subscribed.waiting > 1000
    assert life.service._parts is new
    starts = np.array([first for first, last in life.windows if last - first == WINDOW - 1])
    assert len(starts) == len(life.windows)
    assert 0 < np.diff(starts).min() <= np.diff(starts).max() == HOP
    assert starts[-1] > 39 * 512 - WINDOW


def test_what_was_received_is_answered_before_another_stream_is_wanted(life: Life) -> None:
    life.hear(range(110))
    life.subscribed.send(life.samples(range(110, 600)))
    life.service.succeed(life.parts(wanted=StreamConfig(name="another")))
    life.service._tick()
    assert life.windows[-1] == (500, 599)
    assert life.reasons == ["the config has changed: another stream is wanted now"]


def test_a_stop_begins_no_window_that_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    life = Life(monkeypatch, answer_all=False)
    life.subscribed.send(life.samples(range(WINDOW)))
    begin = time.perf_counter()
    life.compute = lambda: monkeypatch.setattr(time, "perf_counter", lambda: begin + 6)
    life.service._tick()
    assert life.windows == [(0, WINDOW - 1)]
    life.subscribed.send(life.samples(range(WINDOW, WINDOW + HOP)))
    life.service._shutdown()
    assert life.windows == [(0, WINDOW - 1)]
    assert life.subscribed.waiting == HOP  # counted as left out
