"""Every stream that tells events is markers, on the clock of the EEG, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from refused import written
from xdf_writer import XdfWriter

from daemon.errors import EegdError
from daemon.recordings.reading import read_recording
from daemon.recordings.recording import Markers

DTYPES = {"float32": np.float32, "double64": np.float64} | {
    f"int{bits}": np.dtype(f"int{bits}") for bits in (8, 16, 32, 64)
}


def _eeg(labels: tuple[str, ...] = ("C3",), values: object = None) -> XdfWriter:
    """Ten seconds of EEG at 100 Hz from second 10 on."""
    xdf = XdfWriter()
    xdf.stream(1, "amp", "EEG", "float32", labels=labels)
    zeros = np.zeros((1000, len(labels)), np.float32)
    if values is not None:
        zeros[:, -1] = values
    xdf.numbers(1, 10 + np.arange(1000) / 100, zeros)
    return xdf


def _markers(tmp_path: Path, xdf: XdfWriter, **how: str) -> list[tuple[float, str]]:
    found: Markers = read_recording(written(tmp_path / "s.xdf", xdf.content), **how).markers
    return [(round(at, 6), text) for at, text in found]


def test_markers_of_every_host_are_on_the_clock_of_the_eeg(tmp_path: Path):
    """The EEG's clock is 1000 s behind the recorder's, another host's 500 s."""
    xdf = _eeg()
    xdf.stream(2, "events", "Markers", "string", nominal_srate=0, hostname="there")
    xdf.stream(3, "notes", "Markers", "string", nominal_srate=0)
    for at in (10.0, 11.0, 12.0):
        xdf.offset(1, at, 1000.0)
        xdf.offset(2, at + 500, 500.0)
        xdf.offset(3, at, 1000.0)
    xdf.strings(2, [512.0, 510.5], ["second", "first"])
    xdf.strings(3, [10.75], ["note"])
    assert _markers(tmp_path, xdf) == [(10.5, "first"), (10.75, "note"), (12.0, "second")]
    assert _markers(tmp_path, xdf, markers="notes") == [(10.75, "note")]


@pytest.mark.parametrize("fmt", DTYPES)
def test_numbers_of_every_format_are_markers(tmp_path: Path, fmt: str):
    xdf = _eeg()
    xdf.stream(2, "trig", "markers", fmt, nominal_srate=0)
    xdf.numbers(2, [11.0, 12.0, 13.0, 14.0], np.array([[7], [7], [0], [33]], DTYPES[fmt]))
    # Without a rate, each sample is one; a 0 that was sent alone was meant.
    assert _markers(tmp_path, xdf) == [(11, "7"), (12, "7"), (13, "0"), (14, "33")]


@pytest.mark.parametrize("fmt", DTYPES)
def test_at_a_rate_each_change_to_a_code_counts(tmp_path: Path, fmt: str):
    values = np.zeros((500, 2), DTYPES[fmt])
    values[0:50, 0] = 4  # held from the first sample on
    values[100:, 0] = 5
    values[200:, 0] = 6
    values[150, 1] = 1
    xdf = _eeg()
    xdf.stream(2, "trig", "Trigger", fmt, labels=["a", "b"])
    xdf.numbers(2, 11 + np.arange(500) / 100, values)
    assert _markers(tmp_path, xdf) == [(11, "4"), (12, "5"), (12.5, "1"), (13, "6")]


def test_several_channels_without_a_rate_are_lines(tmp_path: Path):
    xdf = _eeg()
    xdf.stream(2, "trig", "Events", "int32", labels=["a", "b", "c"], nominal_srate=0)
    rows = [[2, 0, 0], [2, 9, 0], [2, 9, 0], [0, 0, 0], [0, 0, 3]]
    xdf.numbers(2, range(11, 16), np.array(rows, np.int32))
    # What is sent again as a whole was meant again.
    assert _markers(tmp_path, xdf) == [(11, "2"), (12, "9"), (13, "2"), (13, "9"), (15, "3")]


def test_a_fraction_is_shown_and_what_is_no_number_is_no_marker(tmp_path: Path):
    xdf = _eeg()
    xdf.stream(2, "trig", "Markers", "float32", nominal_srate=0)
    xdf.numbers(2, range(11, 15), np.array([[1.1], [np.nan], [np.inf], [2]], np.float32))
    assert _markers(tmp_path, xdf) == [(11, "1.1"), (14, "2")]


@pytest.mark.parametrize(
    "stream",
    [
        {"kind": "Stuff", "fmt": "int16", "labels": ["a", "b"], "nominal_srate": 0},
        {"kind": "Stuff", "fmt": "int16"},
        {"kind": "Stuff", "fmt": "float32", "nominal_srate": 0},
        {"kind": "Accelerometer", "fmt": "float32"},
        {"kind": "Markers", "fmt": "int32", "said": "<model>a</model><hop>5</hop>"},
        {"kind": "Markers", "fmt": "string", "said": "<model>a</model><hop>5</hop>"},
    ],
)
def test_other_streams_and_eegds_own_are_none(tmp_path: Path, stream: dict[str, object]):
    xdf = _eeg()
    xdf.stream(2, "other", **stream)
    if stream["fmt"] == "string":
        xdf.strings(2, [11.0], ["{}"])
    else:
        channels = len(stream.get("labels", "a"))
        xdf.numbers(2, [11.0], np.ones((1, channels), DTYPES[str(stream["fmt"])]))
    assert _markers(tmp_path, xdf) == []


def test_a_single_whole_number_at_no_rate_is_one_whatever_its_type(tmp_path: Path):
    xdf = _eeg()
    # Its model alone does not make it one of eegd's.
    xdf.stream(2, "t", "Stuff", "int16", nominal_srate=0, said="<model>TriggerBox</model>")
    xdf.numbers(2, [11.0], np.array([[5]], np.int16))
    assert _markers(tmp_path, xdf) == [(11, "5")]


def test_texts_at_a_rate_count_where_they_change(tmp_path: Path):
    xdf = _eeg()
    xdf.stream(2, "marks", "Markers", "string")
    texts = ["", "left", "", "", "right", "right", "left", ""]
    xdf.strings(2, 11 + np.arange(8) / 100, texts)
    assert _markers(tmp_path, xdf) == [(11.01, "left"), (11.04, "right"), (11.06, "left")]


def test_what_is_invisible_around_a_text_is_no_part_of_it(tmp_path: Path):
    xdf = _eeg()
    xdf.stream(2, "marks", "Markers", "string", nominal_srate=0, channel_count=3)
    first = ["left\r\n", "S  1", " \x00", "a\x00\x00", "\ufeffb", "two\r\nlines"]
    second = ["", "\t", "", " ", "7", ""]
    xdf.strings(2, range(11, 17), first, [""] * 6, second)
    texts = [text for _, text in _markers(tmp_path, xdf)]
    assert texts == ["left", "S  1", "a", "b 7", "two lines"]


def test_trigger_channels_of_the_eeg_are_markers_and_stay_in_it(tmp_path: Path):
    codes = np.zeros(1000)
    codes[100:150], codes[300:500], codes[500:] = 2, 3, 1
    path = written(tmp_path / "s.xdf", _eeg(("C3", "TRG"), codes).content)
    recording = read_recording(path)
    assert recording.markers == ((11.0, "2"), (13.0, "3"), (15.0, "1"))
    assert recording.stream.labels == ("C3", "TRG")
    np.testing.assert_array_equal(recording.samples[:, 1], codes)
    assert len(read_recording(path, markers="amp").markers) == 3
    with pytest.raises(EegdError, match="no stream 'marks' for the markers"):
        read_recording(path, markers="marks")
