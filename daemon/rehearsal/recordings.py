"""A recording file → its EEG, as the file has it.

Samples keep the file's values and numeric type, stamps are the ones that were recorded: gaps,
jitter and backward steps stay visible. pyxdf and MNE do the reading and are imported on use; what
they log and warn about is kept quiet, what they fail with becomes one line.
"""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from daemon.errors import UsageError
from daemon.records import Float64, Samples, StreamDescription
from daemon.rehearsal.complaints import quiet, readable, unreadable
from daemon.rehearsal.integrity import Signal, check_edf, check_fif
from daemon.rehearsal.matlab import check_set
from daemon.rehearsal.seams import on_the_clock
from daemon.rehearsal.xdf import Markers, read_xdf
from daemon.text import clean

log = logging.getLogger(__name__)

SUFFIXES = (".xdf", ".xdfz", ".xdf.gz", ".edf", ".bdf", ".fif", ".fif.gz", ".set")

# The dimensions of EDF headers that MNE scales to volts; it hands on every other one unscaled.
_SCALED_BY_MNE = ("uV", "\u00b5V", "\x83\u00caV", "mV", "V")


@dataclass(frozen=True, slots=True)
class Recording:
    """The EEG of one file.

    Attributes
    ----------
    path : Path
    stream : StreamDescription
        As the file says; ``name`` is the file's stem where it names nothing.
    samples : array, shape (n, channels), any numeric dtype
        In the units of ``stream.units``. XDF: the recorded values. EDF, BDF, FIF, SET: float64,
        which MNE gives in volts; stimulus channels are left out.
    stamps : float64 array, shape (n,)
        Seconds. XDF: the recorded stamps, on the clock of the EEG's own host. Otherwise the
        sample's index over the rate, and what was cut out before it (`daemon.rehearsal.seams`).
    synchronized : float64 array, shape (n,)
        The stamps mapped to the recorder's clock by the clock offsets of an XDF file, for
        comparing streams of different hosts; equal to ``stamps`` in the other formats.
    markers : tuple of (float, str)
        In order of time, on the clock of ``stamps``. XDF: every stream of strings, or of single
        whole numbers at no rate, mapped by both streams' clock offsets. Otherwise the annotations,
        and what rises on stimulus channels, as a number.
    """

    path: Path
    stream: StreamDescription
    samples: Samples
    stamps: Float64
    synchronized: Float64
    markers: Markers


def read_recording(
    path: Path,
    *,
    name: str | None = None,
    type: str | None = "EEG",
    source_id: str | None = None,
    hostname: str | None = None,
    markers: str | None = None,
) -> Recording:
    """Read XDF, EDF, BDF, FIF or SET, by the file's suffix.

    Parameters
    ----------
    path : Path
    name, type, source_id, hostname : str or None
        Which stream of an XDF file; every one given must match (the type in any case), and exactly
        one numeric stream with samples may. The other formats hold a single recording.
    markers : str or None
        Take the markers of the XDF streams of this name only.

    Raises
    ------
    UsageError
        One line: a missing, unknown, cut-off or corrupt file, no such stream or several, or the
        extra ``recordings`` is not installed.
    """
    lower = path.name.lower()
    wanted = {"name": name, "type": type, "source_id": source_id, "hostname": hostname}
    with readable(path):
        if not lower.endswith(SUFFIXES):
            raise UsageError(f"recording {path} is none of {', '.join(SUFFIXES)}")
        if lower.endswith((".xdf", ".xdfz", ".xdf.gz")):
            given = {key: value for key, value in wanted.items() if value is not None}
            return Recording(path, *read_xdf(path, given, markers))
        return _read_with_mne(path, type or "EEG")


