"""The markers beside the EEG of an XDF file, on the EEG's clock.

Which streams tell events, and how:

- Every stream of strings, of numbers whose type says so (``Markers``, ``Triggers`` …), and of
  single whole numbers at no rate; the EEG itself by its trigger channels. What eegd publishes never
  does: a prediction is no truth.
- Where a single channel has no rate, every sample is an event. Numbers at a rate or in several
  channels are lines that hold a code, and texts at a rate are held likewise: each change to another
  one that is neither 0 nor empty is an event. So is a sample without a rate that repeats all of
  the one before it: nobody sends it for nothing.
- An empty text is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from daemon.recordings.recording import Marker, Markers, in_order
from daemon.recordings.streams import XdfStream
from daemon.recordings.triggers import changes, code_text, codes, is_trigger, without_bits

# What eegd says of itself in each of its streams; an amplifier may tell its model too.
_EEGD = {"model", "hop"}


def is_of_eegd(stream: XdfStream) -> bool:
    """Whether eegd published it."""
    return stream.said.keys() >= _EEGD


def markers_beside(eeg: XdfStream, streams: Iterable[XdfStream]) -> Markers:
    """Events of those of ``streams`` that tell any, on the clock of ``eeg``, by time."""
    # From the recorder's clock to the EEG's, by the offset of the nearest samples.
    order = np.argsort(eeg.synchronized, kind="stable")
    at = eeg.synchronized[order]
    offsets = (eeg.synchronized - eeg.stamps)[order]
    found: list[Marker] = []
    for stream in streams:
        if stream is eeg:
            found += [(float(eeg.stamps[n]), text) for n, text in _trigger_channels(eeg)]
            continue
        for n, text in _events(stream):
            stamp = stream.synchronized[n]
            found.append((float(stamp - np.interp(stamp, at, offsets)), text))
    return in_order(found)


def _trigger_channels(eeg: XdfStream) -> Iterator[tuple[int, str]]:
    """Codes in the EEG's own channels: at which sample, and which."""
    labels = eeg.about.labels
    triggers = [n for n, label in enumerate(labels) if is_trigger(label)]
    for n in without_bits([labels[n] for n in triggers]):
        yield from (
            (at, str(code)) for at, code in codes(eeg.values[:, triggers[n]], labels[triggers[n]])
        )


def _events(stream: XdfStream) -> Iterator[tuple[int, str]]:
    """At which sample of ``stream``, and which."""
    about, values = stream.about, stream.values
    if is_of_eegd(stream):
        return
    if about.channel_format == "string":
        for n, text in enumerate(values):
            if not about.sample_rate or n == 0 or text != values[n - 1]:
                yield n, text
        return
    single = about.channel_count == 1 and not about.sample_rate
    if not is_trigger(about.type) and not (single and about.channel_format.startswith("int")):
        return
    again = np.flatnonzero((values[1:] == values[:-1]).all(axis=1)) + 1
    repeated = () if about.sample_rate else again.tolist()
    for channel in values.T:
        lines = {*changes(channel), *(n for n in repeated if channel[n])}
        for n in range(len(channel)) if single else sorted(lines):
            if np.isfinite(channel[n]):
                yield n, code_text(channel[n])
