"""Headers are read as programs write them; what is missing is said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from edf_bytes import Channel, edf, timekeeping

from daemon.errors import UsageError
from daemon.recordings.edf_header import number, read_header

CHANNELS = [Channel("C3", [0] * 20), Channel("EDF annotations", [0] * 40), Channel("C4", [0] * 20)]
WHOLE = edf(CHANNELS, duration="0.5", kind="EDF+C")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "my.edf"


def changed(at: int, field: bytes) -> bytes:
    return WHOLE[:at] + field + WHOLE[at + len(field) :]


def test_where_the_samples_lie(path: Path) -> None:
    path.write_bytes(WHOLE)
    header = read_header(path)
    assert (header.size, header.width, header.records, header.record_size) == (1024, 2, 20, 8)
    assert (header.duration, header.discontinuous) == (0.5, False)
    assert [(s.label, s.count, s.first) for s in header.signals] == [
        ("C3", 1, 0),
        ("EDF annotations", 2, 2),
        ("C4", 1, 6),
    ]
    assert [signal.is_annotations for signal in header.signals] == [False, True, False]


def test_bdf_is_known_by_its_content(path: Path) -> None:
    path.write_bytes(edf([Channel("C3", [0] * 20)], timekeeping(range(20)), bdf=True))
    header = read_header(path)
    assert (header.width, header.signals[1].is_annotations) == (3, True)
    assert header.record_size == 3 * (1 + header.signals[1].count)


@pytest.mark.parametrize(
    ("field", "value"),
    [(b"1.5 ", 1.5), (b"1,5\0\0", 1.5), (b" -3276,8", -3276.8), (b"1e3", 1000.0)]
    + [(text, None) for text in (b"", b"    ", b"nan", b"inf", b"1e999", b"x", b"1 2", b"\xff")],
)
def test_numbers(field: bytes, value: float | None) -> None:
    assert number(field) == value


@pytest.mark.parametrize(
    ("physical", "limits", "scale"),
    [
        (("-100", "100"), ("-50", "50"), (2.0, 0.0)),
        (("-100,0", "100,0"), ("-50", "50"), (2.0, 0.0)),
        (("100", "-100"), ("-50", "50"), (-2.0, 0.0)),
        (("-100", "100"), ("50", "-50"), (-2.0, 0.0)),
        (("0", "10"), ("0", "5"), (2.0, 0.0)),
        (("5", "15"), ("0", "5"), (2.0, 5.0)),
        (("0", "0"), ("0", "5"), None),
        (("0", "10"), ("0", "0"), None),
        (("", "10"), ("0", "5"), None),
    ],
)
def test_the_scale_goes_by_both_ranges(
    path: Path,
    physical: tuple[str, str],
    limits: tuple[str, str],
    scale: tuple[float, float] | None,
) -> None:
    path.write_bytes(edf([Channel("C3", [0] * 20, physical=physical, limits=limits)]))
    assert read_header(path).signals[0].scale == scale


@pytest.mark.parametrize(
    ("dimension", "unit"),
    [(b"uV", "uV"), (b"mV\0\0", "mV"), (b"", ""), (b"\xb5V", "\u00b5V"), (b"\xc2\xb5V", "\u00b5V")]
    # Code page 437, Shift-JIS, GB 2312 and code page 1251.
    + [(code, "\u00b5V") for code in (b"\xe6V", b"\x83\xcaV", b"\xa6\xccV", b"\xec\xea\xc2")],
)
def test_units_in_every_encoding(path: Path, dimension: bytes, unit: str) -> None:
    path.write_bytes(edf([Channel("C3", [0] * 20, unit=dimension)]))
    assert read_header(path).signals[0].unit == unit


@pytest.mark.parametrize(
    ("kind", "discontinuous"),
    [("", False), ("EDF+C", False), ("EDF+D", True), (" EDF+d", True), ("BDF+D", True)],
)
def test_what_it_says_of_gaps(path: Path, kind: str, discontinuous: bool) -> None:
    path.write_bytes(edf([Channel("C3", [0] * 20)], kind=kind))
    assert read_header(path).discontinuous == discontinuous


@pytest.mark.parametrize("said", ["-1", "", "?"])
def test_records_that_are_not_counted(path: Path, said: str) -> None:
    path.write_bytes(edf([Channel("C3", [0] * 20)], said=said))
    assert read_header(path).records is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "its header is cut off: the file ends at byte 0"),
        (WHOLE[:255], "its header is cut off: the file ends at byte 255"),
        (WHOLE[:600], "3 signals need 1024 bytes, and the file ends at byte 600"),
        (b"GDF 2.10" + WHOLE[8:], "it is no EDF or BDF file: it begins with neither 0 nor BIOSEMI"),
        (changed(252, b"many"), "no number of signals of 1 or more, but 'many'"),
        (changed(252, b"0   "), "no number of signals of 1 or more, but '0'"),
        (changed(184, b"512 "), "no size of the header of 1024 or more, but '512'"),
        (changed(244, b"\0\0\0\0"), "no duration of a record, but ''"),
        (changed(244, b"-1  "), "no duration of a record, but '-1'"),
        (changed(256 + 3 * 216, b"1.5 "), "no samples in a record of 0 or more, but '1.5'"),
        (changed(256 + 3 * 216, b"-2  "), "no samples in a record of 0 or more, but '-2'"),
    ],
)
def test_what_cannot_be_read_is_said(path: Path, content: bytes, says: str) -> None:
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_header(path)
    message = str(caught.value)
    assert f"recording {path} cannot be read: " in message
    assert says in message
    assert message.endswith("; export it anew")
    assert message.isprintable()
