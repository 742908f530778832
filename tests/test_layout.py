"""Layouts: read as written, told apart by shape, arranged by the axes that they name."""

from __future__ import annotations

import numpy as np
import pytest

from daemon.layout import (
    LAYOUTS,
    STANDARD,
    Layout,
    candidates,
    fits,
    layout_of,
    layout_text,
    readings,
    shape_of,
)


@pytest.mark.parametrize("layout", LAYOUTS, ids=layout_text)
def test_a_layout_is_read_as_it_is_written(layout: Layout) -> None:
    assert layout_of([1 if axis == "1" else axis for axis in layout]) == layout
    assert layout_of([axis.replace(" ", "") for axis in layout]) == layout


@pytest.mark.parametrize("written", [[], "steps, channels", ["steps"], ["time", "channels"], 3])
def test_another_one_is_refused_with_all_that_there_are(written: object) -> None:
    with pytest.raises(ValueError, match=r"none of \[steps, channels\], .*\[channels \* steps\]"):
        layout_of(written)


def test_a_shape_that_fits_one_layout_has_one_candidate_and_a_square_has_two() -> None:
    for layout in LAYOUTS[:6]:
        assert candidates(shape_of(layout, 40, 3), 40, 3) == [layout]
    assert candidates((120,), 40, 3) == [*LAYOUTS[6:]]
    assert candidates((8, 8), 8, 8) == [STANDARD, ("channels", "steps")]
    assert candidates((40, 3, 3), 40, 3) == candidates((40, 2), 40, 3) == []
    assert candidates((40, 1), 40, 1) == [STANDARD]


def test_steps_may_be_left_open_and_channels_may_not() -> None:
    assert fits((None, 3), STANDARD, 40, 3)
    assert not fits((40, None), STANDARD, 40, 3)
    assert not fits((None,), ("steps * channels",), 40, 3)


def test_without_a_contract_every_reading_is_listed_the_likeliest_first() -> None:
    assert readings((3, 40, 1)) == [
        (("channels", "steps", "1"), 40, 3),
        (("steps", "channels", "1"), 3, 40),
    ]
    assert readings((1, 3, 40)) == [(("1", "channels", "steps"), 40, 3)]
    assert readings((None, 3)) == [(STANDARD, None, 3)]
    assert readings((120,)) == readings((5, 5, 5)) == readings((2, 2, 1, 2)) == []


def test_the_axes_have_the_lengths_that_they_name() -> None:
    assert [shape_of(layout, 40, 3) for layout in LAYOUTS] == [
        (40, 3),
        (3, 40),
        (3, 40, 1),
        (1, 3, 40),
        (40, 3, 1),
        (40, 1, 3),
        (120,),
        (120,),
    ]
    assert np.prod(shape_of(STANDARD, 15360, 32)) == 491520
