"""The EEG of an XDF file is found, and taken as a live run would take it."""

from __future__ import annotations

import gzip
import logging
import struct
from pathlib import Path

import numpy as np
import pytest
from refused import refused, written
from shared import CASES, DATA, needs_cases, needs_data
from xdf_writer import XdfWriter, chunk

from daemon.errors import UsageError
from daemon.recordings.reading import read_recording

STAMPS = [10.0, 10.01, 10.0201, 12.03, 12.02, 12.05]  # jitter, a gap, a backward step


def _session() -> XdfWriter:
    """An EEG from a host whose clock is 1000 s behind the recorder's, and markers."""
    xdf = XdfWriter()
    xdf.stream(1, "amp", "eeg", "float32", labels=["Fp1", "C3"], source_id="sn1")
    xdf.stream(2, "notes", "Markers", "string", nominal_srate=0)
    for at in (10.0, 11.0, 12.0):
        xdf.offset(1, at, 1000.0)
        xdf.offset(2, at, 1000.0)
    xdf.numbers(1, STAMPS, np.arange(12, dtype=np.float32).reshape(6, 2))
    xdf.strings(2, [10.75], ["note"])
    return xdf


def test_stamps_values_and_types_are_kept(tmp_path: Path):
    recording = read_recording(written(tmp_path / "s.xdf", _session().content))
    np.testing.assert_array_equal(recording.stamps, STAMPS)
    np.testing.assert_array_equal(recording.samples, np.arange(12).reshape(6, 2))
    assert recording.samples.dtype == np.float32
    np.testing.assert_allclose(recording.synchronized, np.add(STAMPS, 1000), atol=1e-9)
    stream = recording.stream
    assert (stream.name, stream.type, stream.source_id) == ("amp", "eeg", "sn1")
    assert (stream.hostname, stream.sample_rate, stream.channel_format) == ("here", 100, "float32")
    assert stream.labels == ("Fp1", "C3")
    assert stream.units == ("microvolts", "microvolts")


def test_packed_with_gzip(tmp_path: Path):
    packed = gzip.compress(_session().content)
    for name in ("a.xdfz", "a.b.xdf.gz"):
        assert len(read_recording(written(tmp_path / name, packed)).stamps) == len(STAMPS)
    refused(written(tmp_path / "c.xdfz", packed[:-30]), "cut off", "gzip data has no end")
    spoiled = packed[:200] + bytes(40) + packed[240:]
    refused(written(tmp_path / "d.xdfz", spoiled), "corrupt")


def test_several_streams_have_to_be_told_apart(tmp_path: Path):
    xdf = _session()
    xdf.stream(4, "amp", "EEG", "int16", labels=["Pz"], source_id="sn2", hostname="lab2")
    xdf.samples(4, [1.0, 2.0], [b"\x01\x00", b"\xff\xff"])
    path = written(tmp_path / "two.xdf", xdf.content)
    refused(path, "2 streams", "'EEG'", "sn1", "sn2", "choose one by name")
    for choice in ({"source_id": "sn2"}, {"hostname": "lab2"}):
        chosen = read_recording(path, **choice)
        assert chosen.samples.dtype == np.int16
        assert chosen.samples.tolist() == [[1], [-1]]
        assert chosen.stream.labels == ("Pz",)
    with pytest.raises(UsageError, match="has name 'nobody' and type 'EEG'"):
        read_recording(path, name="nobody")


def test_without_eeg_it_lists_what_there_is(tmp_path: Path):
    xdf = XdfWriter()
    refused(written(tmp_path / "none.xdf", xdf.content), "holds no EEG", "found: none")
    xdf.stream(1, "amp", "EEG", "float32", labels=["C3"])
    xdf.stream(2, "words", "EEG", "string")
    xdf.strings(2, [1.0], ["hello"])
    path = written(tmp_path / "empty.xdf", xdf.content)
    refused(path, "holds no EEG", "'amp'", "0 samples", "'words'", "1 samples")


def test_the_type_counts_in_any_case_and_another_one_has_to_be_said(tmp_path: Path):
    xdf = XdfWriter()
    xdf.stream(1, "amp", "ExG", "float32", labels=["C3"])
    xdf.numbers(1, [1.0], np.ones((1, 1), np.float32))
    path = written(tmp_path / "s.xdf", xdf.content)
    refused(path, "holds no EEG", "if 'ExG' is the type of the EEG, say so (stream.type, or repl")
    assert read_recording(path, type="EXG").stream.type == "ExG"
    with pytest.raises(UsageError, match=r"1 samples$"):
        read_recording(path, type=None, name="another")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not an XDF file"),
        (b"GIF89a", "not an XDF file"),
        (_session().content.replace(b"float32", b"float99"), "corrupt"),
        (_session().content.replace(b"</info>", b"<binfo>"), "corrupt"),
        (_session().content + chunk(3, struct.pack("<I", 9) + b"\x01\x00"), "corrupt"),
        (_session().content + chunk(3, struct.pack("<I", 1) + b"\x01\x05"), "corrupt"),
    ],
)
def test_rubbish_is_one_line(
    tmp_path: Path, content: bytes, says: str, capfd: pytest.CaptureFixture[str]
):
    refused(written(tmp_path / "bad.xdf", content), says)
    assert capfd.readouterr() == ("", "")


