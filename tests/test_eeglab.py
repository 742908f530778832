"""SET files are read as EEGLAB means them, whatever program wrote them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
from refused import refused, written
from shared import CASES, needs_cases

from daemon.recordings.boundaries import UNKNOWN
from daemon.recordings.reading import read_recording

RATE = 100.0
POINTS = 2000
LABELS = ["C3", "Cz", "C4"]
MICROVOLTS = np.random.default_rng(0).normal(0, 20, (3, POINTS)).astype(np.float32)


def structs(**columns: list[Any]) -> np.ndarray:
    """A struct array, a field for each of ``columns``."""
    rows = [*zip(*columns.values(), strict=True)]
    return np.array(rows, [(name, object) for name in columns])


def dataset(**more: Any) -> dict[str, Any]:
    return {
        "setname": "s",
        "nbchan": 3,
        "trials": 1,
        "pnts": POINTS,
        "srate": RATE,
        "data": MICROVOLTS,
        "chanlocs": structs(labels=LABELS, type=["EEG"] * 3),
        "event": structs(type=["left", "right"], latency=[501.0, 1001.0], duration=[0.0, 0.0]),
        "chaninfo": {"nosedir": "+X"},
        "etc": {},
        **more,
    }


def _save(path: Path, eeg: dict[str, Any]) -> Path:
    scipy.io.savemat(path, {"EEG": eeg})
    return path


def _save_73(path: Path, eeg: dict[str, Any]) -> Path:
    """As MATLAB does: HDF5, transposed, texts as numbers, a reference for each entry."""
    with h5py.File(path, "w", userblock_size=512) as file:

        def put(group: h5py.Group, name: str, value: Any) -> h5py.Dataset:
            if isinstance(value, str):
                item = group.create_dataset(name, data=np.array([[ord(c)] for c in value], "u2"))
                item.attrs["MATLAB_class"] = np.bytes_("char")
            else:
                item = group.create_dataset(name, data=np.atleast_2d(value).T)
                item.attrs["MATLAB_class"] = np.bytes_("double")
            return item

        refs, group = file.create_group("#refs#"), file.create_group("EEG")
        for key, value in eeg.items():
            if isinstance(value, np.ndarray) and value.dtype.names:
                inner = group.create_group(key)
                for name in value.dtype.names:
                    entries = [put(refs, f"{key}{name}{n}", v) for n, v in enumerate(value[name])]
                    rows = np.array([[entry.ref] for entry in entries], object)
                    inner.create_dataset(name, data=rows, dtype=h5py.ref_dtype)
            elif not isinstance(value, dict):
                put(group, key, value)
    head = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    with path.open("r+b") as content:
        content.write(head)
    return path


def _gaps(stamps: np.ndarray) -> list[tuple[float, float]]:
    """Before and behind each."""
    at = np.flatnonzero(np.diff(stamps) > 1.5 / RATE)
    return [(round(float(stamps[n]), 6), round(float(stamps[n + 1]), 6)) for n in at]


@pytest.mark.parametrize("save", [_save, _save_73])
def test_samples_labels_and_markers(tmp_path: Path, save: Any):
    recording = read_recording(save(tmp_path / "my.set", dataset()))
    np.testing.assert_array_equal(recording.samples, MICROVOLTS.T)
    assert recording.samples.dtype == np.float64
    np.testing.assert_allclose(recording.stamps, np.arange(POINTS) / RATE)
    stream = recording.stream
    assert (stream.name, stream.type, stream.sample_rate) == ("my", "EEG", RATE)
    assert stream.labels == tuple(LABELS)
    assert stream.units == ("microvolts",) * 3
    assert recording.markers == ((5.0, "left"), (10.0, "right"))


def test_what_mne_exports(tmp_path: Path):
    import mne

    info = mne.create_info(LABELS, RATE, "eeg", verbose="error")
    raw = mne.io.RawArray(MICROVOLTS * 1e-6, info, verbose="error")
    raw.set_annotations(mne.Annotations([5.5, 1.0], [0, 2], ["T2", "T1"]), verbose="error")
    raw.export(tmp_path / "my.set", verbose="error")
    recording = read_recording(tmp_path / "my.set")
    np.testing.assert_allclose(recording.samples, MICROVOLTS.T, atol=1e-5)
    assert recording.markers == ((1.0, "T1"), (5.5, "T2"))


def test_variables_of_their_own_and_a_struct_in_a_struct(tmp_path: Path):
    scipy.io.savemat(tmp_path / "flat.set", dataset())
    scipy.io.savemat(tmp_path / "deep.set", {"EEG": {"EEG": dataset()}})
    for name in ("flat", "deep"):
        recording = read_recording(tmp_path / f"{name}.set")
        np.testing.assert_array_equal(recording.samples, MICROVOLTS.T)
        assert len(recording.markers) == 2


def test_samples_in_a_file_beside_it(tmp_path: Path):
    """All channels of a point together, whatever folder the name is of."""
    MICROVOLTS.T.tofile(tmp_path / "my.fdt")
    for name in ("my.fdt", "C:\\lab\\my.fdt", "/home/lab/my.fdt", "before it was renamed.fdt"):
        recording = read_recording(_save(tmp_path / "my.set", dataset(data=name)))
        np.testing.assert_array_equal(recording.samples, MICROVOLTS.T)
    path = _save(tmp_path / "my.set", dataset(data="in set file", datfile="my.fdt"))
    np.testing.assert_array_equal(read_recording(path).samples, MICROVOLTS.T)
    refused(_save(tmp_path / "my.set", dataset(data="my.dat")), "my.dat, of an old format")
    (tmp_path / "my.fdt").write_bytes(b"\0" * 23_996)
    path = _save(tmp_path / "my.set", dataset(data="my.fdt"))
    refused(path, "my.fdt has 23996 bytes", "3 channels of 2000 samples")
    odd = dataset(data="my.fdt", nbchan=2.5, pnts=2399.6)
    refused(_save(tmp_path / "my.set", odd), "0 channels of 0 samples")
    path = _save(tmp_path / "my.set", dataset(data="my.fdt"))
    (tmp_path / "my.fdt").unlink()
    refused(path, "has its samples in my.fdt: put it beside it")


@pytest.mark.parametrize("save", [_save, _save_73])
@pytest.mark.parametrize(
    ("kinds", "texts"),
    [
        (["left", "boundary", "right"], ["left", "boundary", "right"]),
        (["2", "-99", "3"], ["2", "-99", "3"]),
        ([2.0, -99.0, 3.5], ["2", "-99", "3.5"]),
        ([2, -99, "right "], ["2", "-99", "right"]),
    ],
)
def test_what_was_cut_out_is_a_gap(tmp_path: Path, save: Any, kinds: list[Any], texts: list[str]):
    event = structs(type=kinds, latency=[501, 1000.5, 1001.0], duration=[0.0, 500.0, 0.0])
    recording = read_recording(save(tmp_path / "my.set", dataset(event=event)))
    assert _gaps(recording.stamps) == [(9.99, 15.0)]
    assert len(recording.samples) == POINTS
    times = [at for at, _ in recording.markers]
    assert times == pytest.approx([5.0, 14.995, 15.0])
    assert [text for _, text in recording.markers] == texts


@pytest.mark.parametrize("duration", [np.nan, 0.0, np.array([])])
def test_a_gap_of_a_length_that_nobody_knows(tmp_path: Path, duration: Any):
    event = structs(type=["boundary", "x"], latency=[1000.5, 1500], duration=[duration, 0.0])
    recording = read_recording(_save(tmp_path / "my.set", dataset(event=event)))
    assert _gaps(recording.stamps) == [(9.99, round(10 + UNKNOWN, 6))]
    without = structs(type=["boundary", "x"], latency=[1000.5, 1500])
    recording = read_recording(_save(tmp_path / "my.set", dataset(event=without)))
    assert _gaps(recording.stamps) == [(9.99, round(10 + UNKNOWN, 6))]


def test_a_single_event_a_single_channel_and_an_event_without_a_time(tmp_path: Path):
    event = structs(type=["only"], latency=[101.0], duration=[0.0])
    recording = read_recording(_save(tmp_path / "my.set", dataset(event=event)))
    assert recording.markers == ((1.0, "only"),)
    event = structs(type=["a", "b"], latency=[np.nan, 201.0], duration=[0.0, 0.0])
    assert read_recording(_save(tmp_path / "my.set", dataset(event=event))).markers == ((2.0, "b"),)
    one = dataset(nbchan=1, data=MICROVOLTS[:1], chanlocs=structs(labels=["Oz"]))
    recording = read_recording(_save(tmp_path / "my.set", one))
    assert recording.stream.labels == ("Oz",)
    np.testing.assert_array_equal(recording.samples[:, 0], MICROVOLTS[0])


@pytest.mark.parametrize(
    ("chanlocs", "labels"),
    [
        ([], ("", "", "")),
        (None, ("", "", "")),
        (structs(labels=["C3"]), ("", "", "")),
        (structs(X=[1.0, 2.0, 3.0]), ("", "", "")),
        (structs(labels=[1.0, "Cz ", np.array([])]), ("1", "Cz", "")),
        (structs(labels=["C3", "C3", "C4"]), ("C3", "C3", "C4")),
    ],
)
def test_labels_as_far_as_there_are_any(tmp_path: Path, chanlocs: Any, labels: tuple[str, ...]):
    eeg = dataset(chanlocs=chanlocs, chaninfo=[], event=[])
    if chanlocs is None:
        del eeg["chanlocs"], eeg["chaninfo"], eeg["event"]
    recording = read_recording(_save(tmp_path / "my.set", eeg))
    assert recording.stream.labels == labels
    assert recording.markers == ()


@pytest.mark.parametrize(("label", "kind"), [("TRG", ""), ("Aux", "STIM"), ("Status", "misc")])
def test_trigger_channels_are_markers_and_stay(tmp_path: Path, label: str, kind: str):
    data = MICROVOLTS.copy()
    data[2] = np.repeat([0, 2, 0, 3], POINTS // 4)
    chanlocs = structs(labels=["C3", "Cz", label], type=["EEG", "EEG", kind])
    event = structs(type=["boundary"], latency=[1000.5], duration=[300.0])
    path = _save(tmp_path / "my.set", dataset(data=data, chanlocs=chanlocs, event=event))
    recording = read_recording(path)
    assert recording.markers == ((5.0, "2"), (pytest.approx(12.995), "boundary"), (18.0, "3"))
    np.testing.assert_array_equal(recording.samples, data.T)
    assert recording.stream.units == ("microvolts", "microvolts", "")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"trials": 4, "pnts": 500}, "cut into epochs: export the continuous data"),
        ({"data": MICROVOLTS.reshape(3, 500, 4)}, "cut into epochs"),
        ({"srate": 0}, "no sampling rate"),
        ({"srate": "fast"}, "no sampling rate"),
        ({"data": []}, "holds no samples"),
        ({"data": MICROVOLTS * 1j}, "holds no samples"),
        ({"nbchan": 4}, "no table of EEG.nbchan = 4 channels"),
        ({"nbchan": 0}, "no table of EEG.nbchan = 0 channels"),
        ({"nbchan": 2.5}, "no table of EEG.nbchan = 0 channels"),
    ],
)
def test_what_is_no_continuous_recording_is_one_line(tmp_path: Path, more: Any, says: str):
    refused(_save(tmp_path / "my.set", dataset(**more)), says)


def test_several_datasets_and_none(tmp_path: Path):
    two = structs(**{key: [value, value] for key, value in dataset().items()})
    scipy.io.savemat(tmp_path / "two.set", {"EEG": two})
    refused(tmp_path / "two.set", "several datasets")
    scipy.io.savemat(tmp_path / "all.set", {"ALLEEG": dataset()})
    refused(tmp_path / "all.set", "several datasets")
    scipy.io.savemat(tmp_path / "other.set", {"x": 1})
    refused(tmp_path / "other.set", "holds no EEG.data")


@pytest.mark.parametrize("save", [_save, _save_73])
def test_every_cut_is_noticed(tmp_path: Path, save: Any):
    content = save(tmp_path / "my.set", dataset()).read_bytes()
    for cut in (100, 4000, len(content) - 50):
        refused(written(tmp_path / "cut.set", content[:cut]), f"({cut} bytes)", "cut off")


@needs_cases
def test_cases_with_boundaries():
    first = [(5.0, "left"), (10.0, "right")]
    last = [(35.0, "left"), (40.0, "rest")]
    markers = {
        "boundary_text": [*first, (29.995, "boundary"), *last],
        "reject": [*first, (29.995, "boundary"), *last],
        "v73": [*first, (29.995, "boundary"), *last],
        "boundary_minus99_text": [*first, (29.995, "-99"), *last],
        "boundary_minus99": [(5.0, "2"), (10.0, "3"), (29.995, "-99"), (35.0, "2"), (40.0, "1")],
    }
    for name, expected in markers.items():
        recording = read_recording(CASES / f"set/{name}.set")
        assert [(round(at, 6), text) for at, text in recording.markers] == expected, name
        assert _gaps(recording.stamps) == [(19.99, 30.0)], name


@needs_cases
def test_other_cases():
    whole = ("chaninfo_empty", "no_events", "types", "v73_no_event")
    labels = dict.fromkeys(whole, LABELS) | {
        "no_chanlocs": [""] * 3,
        "dup_labels": ["C3", "C3", "C4"],
        "numbers": LABELS,
    }
    for name, expected in labels.items():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            recording = read_recording(CASES / f"set/{name}.set")
        assert recording.samples.shape == (4000, 3), name
        assert recording.samples.std(axis=0) == pytest.approx(20, rel=1e-6), name
        assert recording.stream.labels == tuple(expected), name
        assert recording.stream.units == ("microvolts",) * 3, name
    numbers = read_recording(CASES / "set/numbers.set").markers
    assert [text for _, text in numbers] == ["2", "3", "7", "2", "1"]
    refused(CASES / "set/epochs.set", "cut into epochs")
