"""What the config says of a stream in the place of the stream's own word, or of its silence.

`daemon.pick` decides whether it may; what is here is what follows once it may.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from daemon.records import StreamDescription
from daemon.text import normal_label
from daemon.units import Unit


class Overrides(Protocol):
    """The keys of ``stream`` in a config that are about what is in it; None says nothing.

    Attributes
    ----------
    channels : tuple of str or None
        Labels of all channels, in the stream's order.
    rename : mapping of str to str or None
        From a label of the stream to the model's name for it.
    unit : str or None
        Of channels that announce none, or one that is not known.
    sample_rate : float or None
        Hz, instead of the announced rate.
    """

    @property
    def channels(self) -> tuple[str, ...] | None: ...
    @property
    def rename(self) -> Mapping[str, str] | None: ...
    @property
    def unit(self) -> Unit | None: ...
    @property
    def sample_rate(self) -> float | None: ...


class _Nothing:
    channels = rename = unit = sample_rate = None


NO_OVERRIDES: Overrides = _Nothing()
"""Leaves every stream as it announces itself."""


def labels_of(stream: StreamDescription, overrides: Overrides) -> tuple[str, ...]:
    """Labels of the stream's channels by which the model's are found; ``""`` for none."""
    labels = stream.labels
    if overrides.channels is not None and len(overrides.channels) == len(labels):
        labels = overrides.channels
    names = {normal_label(label): name for label, name in (overrides.rename or {}).items()}
    return tuple(names.get(normal_label(label), label) for label in labels)


def rate_of(stream: StreamDescription, overrides: Overrides) -> float:
    """The stream's nominal rate in Hz; 0 for an irregular one of which nothing is said."""
    return overrides.sample_rate or stream.sample_rate
