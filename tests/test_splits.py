"""No group, and no sample, stands on two sides; every class stands on all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import dataset

from daemon.errors import UsageError
from daemon.training import splits
from daemon.training.settings import Split


@settings(max_examples=40, deadline=None)
@given(
    recordings=st.lists(
        st.lists(st.sampled_from("abc"), min_size=1, max_size=8).map("".join),
        min_size=1,
        max_size=9,
    ).filter(lambda found: len(set("".join(found))) > 1),
    count=st.integers(2, 4),
    block=st.sampled_from([None, None, 3.0]),
    seed=st.integers(0, 3),
)
def test_splits_share_nothing(recordings: list[str], count: int, block: float | None, seed: int):
    data = dataset(*recordings)
    split = Split(folds=count, block=block)
    groups = splits.grouped(data, split)
    try:
        folds = splits.folds(data, groups, split, seed)
        folds.append(splits.final(data, groups, split, seed))
    except UsageError:
        return
    tests = np.concatenate([fold.test for fold in folds])
    assert len(np.unique(tests)) == len(tests)
    for fold in folds:
        sides = [fold.training, fold.validation, *([fold.test] if len(fold.test) else [])]
        for n, side in enumerate(sides):
            assert set(data.targets[side]) == set(range(len(data.classes)))
            for other in sides[n + 1 :]:
                assert not set(groups.of[side]) & set(groups.of[other])
                assert not _overlap(data, side, other)
        uncut = [n for n, name in enumerate(data.recordings) if name not in groups.cut]
        for number in uncut:
            assert sum(bool((data.recording[side] == number).any()) for side in sides) <= 1


def _overlap(data, some, others) -> bool:
    """Whether a window of ``some`` shares a sample with one of ``others``."""
    return any(
        data.recording[a] == data.recording[b]
        and data.start_time[a] <= data.time[b]
        and data.start_time[b] <= data.time[a]
        for a in some
        for b in others
    )


def test_recordings_stay_whole_where_they_can():
    data = dataset(*["abab"] * 6)
    groups = splits.grouped(data, Split())
    assert groups.names == data.recordings
    assert not groups.cut
    folds = splits.folds(data, groups, Split(), 0)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(len(data.targets)))


def test_a_recording_with_a_scarce_class_is_cut_between_its_blocks():
    data = dataset(*["abab"] * 5, "ac" * 20)
    groups = splits.grouped(data, Split())
    assert groups.cut == ("R5",)
    for block in np.unique(data.block):
        assert len(np.unique(groups.of[data.block == block])) == 1
    for fold in splits.folds(data, groups, Split(), 0):
        assert 2 in data.targets[fold.test]


def test_windows_that_reach_into_the_next_part_are_in_none():
    data = dataset("a" * 40, "b" * 40)
    # Half overlapping: every window begins before the one ahead of it ends.
    start = data.start_time - 0.5 * np.arange(len(data.start_time))
    moved = type(data)(**{**vars(data), "start_time": start, "time": start + 0.99})
    groups = splits.grouped(moved, Split(block=10.0))
    assert (groups.of == splits.NONE).sum() == len(groups.names) - 2


def test_recordings_of_one_person_are_left_out_together():
    data = dataset(*["abab"] * 9)
    names = tuple(f"S{n // 3}R{n % 3}.edf" for n in range(9))
    data = type(data)(**{**vars(data), "recordings": names})
    split = Split(together=("S0*", "S1*", "S2*"))
    groups = splits.grouped(data, split)
    assert groups.names == ("S0*", "S1*", "S2*")
    for fold in splits.folds(data, groups, split, 0):
        sides = (fold.training, fold.validation, fold.test)
        persons = [set(data.recording[side] // 3) for side in sides]
        assert sum(map(len, persons)) == 3
        assert set.union(*persons) == {0, 1, 2}
    some = splits.grouped(data, Split(together=("S0*",)))
    assert some.names == ("S0*", *names[3:])
    with pytest.raises(UsageError, match=r"'S9\*' fits none of the recordings S0R0.edf"):
        splits.grouped(data, Split(together=("S9*",)))
    with pytest.raises(UsageError, match=r"'\*R1\*' and 'S0\*' both fit S0R1.edf"):
        splits.grouped(data, Split(together=("S0*", "*R1*")))


def test_named_recordings_are_the_test():
    data = dataset(*["abab"] * 6)
    split = Split(test=("R4", "R5"))
    (fold,) = splits.folds(data, splits.grouped(data, split), split, 0)
    assert set(data.recording[fold.test]) == {4, 5}
    with pytest.raises(UsageError, match="'R9' fits none of the groups R0, R1"):
        splits.folds(data, splits.grouped(data, split), Split(test=("R9",)), 0)
    data = dataset("ab", "ab", "ab", "aa")
    split = Split(test=("R3",))
    with pytest.raises(UsageError, match="no window of b to test on"):
        splits.folds(data, splits.grouped(data, split), split, 0)


def test_a_class_in_too_few_groups_is_named():
    data = dataset("ab", "ab", "ab", trial=1)
    split = Split(folds=5)
    says = (
        "no 5 parts of the 6 groups .* a is in 3, b is in 3; ask for fewer folds, set split.block"
    )
    with pytest.raises(UsageError, match=says):
        splits.folds(data, splits.grouped(data, split), split, 0)
    split = Split(test=("R0", "R1"))
    with pytest.raises(UsageError, match=r"a is in 1, b is in 1; set split\.block"):
        splits.folds(data, splits.grouped(data, split), split, 0)


def test_the_random_split_is_over_windows():
    data = dataset(*["abab"] * 6)
    folds = splits.random_folds(data, 3, 0.25, 0)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(len(data.targets)))
    # What makes it over-state: both windows of a trial are seldom on one side.
    fold = folds[0]
    assert set(data.trial[fold.test]) & set(data.trial[fold.training])
