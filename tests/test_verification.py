"""Sessions that the pipeline itself publishes, recorded as a lab's recorder would, then checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.contract import Contract
from daemon.decision import Decision
from daemon.intake import Intake
from daemon.offline.runs import settling
from daemon.offline.session import Session, Track
from daemon.offline.tracks import disagreements
from daemon.offline.verification import Verifier
from daemon.offline.verification_report import Abstained, Findings
from daemon.pick import pick_for
from daemon.pipeline import Pipeline
from daemon.reasons import Code, Reason
from daemon.recordings.recording import Recording
from daemon.records import Chunk, Float32, Prediction, StreamDescription
from daemon.ring import Ring

RATE, WINDOW, HOP = 100.0, 50, 10
AHEAD = 500.0  # seconds that the daemon's clock is ahead of the amplifier's
CLASSES = ("a", "b")
STREAM = StreamDescription("Amp", "EEG", "", "", RATE, "float32", ("Cz",), ("microvolts",))
FILTERS = [{"highpass": 5}, {"notch": 20}]
SILENT = Reason(Code.STALLED, "no sample for 1 s")
POWER = [{"bandpower": {"bands": [[10, 20]], "smooth": 0.1, "rate": 25}}]


class Fingerprint:
    """Answers (p, 1 - p) with p depending on the place of every sample in the window."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.ring = Ring(1, WINDOW, np.float32)

    def feed(self, block: Float32, answer: bool) -> Float32 | None:
        self.ring.push(block)
        if not answer:
            return None
        window = self.ring.window()[0].astype(np.float64)
        p = (np.sin(window / 20) * np.arange(WINDOW)).sum() / WINDOW**2 + 0.5
        return np.array([p, 1 - p], np.float32)

    def catch_up(self) -> None: ...


@dataclass
class Lab:
    """An amplifier's samples with their stamps, and a daemon that hears some of them."""

    conditioning: Sequence[dict[str, Any]] = ()
    samples: int = 2000
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        random = np.random.default_rng(8)
        self.contract = Contract(
            sample_rate=RATE,
            window=WINDOW,
            channels=("Cz",),
            classes=CLASSES,
            conditioning=self.conditioning,
        )
        self.pick = pick_for(self.contract, STREAM, hop=HOP)
        self.eeg = random.normal(scale=30, size=(self.samples, 1)).astype(np.float32)
        self.stamps = 7 + np.arange(self.samples) / RATE
        self.said: list[Prediction] = []
        self.pipeline = self.daemon()

    def daemon(self) -> Pipeline:
        pipeline = Pipeline(
            engine=Fingerprint(),
            decision=Decision(CLASSES, threshold=0.5, smoothing=self.smoothing),
            classes=CLASSES,
            max_filled=0.2,
        )
        pipeline.connect(self.intake())
        return pipeline

    def intake(self) -> Intake:
        return Intake(self.contract, self.pick, hop=HOP, fill_up_to=0.1)

    def hear(self, *samples: int, newest_only: bool = False) -> None:
        block = np.arange(self.samples)[slice(*samples)]
        chunk = Chunk(self.eeg[block], self.stamps[block], AHEAD)
        self.said += self.pipeline.feed(chunk, newest_only=newest_only)

    def silence(self, reason: Reason = SILENT) -> None:
        self.said += self.pipeline.flush()
        self.said.append(self.pipeline.abstain(reason, self.stamps[-1] + AHEAD))

    def lose(self) -> None:
        """The stream is lost, and connected to anew."""
        self.silence(Reason(Code.STREAM_LOST, "stream was lost"))
        self.pipeline.connect(self.intake())

    def recorded(self, keep: np.ndarray | slice = slice(None), noise: float = 0.0) -> Session:
        stamps = self.stamps[keep]
        told = [p for p in self.said if p.probabilities]
        spans = np.array([[p.window_start, p.window_end] for p in self.said]) - AHEAD
        return Session(
            eeg=Recording(Path("s.xdf"), STREAM, self.eeg[keep], stamps, stamps, ()),
            name="Out",
            said={},
            predictions=tuple(self.said),
            spans=spans + np.random.default_rng(2).uniform(-noise, noise, (len(spans), 1)),
            probabilities=Track(
                "Out-probabilities",
                np.array([p.window_end for p in told]),
                np.array([[*(p.probabilities or {}).values()] for p in told], np.float32),
            ),
            codes=Track(
                "Out-codes",
                np.array([p.window_end for p in self.said]),
                np.array(
                    [[0 if p.label is None else CLASSES.index(p.label) + 1] for p in self.said]
                ),
            ),
        )

    def verified(self, session: Session) -> Findings:
        decision = Decision(CLASSES, threshold=0.5)
        verifier = Verifier(
            session,
            self.daemon(),
            rate=RATE,
            hop=HOP / self.contract.step_rate,
            lead=self.intake().lead,
            settle=settling(self.contract, self.pick),
            label=None
            if self.smoothing
            else lambda said: decision.label(np.array([*said.values()]), 0.0),
            tolerance=1e-5,
        )
        return Findings(tuple(verifier.checks()), disagreements(session, CLASSES), 1e-5)

    def check(self, **how: Any) -> Findings:
        return self.verified(self.recorded(**how))


