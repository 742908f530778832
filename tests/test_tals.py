"""No annotation of an annotation signal is lost, however it is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from daemon.recordings.tals import read_tals

PATH = Path("my.edf")


def told(*records: bytes) -> tuple[list[float], list[tuple[int, float, str]]]:
    onsets, annotations = read_tals(PATH, [[record] for record in records])
    return onsets.tolist(), [tuple(annotation) for annotation in annotations]


@pytest.mark.parametrize(
    ("tal", "marks"),
    [
        (b"+5.5\x14left\x14\0", [(5.5, "left")]),
        (b"+5.5\x152.25\x14left\x14\0", [(5.5, "left")]),
        (b"-0.5\x14left\x14\0", [(-0.5, "left")]),
        (b"+5,5\x14left\x14\0", [(5.5, "left")]),
        (b"+5.5\x14left\x14right\x14\0", [(5.5, "left"), (5.5, "right")]),
        (b"+1\x14left\x14\0\0\0+2\x14right\x14\0", [(1.0, "left"), (2.0, "right")]),
        (b"+5.5\x14left\nhand\x14\0", [(5.5, "left\nhand")]),
        (b"+5.5\x14 left \r\n\x14\0", [(5.5, "left")]),
        (b"+5.5\x14   \x14\0", []),
        (b"+5.5\x14\x14\0", []),
        (b"+5.5\x14left", [(5.5, "left")]),
        (b"+5.5\x14left@@C3\x14\0", [(5.5, "left@@C3")]),
        ("+5.5\x14größer\x14\0".encode(), [(5.5, "größer")]),
        (b"", []),
    ],
)
def test_texts_and_their_onsets(tal: bytes, marks: list[tuple[float, str]]) -> None:
    onsets, annotations = told(b"+4\x14\x14\0" + tal)
    assert onsets == [4.0]
    assert annotations == [(0, at, text) for at, text in marks]


def test_the_first_tal_of_a_record_tells_its_onset_if_its_first_text_is_empty() -> None:
    onsets, annotations = told(
        b"+0\x14\x14\0", b"+1.25\x14\x14R-wave\x14\0", b"+2.5\x14left\x14\0", b"", b"x\x14\x14\0"
    )
    np.testing.assert_array_equal(onsets, [0, 1.25, np.nan, np.nan, np.nan])
    assert annotations == [(1, 1.25, "R-wave"), (2, 2.5, "left")]


def test_several_annotation_signals_are_read() -> None:
    records = [
        [b"+0\x14\x14\0+0.1\x14a\x14\0", b"+0.2\x14b\x14\0"],
        [b"+1\x14\x14", b"+0\x14c\x14"],
    ]
    onsets, annotations = read_tals(PATH, records)
    assert onsets.tolist() == [0, 1]
    assert [tuple(a) for a in annotations] == [(0, 0.1, "a"), (0, 0.2, "b"), (1, 0.0, "c")]


def test_latin_1_is_read_where_a_text_is_no_utf_8_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    latin = "größer".encode("latin-1")
    _, annotations = told(*[b"+0\x14\x14\0+0.5\x14" + latin + b"\x14\0"] * 3)
    assert [text for *_, text in annotations] == ["größer"] * 3
    assert len(caplog.messages) == 1
    assert "my.edf: its annotations are no UTF-8; read as Latin-1" in caplog.text


def test_annotations_without_an_onset_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    _, annotations = told(b"+0\x14\x14\0now\x14left\x14right\x14\0+nan\x14rest\x14\0")
    assert annotations == []
    assert "3 annotations without an onset" in caplog.text
