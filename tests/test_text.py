import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.text import LENGTH, clean


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
