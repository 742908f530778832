"""The pipeline with an engine that answers what can be computed by hand from the window."""

import itertools
from dataclasses import replace

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.contract import Contract
from daemon.decision import Decision
from daemon.encoders.architectures import channel_lstm
from daemon.encoders.fuse import fuse
from daemon.encoders.streaming import StreamingEngine
from daemon.intake import Intake
from daemon.pick import pick_for
from daemon.pipeline import Pipeline
from daemon.reasons import Code, Reason
from daemon.records import Chunk, Float32, Prediction, StreamDescription
from daemon.ring import Ring

RATE, WINDOW = 100.0, 50


class Fingerprint:
    """Answers (p, 1 - p) with p depending on the place of every sample in the window."""

    def __init__(self) -> None:
        self.blocks: list[int] = []
        self.caught_up = 0
        self.restart()

    def restart(self) -> None:
        self.ring = Ring(1, WINDOW, np.float32)

    def feed(self, block: Float32, answer: bool) -> Float32 | None:
        self.blocks.append(len(block))
        self.ring.push(block)
        return fingerprint(self.ring.window()[0]) if answer else None

    def catch_up(self) -> None:
        self.caught_up += 1


def fingerprint(window: np.ndarray) -> np.ndarray:
    p = (np.sin(window.astype(np.float64)) * np.arange(WINDOW)).sum() / WINDOW**2 + 0.5
    return np.array([p, 1 - p], np.float32)


POWER = {"bandpower": {"bands": [[10, 20]], "smooth": 0.1, "rate": 25}}


def intake(
    hop: int,
    channels: tuple[str, ...] = ("Cz",),
    rate: float = RATE,
    more: tuple[dict[str, object], ...] = (),
) -> Intake:
    steps = (*(() if rate == RATE else ({"resample": True},)), *more)
    contract = Contract.model_validate(
        {
            "sample_rate": RATE,
            "window": WINDOW,
            "channels": channels,
            "classes": ("a", "b"),
            "conditioning": steps,
        }
    )
    units = ("microvolts",) * len(channels)
    stream = StreamDescription("Amp", "EEG", "", "", rate, "float32", channels, units)
    return Intake(contract, pick_for(contract, stream, hop=hop), hop=hop, fill_up_to=0.1)


def build(hop: int, max_filled: float = 1.0) -> tuple[Pipeline, Fingerprint]:
    engine = Fingerprint()
    pipeline = Pipeline(
        engine=engine,
        decision=Decision(("a", "b")),
        classes=("a", "b"),
        max_filled=max_filled,
    )
    pipeline.connect(intake(hop))
    return pipeline, engine


def chunk(positions: np.ndarray) -> Chunk:
    return Chunk(np.asarray(positions, np.float32)[:, None], 3 + positions / RATE)


def run(pipeline: Pipeline, positions: np.ndarray, cuts: list[int]) -> list[Prediction]:
    edges = [0, *sorted(min(c, len(positions)) for c in cuts), len(positions)]
    predictions: list[Prediction] = []
    for start, stop in itertools.pairwise(edges):
        predictions += pipeline.feed(chunk(positions[start:stop]))
    return predictions + list(pipeline.flush())


def test_windows_of_several_samples_a_step_have_the_times_of_their_eeg() -> None:
    pipeline, _ = build(10)
    pipeline.connect(intake(10, more=(POWER,)))
    # Band powers settle in 40 samples; 50 steps are 200 samples, and 10 are 40.
    noise = np.random.default_rng(0).normal(scale=20, size=(400, 1)).astype(np.float32)
    stamps = 3 + np.arange(400) / RATE
    predictions: list[Prediction] = []
    fullness = []
    for n in range(0, 400, 20):
        predictions += pipeline.feed(Chunk(noise[n : n + 20], stamps[n : n + 20]))
        fullness.append((pipeline.fullness, pipeline.window_full))
    assert [p.status for p in predictions] == ["ok"] * 5
    np.testing.assert_allclose([p.window_start for p in predictions], stamps[40:201:40])
    np.testing.assert_allclose([p.window_end for p in predictions], stamps[239::40])
    assert fullness[10] == (220 / 240, False)
    assert fullness[11] == (1.0, True)


