"""How to get what a model needs out of a stream, or the exact difference where they disagree.

Channels are matched by label, never by position (`daemon.contract.normal_label`), units by name
(`daemon.units`). What the stream does not say is taken from the config or the contract, and told;
so is what the config says in the stream's place (`daemon.overrides`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from daemon.contract import MAX_RATE, Contract
from daemon.errors import ContractError
from daemon.overrides import NO_OVERRIDES, Overrides, labels_of, rate_of
from daemon.records import StreamDescription
from daemon.text import listed, normal_label
from daemon.units import MICROVOLTS, known_unit, says_nothing, unit_of

# The nominal rate is a declaration, so it is compared as one; the tolerance (Hz) only forgives a
# decimal fraction that a device rounded when it wrote its header. What it really sends, the
# timeline watches.
RATE_TOLERANCE = 0.05

# Resampling goes by up / down; both have their share in the filter's length.
MAX_RATIO = 1000

# Labels in a message: whole for every usual cap, and no page for a stream that sends a thousand.
_LISTED = 128


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
        What was taken for granted because the stream does not say it, or the config says
        otherwise; for the log.
    """

    labels: tuple[str, ...]
    indices: tuple[int, ...]
    scales: tuple[float, ...]
    sample_rate: float
    up: int
    down: int
    assumptions: tuple[str, ...]


def pick_for(
    contract: Contract,
    stream: StreamDescription,
    overrides: Overrides = NO_OVERRIDES,
    *,
    hop: int | None = None,
) -> Pick:
    """How to feed the model with ``contract`` from ``stream``.

    Parameters
    ----------
    contract : Contract
    stream : StreamDescription
    overrides : Overrides
        What the config says of the stream: `daemon.config.StreamConfig`.
    hop : int, optional
        Steps between the starts of two windows: has to fit where the stream is resampled.

    Raises
    ------
    ContractError
        Names the stream and every difference at once.
    """
    compared = _Comparison(contract, stream, overrides)
    if stream.channel_format == "string":
        compared.differences.append("its samples are strings, the model needs numbers")
    up, down = compared.ratio(hop)
    indices = compared.indices() if compared.labels_are_clear() else ()
    scales = compared.scales(indices) if indices else ()
    if compared.differences:
        raise ContractError(
            f"stream {stream} contradicts the model's contract: " + "; ".join(compared.differences),
            channels=tuple(dict.fromkeys(compared.differing)),
            differences=compared.differences,
        )
    rate = contract.sample_rate if up == down else rate_of(stream, overrides)
    return Pick(compared.needed, indices, scales, rate, up, down, tuple(compared.assumptions))


