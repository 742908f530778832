"""One signal, written in every format, is one and the same to training and to the daemon."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from xdf_writer import XdfWriter

from daemon.contract import Contract
from daemon.decision import Decision
from daemon.intake import Intake
from daemon.pick import pick_for
from daemon.pipeline import Pipeline
from daemon.recordings.reading import read_recording
from daemon.recordings.recording import Recording
from daemon.records import Chunk, Float32, Prediction
from daemon.ring import Ring
from daemon.training.dataset import read_dataset
from daemon.training.settings import Training

RATE, WINDOW, HOP = 100, 150, 50
LABELS = ("C3", "Cz", "C4")
BEFORE, GAP, BEHIND = 10, 4, 12  # whole seconds of EEG, of nothing, and of EEG
# Whole microvolts, which every format holds exactly.
MICROVOLTS = np.random.default_rng(0).normal(0, 20, ((BEFORE + BEHIND) * RATE, 3)).round()
STAMPS = np.arange(len(MICROVOLTS)) / RATE
STAMPS[BEFORE * RATE :] += GAP
MARKERS = ((0.5, "rest"), (4.0, "S  1"), (14.25, "rest"), (18.0, "S  1"), (23.5, "end"))

# Float32, which the model sees, is that exact at 200 microvolts; FIF has volts.
TOLERANCE = 2e-5


def _xdf(path: Path) -> None:
    xdf = XdfWriter()
    xdf.stream(1, "amp", "EEG", "float32", labels=LABELS)
    xdf.stream(2, "marks", "Markers", "string", nominal_srate=0)
    xdf.numbers(1, STAMPS + 1000, MICROVOLTS.astype(np.float32))
    xdf.strings(2, [at + 1000 for at, _ in MARKERS], [text for _, text in MARKERS])
    path.write_bytes(xdf.content)


def _edf(path: Path, sample_bytes: int = 2) -> None:
    """EDF+D, or BDF+D at three bytes a sample: records of a second, with their onsets."""
    kind, notes = ("EDF", 60) if sample_bytes == 2 else ("BDF", 60)
    top = 2 ** (8 * sample_bytes - 1)
    onsets = STAMPS[::RATE].astype(int)

    def fields(width: int, *values: object) -> bytes:
        return b"".join(str(value).encode().ljust(width) for value in values)

    per_signal = [
        (16, [*LABELS, f"{kind} Annotations"]),
        (80, [""] * 4),
        (8, ["uV"] * 3 + [""]),
        (8, [-top] * 3 + [-1]),
        (8, [top - 1] * 3 + [1]),
        (8, [-top] * 4),
        (8, [top - 1] * 4),
        (80, [""] * 4),
        (8, [RATE] * 3 + [notes]),
        (32, [""] * 4),
    ]
    head = b"0       " if kind == "EDF" else b"\xffBIOSEMI"
    head += fields(80, "X X X X", "Startdate 01-JAN-2026 X X X") + b"01.01.2600.00.00"
    head += fields(8, 256 * 5) + f"{kind}+D".encode().ljust(44) + fields(8, len(onsets), 1)
    head += fields(4, 4) + b"".join(fields(width, *values) for width, values in per_signal)
    body = b""
    for n, onset in enumerate(onsets):
        for channel in MICROVOLTS[n * RATE : (n + 1) * RATE].T.astype(int).tolist():
            body += b"".join(v.to_bytes(sample_bytes, "little", signed=True) for v in channel)
        texts = [f"+{onset}\x14\x14\0"]
        texts += [f"+{at}\x14{text}\x14\0" for at, text in MARKERS if 0 <= at - onset < 1]
        body += "".join(texts).encode().ljust(notes * sample_bytes, b"\0")
    path.write_bytes(head + body)


def _bdf(path: Path) -> None:
    _edf(path, 3)


def _fif(path: Path) -> None:
    """The gap is zeros that were never acquired."""
    import mne

    info = mne.create_info([*LABELS], RATE, "eeg", verbose="error")
    filled = np.insert(MICROVOLTS, [BEFORE * RATE] * GAP * RATE, 0, axis=0)
    raw = mne.io.RawArray(filled.T * 1e-6, info, verbose="error")
    notes = [*((at, 0, text) for at, text in MARKERS), (BEFORE, GAP, "BAD_ACQ_SKIP")]
    raw.set_annotations(mne.Annotations(*zip(*notes, strict=True)), verbose="error")
    raw.save(path, fmt="double", verbose="error")


def _set(path: Path) -> None:
    """What was cut out is an event, and the ones behind it move up."""
    events = [(at - GAP * (at > BEFORE), 0.0, text) for at, text in MARKERS]
    events.insert(2, (BEFORE - 0.5 / RATE, float(GAP * RATE), "boundary"))
    rows = [(text, at * RATE + 1, length) for at, length, text in events]
    event = np.array(rows, [("type", object), ("latency", object), ("duration", object)])
    chanlocs = np.array([(label,) for label in LABELS], [("labels", object)])
    eeg = {"nbchan": 3, "pnts": len(MICROVOLTS), "trials": 1, "srate": float(RATE)}
    eeg |= {"data": MICROVOLTS.T.astype(np.float32), "event": event, "chanlocs": chanlocs}
    scipy.io.savemat(path, {"EEG": eeg})


WRITERS: dict[str, Callable[[Path], None]] = {
    "xdf": _xdf,
    "edf": _edf,
    "bdf": _bdf,
    "fif": _fif,
    "set": _set,
}


class _Seen:
    """An engine that notes the windows it is asked about, and finds both classes alike."""

    def __init__(self) -> None:
        self.windows: list[Float32] = []
        self.restart()

    def restart(self) -> None:
        self._ring = Ring(2, WINDOW, np.float32)

    def feed(self, block: Float32, answer: bool) -> Float32 | None:
        self._ring.push(block)
        if not answer:
            return None
        self.windows.append(self._ring.window().copy())
        return np.array([0.5, 0.5], np.float32)

    def catch_up(self) -> None: ...


@pytest.fixture(params=WRITERS)
def recording(request: pytest.FixtureRequest, tmp_path: Path) -> Recording:
    path = tmp_path / f"my_raw.{request.param}"
    WRITERS[request.param](path)
    return read_recording(path)


def _training(path: Path) -> Training:
    content: dict[str, Any] = {
        "recordings": [str(path)],
        "channels": ["C4", "C3"],
        "sample_rate": RATE,
        "window": WINDOW,
        "hop": HOP,
        "classes": {"rest": "rest", "fist": "S  1"},
        "trial": {"ends": ["end"]},
    }
    return Training.model_validate(content)


def _cut(starts: list[float]) -> np.ndarray:
    """The windows that begin at these times, in the model's order of channels."""
    first = np.searchsorted(STAMPS, np.array(starts) - 0.5 / RATE)
    return np.stack([MICROVOLTS[n : n + WINDOW, [2, 0]] for n in first])


