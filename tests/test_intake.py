"""What training and a live run share: restarts, bad values, and windows of a resampled stream."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from daemon.conditioning import Conditioning
from daemon.contract import Contract
from daemon.errors import ContractError
from daemon.intake import Intake, Stretch
from daemon.pick import pick_for
from daemon.reasons import Code, Reason
from daemon.recordings.reading import read_recording
from daemon.records import Chunk, StreamDescription

RECORDING = Path(__file__).parents[1].parent / "shared/data/xdf/eeglab32_relayed_LSL_32ch.xdf"
CHANNELS = ("Cz", "Pz")
WINDOW, HOP = 50, 20
FILTERED = [{"highpass": 2}, {"notch": 25}, {"reference": ["M1"]}]
RESAMPLED = [{"resample": True}, *FILTERED]
POWER = {"bandpower": {"bands": [[20, 30], [25, 45]], "smooth": 0.1, "rate": 10}}
MICROVOLTS = ("microvolts",) * 3
STREAM = StreamDescription("Amp", "EEG", "", "", 100.0, "float32", ("M1", "Pz", "Cz"), MICROVOLTS)


def contract(steps: list[object], **change: object) -> Contract:
    content = {
        "sample_rate": 100.0,
        "window": WINDOW,
        "channels": list(CHANNELS),
        "classes": ["a", "b"],
        "conditioning": steps,
        **change,
    }
    return Contract.model_validate(content)


def intake(steps: list[object], rate: float = 100.0, hop: int = HOP) -> Intake:
    asked = contract(steps)
    pick = pick_for(asked, replace(STREAM, sample_rate=rate), hop=hop)
    return Intake(asked, pick, hop=hop, fill_up_to=0.1)


def eeg(n: int, offset: float = 0.0) -> np.ndarray:
    noise = np.random.default_rng(3).normal(scale=20, size=(n, 3))
    return (noise + offset).astype(np.float32)


def run(taker: Intake, samples: np.ndarray, stamps: np.ndarray, cuts: list[int]) -> list[Stretch]:
    ends = [0, *sorted({min(cut, len(samples)) for cut in cuts}), len(samples)]
    stretches: list[Stretch] = []
    for start, stop in itertools.pairwise(ends):
        stretches += taker.feed(Chunk(samples[start:stop], stamps[start:stop], 7.0))
    return stretches + list(taker.flush())


def runs(stretches: list[Stretch]) -> list[tuple[np.ndarray, np.ndarray, list[int]]]:
    """Samples and stamps between restarts, and after how many samples a window ends."""
    found: list[tuple[list[np.ndarray], list[np.ndarray], list[int]]] = []
    for stretch in stretches:
        if stretch.restart:
            found.append(([], [], []))
        found[-1][0].append(stretch.samples)
        found[-1][1].append(stretch.stamps)
        if stretch.ends_window:
            found[-1][2].append(sum(map(len, found[-1][0])))
    return [(np.concatenate(s), np.concatenate(t), ends) for s, t, ends in found]


def test_samples_are_picked_then_conditioned_and_stamped() -> None:
    samples, stamps = eeg(200), 3 + np.arange(200) / 100
    ((found, times, ends),) = runs(run(intake(FILTERED), samples, stamps, []))
    steps = contract(FILTERED).conditioning
    alone = Conditioning(steps, 100.0, ("Cz", "Pz", "M1"), 2)
    np.testing.assert_array_equal(found, alone.apply(samples[:, [2, 1, 0]])[0])
    np.testing.assert_array_equal(times, stamps + 7)
    assert ends == list(range(WINDOW, 201, HOP))


@pytest.mark.parametrize("rate", [50.0, 80.0, 200.0, 250.0, 320.0, 1000.0])
def test_windows_of_a_resampled_stream_end_with_its_samples(rate: float) -> None:
    seconds = 4
    stamps = 3 + np.arange(int(seconds * rate)) / rate
    taker = intake([{"resample": True}], rate)
    stretches = run(taker, eeg(len(stamps)), stamps, [])
    ((found, times, ends),) = runs(stretches)
    assert len(found) == len(times) == seconds * 100
    assert ends == list(range(WINDOW, seconds * 100 + 1, HOP))
    assert taker.window == WINDOW * rate / 100
    last = [s.received[-1] - 7 for s in stretches if s.ends_window]
    np.testing.assert_allclose(last, 3 + np.array(ends) / 100 - 1 / rate)
    assert [s.stamps[-1] for s in stretches if s.ends_window] == [t + 7 for t in last]
    # A sample's stamp is the newest one's in it: less than a period of either before its place.
    late = 3 + 7 + np.arange(1, len(times) + 1) / 100 - times
    assert late.min() > 0
    assert late.max() < 1 / rate + 0.01


@pytest.mark.parametrize("rate", [100.0, 80.0, 320.0])
def test_windows_of_band_powers_begin_when_these_have_settled(rate: float) -> None:
    asked = contract([{"resample": True}, POWER], window=6)
    pick = pick_for(asked, replace(STREAM, sample_rate=rate), hop=4)
    taker = Intake(asked, pick, hop=4, fill_up_to=0.1)
    stamps = 3 + np.arange(int(8 * rate)) / rate
    stretches = run(taker, eeg(len(stamps)), stamps, [])
    ((found, times, ends),) = runs(stretches)
    # 1 / (30 - 20) + 3 · 0.1 seconds, in whole steps of 0.1 s.
    assert (taker.lead, taker.window) == (0.4 * rate, 0.6 * rate)
    assert ends == [6, 10, 14, 18, 22, 26, 30, 34, 38, 42, 46, 50, 54, 58, 62, 66, 70, 74]
    assert found.shape == (76, 4)
    # A step has the stamp of its last sample, and a window ends with a step.
    np.testing.assert_allclose(times, 10 + 0.5 + 0.1 * np.arange(76) - 1 / rate)
    last = [stretch for stretch in stretches if stretch.ends_window]
    assert [s.stamps[-1] for s in last] == [s.received[-1] for s in last]


def test_what_came_before_the_first_window_is_not_judged_but_held_to_be_a_voltage() -> None:
    asked = contract([POWER], window=6)
    samples = eeg(400)
    samples[20, 2] = np.nan  # while band powers settle
    samples[22:25, 1] = 5e5
    samples[350, 0] = np.nan  # of M1, which is not picked
    taker = Intake(asked, pick_for(asked, STREAM, hop=6), hop=6, fill_up_to=0.1)
    stretches = run(taker, samples, np.arange(400) / 100, [])
    assert {stretch.fault for stretch in stretches} == {None}
    assert all(np.isfinite(stretch.samples).all() for stretch in stretches)
    samples[130, 2] = np.nan  # in the second window, which begins after 0.4 + 0.6 s
    taker = Intake(asked, pick_for(asked, STREAM, hop=6), hop=6, fill_up_to=0.1)
    faults = [s.fault for s in run(taker, samples, np.arange(400) / 100, []) if s.ends_window]
    assert [fault and (fault.code, fault.channels) for fault in faults] == [
        None,
        (Code.NOT_FINITE, ("Cz",)),
        *[None] * 4,
    ]


@settings(deadline=None, max_examples=20)
@given(
    st.sampled_from(
        [
            (FILTERED, 100.0),
            (RESAMPLED, 80.0),
            (RESAMPLED, 320.0),
            ([POWER], 100.0),
            ([{"resample": True}, POWER], 80.0),
            ([{"decimate": 20}], 100.0),
        ]
    ),
    st.lists(st.tuples(st.integers(1, 300), st.integers(1, 60)), max_size=3),
    st.lists(st.integers(0, 400), max_size=20),
)
def test_any_chunks_give_the_same(
    how: tuple[list[object], float], gaps: list[tuple[int, int]], cuts: list[int]
) -> None:
    steps, rate = how
    keep = np.ones(400, bool)
    for at, length in gaps:
        keep[at : at + length] = False
    samples, stamps = eeg(400, offset=1000)[keep], (3 + np.arange(400) / rate)[keep]
    whole = run(intake(steps, rate), samples, stamps, [])
    for pieces in (cuts, list(range(400))):
        for one, other in zip(
            runs(run(intake(steps, rate), samples, stamps, pieces)), runs(whole), strict=True
        ):
            for part, same in zip(one, other, strict=True):
                np.testing.assert_array_equal(part, same)


def test_a_gap_that_is_too_long_restarts_and_forgets_all() -> None:
    samples, stamps = eeg(1280, offset=1e4), np.arange(1280) / 320
    kept = np.r_[0:500, 600:1280]
    first, second = runs(run(intake(RESAMPLED, 320.0), samples[kept], stamps[kept], []))
    ((alone, _, _),) = runs(run(intake(RESAMPLED, 320.0), samples[600:], stamps[600:], []))
    assert len(first[0]) == 500 * 100 // 320
    np.testing.assert_array_equal(second[0], alone)


def test_a_restart_that_was_asked_for_forgets_all() -> None:
    taker = intake(RESAMPLED, 320.0)
    samples, stamps = eeg(640, offset=1e4), np.arange(640) / 320
    first = runs(run(taker, samples, stamps, [77]))
    run(taker, eeg(33, offset=-1e4), 3 + np.arange(33) / 320, [])
    taker.restart()
    again = runs(run(taker, samples, stamps, []))
    for one, other in zip(first[0][:2], again[0][:2], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -3e38])
@pytest.mark.parametrize("column", [0, 2])
def test_a_value_that_is_no_voltage_is_no_step_for_a_filter(bad: float, column: int) -> None:
    """Beside an offset of 100 mV; in the reference, which the model does not take, as well."""
    samples, stamps = eeg(600, offset=1e5), np.arange(600) / 100
    clean = runs(run(intake(FILTERED), samples, stamps, []))[0][0]
    samples[200:202, column] = bad
    stretches = run(intake(FILTERED), samples, stamps, [198, 200, 201, 202])
    found = runs(stretches)[0][0]
    uncut = runs(run(intake(FILTERED), samples, stamps, []))[0][0]
    np.testing.assert_array_equal(found, uncut)
    np.testing.assert_array_equal(found[:200], clean[:200])
    assert np.abs(found - clean).max() < 200  # as large as what EEG does in one sample
    assert np.abs(found - clean)[400:].max() < 0.1  # two seconds later
    held = [n * HOP <= 201 and n * HOP + WINDOW > 200 for n in range((600 - WINDOW) // HOP + 1)]
    faults = [stretch.fault for stretch in stretches if stretch.ends_window]
    assert [fault is not None for fault in faults] == held
    assert str(next(filter(None, faults))).startswith(f"channel {STREAM.labels[column]}: ")


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.integers(0, 300), min_size=3, max_size=3),
    st.lists(st.integers(0, 400), max_size=20),
)
def test_the_window_starts_over_once_every_channel_has_a_voltage(
    mute: list[int], cuts: list[int]
) -> None:
    """Beside an offset of 100 mV; in the reference, which the model does not take, as well."""
    samples, stamps = eeg(400, offset=1e5), np.arange(400) / 100
    for column, n in enumerate(mute):
        samples[:n, column] = np.nan
    samples[350, 1] = np.nan
    start = max(mute)
    stretches = run(intake(FILTERED), samples, stamps, cuts)
    whys = [stretch.why for stretch in stretches if stretch.restart]
    late = Reason(
        Code.NO_VOLTAGE,
        "not every channel had a voltage until now: the window starts over",
        tuple(label for label, n in zip(("Cz", "Pz", "M1"), reversed(mute), strict=True) if n),
    )
    assert whys == ([None, late] if start else [None])
    found = runs(stretches)
    assert sum(len(part[0]) for part in found) == 400
    alone = runs(run(intake(FILTERED), samples[start:], stamps[start:], []))[0]
    for part, same in zip(found[-1], alone, strict=True):
        np.testing.assert_array_equal(part, same)
    assert np.abs(alone[0]).max() < 200  # nothing of the offset
    # Nothing that ended before could have been answered.
    ended = [stretch for stretch in stretches if stretch.ends_window]
    assert all(one.fault for one in ended[: len(ended) - len(alone[2])])


@pytest.mark.parametrize("cuts", [[], [10, 215], list(range(400))])
def test_a_restart_names_the_channels_that_had_no_voltage_since_the_one_before(
    cuts: list[int],
) -> None:
    samples, stamps = eeg(400), np.arange(400) / 100
    stamps[200:] += 1
    samples[:20, 0] = samples[200:220, 1] = samples[350, 0] = np.nan
    samples[210:230, 2] = np.nan
    whys = [one.why for one in run(intake(FILTERED), samples, stamps, cuts) if one.restart]
    assert [why and (why.code, why.channels) for why in whys] == [
        None,
        (Code.NO_VOLTAGE, ("M1",)),
        (Code.GAP, ()),
        (Code.NO_VOLTAGE, ("Cz", "Pz")),
    ]


def test_a_channel_that_never_has_a_voltage_restarts_nothing() -> None:
    samples, stamps = eeg(400), np.arange(400) / 100
    samples[:, 0] = np.nan
    samples[:50, 1] = np.nan
    stretches = run(intake(FILTERED), samples, stamps, list(range(0, 400, 7)))
    assert [stretch.restart for stretch in stretches].count(True) == 1
    assert all(stretch.fault for stretch in stretches if stretch.ends_window)


@pytest.mark.parametrize(
    ("rate", "change", "part"),
    [
        (128.0, {}, "window.hop 20 at 100 Hz is no whole number of samples; a hop of 25 is"),
        (512.0, {"window": 51}, "the model's window, 51 steps at 100 Hz, is no whole number"),
        (0.0, {}, "irregular"),
        (0.01, {}, "no ratio of whole numbers up to 1000"),
        (1e6, {}, "no ratio of whole numbers up to 1000"),
        (float("inf"), {}, "the model needs 100 Hz"),
        (float("nan"), {}, "the model needs 100 Hz"),
        (1e-320, {}, "no ratio of whole numbers"),
        (128.0, {"conditioning": []}, "its rate is 128 Hz, the model needs 100 Hz"),
    ],
)
def test_a_rate_that_does_not_fit_is_refused_with_what_would(
    rate: float, change: dict[str, object], part: str
) -> None:
    asked = contract([{"resample": True}], **change)
    with pytest.raises(ContractError) as caught:
        pick_for(asked, replace(STREAM, sample_rate=rate), hop=HOP)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("rate", "ratio"),
    [
        (100.04, (1, 1)),
        (200.0, (1, 2)),
        (499.98, (1, 5)),
        (250.0, (2, 5)),
        (1024.0, (25, 256)),
        (62.5, (8, 5)),
    ],
)
def test_the_ratio_is_that_of_the_declared_rates(rate: float, ratio: tuple[int, int]) -> None:
    asked = contract([{"resample": True}], window=200)
    pick = pick_for(asked, replace(STREAM, sample_rate=rate), hop=200)
    assert (pick.up, pick.down) == ratio
    assert pick.sample_rate == (100.0 if ratio == (1, 1) else rate)


def test_a_reference_channel_that_the_stream_lacks_is_named() -> None:
    asked = contract([{"reference": ["M1", "M2"]}])
    with pytest.raises(ContractError, match=r"missing channel M2 \(it has M1, Pz, Cz\)"):
        pick_for(asked, STREAM)


CONDITIONING: list[object] = [
    {"resample": True},
    {"highpass": 0.5},
    {"notch": 50},
    {"reference": "average"},
    {"zscore": {"mean": [0.5] * 32, "std": np.linspace(5.0, 20.0, 32).tolist()}},
]


def conditioned_by_scipy(samples: np.ndarray) -> np.ndarray:
    """128 to 160 Hz and the steps above, on the whole recording at once."""
    up, down, rate = 5, 4, 160
    taps = up * signal.firwin(20 * up + 1, 1 / up, window=("kaiser", 5.0))
    for phase in range(up):
        taps[phase::up] /= taps[phase::up].sum()
    lasted = 40  # samples before the first that are like it
    whole = np.vstack([samples[:1].repeat(lasted, axis=0), samples]).astype(np.float64)
    eeg = signal.upfirdn(taps, whole, up, axis=0)[lasted * up :][down - 1 :: down]
    for b, a in (signal.butter(2, 0.5, "highpass", fs=rate), signal.iirnotch(50, 30, fs=rate)):
        start = signal.lfilter_zi(b, a)[:, None] * eeg[0]
        eeg, _ = signal.lfilter(b, a, eeg, axis=0, zi=start)
    eeg = eeg - eeg.mean(axis=1, keepdims=True)
    return np.asarray((eeg - 0.5) / np.linspace(5.0, 20.0, 32))


@pytest.mark.skipif(not RECORDING.is_file(), reason=f"no {RECORDING}")
def test_a_real_recording_comes_out_as_scipy_makes_it_of_the_whole_file() -> None:
    pytest.importorskip("pyxdf", reason="needs the extra 'recordings'")
    recording = read_recording(RECORDING)
    asked = contract(
        CONDITIONING,
        sample_rate=160.0,
        window=15360,
        channels=list(recording.stream.labels),
    )
    pick = pick_for(asked, recording.stream, hop=160)
    taker = Intake(asked, pick, hop=160, fill_up_to=0.1)
    stretches: list[Stretch] = []
    for start in range(0, len(recording.stamps), 1000):
        part = slice(start, start + 1000)
        stretches += taker.feed(Chunk(recording.samples[part], recording.stamps[part]))
    ((found, _, ends),) = runs([*stretches, *taker.flush()])
    truth = conditioned_by_scipy(recording.samples)[: len(found)]
    assert len(found) == len(recording.stamps) * 160 // 128
    assert len(ends) == 143
    np.testing.assert_allclose(found, truth, rtol=0, atol=1e-5)
    assert 0.3 < found[3200:].std() < 30
