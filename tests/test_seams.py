"""Holes that a file's annotations tell of are holes in its stamps."""

from __future__ import annotations

import numpy as np

from daemon.rehearsal.seams import UNKNOWN, on_the_clock

RATE = 100.0


def test_what_was_cut_out_is_missing_and_what_follows_lies_later() -> None:
    notes = [(0.0, 5.0, "boundary"), (0.495, 2.0, "boundary"), (0.7, 0.0, "T1")]
    received, stamps, moved = on_the_clock(100, RATE, notes)
    assert received.all()
    np.testing.assert_allclose(stamps[[0, 49, 50, 99]], [0, 0.49, 2.5, 2.99])
    assert [moved(at) for at in (0.1, 0.49, 0.5, 0.7)] == [0.1, 0.49, 2.5, 2.7]
    # Behind the last sample there is nothing to be later.
    np.testing.assert_allclose(on_the_clock(100, RATE, [(1.0, 3, "boundary")])[1][-1], 0.99)


def test_a_seam_of_unknown_length_is_longer_than_anything_that_is_bridged() -> None:
    for note in ("BAD boundary", "EDGE boundary", "boundary"):
        _, stamps, _ = on_the_clock(100, RATE, [(0.5, float("nan"), note), (0.5, 0.0, note)])
        np.testing.assert_allclose(np.diff(stamps)[49], UNKNOWN + 0.01)


def test_what_was_never_acquired_is_no_sample() -> None:
    received, stamps, moved = on_the_clock(100, RATE, [(0.2, 0.3, "BAD_ACQ_SKIP")])
    assert np.flatnonzero(~received).tolist() == [*range(20, 50)]
    np.testing.assert_allclose(stamps, np.arange(100) / RATE)
    assert moved(0.6) == 0.6
