"""Recordings are read as they were written, and a bad file is one line for the user."""

from __future__ import annotations

import datetime
import gzip
import struct
import sys
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pytest
from shared import DATA, needs_data

from daemon.errors import UsageError
from daemon.recordings.boundaries import UNKNOWN
from daemon.recordings.reading import read_recording
from daemon.recordings.recording import Recording

RATE = 160.0
LABELS = ["Fp1", "C3", "Oz"]


class XdfWriter:
    """Just enough of XDF 1.0 to write what a test needs."""

    def __init__(self) -> None:
        self.content = b"XDF:" + _chunk(
            1, b"<?xml version='1.0'?><info><version>1.0</version></info>"
        )

    def stream(self, stream: int, name: str, kind: str, fmt: str, **more: object) -> None:
        labels, said = more.pop("labels", ()), more.pop("said", "")
        fields = {
            "name": name,
            "type": kind,
            "channel_count": len(labels) or 1,
            "nominal_srate": 100,
            "channel_format": fmt,
            "source_id": "",
            "hostname": "here",
            **more,
        }
        xml = "".join(f"<{key}>{escape(str(value))}</{key}>" for key, value in fields.items())
        channels = "".join(
            f"<channel><label>{label}</label><unit>microvolts</unit></channel>" for label in labels
        )
        inner = f"<channels>{channels}</channels>" if labels else ""
        desc = f"<desc>{inner}{said}</desc>" if inner or said else "<desc/>"
        self.add(2, stream, f"<?xml version='1.0'?><info>{xml}{desc}</info>".encode())

    def samples(self, stream: int, stamps: list[float], values: list[bytes]) -> None:
        body = b"\x04" + struct.pack("<I", len(stamps))
        for stamp, value in zip(stamps, values, strict=True):
            body += b"\x08" + struct.pack("<d", stamp) + value
        self.add(3, stream, body)

    def strings(self, stream: int, stamps: list[float], texts: list[str]) -> None:
        coded = [text.encode() for text in texts]
        self.samples(stream, stamps, [b"\x01" + bytes([len(c)]) + c for c in coded])

    def offset(self, stream: int, at: float, value: float) -> None:
        self.add(4, stream, struct.pack("<dd", at, value))

    def add(self, tag: int, stream: int, body: bytes) -> None:
        self.content += _chunk(tag, struct.pack("<I", stream) + body)


def _chunk(tag: int, body: bytes) -> bytes:
    return b"\x04" + struct.pack("<IH", len(body) + 2, tag) + body


STAMPS = [10.0, 10.01, 10.0201, 12.03, 12.02, 12.05]  # jitter, a gap, a backward step


def _session() -> XdfWriter:
    """An EEG from a host whose clock is 1000 s behind the recorder's, markers from one 500 s."""
    xdf = XdfWriter()
    xdf.stream(1, "amp", "eeg", "float32", labels=["Fp1", "C3"], source_id="sn1")
    xdf.stream(2, "events", "Markers", "string", nominal_srate=0, hostname="there")
    xdf.stream(3, "notes", "Markers", "string", nominal_srate=0)
    values = np.arange(12, dtype="<f4").reshape(6, 2)
    for at in (10.0, 11.0, 12.0):
        xdf.offset(1, at, 1000.0)
        xdf.offset(2, at + 500, 500.0)
        xdf.offset(3, at, 1000.0)
    xdf.samples(1, STAMPS, [row.tobytes() for row in values])
    xdf.strings(2, [512.0, 510.5], ["second", "first"])
    xdf.strings(3, [10.75], ["note"])
    return xdf


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_xdf_keeps_stamps_values_and_types(tmp_path: Path):
    recording = read_recording(_write(tmp_path / "s.xdf", _session().content))
    np.testing.assert_array_equal(recording.stamps, STAMPS)
    np.testing.assert_array_equal(recording.samples, np.arange(12).reshape(6, 2))
    assert recording.samples.dtype == np.float32
    np.testing.assert_allclose(recording.synchronized, np.add(STAMPS, 1000), atol=1e-9)
    stream = recording.stream
    assert (stream.name, stream.type, stream.source_id) == ("amp", "eeg", "sn1")
    assert (stream.hostname, stream.sample_rate, stream.channel_format) == ("here", 100, "float32")
    assert stream.labels == ("Fp1", "C3")
    assert stream.units == ("microvolts", "microvolts")


def test_xdf_metadata_is_cleaned_where_it_comes_in(tmp_path: Path):
    xdf = XdfWriter()
    name = "amp\u202e\n two"
    xdf.stream(1, name, "EEG", "float32", labels=["Fp\u200b1", "C\n3"], hostname="la\u2066b")
    xdf.samples(1, [1.0], [struct.pack("<ff", 1, 2)])
    path = _write(tmp_path / "s.xdf", xdf.content)
    # It is still found by the name that it has.
    stream = read_recording(path, name=name).stream
    assert (stream.name, stream.hostname) == ("amp\ufffd two", "la\ufffdb")
    assert stream.labels == ("Fp\ufffd1", "C 3")