def outcomes(found: Findings) -> dict[str, int]:
    return dict(Counter(check.outcome for check in found.checks))


@pytest.mark.parametrize("conditioning", [(), FILTERS])
def test_what_was_published_comes_out_again(conditioning: list[dict[str, Any]]) -> None:
    lab = Lab(conditioning)
    lab.hear(0, 2000)
    found = lab.check(noise=0.4 / RATE)
    assert outcomes(found) == {"recomputed": 196}
    assert [check.difference for check in found.checks] == [0.0] * 196
    assert {check.label for check in found.checks} == {True}
    assert found.faults() == []


def test_windows_of_band_powers_come_out_again_wherever_their_run_is_known_to_begin() -> None:
    lab = Lab(POWER)
    lab.hear(0, 700)
    lab.lose()
    lab.hear(703, 2000)
    # 40 samples until settled; then windows of 200, 40 apart, and the abstention between.
    windows = (700 - 40 - 200) // 40 + 1, (1297 - 40 - 200) // 40 + 1
    found = lab.check(noise=0.4 / RATE)
    assert outcomes(found) == {"recomputed": sum(windows), "connection": 1}
    assert [check.difference for check in found.checks if check.outcome == "recomputed"] == [
        0.0
    ] * sum(windows)
    assert found.faults() == []


def test_band_powers_are_judged_once_their_filters_have_forgotten_an_unknown_begin() -> None:
    lab = Lab(POWER)
    lab.hear(0, 2000)
    found = lab.check(keep=slice(210, 2000))
    settled = settling(lab.contract, lab.pick)
    assert 20.7 * 0.1 < settled < 4
    judged = [n for n in range(45) if 40 + 40 * n >= 210 + 100 * settled]
    assert outcomes(found)["recomputed"] >= len(judged) - 1
    assert found.worst is not None
    assert found.worst.difference < 1e-6
    assert found.faults() == []


def test_one_changed_probability_is_found() -> None:
    lab = Lab()
    lab.hear(0, 2000)
    session = lab.recorded()
    said = list(session.predictions)
    a, b = (said[40].probabilities or {}).values()
    said[40] = replace(said[40], probabilities={"a": a + 2e-5, "b": b})
    found = lab.verified(replace(session, predictions=tuple(said)))
    assert found.differing == [40]
    assert found.worst is not None
    assert (found.worst.sequence, found.worst.difference) == (40, pytest.approx(2e-5))
    # The other stream still has the true one.
    assert found.streams == {"probabilities": 1, "codes": 0}
    assert found.faults()[0] == "prediction 40 differ by more than 1e-05"


def test_a_changed_label_code_or_verdict_is_found() -> None:
    lab = Lab()
    lab.hear(0, 2000)
    session = lab.recorded()
    said = list(session.predictions)
    said[10] = replace(said[10], label="a" if said[10].label == "b" else "b")
    said[20] = replace(said[20], status="abstain", reason="made up", probabilities=None, label=None)
    assert session.codes is not None
    session.codes.values[30] = 3 - session.codes.values[30]
    found = lab.verified(replace(session, predictions=tuple(said)))
    assert found.mislabelled == [10]
    assert [check.sequence for check in found.checks if check.outcome == "contradicted"] == [20]
    assert found.streams == {"probabilities": 1, "codes": 3}
    assert len(found.faults()) == 4


def test_a_stream_that_was_lost_while_it_was_recorded_is_found() -> None:
    lab = Lab(samples=20_000)
    lab.hear(None)
    whole = lab.recorded()
    assert whole.probabilities is not None
    assert whole.codes is not None
    cut = 3
    session = replace(
        whole,
        probabilities=replace(
            whole.probabilities,
            stamps=whole.probabilities.stamps[:cut],
            values=whole.probabilities.values[:cut],
        ),
        codes=replace(
            whole.codes, stamps=whole.codes.stamps[-cut:], values=whole.codes.values[-cut:]
        ),
    )
    missing = disagreements(session, CLASSES)
    # Within seconds of the end, or the beginning, one stream may have been recorded longer.
    at = whole.codes.stamps
    assert missing["probabilities"] == ((at > at[cut - 1]) & (at < at[-1] - 5.0)).sum() > 1900
    assert missing["codes"] == ((at > at[0] + 5.0) & (at < at[-cut])).sum() > 1900


