"""FIF files, read by MNE."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from daemon.errors import UsageError
from daemon.recordings.boundaries import gaps_of, on_the_clock
from daemon.recordings.complaints import quiet, unreadable
from daemon.recordings.recording import Recording, from_file
from daemon.recordings.tags import first_part, parts_behind, read_contents
from daemon.recordings.triggers import codes, is_trigger, without_bits
from daemon.records import Samples
from daemon.text import clean


def read_fif(path: Path, type: str) -> Recording:
    """Read a FIF file with all parts that it was split into.

    Its stimulus channels are markers and no samples.

    Raises
    ------
    UsageError
        Cut off, corrupt, epoched, without samples besides stimuli, or a part that another brings.
    """
    import mne

    if not read_contents(path).is_recording:
        raise UsageError(
            f"recording {path} holds no continuous samples: epochs, averages and events are no "
            "recording, give the file that they were made of"
        )
    first = first_part(path)
    if first != path:
        raise UsageError(f"recording {path} continues {first.name}: give that one, it brings this")
    for part in parts_behind(path):
        if not part.is_file():
            raise UsageError(f"recording {path} goes on in {clean(part.name)}: put it beside it")
    with quiet("mne"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            raw = mne.io.read_raw_fif(path, verbose="error")
            picks = [i for i, kind in enumerate(raw.get_channel_types()) if kind != "stim"]
            scales = [_scale(raw.info["chs"][i]) for i in picks]
            samples: Samples = raw.get_data(picks).T * scales if picks else np.empty((0, 0))
            rate = float(raw.info["sfreq"])
            onsets = (raw.annotations.onset - raw.first_time).tolist()
            durations = raw.annotations.duration.tolist()
            texts = [str(text) for text in raw.annotations.description]
            triggers = _triggers(raw) or ([] if texts else _events_beside(path, raw))
        except (ImportError, UsageError):
            raise
        except Exception as error:
            raise unreadable(path, error) from error
    if not samples.size:
        raise UsageError(f"recording {path} holds no EEG: it has no samples besides stimuli")
    notes = list(zip(onsets, durations, texts, strict=True))
    gaps, received = gaps_of(notes, len(samples), rate)
    stamps, moved = on_the_clock(len(samples), rate, gaps)
    marks = [*zip(onsets, texts, strict=True), *triggers]
    return from_file(
        path,
        type=type,
        rate=rate,
        labels=[raw.ch_names[i] for i in picks],
        units=[_unit(raw.info["chs"][i]["unit"]) for i in picks],
        samples=samples[received],
        stamps=stamps[received],
        markers=[(moved(at), text) for at, text in marks],
    )


def _triggers(raw: Any) -> list[tuple[float, str]]:
    """Codes of trigger channels: when, in seconds since the first sample, and which."""
    names, kinds = raw.ch_names, raw.get_channel_types()
    triggers = [n for n, name in enumerate(names) if kinds[n] == "stim" or is_trigger(name)]
    return [
        (at / float(raw.info["sfreq"]), str(code))
        for n in without_bits([names[n] for n in triggers])
        for at, code in codes(raw.get_data([triggers[n]])[0], names[triggers[n]])
    ]


def _scale(channel: Any) -> float:
    """What the numbers of a channel are to be multiplied by: its unit may stand for a multiple."""
    return 10.0 ** int(channel["unit_mul"])


def _events_beside(path: Path, raw: Any) -> list[tuple[float, str]]:
    """Of ``x_raw.fif``, what ``x-eve.fif`` beside it lists: when, and the number."""
    import mne

    stem = re.sub(r"\.fif(\.gz)?$", "", path.name)
    named = (f"{stem}-eve.fif", re.sub(r"[-_](raw|eeg|meg)$", "", stem) + "-eve.fif")
    beside = next((path.with_name(name) for name in named if path.with_name(name).is_file()), None)
    if beside is None or beside == path:
        return []
    rate = float(raw.info["sfreq"])
    try:
        found = mne.read_events(beside, verbose="error")
    except Exception as error:
        raise unreadable(beside, error) from error
    return [(float(at - raw.first_samp) / rate, str(number)) for at, _, number in found]


def _unit(code: Any) -> str:
    """FIF's code of a unit: 107 is volts, -1 is none."""
    return {107: "volts", -1: ""}.get(int(code), f"FIF unit {int(code)}")
