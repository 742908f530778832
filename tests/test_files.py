"""Each recording that files, folders and patterns name is found once, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from daemon.errors import UsageError
from daemon.recordings.files import recording_files


def _found(folder: Path, *patterns: str) -> list[str]:
    files = recording_files([str(folder / pattern) for pattern in patterns])
    return [file.relative_to(folder).as_posix() for file in files]


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_files_folders_and_patterns(tmp_path: Path):
    _touch(tmp_path, "a.edf", "b.xdf", "notes.txt", "in/c.bdf")
    assert _found(tmp_path, ".") == ["a.edf", "b.xdf", "in/c.bdf"]
    assert _found(tmp_path, "*.edf", "a.edf", "in/../b.*") == ["a.edf", "b.xdf"]
    assert _found(tmp_path, "**/*.bdf") == ["in/c.bdf"]
    assert _found(tmp_path, "*") == ["a.edf", "b.xdf"]
    with pytest.raises(
        UsageError, match=r"recordings: .*nothing\* is no file, no folder with \.xdf"
    ):
        _found(tmp_path, "nothing*")


def test_hidden_files_are_none_unless_they_are_named(tmp_path: Path):
    _touch(tmp_path, "a.edf", "._a.edf", ".cache/b.edf", "in/._c.bdf", "in/.DS_Store")
    assert _found(tmp_path, ".") == _found(tmp_path, "*") == _found(tmp_path, "**/*") == ["a.edf"]
    assert _found(tmp_path, "._a.edf") == ["._a.edf"]
    assert _found(tmp_path, ".cache", ".cache/*") == [".cache/b.edf"]


def test_a_file_that_links_lead_to_counts_once_and_by_its_name(tmp_path: Path):
    _touch(tmp_path, ".git/annex/objects/f00.edf")
    (tmp_path / "S1.edf").symlink_to(tmp_path / ".git/annex/objects/f00.edf")
    assert _found(tmp_path, ".", "*.edf") == ["S1.edf"]


def test_a_split_fif_counts_once_and_what_is_no_recording_never(tmp_path: Path):
    import mne

    info = mne.create_info(["C3", "Cz"], 1000.0, "eeg", verbose="error")
    raw = mne.io.RawArray(np.zeros((2, 150_000)), info, verbose="error")
    how = {"fmt": "double", "split_size": "2MB", "verbose": "error"}
    raw.save(tmp_path / "x_raw.fif", **how)
    raw.save(tmp_path / "sub-1_raw.fif", split_naming="bids", **how)
    raw.crop(0, 1).save(tmp_path / "run_raw-1.fif", verbose="error")  # the first one of its own
    mne.make_fixed_length_epochs(raw, 0.5, verbose="error").save(
        tmp_path / "x-epo.fif", verbose="error"
    )
    mne.write_events(tmp_path / "x_raw-eve.fif", np.array([[1, 0, 1]]), verbose="error")
    assert len([*tmp_path.glob("*.fif")]) == 9
    recordings = ["run_raw-1.fif", "sub-1_split-01_raw.fif", "x_raw.fif"]
    assert _found(tmp_path, ".") == _found(tmp_path, "*.fif") == recordings
    assert _found(tmp_path, "*.fif", "x_raw.fif", ".") == recordings
    # A broken one is there, and its reader says what is wrong with it.
    (tmp_path / "broken_raw.fif").write_bytes(b"rubbish")
    assert _found(tmp_path, ".") == ["broken_raw.fif", *recordings]


def test_two_stars_within_a_name_are_refused_in_words(tmp_path: Path):
    _touch(tmp_path, "a.edf")
    if sys.version_info < (3, 13):  # later it is a pattern like any other
        with pytest.raises(UsageError, match=r"\*\* has to stand alone between slashes"):
            _found(tmp_path, "**.edf")