@needs_data
def test_real_xdf():
    recording = read_recording(DATA / "xdf/eeglab32_relayed_LSL_32ch.xdf")
    assert recording.samples.shape == (30504, 32)
    assert recording.samples.dtype == np.float32
    assert recording.stream.sample_rate == 128
    assert recording.stream.labels[:2] == ("FPz", "EOG1")
    assert set(recording.stream.units) == {"microvolts"}
    assert len(recording.markers) == 154
    assert sum(text.startswith("square") for _, text in recording.markers) == 80
    # One host: the clocks agree to the precision of the offsets.
    assert np.abs(recording.synchronized - recording.stamps).max() < 1e-3


@needs_data
def test_real_xdf_whose_streams_share_a_name_and_one_without_eeg():
    muse = DATA / "xdf/museLSL2_P001.xdf"
    assert read_recording(muse).stream.labels == ("TP9", "AF7", "AF8", "TP10", "AUX_RIGHT")
    with pytest.raises(UsageError, match="3 streams with name 'Muse'"):
        read_recording(muse, name="Muse", type=None)
    refused(DATA / "xdf/empty_streams.xdf", "holds no EEG", "streams found: 'Empty data stream")
    # Its clock offsets are -0.1 s; the recorded stamps stay.
    assert read_recording(DATA / "xdf/minimal.xdf").stamps[0] == pytest.approx(5.1)


WORDS = [(5.0, "left"), (10.0, "right"), (15.0, "rest"), (20.0, "left"), (25.0, "right")]
CODES = [(5.0, "2"), (10.0, "3"), (15.0, "1"), (20.0, "2"), (25.0, "3")]
SHOWN = [(at, f"S  {code}") for at, code in CODES]
TWICE = [(at, f"{word} 7") for at, word in WORDS]
NUMBERS = ["float32", "double64", "int16", "int32", "int64", "int_three_channels", "int_regular"]
TEXTS = ["plain", "newline", "string_regular", "two_channels"]


def _case(name: str):
    recording = read_recording(CASES / f"xdf/{name}.xdf")
    begin = recording.stamps[0]
    return recording, [(round(at - begin, 6), text) for at, text in recording.markers]


@needs_cases
@pytest.mark.parametrize(
    ("names", "markers"),
    [
        (TEXTS, WORDS),
        ([*NUMBERS, "trigger_channel"], CODES),
        (["brainvision"], SHOWN),
        (["two_channels_full"], TWICE),
    ],
)
def test_markers_of_every_kind_of_the_cases(names: list[str], markers: list[tuple[float, str]]):
    for name in names:
        recording, found = _case(f"m_{name}")
        assert found == markers, name
        assert recording.stream.labels == ("C3", "Cz", "C4", "TRG")[: 3 + (name[0:2] == "tr")]


@needs_cases
@pytest.mark.parametrize("name", ["footer_broken", "footer_empty", "cut"])
def test_what_is_whole_of_the_damaged_cases_is_read(name: str, caplog: pytest.LogCaptureFixture):
    whole, _ = _case("footer_good")
    with caplog.at_level(logging.WARNING):
        recording, found = _case(name)
    assert len(caplog.records) == 1
    assert "what is whole is read" in caplog.text
    if name == "cut":
        assert len(recording.samples) == 3200
    else:
        np.testing.assert_array_equal(recording.samples, whole.samples)
        assert found == WORDS
    refused(CASES / f"xdf/{name}.xdf", strict=True)


@needs_cases
def test_restarted_cases():
    recording, found = _case("restarted")
    gap = np.flatnonzero(np.diff(recording.stamps) > 0.011)
    assert recording.stamps[gap].tolist() == [1014.99]
    assert recording.stamps[gap + 1].tolist() == [1020.0]
    assert len(recording.samples) == 1500 + 2000
    assert found == WORDS
    assert len(_case("restarted_empty")[0].samples) == 4000


@needs_cases
def test_cases_of_types_and_formats():
    assert _case("t_lower")[0].stream.type == "eeg"
    assert _case("f_double")[0].samples.dtype == np.float64
    refused(CASES / "xdf/t_exg.xdf", "'ExG'")


def test_a_marker_stream_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    path = tmp_path / "s.xdf"
    path.write_bytes(_session().content)
    with pytest.raises(UsageError, match=r"no stream 'nots' for the markers.*it has 'notes'"):
        read_recording(path, markers="nots")
