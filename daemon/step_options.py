"""What the steps of ``contract.conditioning`` take: the options of each, as they are written.

`daemon.steps` has the steps themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from daemon.electrodes import positions
from daemon.text import normal_label
from daemon.validation import Strict

# As a fraction of the sample rate: nearer to 0 or to half the rate, a filter of order 8 is only
# rounding, and so is a band that is narrower.
LOWEST, HIGHEST, NARROWEST = 1e-6, 0.4999, 1e-4
_APART = 1e-3  # of the head's radius: nearer ones are one electrode

_NOT_CAUSAL = {"filtfilt", "sosfiltfilt", "zero_phase", "zerophase", "phase", "noncausal"}


class Causal(Strict):
    """Refuses in words what would have to know the future."""

    @model_validator(mode="before")
    @classmethod
    def _no_future(cls, content: Any) -> Any:
        keys = content if isinstance(content, dict) else ()
        for key in keys:
            if str(key).casefold() in _NOT_CAUSAL:
                raise ValueError(
                    f"{key} filters forward and backward, which takes samples that live data do "
                    "not have yet; use causal steps, such as {highpass: 0.5}, in training too "
                    "(within whole windows, under per_window, filters do so by themselves)"
                )
        return content


Hertz = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Order = Annotated[int, Field(ge=1, le=8)]


class Cutoff(Causal):
    """A Butterworth high-pass or low-pass; ``frequency`` is where it takes 3 dB."""

    frequency: Hertz
    order: Order = 2


class Band(Causal):
    """A Butterworth band-pass, of ``order`` at either edge."""

    low: Hertz
    high: Hertz
    order: Order = 2


class Notch(Causal):
    """A notch, ``frequency / q`` wide at 3 dB."""

    frequency: Hertz
    q: float = Field(default=30.0, ge=1, le=200)


def short(*fields: str) -> BeforeValidator:
    """Lets the values of ``fields`` stand alone, as in ``{bandpass: [1, 40]}``."""

    def spelled_out(value: object) -> object:
        if len(fields) == 1 and isinstance(value, int | float) and not isinstance(value, bool):
            return {fields[0]: value}
        if isinstance(value, list | tuple) and len(value) == len(fields) > 1:
            return dict(zip(fields, value, strict=True))
        if not isinstance(value, dict | Causal):
            usual = fields[0] if len(fields) == 1 else f"[{', '.join(fields)}]"
            # pydantic takes no TypeError.
            raise ValueError(f"write {usual}, or a mapping with it")  # noqa: TRY004
        return value

    return BeforeValidator(spelled_out)


FILTER_WORDS: dict[str, Callable[[Any], str]] = {
    "highpass": lambda to: f"high-pass {to.frequency:g} Hz (order {to.order})",
    "lowpass": lambda to: f"low-pass {to.frequency:g} Hz (order {to.order})",
    "bandpass": lambda to: f"band-pass {to.low:g} to {to.high:g} Hz (order {to.order})",
    "notch": lambda to: f"notch {to.frequency:g} Hz ({to.frequency / to.q:.2g} Hz wide)",
}


class Filter(Strict):
    """A step, a mapping of exactly one of its keys, that may be a filter.

    Attributes
    ----------
    highpass, lowpass : Cutoff
    bandpass : Band
    notch : Notch
    """

    highpass: Annotated[Cutoff, short("frequency")] | None = None
    lowpass: Annotated[Cutoff, short("frequency")] | None = None
    bandpass: Annotated[Band, short("low", "high")] | None = None
    notch: Annotated[Notch, short("frequency")] | None = None

    @model_validator(mode="after")
    def _one(self) -> Filter:
        if len(self._given) != 1:
            raise ValueError("a step is a mapping of one key, as in {highpass: 0.5}")
        return self

    @property
    def _given(self) -> list[str]:
        return [key for key in type(self).model_fields if getattr(self, key) is not None]

    @property
    def kind(self) -> str:
        """The step's key."""
        return self._given[0]

    @property
    def frequencies(self) -> tuple[float, ...]:
        """Hz; all that have to lie below half the sample rate."""
        cutoff = self.highpass or self.lowpass or self.notch
        if cutoff is not None:
            return (cutoff.frequency,)
        return (self.bandpass.low, self.bandpass.high) if self.bandpass else ()

    def require_below_half(self, rate: float, kind: str | None = None) -> None:
        """Make sure that a filter's frequencies go with a sample rate (Hz).

        ``kind`` is the key under which it is written, where that is not its own.

        Raises
        ------
        ValueError
            They do not; says which.
        """
        for frequency in self.frequencies:
            if not LOWEST * rate <= frequency <= HIGHEST * rate:
                raise ValueError(
                    f"{kind or self.kind} {frequency:g} Hz is not between 0 and half of "
                    f"sample_rate, {rate / 2:g} Hz"
                )
        if self.bandpass and self.bandpass.high - self.bandpass.low < NARROWEST * rate:
            raise ValueError(f"{self} is no band: low comes first, and high is above it")


