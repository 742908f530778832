"""Faults are read as they are written, and each changes what it says and nothing else."""

from __future__ import annotations

from itertools import takewhile

import numpy as np
import pytest

from daemon.errors import UsageError
from daemon.rehearsal.disturbance import Sent, disturbed, lateness
from daemon.rehearsal.faults import DEATHS, HELLO, KINDS, PROCESS, Fault, drawn, parse, planned
from daemon.rehearsal.life import lives
from daemon.rehearsal.replay import timetable
from daemon.rehearsal.simulator import Simulator
from daemon.rehearsal.sources import simulator_source

RATE = 100.0


def played(*texts: str, seconds: float = 6.0, speed: float = 1.0) -> list:
    source = simulator_source(Simulator(RATE, 5), chunk=3)
    timed = timetable(source.pieces, seconds=seconds, speed=speed)
    faults = [parse(text) for text in texts]
    return list(disturbed(timed, faults, rate=RATE, seed=5, speed=speed))


def joined(items: list) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers, stamps and samples of all that is sent."""
    sent = [item for _, item in items if isinstance(item, Sent)]
    return (
        np.concatenate([one.numbers for one in sent]),
        np.concatenate([one.chunk.stamps for one in sent]),
        np.concatenate([one.chunk.samples for one in sent]),
    )


@pytest.mark.parametrize(
    ("text", "numbers", "stamps", "samples"),
    [
        ("gap:at=2,seconds=0.5", (200, 250), None, None),
        ("jitter:at=2,seconds=1,ms=20", None, (200, 300), None),
        ("jump:at=2,by=-1.5", None, (200, 600), None),
        ("drift:at=2,seconds=1,ppm=2000", None, (201, 600), None),
        ("nan:at=2,seconds=0.1,channel=4", None, None, (200, 210)),
        ("flat:at=2,seconds=1,channel=4", None, None, (201, 300)),
        ("batch:at=2,seconds=1,size=12", None, (198, 303), None),  # whole chunks of 3
    ],
)
def test_a_fault_changes_its_samples_and_no_others(
    text: str,
    numbers: tuple[int, int] | None,
    stamps: tuple[int, int] | None,
    samples: tuple[int, int] | None,
) -> None:
    got = joined(played(text))
    kept = np.ones(600, bool)
    if numbers:
        kept[slice(*numbers)] = False
    np.testing.assert_array_equal(got[0], np.flatnonzero(kept))
    true = np.arange(600)[kept] / RATE
    changed = np.flatnonzero(np.abs(got[1] - true) > 1e-9)
    if stamps is None:
        assert not len(changed)
    else:
        assert stamps[0] <= changed.min() < stamps[0] + 5
        assert stamps[1] - 5 <= changed.max() < stamps[1]
    truth = Simulator(RATE, 5).next(600)[0][kept]
    differing = ~np.isclose(got[2], truth, rtol=0, atol=0)
    if samples is None:
        assert not differing.any()
    else:
        np.testing.assert_array_equal(np.flatnonzero(differing[:, 4]), np.arange(*samples))
        assert not differing[:, :4].any()


def test_stamps_are_off_by_as_much_as_written() -> None:
    true = np.arange(600) / RATE
    jitter = joined(played("jitter:at=1,seconds=4,ms=20"))[1] - true
    assert 0.019 < np.abs(jitter).max() <= 0.02
    np.testing.assert_allclose((joined(played("jump:at=2,by=-1.5"))[1] - true)[200:], -1.5)
    drift = joined(played("drift:at=2,seconds=1,ppm=2000"))[1] - true
    np.testing.assert_allclose(drift[[200, 250, 300, 599]], [0, 1e-3, 2e-3, 2e-3], atol=1e-9)


def test_batches_have_one_stamp_each_and_go_out_when_full() -> None:
    batches = [
        (due, item.chunk.stamps)
        for due, item in played("batch:at=2,seconds=1,size=12")
        if isinstance(item, Sent) and len(item.numbers) > 3
    ]
    assert {len(stamps) for _, stamps in batches[:-1]} == {12}
    assert all(len(set(stamps)) == 1 for _, stamps in batches)
    assert all(due >= stamps[0] - 1e-9 for due, stamps in batches)


@pytest.mark.parametrize("speed", [1.0, 8.0])
def test_a_burst_is_due_at_once_and_the_rest_in_time(speed: float) -> None:
    items = played("burst:at=2,seconds=3", speed=speed)
    due = {int(item.numbers[-1]): due * speed for due, item in items if isinstance(item, Sent)}
    for number, at in due.items():
        time = number / RATE
        assert at == pytest.approx(time if time <= 2 else max(2.0, time - 3))
    assert lateness([parse("burst:at=2,seconds=3"), parse("gap:at=3")]) == 3


def test_process_faults_come_between_the_chunks() -> None:
    timed = played("freeze:at=2", "gap:at=2", "crash:at=4")
    items = [item for _, item in timed]
    before = list(takewhile(lambda item: not isinstance(item, Fault), items))
    assert joined([(0, item) for item in before])[0][-1] < 200
    (due,) = (due for due, item in timed if isinstance(item, Fault) and item.kind == "freeze")
    assert due == pytest.approx(2, abs=0.03)
    assert [item.kind for item in items if isinstance(item, Fault)] == ["freeze", "crash"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("explode:at=3", "'explode' is none of gap"),
        ("gap:at=3,ms=3", "gap takes at, seconds, not 'ms'"),
        ("gap:at=soon", "at='soon' is no number"),
        ("gap:at=-1", "0 or more"),
        ("gap:at=nan", "0 or more"),
        ("batch:at=1,size=0", "a batch has a sample or more"),
        ("nan:at=1,channel=32", "channels are 0 to 31"),
        ("other:at=1,what=mood", "what is one of rate"),
    ],
)
def test_nonsense_is_refused_by_name(text: str, part: str) -> None:
    with pytest.raises(UsageError, match=part):
        parse(text)


def test_random_faults_are_the_same_again_and_need_an_end() -> None:
    one, same, other = (drawn(30, 20_000, seed) for seed in (1, 1, 2))
    assert one == same != other
    assert {fault.kind for fault in one} == set(KINDS)
    lives(one, 20_000)  # none falls into another's time
    with pytest.raises(UsageError, match="needs --seconds"):
        planned(["random:every=30"], None, 0)


@pytest.mark.parametrize("seed", range(8))
def test_no_random_duplicate_meets_a_consumer_that_still_connects(seed: int) -> None:
    start, duplicates = 0.0, 0
    for fault in drawn(40, 30_000, seed):
        assert fault.at < 30_000
        if fault.kind == "duplicate":
            assert fault.at >= start + HELLO
            duplicates += 1
        elif fault.kind in DEATHS:
            start = fault.end
    assert duplicates


def test_every_death_begins_a_life_of_its_own() -> None:
    faults = [parse(text) for text in ("gap:at=17", "crash:at=10,seconds=3", "other:at=20")]
    first, second, third = lives(faults, 60)
    assert [fault.kind for fault in first.faults] == ["crash"]
    assert (second.begin, second.faults[0].at, second.seconds) == (13, 4, None)
    assert (third.begin, third.seconds) == (30, 30)
    assert [fault.at for fault in lives([parse("gap:at=25")], None)[0].faults] == [25]
    assert all(kind in KINDS for kind in PROCESS)


def test_a_clock_that_jumped_stays_there_in_the_next_life() -> None:
    faults = [
        parse("jump:at=2,by=2"),
        parse("drift:at=4,seconds=100,ppm=1000"),
        parse("crash:at=10,seconds=3"),
        parse("jump:at=20,by=-1"),
        parse("crash:at=30,seconds=1"),
    ]
    ahead = [life.ahead for life in lives(faults, None)]
    assert ahead == pytest.approx([0, 2 + 9e-3, 1 + 9e-3])


def test_a_fault_while_the_amplifier_is_dead_is_refused() -> None:
    crash = parse("crash:at=10,seconds=3")
    with pytest.raises(UsageError, match="dead until 13 s"):
        lives([crash, parse("gap:at=12")], None)
    with pytest.raises(UsageError, match="stopped at 30 s"):
        lives([parse("gap:at=30")], 30)
