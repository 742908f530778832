"""A lasting state is told a few times, whatever numbers come with it."""

from __future__ import annotations

import logging

import pytest

from daemon.runtime.background import logging_aside
from daemon.runtime.repeats import QUIET, Repeats


class Log:
    """What a handler with the filter is given, at times that the test sets."""

    def __init__(self) -> None:
        self.time = 0.0
        self.filter = Repeats(lambda: self.time)

    def told(self, text: str, *values: object, level: int = logging.WARNING) -> str | None:
        record = logging.LogRecord("daemon", level, "x.py", 1, text, values, None)
        return record.getMessage() if self.filter.filter(record) else None


def test_a_warning_is_told_when_it_has_come_twice_as_often() -> None:
    log = Log()
    said = []
    for n in range(1000):
        log.time = n / 2
        said.append(log.told("the stream runs at %.5g Hz, not at 160 Hz", 117.0 + n % 81))
    told = [(n, text) for n, text in enumerate(said, 1) if text]
    assert [n for n, _ in told] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert told[0][1] == "the stream runs at 117 Hz, not at 160 Hz"
    assert told[-1][1] == (
        "the stream runs at 117 … 197 Hz, not at 160 Hz (512 times within 256 s)"
    )


def test_after_a_quiet_minute_it_is_new() -> None:
    log = Log()
    for _ in range(3):
        log.told("no sample for %g s", 1)
    log.time = QUIET + 1
    assert log.told("no sample for %g s", 2) == "no sample for 2 s"


def test_other_warnings_and_other_levels_are_told() -> None:
    log = Log()
    for n in range(20):
        assert log.told("stream 'Amp %d' was lost", n)
        assert log.told("connected", level=logging.INFO)
        assert log.told("not reloaded", level=logging.ERROR)


def test_memory_does_not_grow_with_what_streams_are_called() -> None:
    log = Log()
    log.told("stays")
    for n in range(5000):
        log.told("stream 'Amp %d' was lost", n)
        if n % 100 == 0:
            log.told("stays")
    assert len(log.filter._warned) < 300
    assert "stays" in log.filter._warned


def test_it_stays_where_lines_are_written_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = logging.StreamHandler()
    repeats = Repeats()
    handler.addFilter(repeats)
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    with logging_aside():
        (aside,) = logging.getLogger().handlers
        assert aside is not handler
        assert aside.filters == [repeats]