def test_recordings(recording: Recording) -> None:
    contract = _training(recording.path).contract()
    scale = pick_for(contract, recording.stream).scales[0]
    np.testing.assert_allclose(recording.samples * scale, MICROVOLTS, atol=TOLERANCE)
    begin = recording.stamps[0]
    np.testing.assert_allclose(recording.stamps - begin, STAMPS, atol=1e-9)
    # Some formats note the gap itself.
    gap = {"boundary", "BAD_ACQ_SKIP"}
    marks = [(round(at - begin, 6), text) for at, text in recording.markers if text not in gap]
    assert tuple(marks) == MARKERS


def test_training(recording: Recording) -> None:
    data = read_dataset(_training(recording.path))
    # Of each trial, from its marker to the next; the first fist trial loses its end to the gap.
    starts = [0.5, 1.0, 1.5, 2.0, 2.5, *np.arange(4.0, 9.0, 0.5), 14.25, 14.75, 15.25, 15.75, 16.25]
    starts += np.arange(18.0, 22.5, 0.5).tolist()
    np.testing.assert_allclose(data.start_time - recording.stamps[0], starts, atol=1e-6)
    assert data.targets.tolist() == [0] * 5 + [1] * 10 + [0] * 5 + [1] * 9
    windows = data.windows(np.arange(len(starts)))
    np.testing.assert_allclose(windows, _cut(starts), atol=TOLERANCE)


def test_score_and_live(recording: Recording) -> None:
    contract = Contract.model_validate(
        {
            "sample_rate": RATE,
            "window": WINDOW,
            "channels": ["C4", "C3"],
            "classes": ["rest", "fist"],
        }
    )
    engine = _Seen()
    pipeline = Pipeline(
        engine=engine, decision=Decision(("rest", "fist")), classes=("rest", "fist"), max_filled=0
    )
    pick = pick_for(contract, recording.stream, hop=HOP)
    pipeline.connect(Intake(contract, pick, hop=HOP, fill_up_to=0.1))
    found: list[Prediction] = []
    for first in range(0, len(recording.stamps), 64):
        part = slice(first, first + 64)
        found += pipeline.feed(Chunk(recording.samples[part], recording.stamps[part]))
    found += pipeline.flush()
    answered = [p for p in found if p.status == "ok"]
    # Windows begin at the first sample, and anew behind the gap.
    starts = [*np.arange(0, 8.6, 0.5), *np.arange(14, 24.6, 0.5)]
    begins = np.array([p.window_start for p in answered]) - recording.stamps[0]
    np.testing.assert_allclose(begins, starts, atol=1e-6)
    windows = np.stack(engine.windows).transpose(0, 2, 1)
    np.testing.assert_allclose(windows, _cut(starts), atol=TOLERANCE)
    lost = f"{GAP * RATE} samples ({GAP} s) are missing: the window starts over"
    assert [p.reason for p in found if p.status == "abstain"] == [lost]
    assert pipeline.counts.restarts == 2
