"""What a stream is taken to say, with what the config says of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daemon.config import StreamConfig
from daemon.overrides import NO_OVERRIDES, labels_of, rate_of
from daemon.records import StreamDescription

STREAM = StreamDescription("Amp", "EEG", "", "", 100.0, "float32", ("A1", "Cz.", ""), ("",) * 3)


@pytest.mark.parametrize(
    ("told", "labels"),
    [
        ({}, ("A1", "Cz.", "")),
        ({"rename": {"a1": "C3"}}, ("C3", "Cz.", "")),
        ({"rename": {"A1": "Cz", "CZ": "A1"}}, ("Cz", "A1", "")),
        ({"channels": ("A1", "Cz", "EOG"), "rename": {"EOG": "X"}}, ("A1", "Cz", "X")),
        # Of another stream.
        ({"channels": ("A1", "Cz")}, ("A1", "Cz.", "")),
    ],
)
def test_labels(told: dict[str, object], labels: tuple[str, ...]) -> None:
    assert labels_of(STREAM, StreamConfig(**told)) == labels  # type: ignore[arg-type]


def test_rate() -> None:
    assert rate_of(STREAM, NO_OVERRIDES) == 100.0
    assert rate_of(STREAM, StreamConfig(sample_rate=128.0)) == 128.0
    assert rate_of(replace(STREAM, sample_rate=0.0), NO_OVERRIDES) == 0.0