def test_xdf_markers_of_every_host_are_on_the_clock_of_the_eeg(tmp_path: Path):
    path = _write(tmp_path / "s.xdf", _session().content)
    marks = read_recording(path).markers
    assert [text for _, text in marks] == ["first", "note", "second"]
    assert [at for at, _ in marks] == pytest.approx([10.5, 10.75, 12.0], abs=1e-9)
    assert [text for _, text in read_recording(path, markers="notes").markers] == ["note"]


def test_xdf_packed_with_gzip(tmp_path: Path):
    packed = gzip.compress(_session().content)
    for name in ("a.xdfz", "a.b.xdf.gz"):
        assert len(read_recording(_write(tmp_path / name, packed)).stamps) == len(STAMPS)
    _refused(_write(tmp_path / "c.xdfz", packed[:-30]), "cut off", "gzip data has no end")
    spoiled = packed[:200] + bytes(40) + packed[240:]
    _refused(_write(tmp_path / "d.xdfz", spoiled), "corrupt")


def test_several_streams_have_to_be_told_apart(tmp_path: Path):
    xdf = _session()
    xdf.stream(4, "amp", "EEG", "int16", labels=["Pz"], source_id="sn2", hostname="lab2")
    xdf.samples(4, [1.0, 2.0], [b"\x01\x00", b"\xff\xff"])
    path = _write(tmp_path / "two.xdf", xdf.content)
    _refused(path, "2 streams", "'EEG'", "sn1", "sn2", "choose one by name")
    for choice in ({"source_id": "sn2"}, {"hostname": "lab2"}):
        chosen = read_recording(path, **choice)
        assert chosen.samples.dtype == np.int16
        assert chosen.samples.tolist() == [[1], [-1]]
        assert chosen.stream.labels == ("Pz",)
    with pytest.raises(UsageError, match="has name 'nobody' and type 'EEG'"):
        read_recording(path, name="nobody")


def test_xdf_without_eeg_lists_what_it_has(tmp_path: Path):
    xdf = XdfWriter()
    _refused(_write(tmp_path / "none.xdf", xdf.content), "holds no EEG", "found: none")
    xdf.stream(1, "amp", "EEG", "float32", labels=["C3"])
    xdf.stream(2, "words", "EEG", "string")
    xdf.strings(2, [1.0], ["hello"])
    path = _write(tmp_path / "empty.xdf", xdf.content)
    _refused(path, "holds no EEG", "'amp'", "0 samples", "'words'", "1 samples")


@pytest.mark.parametrize(("count", "labels"), [(1, ("C3",)), (3, ("C3", "C4", ""))])
def test_xdf_with_other_channels_described_than_it_has_is_read_as_live(
    tmp_path: Path, count: int, labels: tuple[str, ...]
):
    xdf = XdfWriter()
    xdf.stream(1, "amp", "EEG", "float32", labels=["C3", "C4"], channel_count=count)
    xdf.samples(1, [1.0], [bytes(4 * count)])
    stream = read_recording(_write(tmp_path / "s.xdf", xdf.content)).stream
    assert stream.labels == labels
    assert stream.units == tuple("microvolts" if label else "" for label in labels)


def test_triggers_of_an_xdf_are_markers_and_eegds_own_codes_are_none(tmp_path: Path):
    xdf = _session()
    xdf.stream(4, "triggers", "Markers", "int32", nominal_srate=0)
    xdf.samples(4, [10.5, 12.0], [struct.pack("<i", 7), struct.pack("<i", 33)])
    xdf.stream(5, "Out-codes", "Markers", "int32", nominal_srate=0, said="<model>abc</model>")
    xdf.samples(5, [10.5], [struct.pack("<i", 1)])
    xdf.stream(6, "marks", "Stuff", "int16", labels=["a", "b"], nominal_srate=0)
    xdf.samples(6, [10.5], [bytes(4)])
    for stream in (4, 5, 6):
        xdf.offset(stream, 10.0, 1000.0)
    recording = read_recording(_write(tmp_path / "s.xdf", xdf.content))
    numbers = [(round(at, 6), text) for at, text in recording.markers if text.isdigit()]
    assert numbers == [(10.5, "7"), (12.0, "33")]


