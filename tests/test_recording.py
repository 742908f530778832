"""Whatever a reader found, a recording's markers are in order and as they count."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from daemon.recordings.recording import Recording, from_file


def _recording(name: str, markers: list[tuple[float, str]]) -> Recording:
    return from_file(
        Path(name),
        type="EEG",
        rate=100.0,
        labels=["C3"],
        units=["volts"],
        samples=np.zeros((3, 1)),
        stamps=np.arange(3) / 100,
        markers=markers,
    )


def test_markers_are_in_order_and_without_what_is_invisible() -> None:
    markers = [(2.0, "S  1"), (1.0, "left\r\n"), (1.5, " \x00"), (0.5, "\x00two\r\n lines\t")]
    recording = _recording("x.fif.gz", markers)
    assert recording.markers == ((0.5, "two lines"), (1.0, "left"), (2.0, "S  1"))
    assert recording.stream.name == "x"


def test_an_event_that_two_sources_tell_is_one() -> None:
    markers = [(1.0, "5"), (1.004, "5"), (1.5, "5"), (1.5, "6"), (2.0, "5")]
    recording = _recording("x.fif", markers)
    assert recording.markers == ((1.0, "5"), (1.5, "5"), (1.5, "6"), (2.0, "5"))
