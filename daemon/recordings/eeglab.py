"""EEGLAB's SET files, read by MNE."""

from __future__ import annotations

from pathlib import Path

from daemon.recordings.fif import read_with_mne
from daemon.recordings.matlab import check_set
from daemon.recordings.recording import Recording


def read_set(path: Path, type: str) -> Recording:
    """Read a SET file; its samples are in volts.

    Raises
    ------
    UsageError
        Cut off, corrupt, or epoched.
    ImportError
        MNE or pymatreader is not installed.
    """
    import mne

    # Asked here because MNE's own complaint comes late and is not an ImportError.
    import pymatreader  # noqa: F401

    check_set(path)
    return read_with_mne(path, type, mne.io.read_raw_eeglab)
