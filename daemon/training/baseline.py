"""Band power and a linear discriminant: what an encoder has to beat.

Logarithm of the power in four bands of every channel, then linear discriminant analysis with
Ledoit-Wolf shrinkage and equal priors. The textbook classifier of spontaneous EEG, and nothing in
it to tune.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import signal
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import StratifiedGroupKFold

from daemon.conditioning import Conditioning
from daemon.offline.performance import balanced_accuracy
from daemon.records import Float32, Float64
from daemon.training.scores import Indices, confusion
from daemon.training.settings import Training
from daemon.training.splits import Fold
from daemon.training.windows import Dataset

LDA = "band-power LDA"

BANDS = {"theta": (4, 8), "alpha": (8, 13), "beta": (13, 30), "low gamma": (30, 45)}  # Hz

_SEGMENT = 1.0  # seconds: 1 Hz apart
_FLOOR = 1e-12


def band_powers(windows: Float32, rate: float) -> Float64:
    """Features (n, bands · channels) of windows (n, steps, channels); bands below Nyquist only."""
    length = min(windows.shape[1], round(_SEGMENT * rate))
    frequency, density = signal.welch(windows, rate, nperseg=length, axis=1)
    inside = [(frequency >= low) & (frequency < high) for low, high in BANDS.values()]
    powers = [density[:, band].mean(axis=1) for band in inside if band.any()]
    if not powers:
        powers = [density.mean(axis=1)]
    features: Float64 = np.log(np.concatenate(powers, axis=1).astype(np.float64) + _FLOOR)
    return features


def features_of(training: Training, data: Dataset) -> dict[str, Float64]:
    """For each baseline, the features of all windows.

    Where the encoder takes band powers, those of the EEG that these are of: as it is, and with the
    same reference; and the mean of the encoder's own inputs.
    """
    every = np.arange(len(data.targets))
    if not data.eeg:
        return {LDA: band_powers(data.windows(every), data.rate)}
    contract = training.contract()
    channels, rate = len(contract.channels), contract.sample_rate
    labels = (*contract.channels, *contract.referred)
    eeg = data.eeg_windows(every)
    found = {LDA: band_powers(eeg[..., :channels], rate)}
    for step in contract.conditioning:
        if step.kind in ("reference", "laplacian"):
            reference = Conditioning([step], rate, labels, channels)
            referred = np.stack([reference.apply(window)[0] for window in eeg])
            found[f"{LDA} after {step}"] = band_powers(referred, rate)
    found["LDA of the encoder's inputs"] = data.windows(every).mean(axis=1, dtype=np.float64)
    return found


def answers(features: Float64, targets: Indices, training: Indices, test: Indices) -> Indices:
    """What the discriminant that learned from windows ``training`` says of windows ``test``."""
    # As often as a class occurs says nothing of how well it is told apart.
    priors = np.full(len(np.unique(targets[training])), 1 / len(np.unique(targets[training])))
    discriminant = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=priors)
    discriminant.fit(features[training], targets[training])
    result: Indices = discriminant.predict(features[test]).astype(np.int64)
    return result


def over_folds(
    features: Float64, targets: Indices, folds: Sequence[Fold]
) -> tuple[Indices, Indices]:
    """Windows tested in any fold, and the answers for them; validation windows train too."""
    tested = np.concatenate([fold.test for fold in folds])
    found = [
        answers(features, targets, np.concatenate([fold.training, fold.validation]), fold.test)
        for fold in folds
    ]
    return tested, np.concatenate(found)


def which_recording(
    features: Float64, recording: Indices, trial: Indices, seed: int, folds: int = 5
) -> tuple[float, float, int] | None:
    """How well the same features and classifier tell the recording instead of the class.

    Recordings of a single trial, which nothing is left to learn from when it is left out, are not
    among them.

    Returns
    -------
    (float, float, int) or None
        Balanced accuracy, on trials left out, its chance level, and how many recordings these
        are; None for fewer than two.
    """
    trials = {r: len(np.unique(trial[recording == r])) for r in np.unique(recording)}
    told = np.isin(recording, [r for r, count in trials.items() if count > 1])
    names, numbers = np.unique(recording[told], return_inverse=True)
    if len(names) < 2:
        return None
    parts = min(folds, *(trials[name] for name in names))
    splitter = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    said = np.empty(len(numbers), np.int64)
    for training, test in splitter.split(features[told], numbers, trial[told]):
        said[test] = answers(features[told], numbers, training, test)
    return balanced_accuracy(confusion(numbers, said, len(names))), 1 / len(names), len(names)


def permuted_within(
    targets: Indices, trial: Indices, recording: Indices, random: np.random.Generator
) -> Indices:
    """``targets`` with the trials of each recording exchanged among each other."""
    result = targets.copy()
    for name in np.unique(recording):
        inside = recording == name
        _, first, number = np.unique(trial[inside], return_index=True, return_inverse=True)
        labels = targets[inside][first]
        result[inside] = random.permutation(labels)[number]
    return result


def permutation_test(
    observed: float,
    targets: Indices,
    trial: Indices,
    recording: Indices,
    score: Callable[[Indices], float],
    *,
    times: int,
    seed: int,
) -> tuple[Float64, float]:
    """``score`` of labels permuted within recordings, and the p value of ``observed``.

    p is the share of labellings, the true one among them, that score at least as well (Phipson
    and Smyth, Permutation p-values should never be zero, 2010).
    """
    random = np.random.default_rng(seed)
    scores = np.array(
        [score(permuted_within(targets, trial, recording, random)) for _ in range(times)]
    )
    # Equal labellings score equal, but for rounding.
    return scores, float((1 + np.sum(scores >= observed - 1e-12)) / (1 + times))
