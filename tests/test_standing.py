"""What a view says of a snapshot, from the worst to the best."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from daemon.config import StreamConfig
from daemon.contract import Contract
from daemon.records import StreamDescription
from daemon.views.announcement import Announcement, Marker
from daemon.views.observer import Link, Snapshot
from daemon.views.standing import (
    abstentions,
    ago,
    bad_channels,
    classes_of,
    facts,
    milliseconds,
    standing,
)
from daemon.views.traces import Traces
from daemon.views.watch import screen

CLASSES = ("rest", "left")
NOW = 1000.0


def stream(rate: float = 100.0, labels: tuple[str, ...] = ("Fp1", "Cz")) -> StreamDescription:
    units = ("microvolts",) * len(labels)
    return StreamDescription("Amp", "EEG", "id", "host", rate, "float32", labels, units)


def ok(sequence: int = 0, stamp: float = 500.0, age_ms: float = 1.0) -> Marker:
    return Marker(
        sequence=sequence,
        status="ok",
        label="left",
        probabilities={"rest": 0.25, "left": 0.75},
        age_ms=age_ms,
        stamp=stamp,
    )


def abstain(
    reason: str, stamp: float = 500.0, code: str | None = None, channels: tuple[str, ...] = ()
) -> Marker:
    return Marker(
        sequence=0,
        status="abstain",
        reason=reason,
        code=code,
        channels=channels,
        age_ms=0.0,
        stamp=stamp,
    )


def seen(*markers: Marker, **changes: Any) -> Snapshot:
    """Everything connected and well, but for ``changes``."""
    contract = Contract(sample_rate=100, window=400, channels=("Fp1", "Cz"), classes=CLASSES)
    said = Announcement(
        "Out", "host", "bundle", "ab" * 32, "", "streaming", contract, StreamConfig(), 100, "", 1
    )
    whole = Snapshot(
        now=NOW,
        name="Out",
        daemon=Link("connected", NOW - 60, NOW - 0.5),
        amplifier=Link("connected", NOW - 50, NOW - 0.1),
        metrics=Link("connected", NOW - 50, NOW - 1),
        said=said,
        markers=markers,
        received=len(markers),
        traces=Traces(stream()),
        bad={},
        effective_rate=99.9,
        figures={"eegd_stream_connected": 1.0, "eegd_window_ratio": 1.0},
    )
    return replace(whole, **changes)


LOST = Link("lost", NOW - 12)
HEARD_LONG_AGO = Link("connected", NOW - 600, NOW - 30)
# Silent for longer than five hops, and not yet for a window more.
HEARD_BEFORE = Link("connected", NOW - 600, NOW - 10)
BACK = Link("connected", NOW - 10, NOW - 0.1)
NO_FIGURES: dict[str, float] = {}


@pytest.mark.parametrize(
    ("snapshot", "kind", "headline"),
    [
        (seen(ok()), "good", "Live"),
        (seen(ok(), daemon=LOST), "lost", "Daemon gone 12 s ago"),
        (seen(daemon=Link("looking", NOW - 9)), "waiting", "No daemon for 9 s"),
        (seen(ok(), amplifier=LOST, figures=NO_FIGURES), "lost", "Amplifier lost 12 s ago"),
        (seen(abstain("was lost"), figures={"eegd_stream_connected": 0.0}, amplifier=LOST),
         "lost", "Amplifier lost 12 s ago"),
        # The daemon has it, this page's network has not: that is no alarm.
        (seen(ok(), amplifier=LOST), "good", "Live"),
        (seen(amplifier=Link("looking", NOW), figures=NO_FIGURES), "lost", "No amplifier"),
        (seen(abstain("wrong"), figures={"eegd_stream_connected": 0.0}),
         "lost", "Amplifier not taken"),
        (seen(ok(), amplifier=HEARD_LONG_AGO), "lost", "Amplifier silent for 30 s"),
        (seen(figures={"eegd_stream_connected": 1.0, "eegd_window_ratio": 0.25}),
         "waiting", "Filling the window 1 of 4 s"),
        (seen(figures=NO_FIGURES), "waiting", "Waiting for a full window"),
        (seen(ok(), abstain("channel Fp1: flat")), "abstaining", "Abstaining"),
        (seen(abstain("gap"), daemon=HEARD_BEFORE, figures=NO_FIGURES),
         "waiting", "Waiting for a full window"),
        (seen(abstain("gap"), daemon=HEARD_LONG_AGO, amplifier=BACK, figures=NO_FIGURES),
         "waiting", "Waiting for a full window"),
        # It has had the time of a whole window.
        (seen(abstain("gap"), daemon=HEARD_LONG_AGO, figures=NO_FIGURES),
         "lost", "No answer for 30 s"),
        (seen(daemon=HEARD_LONG_AGO, figures=NO_FIGURES), "lost", "No answer for 30 s"),
        # What another process decided tells nothing of this one.
        (seen(ok(), fresh=False, figures=NO_FIGURES), "waiting", "Waiting for a full window"),
        (seen(ok(), daemon=HEARD_LONG_AGO), "lost", "No answer for 30 s"),
    ],
)  # fmt: skip
def test_the_first_that_applies_is_said(snapshot: Snapshot, kind: str, headline: str) -> None:
    found = standing(snapshot)
    assert (found.kind, found.whole) == (kind, headline)


def test_a_reason_is_said_beside_what_follows_from_it() -> None:
    filling = {"eegd_stream_connected": 1.0, "eegd_window_ratio": 0.5}
    gap = abstain("9 samples are missing: the window starts over")
    assert standing(seen(gap, figures=filling)).detail == gap.reason
    assert standing(seen(gap)).detail == gap.reason


def test_late_answers_are_said() -> None:
    assert standing(seen(ok(age_ms=20.0))).detail == ""
    assert standing(seen(ok(age_ms=2200.0))).detail == "the answers are 2.2 s late"


def test_facts_are_words_and_say_where_they_know_nothing() -> None:
    nothing = seen(said=None, traces=None, figures=NO_FIGURES, effective_rate=None)
    empty, whole = facts(nothing), facts(seen(ok(), ok(1, age_ms=3.0)))
    assert empty.keys() == whole.keys()
    assert all(isinstance(word, str) for word in [*empty.values(), *whole.values()])
    assert (empty["rate"], empty["gaps"], empty["p99"], empty["fit"]) == (
        "–",
        "–",
        "–",
        "not known",
    )
    assert (whole["rate"], whole["p50"], whole["fit"]) == ("99.90 Hz", "3.00 ms", "fits")


def test_the_exact_difference_to_the_contract_is_said() -> None:
    shown = facts(seen(traces=Traces(stream(rate=250.0, labels=("Fp1", "Oz")))))
    assert shown["fit"] == "does not fit"
    assert "missing channel Cz" in shown["difference"]
    assert "250" in shown["difference"]


def test_a_hop_that_cannot_be_resampled_to_is_said() -> None:
    whole = seen(traces=Traces(stream(rate=250.0)))
    assert whole.said is not None
    assert whole.said.contract is not None
    resampled = whole.said.contract.model_copy(
        update={
            "conditioning": Contract.model_validate(
                {**whole.said.contract.model_dump(), "conditioning": [{"resample": True}]}
            ).conditioning
        }
    )
    said = replace(whole.said, contract=resampled, hop=101)
    assert "window.hop 101" in facts(replace(whole, said=said))["difference"]


def test_channels_of_an_amplifier_that_is_gone_are_neither_good_nor_bad() -> None:
    assert facts(seen())["bad"] == "none"
    assert facts(seen(amplifier=LOST))["bad"] == "–"


def test_abstentions_in_a_row_for_one_reason_are_one() -> None:
    markers = [abstain("a", 1), abstain("a", 2), ok(stamp=3), abstain("a", 4), abstain("b", 5)]
    found = abstentions(seen(*markers))
    assert [(a.reason, a.first, a.last, a.count) for a in found] == [
        ("b", 5, 5, 1), ("a", 4, 4, 1), ("a", 1, 2, 2),
    ]  # fmt: skip
    assert len(abstentions(seen(*markers), most=1)) == 1


def test_a_renamed_stream_fits_and_is_shown_by_the_models_names() -> None:
    told = StreamConfig(rename={"A1": "Fp1"})
    whole = seen(traces=Traces(stream(labels=("A1", "Cz")), told))
    assert facts(whole)["fit"] == "does not fit"
    assert whole.said is not None
    whole = replace(whole, said=replace(whole.said, wanted=told))
    assert facts(whole)["fit"] == "fits"


def test_reasons_of_one_code_and_channels_are_one_with_the_words_of_the_last() -> None:
    rates = (117.0, 131.5, 98.2)
    markers = [
        abstain(f"the stream runs at {rate:.5g} Hz", n, code="off_rate")
        for n, rate in enumerate(rates)
    ]
    (found,) = abstentions(seen(*markers))
    assert found.reason == "the stream runs at 98.2 Hz"
    assert (found.first, found.last, found.count) == (0, 2, 3)
    flat = [abstain("flat", n, "flat", labels) for n, labels in enumerate([("Fp1",), ("Cz",)])]
    assert [found.count for found in abstentions(seen(*flat))] == [1, 1]


def test_an_abstention_without_words_is_one_too() -> None:
    silent = abstain("", code="flat").model_copy(update={"reason": None})
    assert standing(seen(silent)).kind == "abstaining"
    assert [found.reason for found in abstentions(seen(silent))] == [""]


def test_channels_that_the_daemon_names_are_bad_beside_those_seen_here() -> None:
    labels = ("Fp1", "B: ref", "Cz", "C3", "C4")  # the words name three of them
    flat = abstain("channels Fp1, B: ref, Cz and 2 more: flat", code="flat", channels=labels)
    own = {"Cz": "at a rail", "O2": "no numbers"}
    assert bad_channels(seen(flat, bad=own)) == {**dict.fromkeys(labels, "flat"), **own}
    assert facts(seen(flat, bad=own))["bad"] == (
        "flat: Fp1, B: ref, C3, C4; at a rail: Cz; no numbers: O2"
    )
    assert bad_channels(seen(flat, ok())) == {}
    assert bad_channels(seen(abstain("no sample for 1 s", code="stalled"))) == {}


def test_channels_that_a_refused_stream_lacks_are_not_bad() -> None:
    refused = abstain("missing channel Cz", code="contract", channels=("Cz",))
    assert bad_channels(seen(refused)) == {}


def test_words_that_look_like_channels_are_not_read() -> None:
    assert bad_channels(seen(abstain("channel Fp1: flat for 1 s or longer"))) == {}


def test_classes_come_in_the_contracts_order() -> None:
    assert classes_of(seen()) == CLASSES
    assert classes_of(seen(ok(), said=None)) == ("rest", "left")
    assert classes_of(seen(said=None)) == ()


def test_times_are_short() -> None:
    assert [ago(s) for s in (-1, 5.4, 119, 121, 3723)] == [
        "0 s", "5 s", "119 s", "2 min 01 s", "1 h 2 min"
    ]  # fmt: skip
    assert [milliseconds(m) for m in (0.5, 3.14159, 25.04, 340.2, 2210.0)] == [
        "0.500 ms", "3.14 ms", "25.0 ms", "340 ms", "2.2 s"
    ]  # fmt: skip


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize(
    "snapshot",
    [
        seen(ok()),
        seen(abstain("channel Fp1: flat for a long time, and a reason that goes on and on" * 3)),
        seen(daemon=LOST, said=None, traces=None, figures=NO_FIGURES),
    ],
)
def test_the_terminals_lines_fit(snapshot: Snapshot, width: int) -> None:
    plain = screen(snapshot, now=501.0, width=width, coloured=False)
    assert all(len(line) <= width and line.isprintable() for line in plain)
    assert len(plain) <= 24
    coloured = screen(snapshot, now=501.0, width=width, coloured=True)
    assert [line.count("\x1b[") % 2 for line in coloured] == [0] * len(coloured)
    assert any("\x1b[" in line for line in coloured)


def test_the_terminal_marks_the_decision_not_by_colour_alone() -> None:
    lines = screen(seen(ok()), now=501.0, width=80, coloured=False)
    (decided,) = [line for line in lines if line.startswith("▶")]
    assert decided.startswith("▶ left")
    assert "75%" in decided
    assert not any(
        line.startswith("▶") for line in screen(seen(ok(), daemon=LOST), 501.0, 80, False)
    )
