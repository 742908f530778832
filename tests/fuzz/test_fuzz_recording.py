"""Recordings of every format, broken: read, or refused in one line."""

import io
import struct
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import h5py
import mne
import numpy as np
import pytest
import scipy.io
from edf_bytes import Channel, edf, timekeeping
from hypothesis import given
from hypothesis import strategies as st
from mutation import FUZZ, ODD_TEXT, mutated

Run = Callable[[str, Path], tuple[str, str]]

LABELS = ("Fp1", "TRG")


Chunks = list[tuple[int, bytes]]

MARKER = (
    b'{"sequence":0,"status":"ok","reason":null,"code":null,"channels":["Fp1"],"label":"a",'
    b'"probabilities":{"a":0.75,"b":0.25},'
    b'"window_start":10.0,"window_end":10.1,"age_ms":1.5,"filled":0.0}'
)


def xdf_chunks() -> Chunks:
    def chunk(tag: int, body: bytes) -> tuple[int, bytes]:
        return tag, body

    def header(
        number: int, name: str, kind: str, fmt: str, rate: int, said: str = ""
    ) -> tuple[int, bytes]:
        channels = "".join(
            f"<channel><label>{label}</label><unit>microvolts</unit></channel>" for label in LABELS
        )
        count, desc = (1, said) if fmt == "string" else (2, f"<channels>{channels}</channels>")
        xml = (
            f"<?xml version='1.0'?><info><name>{name}</name><type>{kind}</type>"
            f"<channel_count>{count}</channel_count><nominal_srate>{rate}</nominal_srate>"
            f"<channel_format>{fmt}</channel_format><source_id>s{number}</source_id>"
            f"<hostname>lab</hostname><desc>{desc}</desc></info>"
        )
        return chunk(2, struct.pack("<I", number) + xml.encode())

    def samples(number: int, values: list[bytes]) -> tuple[int, bytes]:
        stamped = b"".join(
            b"\x08" + struct.pack("<d", 10 + n / 100) + value for n, value in enumerate(values)
        )
        return chunk(3, struct.pack("<I", number) + b"\x01" + bytes([len(values)]) + stamped)

    footer = b"<?xml version='1.0'?><info><first_timestamp>10</first_timestamp></info>"
    return [
        chunk(1, b"<?xml version='1.0'?><info><version>1.0</version></info>"),
        header(1, "amp", "EEG", "float32", 100),
        header(2, "marks", "Markers", "string", 0),
        chunk(4, struct.pack("<Idd", 1, 10.0, 5.0)),
        samples(1, [struct.pack("<ff", n, -n) for n in range(12)]),
        samples(2, [b"\x01\x05start", b"\x01\x03end"]),
        header(3, "Out", "Markers", "string", 0, "<model>0f</model><hop>5</hop>"),
        samples(3, [b"\x01" + bytes([len(MARKER)]) + MARKER]),
        chunk(4, struct.pack("<Idd", 1, 15.0, 5.0)),
        chunk(6, struct.pack("<I", 1) + footer),
    ]


def xdf(chunks: Chunks) -> bytes:
    return b"XDF:" + b"".join(
        b"\x04" + struct.pack("<IH", len(body) + 2, tag) + body for tag, body in chunks
    )


@st.composite
def xdf_with_whole_lengths(draw: st.DrawFn) -> bytes:
    """Chunks whose content is broken, or another field's, or that come in another order."""
    chunks = xdf_chunks()
    for _ in range(draw(st.integers(1, 3))):
        n = draw(st.integers(0, len(chunks) - 1))
        tag, body = chunks[n]
        match draw(st.integers(0, 5)):
            case 0:
                chunks.insert(draw(st.integers(0, len(chunks))), chunks[n])
            case 1:
                chunks.append(chunks.pop(n))
            case 2:
                chunks[n] = tag, draw(mutated(body, most=1))
            case _:
                field = draw(st.sampled_from(FIELDS))
                said = draw(st.sampled_from(ODD_TEXT))
                before, between, after = body.partition(b"<%s>" % field)
                chunks[n] = tag, before + between + said + after[after.find(b"</") :]
    return xdf(chunks)


