"""Units of voltage: what streams and recordings call them, and how large they are."""

from __future__ import annotations

from typing import Literal

Unit = Literal["volts", "millivolts", "microvolts"]

MICROVOLTS: dict[Unit, float] = {"volts": 1e6, "millivolts": 1e3, "microvolts": 1.0}

# The XDF metadata specification asks for the long names; devices write all of these.
_UNIT_NAMES: dict[str, Unit] = {
    **dict.fromkeys(("v", "volt", "volts"), "volts"),
    **dict.fromkeys(("mv", "millivolt", "millivolts"), "millivolts"),
    **dict.fromkeys(
        # U+00B5 micro sign and U+03BC Greek mu look alike; both occur.
        ("uv", "\u00b5v", "\u03bcv", "microvolt", "microvolts"),
        "microvolts",
    ),
}


def known_unit(text: str) -> Unit | None:
    """The unit that a stream's metadata names, or None for an unknown one.

    ``mV`` and ``MV`` are both taken for millivolts: no EEG is in megavolts.
    """
    return _UNIT_NAMES.get(text.strip().casefold())