class BandPower(Causal):
    """Logarithm of the power in bands: band-pass, square, average, logarithm.

    ``smooth`` is the time constant of the average in seconds, ``rate`` how many values a second
    are given, in Hz.
    """

    bands: Annotated[
        tuple[Annotated[Band, short("low", "high")], ...], Field(strict=False, min_length=1)
    ]
    smooth: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 0.5
    rate: Hertz


class Decimate(Causal):
    """Means over as many samples as make ``rate`` of them a second, in Hz."""

    rate: Hertz


Coordinate = Annotated[float, Field(ge=-1e6, le=1e6)]
Position = Annotated[tuple[Coordinate, Coordinate, Coordinate], Field(strict=False)]


class Laplacian(Causal):
    """Every channel of the model minus the mean of its four nearest, each by 1 / distance.

    ``positions`` are of labels that the 10-05 system does not have, or has elsewhere: right, front
    and up from the middle of the head, in any unit.
    """

    positions: dict[str, Position] = Field(default_factory=dict)

    def places(self, labels: Sequence[str]) -> list[tuple[float, float, float]]:
        """Of ``labels``, on a sphere of radius 1.

        Raises
        ------
        ValueError
            Some have no position, or the same one; names them.
        """
        own = {normal_label(label): place for label, place in self.positions.items()}
        known = positions() | own
        found, unknown = [], []
        for label in labels:
            place = known.get(normal_label(label))
            length = math.hypot(*place) if place else 0.0
            if place and length:
                found.append((place[0] / length, place[1] / length, place[2] / length))
            else:
                unknown.append(label)
        if unknown:
            raise ValueError(
                f"reference: laplacian knows no position of {', '.join(unknown)}: give right, "
                f"front and up from the middle of the head, as in {{reference: {{laplacian: "
                f"{{positions: {{{unknown[0]}: [-0.5, 0.3, 0.8]}}}}}}}}"
            )
        for n, place in enumerate(found):
            for label, other in zip(labels, found[:n], strict=False):
                if math.dist(place, other) < _APART:
                    raise ValueError(
                        f"reference: laplacian has {label} and {labels[n]} at the same place"
                    )
        return found


Numbers = Annotated[
    tuple[Annotated[float, Field(ge=-1e9, le=1e9)], ...], Field(strict=False, min_length=1)
]


def _positive(values: tuple[float, ...]) -> tuple[float, ...]:
    if min(values) < 1e-12:
        raise ValueError(f"{min(values):g} divides by nothing: every one must be above 0")
    return values


class ZScore(Causal):
    """Per channel of the model, in its order: (x - mean) / std, in the contract's unit."""

    mean: Numbers
    std: Annotated[Numbers, AfterValidator(_positive)]
