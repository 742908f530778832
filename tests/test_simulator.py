"""The simulator has the spectra, the topographies and the reproducibility it claims."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.errors import UsageError
from daemon.records import Float32, Float64
from daemon.rehearsal.simulator import CLASSES, LABELS, Simulator

RATE = 160
TRIAL = 4 * RATE


def test_biosemi_labels_in_biosemi_order():
    assert len(LABELS) == 32
    assert LABELS[:4] == ("Fp1", "AF3", "F7", "F3")
    assert LABELS[-3:] == ("Fp2", "Fz", "Cz")
    assert [LABELS[i] for i in (7, 15, 22)] == ["C3", "Oz", "C4"]


@given(st.lists(st.integers(0, 900), min_size=1, max_size=12))
@settings(max_examples=30, deadline=None)
def test_cutting_changes_nothing(sizes: list[int]):
    def fresh() -> Simulator:
        return Simulator(RATE, seed=3, block_seconds=(0.5, 2.0))

    whole, changes = fresh().next(sum(sizes))
    cut = fresh()
    parts = [cut.next(size) for size in sizes]
    np.testing.assert_array_equal(np.concatenate([samples for samples, _ in parts]), whole)
    assert [change for _, begun in parts for change in begun] == changes
    at = 0
    for size, (_, begun) in zip(sizes, parts, strict=True):
        assert all(at <= index < at + size for index, _ in begun)
        at += size


def test_the_seed_decides():
    one, same, other = (Simulator(RATE, seed=seed).next(1000)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 5


def test_samples_are_microvolts_of_plausible_size():
    samples, _ = Simulator(RATE).next(60 * RATE)
    assert samples.dtype == np.float32
    assert samples.shape == (60 * RATE, 32)
    fast = samples - _smooth(samples)
    assert fast.std(axis=0).min() > 5
    assert fast.std(axis=0).max() < 25
    assert np.abs(samples).max() < 150


def test_class_blocks_cover_every_class_evenly_and_never_repeat():
    _, changes = Simulator(RATE, block_seconds=(2, 3)).next(600 * RATE)
    names = [name for _, name in changes]
    assert changes[0][0] == 0
    assert all(a != b for a, b in itertools.pairwise(names))
    counts = [names.count(name) for name in CLASSES]
    assert max(counts) - min(counts) <= 1
    lengths = np.diff([at for at, _ in changes]) / RATE
    assert 2 <= lengths.min() < 2.2
    assert 2.8 < lengths.max() <= 3


def test_one_class_lasts_for_ever():
    _, changes = Simulator(RATE, classes=["both_feet"]).next(300 * RATE)
    assert changes == [(0, "both_feet")]


def test_the_background_falls_as_one_over_f():
    frequency, power = _spectrum(_only("rest"))
    # Away from rhythms and mains; F8 has neither mu nor alpha beneath it.
    flat = (frequency > 2) & (frequency < 45) & ((frequency < 7) | (frequency > 27))
    slope = np.polyfit(np.log(frequency[flat]), np.log(power[flat, LABELS.index("F8")]), 1)[0]
    assert -1.25 < slope < -0.75


def test_neighbours_are_more_alike_than_distant_electrodes():
    samples = _only("rest")
    alike = np.corrcoef((samples - _smooth(samples)).T)
    fp1, af3, o2 = (LABELS.index(label) for label in ("Fp1", "AF3", "O2"))
    assert alike[fp1, af3] > 0.6
    assert abs(alike[fp1, o2]) < 0.2


@pytest.mark.parametrize("line", [50.0, 60.0])
def test_mains_hum_where_it_is_asked_for(line: float):
    frequency, power = _spectrum(Simulator(RATE, line_frequency=line).next(60 * RATE)[0])
    hum = power[np.argmin(np.abs(frequency - line))]
    beside = power[(np.abs(frequency - line) > 2) & (np.abs(frequency - line) < 5)].mean(axis=0)
    assert np.median(hum / beside) > 10
    assert (hum > 1.5 * beside).all()
    frequency, power = _spectrum(Simulator(RATE, line_frequency=None).next(240 * RATE)[0])
    silent = power[np.argmin(np.abs(frequency - line))]
    assert (silent < 1.5 * beside).all()


def test_electrodes_drift_slowly():
    frequency, power = _spectrum(_only("rest"), seconds=30)
    slow = power[(frequency > 0.03) & (frequency < 0.1)].mean(axis=0)
    assert (slow > 20 * power[(frequency > 1) & (frequency < 2)].mean(axis=0)).all()


def test_eyes_closed_brings_alpha_behind():
    ratio = _band(_only("eyes_closed"), 8, 12) / _band(_only("rest"), 8, 12)
    for label in ("O1", "Oz", "O2"):
        assert ratio[LABELS.index(label)] > 2.5
    for label in ("Fp1", "C3", "C4"):
        assert ratio[LABELS.index(label)] < 1.5


@pytest.mark.parametrize(
    ("name", "weaker", "same"),
    [
        ("left_fist", ["C4"], ["O1", "O2"]),
        ("right_fist", ["C3"], ["O1", "O2"]),
        ("both_fists", ["C3", "C4"], ["O1", "O2"]),
        ("both_feet", ["Cz"], ["O1", "O2"]),
    ],
)
@pytest.mark.parametrize("band", [(9, 12), (17, 23)])
def test_moving_weakens_the_rhythms_over_its_area(
    name: str, weaker: list[str], same: list[str], band: tuple[float, float]
):
    ratio = _band(_only(name), *band) / _band(_only("rest"), *band)
    for label in weaker:
        assert ratio[LABELS.index(label)] < 0.75
    for label in same:
        assert 0.75 < ratio[LABELS.index(label)] < 1.33


def test_a_fist_weakens_the_other_side():
    left = _band(_only("left_fist"), 9, 12)
    right = _band(_only("right_fist"), 9, 12)
    c3, c4 = LABELS.index("C3"), LABELS.index("C4")
    assert left[c4] < 0.7 * left[c3]
    assert right[c3] < 0.7 * right[c4]


def test_rhythms_wax_and_wane():
    samples = _only("eyes_closed")[:, LABELS.index("Oz")]
    spectrum = np.fft.rfft(samples)
    frequency = np.fft.rfftfreq(len(samples), 1 / RATE)
    # The analytic signal of the alpha band: a pure sine would have a constant amplitude.
    alpha = np.where((frequency > 8) & (frequency < 12), spectrum, 0)
    turned = np.fft.irfft(alpha * -1j, len(samples))
    amplitude = np.hypot(np.fft.irfft(alpha, len(samples)), turned)
    assert amplitude.std() > 0.35 * amplitude.mean()


def test_band_power_tells_the_classes_apart_but_not_always():
    """LDA on mu/alpha and beta power of 4 s, trained on the first half hour of blocks.

    Measured: 0.991 (chance 0.17).
    """
    simulator = Simulator(RATE, seed=1)
    samples, changes = simulator.next(3600 * RATE)
    ends = [at for at, _ in changes[1:]] + [len(samples)]
    features, classes, blocks = [], [], []
    for block, ((first, name), end) in enumerate(zip(changes, ends, strict=True)):
        for start in range(first + RATE, end - TRIAL + 1, TRIAL):
            features.append(_features(samples[start : start + TRIAL]))
            classes.append(CLASSES.index(name))
            blocks.append(block)
    x, y = np.array(features), np.array(classes)
    train = np.array(blocks) < len(changes) / 2
    right = _lda(x[train], y[train], x[~train]) == y[~train]
    recalls = [right[y[~train] == k].mean() for k in range(len(CLASSES))]
    assert 0.97 < np.mean(recalls) < 1
    assert min(recalls) > 0.93


@pytest.mark.parametrize("rate", [64, 128.5, 250, 512])
def test_any_rate(rate: float):
    samples, _ = Simulator(rate).next(round(30 * rate))
    assert np.isfinite(samples).all()
    fast = samples[1:] - samples[:-1]
    assert 1 < fast.std() < 15


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"rate": 30}, "at least 64 Hz"),
        ({"rate": float("nan")}, "at least 64 Hz"),
        ({"seed": -1}, "negative"),
        ({"classes": ["rest", "dance"]}, "dance"),
        ({"classes": []}, "none at all"),
        ({"classes": ["rest", "rest"]}, "at most once"),
        ({"block_seconds": (5, 2)}, "between 5 and 2"),
        ({"block_seconds": (0, 2)}, "between 0 and 2"),
    ],
)
def test_nonsense_is_refused(arguments: dict[str, object], what: str):
    with pytest.raises(UsageError, match=what):
        Simulator(**arguments)


_cache: dict[str, Float32] = {}


def _only(name: str) -> Float32:
    """Two minutes of one class, averaged over the variation between blocks by several seeds."""
    if name not in _cache:
        pieces = [
            Simulator(RATE, seed=seed, classes=[name]).next(30 * RATE)[0] for seed in range(12)
        ]
        _cache[name] = np.concatenate(pieces)
    return _cache[name]


def _spectrum(samples: Float32, seconds: float = 2) -> tuple[Float64, Float64]:
    """Mean periodogram: frequencies, power (frequencies, 32)."""
    length = round(seconds * RATE)
    trials = samples[: len(samples) // length * length].reshape(-1, length, samples.shape[1])
    tapered = (trials - trials.mean(axis=1, keepdims=True)) * np.hanning(length)[:, None]
    power = np.mean(np.abs(np.fft.rfft(tapered, axis=1)) ** 2, axis=0)
    return np.fft.rfftfreq(length, 1 / RATE), power


def _band(samples: Float32, low: float, high: float) -> Float64:
    frequency, power = _spectrum(samples)
    return np.asarray(power[(frequency >= low) & (frequency <= high)].mean(axis=0))


def _features(trial: Float32) -> Float64:
    bands = (8, 13), (16, 24)
    frequency, power = _spectrum(trial, seconds=len(trial) / RATE)
    picked = [power[(frequency >= low) & (frequency <= high)].mean(axis=0) for low, high in bands]
    return np.log(np.concatenate(picked))


def _lda(x: Float64, y: Float64, new: Float64, shrinkage: float = 0.05) -> Float64:
    means = np.array([x[y == k].mean(axis=0) for k in range(y.max() + 1)])
    rest = x - means[y]
    spread = rest.T @ rest / len(rest)
    spread = (1 - shrinkage) * spread + shrinkage * np.trace(spread) / len(spread) * np.eye(
        len(spread)
    )
    weights = np.linalg.solve(spread, means.T)
    return np.argmax(new @ weights - 0.5 * np.sum(means.T * weights, axis=0), axis=1)


def _smooth(samples: Float32) -> Float64:
    """Moving mean of a second: the drift."""
    padded = np.pad(samples.astype(np.float64), ((RATE // 2, RATE // 2), (0, 0)), mode="edge")
    total = np.cumsum(padded, axis=0)
    return (total[RATE:] - total[:-RATE]) / RATE