class _Comparison:
    """Asks one thing after the other, and notes all differences and assumptions on the way.

    Attributes
    ----------
    needed : tuple of str
        Labels of the model's channels in its order, then those that it only refers to.
    differences, assumptions, differing : list of str
        The last are labels of the channels that differences are about.
    """

    def __init__(self, contract: Contract, stream: StreamDescription, overrides: Overrides) -> None:
        self._contract = contract
        self._stream = stream
        self._overrides = overrides
        self.needed = contract.needed
        self.differences: list[str] = []
        self.differing: list[str] = []
        self.assumptions: list[str] = []

    def ratio(self, hop: int | None) -> tuple[int, int]:
        """The contract's rate over the stream's, in lowest terms."""
        announced = self._stream.sample_rate
        sent, needed = rate_of(self._stream, self._overrides), self._contract.sample_rate
        conditioning = self._contract.conditioning
        said = f"its rate is {sent:g} Hz"
        if abs(sent - announced) > RATE_TOLERANCE:
            said = f"stream.sample_rate is {sent:g} Hz"
            instead = f"{announced:g} Hz" if announced else "no regular rate"
            self.assumptions.append(
                f"the stream announces {instead}; taken as {sent:g} Hz (stream.sample_rate)"
            )
        if not sent:
            self.differences.append(
                "its rate is irregular (0 Hz), the model needs "
                f"{needed:g} Hz: if it samples regularly, write its rate under stream.sample_rate"
            )
            return 1, 1
        if abs(sent - needed) <= RATE_TOLERANCE:
            return 1, 1
        if not (conditioning and conditioning[0].resample and 0 < sent <= MAX_RATE):
            self.differences.append(f"{said}, the model needs {needed:g} Hz")
            return 1, 1
        ratio = (_rate(needed) / _rate(sent)).limit_denominator(MAX_RATIO)
        up, down = ratio.numerator, ratio.denominator
        if not 0 < up <= MAX_RATIO or abs(float(ratio) * sent - needed) > RATE_TOLERANCE:
            self.differences.append(
                f"{said}, which is no ratio of whole numbers up to {MAX_RATIO} away from the "
                f"model's {needed:g} Hz"
            )
        elif self._contract.window * self._contract.samples_per_step % up:
            self.differences.append(
                f"{said}, of which the model's window, {self._contract.window} steps at "
                f"{self._contract.step_rate:g} Hz, is no whole number of samples"
            )
        elif hop is not None and hop * self._contract.samples_per_step % up:
            least = up // math.gcd(up, self._contract.samples_per_step)
            fitting = max(round(hop / least), 1) * least
            self.differences.append(
                f"{said}, of which window.hop {hop} at {self._contract.step_rate:g} Hz is no whole "
                f"number of samples; a hop of {fitting} is"
            )
        return up, down

    def labels_are_clear(self) -> bool:
        """Whether the channels' labels are known, and the config does not contradict them."""
        stream, channels, before = self._stream, self._overrides.channels, len(self.differences)
        if channels is not None and len(channels) != stream.channel_count:
            self.differences.append(
                f"it has {stream.channel_count} channels, stream.channels names {len(channels)}"
            )
        elif channels is not None:
            self._compare_labels(channels)
        elif not any(stream.labels):
            self.differences.append(
                "it announces no channel labels (name its channels, in order, under "
                "stream.channels to accept it)"
            )
        if len(self.differences) > before:
            return False
        labels = channels or stream.labels
        there = set(map(normal_label, labels))
        unknown = [key for key in self._overrides.rename or {} if normal_label(key) not in there]
        if unknown:
            self.differing += unknown
            self.differences.append(
                f"stream.rename has {', '.join(unknown)}, which none of its channels is labelled "
                f"(it has {_listed(labels)})"
            )
        return not unknown

    def _compare_labels(self, channels: tuple[str, ...]) -> None:
        """``channels``, the config's, may name what the stream labels twice, or not at all."""
        announced = [normal_label(label) for label in self._stream.labels]
        count = Counter(announced)
        differing = [
            (own, label)
            for own, label in zip(announced, channels, strict=True)
            if own != normal_label(label)
        ]
        contradicted = [label for own, label in differing if own and count[own] == 1]
        if contradicted:
            self.differing += contradicted
            self.differences.append(
                f"it announces the labels {_listed(self._stream.labels)}, "
                f"stream.channels says {_listed(channels)}"
            )
        elif not any(announced):
            self.assumptions.append(
                "the stream announces no labels; they are taken from the config"
            )
        elif differing:
            self.assumptions.append(
                "the stream labels some channels not at all, or alike; "
                f"{_listed([label for _, label in differing])} are taken from the config"
            )

    def indices(self) -> tuple[int, ...]:
        """Positions of the channels to pick, or () with the differences noted."""
        labels = labels_of(self._stream, self._overrides)
        places: dict[str, list[int]] = {}
        for index, label in enumerate(labels):
            places.setdefault(normal_label(label), []).append(index)
        found = {label: places.get(normal_label(label), []) for label in self.needed}
        missing = [label for label, at in found.items() if not at]
        self.differing += [label for label, at in found.items() if len(at) != 1]
        if missing:
            self.differences.append(
                f"missing channel{'s'[: len(missing) > 1]} {', '.join(missing)} "
                f"(it has {_listed(labels)})"
            )
        for label, at in found.items():
            announced = {normal_label(self._stream.labels[index]) for index in at}
            if len(at) > 1 and len(announced) > 1 and self._overrides.rename:
                self.differences.append(
                    f"stream.rename gives another channel the name of {label}: number "
                    f"{' and '.join(self._place(index) for index in at)}; rename both, or neither"
                )
            elif len(at) > 1:
                self.differences.append(
                    f"more than one channel is labelled {label}: number "
                    f"{' and '.join(self._place(index) for index in at)} of "
                    f"{self._stream.channel_count}; name all of them differently, in the "
                    "stream's order, under stream.channels (stream.rename cannot tell them apart)"
                )
        if any(len(at) != 1 for at in found.values()):
            return ()
        return tuple(at[0] for at in found.values())

    def _place(self, index: int) -> str:
        announced = self._stream.labels[index]
        return f"{index + 1}" + f" ({announced})" * bool(announced)

    def scales(self, indices: tuple[int, ...]) -> tuple[float, ...]:
        """For each channel at ``indices``, the factor from the stream's unit to the contract's."""
        own, told = self._contract.unit, self._overrides.unit
        scales = []
        silent: list[str] = []
        unknown: dict[str, list[str]] = {}
        contradicted: dict[str, list[str]] = {}
        for label, index in zip(self.needed, indices, strict=True):
            said = self._stream.units[index]
            known = known_unit(said)
            if says_nothing(said):
                silent.append(label)
            elif known is None:
                unknown.setdefault(said, []).append(label)
            elif told and known != told:
                contradicted.setdefault(said, []).append(label)
            unit = unit_of(said, told, own)
            scales.append(MICROVOLTS[unit] / MICROVOLTS[own] if unit else 1.0)
        for said, labels in unknown.items():
            what = f"the unit {said!r} of {_listed(labels)} is"
            if told:
                self.assumptions.append(f"{what} not known; taken as {told} (stream.unit)")
            else:
                self.differing += labels
                self.differences.append(
                    f"{what} none of {', '.join(MICROVOLTS)}; if the samples are in one of them "
                    "all the same, write it under stream.unit"
                )
        for said, labels in contradicted.items() if not silent and not unknown else ():
            self.differing += labels
            self.differences.append(
                f"it announces the unit {said!r} of {_listed(labels)}, stream.unit, which "
                f"is for channels that announce none, says {told}"
            )
        if silent:
            where = "stream.unit" if told else "the contract's; set stream.unit to confirm it"
            self.assumptions.append(
                f"{len(silent)} of {len(indices)} channels announce no unit; "
                f"taken as {told or own} ({where})"
            )
        return tuple(scales)


def _listed(labels: Sequence[str]) -> str:
    return listed([label or "?" for label in labels], _LISTED)


def _rate(hertz: float) -> Fraction:
    """A declared rate without the fraction that a device rounded."""
    near = round(hertz)
    return Fraction(near if near and abs(hertz - near) <= RATE_TOLERANCE else hertz)
