"""A FIF file's tags are walked to their end, and whatever leads nowhere is refused."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from refused import refused, written

from daemon.recordings.reading import read_recording
from daemon.recordings.tags import Contents, first_part, read_contents


@cache
def _whole() -> bytes:
    import mne

    info = mne.create_info(["C3"], 100.0, "eeg", verbose="error")
    raw = mne.io.RawArray(np.ones((1, 1000)), info, verbose="error")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "my_raw.fif"
        raw.save(path, buffer_size_sec=2, verbose="error")
        return path.read_bytes()


def _places(content: bytes) -> list[int]:
    """Where the tags begin."""
    at, tags = 0, []
    while at < len(content):
        tags.append(at)
        at += 16 + struct.unpack_from(">i", content, at + 8)[0]
    return tags


def _tag(kind: int, data: bytes, following: int = 0) -> bytes:
    return struct.pack(">iiii", kind, 0, len(data), following) + data


def _part(before: tuple[bytes, int] | None, after: tuple[bytes, int] | None) -> bytes:
    """No more of a part of a recording than what it says of the others: name and number."""
    content = b""
    for role, other in ((1, before), (2, after)):
        if other:
            name, number = other
            content += _tag(104, struct.pack(">i", 118)) + _tag(115, struct.pack(">i", role))
            content += _tag(118, name) if name else b""
            content += _tag(117, struct.pack(">i", number)) + _tag(105, struct.pack(">i", 118))
    return content + _tag(300, bytes(8)) + _tag(108, b"", -1)


def test_every_cut_is_noticed(tmp_path: Path):
    content = _whole()
    tags = _places(content)
    for cut in [0, 7, len(content) - 1, *tags[1:], *(tag + 10 for tag in tags[::7])]:
        path = written(tmp_path / "cut_raw.fif", content[:cut])
        refused(path, "cut off", f"ends at byte {cut}")


def test_tags_in_any_order_are_read_and_circles_refused(tmp_path: Path):
    content = bytearray(_whole())
    assert content[36 + 12 : 36 + 16] == bytes(4)  # the second tag's next: the one behind it
    for back in (0, 36):
        content[36 + 12 : 36 + 16] = struct.pack(">i", back or 36)
        path = written(tmp_path / "my_raw.fif", bytes(content))
        refused(path, "the tag at byte 36 leads back to byte 36")
    # The last tags are written first: the chain goes to the end of the file and back.
    first, last = _tag(104, b"1234"), _tag(300, bytes(8), -1)
    there = len(first) + len(last)
    middle = _tag(105, b"", len(first))
    chain = _tag(104, b"1234", there) + last + middle
    found = read_contents(written(tmp_path / "back.fif", chain))
    assert found == Contents(is_recording=True, before=None, after=None)
    around = _tag(104, b"1234", there) + _tag(300, bytes(8)) + middle
    with pytest.raises(Exception, match=f"the tag at byte {len(first)} leads back to byte {there}"):
        read_contents(written(tmp_path / "around.fif", around))


def test_a_file_with_its_directory_in_front_is_whole(tmp_path: Path):
    path = written(tmp_path / "my_raw.fif", _whole())
    assert read_contents(path).is_recording
    assert len(read_recording(path).samples) == 1000


def test_parts_name_each_other_or_give_a_number(tmp_path: Path):
    first = written(tmp_path / "x_raw.fif", _part(None, (b"x_raw-1.fif", 1)))
    second = written(tmp_path / "x_raw-1.fif", _part((b"/lab/x_raw.fif", 0), (b"", 2)))
    third = written(tmp_path / "x_raw-2.fif", _part((b"", 1), None))
    assert read_contents(second) == Contents(True, "x_raw.fif", "x_raw-2.fif")
    assert read_contents(third) == Contents(True, "x_raw-1.fif", None)
    assert {first_part(path) for path in (first, second, third)} == {first}
    # One that does not go on with it is no part of it.
    written(first, _part(None, (b"other.fif", 1)))
    assert first_part(third) == second
    # Two that claim to be before each other.
    written(first, _part((b"x_raw-1.fif", 1), (b"x_raw-1.fif", 1)))
    written(second, _part((b"x_raw.fif", 0), (b"x_raw.fif", 0)))
    assert first_part(first) in (first, second)
