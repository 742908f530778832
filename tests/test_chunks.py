"""What is whole of a damaged XDF file can be read, and what is not is said."""

from __future__ import annotations

import logging
import struct
from pathlib import Path

import numpy as np
import pytest
from refused import refused, written
from xdf_writer import XdfWriter, chunk

from daemon.recordings.reading import read_recording

FOOTER = struct.pack("<I", 1) + b"<?xml version='1.0'?><info><sample_count>9</sample_count></info>"
BOUNDARY = chunk(5, bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4"))


def _file(chunks: int = 5) -> XdfWriter:
    """Nine samples in a chunk, the value of each its number."""
    xdf = XdfWriter()
    xdf.stream(1, "amp", "EEG", "float32", labels=["C3", "Cz"])
    for first in range(0, 9 * chunks, 9):
        numbers = np.arange(first, first + 9, dtype=np.float32) + 1
        xdf.numbers(1, numbers / 100, np.stack([numbers, -numbers], axis=1))
    return xdf


def _ends(content: bytes) -> list[int]:
    """One past the last byte of each chunk."""
    ends = [4]
    while ends[-1] < len(content):
        ends.append(ends[-1] + 5 + struct.unpack_from("<I", content, ends[-1] + 1)[0])
    return ends


def _damaged(path: Path, caplog: pytest.LogCaptureFixture, samples: int, *says: str) -> None:
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        recording = read_recording(path)
    assert recording.samples[:, 0].tolist() == [*range(1, samples + 1)]
    assert recording.samples[:, 1].tolist() == [-n for n in range(1, samples + 1)]
    (message,) = (record.getMessage() for record in caplog.records)
    refused(path, *says, strict=True)
    for part in (*says, "what is whole is read"):
        assert part in message


def test_a_whole_file_is_read_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    content = _file().content + chunk(6, FOOTER)
    recording = read_recording(written(tmp_path / "s.xdf", content), strict=True)
    assert len(recording.samples) == 45
    assert not caplog.records


def test_of_a_file_that_was_cut_off_the_whole_chunks_are_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    content = _file().content
    ends = _ends(content)
    for cut in range(ends[3] + 1, len(content), 7):
        if cut not in ends:
            path = written(tmp_path / "cut.xdf", content[:cut])
            whole = sum(end <= cut for end in ends[3:])
            _damaged(path, caplog, 9 * whole, "cut off", f"ends at byte {cut}")
    refused(written(tmp_path / "cut.xdf", content[: ends[1] + 20]), "holds no EEG")


def test_zeros_at_the_end_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    content = _file().content
    for zeros in (1, 5000, 3 << 20):
        path = written(tmp_path / "zeros.xdf", content + bytes(zeros))
        _damaged(path, caplog, 45, f"ends in {zeros} bytes of zeros")
    # Where they may begin within a chunk, its last samples would be zeros at times made up.
    xdf = _file()
    xdf.numbers(1, np.arange(46, 300) / 100, np.full((254, 2), 7, np.float32))
    sector = len(xdf.content) // 512 * 512
    path = written(tmp_path / "half.xdf", xdf.content[:sector] + bytes(4096))
    _damaged(path, caplog, 45, "bytes of zeros")
    # A chunk that ends in zeros of its own is none of those.
    xdf = _file()
    xdf.numbers(1, [0.46], np.array([[46, 0]], np.float32))
    whole = xdf.content
    recording = read_recording(written(tmp_path / "own.xdf", whole + bytes(-len(whole) % 512)))
    assert recording.samples[-1].tolist() == [46, 0]
    refused(written(tmp_path / "other.xdf", content + bytes(9) + b"\3"), "begins no XDF chunk")


@pytest.mark.parametrize("footer", [b"", b"<info", b"<info><a>\xff</a></info>"])
def test_footers_that_cannot_be_read_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, footer: bytes
):
    broken = chunk(6, struct.pack("<I", 1) + footer)
    before, behind = _file(3), _file(5)
    rest = behind.content[len(before.content) :]
    path = written(tmp_path / "s.xdf", before.content + broken + rest + broken)
    _damaged(path, caplog, 45, "has 2 stream footers that cannot be read")
    _damaged(written(path, path.read_bytes() + bytes(512)), caplog, 45, "footers", "zeros")


def test_a_file_that_goes_on_behind_what_is_broken_is_corrupt(tmp_path: Path):
    content = _file().content
    end = _ends(content)[-2]
    for odd in (b"\4\xff\xff\xff\x7f\3\0", b"\3rubbish", bytes(100)):
        whole = content[:end] + odd + BOUNDARY + content[end:]
        refused(written(tmp_path / "odd.xdf", whole), "corrupt", f"byte {end} of {len(whole)}")