@settings(deadline=None)  # sample by sample, on a machine that may be busy
@given(st.integers(1, 70), st.lists(st.integers(0, 400), max_size=20))
def test_window_n_covers_its_samples_whatever_the_chunks(hop: int, cuts: list[int]) -> None:
    pipeline, engine = build(hop)
    positions = np.arange(400)
    predictions = run(pipeline, positions, cuts)
    assert len(predictions) == (400 - WINDOW) // hop + 1
    for n, prediction in enumerate(predictions):
        covered = positions[n * hop : n * hop + WINDOW]
        assert prediction.sequence == n
        assert prediction.status == "ok"
        assert prediction.probabilities is not None
        assert list(prediction.probabilities) == ["a", "b"]
        assert [*prediction.probabilities.values()] == fingerprint(covered).tolist()
        assert prediction.window_start == 3 + covered[0] / RATE
        assert prediction.window_end == 3 + covered[-1] / RATE
        assert prediction.filled == 0
    assert max(engine.blocks) <= hop
    assert sum(engine.blocks) == 400
    assert pipeline.counts.samples == 400
    assert pipeline.counts.ok == len(predictions)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 500), st.integers(1, 40)), max_size=3),
    st.lists(st.integers(0, 600), max_size=20),
)
def test_gaps_give_the_same_predictions_whatever_the_chunks(
    gaps: list[tuple[int, int]], cuts: list[int]
) -> None:
    keep = np.ones(600, bool)
    for at, length in gaps:
        keep[at : at + length] = False
    positions = np.arange(600)[keep]
    whole = run(build(7)[0], positions, [])
    assert run(build(7)[0], positions, cuts) == whole
    assert run(build(7)[0], positions, list(range(600))) == whole


def test_a_long_gap_restarts_the_window_and_sequence_goes_on() -> None:
    pipeline, _ = build(hop=10)
    positions = np.concatenate([np.arange(100), np.arange(200, 300)])
    predictions = run(pipeline, positions, [])
    ends = [round((p.window_end - 3) * RATE) for p in predictions]
    assert ends == [49, 59, 69, 79, 89, 99, 99, 249, 259, 269, 279, 289, 299]
    assert [p.sequence for p in predictions] == list(range(13))
    assert [p.reason for p in predictions] == [
        *[None] * 6,
        "100 samples (1 s) are missing: the window starts over",
        *[None] * 6,
    ]
    assert [p.code for p in predictions] == [*[None] * 6, Code.GAP, *[None] * 6]
    assert pipeline.counts.restarts == 2
    assert pipeline.gaps == 1


def test_a_filled_window_says_how_much_and_abstains_beyond_the_limit() -> None:
    positions = np.delete(np.arange(300), slice(120, 125))
    pipeline, _ = build(hop=10, max_filled=0.05)
    predictions = run(pipeline, positions, [])
    filled = [p.filled for p in predictions]
    assert set(filled) == {0.0, 0.1}
    assert all((p.status == "abstain") == (p.filled > 0.05) for p in predictions)
    abstained = next(p for p in predictions if p.status == "abstain")
    assert abstained.reason == "10.0% of the window was missing and is filled, more than 5.0%"
    assert (abstained.code, abstained.channels) == (Code.FILLED, ())
    assert abstained.label is None
    assert abstained.probabilities is None
    assert pipeline.counts.filled == 5
    assert pipeline.counts.abstained == filled.count(0.1)
    assert pipeline.counts.abstentions[Code.FILLED] == filled.count(0.1)


def test_one_nan_abstains_only_the_windows_that_hold_it() -> None:
    pipeline, engine = build(hop=10)
    bad = chunk(np.arange(300))
    bad.samples[120] = np.nan
    predictions = list(pipeline.feed(bad))
    holding = [p.sequence * 10 <= 120 < p.sequence * 10 + WINDOW for p in predictions]
    assert [p.status == "abstain" for p in predictions] == holding
    assert any(holding)
    assert not all(holding)
    assert predictions[10].reason == "channel Cz: values that are not finite numbers"
    assert (predictions[10].code, predictions[10].channels) == (Code.NOT_FINITE, ("Cz",))
    assert np.isfinite(engine.ring.window()).all()


def test_what_an_engine_puts_off_is_done_after_the_last_answer_was_taken() -> None:
    pipeline, engine = build(hop=10)
    answers = pipeline.feed(chunk(np.arange(WINDOW + 10)))
    assert [engine.caught_up for _ in answers] == [0, 0]
    assert engine.caught_up == 1
    pipeline.follow(chunk(np.arange(WINDOW + 10, WINDOW + 20)))
    assert engine.caught_up == 2


