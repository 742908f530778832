"""The baseline finds power where it is; labels change places only within their recording."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import RATE, dataset

from daemon.offline.performance import balanced_accuracy
from daemon.training import baseline
from daemon.training.scores import confusion
from daemon.training.settings import Split, Training
from daemon.training.splits import folds, grouped


def test_band_powers_are_those_of_the_bands():
    time = np.arange(400) / RATE
    windows = np.zeros((1, 400, 2), np.float32)
    windows[0, :, 0] = np.sin(2 * np.pi * 10 * time)
    windows[0, :, 1] = np.sin(2 * np.pi * 20 * time)
    power = baseline.band_powers(windows, RATE).reshape(len(baseline.BANDS), 2)
    bands = list(baseline.BANDS)
    assert [bands[power[:, channel].argmax()] for channel in (0, 1)] == ["alpha", "beta"]
    # At 50 Hz there is no low gamma, at 5 Hz no band at all.
    assert baseline.band_powers(windows, 50.0).shape == (1, 3 * 2)
    assert baseline.band_powers(windows, 5.0).shape == (1, 2)


def test_classes_of_different_power_are_told_apart_and_recordings_of_equal_are_not():
    data = dataset(*["abab"] * 9, signal=1.0)
    features = baseline.band_powers(data.windows(np.arange(len(data.targets))), RATE)
    parts = folds(data, grouped(data, Split()), Split(), 0)
    tested, said = baseline.over_folds(features, data.targets, parts)
    assert sorted(tested) == list(range(len(data.targets)))
    assert balanced_accuracy(confusion(data.targets[tested], said, 2)) > 0.9
    accuracy, chance, count = baseline.which_recording(features, data.recording, data.trial, 0)
    assert (chance, count) == (pytest.approx(1 / 9), 9)
    assert accuracy < 0.35
    # A signature, say an amplifier's gain, is found.
    features += data.recording[:, None]
    accuracy, *_ = baseline.which_recording(features, data.recording, data.trial, 0)
    assert accuracy > 0.9


def test_of_band_powers_the_baselines_see_the_eeg_with_and_without_its_reference():
    content = {
        "recordings": ["*.edf"],
        "channels": ["C3", "C4", "Cz"],
        "sample_rate": RATE,
        "window": 4,
        "classes": {"a": "T0", "b": "T1"},
        "conditioning": [
            {"highpass": 1},
            {"reference": ["M1"]},
            {"bandpower": {"bands": [[8, 13]], "rate": 4}},
        ],
    }
    training = Training.model_validate(content)
    data = dataset("abab", "abab")
    random = np.random.default_rng(1)
    eeg = tuple(random.normal(size=(len(s), 4)).astype(np.float32) for s in data.signals)
    steps = tuple(s[:: int(RATE) // 4].astype(np.float32) for s in data.signals)
    powers = replace(
        data, rate=4.0, steps=4, signals=steps, end=data.end // 25, per_step=25, eeg=eeg
    )
    found = baseline.features_of(training, powers)
    assert [*found] == [
        "band-power LDA",
        "band-power LDA after reference M1",
        "LDA of the encoder's inputs",
    ]
    cut = np.stack([eeg[s][end - 100 : end] for s, end in zip(data.signal, data.end, strict=True)])
    plain, referred, inputs = found.values()
    np.testing.assert_allclose(plain, baseline.band_powers(cut[..., :3], RATE))
    expected = baseline.band_powers(cut[..., :3] - cut[..., 3:], RATE)
    np.testing.assert_allclose(referred, expected, rtol=1e-5)
    every = np.arange(len(data.targets))
    np.testing.assert_allclose(inputs, powers.windows(every).mean(axis=1), rtol=1e-5)
    assert [*baseline.features_of(training, data)] == ["band-power LDA"]


def test_one_recording_has_no_identity():
    data = dataset("abab", "a")
    features = np.zeros((len(data.targets), 1))
    assert baseline.which_recording(features, data.recording, data.trial, 0) is None


@given(
    st.lists(st.text("abc", min_size=1, max_size=6), min_size=1, max_size=4).filter(
        lambda found: len(set("".join(found))) > 1
    ),
    st.integers(0, 100),
)
def test_permutation_keeps_trials_and_recordings(recordings: list[str], seed: int):
    data = dataset(*recordings)
    random = np.random.default_rng(seed)
    found = baseline.permuted_within(data.targets, data.trial, data.recording, random)
    for recording in np.unique(data.recording):
        inside = data.recording == recording
        assert sorted(found[inside]) == sorted(data.targets[inside])
    for trial in np.unique(data.trial):
        assert len(np.unique(found[data.trial == trial])) == 1


def test_permutation_test_by_hand():
    # Two trials in one recording: half of all permutations are the true labels.
    targets, trial, recording = np.array([0, 1]), np.array([0, 1]), np.array([0, 0])
    found, p = baseline.permutation_test(
        1.0, targets, trial, recording, lambda t: float((t == targets).mean()), times=1000, seed=0
    )
    assert set(found) == {0.0, 1.0}
    assert p == pytest.approx((1 + (found == 1).sum()) / 1001)
    assert p == pytest.approx(0.5, abs=0.05)
    # Where recordings hold one class alone, nothing can change places.
    found, p = baseline.permutation_test(
        1.0,
        targets,
        trial,
        np.array([0, 1]),
        lambda t: float((t == targets).mean()),
        times=9,
        seed=0,
    )
    assert p == 1.0
