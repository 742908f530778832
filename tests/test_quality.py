"""The window's verdict, against one that looks at the whole window at once."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from daemon.quality import BEYOND, ENOUGH_SECONDS, NOISE, RAIL, STILL, SWING, Quality
from daemon.reasons import Code, Reason
from daemon.recordings.reading import read_recording
from daemon.records import Float32
from daemon.rehearsal.simulator import Simulator
from daemon.units import MICROVOLTS, known_unit

RATE = 32.0
LABELS = ("Fz", "Cz", "Pz")

Verdict = tuple[Code, tuple[str, ...]] | None


def eeg(n: int, channels: int = 3, seed: int = 0) -> Float32:
    noise = np.random.default_rng(seed).normal(scale=20, size=(n, channels))
    return noise.astype(np.float32)


def verdicts(quality: Quality, samples: Float32, window: int, hop: int, cuts: list[int]) -> list:
    """As the pipeline feeds it: pieces end where chunks or windows do."""
    ends = set(range(window, len(samples) + 1, hop))
    edges = sorted({0, len(samples), *(c for c in cuts if c <= len(samples)), *ends})
    found = []
    for start, stop in itertools.pairwise(edges):
        given_on = quality.push(samples[start:stop])
        assert np.isfinite(given_on).all()
        assert (np.abs(given_on) < BEYOND).all()
        if stop in ends:
            found.append(quality.fault())
    return found


def slow(window: Float32, rate: float) -> Verdict:
    """The fault's code and all its channels, from the whole window."""
    finite = np.isfinite(window)
    steps, channels = window.shape
    enough = max(round(ENOUGH_SECONDS * rate), 2)
    if not finite.all():
        return named(Code.NOT_FINITE, ~finite.all(axis=0))
    swing = np.ptp(window.astype(np.float64), axis=0)
    wild = (swing > SWING) | (np.abs(window).max(axis=0) >= BEYOND)
    if wild.any():
        return named(Code.TOO_LARGE, wild)
    if steps >= enough and 0 < swing.max() < NOISE:
        return Code.TOO_SMALL, LABELS
    second = max(min(round(rate), steps), enough)
    flat, railed = np.zeros(channels, bool), np.zeros(channels, bool)
    for c in range(channels):
        if steps >= second:
            still = np.abs(np.diff(window[:, c])) <= np.float32(STILL)
            flat[c] = sliding_window_view(still, second - 1).all(axis=1).any()
        column = window[:, c]
        at = max((column == column.max()).sum(), (column == column.min()).sum())
        railed[c] = at >= max(RAIL * steps, enough)
    if flat.any():
        return named(Code.FLAT, flat)
    return named(Code.SATURATED, railed) if railed.any() else None


def named(code: Code, which: np.ndarray) -> Verdict:
    return code, tuple(itertools.compress(LABELS, which))


def verdict(reason: Reason | None) -> Verdict:
    return reason and (reason.code, reason.channels)


FAULTS = ("nan", "inf", "huge", "absurd", "hold", "clip", "small", "offset")


@st.composite
def broken_eeg(draw: st.DrawFn) -> Float32:
    samples = eeg(draw(st.integers(60, 260)), seed=draw(st.integers(0, 9)))
    for _ in range(draw(st.integers(0, 3))):
        start, length = draw(st.integers(0, 250)), draw(st.integers(1, 70))
        channels = draw(st.sampled_from([[0], [1], [2], [0, 2], [0, 1, 2]]))
        part = samples[start : start + length, channels]
        fault = draw(st.sampled_from(FAULTS))
        if fault == "hold":
            part[:] = part[:1]
        elif fault == "clip":
            part[:] = np.clip(part, -5, 5)
        elif fault == "small":
            samples[:, channels] *= np.float32(1e-6)
            continue
        elif fault == "offset":
            samples[:, channels] += np.float32(3e5)
            continue
        else:
            values = {"nan": np.nan, "inf": -np.inf, "huge": 2e6, "absurd": -3e38}
            part[:] = values[fault]
        samples[start : start + length, channels] = part
    return samples


@given(
    broken_eeg(),
    st.integers(1, 150),
    st.integers(1, 150),
    st.lists(st.integers(1, 260), max_size=12),
)
@settings(max_examples=150, deadline=None)  # it looks at every window anew, sample by sample
def test_every_window_is_judged_as_if_looked_at_as_a_whole(
    samples: Float32, window: int, hop: int, cuts: list[int]
) -> None:
    quality = Quality(LABELS, 1.0, RATE, window, hop)
    found = verdicts(quality, samples, window, hop, cuts)
    starts = range(0, len(samples) - window + 1, hop)
    assert [*map(verdict, found)] == [slow(samples[s : s + window], RATE) for s in starts]
    # The same words too, whatever the cuts, and nothing is left of the run before.
    quality.restart()
    assert verdicts(quality, samples, window, hop, list(range(261))) == found


def judged(
    samples: Float32, labels: tuple[str, ...] = LABELS, microvolts: float = 1.0
) -> Reason | None:
    quality = Quality(labels, microvolts, RATE, len(samples), len(samples))
    quality.push(samples)
    return quality.fault()


