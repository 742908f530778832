"""Markers tell classes; what they do not tell is not made up."""

import math

import pytest

from daemon.errors import UsageError
from daemon.offline.ground_truth import Interval, intervals

CLASSES = ("rest", "left", "right")


def test_a_class_holds_until_a_marker_names_another_or_ends_it() -> None:
    markers = [(1.0, "left"), (2.0, "beep"), (4.0, "rest"), (6.0, "rest"), (7.0, "stop")]
    found, others = intervals(markers, CLASSES, {"stop": ""})
    assert found == [Interval(1.0, 4.0, "left"), Interval(4.0, 7.0, "rest")]
    assert others == {"beep": 1}
    found, others = intervals(markers, CLASSES, {})
    assert found[-1] == Interval(4.0, math.inf, "rest")
    assert others == {"beep": 1, "stop": 1}


def test_other_names_are_mapped_and_the_same_class_may_come_again_after_a_pause() -> None:
    markers = [(0.0, "T1"), (4.0, "T0"), (8.0, "T1"), (9.0, "T2")]
    found, others = intervals(markers, CLASSES, {"T0": "", "T1": "left", "T2": "right"})
    assert found == [
        Interval(0.0, 4.0, "left"),
        Interval(8.0, 9.0, "left"),
        Interval(9.0, math.inf, "right"),
    ]
    assert not others


def test_no_class_no_interval() -> None:
    assert intervals([], CLASSES, {}) == ([], {})
    assert intervals([(1.0, "beep"), (2.0, "stop")], CLASSES, {"stop": ""}) == ([], {"beep": 1})


def test_a_class_that_the_model_has_not_is_refused() -> None:
    with pytest.raises(UsageError, match="--map T1=lefft: the model has no class 'lefft'"):
        intervals([], CLASSES, {"T1": "lefft"})
