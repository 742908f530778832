"""EEGLAB's SET files, of MATLAB 5 and 7.3, with the samples in them or in a .fdt file beside.

Rules that hold here:

- Samples are in microvolts, as EEGLAB takes them.
- An event's latency counts samples from 1, and its duration is in samples.
- An event of type ``boundary``, or -99 where types are numbers, says that so many samples were cut
  out before the next one; NaN and 0 say that nobody knows how many.
- A channel is a trigger channel by its type or its label. Its codes are markers, and it stays among
  the channels.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from daemon.errors import UsageError
from daemon.recordings.boundaries import CUT, Note, gaps_of, on_the_clock
from daemon.recordings.matlab import check_set
from daemon.recordings.recording import Recording, from_file
from daemon.recordings.triggers import code_text, codes, is_trigger, without_bits
from daemon.records import Float64, Samples
from daemon.text import clean, marker_text

# What is read of a dataset, which some write as variables of their own and most as one, EEG.
_FIELDS = ("data", "datfile", "srate", "nbchan", "pnts", "trials", "chanlocs", "event")
_BOUNDARIES = ("boundary", "-99")


def read_set(path: Path, type: str) -> Recording:
    """Read a SET file.

    Raises
    ------
    UsageError
        Cut off, corrupt, or epoched.
    ImportError
        pymatreader is not installed.
    """
    eeg = _dataset(path)
    rate = _number(eeg.get("srate"))
    if not 0 < rate < math.inf:
        raise _broken(path, "it says no sampling rate")
    samples = _samples(path, eeg)
    count, channels = samples.shape
    labels, types = (
        [*map(_text, _listed(eeg.get("chanlocs"), key, channels))] for key in ("labels", "type")
    )
    triggers = [n for n in range(channels) if is_trigger(labels[n]) or is_trigger(types[n])]
    events = _events(eeg.get("event"), rate)
    cuts = [(at, length, CUT) for at, length, text in events if text.casefold() in _BOUNDARIES]
    gaps, _ = gaps_of(cuts, count, rate)
    stamps, moved = on_the_clock(count, rate, gaps)
    marks = [(moved(at), text) for at, _, text in events]
    for n in without_bits([labels[n] for n in triggers]):
        found = codes(samples[:, triggers[n]], labels[triggers[n]])
        marks += [(float(stamps[at]), str(code)) for at, code in found]
    return from_file(
        path,
        type=type,
        rate=rate,
        labels=labels,
        units=["" if n in triggers else "microvolts" for n in range(channels)],
        samples=samples,
        stamps=stamps,
        markers=marks,
    )


def _dataset(path: Path) -> Mapping[str, Any]:
    """The fields of the one dataset that the file holds."""
    import pymatreader

    check_set(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            content = pymatreader.read_mat(path, variable_names=("EEG", "ALLEEG", *_FIELDS))
        except ImportError:
            raise
        except Exception as error:
            raise _broken(path, "it is cut off or corrupt") from error
    eeg = content.get("EEG", content)
    while isinstance(eeg, Mapping) and "EEG" in eeg:
        eeg = eeg["EEG"]
    several = "ALLEEG" in content or isinstance(eeg, list)
    if isinstance(eeg, Mapping) and not several:
        if "data" not in eeg:
            raise _broken(path, "it holds no EEG.data")
        several = isinstance(eeg["data"], list)
    if several or not isinstance(eeg, Mapping):
        raise UsageError(f"recording {path} holds several datasets: save each in its own file")
    return eeg


def _samples(path: Path, eeg: Mapping[str, Any]) -> Float64:
    """The samples, (n, channels), in microvolts."""
    data, trials = eeg["data"], _number(eeg.get("trials", 1))
    if trials > 1 or np.ndim(data) > 2:
        raise UsageError(
            f"recording {path} is cut into epochs: export the continuous data (in EEGLAB, save the "
            "dataset before its epochs are extracted)"
        )
    if isinstance(data, str):
        return _beside(path, eeg).astype(np.float64)
    values = np.asarray(data)
    if values.dtype.kind not in "fiu" or not values.size:
        raise _broken(path, "EEG.data holds no samples")
    channels = _count(eeg.get("nbchan", len(values) if values.ndim > 1 else 1))
    if not channels or values.size % channels or (values.ndim > 1 and len(values) != channels):
        raise _broken(path, f"EEG.data is no table of EEG.nbchan = {channels} channels")
    # One channel, or one sample, comes without the dimension of length 1.
    return np.ascontiguousarray(values.reshape(channels, -1).T, np.float64)


def _beside(path: Path, eeg: Mapping[str, Any]) -> Samples:
    """The samples of a .fdt file: float32, all channels of a point together."""
    names = (_text(eeg.get(key)) for key in ("data", "datfile"))
    name = next((PureWindowsPath(name).name for name in names if "." in name), path.stem + ".fdt")
    if not name.lower().endswith(".fdt"):
        raise _broken(path, f"its samples are in {clean(name)}, of an old format: save it again")
    # A file that was renamed in the folder still names its samples as before.
    file = next((f for f in (path.with_name(name), path.with_suffix(".fdt")) if f.is_file()), None)
    if file is None:
        raise UsageError(f"recording {path} has its samples in {clean(name)}: put it beside it")
    channels, points = (_count(eeg.get(key)) for key in ("nbchan", "pnts"))
    size = file.stat().st_size
    if not size or size != 4 * channels * points:
        raise UsageError(
            f"recording {path} is cut off or corrupt: {file.name} has {size} bytes, where "
            f"{channels} channels of {points} samples take 4 bytes each"
        )
    return np.fromfile(file, "<f4").reshape(points, channels)


def _events(struct: Any, rate: float) -> list[Note]:
    """Onset and duration in seconds, as if all samples followed each other, and type."""
    latencies = struct.get("latency", ()) if isinstance(struct, Mapping) else ()
    count = len(latencies) if isinstance(latencies, list) else 1
    columns = (_listed(struct, key, count) for key in ("latency", "duration", "type"))
    rows = (
        ((_number(latency) - 1) / rate, _number(duration) / rate, marker_text(_text(kind)))
        for latency, duration, kind in zip(*columns, strict=True)
    )
    return [row for row in rows if math.isfinite(row[0])]


def _listed(struct: Any, key: str, count: int) -> list[Any]:
    """A field of each of ``count`` structs; None where there is none."""
    values = struct.get(key) if isinstance(struct, Mapping) else None
    if count == 1 and not isinstance(values, list):
        return [values]
    return values if isinstance(values, list) and len(values) == count else [None] * count


def _number(value: Any) -> float:
    """The number that ``value`` is or holds alone; NaN for anything else."""
    array = np.asarray(value)
    return float(array.item()) if array.size == 1 and array.dtype.kind in "biuf" else math.nan


def _count(value: Any) -> int:
    """The whole number above 0 that ``value`` is; 0 for anything else."""
    number = _number(value)
    return int(number) if number > 0 and number % 1 == 0 else 0


def _text(value: Any) -> str:
    """A text, or a number as people write it; of several, joined by blanks; else empty."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | np.ndarray):
        return " ".join(map(_text, np.ravel(np.asarray(value, object))))
    number = _number(value)
    return code_text(number) if math.isfinite(number) else ""


def _broken(path: Path, why: str) -> UsageError:
    size = path.stat().st_size
    return UsageError(f"recording {path} ({size} bytes) is no whole EEGLAB dataset: {why}")
