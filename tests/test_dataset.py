"""Windows are cut where the markers say, and hold what the daemon would see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edf_bytes import Channel, edf, timekeeping
from made_up import RATE, write_edf
from xdf_writer import XdfWriter

from daemon.conditioning import Conditioning
from daemon.errors import UsageError
from daemon.training.dataset import CHANGE, FAULT, GAP, TOO_SHORT, read_dataset
from daemon.training.settings import Training
from daemon.training.windows import Dataset

LABELS = ("C3", "Cz", "C4")


def _noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 20, (int(seconds * RATE), len(LABELS)))


def _training(folder: Path, **more: Any) -> Training:
    content = {
        "recordings": [str(folder)],
        "channels": ["c4", "C3"],
        "sample_rate": RATE,
        "window": 100,
        "classes": {"rest": "T0", "fist": "T1"},
        **more,
    }
    return Training.model_validate(content)


def _read(folder: Path, **more: Any) -> Dataset:
    return read_dataset(_training(folder, **more))


def test_windows_are_the_trials_samples(tmp_path: Path):
    samples = _noise(12)
    write_edf(tmp_path / "a.edf", samples, [(1.0, "T0"), (4.5, "T1"), (8.0, "no class")], LABELS)
    data = _read(tmp_path)
    assert data.classes == ("rest", "fist")
    assert data.recordings == ("a.edf",)
    assert data.targets.tolist() == [0, 0, 0] + [1] * 7
    np.testing.assert_allclose(data.start_time[:4], [1.0, 2.0, 3.0, 4.5])
    np.testing.assert_allclose(data.time[0], 1.99)
    assert data.trial.tolist() == [0] * 3 + [1] * 7
    # In the model's order, microvolts; EDF has 16 bits for ±500.
    windows = data.windows(np.array([1, 3]))
    for window, start in zip(windows, (200, 450), strict=True):
        np.testing.assert_allclose(window, samples[start : start + 100, [2, 0]], atol=0.01)
    assert data.unused == {"no class": 1}
    assert data.left_out == {}


def test_what_the_training_file_says_of_the_recordings_holds(tmp_path: Path):
    samples = _noise(12)
    write_edf(tmp_path / "a.edf", samples, [(1.0, "T0"), (4.5, "T1")], ("A1", "Cz", "A2"))
    with pytest.raises(UsageError, match="missing channels c4, C3"):
        _read(tmp_path)
    plain = _read(tmp_path, stream={"rename": {"A1": "C3", "A2": "C4"}})
    np.testing.assert_allclose(plain.windows(np.array([0]))[0], samples[100:200, [2, 0]], atol=0.01)
    # A rate that the stamps contradict is no better for being written down.
    with pytest.raises(UsageError, match="it runs at another rate than 50 Hz"):
        _read(tmp_path, channels=["Cz"], sample_rate=50, stream={"sample_rate": 50})


def test_longer_windows_reach_back_from_the_same_end(tmp_path: Path):
    samples = _noise(12)
    write_edf(tmp_path / "a.edf", samples, [(0.0, "T0"), (6.0, "T1")], LABELS)
    data = _read(tmp_path, window=300, training_window=100)
    every, none = np.arange(len(data.targets)), np.empty(0, np.int64)
    assert data.reaches(every, 300, none).tolist() == every[2:].tolist()
    # Of those that end at 8 to 12 s, the first reaches back into the window that ends at 6 s.
    assert data.reaches(every[7:], 300, np.array([5])).tolist() == every[8:].tolist()
    np.testing.assert_allclose(
        data.windows(np.array([7]), 300)[0], samples[500:800, [2, 0]], atol=0.01
    )


def test_of_several_rates_the_one_of_the_channels_is_read(tmp_path: Path):
    samples = np.rint(_noise(12) * 10).astype(int)
    eeg = [Channel(label, row) for label, row in zip(LABELS, samples.T, strict=True)]
    faster = Channel("EMG", [0] * 12 * 500)
    told = timekeeping(range(12), (0, b"+1\x14T0\x14\0"), (5, b"+6\x14T1\x14\0"))
    (tmp_path / "a.edf").write_bytes(edf([faster, *eeg], told, records=12))
    data = _read(tmp_path)
    np.testing.assert_allclose(
        data.windows(np.array([0]))[0], samples[100:200, [2, 0]] / 10, rtol=0, atol=1e-4
    )


def test_a_longer_window_that_the_daemon_would_not_answer_is_none(tmp_path: Path):
    samples = _noise(12)
    samples[250:370, 2] = samples[250, 2]  # flat for more than a second
    write_edf(tmp_path / "a.edf", samples, [(4.0, "T0"), (8.0, "T1")], LABELS)
    data = _read(tmp_path, window=300, training_window=100)
    assert data.left_out == {}
    # The one that ends at 5 s holds all that was flat, the next one only 0.7 s of it.
    assert np.round(data.time[data.deployable] + 0.01).tolist() == [6, 7, 8, 9, 10, 11, 12]


def test_a_window_before_its_marker_holds_no_class_but_its_own(tmp_path: Path):
    marks = [(0.0, "T0"), (4.0, "T1"), (8.0, "T1"), (10.0, "stop"), (14.0, "T0"), (16.0, "T1")]
    write_edf(tmp_path / "a.edf", _noise(20), marks, LABELS)
    data = _read(tmp_path, trial={"offset": -1.0, "length": 2.0, "ends": ["stop"]}, hop=50)
    begins = data.start_time.round(2).tolist()
    # At 3 and 15 s the other class still lasts, at 7 s their own, and at 13 s none.
    assert begins == [0.0, 4.0, 7.0, 7.5, 8.0, 13.0, 13.5, 14.0, 16.0]
    assert data.left_out[CHANGE] == 4


def test_copies_of_a_recording_are_refused(tmp_path: Path):
    samples = _noise(12)
    marks = [(0.0, "T0"), (6.0, "T1")]
    write_edf(tmp_path / "a.edf", samples, marks, LABELS)
    write_edf(tmp_path / "b.edf", _noise(12, seed=1), marks, LABELS)
    _read(tmp_path)
    # The other one's numbers, as another format rounds them.
    write_edf(tmp_path / "copy of a.edf", samples + 0.02 * _noise(12, 2) / 20, marks, LABELS)
    with pytest.raises(UsageError, match=r"copy of a\.edf and .*a\.edf begin with the same EEG"):
        _read(tmp_path)


def test_names_take_as_many_folders_as_tell_them_apart(tmp_path: Path):
    for n in range(3):
        folder = tmp_path / f"S{n}/eeg"
        folder.mkdir(parents=True)
        write_edf(folder / "run1.edf", _noise(6, n), [(0.0, "T0"), (3.0, "T1")], LABELS)
    assert _read(tmp_path).recordings == tuple(f"S{n}/eeg/run1.edf" for n in range(3))


def test_offset_length_hop_and_ends(tmp_path: Path):
    marks = [(0.0, "T0"), (5.0, "stop"), (6.0, "T1")]
    write_edf(tmp_path / "a.edf", _noise(12), marks, LABELS)
    trial = {"offset": 0.5, "length": 2.0}
    data = _read(tmp_path, trial=trial, hop=50)
    np.testing.assert_allclose(data.start_time, [0.5, 1.0, 1.5, 6.5, 7.0, 7.5])
    data = _read(tmp_path, trial={"ends": ["stop"]})
    assert data.time[data.targets == 0].max() < 5.0
    assert data.unused == {}


def test_what_is_left_out_is_counted(tmp_path: Path):
    samples = _noise(20)
    samples[1490:1610] = samples[1490]  # flat for more than a second
    marks = [(0.0, "T0"), (3.6, "T1"), (8.0, "T0"), (8.5, "T1"), (13.0, "T0")]
    write_edf(tmp_path / "a.edf", samples, marks, LABELS)
    data = _read(tmp_path, trial={"length": 4.0})
    # The first trial's last window reaches into the next one, and all of the third's do.
    assert data.left_out == {CHANGE: 1 + 4, FAULT: 1}
    assert data.first_left_out[CHANGE] == "a.edf at 0.0 s"
    assert data.first_left_out[FAULT].startswith("a.edf at 15.0 s: channels c4, C3: flat")
    data = _read(tmp_path)
    assert data.left_out == {TOO_SHORT: 1, FAULT: 1}


def test_the_same_marker_means_another_class_in_another_file(tmp_path: Path):
    for seed, name in enumerate(("S1R03", "S1R05")):
        write_edf(tmp_path / f"{name}.edf", _noise(4, seed), [(0.0, "T0"), (2.0, "T1")], LABELS)
    classes = {
        "rest": "T0",
        "left": {"marker": "T1", "files": "*R03*"},
        "both": [{"marker": "T1", "files": ["*R05*", "*R06*"]}],
    }
    data = _read(tmp_path, classes=classes)
    assert data.targets.tolist() == [0, 0, 1, 1, 0, 0, 2, 2]
    assert data.recording.tolist() == [0] * 4 + [1] * 4
    assert data.block.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    classes["both"] = "T1"
    with pytest.raises(UsageError, match=r"'T1' means left and both in S1R03\.edf"):
        _read(tmp_path, classes=classes)


def test_a_class_without_windows_says_what_there_is(tmp_path: Path):
    write_edf(tmp_path / "a.edf", _noise(4), [(0.0, "T0"), (2.0, "T2")], LABELS)
    with pytest.raises(UsageError, match=r"no window of fist .* no class uses: 'T2' \(1\)"):
        _read(tmp_path)


def test_a_marker_that_is_nearly_one_of_a_class_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    marks = [(0.0, "S  1"), (2.0, "S  2"), (4.0, "s  2")]
    write_edf(tmp_path / "a.edf", _noise(6), marks, LABELS)
    with pytest.raises(UsageError, match=r"'S  1' is not 'S 1': blanks and case count"):
        _read(tmp_path, classes={"rest": "S 1", "fist": "S  2"})
    data = _read(tmp_path, classes={"rest": "S  1", "fist": "S  2"})
    assert data.unused == {"s  2": 1}
    assert "the marker 's  2' is not 'S  2': blanks and case count" in caplog.text


def test_a_damaged_recording_is_read_as_far_as_it_is_whole_or_refused(tmp_path: Path):
    xdf = XdfWriter()
    xdf.stream(1, "amp", "EEG", "float32", labels=LABELS)
    xdf.stream(2, "marks", "Markers", "int32", nominal_srate=0)
    xdf.numbers(1, np.arange(600) / RATE, _noise(6).astype(np.float32))
    xdf.numbers(2, [0.0, 3.0], np.array([[1], [2]], np.int32))
    (tmp_path / "a.xdf").write_bytes(xdf.content + bytes(100))
    classes = {"rest": 1, "fist": 2}
    assert len(_read(tmp_path, classes=classes).targets) == 6
    with pytest.raises(UsageError, match=r"a\.xdf ends in 100 bytes of zeros"):
        _read(tmp_path, classes=classes, strict=True)


def test_contradictions_name_the_recording(tmp_path: Path):
    write_edf(tmp_path / "a.edf", _noise(4), [(0.0, "T0")], LABELS)
    with pytest.raises(UsageError, match=r"a\.edf: .*missing channel Oz"):
        _read(tmp_path, channels=["Oz", "C3"])
    with pytest.raises(UsageError, match=r"a\.edf: .*its rate is 100 Hz, the model needs 250 Hz"):
        _read(tmp_path, sample_rate=250)


def test_conditioning_is_that_of_a_live_run(tmp_path: Path):
    samples = _noise(8) + 300
    write_edf(tmp_path / "a.edf", samples, [(0.0, "T0"), (4.0, "T1")], LABELS)
    data = _read(tmp_path, conditioning=[{"highpass": 1}, {"reference": "average"}])
    windows = data.windows(np.arange(len(data.targets)))
    # Warm-started: no trace of the offset, not even in the first window.
    assert np.abs(windows.mean(axis=(1, 2))).max() < 1e-3
    np.testing.assert_allclose(windows[..., 0], -windows[..., 1], atol=1e-3)
    assert data.left_out == {}


def test_a_resampled_recording(tmp_path: Path):
    samples = np.sin(2 * np.pi * 3 * np.arange(2000) / 200)[:, None] * [50, 40, 30]
    write_edf(tmp_path / "a.edf", samples, [(0.0, "T0"), (5.0, "T1")], LABELS, rate=200)
    data = _read(tmp_path, conditioning=[{"resample": True}])
    assert data.targets.tolist() == [0] * 5 + [1] * 5
    windows = data.windows(np.arange(10))
    assert windows.shape == (10, 100, 2)
    # Three cycles a second in each of them, and of the same size.
    spectrum = np.abs(np.fft.rfft(windows[..., 0], axis=1)) * 2 / 100
    assert spectrum.argmax(axis=1).tolist() == [3] * 10
    np.testing.assert_allclose(spectrum[1:, 3], 30, rtol=0.01)


def test_gaps_leave_out_what_holds_them(tmp_path: Path):
    xdf = XdfWriter()
    xdf.stream(1, "amp", "EEG", "float32", labels=LABELS)
    xdf.stream(2, "marks", "Markers", "string", nominal_srate=0)
    samples = _noise(12).astype("<f4")
    stamps = np.arange(1200) / RATE + 100
    kept = np.abs(stamps - 102.5) > 0.25  # half a second is missing
    xdf.samples(1, list(stamps[kept]), [row.tobytes() for row in samples[kept]])
    xdf.strings(2, [100.0, 105.0], ["T0", "T1"])
    (tmp_path / "a.xdf").write_bytes(xdf.content)
    data = _read(tmp_path)
    assert data.left_out == {GAP: 1}
    np.testing.assert_allclose(data.start_time[:4], [100, 101, 103, 104], atol=1e-6)
    np.testing.assert_allclose(data.windows(np.array([2]))[0], samples[300:400, [2, 0]])


POWER = {"bandpower": {"bands": [[8, 13], [13, 30]], "smooth": 0.2, "rate": 4}}


def test_windows_of_band_powers_are_whole_steps_within_the_trial(tmp_path: Path):
    samples = _noise(20)
    marks = [(1.0, "T0"), (7.03, "T1"), (11.08, "T0"), (15.4, "end")]
    write_edf(tmp_path / "a.edf", samples, marks, LABELS)
    steps = [{"reference": "average"}, {"highpass": 1}, POWER]
    data = _read(tmp_path, window=8, conditioning=steps, trial={"ends": ["end"]})
    assert (data.rate, data.steps, data.per_step) == (4.0, 8, 25)
    # Band powers have settled after 1 / (13 - 8) + 3 · 0.2 seconds, in whole steps 1 s.
    starts, ends = data.start_time, data.time + 1 / RATE
    np.testing.assert_allclose(starts, [1, 3, 5, 7.25, 11.25, 13.25])
    np.testing.assert_allclose(ends - starts, 2)
    assert data.targets.tolist() == [0, 0, 0, 1, 0, 0]
    contract = _training(tmp_path, window=8, conditioning=steps).contract()
    alone = Conditioning(contract.conditioning, RATE, ("C4", "C3"), 2)
    whole, newest = alone.apply(samples[:, [2, 0]].astype(np.float32))
    assert newest is not None
    first = int(np.searchsorted(newest, 725))
    found = data.windows(np.array([3]))[0]
    # EDF has 16 bits for ±500 microvolts.
    np.testing.assert_allclose(found, whole[first : first + 8], atol=0.01)
    # The EEG is that of the same samples, high-passed and not referenced.
    passed, _ = Conditioning(contract.conditioning[1:2], RATE, ("C4", "C3"), 2).apply(
        samples[:, [2, 0]].astype(np.float32)
    )
    np.testing.assert_allclose(data.eeg_windows(np.array([3]))[0], passed[725:925], atol=0.02)


def test_the_eeg_of_band_powers_is_at_the_contracts_rate_where_it_is_resampled(tmp_path: Path):
    samples = np.random.default_rng(4).normal(0, 20, (4000, 3))
    write_edf(tmp_path / "a.edf", samples, [(1.5, "T0"), (8.0, "T1")], LABELS, rate=2 * RATE)
    data = _read(tmp_path, window=8, conditioning=[{"resample": True}, POWER])
    contract = _training(tmp_path, window=8, conditioning=[{"resample": True}]).contract()
    alone = Conditioning(contract.conditioning, RATE, ("C4", "C3"), 2, 1, 2)
    whole, newest = alone.apply(samples[:, [2, 0]].astype(np.float32))
    assert newest is not None
    for window in range(len(data.targets)):
        last = int(np.flatnonzero(newest == round(data.time[window] * 2 * RATE))[0])
        found = data.eeg_windows(np.array([window]))[0]
        np.testing.assert_allclose(found, whole[last - 199 : last + 1], atol=0.02)


def test_eeg_is_the_steps_where_there_is_no_band_power(tmp_path: Path):
    write_edf(tmp_path / "a.edf", _noise(12), [(1.0, "T0"), (4.5, "T1")], LABELS)
    assert _read(tmp_path, conditioning=[{"highpass": 1}]).eeg == ()


def test_a_class_may_be_whole_files(tmp_path: Path):
    for n, name in enumerate(("s1_Left", "s1_Right", "s2_Left")):
        write_edf(tmp_path / f"{name}.edf", _noise(5, n), [(1.0, "T0")], LABELS)
    data = _read(tmp_path, classes={"left": {"files": ["*Left*"]}, "right": {"files": "*Right*"}})
    assert data.targets.tolist() == [0] * 5 + [1] * 5 + [0] * 5
    np.testing.assert_allclose(data.start_time[:5], [0, 1, 2, 3, 4])
    assert data.unused == {"T0": 3}
    with pytest.raises(UsageError, match="the whole file means a and b in s1_Left"):
        _read(tmp_path, classes={"a": {"files": "*"}, "b": {"files": "*Left*"}})


def test_recordings_are_named_with_the_folders_that_the_split_names(tmp_path: Path):
    for n, name in enumerate(("one/a.edf", "one/b.edf", "two/c.edf")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_edf(tmp_path / name, _noise(5, n), [(0.0, "T0"), (2.0, "T1")], LABELS)
    assert _read(tmp_path).recordings == ("a.edf", "b.edf", "c.edf")
    data = _read(tmp_path, split={"together": ["one/*", "two/*"]})
    assert data.recordings == ("one/a.edf", "one/b.edf", "two/c.edf")