def test_missing_numbers_are_named_and_the_others_still_checked() -> None:
    lab = Lab(FILTERS)
    lab.hear(0, 2000)
    del lab.said[100:103], lab.said[50]
    found = lab.check()
    assert found.missing == [(50, 50), (100, 102)]
    assert outcomes(found) == {"recomputed": 192}
    assert found.faults() == ["4 missing (50, 100 to 102)"]


def test_windows_that_begin_before_the_recording_or_end_after_it_are_counted() -> None:
    lab = Lab()
    lab.hear(0, 2000)
    found = lab.check(keep=slice(205, 1503))
    assert outcomes(found) == {"before": 21, "recomputed": 125, "after": 50}
    assert found.worst is not None
    assert found.worst.difference == 0.0
    assert found.faults() == []


def test_a_run_that_began_before_the_recording_is_judged_once_filters_have_forgotten() -> None:
    lab = Lab(FILTERS)
    lab.hear(0, 2000)
    session = lab.recorded(slice(205, None))
    assert settling(lab.contract, lab.pick) < 11
    found = lab.verified(session)
    assert outcomes(found).keys() == {"before", "unsettled", "recomputed"}
    assert found.worst is not None
    assert (found.worst.difference or 0.0) < 1e-6
    assert found.faults() == []
    said = list(session.predictions)
    for n in (22, 180):  # one too early to be judged, and one that is not
        said[n] = replace(said[n], probabilities={"a": 0.25, "b": 0.75})
    found = lab.verified(replace(session, predictions=tuple(said)))
    assert found.differing == [180]


def test_samples_that_the_recorder_lost_are_told_from_those_that_the_daemon_lacked() -> None:
    keep = np.delete(np.arange(2000), np.r_[600:604, 1000:1100])
    lab = Lab()
    lab.hear(0, 2000)
    found = lab.check(keep=keep)
    # Four are filled in the recomputation, a hundred break it off.
    hit = sum(
        n * HOP <= last and n * HOP + WINDOW > first
        for n in range(196)
        for first, last in ((600, 603), (1000, 1099))
    )
    assert outcomes(found) == {"recomputed": 196 - hit, "lost by the recorder": hit}
    assert "had samples that the recording lacks" in found.faults()[0]

    lab = Lab()
    lab.eeg, lab.stamps, whole = lab.eeg[keep], lab.stamps[keep], (lab.eeg, lab.stamps)
    lab.samples = len(keep)
    lab.hear(0, 2000)
    assert lab.check().faults() == []  # so it was at the amplifier, and all agree
    lab.eeg, lab.stamps = whole
    found = lab.check()
    assert outcomes(found)["lost by the daemon"] == 5
    assert outcomes(found)["connection"] == 1  # where it broke off
    assert outcomes(found).keys() <= {"recomputed", "lost by the daemon", "connection"}


def test_the_rate_need_not_be_the_streams_own() -> None:
    """Where it announces none, the config does."""
    lab = Lab(FILTERS)
    lab.hear(50, 2000)
    session = lab.recorded()
    irregular = replace(session.eeg.stream, sample_rate=0.0)
    found = lab.verified(replace(session, eeg=replace(session.eeg, stream=irregular)))
    assert outcomes(found) == outcomes(lab.verified(session))
    assert found.faults() == []


def test_gaps_and_bad_samples_of_the_amplifier_are_confirmed() -> None:
    lab = Lab(FILTERS)
    lab.eeg[300:310] = np.nan
    lab.stamps[700:] += 0.05
    lab.stamps[1200:] += 1.0
    lab.hear(0, 2000)
    found = lab.check()
    assert outcomes(found).keys() == {"recomputed", "confirmed"}
    assert found.faults() == []
    gap = "100 samples (1 s) are missing: the window starts over"
    assert found.abstentions() == [
        Abstained("channel Cz: values that are not finite numbers", Code.NOT_FINITE, ("Cz",), 5, 5),
        Abstained(gap, Code.GAP, (), 1, 1),
    ]
    lines = found.text().splitlines()
    assert f"abstained      1 × gap: {gap} (the recorded EEG shows 1)" in lines


def test_a_session_from_before_there_were_codes_is_checked_by_what_it_says() -> None:
    lab = Lab()
    lab.eeg[300:310] = np.nan
    lab.hear(0, 1000)
    lab.silence()
    lab.hear(1100, 2000)
    lab.said = [replace(said, code=None, channels=()) for said in lab.said]
    found = lab.check()
    assert found.faults() == []
    assert [(one.reason, one.code, one.count, one.confirmed) for one in found.abstentions()] == [
        ("channel Cz: values that are not finite numbers", None, 5, 5),
        ("no sample for 1 s", None, 1, 0),
    ]
    assert "1 × no sample for 1 s (about the connection)" in found.text()


