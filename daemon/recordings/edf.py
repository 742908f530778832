"""EDF and BDF files, read by MNE."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

from daemon.errors import UsageError
from daemon.recordings.fif import read_with_mne
from daemon.recordings.integrity import Signal, check_edf
from daemon.recordings.recording import Recording
from daemon.text import clean

log = logging.getLogger(__name__)

# The dimensions of EDF headers that MNE scales to volts; it hands on every other one unscaled.
_SCALED_BY_MNE = ("uV", "\u00b5V", "\x83\u00caV", "mV", "V")


def read_edf(path: Path, type: str) -> Recording:
    """Read an EDF or BDF file.

    Raises
    ------
    UsageError
        Cut off, corrupt, or without samples besides stimuli.
    """
    import mne

    signals, others = _of_one_rate(path, check_edf(path))
    edf = path.name.lower().endswith(".edf")
    return read_with_mne(
        path,
        type,
        mne.io.read_raw_edf if edf else mne.io.read_raw_bdf,
        ["" if s.dimension in _SCALED_BY_MNE else _utf8(s.dimension) or " " for s in signals],
        exclude=others,
    )


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


def _utf8(latin: str) -> str:
    """A header's bytes, read as Latin-1 as the standard has it, were often meant as UTF-8."""
    try:
        return latin.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return latin