def test_every_cut_of_an_xdf_is_noticed(tmp_path: Path):
    content = _session().content
    ends = set()  # a cut between two chunks leaves a file that is whole as far as it goes
    at = 4
    while at < len(content):
        ends.add(at)
        at += 5 + struct.unpack("<I", content[at + 1 : at + 5])[0]
    for cut in range(5, len(content), 7):
        if cut not in ends:
            _refused(_write(tmp_path / "cut.xdf", content[:cut]), "cut off", f"ends at byte {cut}")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not an XDF file"),
        (b"GIF89a", "not an XDF file"),
        (_session().content + b"\x03rubbish", "begins no XDF chunk"),
        (_session().content.replace(b"float32", b"float99"), "corrupt"),
        (_session().content.replace(b"</info>", b"<binfo>"), "corrupt"),
        (_session().content + _chunk(3, struct.pack("<I", 9) + b"\x01\x00"), "corrupt"),
    ],
)
def test_xdf_rubbish_is_one_line(tmp_path: Path, content: bytes, says: str):
    _refused(_write(tmp_path / "bad.xdf", content), says)


@needs_data
def test_real_xdf():
    recording = read_recording(DATA / "xdf/eeglab32_relayed_LSL_32ch.xdf")
    assert recording.samples.shape == (30504, 32)
    assert recording.samples.dtype == np.float32
    assert recording.stream.sample_rate == 128
    assert recording.stream.labels[:2] == ("FPz", "EOG1")
    assert set(recording.stream.units) == {"microvolts"}
    assert len(recording.markers) == 154
    assert sum(text.startswith("square") for _, text in recording.markers) == 80
    # One host: the clocks agree to the precision of the offsets.
    assert np.abs(recording.synchronized - recording.stamps).max() < 1e-3


@needs_data
def test_real_xdf_whose_streams_share_a_name_and_one_without_eeg():
    muse = DATA / "xdf/museLSL2_P001.xdf"
    assert read_recording(muse).stream.labels == ("TP9", "AF7", "AF8", "TP10", "AUX_RIGHT")
    with pytest.raises(UsageError, match="3 streams with name 'Muse'"):
        read_recording(muse, name="Muse", type=None)
    _refused(DATA / "xdf/empty_streams.xdf", "holds no EEG", "streams found: 'Empty data stream")
    # Its clock offsets are -0.1 s; the recorded stamps stay.
    assert read_recording(DATA / "xdf/minimal.xdf").stamps[0] == pytest.approx(5.1)


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


def _mne_raw(volts: np.ndarray, *, first_samp: int = 0, stim: bool = False):
    import mne

    kinds = ["eeg", "eeg", "eog"] + ["stim"] * stim
    info = mne.create_info(LABELS + ["STI"] * stim, RATE, kinds, verbose="error")
    data = np.vstack([volts, np.zeros((int(stim), volts.shape[1]))])
    raw = mne.io.RawArray(data, info, first_samp=first_samp, verbose="error")
    return raw.set_annotations(mne.Annotations([5.5, 1.0], [0, 2], ["T2", "T1"]), verbose="error")


@pytest.mark.parametrize("dated", [False, True])
@pytest.mark.parametrize("suffix", [".fif", ".fif.gz"])
def test_fif(tmp_path: Path, volts: np.ndarray, suffix: str, dated: bool):
    raw = _mne_raw(volts, first_samp=480, stim=True)
    if dated:
        raw.set_meas_date(datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc))
        raw.set_annotations(raw.annotations.copy().delete([0, 1]))
        raw.annotations.append([3 + 1.0, 3 + 5.5], 0, ["T1", "T2"])
    path = tmp_path / f"my_raw{suffix}"
    raw.save(path, fmt="double", verbose="error")
    recording = read_recording(path)
    _same(recording, volts, 0)
    assert recording.stream.name == "my_raw"
    assert recording.markers == ((1.0, "T1"), (5.5, "T2"))


def test_events_in_a_file_beside_a_fif_are_markers_where_it_has_none(
    tmp_path: Path, volts: np.ndarray
):
    import mne

    raw = _mne_raw(volts, first_samp=480)
    events = np.array([[480 + 2 * RATE, 0, 13], [480 + 4 * RATE, 0, 21]], np.int64)
    mne.write_events(tmp_path / "a-eve.fif", events, verbose="error")
    raw.save(tmp_path / "a_raw.fif", fmt="double", verbose="error")
    assert read_recording(tmp_path / "a_raw.fif").markers == ((1.0, "T1"), (5.5, "T2"))
    raw.set_annotations(None)
    raw.save(tmp_path / "a_raw.fif", fmt="double", overwrite=True, verbose="error")
    raw.save(tmp_path / "b_raw.fif", fmt="double", verbose="error")
    assert read_recording(tmp_path / "a_raw.fif").markers == ((2.0, "13"), (4.0, "21"))
    assert read_recording(tmp_path / "b_raw.fif").markers == ()


