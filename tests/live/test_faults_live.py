"""Every fault of an amplifier, with real processes over real LSL: nothing wrong, nothing silent.

`make faults` runs them all and writes the table of docs/reliability.md; ``-k gap`` runs some.
"""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import keras
import pylsl
import pytest
from amplifier_truth import largest_difference
from fault_case import CHANNELS, STALL, Case, Outcome, run_case, write_bundle
from fault_table import Row, write_table

SIDE_BY_SIDE = 4
TABLE = os.environ.get("EEGD_FAULT_TABLE")

CASES = (
    Case(
        "crash and return",
        ("crash:at=7,seconds=3",),
        seconds=18,
        speed=1,
        abstains=("was lost",),
        plain=True,
    ),
    Case(
        "gap, filled",
        tuple(f"gap:at={at},seconds=0.05" for at in (8, 14, 20)),
        seconds=27,
        within=0.3,
    ),
    Case(
        "gap, too long to fill",
        ("gap:at=8,seconds=0.15", "gap:at=15,seconds=1.5", "gap:at=24,seconds=6"),
        seconds=37,
        abstains=("are missing: the window starts over",),
        plain=True,
    ),
    Case(
        "no numbers",
        tuple(f"nan:at={at},seconds=0.05,channel=0" for at in (8, 15, 22)),
        seconds=29,
        abstains=("not finite",),
        plain=True,
    ),
    Case("freeze of 20 s", ("freeze:at=7,seconds=20",), 34, 1, abstains=("no sample for 1 s",)),
    Case(
        "freeze of 4 s, its samples lost",
        tuple(f"{kind}:at={at},seconds=4" for at in (7, 18) for kind in ("freeze", "gap")),
        seconds=29,
        speed=1,
        abstains=("no sample for 1 s",),
    ),
    Case(
        "crash, twice",
        ("crash:at=7,seconds=1", "crash:at=15,seconds=6"),
        seconds=29,
        speed=1,
        abstains=("was lost",),
    ),
    *(
        Case(
            f"restart as other: {what}",
            (f"other:at=10,seconds=24,what={what}",),
            seconds=44,
            abstains=("was lost", difference),
        )
        for what, difference in (
            ("rate", "its rate is 320 Hz, the model needs 160 Hz"),
            ("labels", "missing channels Fp1"),
            ("unit", "the unit 'counts' of"),
            ("channels", "missing channels F3"),
        )
    ),
    Case(
        "duplicates at a restart",
        (*("duplicate:at=8,seconds=16",) * 2, "crash:at=9,seconds=1"),
        seconds=40,
        speed=1,
        abstains=("was lost", "streams match"),
        within=30,
        refused=True,
    ),
    Case("duplicate beside it", ("duplicate:at=8,seconds=12",), 28, 4),
    Case("burst of ten minutes", ("burst:at=8,seconds=600",), 620, 1, within=0.3),
    Case(
        "jitter of 20 ms",
        ("jitter:at=8,seconds=20", "jitter:at=35,seconds=20"),
        seconds=62,
        tolerance=0.03,
        within=0.3,
    ),
    Case(
        "batches with one stamp",
        ("batch:at=8,seconds=20,size=12", "batch:at=35,seconds=20,size=32"),
        seconds=62,
        tolerance=0.21,
        within=0.3,
    ),
    Case(
        "clock steps forward",
        ("jump:at=8,by=2", "jump:at=18,by=0.5"),
        seconds=30,
        abstains=("are missing",),
    ),
    Case(
        "clock steps back",
        ("jump:at=8,by=-2", "jump:at=18,by=-0.5"),
        seconds=30,
        abstains=("the clock stepped back",),
    ),
    Case("clock drifts", ("drift:at=8,seconds=60,ppm=500",), 75, 8, within=0.3),
    Case(
        "flat channel",
        ("flat:at=8,seconds=5,channel=0", "flat:at=22,seconds=5,channel=0"),
        seconds=36,
        abstains=("flat",),
    ),
)

Futures = dict[str, "Future[Outcome]"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundle")


@pytest.fixture(scope="module")
def model(bundle: Path) -> keras.Model:
    return write_bundle(bundle)


@pytest.fixture(scope="module")
def running(
    bundle: Path,
    model: keras.Model,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Futures]:
    """All selected cases, some of them side by side."""
    pylsl.resolve_streams(0.1)  # liblsl's first use must not be by several threads at once
    selected = {item.callspec.params["case"] for item in request.session.items if _is_ours(item)}
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        futures = {
            case.name: pool.submit(run_case, case, bundle, tmp_path_factory.mktemp("case"))
            for case in CASES
            if case in selected
        }
        yield futures
        for future in futures.values():
            future.cancel()


@pytest.fixture(scope="module")
def rows() -> Iterator[list[Row]]:
    rows: list[Row] = []
    yield rows
    if TABLE and len(rows) == len(CASES):
        write_table(Path(TABLE), rows)


def _is_ours(item: pytest.Item) -> bool:
    return getattr(item, "originalname", "") == "test_nothing_wrong_and_nothing_silent"


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            case,
            id=case.name,
            marks=[] if case.plain else [pytest.mark.slow],
        )
        for case in CASES
    ],
)
def test_nothing_wrong_and_nothing_silent(
    case: Case, running: Futures, model: keras.Model, rows: list[Row]
) -> None:
    outcome = running[case.name].result()
    truth, counted = outcome.truth, outcome.counted
    difference, unexplained = largest_difference(model, truth, outcome.ok, CHANNELS, case.tolerance)
    waits, silences = outcome.first_good(), outcome.silence_until_said()
    rows.append(Row(case, outcome, difference, len(unexplained), waits, silences))
    print(f"\n{rows[-1]}", flush=True)  # noqa: T201

    assert (outcome.exit_code, outcome.stop_seconds < 2) == (0, True)
    assert "Traceback" not in outcome.log
    assert [m["sequence"] for m in outcome.markers] == list(range(len(outcome.markers)))
    known = counted["samples"] + outcome.lost
    assert known == truth.sent or (case.refused and known < truth.sent)
    assert (counted["ok"], counted["skipped"]) == (len(outcome.ok), 0)
    assert not unexplained, f"{len(unexplained)} wrong, the first is {unexplained[0]}"
    assert difference < 1e-5
    for part in case.abstains:
        assert any(part in reason for reason in outcome.reasons), outcome.reasons
    assert max(waits, default=0.0) <= case.within
    assert max(silences, default=0.0) <= STALL + 0.5