def test_an_abstention_for_another_reason_than_the_eeg_gives_is_found() -> None:
    lab = Lab()
    lab.eeg[300:310] = np.nan
    lab.hear(0, 2000)
    wrong = next(n for n, said in enumerate(lab.said) if said.status == "abstain")
    lab.said[wrong] = replace(lab.said[wrong], code=Code.FLAT)
    found = lab.check()
    assert [check.sequence for check in found.checks if check.outcome == "another reason"] == [
        lab.said[wrong].sequence
    ]
    assert found.faults() == [
        f"prediction {wrong} abstain for another reason than the recorded EEG gives"
    ]


def test_a_silence_that_the_eeg_shows_as_a_gap_is_no_other_reason() -> None:
    lab = Lab()
    lab.hear(0, 1000)
    lab.silence()
    lab.hear(1100, 2000)
    keep = np.delete(np.arange(2000), slice(1000, 1100))
    found = lab.check(keep=keep)
    assert outcomes(found)["confirmed"] == 1
    assert found.faults() == []
    (silent,) = found.abstentions()
    assert str(silent) == "1 × stalled: no sample for 1 s (about the connection)"


def test_a_daemon_that_fell_silent_lost_its_stream_and_was_started_again() -> None:
    lab = Lab(FILTERS)
    lab.hear(0, 333)
    lab.silence()  # and went on with the very next sample
    lab.hear(333, 777)
    lab.lose()  # and missed some of what was recorded
    lab.hear(801, 1234)
    first = lab.said
    lab.pipeline = lab.daemon()
    lab.said = []
    lab.hear(1301, 2000)
    lab.said = first + lab.said
    found = lab.check()
    assert outcomes(found) == {"recomputed": 29 + 40 + 39 + 65, "connection": 2}
    assert {check.difference for check in found.checks} == {0.0, None}
    assert (found.restarts, found.faults()) == (1, [])


def test_skipped_windows_are_missing_and_no_difference() -> None:
    lab = Lab(FILTERS)
    lab.hear(0, 500)
    lab.hear(500, 1000, newest_only=True)
    lab.hear(1000, 2000)
    found = lab.check()
    assert found.missing == [(46, 94)]
    assert outcomes(found) == {"recomputed": 147}


def test_one_stamp_for_many_samples_leaves_the_begin_to_be_found() -> None:
    lab = Lab()
    lab.stamps = 7 + (np.arange(2000) // 8 * 8 + 7) / RATE
    lab.hear(13, 700)
    lab.lose()
    lab.hear(803, 2000)
    found = lab.check()
    assert found.faults() == []
    assert outcomes(found)["recomputed"] == len(lab.said) - 1


@pytest.mark.parametrize("begin", range(600, 624))
def test_a_recording_that_begins_within_such_a_batch_is_no_difference(begin: int) -> None:
    lab = Lab()
    lab.stamps = 7 + (np.arange(2000) // 12 * 12 + 11) / RATE
    lab.hear(0, 2000)
    found = lab.check(keep=slice(begin, None))
    assert found.faults() == []
    assert outcomes(found)["recomputed"] > 120


def test_smoothed_labels_are_checked_where_their_past_is_known() -> None:
    lab = Lab(smoothing=0.3)
    lab.hear(0, 2000)
    assert Counter(check.label for check in lab.check().checks) == {True: 196}
    lab.said[120] = replace(lab.said[120], label=None)
    assert lab.check().mislabelled == [120]
    del lab.said[100]
    labels = [check.label for check in lab.check().checks]
    assert (labels[:100], set(labels[100:])) == ([True] * 100, {None})


EVENT = st.tuples(st.sampled_from(["hear", "miss", "silence", "lose"]), st.integers(1, 150))


@settings(deadline=None, max_examples=20)
@given(st.lists(EVENT, max_size=12), st.integers(0, 400), st.integers(0, 400), st.booleans())
def test_whatever_happened_what_was_published_honestly_agrees(
    events: list[tuple[str, int]], begin: int, end: int, filtered: bool
) -> None:
    """The daemon hears, misses, falls silent; the recorder begins late and ends early."""
    lab = Lab(FILTERS if filtered else ())
    at = 0
    for event, n in events:
        if event == "hear":
            lab.hear(at, at + n)
        elif event == "silence":
            lab.silence()
            n = 0
        elif event == "lose":
            lab.lose()
        at += n
    lab.hear(at, 2000)
    found = lab.check(keep=slice(begin, 2000 - end))
    assert set(outcomes(found)) <= {
        "recomputed",
        "confirmed",
        "connection",
        "before",
        "after",
        "unsettled",
        "lost by the daemon",
    }
    assert found.differing == []
    assert found.mislabelled == []
    if "lost by the daemon" not in outcomes(found) and found.worst:
        assert found.faults() == []
