"""Classes that coincide with recordings or blocks are found, others are left alone."""

from __future__ import annotations

import numpy as np
import pytest
from made_up import dataset

from daemon.training.coincidence import coincidences, from_recording_alone
from daemon.training.settings import Split
from daemon.training.splits import folds, grouped


def _found(*recordings: str) -> list[str]:
    data = dataset(*recordings)
    groups = grouped(data, Split())
    return coincidences(data, folds(data, groups, Split(), 0))


@pytest.mark.parametrize(
    "recordings",
    [
        ["abab"] * 6,
        # Two kinds of recordings that share a class, as with fists and feet.
        ["abacab"] * 6 + ["adaead"] * 6,
        # One recording, in turns.
        ["ab" * 20],
    ],
)
def test_classes_in_turns_are_no_block_design(recordings: list[str]):
    assert _found(*recordings) == []


def test_a_class_that_has_the_only_recording_of_its_own():
    (why,) = _found(*["abab"] * 6, "c" * 12)
    assert why == "c is in R6 alone, where no other class is"


def test_a_class_that_shares_its_only_recording():
    (why,) = _found(*["abab"] * 6, "ac" * 12)
    assert why == "c is in R6 alone, where b never occurs"


def test_classes_with_recordings_of_their_own():
    assert _found(*["aaaa", "bbbb"] * 4, *["abab"] * 3, "aaaa", "c" * 12) == [
        "c is in R12 alone, where no other class is"
    ]
    assert _found(*["abab"] * 3, *["cccc"] * 3) == [
        "c is in R3, R4, R5 alone, where no other class is"
    ]


def test_recordings_of_one_class_each_are_a_block_design():
    (why,) = _found(*["aaaa", "bbbb"] * 4)
    assert why.startswith("each recording holds one class alone, a block design: class and record")


def test_one_recording_of_one_block_a_class():
    assert _found("a" * 12 + "b" * 12) == [
        "all of a lies in one stretch of R0",
        "all of b lies in one stretch of R0",
    ]


def test_one_block_of_each_class_in_every_recording_in_the_same_order():
    (why,) = _found(*["aaaaaabbbbbb"] * 6)
    assert why == (
        "the classes come at the same times in every recording: the time since its begin alone "
        "gives 1.00"
    )
    (why,) = _found(*["aaaabbbbcccc"] * 6)
    assert why.endswith("gives 1.00")
    # In another order in every other recording, drift tells nothing.
    assert _found(*["aaaaaabbbbbb", "bbbbbbaaaaaa"] * 3) == []


def test_blocks_that_are_cut_apart():
    (why,) = _found("aaaaaabbbbbb" * 2)
    assert "lie partly in the training and partly in the test data" in why


def test_what_the_recording_alone_gives():
    # a and b are equally frequent in R0, and c alone is in R1.
    targets, recording = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 0, 0, 1, 1])
    assert from_recording_alone(targets, recording, 3) == pytest.approx(2 / 3)
    assert from_recording_alone(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]), 2) == 0.5