def test_each_fault_is_named_with_its_channel() -> None:
    clean = eeg(320)
    assert judged(clean) is None

    def with_pz(values: np.ndarray | float, part: slice = slice(0, 320)) -> tuple[Code, str] | None:
        samples = clean.copy()
        samples[part, 2] = values
        reason = judged(samples)
        assert reason is None or reason.channels == ("Pz",)
        return reason and (reason.code, reason.text)

    one = slice(7, 8)
    broken = (Code.NOT_FINITE, "channel Pz: values that are not finite numbers")
    assert with_pz(np.nan, one) == with_pz(np.inf, one) == broken
    for value, part, words in ((2e6, one, "2e+06"), (3e38, slice(0, 320), "3e+38")):
        code, text = with_pz(value, part) or (None, "")
        assert code is Code.TOO_LARGE
        assert text.startswith(f"channel Pz: too large for EEG ({words} microvolts)")
    flat = (Code.FLAT, "channel Pz: flat for 1 s or longer")
    assert with_pz(0.0) == flat
    assert with_pz(-31.5, slice(100, 132)) == flat
    assert with_pz(-31.5, slice(100, 131)) is None
    # What an upstream high-pass filter leaves of a dead channel.
    assert with_pz(np.geomspace(1e-2, 1e-9, 320)) == flat
    hum = np.clip(500 * np.sin(2 * np.pi * 50 / 256 * np.arange(320)), -300, 300)
    stuck = "channel Pz: stuck at an extreme for 30% of the window"
    assert with_pz(hum) == (Code.SATURATED, stuck)


@pytest.mark.parametrize("rate", [16.0, 32.0, 200.0])
def test_a_second_is_flat_wherever_it_begins_and_one_sample_less_is_not(rate: float) -> None:
    second, window = int(rate), int(3 * rate)
    for start in range(0, 2 * second + 1, 3):
        for length in (second - 1, second):
            samples = eeg(window)
            samples[start : start + length, 1] = 4
            found = verdicts(Quality(LABELS, 1.0, rate, window, 7), samples, window, 7, [])
            text = "channel Cz: flat for 1 s or longer"
            assert found == [None if length < second else Reason(Code.FLAT, text, ("Cz",))]


def test_several_channels_are_counted_in_words_and_all_named_as_data() -> None:
    labels = tuple(f"E{n}" for n in range(1, 33))
    samples = eeg(320, 32)
    samples[:, [3, 9, 20, 30, 31]] = 7
    reason = judged(samples, labels)
    assert reason is not None
    assert reason.text == "channels E4, E10, E21 and 2 more: flat for 1 s or longer"
    assert reason.channels == ("E4", "E10", "E21", "E31", "E32")


def test_a_unit_that_cannot_be_right() -> None:
    microvolts = eeg(320)
    for factor, code in ((1e6, Code.TOO_LARGE), (1e-6, Code.TOO_SMALL)):
        reason = judged(microvolts * np.float32(factor))
        assert reason is not None
        assert (reason.code, reason.channels) == (code, LABELS)
        assert "unit" in reason.text
    # The same samples, announced rightly, in the model's unit.
    assert judged(microvolts * np.float32(1e-6), microvolts=1e6) is None
    assert judged(microvolts * np.float32(1e-3), microvolts=1e3) is None
    # One quiet channel among others is flat; it says nothing of the unit.
    microvolts[:, 1] *= np.float32(1e-6)
    assert verdict(judged(microvolts)) == (Code.FLAT, ("Cz",))


def test_an_electrodes_offset_is_no_fault() -> None:
    offsets = np.array([3e5, -3e5, 1e4], np.float32)
    drift = np.linspace(0, 2e4, 320, dtype=np.float32)[:, None]
    assert judged(eeg(320) + offsets + drift) is None


def test_held_values_of_a_filled_gap_are_no_flat_channel() -> None:
    samples = eeg(320)
    quality = Quality(LABELS, 1.0, RATE, 320, 320)
    quality.push(samples[:100])
    quality.push(np.repeat(samples[99:100], 60, axis=0), filled=True)
    quality.push(samples[100:260])
    assert quality.fault() is None


@pytest.mark.parametrize("rate", [128.0, 160.0, 512.0])
def test_the_simulator_is_never_faulty(rate: float) -> None:
    window, hop = round(2 * rate), round(rate)
    samples, _ = Simulator(rate).next(round(60 * rate))
    quality = Quality(Simulator.labels, 1.0, rate, window, hop)
    assert set(verdicts(quality, samples, window, hop, [])) == {None}


DATA = Path(__file__).parents[2] / "shared/data"
RECORDINGS = [
    *(f"eegbci_S001/S001R{n:02}.edf" for n in (1, 2, 7, 14)),
    "xdf/bciessentials_switch_example.xdf",
    "xdf/eeglab32_relayed_LSL_32ch.xdf",
    "xdf/museLSL2_P001.xdf",
    "xdf/museLSL2_P002.xdf",
]


@pytest.mark.parametrize("name", RECORDINGS)
def test_real_recordings_are_faulty_only_where_a_channel_is_dead(name: str) -> None:
    if not (DATA / name).exists():
        pytest.skip(f"no {DATA / name}")
    recording = read_recording(DATA / name)
    rate, labels = recording.stream.sample_rate, recording.stream.labels
    scales = [MICROVOLTS[known_unit(unit) or "microvolts"] for unit in recording.stream.units]
    samples = (recording.samples.astype(np.float64) * scales).astype(np.float32)
    if not samples[-80:].any():
        samples = samples[:-80]  # some of these files end in half a second of zeros
    for seconds in (1.0, 4.0, 30.0):
        window, hop = round(seconds * rate), round(rate / 2)
        found = set(verdicts(Quality(labels, 1.0, rate, window, hop), samples, window, hop, []))
        faults = [reason for reason in found if reason]
        # An auxiliary input that was open, and drives from rail to rail.
        assert {channel for reason in faults for channel in reason.channels} <= {"AUX_RIGHT"}
        assert faults or "P002" not in name or len(samples) < window
