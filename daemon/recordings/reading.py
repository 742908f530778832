"""A recording file → its EEG, as the file has it.

Samples keep the file's values and numeric type, stamps are the ones that were recorded: gaps,
jitter and backward steps stay visible. The libraries that read are imported on use; what they log
and warn about is kept quiet, what they fail with becomes one line.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from daemon.config import StreamConfig
from daemon.contract import Contract
from daemon.errors import UsageError
from daemon.recordings.complaints import readable
from daemon.recordings.edf import read_edf
from daemon.recordings.eeglab import read_set
from daemon.recordings.fif import read_fif
from daemon.recordings.recording import Recording
from daemon.recordings.xdf import read_xdf
from daemon.text import clean

FIF = (".fif", ".fif.gz")
_XDF, _EDF, _SET = (".xdf", ".xdfz", ".xdf.gz"), (".edf", ".bdf"), ".set"

log = logging.getLogger(__name__)

SUFFIXES = (*_XDF, *_EDF, *FIF, _SET)


def read_recording(
    path: Path,
    *,
    name: str | None = None,
    type: str | None = "EEG",
    source_id: str | None = None,
    hostname: str | None = None,
    markers: str | None = None,
    channels: Sequence[str] = (),
    strict: bool = False,
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
    channels : sequence of str
        Labels of the channels that are needed: they decide where a file has several sample rates.
    strict : bool
        Refuse a file that is damaged, instead of taking what is whole.

    Raises
    ------
    UsageError
        One line: a missing, unknown, cut-off or corrupt file, no such stream or several, or the
        extra ``recordings`` is not installed.
    """
    lower = path.name.lower()
    wanted = {"name": name, "type": type, "source_id": source_id, "hostname": hostname}
    with readable(path):
        if lower.endswith(_XDF):
            given = {key: value for key, value in wanted.items() if value is not None}
            return read_xdf(path, given, markers, strict=strict)
        if markers is not None:
            log.warning(
                "recording %s has no streams to choose by the name %s: all its markers count",
                path,
                clean(markers),
            )
        if lower.endswith(_EDF):
            return read_edf(path, type or "EEG", channels, strict=strict)
        if lower.endswith(FIF):
            return read_fif(path, type or "EEG")
        if lower.endswith(_SET):
            return read_set(path, type or "EEG")
        raise UsageError(f"recording {path} is none of {', '.join(SUFFIXES)}")


def read_for_model(
    path: Path,
    contract: Contract,
    stream: StreamConfig,
    markers: str | None,
    *,
    strict: bool,
) -> Recording:
    """Read a recording for a model, as the keys of ``stream`` choose one live.

    Parameters
    ----------
    path : Path
    contract : Contract
        Its channels, and those that are renamed to them, decide where a file has several sample
        rates.
    stream : StreamConfig
    markers : str or None
    strict : bool
        As `read_recording`, which has the errors too.
    """
    return read_recording(
        path,
        name=stream.name,
        type=stream.type,
        source_id=stream.source_id,
        hostname=stream.hostname,
        markers=markers,
        channels=(*contract.needed, *(stream.rename or ())),
        strict=strict,
    )
