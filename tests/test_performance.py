"""Figures that were worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.offline.ground_truth import Interval
from daemon.offline.performance import compare, quantiles, wolpaw
from daemon.records import Prediction

CLASSES = ("a", "b", "c")


def said(end: float, label: str | None, window: float = 2.0) -> Prediction:
    return Prediction(0, "ok", None, label, None, end - window, end, 0.0)


def test_accuracy_is_that_of_the_class_at_the_windows_end() -> None:
    truth = [Interval(0, 10, "a"), Interval(10, 20, "b")]
    predictions = [
        said(-1, "a"),  # before any class: not counted
        said(1, "a"),  # right; it began before the class did
        said(9, "b"),
        said(10, "b"),  # at the marker: the new class already
        said(11, None),  # no decision
        said(15, "b"),
        said(19, "b"),
        said(20, "b"),  # the class has ended
    ]
    found = compare(predictions, truth, CLASSES, window=2, hop=1)
    assert (found.windows, found.decided) == (6, 5)
    assert found.confusion.tolist() == [[1, 1, 0], [0, 3, 0], [0, 0, 0]]
    assert found.accuracy == 4 / 5
    assert found.balanced == (1 / 2 + 3 / 3) / 2
    assert (found.within, found.within_accuracy) == (3, 2 / 3)
    assert found.over_time == [
        (0, 1, 1, 1.0),
        (1, 2, 1, 1.0),
        (5, 6, 1, 1.0),
        (8, math.inf, 2, 0.5),
    ]


def test_the_delay_is_from_the_marker_to_the_first_right_label_and_to_the_last_first() -> None:
    truth = [
        Interval(0, 10, "a"),
        Interval(10, 20, "b"),
        Interval(20, 30, "c"),
        Interval(30, 40, "a"),
    ]
    labels = "aaaaaaaaaa" + "aabbabbbbb" + "bbbbbbbbbb" + "aaaaaaaaab"
    predictions = [said(at + 0.5, label) for at, label in enumerate(labels)]
    found = compare(predictions, truth, CLASSES, window=2, hop=1)
    assert found.changes == 3  # the first class was there before any prediction
    assert found.first.tolist() == [2.5, math.inf, 0.5]
    assert found.steady.tolist() == [5.5, math.inf, math.inf]
    # Of three: the first holds a quarter and a third, the second a half, the third all beyond.
    assert quantiles(found.first) == [0.5, 2.5, math.inf, math.inf]
    assert quantiles(found.steady) == [5.5, math.inf, math.inf, math.inf]


def test_a_class_that_came_while_nothing_was_published_was_never_reached() -> None:
    truth = [Interval(at, at + 10, "ab"[at // 10 % 2]) for at in range(0, 60, 10)]
    predictions = [said(at + 0.5, "a" if at < 10 else "b") for at in (*range(12), *range(38, 45))]
    found = compare(predictions, truth, CLASSES, window=2, hop=1)
    # b at 10, a at 20 and b at 30 in the hole, a at 40; what comes at 50 nobody waited for.
    assert found.changes == 4
    assert found.first.tolist() == [0.5, math.inf, 8.5, math.inf]


def test_no_decision_is_not_the_right_class() -> None:
    predictions = [said(0, "a"), said(11, None), said(12, "b"), said(13, None), said(14, "b")]
    truth = [Interval(10, 20, "b")]
    found = compare(predictions, truth, CLASSES, window=2, hop=1)
    assert (found.first.tolist(), found.steady.tolist()) == ([2.0], [4.0])


def test_bits_of_a_decision() -> None:
    assert wolpaw(1.0, 4) == 2.0
    assert wolpaw(0.25, 4) == 0.0
    assert wolpaw(0.0, 4) == 0.0  # always wrong tells much, but not to who takes the labels
    # 2 classes at 0.9: 1 + 0.9 log2 0.9 + 0.1 log2 0.1
    assert wolpaw(0.9, 2) == pytest.approx(0.5310, abs=1e-4)
    # 4 classes at 0.7: 2 + 0.7 log2 0.7 + 0.3 log2 0.1
    assert wolpaw(0.7, 4) == pytest.approx(0.6432, abs=1e-4)


@given(st.integers(2, 40), st.floats(0, 1))
def test_bits_lie_between_none_and_all(classes: int, accuracy: float) -> None:
    assert 0 <= wolpaw(accuracy, classes) <= math.log2(classes) + 1e-9


def test_a_minute_holds_as_many_decisions_as_windows_that_share_no_sample() -> None:
    truth = [Interval(0, math.inf, "a")]
    half = [said(at, "a" if at % 2 else None) for at in range(100)]
    found = compare(half, truth, CLASSES, window=4, hop=1)
    assert found.bits == math.log2(3)
    assert found.bits_per_minute == pytest.approx(math.log2(3) * 15 / 2)
    assert found.bits_per_minute_every_hop == pytest.approx(math.log2(3) * 60 / 2)
    apart = compare(half, truth, CLASSES, window=1, hop=3)
    assert apart.bits_per_minute == apart.bits_per_minute_every_hop


def test_nothing_to_compare_is_no_number() -> None:
    for predictions, truth in (([], [Interval(0, 1, "a")]), ([said(5, "a")], [])):
        found = compare(predictions, truth, CLASSES, window=2, hop=1)
        assert (found.windows, found.decided, found.changes) == (0, 0, 0)
        assert np.isnan([found.accuracy, found.balanced, found.within_accuracy, found.bits]).all()
        assert np.isnan(quantiles(found.first)).all()
