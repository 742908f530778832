"""Where the electrodes of the 10-20, 10-10 and 10-05 systems lie on a head that is a sphere.

Positions follow from the system's own definition (R. Oostenveld and P. Praamstra, "The five percent
electrode system for high-resolution EEG and ERP measurements", Clinical Neurophysiology 112, 2001):
ten percent are 22.5 degrees along the midline and 18 degrees along the ring through Fpz, T7, Oz and
T8, and each row divides the circle through its two ends on that ring and its middle evenly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np

from daemon.records import Float64

_TENTH, _RING = 22.5, 18.0  # degrees of ten percent: along the midline, and along the ring

# From front to back, each five percent after the one before; of its electrodes at the side and
# below, the temporal rows have names of their own.
_FRONT = ("Fp", "AFp", "AF", "AFF", "F", "FFC", "FC", "FCC", "C")
_BACK = ("CCP", "CP", "CPP", "P", "PPO", "PO", "POO", "O")
_TEMPORAL = {"FFC": "FFT", "FC": "FT", "FCC": "FTT", "C": "T", "CCP": "TTP", "CP": "TP"}
_TEMPORAL |= {"CPP": "TPP"}
# How far from the middle of a row to its end on the ring.
_COLUMNS = {"1h": 1, "1": 2, "3h": 3, "3": 4, "5h": 5, "5": 6, "7h": 7, "7": 8}
_ENDS = {"1h": 4, "1": 8}  # of the first and the last row, which lie on the ring whole
_OF = 8
# Below the ring, in percent.
_BELOW = {"9h": 5.0, "9": 10.0}
_OTHER_NAMES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
_OTHER_NAMES |= {"A1": "T9", "A2": "T10", "M1": "TP9", "M2": "TP10"}


@cache
def positions() -> dict[str, tuple[float, float, float]]:
    """By label in upper case: (right, front, up) on a sphere of radius 1."""
    found: dict[str, Float64] = {}
    for n, row in enumerate((*_FRONT, *_BACK)):
        middle = _at(_TENTH * (4 - n / 2), 0.0)
        found[f"{row}z"] = middle
        azimuth = _RING * (1 + n / 2)
        ends = row in ("Fp", "O")
        for column, part in (_ENDS if ends else _COLUMNS).items():
            name = _TEMPORAL.get(row, row) if column.startswith("7") else row
            found[f"{name}{column}"] = _along(middle, _at(90.0, azimuth), part / _OF)
        for column, percent in {} if ends else _BELOW.items():
            name = f"{_TEMPORAL.get(row, row)}{column}"
            found[name] = _at(90.0 + _TENTH * percent / 10, azimuth)
    for row, azimuth in (("N", _RING), ("I", 180.0 - _RING)):
        found[f"{row}1"] = _at(90.0 + _TENTH, azimuth)
        found[f"{row}z"] = _at(90.0 + _TENTH, 0.0 if row == "N" else 180.0)
    right = {_mirrored(label): place * (-1, 1, 1) for label, place in found.items()}
    table = {label.upper(): place for label, place in (found | right).items()}
    table |= {other: table[label] for other, label in _OTHER_NAMES.items()}
    return {label: (float(x), float(y), float(z)) for label, (x, y, z) in table.items()}


def nearest(places: Float64, count: int) -> tuple[Sequence[Sequence[int]], Float64]:
    """For each of ``places`` (n, 3) its nearest others, and 1 / distance scaled to a sum of one.

    Returns
    -------
    indices, weights : (n, count)
        The nearest first; of equally near ones, those that come first in ``places``.
    """
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    # What is as near by symmetry differs by rounding.
    order = np.argsort(apart.round(9), axis=1, kind="stable")[:, :count]
    weights = 1 / np.take_along_axis(apart, order, axis=1)
    return order.tolist(), weights / weights.sum(axis=1, keepdims=True)


def _at(inclination: float, azimuth: float) -> Float64:
    """Degrees from Cz, and from the front towards the left ear."""
    down, around = math.radians(inclination), math.radians(azimuth)
    out = math.sin(down)
    return np.array([-out * math.sin(around), out * math.cos(around), math.cos(down)])


def _along(middle: Float64, end: Float64, part: float) -> Float64:
    """``part`` of the way from ``middle`` to ``end``, on the circle through both and its mirror."""
    across = np.array([0.0, end[1] - middle[1], end[2] - middle[2]])
    across /= np.linalg.norm(across)
    # Of the circle's plane, which the line from ear to ear lies in.
    centre = middle - (middle @ across) * across
    to_middle = middle - centre
    radius = float(np.linalg.norm(to_middle))
    whole = math.atan2(-end[0], float((end - centre) @ to_middle) / radius)
    turn = part * whole
    place: Float64 = (
        centre + math.cos(turn) * to_middle + math.sin(turn) * radius * np.array([-1.0, 0, 0])
    )
    return place


def _mirrored(label: str) -> str:
    """The label of the electrode on the other side: F3 and F4, FT9h and FT10h."""
    name = label.rstrip("h")
    number = name.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZp")
    if not number.isdigit():
        return label
    return f"{name[: -len(number)]}{int(number) + 1}{label[len(name) :]}"
