"""FIF files, read by MNE."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from daemon.errors import UsageError
from daemon.recordings.boundaries import gaps_of, on_the_clock
from daemon.recordings.complaints import quiet, unreadable
from daemon.recordings.integrity import check_fif
from daemon.recordings.recording import Recording, from_file
from daemon.records import Samples


def read_fif(path: Path, type: str) -> Recording:
    """Read a FIF file; its samples are in volts.

    Its markers are annotations and stimulus channels; where it has neither, the events in a file
    beside it, as MNE names it: ``x-eve.fif`` for ``x_raw.fif``.

    Raises
    ------
    UsageError
        Cut off, corrupt, or without samples besides stimuli.
    """
    import mne

    check_fif(path)
    return read_with_mne(path, type, mne.io.read_raw_fif)


def read_with_mne(
    path: Path, type: str, read: Callable[..., Any], units: list[str] | None = None, **how: Any
) -> Recording:
    """Read a file by one of MNE's readers; ``units`` other than MNE's, for each channel."""
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
            triggers = _triggers(raw) or ([] if texts else _events_beside(path, raw))
        except ImportError:
            raise
        except Exception as error:
            raise unreadable(path, error) from error
    if not samples.size:
        raise UsageError(f"recording {path} holds no EEG: it has no samples besides stimuli")
    own = [_unit(channel["unit"]) for channel in raw.info["chs"]]
    if units and len(units) == len(own):
        own = [given or mnes for given, mnes in zip(units, own, strict=True)]
    notes = list(zip(onsets, durations, texts, strict=True))
    gaps, received = gaps_of(notes, len(samples), rate)
    stamps, moved = on_the_clock(len(samples), rate, gaps)
    marks = [*zip(onsets, texts, strict=True), *triggers]
    return from_file(
        path,
        type=type,
        rate=rate,
        labels=[raw.ch_names[i] for i in picks],
        units=[own[i] for i in picks],
        samples=samples[received],
        stamps=stamps[received],
        markers=[(moved(at), text) for at, text in marks],
    )


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


def _events_beside(path: Path, raw: Any) -> list[tuple[float, str]]:
    """Of ``x_raw.fif``, what ``x-eve.fif`` beside it lists: when, and the number."""
    import mne

    named = re.fullmatch(r"(.+)[-_](raw|eeg|meg)\.fif(\.gz)?", path.name)
    beside = path.with_name(f"{named[1]}-eve.fif") if named else path
    if beside == path or not beside.is_file():
        return []
    rate = float(raw.info["sfreq"])
    found = mne.read_events(beside, verbose="error")
    return [(float(at - raw.first_samp) / rate, str(number)) for at, _, number in found]


def _unit(code: Any) -> str:
    """FIF's code of a unit: 107 is volts, -1 is none."""
    return {107: "volts", -1: ""}.get(int(code), f"FIF unit {int(code)}")
