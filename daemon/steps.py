"""The words of ``contract.conditioning``: what is done to a stream between amplifier and model.

Each step is a mapping of one key, as ``{highpass: 0.5}``; what it computes is in
`daemon.conditioning`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from daemon.step_options import (
    FILTER_WORDS,
    Band,
    BandPower,
    Causal,
    Decimate,
    Filter,
    Laplacian,
    ZScore,
    short,
)
from daemon.validation import Labels


class Step(Filter, Causal):
    """One step of a contract's conditioning: exactly one of these is given.

    Attributes
    ----------
    resample : True
        To the contract's rate, from whatever rate the stream has.
    highpass, lowpass, bandpass, notch
        See `daemon.step_options.Filter`; causal.
    reference : tuple of str
        Channels whose mean is subtracted from every channel; () for all of the model's, which is
        written ``average``.
    laplacian : Laplacian
        Written ``reference: laplacian``.
    bandpower : BandPower
    decimate : Decimate
    zscore : ZScore
    """

    resample: Literal[True] | None = None
    reference: Labels | None = None
    laplacian: Laplacian | None = None
    bandpower: BandPower | None = None
    decimate: Annotated[Decimate, short("rate")] | None = None
    zscore: ZScore | None = None

    @model_validator(mode="before")
    @classmethod
    def _spelled_out(cls, content: Any) -> Any:
        if not isinstance(content, dict) or "reference" not in content:
            return content
        rest = {key: value for key, value in content.items() if key != "reference"}
        given = content["reference"]
        if given == "laplacian":
            return {**rest, "laplacian": {}}
        if isinstance(given, dict) and [*given] == ["laplacian"]:
            return {**rest, **given}
        if given != "average" and not (isinstance(given, list | tuple) and given):
            raise ValueError(
                "reference: write average, laplacian, or a list of channels as in [M1, M2]"
            )
        return {**rest, "reference": () if given == "average" else given}

    @model_serializer(mode="wrap")
    def _as_written(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written = {key: value for key, value in dump(self).items() if key == self.kind}
        if self.laplacian:
            return {"reference": written if self.laplacian.positions else "laplacian"}
        return {"reference": "average"} if self.reference == () else written

    @property
    def rate(self) -> float | None:
        """Hz, where the step gives fewer values a second than it takes."""
        fewer = self.bandpower or self.decimate
        return fewer.rate if fewer else None

    @property
    def filters(self) -> tuple[Step, ...]:
        """The filters in it: itself, the band-passes of ``bandpower``, or none."""
        if self.bandpower:
            return tuple(Step(bandpass=band) for band in self.bandpower.bands)
        return (self,) if self.frequencies else ()

    def __str__(self) -> str:
        """What it does, in words."""
        words: dict[str, Callable[[Any], str]] = {
            **FILTER_WORDS,
            "resample": lambda _: "resample",
            "reference": lambda to: f"reference {', '.join(to) or 'average'}",
            "laplacian": lambda _: "reference laplacian",
            "bandpower": lambda to: (
                f"log power of {', '.join(map(_hertz, to.bands))} Hz, averaged over "
                f"{to.smooth:g} s, {to.rate:g} times a second"
            ),
            "decimate": lambda to: f"means, {to.rate:g} times a second",
            "zscore": lambda _: "z-score per channel",
        }
        return words[self.kind](getattr(self, self.kind))


def _hertz(band: Band) -> str:
    return f"{band.low:g}-{band.high:g}"


def samples_per_step(steps: Sequence[Step], rate: float) -> int:
    """How many samples at ``rate`` Hz make one step of the model: 1 but after a decimation."""
    return next((round(rate / step.rate) for step in steps if step.rate), 1)


def model_inputs(steps: Sequence[Step], channels: Sequence[str]) -> tuple[str, ...]:
    """What ``steps`` make of ``channels``, in order: these, or each one's bands (``C3 8-13``)."""
    for step in steps:
        if step.bandpower:
            bands = [_hertz(band) for band in step.bandpower.bands]
            return tuple(f"{channel} {band}" for channel in channels for band in bands)
    return tuple(channels)


def require_sensible(steps: Sequence[Step], rate: float, channels: Sequence[str]) -> None:
    """Whether ``steps`` go together, with a rate (Hz) and the labels of the model's channels.

    Raises
    ------
    ValueError
        They do not; says which and why.
    """
    inputs = model_inputs(steps, channels)
    for n, step in enumerate(steps):
        if step.resample and n:
            raise ValueError("resample comes first: the steps after it are at sample_rate")
        if step.zscore and n < len(steps) - 1:
            raise ValueError("zscore comes last: it is of what the model was trained on")
        if step.rate:
            _require_whole(step.kind, step.rate, rate)
            if any(not after.zscore for after in steps[n + 1 :]):
                raise ValueError(f"only zscore may follow {step.kind}")
        for one in step.filters:
            one.require_below_half(rate, step.kind)
        for key in ("mean", "std") if step.zscore else ():
            given = len(getattr(step.zscore, key))
            if given != len(inputs):
                of = "channels" if len(inputs) == len(channels) else "channels × bands"
                raise ValueError(f"zscore.{key} has {given} values for {len(inputs)} {of}")
        if step.laplacian:
            step.laplacian.places(channels)
            if len(channels) == 1:
                raise ValueError("reference: laplacian takes two channels or more")
    if len({*inputs}) < len(inputs):
        raise ValueError("bandpower.bands: a band occurs more than once")
    if sum(bool(step.laplacian) or step.reference is not None for step in steps) > 1:
        raise ValueError("reference occurs more than once; the last one alone has an effect")


def _require_whole(kind: str, rate: float, sample_rate: float) -> None:
    ratio = sample_rate / rate
    if ratio < 1 or abs(ratio - round(ratio)) > 1e-9 * ratio:
        raise ValueError(
            f"{kind}.rate {rate:g} Hz: sample_rate, {sample_rate:g} Hz, has to be a whole multiple "
            "of it"
        )