def recorded(*, bdf: bool) -> bytes:
    """EDF+D, or BDF+D, with a slower channel, triggers and annotations."""
    channels = [Channel(label, range(3 * 16)) for label in LABELS]
    channels += [Channel("Temp", range(3)), Channel("Status", [*[0] * 20, *[5] * 28])]
    notes = [(n, b"+%d.5\x14event\x14\0" % n) for n in range(3)]
    told = timekeeping([0, 1, 4], *notes)
    return edf(channels, told, records=3, kind="BDF+D" if bdf else "EDF+D", bdf=bdf)


def eeglab() -> bytes:
    content = io.BytesIO()
    locations = np.array([(label, 1.0) for label in LABELS], [("labels", object), ("X", object)])
    events = np.array([("start", 2.0)], [("type", object), ("latency", object)])
    eeg = {"setname": "s", "nbchan": 2, "trials": 1, "pnts": 40, "srate": 100.0, "xmin": 0.0}
    eeg |= {"xmax": 0.39, "times": np.arange(40.0), "data": np.ones((2, 40), np.float32)}
    eeg |= {"chanlocs": locations, "event": events, "icawinv": [], "icaweights": [], "epoch": []}
    scipy.io.savemat(
        content, {"EEG": eeg | {"icasphere": [], "urchanlocs": [], "chaninfo": {"icachansind": []}}}
    )
    return content.getvalue()


def eeglab_73() -> bytes:
    """MATLAB 7.3 is HDF5 behind 512 bytes of its own."""
    content = io.BytesIO()
    with h5py.File(content, "w", userblock_size=512) as file:
        refs, eeg = file.create_group("#refs#"), file.create_group("EEG")
        for key, number in {"nbchan": 2, "trials": 1, "pnts": 40, "srate": 100}.items():
            eeg[key] = np.array([[float(number)]])
        eeg["data"] = np.ones((40, 2), np.float32)
        for struct, field in (("event", "latency"), ("event", "type"), ("chanlocs", "labels")):
            for n in range(2):
                refs[f"{field}{n}"] = np.array([[65.0 + n]])
            rows = np.array([[refs[f"{field}{n}"].ref] for n in range(2)], object)
            eeg.require_group(struct).create_dataset(field, data=rows, dtype=h5py.ref_dtype)
    return b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + content.getvalue()[128:]


@cache
def fif() -> bytes:
    import tempfile

    info = mne.create_info(list(LABELS), 100.0, "eeg")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "whole_raw.fif"
        mne.io.RawArray(np.ones((2, 40)), info, verbose="error").save(path, verbose="error")
        return path.read_bytes()


FIELDS = [b"name", b"type", b"channel_count", b"nominal_srate", b"channel_format", b"hostname"]
FIELDS += [b"label", b"unit", b"channels", b"channel", b"desc", b"model"]
WHOLE = {
    ".xdf": xdf(xdf_chunks()),
    ".edf": recorded(bdf=False),
    ".bdf": recorded(bdf=True),
    ".fif": fif(),
}
WHOLE |= {".set": eeglab(), "73.set": eeglab_73()}


@pytest.mark.parametrize("suffix", WHOLE)
def test_unbroken(suffix: str, tmp_path: Path, worker: Run) -> None:
    path = tmp_path / f"whole_raw{suffix}"
    path.write_bytes(WHOLE[suffix])
    assert worker("recording", path) == ("ok", "")


@pytest.mark.parametrize("suffix", WHOLE)
def test_recording(
    count: Counter[str], tmp_path_factory: pytest.TempPathFactory, worker: Run, suffix: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"broken_raw{suffix}"

    broken = mutated(WHOLE[suffix]) | mutated(WHOLE[suffix], most=1) | st.binary(max_size=60)
    if suffix == ".xdf":
        broken = xdf_with_whole_lengths() | xdf_with_whole_lengths() | broken

    @FUZZ
    @given(broken)
    def read(content: bytes) -> None:
        path.write_bytes(content)
        outcome, text = worker("recording", path)
        count[outcome] += 1
        assert outcome != "bug", text

    read()
