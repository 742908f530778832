"""How to get what a model needs out of a stream, or the exact difference where they disagree.

Channels are matched by label, never by position (`daemon.contract.normal_label`), units by name
(`daemon.units`). What the stream does not say is taken from the config or the contract, and told.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

from daemon.contract import MAX_RATE, Contract, normal_label
from daemon.errors import ContractError
from daemon.records import StreamDescription
from daemon.units import MICROVOLTS, Unit, known_unit

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
        What was taken for granted because the stream does not say it; for the log.
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
    *,
    hop: int | None = None,
    channels: tuple[str, ...] | None = None,
    unit: Unit | None = None,
) -> Pick:
    """How to feed the model with ``contract`` from ``stream``.

    Parameters
    ----------
    contract : Contract
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
    compared = _Comparison(contract, stream)
    if stream.channel_format == "string":
        compared.differences.append("its samples are strings, the model needs numbers")
    up, down = compared.ratio(hop)
    labels = compared.labels(channels)
    indices = compared.indices(labels) if labels is not None else ()
    scales = compared.scales(indices, unit) if indices else ()
    if compared.differences:
        raise ContractError(
            f"stream {stream} contradicts the model's contract: " + "; ".join(compared.differences)
        )
    rate = contract.sample_rate if up == down else stream.sample_rate
    return Pick(compared.needed, indices, scales, rate, up, down, tuple(compared.assumptions))


class _Comparison:
    """Asks one thing after the other, and notes all differences and assumptions on the way.

    Attributes
    ----------
    needed : tuple of str
        Labels of the model's channels in its order, then those that it only refers to.
    differences, assumptions : list of str
    """

    def __init__(self, contract: Contract, stream: StreamDescription) -> None:
        self._contract = contract
        self._stream = stream
        self.needed = (*contract.channels, *contract.referred)
        self.differences: list[str] = []
        self.assumptions: list[str] = []

    def ratio(self, hop: int | None) -> tuple[int, int]:
        """The contract's rate over the stream's, in lowest terms."""
        sent, needed = self._stream.sample_rate, self._contract.sample_rate
        conditioning = self._contract.conditioning
        if abs(sent - needed) <= RATE_TOLERANCE:
            return 1, 1
        said = f"its rate is {f'{sent:g} Hz' if sent else 'irregular (0 Hz)'}"
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

    def labels(self, channels: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """The labels of the stream's channels, or None where they are not known."""
        stream = self._stream
        if channels is not None and len(channels) != stream.channel_count:
            self.differences.append(
                f"it has {stream.channel_count} channels, stream.channels names {len(channels)}"
            )
            return None
        if not any(stream.labels):
            if channels is None:
                self.differences.append(
                    "it announces no channel labels (name its channels, in order, under "
                    "stream.channels to accept it)"
                )
                return None
            self.assumptions.append(
                "the stream announces no labels; they are taken from the config"
            )
            return channels
        if channels is not None and [*map(normal_label, channels)] != [
            *map(normal_label, stream.labels)
        ]:
            self.differences.append(
                f"it announces the labels {_listed(stream.labels)}, "
                f"stream.channels says {_listed(channels)}"
            )
            return None
        return stream.labels

    def indices(self, labels: tuple[str, ...]) -> tuple[int, ...]:
        """Positions of the channels to pick, or () with the differences noted."""
        offered = [normal_label(label) for label in labels]
        count = Counter(offered)
        wanted = {label: normal_label(label) for label in self.needed}
        missing = [label for label, normal in wanted.items() if not count[normal]]
        double = [label for label, normal in wanted.items() if count[normal] > 1]
        if missing:
            self.differences.append(
                f"missing channel{'s'[: len(missing) > 1]} {', '.join(missing)} "
                f"(it has {_listed(labels)})"
            )
        if double:
            self.differences.append(f"more than one channel is labelled {', '.join(double)}")
        if missing or double:
            return ()
        return tuple(offered.index(normal) for normal in wanted.values())

    def scales(self, indices: tuple[int, ...], unit: Unit | None) -> tuple[float, ...]:
        """For each channel at ``indices``, the factor from the stream's unit to the contract's."""
        own = self._contract.unit
        scales = []
        unknown: dict[str, list[str]] = {}
        contradicted: dict[str, list[str]] = {}
        silent = 0
        for label, index in zip(self.needed, indices, strict=True):
            said = self._stream.units[index]
            known: Unit | None
            if said.strip():
                known = known_unit(said)
                if known and unit and known != unit:
                    contradicted.setdefault(said, []).append(label)
            else:
                silent += 1
                known = unit or own
            if known is None:
                unknown.setdefault(said, []).append(label)
            else:
                scales.append(MICROVOLTS[known] / MICROVOLTS[own])
        for said, labels in unknown.items():
            self.differences.append(
                f"the unit {said!r} of {', '.join(labels)} is none of {', '.join(MICROVOLTS)}"
            )
        for said, labels in contradicted.items() if not silent else ():
            self.differences.append(
                f"it announces the unit {said!r} of {_listed(tuple(labels))}, stream.unit, which "
                f"is for channels that announce none, says {unit}"
            )
        if silent and not unknown:
            where = "stream.unit" if unit else "the contract's; set stream.unit to confirm it"
            self.assumptions.append(
                f"{silent} of {len(indices)} channels announce no unit; "
                f"taken as {unit or own} ({where})"
            )
        return tuple(scales)


def _listed(labels: tuple[str, ...]) -> str:
    more = len(labels) - _LISTED
    return ", ".join(label or "?" for label in labels[:_LISTED]) + f" and {more} more" * (more > 0)


def _rate(hertz: float) -> Fraction:
    """A declared rate without the fraction that a device rounded."""
    near = round(hertz)
    return Fraction(near if near and abs(hertz - near) <= RATE_TOLERANCE else hertz)
