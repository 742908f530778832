"""FIF files are read with all their parts, their units, gaps and triggers."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refused import refused
from shared import CASES, needs_cases

from daemon.errors import UsageError
from daemon.recordings.boundaries import UNKNOWN
from daemon.recordings.reading import read_recording
from daemon.recordings.recording import Recording

RATE = 160.0
LABELS = ["Fp1", "C3", "Oz"]
VOLTS = np.random.default_rng(0).normal(0, 2e-5, (3, int(20 * RATE)))


def _raw(triggers: dict[str, tuple[str, np.ndarray]] | None = None, first_samp: int = 480) -> Any:
    """``triggers``: further channels with their types and values."""
    import mne

    more = triggers or {}
    kinds = ["eeg", "eeg", "eog", *(kind for kind, _ in more.values())]
    info = mne.create_info([*LABELS, *more], RATE, kinds, verbose="error")
    data = np.vstack([VOLTS, *(values for _, values in more.values())])
    raw = mne.io.RawArray(data, info, first_samp=first_samp, verbose="error")
    return raw.set_annotations(mne.Annotations([5.5, 1.0], [0, 2], ["T2", "T1"]), verbose="error")


def _read(path: Path, raw: Any, **how: Any) -> Recording:
    raw.save(path, verbose="error", **{"fmt": "double", **how})
    return read_recording(path)


def _gaps(recording: Recording) -> list[tuple[float, float]]:
    """Before and behind each."""
    at = recording.stamps
    return [(at[n], at[n + 1]) for n in np.flatnonzero(np.diff(at) > 1.5 / RATE)]


@pytest.mark.parametrize("dated", [False, True])
@pytest.mark.parametrize("suffix", [".fif", ".fif.gz"])
def test_samples_and_markers(tmp_path: Path, suffix: str, dated: bool):
    raw = _raw({"STI": ("stim", np.zeros(VOLTS.shape[1]))})
    if dated:
        raw.set_meas_date(datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc))
        raw.set_annotations(raw.annotations.copy().delete([0, 1]))
        raw.annotations.append([3 + 1.0, 3 + 5.5], 0, ["T1", "T2"])
    recording = _read(tmp_path / f"my_raw{suffix}", raw)
    np.testing.assert_array_equal(recording.samples, VOLTS.T)
    np.testing.assert_allclose(recording.stamps, np.arange(VOLTS.shape[1]) / RATE, atol=1e-9)
    stream = recording.stream
    assert (stream.name, stream.type, stream.sample_rate) == ("my_raw", "EEG", RATE)
    assert stream.labels == tuple(LABELS)
    assert stream.units == ("volts",) * 3
    assert recording.markers == ((1.0, "T1"), (5.5, "T2"))


def test_markers_of_what_was_cropped_are_where_they_were(tmp_path: Path):
    recording = _read(tmp_path / "my_raw.fif", _raw().crop(4.0, 15.0))
    assert recording.markers == ((pytest.approx(1.5), "T2"),)


def test_events_in_a_file_beside_are_markers_where_it_has_none(tmp_path: Path):
    import mne

    raw = _raw()
    events = np.array([[480 + 2 * RATE, 0, 13], [480 + 4 * RATE, 0, 21]], np.int64)
    mne.write_events(tmp_path / "a-eve.fif", events, verbose="error")
    assert _read(tmp_path / "a_raw.fif", raw).markers == ((1.0, "T1"), (5.5, "T2"))
    raw.set_annotations(None)
    assert _read(tmp_path / "a_raw.fif", raw, overwrite=True).markers == ((2.0, "13"), (4.0, "21"))
    assert _read(tmp_path / "b_raw.fif", raw).markers == ()
    mne.write_events(tmp_path / "b_raw-eve.fif", events, verbose="error")
    assert read_recording(tmp_path / "b_raw.fif").markers == ((2.0, "13"), (4.0, "21"))
    (tmp_path / "a-eve.fif").write_bytes(b"rubbish")
    with pytest.raises(UsageError, match=r"a-eve\.fif .*corrupt"):
        read_recording(tmp_path / "a_raw.fif")


def test_what_was_never_acquired_or_joined_is_a_gap(tmp_path: Path):
    import mne

    raw = _raw()
    raw.annotations.append(3 + 7.0, 2.0, "BAD_ACQ_SKIP")
    recording = _read(tmp_path / "skip_raw.fif", raw)
    assert _gaps(recording) == [pytest.approx((7 - 1 / RATE, 9))]
    assert len(recording.samples) == VOLTS.shape[1] - 2 * RATE
    joined = mne.concatenate_raws([_raw(first_samp=0), _raw(first_samp=0)], verbose="error")
    (seam,) = _gaps(_read(tmp_path / "joined_raw.fif", joined))
    assert seam == pytest.approx((20 - 1 / RATE, 20 + UNKNOWN))


def _held(*codes: int) -> np.ndarray:
    return np.repeat(codes, VOLTS.shape[1] // len(codes)).astype(float)


@pytest.mark.parametrize(
    ("triggers", "codes"),
    [
        # The first sample, a change from one to the next, and the same one again after a 0.
        ({"STI": ("stim", _held(5, 129, 129, 0, 129))}, [(0, "5"), (4, "129"), (16, "129")]),
        (
            {
                "STI001": ("stim", _held(0, 1, 0, 1)),
                "STI002": ("stim", _held(0, 0, 1, 1)),
                "STI101": ("stim", _held(0, 1, 2, 3)),
            },
            [(5, "1"), (10, "2"), (15, "3")],
        ),
        ({"Trigger": ("misc", _held(0, 7))}, [(10, "7")]),
    ],
)
def test_triggers_are_markers(
    tmp_path: Path, triggers: dict[str, tuple[str, np.ndarray]], codes: list[tuple[float, str]]
):
    recording = _read(tmp_path / "my_raw.fif", _raw(triggers))
    assert [mark for mark in recording.markers if mark[1].isdigit()] == codes
    # A stimulus channel is no sample; a channel that only says so by its label stays one.
    stays = [name for name, (kind, _) in triggers.items() if kind != "stim"]
    assert recording.stream.labels == (*LABELS, *stays)


def test_units_that_stand_for_a_multiple(tmp_path: Path):
    raw = _raw()
    raw.load_data()._data[:2] *= 1e6
    for channel in raw.info["chs"][:2]:
        channel["unit_mul"] = -6
    recording = _read(tmp_path / "my_raw.fif", raw)
    np.testing.assert_allclose(recording.samples, VOLTS.T, rtol=1e-12)
    assert recording.stream.units == ("volts",) * 3


def test_a_recording_in_several_files_is_one(tmp_path: Path):
    import mne

    info = mne.create_info(["C3", "Cz"], 1000.0, "eeg", verbose="error")
    values = np.random.default_rng(0).normal(0, 2e-5, (2, 200_000))
    raw = mne.io.RawArray(values, info, verbose="error")
    for first, third, naming in (
        ("x_raw.fif", "x_raw-2.fif", "neuromag"),
        ("sub-1_split-01_raw.fif", "sub-1_split-03_raw.fif", "bids"),
    ):
        name = tmp_path / first.replace("_split-01", "")
        raw.save(name, fmt="double", split_size="2MB", split_naming=naming, verbose="error")
        np.testing.assert_array_equal(read_recording(tmp_path / first).samples, values.T)
        refused(tmp_path / third, f"continues {first}: give that one, it brings this")
        # A part that is alone is all there is, and what it misses is said.
        alone = tmp_path / "alone"
        alone.mkdir(exist_ok=True)
        (tmp_path / third).rename(alone / third)
        refused(alone / third, "goes on in")
        refused(tmp_path / first, f"goes on in {third}: put it beside it")
        (tmp_path / third).write_bytes((alone / third).read_bytes()[:-500])
        with pytest.raises(UsageError, match=f"recording .*{third} is cut off"):
            read_recording(tmp_path / first)


def test_what_is_no_recording_is_refused(tmp_path: Path):
    import mne

    epochs = mne.make_fixed_length_epochs(_raw(), 1.0, preload=True, verbose="error")
    epochs.save(tmp_path / "x-epo.fif", verbose="error")
    epochs.average().save(tmp_path / "x-ave.fif", verbose="error")
    mne.write_events(tmp_path / "x-eve.fif", np.array([[1, 0, 1]]), verbose="error")
    for name in ("x-epo.fif", "x-ave.fif", "x-eve.fif"):
        refused(tmp_path / name, "no continuous samples")
    only = _raw({"STI": ("stim", _held(0, 1))}).pick(["STI"])
    only.save(tmp_path / "stim_raw.fif", verbose="error")
    refused(tmp_path / "stim_raw.fif", "no samples besides stimuli")


@needs_cases
def test_cases():
    neuromag = read_recording(CASES / "fif/neuromag_raw.fif")
    codes = [(5.0, "1"), (10.0, "2"), (15.0, "5"), (20.0, "1"), (25.0, "2"), (30.0, "5")]
    assert neuromag.markers == tuple(codes)
    assert neuromag.stream.labels == ("C3", "Cz", "C4")
    scaled = read_recording(CASES / "fif/unit_mul_raw.fif")
    assert scaled.samples.std(axis=0) == pytest.approx(20e-6, rel=1e-6)
    assert scaled.stream.units == ("volts",) * 3
    cropped = read_recording(CASES / "fif/crop_raw.fif")
    assert [(round(at, 6), text) for at, text in cropped.markers] == [(1, "left"), (8, "right")]
