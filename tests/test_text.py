import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.text import LENGTH, clean, marker_text, nearly, quoted


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Fp1", "Fp1"),
        ("µV, Ü, 電極", "µV, Ü, 電極"),
        (" two\r\nlines\t ", "two lines"),
        ("\x1b[31mred\x1b[0m", "�[31mred�[0m"),
        ("\x9b31m\x07\x00", "�31m��"),
        ("abc\u202egnp.exe\u2066", "abc�gnp.exe�"),
        ("zero\u200bwidth\ufeff", "zero�width�"),
        ("half \ud800", "half �"),
        ("a" * LENGTH, "a" * LENGTH),
        ("a" * 1000, "a" * (LENGTH - 1) + "…"),
        ("", ""),
    ],
)
def test_what_is_left_of_it(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


TEXT = st.text(max_size=40) | st.binary(max_size=40).map(lambda raw: raw.decode("latin-1"))


@given(TEXT, st.integers(1, 30))
def test_one_short_printable_line(text: str, length: int) -> None:
    cleaned = clean(text, length)
    assert len(cleaned) <= length
    assert cleaned.isprintable()
    assert clean(cleaned, length) == cleaned


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("S  1", "S  1"),
        (" left\r\n", "left"),
        ("\x00pad\x00\x00", "pad"),
        ("\ufeffmark\u00a0", "mark"),
        ("two\r\n  lines", "two lines"),
        ("a\tb", "a b"),
        ("\x1b[31mred", "\ufffd[31mred"),
        (" \x00\n", ""),
    ],
)
def test_what_counts_of_a_marker(text: str, counts: str) -> None:
    assert marker_text(text) == counts


@given(TEXT)
def test_a_marker_is_shown_as_it_counts(text: str) -> None:
    marker = marker_text(text)
    assert marker_text(marker) == marker
    assert marker.isprintable()
    assert quoted(text)[1:-1] == marker


def test_quotes_around_quotes_and_long_texts() -> None:
    assert quoted("don't") == '"don\'t"'
    assert quoted("x" * 1000) == f"'{'x' * (LENGTH - 1)}…'"


def test_what_differs_by_blanks_or_case_alone() -> None:
    found = nearly(["S  1", "S 2", "Rest", "left"], ["S 1", "S 2", "rest", "right"])
    assert found == [
        "'S  1' is not 'S 1': blanks and case count",
        "'Rest' is not 'rest': blanks and case count",
    ]
