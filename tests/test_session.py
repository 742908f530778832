"""What the daemon published is found in an XDF file, on the EEG's clock; a bad file is one line."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from xdf_writer import XdfWriter

from daemon.errors import UsageError
from daemon.offline.session import Session, read_session
from daemon.reasons import Code

STEPS = np.arange(200) / 100
EEG = {"type": "EEG"}
# The EEG's host is 1000 s behind the recorder's clock, the daemon's 400 s before it.
EEG_BEHIND, DAEMON_BEHIND = 1000.0, -400.0


def marker(n: int, **changed: Any) -> str:
    end = 1500.0 + n
    content = {
        "sequence": n,
        "status": "ok",
        "reason": None,
        "label": "a",
        "probabilities": {"a": 0.75, "b": 0.25},
        "window_start": end - 0.5,
        "window_end": end,
        "age_ms": 1.5,
        "filled": 0.0,
    }
    return json.dumps({**content, **changed})


class Writer(XdfWriter):
    def eeg(self, stream: int = 1, name: str = "amp", host: str = "there") -> None:
        self.stream(stream, name, "EEG", "float32", labels=["C3"], hostname=host)
        values = [struct.pack("<f", n) for n in range(200)]
        self.samples(stream, (100 + STEPS).tolist(), values)
        for at, noise in enumerate((0, 1e-4, -1e-4, 1e-4, 0)):
            self.offset(stream, 100.0 + at, EEG_BEHIND + noise)

    def ours(
        self,
        texts: list[str],
        name: str = "Out",
        stream: int = 2,
        behind: float = DAEMON_BEHIND,
    ) -> None:
        said = {"model": "abc", "hop": "10", "window": "50"}
        self.stream(stream, name, "Markers", "string", nominal_srate=0, said=said)
        body = b"\x04" + struct.pack("<I", len(texts))
        for text in texts:
            coded = text.encode()
            body += b"\x08" + struct.pack("<d", 1500.0) + b"\x04"
            body += struct.pack("<I", len(coded)) + coded
        self.add(3, stream, body)
        self.offset(stream, 1500.0, behind)

    def stream(self, stream: int, name: str, kind: str, fmt: str, **more: object) -> None:
        said = more.pop("said", None)
        before = len(self.content)
        super().stream(stream, name, kind, fmt, **more)
        if isinstance(said, dict):
            inner = "".join(f"<{key}>{value}</{key}>" for key, value in said.items())
            xml = self.content[before:].split(b"<?xml", 1)[1].replace(b"<desc />", b"<desc/>")
            xml = xml.replace(b"<desc/>", f"<desc>{inner}</desc>".encode())
            self.content = self.content[:before]
            self.add(2, stream, b"<?xml" + xml)


def read(folder: Path, xdf: XdfWriter, output: str = "Out", **how: Any) -> Session:
    path = folder / "s.xdf"
    path.write_bytes(xdf.content)
    return read_session(path, how.pop("wanted", EEG), output, **how)


def refused(folder: Path, xdf: XdfWriter, *parts: str, **how: Any) -> None:
    with pytest.raises(UsageError) as error:
        read(folder, xdf, **how)
    assert "\n" not in str(error.value)
    for part in parts:
        assert part in str(error.value)


def test_predictions_lie_on_the_clock_of_the_eeg(tmp_path: Path) -> None:
    xdf = Writer()
    xdf.eeg()
    xdf.ours([marker(0), marker(1, status="abstain", reason="flat", probabilities=None)])
    xdf.stream(3, "classes", "Markers", "string", nominal_srate=0)
    xdf.strings(3, [1100.5], ["rest"])
    session = read(tmp_path, xdf)
    assert [p.sequence for p in session.predictions] == [0, 1]
    assert [(p.code, p.channels) for p in session.predictions] == [(None, ()), (None, ())]
    assert session.predictions[0].probabilities == {"a": 0.75, "b": 0.25}
    assert session.predictions[0].window_end == 1500.0
    # 1500 there is 1100 for the recorder, and 100 for the amplifier; noise does not add up.
    np.testing.assert_allclose(session.spans, [[99.5, 100], [100.5, 101]], atol=2e-4)
    assert [p.window_end for p in session.on_eeg_clock] == session.spans[:, 1].tolist()
    assert session.said == {"model": "abc", "hop": "10", "window": "50"}
    assert (session.probabilities, session.codes) == (None, None)
    assert [text for _, text in session.eeg.markers] == ["rest"]
    np.testing.assert_array_equal(session.eeg.stamps, 100 + STEPS)


def test_codes_and_channels_are_read_as_they_were_published(tmp_path: Path) -> None:
    """Those of a later version too, which has more codes."""
    xdf = Writer()
    xdf.eeg()
    abstained = {"status": "abstain", "reason": "so", "probabilities": None, "label": None}
    xdf.ours(
        [
            marker(0, code=None, channels=[]),
            marker(1, **abstained, code="flat", channels=["C3", "A;B"]),
            marker(2, **abstained, code="not_yet_known", channels=[]),
        ]
    )
    assert [(p.code, p.channels) for p in read(tmp_path, xdf).predictions] == [
        (None, ()),
        (Code.FLAT, ("C3", "A;B")),
        ("not_yet_known", ()),
    ]


@pytest.mark.parametrize("apart", [0.0015, 7.0])
def test_two_streams_of_one_host_have_one_clock(tmp_path: Path, apart: float) -> None:
    """What the recorder measured of it twice differs by the network's noise, and by no more."""
    xdf = Writer()
    xdf.eeg(host="here")
    xdf.ours([marker(0)], behind=EEG_BEHIND + apart)
    session = read(tmp_path, xdf)
    expected = [1499.5, 1500.0] if apart < 1 else [1499.5 + apart, 1500.0 + apart]
    np.testing.assert_allclose(session.spans, [expected], atol=2e-4 if apart > 1 else 0)


