"""Time-stamped annotation lists (TALs): what the annotation signals of an EDF+ or BDF+ file say.

A TAL is an onset, perhaps a duration, and any number of texts: ``+12.5 0x15 2 0x14 left 0x14``,
closed by a NUL. The first of each record has an empty first text; its onset is the record's own.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from daemon.recordings.edf_header import number
from daemon.records import Float64

log = logging.getLogger(__name__)


class Annotation(NamedTuple):
    """A text, its onset in seconds on the file's clock, and the record that it is stored in."""

    record: int
    onset: float
    text: str


def read_tals(
    path: Path, records: Iterable[Sequence[bytes]]
) -> tuple[Float64, tuple[Annotation, ...]]:
    """Read the annotation signals of every record.

    Parameters
    ----------
    path : Path
        For messages.
    records : iterable of sequence of bytes
        For each record, the bytes of its annotation signals, one or more.

    Returns
    -------
    onsets : float64 array, shape (records,)
        When each record begins, in seconds on the file's clock; nan where it does not say.
    annotations : tuple of Annotation
        In the file's order, without white space at the ends of a text, and without empty ones.
    """
    onsets: list[float] = []
    found: list[tuple[int, float, bytes]] = []
    lost = 0
    for record, signals in enumerate(records):
        onsets.append(_own_onset(signals[0]))
        for tal in b"\0".join(signals).split(b"\0"):
            onset, texts = _parted(tal)
            told = [text for text in texts if text.strip()]
            if onset is None:
                lost += len(told)
            else:
                found += [(record, onset, text) for text in told]
    if lost:
        log.warning("recording %s: %d annotations without an onset are left out", path, lost)
    decoded = _decoded(path, [text for _, _, text in found])
    return np.array(onsets, np.float64), tuple(
        Annotation(record, onset, text)
        for (record, onset, _), text in zip(found, decoded, strict=True)
        if text
    )


def _own_onset(content: bytes) -> float:
    """What the first TAL of a record says of when the record begins."""
    onset, texts = _parted(content.partition(b"\0")[0])
    return onset if onset is not None and texts and not texts[0] else np.nan


def _parted(tal: bytes) -> tuple[float | None, list[bytes]]:
    head, *texts = tal.split(b"\x14")
    return number(head.partition(b"\x15")[0]), texts


def _decoded(path: Path, texts: Sequence[bytes]) -> list[str]:
    """UTF-8 as the standard has it; where one text is none, Latin-1 for all of the file."""
    try:
        decoded = [text.decode("utf-8") for text in texts]
    except UnicodeDecodeError:
        log.warning("recording %s: its annotations are no UTF-8; read as Latin-1", path)
        decoded = [text.decode("latin-1") for text in texts]
    return [text.strip() for text in decoded]
