"""A recorded stream says of itself what the same stream says live."""

from __future__ import annotations

import ctypes
import logging
from pathlib import Path

import numpy as np
import pylsl
import pytest
from pylsl.lib import lib
from refused import refused, written
from shared import CASES, needs_cases
from xdf_writer import XdfWriter

from daemon.discovery import describe
from daemon.recordings.chunks import find_chunks
from daemon.recordings.integrity import open_maybe_gzip
from daemon.recordings.reading import read_recording
from daemon.records import StreamDescription

lib.lsl_streaminfo_from_xml.restype = ctypes.c_void_p
lib.lsl_streaminfo_from_xml.argtypes = [ctypes.c_char_p]


def _recorded(path: Path, **header: object) -> StreamDescription:
    xdf = XdfWriter()
    xdf.stream(1, **{"name": "amp", "kind": "EEG", "fmt": "float32", **header})
    count = header.get("channel_count", len(header.get("labels", ())) or 1)
    xdf.samples(1, [1.0], [bytes(4 * count)])
    return read_recording(written(path, xdf.content)).stream


def _live(path: Path) -> StreamDescription:
    """What liblsl makes of the header of the first stream in the file."""
    with open_maybe_gzip(path) as file:
        (xml, *_) = find_chunks(path, file).headers.values()
    lsl = b"<version>1.1</version><created_at>1</created_at><uid>u</uid><session_id>s</session_id>"
    lsl += b"".join(
        b"<v%d%s>0</v%d%s>" % (v, what, v, what)
        for v in (4, 6)
        for what in (b"address", b"data_port", b"service_port")
    )
    xml = (
        b"".join(part for part in xml.partition(b"<info>")[:2]) + lsl + xml.partition(b"<info>")[2]
    )
    return describe(pylsl.StreamInfo(handle=lib.lsl_streaminfo_from_xml(xml)))


def test_metadata_is_cleaned_where_it_comes_in(tmp_path: Path):
    name = "amp\u202e\n two"
    path = tmp_path / "s.xdf"
    stream = _recorded(path, name=name, labels=["Fp\u200b1", "C\n3"], hostname="la\u2066b")
    assert (stream.name, stream.hostname) == ("amp\ufffd two", "la\ufffdb")
    assert stream.labels == ("Fp\ufffd1", "C 3")
    # It is still found by the name that it has.
    assert read_recording(path, name=name).stream == stream


@pytest.mark.parametrize(("count", "labels"), [(1, ("C3",)), (3, ("C3", "C4", ""))])
def test_other_channels_described_than_there_are(
    tmp_path: Path, count: int, labels: tuple[str, ...]
):
    stream = _recorded(tmp_path / "s.xdf", labels=["C3", "C4"], channel_count=count)
    assert stream.labels == labels
    assert stream.units == tuple("microvolts" if label else "" for label in labels)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_each_value_is_decoded_as_live(tmp_path: Path, encoding: str):
    path = tmp_path / "s.xdf"
    odd = "äµ".encode().decode("latin-1") if encoding == "latin-1" else "äµ"  # UTF-8 all the same
    stream = _recorded(path, name="Verstärker", labels=["Cé", odd], encoding=encoding)
    assert stream.name == "Verstärker"
    assert stream.labels == ("Cé", "äµ")
    assert stream == _live(path)


def test_of_several_lists_of_channels_the_first_counts(tmp_path: Path):
    said = "<channels><channel><label>X</label></channel></channels><unit>V</unit>"
    path = tmp_path / "s.xdf"
    stream = _recorded(path, labels=["C3", "C4"], said=said)
    assert stream.labels == ("C3", "C4")
    assert stream == _live(path)


@needs_cases
def test_cases_say_what_they_say_live():
    for pattern in ("l_*", "u_*", "header_*", "name_*", "m_trigger*", "t_lower*"):
        for path in CASES.glob(f"xdf/{pattern}"):
            assert read_recording(path).stream == _live(path), path.name
    assert read_recording(CASES / "xdf/header_latin1.xdf").stream.units == ("µV",) * 3
    assert read_recording(CASES / "xdf/name_latin1.xdf").stream.name == "Verstärker"


def _part(xdf: XdfWriter, number: int, begin: float, count: int, **more: object) -> None:
    xdf.stream(number, "amp", "EEG", "int16", **{"labels": ["C3"], "source_id": "a", **more})
    values = np.full((count, 1), number, np.int16)
    if count:
        xdf.numbers(number, begin + np.arange(count) / 100, values)


def test_a_stream_that_was_restarted_is_one_with_a_gap(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    xdf = XdfWriter()
    _part(xdf, 3, 9.0, 40)  # in the order of the streams' numbers, which is not that of time
    _part(xdf, 2, 5.0, 30)
    _part(xdf, 4, 0.0, 0)
    xdf.stream(5, "marks", "Markers", "string", nominal_srate=0)
    xdf.strings(5, [5.1, 7.0, 9.1], ["a", "b", "c"])
    with caplog.at_level(logging.WARNING):
        recording = read_recording(written(tmp_path / "s.xdf", xdf.content))
    assert recording.samples[:, 0].tolist() == [2] * 30 + [3] * 40
    np.testing.assert_allclose(recording.stamps[[0, 29, 30, 69]], [5.0, 5.29, 9.0, 9.39])
    assert recording.markers == ((5.1, "a"), (7.0, "b"), (9.1, "c"))
    (message,) = (record.getMessage() for record in caplog.records)
    assert "'amp' (type 'EEG', source_id 'a') on here was restarted" in message


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (5.2, {}),
        (9.0, {"source_id": "b"}),
        (9.0, {"hostname": "there"}),
        (9.0, {"labels": ["C4"]}),
        (9.0, {"nominal_srate": 200}),
    ],
)
def test_streams_at_one_time_or_of_another_kind_are_two(
    tmp_path: Path, begin: float, more: dict[str, object]
):
    xdf = XdfWriter()
    _part(xdf, 1, 5.0, 30)
    _part(xdf, 2, begin, 30, **more)
    refused(written(tmp_path / "s.xdf", xdf.content), "holds 2 streams")
