"""The words of ``contract.conditioning``: what is done to a stream between amplifier and model.

Each step is a mapping of one key, as ``{highpass: 0.5}``; what it computes is in
`daemon.conditioning`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from daemon.validation import Labels, Strict

# As a fraction of the sample rate: nearer to 0 or to half the rate, a filter of order 8 is only
# rounding, and so is a band that is narrower.
LOWEST, HIGHEST, NARROWEST = 1e-6, 0.4999, 1e-4

_NOT_CAUSAL = {"filtfilt", "sosfiltfilt", "zero_phase", "zerophase", "phase", "noncausal"}


class _Causal(Strict):
    """Refuses in words what would have to know the future."""

    @model_validator(mode="before")
    @classmethod
    def _no_future(cls, content: Any) -> Any:
        keys = content if isinstance(content, dict) else ()
        for key in keys:
            if str(key).casefold() in _NOT_CAUSAL:
                raise ValueError(
                    f"{key} filters forward and backward, which takes samples that live data do "
                    "not have yet; use causal steps, such as {highpass: 0.5}, in training too"
                )
        return content


Hertz = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Order = Annotated[int, Field(ge=1, le=8)]


class Cutoff(_Causal):
    """A Butterworth high-pass or low-pass; ``frequency`` is where it takes 3 dB."""

    frequency: Hertz
    order: Order = 2


class Band(_Causal):
    """A Butterworth band-pass, of ``order`` at either edge."""

    low: Hertz
    high: Hertz
    order: Order = 2


class Notch(_Causal):
    """A notch, ``frequency / q`` wide at 3 dB."""

    frequency: Hertz
    q: float = Field(default=30.0, ge=1, le=200)


Numbers = Annotated[
    tuple[Annotated[float, Field(ge=-1e9, le=1e9)], ...], Field(strict=False, min_length=1)
]


def _positive(values: tuple[float, ...]) -> tuple[float, ...]:
    if min(values) < 1e-12:
        raise ValueError(f"{min(values):g} divides by nothing: every one must be above 0")
    return values


class ZScore(_Causal):
    """Per channel of the model, in its order: (x - mean) / std, in the contract's unit."""

    mean: Numbers
    std: Annotated[Numbers, AfterValidator(_positive)]


def short(*fields: str) -> BeforeValidator:
    """Lets the values of ``fields`` stand alone, as in ``{bandpass: [1, 40]}``."""

    def spelled_out(value: object) -> object:
        if len(fields) == 1 and isinstance(value, int | float) and not isinstance(value, bool):
            return {fields[0]: value}
        if isinstance(value, list | tuple) and len(value) == len(fields) > 1:
            return dict(zip(fields, value, strict=True))
        if not isinstance(value, dict | _Causal):
            short = fields[0] if len(fields) == 1 else f"[{', '.join(fields)}]"
            # pydantic takes no TypeError.
            raise ValueError(f"write {short}, or a mapping with it")  # noqa: TRY004
        return value

    return BeforeValidator(spelled_out)


class OneKey(Strict):
    """A mapping of exactly one of its keys, as a step is written."""

    @model_validator(mode="after")
    def _one(self) -> OneKey:
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


FILTER_WORDS: dict[str, Callable[[Any], str]] = {
    "highpass": lambda to: f"high-pass {to.frequency:g} Hz (order {to.order})",
    "lowpass": lambda to: f"low-pass {to.frequency:g} Hz (order {to.order})",
    "bandpass": lambda to: f"band-pass {to.low:g} to {to.high:g} Hz (order {to.order})",
    "notch": lambda to: f"notch {to.frequency:g} Hz ({to.frequency / to.q:.2g} Hz wide)",
}


class Filter(OneKey):
    """A step that may be a filter.

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

    @property
    def frequencies(self) -> tuple[float, ...]:
        """Hz; all that have to lie below half the sample rate."""
        cutoff = self.highpass or self.lowpass or self.notch
        if cutoff is not None:
            return (cutoff.frequency,)
        return (self.bandpass.low, self.bandpass.high) if self.bandpass else ()

    def require_below_half(self, rate: float) -> None:
        """Make sure that a filter's frequencies go with a sample rate (Hz).

        Raises
        ------
        ValueError
            They do not; says which.
        """
        for frequency in self.frequencies:
            if not LOWEST * rate <= frequency <= HIGHEST * rate:
                raise ValueError(
                    f"{self.kind} {frequency:g} Hz is not between 0 and half of sample_rate, "
                    f"{rate / 2:g} Hz"
                )
        if self.bandpass and self.bandpass.high - self.bandpass.low < NARROWEST * rate:
            raise ValueError(f"{self} is no band: low comes first, and high is above it")


class Step(Filter, _Causal):
    """One step of a contract's conditioning: exactly one of these is given.

    Attributes
    ----------
    highpass, lowpass, bandpass, notch
        See `Filter`; causal.
    resample : True
        To the contract's rate, from whatever rate the stream has.
    reference : tuple of str
        Channels whose mean is subtracted from every channel; () for all of the model's, which is
        written ``average``.
    zscore : ZScore
    """

    resample: Literal[True] | None = None
    reference: Labels | None = None
    zscore: ZScore | None = None

    @model_validator(mode="before")
    @classmethod
    def _average(cls, content: Any) -> Any:
        if not isinstance(content, dict) or "reference" not in content:
            return content
        reference = content["reference"]
        if reference != "average" and not (isinstance(reference, list | tuple) and reference):
            raise ValueError("reference: write average, or a list of channels as in [M1, M2]")
        return {**content, "reference": () if reference == "average" else reference}

    @model_serializer(mode="wrap")
    def _as_written(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written = {key: value for key, value in dump(self).items() if key == self.kind}
        return {"reference": "average"} if self.reference == () else written

    def __str__(self) -> str:
        """What it does, in words."""
        words: dict[str, Callable[[Any], str]] = {
            **FILTER_WORDS,
            "resample": lambda _: "resample",
            "reference": lambda to: f"reference {', '.join(to) or 'average'}",
            "zscore": lambda _: "z-score per channel",
        }
        return words[self.kind](getattr(self, self.kind))


def require_sensible(steps: Sequence[Step], rate: float, channels: int) -> None:
    """Whether ``steps`` go together, with a rate (Hz) and a number of channels.

    Raises
    ------
    ValueError
        They do not; says which and why.
    """
    for n, step in enumerate(steps):
        if step.resample and n:
            raise ValueError("resample comes first: the steps after it are at sample_rate")
        if step.zscore and n < len(steps) - 1:
            raise ValueError("zscore comes last: it is of what the model was trained on")
        step.require_below_half(rate)
        for key in ("mean", "std") if step.zscore else ():
            given = len(getattr(step.zscore, key))
            if given != channels:
                raise ValueError(f"zscore.{key} has {given} values for {channels} channels")
    if sum(step.reference is not None for step in steps) > 1:
        raise ValueError("reference occurs more than once; the last one alone has an effect")