def _read_with_mne(path: Path, type: str) -> Recording:
    import mne

    lower = path.name.lower()
    signals: tuple[Signal, ...] = ()
    how: dict[str, Any] = {}
    if lower.endswith(".set"):
        # Asked here because MNE's own complaint comes late and is not an ImportError.
        import pymatreader  # noqa: F401

        check_set(path)
        read = mne.io.read_raw_eeglab
    elif lower.endswith((".edf", ".bdf")):
        signals, others = _of_one_rate(path, check_edf(path))
        how = {"exclude": others}
        read = mne.io.read_raw_edf if lower.endswith(".edf") else mne.io.read_raw_bdf
    else:
        check_fif(path)
        read = mne.io.read_raw_fif
    with quiet("mne"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            raw = read(path, verbose="error", **how)
            picks = [i for i, kind in enumerate(raw.get_channel_types()) if kind != "stim"]
            samples: Samples = raw.get_data(picks).T if picks else np.empty((0, 0))
            rate = float(raw.info["sfreq"])
            onsets = (raw.annotations.onset - raw.first_time).tolist()
            durations = raw.annotations.duration.tolist()
            texts = [str(text) for text in raw.annotations.description]
            triggers = _triggers(raw)
        except ImportError:
            raise
        except Exception as error:
            raise unreadable(path, error) from error
    if not samples.size:
        raise UsageError(f"recording {path} holds no EEG: it has no samples besides stimuli")
    units = [_unit(raw.info["chs"][i]["unit"]) for i in picks]
    if len(signals) == len(raw.ch_names):
        for position, i in enumerate(picks):
            if signals[i].dimension not in _SCALED_BY_MNE:
                units[position] = clean(_utf8(signals[i].dimension))
    notes = list(zip(onsets, durations, texts, strict=True))
    received, stamps, moved = on_the_clock(len(samples), rate, notes)
    samples, stamps = samples[received], stamps[received]
    stream = StreamDescription(
        name=path.name[: -len(next(s for s in SUFFIXES[::-1] if lower.endswith(s)))],
        type=type,
        source_id="",
        hostname="",
        sample_rate=rate,
        channel_format="double64",
        labels=tuple(clean(raw.ch_names[i]) for i in picks),
        units=tuple(units),
    )
    marks = [(moved(at), text) for at, text in (*zip(onsets, texts, strict=True), *triggers)]
    marks.sort(key=lambda mark: mark[0])
    return Recording(path, stream, samples, stamps, stamps, tuple(marks))


def _of_one_rate(path: Path, signals: tuple[Signal, ...]) -> tuple[tuple[Signal, ...], list[str]]:
    """The signals of the rate that most have (of two, the higher), and the others' labels.

    MNE would bring the others to that rate with samples that come after, as no live stream can.
    """
    count = Counter(signal.rate for signal in signals)
    rate = max(count, key=lambda rate: (count[rate], rate), default=0.0)
    kept = tuple(signal for signal in signals if signal.rate == rate)
    others = [signal.label for signal in signals if signal.rate != rate]
    for both in {signal.label for signal in kept} & set(others):
        raise UsageError(
            f"recording {path} has several signals {clean(both)!r} at different rates: give them "
            "different labels"
        )
    if others:
        log.warning(
            "recording %s: %s left out, sampled at another rate than the %d signals at %g Hz",
            path,
            ", ".join(map(clean, others)),
            len(kept),
            rate,
        )
    return kept, others


def _triggers(raw: Any) -> list[tuple[float, str]]:
    """What rises on stimulus channels: when, in seconds since the first sample, and the number."""
    import mne

    kinds = raw.get_channel_types()
    stimuli = [name for name, kind in zip(raw.ch_names, kinds, strict=True) if kind == "stim"]
    if not stimuli:
        return []
    found = mne.find_events(raw, stimuli, shortest_event=1, verbose="error")
    rate = raw.info["sfreq"]
    return [(float((at - raw.first_samp) / rate), str(number)) for at, _, number in found]


def _unit(code: Any) -> str:
    """FIF's code of a unit: 107 is volts, -1 is none."""
    return {107: "volts", -1: ""}.get(int(code), f"FIF unit {int(code)}")


def _utf8(latin: str) -> str:
    """A header's bytes, read as Latin-1 as the standard has it, were often meant as UTF-8."""
    try:
        return latin.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return latin
