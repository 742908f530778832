"""Holes that a file's annotations tell of are holes in its stamps."""

from __future__ import annotations

import numpy as np

from daemon.recordings.boundaries import UNKNOWN, gaps_of, on_the_clock

RATE = 100.0


def test_what_was_cut_out_is_missing_and_what_follows_lies_later() -> None:
    notes = [(0.0, 5.0, "boundary"), (0.495, 2.0, "boundary"), (0.7, 0.0, "T1")]
    gaps, received = gaps_of(notes, 100, RATE)
    assert received.all()
    stamps, moved = on_the_clock(100, RATE, gaps)
    np.testing.assert_allclose(stamps[[0, 49, 50, 99]], [0, 0.49, 2.5, 2.99])
    assert [moved(at) for at in (0.1, 0.49, 0.5, 0.7)] == [0.1, 0.49, 2.5, 2.7]
    # Behind the last sample there is nothing to be later.
    assert gaps_of([(1.0, 3, "boundary")], 100, RATE)[0] == {}


def test_a_gap_of_unknown_length_is_longer_than_anything_that_is_filled() -> None:
    for note in ("BAD boundary", "EDGE boundary", "boundary"):
        gaps, _ = gaps_of([(0.5, float("nan"), note), (0.5, 0.0, note)], 100, RATE)
        assert gaps == {50: UNKNOWN}


def test_what_was_never_acquired_is_no_sample() -> None:
    gaps, received = gaps_of([(0.2, 0.3, "BAD_ACQ_SKIP")], 100, RATE)
    assert np.flatnonzero(~received).tolist() == [*range(20, 50)]
    assert gaps == {}


def test_a_known_length_counts_more_than_an_unknown_one() -> None:
    notes = [(0.5, 0.0, "boundary"), (0.5, 0.3, "boundary")]
    assert gaps_of(notes, 100, RATE)[0] == {50: 0.3}
