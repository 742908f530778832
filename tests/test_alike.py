"""Which texts are one but for their numbers, and what stands for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.alike import Alike, shape


@pytest.mark.parametrize(
    ("texts", "one"),
    [
        (
            [f"the stream runs at {rate} Hz, not at 160 Hz" for rate in (116.93, 97.9)],
            "the stream runs at 97.9 … 116.93 Hz, not at 160 Hz",
        ),
        (
            [f"{n} samples ({n / 100:.3g} s) are missing" for n in (40, 7, 120)],
            "7 … 120 samples (0.07 … 1.2 s) are missing",
        ),
        (["by 3.6e+03 s:", "by 2 s:"], "by 2 … 3.6e+03 s:"),
        (["1,200 of 9", "800 of 9.0"], "800 … 1,200 of 9"),
        (["-85 ms.", "12 ms."], "-85 … 12 ms."),
        (["2.1% of it", "11% of it"], "2.1 … 11% of it"),
        (["no number", "no number"], "no number"),
    ],
)  # fmt: skip
def test_alike_texts_are_one_with_the_range_of_each_number(texts: list[str], one: str) -> None:
    assert len(set(map(shape, texts))) == 1
    alike = Alike(texts[0])
    for text in texts[1:]:
        alike.add(text)
    assert str(alike) == one


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("stream 'Amp 1' was lost", "stream 'Amp 2' was lost"),
        ("source_id amp-1", "source_id amp-2"),
        ("C3 is flat", "C4 is flat"),
        ("channel 12: flat for 1 s", "channel 13: flat for 1 s"),
        ("channels 3, 5 and 2 more: flat", "channels 3, 6 and 2 more: flat"),
        ("on 127.0.0.1:9464", "on 127.0.0.2:9464"),
        ("session_2.xdf", "session_3.xdf"),
        ("1 sample", "2 samples"),
    ],
)
def test_a_name_with_another_number_is_another_text(text: str, other: str) -> None:
    assert shape(text) != shape(other)


@given(st.text(max_size=60))
def test_one_text_stands_for_itself(text: str) -> None:
    assert str(Alike(text)) == text.replace("\0", "\ufffd")
    alike = Alike(text)
    alike.add(text)
    assert str(alike) == text.replace("\0", "\ufffd")
