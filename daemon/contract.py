"""What a model needs of a stream, and the exact difference where they disagree.

Channels are matched by label, never by position: case, spaces and trailing dots do not count, so
the ``Fp1.`` of an EDF+ file is the contract's ``FP1``. Units are matched by name and scaled.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from daemon.errors import ContractError, UsageError
from daemon.records import StreamDescription
from daemon.steps import Step, require_sensible
from daemon.validation import Labels, Strict, read_yaml, validated

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

# The nominal rate is a declaration, so it is compared as one; the tolerance (Hz) only forgives a
# decimal fraction that a device rounded when it wrote its header. What it really sends, the
# timeline watches.
RATE_TOLERANCE = 0.05

_FASTEST = 1e6  # Hz

# Steps of a window or a hop: hours at any rate. Beyond it numbers are slips, and memory is short.
MAX_STEPS = 10_000_000

# Resampling goes by up / down; both have their share in the filter's length.
MAX_RATIO = 1000

# Labels in a message: whole for every usual cap, and no page for a stream that sends a thousand.
_LISTED = 128


def normal_label(label: str) -> str:
    """The form in which labels are compared: no case, spaces or trailing dots."""
    return "".join(label.split()).rstrip(".").upper()


def known_unit(text: str) -> Unit | None:
    """The unit that a stream's metadata names, or None for an unknown one.

    ``mV`` and ``MV`` are both taken for millivolts: no EEG is in megavolts.
    """
    return _UNIT_NAMES.get(text.strip().casefold())


@dataclass(frozen=True, slots=True)
class Pick:
    """How to get the model's samples out of the stream's.

    Attributes
    ----------
    labels : tuple of str
        Of the channels that are picked: the model's in its order, then those that it does not
        take but refers to.
    indices : tuple of int
        For each of them, its position in the stream.
    scales : tuple of float
        For each, the factor from the stream's unit to the contract's.
    sample_rate : float
        The stream's, in Hz.
    up, down : int
        The contract's rate over the stream's; both 1 where the stream is not resampled.
    assumptions : tuple of str
        What was taken for granted because the stream does not say it; for the log.
    """

    labels: tuple[str, ...]
    indices: tuple[int, ...]
    scales: tuple[float, ...]
    sample_rate: float
    up: int
    down: int
    assumptions: tuple[str, ...]


class Contract(Strict):
    """What a model needs: the content of a bundle's ``contract.yaml``.

    Attributes
    ----------
    sample_rate : float
        Hz.
    window : int
        Steps of one window.
    channels : tuple of str
        Labels in the model's order.
    unit : str
        Unit of the samples that the model was trained on.
    classes : tuple of str
        In the order of the model's outputs.
    temperature : float
        Calibration: softmax(logits / temperature). 1 leaves the model's output as it is.
    conditioning : tuple of Step
        Causal steps between stream and model, in order.
    """

    sample_rate: float = Field(gt=0, le=_FASTEST)
    window: int = Field(gt=0, le=MAX_STEPS)
    channels: Labels = Field(min_length=1)
    unit: Unit = "microvolts"
    classes: Labels = Field(min_length=2)
    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    conditioning: Annotated[tuple[Step, ...], Field(strict=False, max_length=32)] = ()

    @field_validator("channels")
    @classmethod
    def _distinct_channels(cls, channels: tuple[str, ...]) -> tuple[str, ...]:
        _require_distinct([normal_label(label) for label in channels])
        return channels

    @field_validator("classes")
    @classmethod
    def _distinct_classes(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        _require_distinct(list(classes))
        return classes

    @field_validator("conditioning")
    @classmethod
    def _sensible_steps(cls, steps: tuple[Step, ...], info: ValidationInfo) -> tuple[Step, ...]:
        for step in steps:
            _require_distinct([normal_label(label) for label in step.reference or ()])
        if "sample_rate" in info.data and "channels" in info.data:
            require_sensible(steps, info.data["sample_rate"], len(info.data["channels"]))
        return steps

    @property
    def referred(self) -> tuple[str, ...]:
        """Channels that the reference names and the model does not take."""
        own = {normal_label(label) for label in self.channels}
        named = [label for step in self.conditioning for label in step.reference or ()]
        return tuple(label for label in named if normal_label(label) not in own)

    def pick(
        self,
        stream: StreamDescription,
        *,
        hop: int | None = None,
        channels: tuple[str, ...] | None = None,
        unit: Unit | None = None,
    ) -> Pick:
        """How to feed this model from ``stream``.

        Parameters
        ----------
        stream : StreamDescription
        hop : int, optional
            Steps between the starts of two windows: has to fit where the stream is resampled.
        channels : tuple of str, optional
            Labels for a stream that announces none, in the stream's order.
        unit : str, optional
            Unit of a stream that announces none.

        Raises
        ------
        ContractError
            Names the stream and every difference at once.
        """
        differences: list[str] = []
        assumptions: list[str] = []
        if stream.channel_format == "string":
            differences.append("its samples are strings, the model needs numbers")
        up, down = self._ratio(stream, hop, differences)
        labels = self._labels(stream, channels, differences, assumptions)
        indices: tuple[int, ...] = ()
        scales: tuple[float, ...] = ()
        if labels is not None:
            indices = self._indices(labels, differences)
        if labels is not None and indices:
            scales = self._scales(stream, indices, unit, differences, assumptions)
        if differences:
            raise ContractError(
                f"stream {stream} contradicts the model's contract: " + "; ".join(differences)
            )
        rate = self.sample_rate if up == down else stream.sample_rate
        picked = (*self.channels, *self.referred)
        return Pick(picked, indices, scales, rate, up, down, tuple(assumptions))

    def _ratio(
        self, stream: StreamDescription, hop: int | None, differences: list[str]
    ) -> tuple[int, int]:
        """This contract's rate over the stream's, in lowest terms."""
        sent, needed = stream.sample_rate, self.sample_rate
        if abs(sent - needed) <= RATE_TOLERANCE:
            return 1, 1
        said = f"its rate is {f'{sent:g} Hz' if sent else 'irregular (0 Hz)'}"
        if not (self.conditioning and self.conditioning[0].resample and 0 < sent <= _FASTEST):
            differences.append(f"{said}, the model needs {needed:g} Hz")
            return 1, 1
        ratio = (_rate(needed) / _rate(sent)).limit_denominator(MAX_RATIO)
        up, down = ratio.numerator, ratio.denominator
        if not 0 < up <= MAX_RATIO or abs(float(ratio) * sent - needed) > RATE_TOLERANCE:
            differences.append(
                f"{said}, which is no ratio of whole numbers up to {MAX_RATIO} away from the "
                f"model's {needed:g} Hz"
            )
        elif self.window % up:
            differences.append(
                f"{said}, of which the model's window, {self.window} steps at {needed:g} Hz, is "
                "no whole number of samples"
            )
        elif hop is not None and hop % up:
            fitting = max(round(hop / up), 1) * up
            differences.append(
                f"{said}, of which window.hop {hop} at {needed:g} Hz is no whole number of "
                f"samples; a hop of {fitting} is"
            )
        return up, down

    def _labels(
        self,
        stream: StreamDescription,
        channels: tuple[str, ...] | None,
        differences: list[str],
        assumptions: list[str],
    ) -> tuple[str, ...] | None:
        if channels is not None and len(channels) != stream.channel_count:
            differences.append(
                f"it has {stream.channel_count} channels, stream.channels names {len(channels)}"
            )
            return None
        if not any(stream.labels):
            if channels is None:
                differences.append(
                    "it announces no channel labels (name its channels, in order, under "
                    "stream.channels to accept it)"
                )
                return None
            assumptions.append("the stream announces no labels; they are taken from the config")
            return channels
        if channels is not None and [*map(normal_label, channels)] != [
            *map(normal_label, stream.labels)
        ]:
            differences.append(
                f"it announces the labels {_listed(stream.labels)}, "
                f"stream.channels says {_listed(channels)}"
            )
            return None
        return stream.labels

    def _indices(self, labels: tuple[str, ...], differences: list[str]) -> tuple[int, ...]:
        """Positions of the channels to pick, or () with the differences noted."""
        offered = [normal_label(label) for label in labels]
        count = Counter(offered)
        wanted = {label: normal_label(label) for label in (*self.channels, *self.referred)}
        missing = [label for label, normal in wanted.items() if not count[normal]]
        double = [label for label, normal in wanted.items() if count[normal] > 1]
        if missing:
            differences.append(
                f"missing channel{'s'[: len(missing) > 1]} {', '.join(missing)} "
                f"(it has {_listed(labels)})"
            )
        if double:
            differences.append(f"more than one channel is labelled {', '.join(double)}")
        if missing or double:
            return ()
        return tuple(offered.index(normal) for normal in wanted.values())

    def _scales(
        self,
        stream: StreamDescription,
        indices: tuple[int, ...],
        unit: Unit | None,
        differences: list[str],
        assumptions: list[str],
    ) -> tuple[float, ...]:
        scales = []
        unknown: dict[str, list[str]] = {}
        contradicted: dict[str, list[str]] = {}
        silent = 0
        for label, index in zip((*self.channels, *self.referred), indices, strict=True):
            said = stream.units[index]
            known: Unit | None
            if said.strip():
                known = known_unit(said)
                if known and unit and known != unit:
                    contradicted.setdefault(said, []).append(label)
            else:
                silent += 1
                known = unit or self.unit
            if known is None:
                unknown.setdefault(said, []).append(label)
            else:
                scales.append(MICROVOLTS[known] / MICROVOLTS[self.unit])
        for said, labels in unknown.items():
            differences.append(
                f"the unit {said!r} of {', '.join(labels)} is none of {', '.join(MICROVOLTS)}"
            )
        for said, labels in contradicted.items() if not silent else ():
            differences.append(
                f"it announces the unit {said!r} of {_listed(tuple(labels))}, stream.unit, which "
                f"is for channels that announce none, says {unit}"
            )
        if silent and not unknown:
            where = "stream.unit" if unit else "the contract's; set stream.unit to confirm it"
            assumptions.append(
                f"{silent} of {len(indices)} channels announce no unit; "
                f"taken as {unit or self.unit} ({where})"
            )
        return tuple(scales)


def read_contract(path: Path, written: Contract | None) -> Contract:
    """The contract of the model at ``path``: a bundle's own, or for a bare file ``written``.

    Raises
    ------
    UsageError
        There are two, or none, or it is not valid.
    """
    if not path.is_dir():
        if written is None:
            raise UsageError(
                f"model {path} comes without a contract: write it under model.contract in "
                f"config.yaml"
            )
        return written
    if written is not None:
        raise UsageError(
            f"model bundle {path} carries its own contract.yaml: remove model.contract from "
            f"config.yaml"
        )
    file = path / "contract.yaml"
    return validated(Contract, read_yaml(file, "contract"), str(file))


def _listed(labels: tuple[str, ...]) -> str:
    more = len(labels) - _LISTED
    return ", ".join(label or "?" for label in labels[:_LISTED]) + f" and {more} more" * (more > 0)


def _rate(hertz: float) -> Fraction:
    """A declared rate without the fraction that a device rounded."""
    near = round(hertz)
    return Fraction(near if near and abs(hertz - near) <= RATE_TOLERANCE else hertz)


def _require_distinct(labels: list[str]) -> None:
    double = [label for label, count in Counter(labels).items() if count > 1]
    if double:
        raise ValueError(f"{', '.join(double)} occurs more than once")
