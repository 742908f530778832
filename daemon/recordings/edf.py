"""EDF and BDF files: EEG, trigger channels and annotations on one clock."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from daemon.errors import UsageError
from daemon.recordings.edf_header import Header, Signal, read_header
from daemon.recordings.record_times import RecordTimes, record_times
from daemon.recordings.recording import Marker, Recording, from_file
from daemon.recordings.tals import Annotation, read_tals
from daemon.recordings.triggers import Digital, codes, is_trigger, status_lines, without_bits
from daemon.records import Float64
from daemon.text import clean, normal_label

log = logging.getLogger(__name__)

Records = npt.NDArray[np.uint8]
"""The bytes of all records, shape (records, bytes of one)."""


def read_edf(
    path: Path, type: str, channels: Sequence[str] = (), *, strict: bool = False
) -> Recording:
    """Read an EDF or BDF file; its samples are in the units of its own header.

    Parameters
    ----------
    path : Path
    type : str
        Of the stream that a replay of the file announces.
    channels : sequence of str
        Labels of the channels that are needed. Where signals have several rates, the rate counts
        that most of these have (of two, the higher); where none is there, the highest.
    strict : bool
        Refuse a file that is damaged, instead of taking the records that are whole.

    Raises
    ------
    UsageError
        No EDF or BDF file, corrupt, without a whole record, or without EEG.
    """
    header = read_header(path)
    eeg, triggers = _chosen(path, header, {normal_label(label) for label in channels})
    records = _whole_records(path, header, strict)
    rate = eeg[0].count / header.duration
    times, annotations = _told(path, header, records, rate, strict)
    samples = np.empty((len(records) * eeg[0].count, len(eeg)), order="F")  # filled by channel
    for column, signal in enumerate(eeg):
        samples[:, column] = _physical(_digital(records, signal, header.width), signal)
    markers = [(float(at + times.moved[record]), text) for record, at, text in annotations]
    for n in without_bits([signal.label for signal in triggers]):
        markers += _markers(records, triggers[n], header, times)
    return from_file(
        path,
        type=type,
        rate=rate,
        labels=[signal.label for signal in eeg],
        units=[signal.unit for signal in eeg],
        samples=samples,
        stamps=_stamps(times, eeg[0], header.duration),
        markers=markers,
    )


def _chosen(path: Path, header: Header, needed: set[str]) -> tuple[list[Signal], list[Signal]]:
    """The EEG, of one rate, and the triggers; ``needed`` are normal labels."""
    eeg: list[Signal] = []
    triggers: list[Signal] = []
    empty: list[Signal] = []
    for signal in header.signals:
        if signal.is_annotations:
            continue
        if is_trigger(signal.label) and normal_label(signal.label) not in needed:
            triggers.append(signal)
        else:
            (eeg if signal.scale and signal.count else empty).append(signal)
    _leave_out(path, empty, "without a range of values in the header")
    if not eeg or not header.duration:
        raise UsageError(
            f"recording {path} holds no EEG: besides triggers and annotations it has no signal "
            f"with samples, a range of values and a duration"
        )
    matches = Counter(s.count for s in eeg if normal_label(s.label) in needed)
    count = max((s.count for s in eeg), key=lambda count: (matches[count], count))
    kept = [s for s in eeg if s.count == count]
    # Triggers that are slower than the EEG, as buttons pressed by night, mark no sample of it.
    others = [s for s in eeg if s.count != count] + [s for s in triggers if s.count < count]
    rate = count / header.duration
    _leave_out(path, others, f"sampled at another rate than the {len(kept)} at {rate:g} Hz")
    return kept, [s for s in triggers if s.count >= count]


def _leave_out(path: Path, signals: Sequence[Signal], why: str) -> None:
    labels = dict.fromkeys(clean(signal.label) or "?" for signal in signals)
    if labels:
        log.warning("recording %s: %s left out, %s", path, ", ".join(labels), why)


def _whole_records(path: Path, header: Header, strict: bool) -> Records:
    size = path.stat().st_size - header.size
    whole, rest = divmod(max(size, 0), header.record_size)
    if not whole:
        raise UsageError(
            f"recording {path} is cut off: it ends at byte {path.stat().st_size}, before the end "
            f"of its first record of {header.record_size} bytes"
        )
    # Nothing is missing where the recorder could not write how many there are.
    if rest or header.records not in (None, whole):
        said = "does not say how many" if header.records is None else f"says {header.records}"
        _damaged(
            f"recording {path} is cut off, or was not finished: it holds {whole} whole records "
            f"and {rest} bytes behind them, its header {said}",
            strict,
        )
    return np.memmap(path, np.uint8, "r", header.size, (whole, header.record_size))


def _damaged(what: str, strict: bool) -> None:
    if strict:
        raise UsageError(what)
    log.warning("%s; what is whole is read", what)


def _told(
    path: Path, header: Header, records: Records, rate: float, strict: bool
) -> tuple[RecordTimes, tuple[Annotation, ...]]:
    """When the records begin, and the annotations that stand in them."""
    told = [
        slice(signal.first, signal.first + signal.count * header.width)
        for signal in header.signals
        if signal.is_annotations and signal.count
    ]
    onsets = np.full(len(records), np.nan)
    annotations: tuple[Annotation, ...] = ()
    if told:
        content = ([record[part].tobytes() for part in told] for record in records)
        onsets, annotations = read_tals(path, content)
    silent = np.flatnonzero(np.isnan(onsets))
    if len(silent) == len(records) and header.discontinuous:
        raise UsageError(
            f"recording {path} has gaps by its header, and no record says when it begins, so that "
            f"nobody knows where they are; export it anew"
        )
    if 0 < len(silent) < len(records):
        _damaged(
            f"recording {path}: {len(silent)} of {len(records)} records do not say when they "
            f"begin, first record {silent[0] + 1}; they are taken to follow those before them",
            strict,
        )
    times = record_times(onsets, header.duration, rate)
    if times.back:
        log.warning(
            "recording %s: %d records begin before the one in front of them has ended, first "
            "record %d; windows start over there",
            path,
            len(times.back),
            times.back[0] + 1,
        )
    return times, annotations


def _stamps(times: RecordTimes, signal: Signal, duration: float) -> Float64:
    within = np.arange(signal.count) * (duration / signal.count)
    stamps: Float64 = (times.starts[:, None] + within).ravel()
    return stamps


def _digital(records: Records, signal: Signal, width: int) -> Digital:
    """A signal's samples as they are stored, (n,)."""
    content = records[:, signal.first : signal.first + signal.count * width]
    # Upper bytes of four, so that the sign is where it belongs.
    padded = np.zeros((len(records), signal.count, 4), np.uint8)
    padded[..., 4 - width :] = content.reshape(len(records), signal.count, width)
    digital: Digital = padded.view("<i4").ravel() >> 8 * (4 - width)
    return digital


def _physical(digital: Digital, signal: Signal) -> Float64:
    gain, offset = signal.scale or (1.0, 0.0)
    return digital * np.float64(gain) + offset


def _markers(records: Records, trigger: Signal, header: Header, times: RecordTimes) -> list[Marker]:
    digital = _digital(records, trigger, header.width)
    stamps = _stamps(times, trigger, header.duration)
    return [(float(stamps[at]), str(code)) for at, code in codes(_values(digital, trigger, header))]


def _values(digital: Digital, trigger: Signal, header: Header) -> Digital | Float64:
    """The numbers that a trigger channel was meant to hold.

    Many writers give it the range of the EEG, some having scaled the codes to it, some not.
    """
    if header.width == 3 and normal_label(trigger.label) == "STATUS":
        return status_lines(digital)
    if trigger.scale is None:
        return digital
    physical = _physical(digital, trigger)
    step = abs(trigger.scale[0])
    if step > 1:  # nobody can have scaled codes that follow each other into it
        return digital
    whole = np.abs(physical - np.rint(physical)) <= 0.501 * step
    still = 2 * np.count_nonzero(np.diff(digital)) < len(digital)
    return physical if whole.all() or not still else digital
