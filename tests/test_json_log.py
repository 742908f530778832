"""Logs as JSON lines, beside and aside."""

import json
import logging
import os
from datetime import datetime, timezone

import pytest

from daemon.runtime.background import logging_aside
from daemon.runtime.json_log import JsonLines


def record(message: str, *values: object, error: bool = False) -> logging.LogRecord:
    info = None
    if error:
        try:
            raise ValueError("broken")
        except ValueError as raised:
            info = (ValueError, raised, raised.__traceback__)
    return logging.LogRecord("daemon.x", logging.WARNING, "x.py", 1, message, values, info)


def test_a_record_is_one_object_whatever_it_says() -> None:
    line = JsonLines().format(record('a "quoted" %s\nand %d', "µV", 3))
    assert "\n" not in line
    said = json.loads(line)
    assert said.keys() == {"time", "level", "message"}
    assert (said["level"], said["message"]) == ("WARNING", 'a "quoted" µV\nand 3')
    age = datetime.now(timezone.utc) - datetime.fromisoformat(said["time"])
    assert 0 <= age.total_seconds() < 60


def test_a_traceback_is_in_the_same_line() -> None:
    line = JsonLines().format(record("failed", error=True))
    assert "\n" not in line
    assert json.loads(line)["traceback"].endswith("ValueError: broken")


def test_logs_that_go_aside_stay_json(capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:]
    handler = logging.StreamHandler(open(os.devnull, "w"))  # noqa: PTH123, SIM115
    handler.setFormatter(JsonLines())
    root.handlers[:] = [handler]
    try:
        with logging_aside():
            logging.getLogger("daemon").warning("aside %s", 1)
    finally:
        root.handlers[:] = before
        handler.stream.close()
    assert json.loads(capfd.readouterr().err)["message"] == "aside 1"
