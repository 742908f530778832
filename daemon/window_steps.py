"""The words of ``contract.per_window``: what is done to each whole window before the model.

Each step is a word, as ``demean``, or a mapping of one key, as ``{zscore: {over: all}}``; what it
computes is in `daemon.per_window`. A window is complete when its last sample is there, so that
filters may run forward and backward within it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from daemon.step_options import FILTER_WORDS, Filter
from daemon.validation import Strict

Over = Literal["channel", "all"]
Epsilon = Annotated[float, Field(ge=0, le=1e9)]


class ZScoreOfWindow(Strict):
    """(x - mean) / (std + ``epsilon``), of each channel or over ``all``; ``ddof`` as in NumPy."""

    over: Over = "channel"
    epsilon: Epsilon = 0.0
    ddof: Literal[0, 1] = 0


class MinMax(Strict):
    """(x - min) / (max - min + ``epsilon``), of each channel or over ``all``, brought to ``to``."""

    over: Over = "channel"
    epsilon: Epsilon = 0.0
    to: Annotated[tuple[float, float], Field(strict=False)] = (0.0, 1.0)

    @model_validator(mode="after")
    def _range(self) -> MinMax:
        if not -1e9 <= self.to[0] < self.to[1] <= 1e9:
            raise ValueError(f"to: [{self.to[0]:g}, {self.to[1]:g}] is no range from low to high")
        return self


_FLAGS = ("demean", "detrend")
_MAPPINGS = ("zscore", "minmax")
_EXAMPLES = {"reference": "average", "scale": "1.0e+6", "bandpass": "[1, 40]", "notch": "50"}
_EXAMPLES |= {"highpass": "0.5", "lowpass": "40"}


class WindowStep(Filter):
    """One step on a whole window: exactly one of these is given.

    Attributes
    ----------
    highpass, lowpass, bandpass, notch
        See `daemon.step_options.Filter`; forward and backward (zero phase), as
        `scipy.signal.sosfiltfilt`.
    demean, detrend : True
        Subtract each channel's mean, or its least-squares line.
    zscore : ZScoreOfWindow
    minmax : MinMax
    reference : "average"
        Subtract the mean of all channels from each, step by step.
    scale : float
        Multiply by it.
    """

    demean: Literal[True] | None = None
    detrend: Literal[True] | None = None
    zscore: ZScoreOfWindow | None = None
    minmax: MinMax | None = None
    reference: Literal["average"] | None = None
    scale: Annotated[float, Field(ge=-1e12, le=1e12)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _word(cls, content: Any) -> Any:
        """``demean`` stands for {demean: true}, ``zscore`` for one with its defaults."""
        if content in _FLAGS:
            return {content: True}
        if content in _MAPPINGS:
            return {content: {}}
        if isinstance(content, str) and content in cls.model_fields:
            # pydantic takes no TypeError.
            raise ValueError(f"{content} needs a value, as in {{{content}: {_EXAMPLES[content]}}}")
        if isinstance(content, str):
            raise ValueError(  # noqa: TRY004
                f"{content!r} is no step: there are {', '.join(cls.model_fields)}"
            )
        return content

    @model_serializer(mode="wrap")
    def _as_written(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in dump(self).items() if key == self.kind}

    def __str__(self) -> str:
        """What it does, in words."""

        def of(over: str) -> str:
            return "over all channels" if over == "all" else "per channel"

        words: dict[str, Callable[[Any], str]] = {
            **{key: _zero_phase(word) for key, word in FILTER_WORDS.items()},
            "demean": lambda _: "demean",
            "detrend": lambda _: "detrend",
            "zscore": lambda to: f"z-score of the window {of(to.over)}",
            "minmax": lambda to: f"{to.to[0]:g} to {to.to[1]:g} {of(to.over)}",
            "reference": lambda _: "reference average",
            "scale": lambda to: f"times {to:g}",
        }
        return words[self.kind](getattr(self, self.kind))


def _zero_phase(word: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda to: f"{word(to)}, zero phase"


def require_sensible_window(steps: Sequence[WindowStep], rate: float, window: int) -> None:
    """Make sure that ``steps`` go with windows of ``window`` samples at ``rate`` Hz.

    Raises
    ------
    ValueError
        They do not; says which and why.
    """
    for step in steps:
        step.require_below_half(rate)
        # By as many samples SciPy extends a signal at either end before it filters.
        order = getattr(getattr(step, step.kind), "order", 2)
        sections = order if step.bandpass else -(-order // 2)
        padding = 3 * (2 * sections + 1)
        if step.frequencies and window <= padding:
            raise ValueError(f"{step} needs windows of more than {padding} steps")
    for step in steps:
        if step.scale == 0:
            raise ValueError("scale 0 leaves nothing of the signal")
