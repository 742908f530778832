"""Recordings are read as they were written, and a bad file is one line for the user."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from shared import DATA, needs_data

from daemon.errors import UsageError
from daemon.recordings.reading import read_recording
from daemon.recordings.recording import Recording

RATE = 160.0
LABELS = ["Fp1", "C3", "Oz"]


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@needs_data
def test_real_edf():
    recording = read_recording(DATA / "eegbci_S001/S001R03.edf")
    assert recording.samples.shape == (20000, 64)
    assert recording.stream.labels[:3] == ("Fc5.", "Fc3.", "Fc1.")
    assert set(recording.stream.units) == {"volts"}
    assert recording.stream.name == "S001R03"
    assert recording.samples[:3, 0] == pytest.approx([-57e-6, -49e-6, -55e-6], abs=1e-12)
    assert recording.markers[:3] == ((0.0, "T0"), (4.2, "T2"), (8.3, "T0"))
    np.testing.assert_allclose(np.diff(recording.stamps), 1 / 160, atol=1e-9)


@pytest.fixture
def volts() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 2e-5, (3, int(20 * RATE)))


def test_triggers_of_a_bdf_are_markers(tmp_path: Path, volts: np.ndarray):
    import edfio

    path = tmp_path / "my_raw.bdf"
    codes = np.zeros(volts.shape[1])
    codes[int(4 * RATE) : int(4 * RATE) + 3] = 5
    codes[int(9 * RATE) :] = 129
    status = edfio.BdfSignal(codes, RATE, label="Status", physical_range=(-8388608, 8388607))
    eeg = edfio.BdfSignal(volts[0] * 1e6, RATE, label="C3", physical_dimension="uV")
    edfio.Bdf([eeg, status]).write(path)
    numbers = [mark for mark in read_recording(path).markers if mark[1].isdigit()]
    assert numbers == [(4.0, "5"), (9.0, "129")]


@pytest.mark.parametrize(("emg", "left"), [(1, "EMG0"), (5, "C3")])
def test_signals_of_another_rate_are_left_out_and_named(
    tmp_path: Path, emg: int, left: str, caplog: pytest.LogCaptureFixture
):
    """Resampled over the whole file, they would hold what came after."""
    import edfio

    random = np.random.default_rng(0)

    def signals(rate: float, labels: list[str]):
        return [
            edfio.EdfSignal(random.normal(size=int(10 * rate)), rate, label=label)
            for label in labels
        ]

    eeg = signals(128, ["C3", "C4"])
    fast = signals(256, [f"EMG{n}" for n in range(emg)])
    path = tmp_path / "mixed.edf"
    edfio.Edf([*fast[:1], *eeg, *fast[1:]]).write(path)
    recording = read_recording(path)
    kept = eeg if emg == 1 else fast
    assert recording.stream.sample_rate == (128 if emg == 1 else 256)
    assert list(recording.stream.labels) == [signal.label for signal in kept]
    np.testing.assert_allclose(recording.samples, np.stack([s.data for s in kept]).T, atol=1e-9)
    assert left in caplog.text
    assert "left out, sampled at another rate" in caplog.text


@pytest.mark.parametrize("kind", ["edf", "bdf"])
def test_edf_and_bdf(tmp_path: Path, volts: np.ndarray, kind: str):
    path = tmp_path / f"my.{kind}"
    _write_edf(path, volts)
    recording = read_recording(path)
    _same(recording, volts, 1e-8 if kind == "edf" else 1e-10)
    assert recording.markers == ((1.0, "T1"), (5.5, "T2"))


@pytest.mark.parametrize("kind", ["edf", "bdf"])
def test_every_cut_of_an_edf_is_noticed(tmp_path: Path, volts: np.ndarray, kind: str):
    path = tmp_path / f"my.{kind}"
    _write_edf(path, volts)
    content = path.read_bytes()
    for cut in (0, 100, 255, 256, 600, len(content) // 2, len(content) - 2, len(content) - 1):
        _refused(_write(tmp_path / f"cut.{kind}", content[:cut]), f"byte {cut}", "cut off")


def test_an_edf_that_was_never_finished_is_read_as_far_as_it_is_whole(
    tmp_path: Path, volts: np.ndarray
):
    path = tmp_path / "my.edf"
    _write_edf(path, volts)
    content = path.read_bytes()
    record = (len(content) - int(content[184:192])) // 20
    unfinished = content[:236] + b"-1      " + content[244:]
    recording = read_recording(_write(tmp_path / "open.edf", unfinished[: -5 * record]))
    _same(recording, volts[:, : int(15 * RATE)], 1e-8)
    _refused(_write(tmp_path / "cut.edf", unfinished[:-5]), "19 whole records", "not complete")


def test_a_gap_in_a_discontinuous_edf_is_not_hidden(tmp_path: Path, volts: np.ndarray):
    path = tmp_path / "my.edf"
    _write_edf(path, volts)
    marked = path.read_bytes().replace(b"EDF+C", b"EDF+D", 1)
    _same(read_recording(_write(tmp_path / "whole.edf", marked)), volts, 1e-8)
    assert b"+12\x14\x14" in marked
    gap = marked.replace(b"+12\x14\x14", b"+17\x14\x14", 1)
    _refused(_write(tmp_path / "gap.edf", gap), "record 13 begins at 17 s where 12 s was due")


@pytest.mark.parametrize(
    ("dimension", "unit", "scale"),
    [
        ("uV", "volts", 1e-6),
        ("mV", "volts", 1e-3),
        ("", "", 1),
        ("UV", "UV", 1),
        ("mmHg", "mmHg", 1),
    ],
)
def test_units_of_an_edf_are_what_its_numbers_are_in(
    tmp_path: Path, volts: np.ndarray, dimension: str, unit: str, scale: float
):
    path = tmp_path / "my.edf"
    _write_edf(path, volts, dimension)
    recording = read_recording(path)
    assert recording.stream.units == (unit,) * 3
    np.testing.assert_allclose(recording.samples, volts.T * 1e6 * scale, atol=0.01 * scale)


def test_rubbish_is_one_line(tmp_path: Path):
    for suffix in (".edf", ".bdf", ".fif", ".fif.gz", ".set", ".xdfz"):
        for content in (b"", b"rubbish" * 500):
            _refused(_write(tmp_path / f"bad{suffix}", content))


def test_missing_and_unknown_files(tmp_path: Path):
    _refused(tmp_path / "nothing.xdf", "does not exist")
    _refused(tmp_path, "does not exist")
    _refused(_write(tmp_path / "a.csv", b"1,2"), "none of .xdf")


@pytest.mark.parametrize(
    ("suffix", "module"), [(".xdf", "pyxdf"), (".edf", "mne"), (".set", "pymatreader")]
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