@pytest.mark.parametrize("bad", [np.nan, np.inf, -3e38])
def test_one_bad_value_leaves_no_trace_in_a_running_state(bad: float) -> None:
    """A window that holds it abstains; every other one is what it would have been, bit by bit."""
    keras.utils.set_random_seed(0)
    engine = StreamingEngine(fuse(channel_lstm(WINDOW, 3, units=(7, 5))), WINDOW, 7, "/CPU:0")
    eeg = np.random.default_rng(0).normal(scale=20, size=(300, 3)).astype(np.float32)
    stamps = np.arange(300) / RATE

    def classify(samples: np.ndarray) -> list[Prediction]:
        pipeline = Pipeline(
            engine=engine,
            decision=Decision(("a", "b", "c", "d", "e", "f")),
            classes=("a", "b", "c", "d", "e", "f"),
            max_filled=1.0,
        )
        pipeline.connect(intake(7, ("Fz", "Cz", "Pz")))
        predictions = []
        for start in range(0, 300, 3):
            part = slice(start, start + 3)
            predictions += pipeline.feed(Chunk(samples[part], stamps[part]))
        return predictions

    expected = classify(eeg)
    eeg[123, 1] = bad
    found = classify(eeg)
    assert {p.status for p in expected} == {"ok"}
    for n, (one, other) in enumerate(zip(found, expected, strict=True)):
        if n * 7 <= 123 < n * 7 + WINDOW:
            assert one.status == "abstain"
            assert one.channels == ("Cz",)
        else:
            assert one == other


def test_newest_only_answers_one_window_and_counts_the_rest() -> None:
    pipeline, engine = build(hop=10)
    assert [p.sequence for p in pipeline.feed(chunk(np.arange(100)), newest_only=True)] == [5]
    assert pipeline.counts.skipped == 5
    (following,) = pipeline.feed(chunk(np.arange(100, 110)), newest_only=True)
    assert following.sequence == 6
    assert following.probabilities is not None
    assert [*following.probabilities.values()] == fingerprint(np.arange(60, 110)).tolist()
    assert sum(engine.blocks) == 110


def test_an_abstention_between_windows_starts_a_new_timeline() -> None:
    pipeline, _ = build(hop=10)
    list(pipeline.feed(chunk(np.arange(77))))
    silent = Reason(Code.STALLED, "no sample for 1 s")
    said = pipeline.abstain(silent, now=99.0)
    assert (said.status, said.reason, said.sequence) == ("abstain", "no sample for 1 s", 3)
    assert (said.code, said.channels) == ("stalled", ())
    assert said.window_end == 3 + 76 / RATE
    assert said.window_start == 3 + 27 / RATE
    assert not pipeline.window_full
    again = pipeline.abstain(silent, now=99.0)
    assert (again.window_start, again.window_end) == (99.0, 99.0)
    (first, *_) = pipeline.feed(chunk(np.arange(1000, 1060)))
    assert round((first.window_end - 3) * RATE) == 1049


