"""Every step against SciPy's whole-signal result, and what holds for all of them."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from daemon.conditioning import Conditioning
from daemon.steps import Step

RATE = 160.0
LABELS = ("Cz", "Pz", "Oz", "M1", "M2")
CHANNELS = 3  # the model's; the mastoids are only referred to

FILTERS = (
    {"highpass": 0.5},
    {"lowpass": {"frequency": 40, "order": 4}},
    {"bandpass": [1, 30]},
    {"notch": {"frequency": 50, "q": 20}},
)
ZSCORE = {"zscore": {"mean": [1.0, -2.0, 3.0], "std": [10.0, 20.0, 0.5]}}
MASTOIDS = {"reference": ["M1", "m2."]}
LAPLACIAN = {"reference": "laplacian"}
# Settles within 32 samples.
POWER = {"bandpower": {"bands": [[20, 40], [30, 70]], "smooth": 0.05, "rate": 32}}
ALL = (FILTERS[0], FILTERS[3], MASTOIDS, FILTERS[1], ZSCORE)


def conditioning(
    *steps: dict[str, object], labels: Sequence[str] = LABELS, up: int = 1, down: int = 1
) -> Conditioning:
    parsed = [Step.model_validate(step) for step in steps]
    return Conditioning(parsed, RATE, labels, CHANNELS, up, down)


def eeg(n: int, channels: int = len(LABELS), offset: float = 0.0) -> np.ndarray:
    """In steps of 1/64, which float32 keeps beside an offset of 100 mV."""
    noise = np.random.default_rng(n).normal(scale=20, size=(n, channels))
    return (np.round(noise * 64) / 64 + offset).astype(np.float32)


def expected(step: dict[str, object], samples: np.ndarray) -> np.ndarray:
    """SciPy on the whole signal, in the form in which a book writes it."""
    (kind, value), *_ = step.items()
    if kind == "notch":
        assert isinstance(value, dict)
        b, a = signal.iirnotch(value["frequency"], value["q"], fs=RATE)
    else:
        order = value.get("order", 2) if isinstance(value, dict) else 2
        edges = value["frequency"] if isinstance(value, dict) else value
        b, a = signal.butter(order, edges, kind, fs=RATE)
    start = signal.lfilter_zi(b, a)[:, None] * samples[0]
    filtered, _ = signal.lfilter(b, a, samples.astype(np.float64), axis=0, zi=start)
    return np.asarray(filtered)


@pytest.mark.parametrize("step", FILTERS, ids=str)
def test_a_filter_is_scipys_on_the_whole_signal(step: dict[str, object]) -> None:
    samples = eeg(3000, CHANNELS, offset=300)
    found, newest = conditioning(step, labels=LABELS[:3]).apply(samples)
    assert newest is None
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected(step, samples), rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize(
    ("step", "hertz", "gain"),
    [
        ({"highpass": 0.5}, 0.5, 0.5**0.5),
        ({"highpass": 0.5}, 20, 1),
        ({"lowpass": 40}, 40, 0.5**0.5),
        ({"lowpass": 40}, 1, 1),
        ({"bandpass": [8, 30]}, 8, 0.5**0.5),
        ({"bandpass": [8, 30]}, 30, 0.5**0.5),
        ({"bandpass": [8, 30]}, 15.5, 1),
        ({"notch": 50}, 50, 0),
        ({"notch": 50}, 50 - 50 / 60, 0.5**0.5),
        ({"notch": 50}, 30, 1),
    ],
)
def test_a_sine_keeps_what_its_frequency_is_to_keep(
    step: dict[str, object], hertz: float, gain: float
) -> None:
    """From the definition alone; once what began with the sine has died away."""
    sine = 100 * np.sin(2 * np.pi * hertz * np.arange(16000) / RATE)
    samples = np.repeat(sine[:, None], CHANNELS, axis=1).astype(np.float32)
    found, _ = conditioning(step, labels=LABELS[:3]).apply(samples)
    rms = np.sqrt(np.mean(found[8000:, 0].astype(np.float64) ** 2) * 2) / 100
    assert rms == pytest.approx(gain, abs=0.01)


@pytest.mark.parametrize("step", [*FILTERS, MASTOIDS], ids=str)
def test_an_offset_of_100_mv_leaves_nothing_of_itself(step: dict[str, object]) -> None:
    """Neither a transient nor, where it passes, anything but itself."""
    passes = 1e5 if "lowpass" in step or "notch" in step else 0
    without, _ = conditioning(step).apply(eeg(800))
    found, _ = conditioning(step).apply(eeg(800, offset=1e5))
    atol = 1e-2 if passes else 1e-5  # of float32's 0.008 beside 1e5
    np.testing.assert_allclose(found - np.float32(passes), without, rtol=0, atol=atol)


def test_a_reference_is_the_mean_of_its_channels_and_drops_those_the_model_lacks() -> None:
    samples = eeg(50)
    wide = samples.astype(np.float64)
    mastoids = (wide[:, 3] + wide[:, 4]) / 2
    found, _ = conditioning(MASTOIDS).apply(samples)
    np.testing.assert_allclose(found, wide[:, :3] - mastoids[:, None], rtol=1e-6, atol=1e-6)
    found, _ = conditioning({"reference": "average"}, labels=LABELS[:3]).apply(samples[:, :3])
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=1e-5)
    mean = wide[:, :3].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(found, wide[:, :3] - mean, rtol=1e-6, atol=1e-6)


def test_a_laplacian_takes_the_four_nearest_by_one_over_their_distance() -> None:
    labels = ("Cz", "C1", "C4", "FCz", "Pz", "Oz", "M1")
    samples = eeg(50, len(labels))
    steps = [Step.model_validate(LAPLACIAN)]
    found, _ = Conditioning(steps, RATE, labels, 6).apply(samples)
    wide = samples.astype(np.float64)
    near, far = (1 / (2 * np.sin(np.radians(angle / 2))) for angle in (22.5, 45))
    around = (near * (wide[:, 1] + wide[:, 3]) + far * (wide[:, 2] + wide[:, 4])) / (
        2 * near + 2 * far
    )
    assert found.shape == (50, 6)
    np.testing.assert_allclose(found[:, 0], wide[:, 0] - around, rtol=1e-5, atol=1e-5)
    # What all channels share is gone.
    shared, _ = Conditioning(steps, RATE, labels, 6).apply(samples + np.float32(1024))
    np.testing.assert_allclose(shared, found, atol=1e-3)


def log_power(samples: np.ndarray, bands: list[list[float]], smooth: float) -> np.ndarray:
    """After each sample, from the whole signal, as a book has it: (n, channels · bands)."""
    found = []
    for channel in samples.T.astype(np.float64):
        for band in bands:
            sos = signal.butter(2, band, "bandpass", fs=RATE, output="sos")
            filtered, _ = signal.sosfilt(sos, channel, zi=signal.sosfilt_zi(sos) * channel[0])
            keeps = np.exp(-1 / (smooth * RATE))
            found.append(np.log(signal.lfilter([1 - keeps], [1, -keeps], filtered**2)))
    return np.array(found).T


def test_band_power_is_scipys_on_the_whole_signal() -> None:
    bands = [[8.0, 13.0], [13.0, 20.0], [20.0, 30.0]]
    step = {"bandpower": {"bands": bands, "smooth": 0.5, "rate": 4}}
    samples = eeg(4000, CHANNELS, offset=300)
    stage = conditioning(step, labels=LABELS[:3])
    # 1 / (13 - 8) + 3 · 0.5 seconds, in whole steps of 40 samples.
    assert (stage.per_step, stage.lead) == (40, 280)
    found, newest = stage.apply(samples)
    with np.errstate(divide="ignore"):  # of the first sample
        expected = log_power(samples, bands, 0.5)
    assert newest is not None
    np.testing.assert_array_equal(newest, np.arange(280 + 39, 4000, 40))
    np.testing.assert_allclose(found, expected[newest], rtol=1e-6, atol=1e-6)


def test_what_comes_first_has_settled() -> None:
    """Of a rhythm that was there all the time, the first step is what every step is."""
    step = {"bandpower": {"bands": [[8, 13]], "smooth": 0.5, "rate": 4}}
    sine = 20 * np.sin(2 * np.pi * 10 * np.arange(8000) / RATE)
    samples = np.repeat(sine[:, None], CHANNELS, axis=1).astype(np.float32)
    found, _ = conditioning(step, labels=LABELS[:3]).apply(samples)
    # The power of a sine is half of its square.
    np.testing.assert_allclose(found[-1], np.log(200), atol=0.02)
    np.testing.assert_allclose(found[0], found[-1], atol=0.15)


def test_a_dead_channel_has_little_power_and_no_infinite_one() -> None:
    step = {"bandpower": {"bands": [[20, 40]], "smooth": 0.01, "rate": 32}}
    samples = eeg(8000, CHANNELS)
    samples[:, 1] = 3
    found, _ = conditioning(step, labels=LABELS[:3]).apply(samples)
    assert np.isfinite(found).all()
    assert found[-1, 1] < -60 < 3 < found[-1, 0]


def test_a_decimated_step_is_the_mean_of_its_samples() -> None:
    samples = eeg(163, CHANNELS, offset=300)
    found, newest = conditioning({"decimate": {"rate": 32}}, labels=LABELS[:3]).apply(samples)
    means = samples[:160].astype(np.float64).reshape(32, 5, CHANNELS).mean(axis=1)
    np.testing.assert_allclose(found, means, rtol=1e-6)
    assert newest is not None
    np.testing.assert_array_equal(newest, np.arange(4, 160, 5))


def test_a_zscore_is_that_of_the_contract() -> None:
    samples = eeg(50)[:, :3]
    found, _ = conditioning(ZSCORE, labels=LABELS[:3]).apply(samples)
    np.testing.assert_allclose(found, (samples - [1, -2, 3]) / [10, 20, 0.5], rtol=1e-6)


def test_steps_apply_in_their_order() -> None:
    """The mean of filtered channels is the filtered mean, but a z-score has to come after both."""
    samples = eeg(400)
    found, _ = conditioning(*ALL).apply(samples)
    step_by_step = samples.astype(np.float64)
    for step in (FILTERS[0], FILTERS[3]):
        step_by_step = expected(step, step_by_step)
    step_by_step = step_by_step[:, :3] - step_by_step[:, 3:].mean(axis=1, keepdims=True)
    step_by_step = (expected(FILTERS[1], step_by_step) - [1, -2, 3]) / [10, 20, 0.5]
    np.testing.assert_allclose(found, step_by_step, rtol=1e-5, atol=1e-5)


def test_no_steps_hand_on_the_very_samples() -> None:
    samples = eeg(5)
    assert conditioning().apply(samples)[0] is samples


POWERS = (
    FILTERS[0],
    LAPLACIAN,
    POWER,
    {"zscore": {"mean": [1, 2, 3, 4, 5, 6], "std": [1, 2, 3, 4, 5, 6]}},
)
DECIMATED = (LAPLACIAN, FILTERS[1], {"decimate": 32}, ZSCORE)
CHAINS = (ALL, FILTERS, ({"reference": "average"},), POWERS, DECIMATED, (ZSCORE,), ())


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(CHAINS),
    st.sampled_from([(1, 1), (5, 16), (5, 4)]),
    st.lists(st.integers(1, 150), max_size=30),
)
def test_any_cutting_gives_the_same_to_the_last_digit(
    steps: tuple[dict[str, object], ...], ratio: tuple[int, int], cuts: list[int]
) -> None:
    labels = LABELS if MASTOIDS in steps else LABELS[:3]
    samples = eeg(150, len(labels), offset=1e4)
    whole, newest = conditioning(*steps, labels=labels, up=ratio[0], down=ratio[1]).apply(samples)
    piecewise = conditioning(*steps, labels=labels, up=ratio[0], down=ratio[1])
    for ends in ([*sorted(set(cuts) - {150}), 150], [*range(1, 151)]):
        found, at = [], []
        for start, stop in itertools.pairwise([0, *ends]):
            block, within = piecewise.apply(samples[start:stop])
            found.append(block)
            at.append(within + start if within is not None else within)
        np.testing.assert_array_equal(np.concatenate(found), whole)
        assert all(block.flags.c_contiguous for block in found)
        if newest is not None:
            np.testing.assert_array_equal(np.concatenate(at), newest)
        piecewise.restart()  # and it is as if nothing had been


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(CHAINS[:5]), st.integers(1, 149))
def test_no_sample_depends_on_a_later_one(steps: tuple[dict[str, object], ...], at: int) -> None:
    samples = eeg(150)
    changed = samples.copy()
    changed[at:] += 1000
    labels = LABELS if MASTOIDS in steps else LABELS[:3]
    one, newest = conditioning(*steps, labels=labels).apply(samples[:, : len(labels)])
    other, _ = conditioning(*steps, labels=labels).apply(changed[:, : len(labels)])
    before = at if newest is None else int(np.searchsorted(newest, at))
    np.testing.assert_array_equal(one[:before], other[:before])


@pytest.mark.parametrize("rate", [100.0, 160.0, 5000.0])
@pytest.mark.parametrize("order", [1, 2, 8])
@pytest.mark.parametrize("share", [1e-6, 1e-4, 0.01, 0.25, 0.4999])
def test_whatever_a_contract_allows_is_stable(rate: float, order: int, share: float) -> None:
    frequency = share * rate
    designs: list[dict[str, object]] = [
        {"highpass": {"frequency": frequency, "order": order}},
        {"lowpass": {"frequency": frequency, "order": order}},
        {"notch": {"frequency": frequency, "q": 200}},
        {"bandpass": {"low": frequency, "high": frequency + 1e-4 * rate, "order": order}},
    ]
    if share > 0.49:
        designs.pop()
    samples = eeg(2000, CHANNELS, offset=1e5)
    for design in designs:
        step = Step.model_validate(design)
        found, _ = Conditioning([step], rate, LABELS[:3], CHANNELS).apply(samples)
        assert np.abs(found).max() < 2.1e5, design
