"""The clock's verdicts, each for the plainest sender that asks for it."""

import numpy as np
import pytest

from daemon.clock import Clock, Verdict

RATE = 100.0  # so that a block is 100 samples
N = np.arange(2000)
STEADY = N / RATE


def verdicts(timestamps: np.ndarray, size: int = 512, *, flush: bool = True) -> list[Verdict]:
    """All of them; those on samples that follow one another are put together."""
    clock = Clock(RATE, float(timestamps[0]))
    given: list[Verdict] = []
    for start in range(0, len(timestamps), size):
        given += clock.judge(timestamps[start : start + size])
    if flush:
        given += clock.flush()
    joined: list[Verdict] = []
    for verdict in given:
        same = joined and joined[-1].meaning == verdict.meaning
        if same and verdict.meaning in ("on time", "other rate"):
            joined[-1] = verdict._replace(n=joined[-1].n + verdict.n)
        else:
            joined.append(verdict)
    return joined


def test_steady_samples_are_on_time() -> None:
    assert verdicts(STEADY) == [("on time", 2000, 0)]


@pytest.mark.parametrize("missing", [1, 5, 300])
def test_missing_samples_are_a_gap_of_so_many(missing: int) -> None:
    positions = np.delete(np.arange(2000 + missing), range(700, 700 + missing))
    before, gap, after = verdicts(positions / RATE)
    assert (before, after) == (("on time", 700, 0), ("on time", 1300, 0))
    assert gap[:2] == ("gap", missing)
    assert gap.seconds == pytest.approx(missing / RATE)


def test_a_clock_set_back_by_a_minute_is_a_back_step_where_it_happened() -> None:
    before, step, after = verdicts(STEADY - 60 * (N >= 700))
    assert (before.n, step.meaning, after.n) == (700, "back step", 1300)
    assert step.seconds == pytest.approx(-60)


@pytest.mark.parametrize(("at", "found"), [(720, 900), (780, 1000)])
def test_a_small_back_step_shows_at_the_end_of_a_block(at: int, found: int) -> None:
    """At that of the second of two blocks that are off by the same."""
    before, step, after = verdicts(STEADY - 0.5 * (at <= N))
    assert (before.n, step.meaning, after.n) == (found, "back step", 2000 - found)
    assert step.seconds == pytest.approx(-0.5)


def test_samples_that_come_ever_later_have_another_rate() -> None:
    slower = STEADY + np.maximum(STEADY - 7, 0) * 0.1
    assert {verdict.meaning for verdict in verdicts(slower)} == {"on time", "other rate"}


def test_late_samples_wait_until_one_is_on_time_or_no_more_come() -> None:
    late = STEADY[:760] + 0.2 * (N[:760] >= 700)
    assert verdicts(late, flush=False) == [("on time", 700, 0)]
    assert [verdict[:2] for verdict in verdicts(late)] == [
        ("on time", 700),
        ("gap", 20),
        ("on time", 60),
    ]
    caught_up = np.append(late, STEADY[760])
    assert verdicts(caught_up, flush=False) == [("on time", 761, 0)]


def test_one_sample_is_accepted_only_if_nothing_waits_before_it() -> None:
    clock = Clock(RATE, 0.0)
    assert all(clock.accept(timestamp) for timestamp in STEADY[:100])
    assert clock.block_is_full
    assert list(clock.judge(STEADY[:0])) == []
    assert not clock.block_is_full
    assert not clock.accept(STEADY[101])  # one is missing
    assert list(clock.judge(STEADY[101:102])) == []
    assert not clock.accept(STEADY[100])  # on time, were it the next
