"""Better, equal or worse: against counting by hand."""

from itertools import product

import numpy as np
import pytest

from daemon.training.signflip import versus


def made_up(wins: list[int], windows: int = 10) -> tuple[np.ndarray, ...]:
    """For each recording, so many more windows that ours has right, all of one class."""
    targets = np.zeros(windows * len(wins), np.int64)
    groups = np.repeat(np.arange(len(wins)), windows)
    ours, theirs = targets.copy(), targets.copy()
    for group, more in enumerate(wins):
        wrong = theirs if more > 0 else ours
        wrong[group * windows : group * windows + abs(more)] = 1
    return targets, ours, theirs, groups


@pytest.mark.parametrize(
    "wins", [[1, 2, 3, 4, 5, 6], [3, -1, 2, 2, 1, 0, 4], [0] * 6, [2, -2] * 4, [-1, -2, -3, -4] * 2]
)
def test_p_is_the_share_of_all_signs_that_lead_as_far_from_nothing(wins: list[int]) -> None:
    found = versus(*made_up(wins))
    sums = [abs(np.dot(signs, wins)) for signs in product((1, -1), repeat=len(wins))]
    p = np.mean([value >= abs(sum(wins)) for value in sums])
    assert found["p"] == pytest.approx(p)
    assert found["groups"] == len(wins)
    assert found["difference"] == pytest.approx(np.mean(wins) / 10)
    said = "equal to" if p >= 0.05 else "better than" if sum(wins) > 0 else "worse than"
    assert found["says"] == said


def test_five_recordings_cannot_tell() -> None:
    found = versus(*made_up([9] * 5))
    assert (found["says"], found["p"], found["groups"]) == ("cannot tell from", None, 5)


def test_many_recordings_are_drawn_at_random_and_agree_with_all() -> None:
    wins = [1, 2, -1, 0, 3, 1, -2, 1] * 2
    exact = versus(*made_up(wins))["p"]
    drawn = versus(*made_up([*wins, 0]))["p"]  # of 17, of which one decides nothing
    assert drawn == pytest.approx(exact, abs=0.01)


def test_a_recordings_classes_count_alike() -> None:
    targets = np.tile([0] * 8 + [1] * 2, 6)
    ours = np.tile([0] * 8 + [0] * 2, 6)  # right of eight, wrong of two
    theirs = np.tile([1] * 8 + [1] * 2, 6)
    found = versus(targets, ours, theirs, np.repeat(np.arange(6), 10))
    assert found["difference"] == 0
    assert found["says"] == "equal to"