def test_an_output_that_is_not_finite_abstains(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline, engine = build(hop=50)
    monkeypatch.setattr(engine, "feed", lambda block, answer: np.array([np.nan, 1], np.float32))
    (said,) = pipeline.feed(chunk(np.arange(50)))
    assert (said.status, said.reason) == ("abstain", "the model's output is not finite")
    assert said.code is Code.MODEL_OUTPUT


def test_a_new_estimate_of_the_clock_offset_moves_stamps_and_no_samples() -> None:
    """At 100 Hz each step of it is a period and a half: as large as a gap."""
    pipeline, engine = build(hop=10)
    predictions = []
    for n, start in enumerate(range(0, 400, 40)):
        part = chunk(np.arange(start, start + 40))
        offset = 0.015 * (n % 2)
        predictions += pipeline.feed(Chunk(part.samples, part.stamps, offset))
    assert pipeline.gaps == 0
    assert len(predictions) == (400 - WINDOW) // 10 + 1
    assert sum(engine.blocks) == 400
    last = predictions[-1]
    assert last.window_end == 3 + 399 / RATE + 0.015


def test_a_clock_that_steps_back_within_a_window_makes_it_abstain() -> None:
    """By less than a second, which the timeline knows only seconds later."""
    pipeline, _ = build(hop=10)
    stepped = chunk(np.arange(200))
    stepped.stamps[120:] -= 0.9
    codes = [p.code for p in pipeline.feed(stepped)]
    across = [n * 10 < 120 <= n * 10 + WINDOW - 1 for n in range(len(codes))]
    assert codes == [Code.CLOCK_STEPPED_BACK if stepped else None for stepped in across]


def test_a_clock_that_steps_far_back_restarts_the_window() -> None:
    pipeline, _ = build(hop=10)
    stepped = chunk(np.arange(600))
    stepped.stamps[420:] -= 3600
    predictions = list(pipeline.feed(stepped))
    (said,) = [p for p in predictions if p.status == "abstain"]
    assert said.reason == "the clock stepped back by 3.6e+03 s: the window starts over"
    assert said.code is Code.CLOCK_STEPPED_BACK
    assert said.window_end == stepped.stamps[419]
    assert [p.window_start for p in predictions if p.status == "ok"] == [
        stepped.stamps[n] for n in (*range(0, 371, 10), *range(420, 551, 10))
    ]
    assert pipeline.counts.restarts == 2
    assert (pipeline.gaps, pipeline.back_steps) == (0, 1)


@settings(deadline=None)
@given(st.sampled_from([0.51, 0.98, 1.02, 2.0]), st.lists(st.integers(0, 600), max_size=20))
def test_a_stream_with_another_rate_makes_every_window_abstain(
    speed: float, cuts: list[int]
) -> None:
    pipeline, _ = build(hop=10)
    stamps = 3 + np.arange(600) / (RATE * speed)
    predictions: list[Prediction] = []
    for start, stop in itertools.pairwise([0, *sorted(cuts), 600]):
        part = np.arange(start, stop)
        predictions += pipeline.feed(Chunk(part[:, None].astype(np.float32), stamps[part]))
    said = f"the stream runs at {100 * speed:g} Hz, not at 100 Hz"
    # Windows of half a second are over before the rate can be known from two.
    assert len(predictions) == 56
    assert [p.reason for p in predictions[16:]] == [said] * 40
    assert {p.code for p in predictions[16:]} == {Code.OFF_RATE}
    assert pipeline.rate_is_off
    assert pipeline.effective_rate == pytest.approx(RATE * speed)


def test_a_window_abstains_as_long_as_it_holds_samples_of_another_rate() -> None:
    """The stream runs at the right rate again from its tenth second on."""
    pipeline, _ = build(hop=50)
    period = np.where(np.arange(3000) < 500, 0.02, 0.01)
    stamps = 3 + np.cumsum(period)
    samples = np.arange(3000, dtype=np.float32)[:, None]
    predictions = list(pipeline.feed(Chunk(samples, stamps)))
    reasons = [p.reason for p in predictions]
    assert pipeline.gaps == 0
    assert any(reasons[:12])
    assert reasons[-20:] == [None] * 20


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(10, 70))
def test_a_pipeline_that_followed_answers_like_one_that_was_fed(followed: int, hop: int) -> None:
    """And counts on from the one whose place it takes."""
    positions = np.arange(400)
    fed, follower = build(hop)[0], build(hop)[0]
    fed.abstain(Reason(Code.STALLED, "it has a past"), 0.0)
    first = list(fed.feed(chunk(positions[:followed])))
    follower.follow(chunk(positions[:followed]))
    assert follower.counts.ok == 0
    follower.continue_from(fed)
    assert (follower.counts.ok, follower.counts.abstained) == (len(first), 1)
    rest = list(follower.feed(chunk(positions[followed:])))
    alone = run(build(hop)[0], positions, [])
    assert first + rest == [replace(one, sequence=one.sequence + 1) for one in alone]
    assert follower.counts.samples == 400
    assert follower.fullness == 1


@pytest.mark.parametrize("rate", [50.0, 200.0, 250.0])
def test_windows_of_a_resampled_stream_are_those_of_its_samples(rate: float) -> None:
    """Their times, and the share that is filled, as if nothing had been resampled."""
    pipeline, engine = build(hop=10)
    pipeline.connect(intake(10, rate=rate))
    window, hop = int(WINDOW * rate / RATE), int(10 * rate / RATE)
    kept = np.delete(np.arange(20 * window), slice(5 * window, 5 * window + 3))
    samples = np.sin(kept)[:, None].astype(np.float32)
    whole = list(pipeline.feed(Chunk(samples, 3 + kept / rate)))
    assert [p.sequence for p in whole] == list(range(19 * window // hop + 1))
    starts = np.arange(len(whole)) * hop
    ends = starts + window - 1
    np.testing.assert_allclose([p.window_start for p in whole], 3 + starts / rate)
    np.testing.assert_allclose([p.window_end for p in whole], 3 + ends / rate)
    missing = np.isin(np.arange(20 * window), kept, invert=True)
    filled = [missing[start : start + window].mean() for start in starts]
    np.testing.assert_allclose([p.filled for p in whole], filled)
    assert (pipeline.counts.samples, pipeline.counts.filled) == (len(kept), 3)
    assert sum(engine.blocks) == 20 * WINDOW


def test_gaps_and_steps_back_are_counted_on_from_stream_to_stream() -> None:
    pipeline, _ = build(hop=10)
    with_gap = np.delete(np.arange(400), slice(120, 125))
    for connection in (1, 2):
        run(pipeline, with_gap, [])
        assert pipeline.gaps == connection
        pipeline.connect(intake(10))
        assert pipeline.gaps == connection
        assert np.isnan(pipeline.effective_rate)
    reloaded, _ = build(hop=10)
    reloaded.continue_from(pipeline)
    assert reloaded.gaps == 2
    run(reloaded, with_gap, [])
    assert reloaded.gaps == 3