def test_the_other_two_streams_are_found_and_are_never_the_eeg(tmp_path: Path) -> None:
    xdf = Writer()
    xdf.eeg()
    xdf.ours([marker(0)])
    xdf.stream(4, "Out-probabilities", "Probabilities", "float32", labels=["a", "b"])
    xdf.samples(4, [1500.0], [struct.pack("<ff", 0.75, 0.25)])
    xdf.stream(5, "Out-codes", "Markers", "int32", nominal_srate=0)
    xdf.samples(5, [1500.0], [struct.pack("<i", 1)])
    session = read(tmp_path, xdf, wanted={})
    assert session.eeg.stream.name == "amp"
    assert session.probabilities is not None
    assert session.probabilities.values.tolist() == [[0.75, 0.25]]
    assert session.codes is not None
    assert (session.codes.stamps.tolist(), session.codes.values.tolist()) == ([1500.0], [[1]])


def test_what_is_no_session_is_refused_in_one_line(tmp_path: Path) -> None:
    xdf = Writer()
    xdf.eeg()
    refused(tmp_path, xdf, "holds nothing that eegd published", "record 'Out'", "'amp'")
    xdf.ours([marker(0)])
    refused(tmp_path, xdf, "no stream 'Other'", "'Out': set output.name", output="Other")
    refused(tmp_path, xdf, "name 'nobody'", "'amp'", wanted={"name": "nobody"})
    xdf.eeg(6, "second")
    refused(tmp_path, xdf, "2 streams", "'second'")
    with pytest.raises(UsageError, match="does not exist"):
        read_session(tmp_path / "none.xdf", EEG, "Out")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not a marker of eegd"),
        ("[" * 5000, "is not a marker of eegd"),
        ("[1]", "must be a mapping"),
        ("{}", "sequence: is missing"),
        (marker(0, sequence=-1), "sequence"),
        (marker(0, sequence="0"), "sequence"),
        (marker(0, window_end=float("nan")), "window_end"),
        (marker(0, probabilities={"a": float("inf")}), "probabilities.a"),
        (marker(0, status="\x1b[31m"), "status"),
        (marker(0, code=3), "code"),
        (marker(0, channels="C3"), "channels"),
        (marker(0, channels=[3]), "channels"),
    ],
)
def test_a_marker_that_is_not_ours_is_refused(tmp_path: Path, text: str, says: str) -> None:
    xdf = Writer()
    xdf.eeg()
    xdf.ours([text])
    refused(tmp_path, xdf, "stream 'Out', sample 0", says)