def test_set(tmp_path: Path, volts: np.ndarray):
    path = tmp_path / "my.set"
    _mne_raw(volts).export(path, verbose="error")
    recording = read_recording(path)
    _same(recording, volts, 1e-11)
    assert recording.markers == ((1.0, "T1"), (5.5, "T2"))
    for cut in (100, 4000, path.stat().st_size - 50):
        _refused(_write(tmp_path / "cut.set", path.read_bytes()[:cut]), f"({cut} bytes)", "cut off")


def _holes(recording: Recording) -> list[tuple[float, float]]:
    """Before and after each."""
    at = recording.stamps
    return [(at[n], at[n + 1]) for n in np.flatnonzero(np.diff(at) > 1.5 / RATE)]


def test_what_was_cut_out_of_a_set_is_a_hole(tmp_path: Path, volts: np.ndarray):
    import mne

    raw = _mne_raw(volts)
    notes = mne.Annotations([8.0 - 0.5 / RATE, 9.0], [10.0, 0.0], ["boundary", "T3"])
    path = tmp_path / "my.set"
    raw.set_annotations(raw.annotations + notes, verbose="error").export(path, verbose="error")
    recording = read_recording(path)
    assert _holes(recording) == [pytest.approx((8 - 1 / RATE, 18))]
    assert len(recording.samples) == volts.shape[1]
    marks = [mark for mark in recording.markers if mark[1] != "boundary"]
    assert marks == [(1.0, "T1"), (5.5, "T2"), (pytest.approx(19.0, abs=1 / RATE), "T3")]


def test_what_a_fif_never_acquired_is_a_hole(tmp_path: Path, volts: np.ndarray):
    import mne

    raw = _mne_raw(volts, first_samp=480)
    raw.annotations.append(3 + 7.0, 2.0, "BAD_ACQ_SKIP")
    path = tmp_path / "skip_raw.fif"
    raw.save(path, fmt="double", verbose="error")
    recording = read_recording(path)
    assert _holes(recording) == [pytest.approx((7 - 1 / RATE, 9))]
    assert len(recording.samples) == volts.shape[1] - 2 * RATE
    joined = mne.concatenate_raws([_mne_raw(volts), _mne_raw(volts)], verbose="error")
    joined.save(tmp_path / "joined_raw.fif", fmt="double", verbose="error")
    (seam,) = _holes(read_recording(tmp_path / "joined_raw.fif"))
    assert seam == pytest.approx((20 - 1 / RATE, 20 + UNKNOWN))


@pytest.mark.parametrize("suffix", [".fif", ".bdf"])
def test_triggers_are_markers(tmp_path: Path, volts: np.ndarray, suffix: str):
    path = tmp_path / f"my_raw{suffix}"
    codes = np.zeros(volts.shape[1])
    codes[int(4 * RATE) : int(4 * RATE) + 3] = 5
    codes[int(9 * RATE) :] = 129
    if suffix == ".fif":
        raw = _mne_raw(volts, first_samp=480, stim=True)
        raw.load_data()._data[-1] = codes
        raw.save(path, fmt="double", verbose="error")
    else:
        import edfio

        status = edfio.BdfSignal(codes, RATE, label="Status", physical_range=(-8388608, 8388607))
        eeg = edfio.BdfSignal(volts[0] * 1e6, RATE, label="C3", physical_dimension="uV")
        edfio.Bdf([eeg, status]).write(path)
    recording = read_recording(path)
    numbers = [mark for mark in recording.markers if mark[1].isdigit()]
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


def test_a_fif_that_leads_in_a_circle_is_refused(tmp_path: Path, volts: np.ndarray):
    path = tmp_path / "my_raw.fif"
    _mne_raw(volts).save(path, verbose="error")
    content = bytearray(path.read_bytes())
    assert content[36 + 12 : 36 + 16] == bytes(4)  # the second tag's next: the one behind it
    content[36 + 12 : 36 + 16] = (36).to_bytes(4, "big")
    _refused(_write(path, bytes(content)), "the tag at byte 36 leads back to byte 36")


def test_every_cut_of_a_fif_is_noticed(tmp_path: Path, volts: np.ndarray):
    path = tmp_path / "my_raw.fif"
    _mne_raw(volts).save(path, buffer_size_sec=2, verbose="error")
    content = path.read_bytes()
    at, tags = 0, []
    while at < len(content):
        tags.append(at)
        at += 16 + struct.unpack(">i", content[at + 8 : at + 12])[0]
    for cut in [0, 7, len(content) - 1, *tags[1:], *(tag + 10 for tag in tags[::7])]:
        cut_path = _write(tmp_path / "cut_raw.fif", content[:cut])
        _refused(cut_path, "cut off", f"ends at byte {cut}")


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
    content = _session().content + _chunk(3, struct.pack("<I", 1) + b"\x01\x05")
    with pytest.raises(UsageError):
        read_recording(_write(tmp_path / "bad.xdf", content))
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
