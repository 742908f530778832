"""A recording through the pipeline → predictions as CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from daemon.errors import UsageError
from daemon.pipeline import Pipeline
from daemon.recordings.recording import Recording
from daemon.records import Chunk, Prediction

_BLOCK = 1024

COLUMNS = (
    *("sequence", "status", "reason", "code", "channels", "label"),
    *("window_start", "window_end", "filled"),
)
_BETWEEN = ";"  # of two channels in one cell


def write_predictions(
    pipeline: Pipeline,
    recording: Recording,
    classes: Sequence[str],
    out: Path | None,
    advance: Callable[[int], object],
    keep: Callable[[Prediction], object] | None = None,
) -> None:
    """Feed ``recording`` to ``pipeline`` and write every prediction to ``out`` as it comes.

    Parameters
    ----------
    pipeline : Pipeline
        Connected to the recording's stream.
    classes : sequence of str
        Columns of the probabilities, in order.
    out : Path or None
        None writes to standard output.
    advance : function of int
        Told the number of samples done, after each block.
    keep : function of Prediction, optional
        Given each of them too.

    Raises
    ------
    UsageError
        ``out`` cannot be written.
    """
    with _opened(out) as file:
        writer = csv.writer(file, lineterminator="\n")

        def take(prediction: Prediction) -> None:
            writer.writerow(_row(prediction, len(classes)))
            if keep is not None:
                keep(prediction)

        writer.writerow([*COLUMNS, *classes])
        for start in range(0, len(recording.stamps), _BLOCK):
            block = slice(start, start + _BLOCK)
            chunk = Chunk(recording.samples[block], recording.stamps[block])
            for prediction in pipeline.feed(chunk):
                take(prediction)
            advance(len(chunk.stamps))
        for prediction in pipeline.flush():
            take(prediction)


def _row(prediction: Prediction, classes: int) -> list[object]:
    probabilities = prediction.probabilities
    cells = {column: getattr(prediction, column) for column in COLUMNS}
    cells["channels"] = _BETWEEN.join(prediction.channels)
    return [
        *cells.values(),
        *(probabilities.values() if probabilities else [None] * classes),
    ]


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    # Line by line: whatever ends the process leaves whole rows.
    if out is None:
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        yield sys.stdout
        return
    try:
        file = out.open("w", encoding="utf-8", newline="", buffering=1)
    except OSError as error:
        raise UsageError(f"--out {out} cannot be written: {error.strerror}") from None
    with file:
        yield file
