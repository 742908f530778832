"""Trigger channels are known by their labels, and their codes are markers."""

from __future__ import annotations

import numpy as np
import pytest

from daemon.recordings.triggers import codes, is_trigger, status_lines, without_bits

TRIGGERS = ["Status", "TRIG", "STI 014", "STI101", "Trigger", "TRG", "Marker", "Event", "DIGITAL"]
NAMED_AT_LENGTH = ["Event marker", "Trigger_1", "TTL-2", "Digital Input", "Stim channel 3"]


@pytest.mark.parametrize("label", [*TRIGGERS, *NAMED_AT_LENGTH])
def test_a_trigger_channel_is_known_by_its_label(label: str) -> None:
    assert is_trigger(label)


@pytest.mark.parametrize(
    "label", ["C3", "TP9", "EEG Fpz-Cz", "Event-related", "", "14", "IN", "T3"]
)
def test_other_channels_are_none(label: str) -> None:
    assert not is_trigger(label)


def test_every_change_to_a_code_counts_once() -> None:
    held = np.repeat([0, 1, 3, 2, 1, 3, 2, 1], 10)
    assert codes(held) == [(10, 1), (20, 3), (30, 2), (40, 1), (50, 3), (60, 2), (70, 1)]
    pulses = np.zeros(40)
    pulses[[0, 10, 11, 12, 20, 30]] = [5, 1, 1, 1, 1, 2]
    assert codes(pulses) == [(0, 5), (10, 1), (20, 1), (30, 2)]
    assert codes(np.zeros(3)) == codes(np.empty(0)) == []
    assert codes(np.array([np.nan, 2.0, np.nan])) == [(1, 2)]


def test_a_status_channel_has_sixteen_lines_of_which_open_ones_are_no_code() -> None:
    status = np.array([0, 1, 3, 0x8200], np.int32)
    for above in (0, 0x110000, -0x800000):
        assert status_lines(status + np.int32(above)).tolist() == status.tolist()
    assert status_lines(status[:3] | 0xFF00).tolist() == [0, 1, 3]
    # The low eight are never open, and neither is a line that is high at times.
    assert status_lines(np.array([0x0107, 0x0005], np.int32)).tolist() == [0x0107, 0x0005]
    assert status_lines(np.empty(0, np.int32)).tolist() == []


def test_of_bits_beside_their_sum_the_sum_alone_counts() -> None:
    assert without_bits(["STI001", "STI002", "STI101"]) == [2]
    assert without_bits(["STI 014", "STI 001"]) == [0]
    assert without_bits(["TRIG", "Marker"]) == [0, 1]
    # Another channel holds no bits.
    assert without_bits(["STI001", "STI 014", "TRIG"]) == [1, 2]


def test_the_lines_of_a_status_channel_are_codes_in_every_format() -> None:
    status = np.repeat([0x1FF00, 0xFF00, 0xFF01, 0xFF03, 0xFF00], 5)
    assert codes(status, "Status") == [(10, 1), (15, 3)]
    assert codes(np.repeat([0, 256, 1], 2), "Status") == [(2, 256), (4, 1)]
