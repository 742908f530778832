"""Where the simulated EEG's sources lie, how they sound and what each class does to them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from daemon.records import Float64

CLASSES = ("rest", "left_fist", "right_fist", "both_fists", "both_feet", "eyes_closed")

# BioSemi's 32 electrodes in BioSemi's order, on a head of radius 1: right ear at x = +0.8, nose up.
_ELECTRODES = {
    "Fp1": (-0.25, 0.76), "AF3": (-0.30, 0.60), "F7": (-0.65, 0.47), "F3": (-0.38, 0.40),
    "FC1": (-0.19, 0.20), "FC5": (-0.60, 0.22), "T7": (-0.80, 0.00), "C3": (-0.40, 0.00),
    "CP1": (-0.19, -0.20), "CP5": (-0.60, -0.22), "P7": (-0.65, -0.47), "P3": (-0.38, -0.40),
    "Pz": (0.00, -0.40), "PO3": (-0.30, -0.60), "O1": (-0.25, -0.76), "Oz": (0.00, -0.80),
    "O2": (0.25, -0.76), "PO4": (0.30, -0.60), "P4": (0.38, -0.40), "P8": (0.65, -0.47),
    "CP6": (0.60, -0.22), "CP2": (0.19, -0.20), "C4": (0.40, 0.00), "T8": (0.80, 0.00),
    "FC6": (0.60, 0.22), "FC2": (0.19, 0.20), "F4": (0.38, 0.40), "F8": (0.65, 0.47),
    "AF4": (0.30, 0.60), "Fp2": (0.25, 0.76), "Fz": (0.00, 0.40), "Cz": (0.00, 0.00),
}  # fmt: skip

LABELS = tuple(_ELECTRODES)


class Rhythm(NamedTuple):
    """A source of narrow-band noise under one electrode."""

    place: str
    centre: float  # Hz
    half_width: float  # Hz
    strength: float  # µV rms at that electrode, at rest
    gains: dict[str, float]  # in each class where it is not 1


# Desynchronisation to 0.35 of the amplitude is an eighth of the power, and alpha triples behind
# closed eyes. Both occur, and are more than most people show: the rhythms of this head are strong
# and answer plainly.
_ERD = {
    "C3": {"right_fist": 0.35, "left_fist": 0.9, "both_fists": 0.35, "both_feet": 1.1},
    "C4": {"left_fist": 0.35, "right_fist": 0.9, "both_fists": 0.35, "both_feet": 1.1},
    "Cz": {"both_feet": 0.3},
}
_ALPHA = {"eyes_closed": 3.0}
RHYTHMS = (
    *(Rhythm(place, 10.5, 1.2, 12.0, gains) for place, gains in _ERD.items()),
    *(Rhythm(place, 20.0, 2.5, 6.0, gains) for place, gains in _ERD.items()),
    *(Rhythm(place, 9.8, 1.0, 6.0, _ALPHA) for place in ("O1", "Oz", "O2")),
)

_BACKGROUND = 7.0  # µV rms per channel, 1/f
_VOLUME_CONDUCTION = 0.33  # in head radii: how far a source is seen


def class_gains(name: str) -> Float64:
    """How strong each rhythm is in a class, relative to rest, (rhythms,)."""
    return np.array([rhythm.gains.get(name, 1.0) for rhythm in RHYTHMS])


def filters(rate: float, length: int) -> npt.NDArray[np.complex128]:
    """Spectra of the shaping filters, (length + 1, sources): white noise in, rms 1 out."""
    frequency = np.fft.rfftfreq(length, 1 / rate)
    pink = 1 / np.sqrt(np.maximum(frequency, 0.5))
    pink[0] = 0
    shapes = [pink] * len(LABELS)
    for rhythm in RHYTHMS:
        shapes.append(np.exp(-0.5 * ((frequency - rhythm.centre) / rhythm.half_width) ** 2))
    responses = np.roll(np.fft.irfft(np.array(shapes), length, axis=1), length // 2, axis=1)
    responses *= np.hanning(length)
    responses /= np.sqrt(np.sum(responses**2, axis=1, keepdims=True))
    spectra: npt.NDArray[np.complex128] = np.fft.rfft(responses, 2 * length, axis=1).T
    return spectra


def mixing() -> Float64:
    """Sources to electrodes, (sources, 32), in microvolts: nearer electrodes see more."""
    places = np.array(list(_ELECTRODES.values()))
    rhythm_places = np.array([_ELECTRODES[rhythm.place] for rhythm in RHYTHMS])

    def seen(sources: Float64) -> Float64:
        squared = np.sum((sources[:, None] - places[None]) ** 2, axis=2)
        weights: Float64 = np.exp(-squared / (2 * _VOLUME_CONDUCTION**2))
        return weights

    background = seen(places)
    background *= _BACKGROUND / np.sqrt(np.sum(background**2, axis=0))
    strengths = np.array([rhythm.strength for rhythm in RHYTHMS])
    return np.concatenate([background, strengths[:, None] * seen(rhythm_places)])
