"""Recordings are read as they were written, and a bad file is one line for the user."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from daemon.errors import UsageError
from daemon.recordings.reading import read_recording
from daemon.recordings.recording import Recording

RATE = 160.0
LABELS = ["Fp1", "C3", "Oz"]


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.fixture
def volts() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 2e-5, (3, int(20 * RATE)))


def test_rubbish_is_one_line(tmp_path: Path):
    for suffix in (".edf", ".bdf", ".fif", ".fif.gz", ".set", ".xdfz"):
        for content in (b"", b"rubbish" * 500):
            _refused(_write(tmp_path / f"bad{suffix}", content))


def test_missing_and_unknown_files(tmp_path: Path):
    _refused(tmp_path / "nothing.xdf", "does not exist")
    _refused(tmp_path, "does not exist")
    _refused(_write(tmp_path / "a.csv", b"1,2"), "none of .xdf")


@pytest.mark.parametrize(
    ("suffix", "module"), [(".xdf", "pyxdf"), (".fif", "mne"), (".set", "pymatreader")]
)
def test_missing_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, module: str):
    monkeypatch.setitem(sys.modules, module, None)
    path = _write(tmp_path / f"a{suffix}", b"")
    _refused(path, module, 'pip install -c constraints.txt -e ".[recordings]"')


def test_what_libraries_log_and_print_stays_quiet(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    with pytest.raises(UsageError):
        read_recording(_write(tmp_path / "bad.edf", b"rubbish" * 500))
    with pytest.raises(UsageError):
        read_recording(_write(tmp_path / "bad.set", b"rubbish"))
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def _same(recording: Recording, volts: np.ndarray, tolerance: float) -> None:
    assert recording.samples.dtype == np.float64
    np.testing.assert_allclose(recording.samples, volts.T, rtol=0, atol=tolerance)
    np.testing.assert_allclose(recording.stamps, np.arange(volts.shape[1]) / RATE, atol=1e-9)
    stream = recording.stream
    assert (stream.type, stream.sample_rate, stream.channel_format) == ("EEG", RATE, "double64")
    assert stream.labels == tuple(LABELS)
    assert stream.units == ("volts",) * 3


def _write_edf(path: Path, volts: np.ndarray, dimension: str = "uV") -> None:
    import edfio

    kind = "Bdf" if path.suffix == ".bdf" else "Edf"
    signal = getattr(edfio, f"{kind}Signal")
    signals = [
        signal(
            row * 1e6, RATE, label=label, physical_dimension=dimension, physical_range=(-200, 200)
        )
        for row, label in zip(volts, LABELS, strict=True)
    ]
    annotations = [edfio.EdfAnnotation(5.5, 0, "T2"), edfio.EdfAnnotation(1.0, 2, "T1")]
    getattr(edfio, kind)(signals, annotations=annotations).write(path)


def _refused(path: Path, *says: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_recording(path)
    message = str(caught.value)
    assert "\n" not in message
    for part in (str(path), *says):
        assert part in message
