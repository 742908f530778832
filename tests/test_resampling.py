"""The resampler against what it claims: SciPy's arithmetic, and a sine's own values."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from daemon.resampling import Resampler

RATIOS = [(5, 16), (5, 4), (1, 4), (4, 1), (16, 25), (3, 2), (4, 125)]
ratios = pytest.mark.parametrize(("up", "down"), RATIOS)


def eeg(n: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(n).normal(scale=20, size=(n, channels)) + 1e5


@ratios
def test_it_is_what_scipy_makes_of_the_whole(up: int, down: int) -> None:
    samples = eeg(997)
    taps = up * signal.firwin(20 * max(up, down) + 1, 1 / max(up, down), window=("kaiser", 5.0))
    for phase in range(up):
        taps[phase::up] /= taps[phase::up].sum()
    lasted = len(taps) // up + 1  # samples before the first that are like it
    whole = signal.upfirdn(taps, np.vstack([[samples[0]] * lasted, samples]), up, axis=0)
    expected = whole[lasted * up :][down - 1 :: down][: 997 * up // down]
    found, newest = Resampler(up, down).apply(samples)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(newest, (np.arange(1, len(found) + 1) * down - 1) // up)


@pytest.mark.parametrize(("up", "down"), [ratio for ratio in RATIOS if ratio[0] > 1])
def test_it_is_resample_poly_later_and_without_the_offsets_tone(up: int, down: int) -> None:
    samples = eeg(500) - 1e5
    longer = max(up, down)
    filtered = signal.firwin(20 * longer + 1, 1 / longer, window=("kaiser", 5.0))
    finer = signal.resample_poly(samples, up, 1, window=filtered)
    found, _ = Resampler(up, down).apply(samples)
    at = np.arange(1, len(found) + 1) * down - 1 - 10 * longer
    inner = at > 10 * longer
    np.testing.assert_allclose(found[inner], finer[at[inner]], rtol=0, atol=0.2)  # of 20


@ratios
def test_a_sine_comes_out_delayed_by_ten_samples_of_the_lower_rate(up: int, down: int) -> None:
    """Rates are in units of the lower one, so the sine is well within either band."""
    rate = max(down / up, 1.0)
    frequency = 0.11
    times = np.arange(int(300 * rate)) / rate
    found, _ = Resampler(up, down).apply(np.sin(2 * np.pi * frequency * times)[:, None])
    # Sample k is complete with the last of the finer grid's steps before sample k + 1.
    at = (np.arange(1, len(found) + 1) * down - 1) / (up * rate) - 10
    inner = at > 12
    expected = np.sin(2 * np.pi * frequency * at[inner])
    np.testing.assert_allclose(found[inner, 0], expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize(("up", "down"), [ratio for ratio in RATIOS if ratio[0] < ratio[1]])
def test_what_the_new_rate_cannot_hold_is_taken_out(up: int, down: int) -> None:
    rate = down / up
    tone = np.sin(2 * np.pi * 0.62 * np.arange(int(300 * rate)) / rate)[:, None]
    found, _ = Resampler(up, down).apply(tone)
    assert np.abs(found[30:]).max() < 5e-3


@ratios
def test_an_offset_stays_that_offset_from_the_first_sample_on(up: int, down: int) -> None:
    found, _ = Resampler(up, down).apply(np.full((500, 2), 1e5))
    np.testing.assert_allclose(found, 1e5, rtol=0, atol=1e-9)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(RATIOS), st.lists(st.integers(1, 400), max_size=30), st.integers(1, 3))
def test_any_cutting_gives_the_same_to_the_last_digit(
    ratio: tuple[int, int], cuts: list[int], channels: int
) -> None:
    samples = eeg(400, channels)
    whole, newest = Resampler(*ratio).apply(samples)
    resampler = Resampler(*ratio)
    for start in (0, 1):  # and once more, after a restart
        parts, at = [], []
        for begin, end in itertools.pairwise([0, *sorted(set(cuts) - {400}), 400]):
            part, within = resampler.apply(samples[begin:end])
            parts.append(part)
            at.append(within + begin)
        np.testing.assert_array_equal(np.concatenate(parts), whole, err_msg=str(start))
        np.testing.assert_array_equal(np.concatenate(at), newest)
        resampler.restart()
    assert len(whole) == 400 * ratio[0] // ratio[1]
