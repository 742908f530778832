"""EDF and BDF files are read to the last digit, and as programs in the field write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edf_bytes import Channel, edf, timekeeping
from shared import CASES, DATA, needs_cases, needs_data

from daemon.config import StreamConfig
from daemon.contract import Contract
from daemon.errors import UsageError
from daemon.recordings.boundaries import UNKNOWN
from daemon.recordings.reading import read_for_model, read_recording
from daemon.recordings.recording import Recording

RATE = 100
RANDOM = np.random.default_rng(0)
VALUES = RANDOM.integers(-500, 500, (3, 20 * RATE))  # tenths of a microvolt
EEG = [Channel(label, row) for label, row in zip(("C3", "Cz", "C4"), VALUES, strict=True)]
EXACT = {"physical": ("-32768", "32767")}  # what is stored is the value


def read(tmp_path: Path, content: bytes, suffix: str = ".edf", **how: object) -> Recording:
    path = tmp_path / f"my{suffix}"
    path.write_bytes(content)
    return read_recording(path, **how)


def refusal(tmp_path: Path, content: bytes, **how: object) -> str:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, content, **how)
    message = str(caught.value)
    assert str(tmp_path / "my.edf") in message
    assert message.isprintable()
    return message


def holes(recording: Recording) -> dict[int, float]:
    """From the sample behind a hole to the hole's length in seconds."""
    rate = recording.stream.sample_rate
    late = np.diff(recording.stamps) - 1 / rate
    return {int(n) + 1: float(late[n]) for n in np.flatnonzero(np.abs(late) > 0.1 / rate)}


@pytest.mark.parametrize("bdf", [False, True])
def test_values_units_and_stamps(tmp_path: Path, bdf: bool) -> None:
    top = 2**23 - 1 if bdf else 2**15 - 1
    stored = [0, 1, -1, top, -top - 1, 256, -256, 1234]
    channels = [
        Channel("C3", stored * 20, b"uV", (str(-top - 1), str(top))),
        Channel("Cz", stored * 20, b"mV", ("10", "-10")),
    ]
    recording = read(tmp_path, edf(channels, bdf=bdf, duration="0.5"))
    np.testing.assert_array_equal(recording.samples[:, 0], stored * 20)
    scaled = 10 - (np.array(stored) + top + 1) * 20 / (2 * top + 1)
    np.testing.assert_allclose(recording.samples[:, 1], list(scaled) * 20, rtol=0, atol=1e-13)
    np.testing.assert_allclose(recording.stamps, np.arange(160) / 16, rtol=0, atol=1e-12)
    stream = recording.stream
    assert (stream.name, stream.type, stream.sample_rate) == ("my", "EEG", 16)
    assert (stream.labels, stream.units) == (("C3", "Cz"), ("uV", "mV"))
    assert (stream.channel_format, recording.samples.dtype) == ("double64", np.float64)
    assert recording.markers == ()


@pytest.mark.parametrize("kind", ["edf", "bdf"])
def test_files_of_another_writer(tmp_path: Path, kind: str) -> None:
    import edfio

    signal, whole = getattr(edfio, f"{kind.title()}Signal"), getattr(edfio, kind.title())
    signals = [
        signal(row / 10, 160, label=label, physical_dimension="uV", physical_range=(-60, 60))
        for row, label in zip(VALUES[:, :1600], ("C3", "Cz", "C4"), strict=True)
    ]
    notes = [edfio.EdfAnnotation(5.5, 0, "T2"), edfio.EdfAnnotation(1.0, 2, "T1")]
    path = tmp_path / f"my.{kind}"
    whole(signals, annotations=notes).write(path)
    recording = read_recording(path)
    stored = np.stack([signal.data for signal in signals]).T
    np.testing.assert_allclose(recording.samples, stored, rtol=0, atol=1e-12)
    assert recording.markers == ((1.0, "T1"), (5.5, "T2"))


@needs_data
@pytest.mark.parametrize("run", [1, 3, 14])
def test_real_recordings_are_what_other_readers_make_of_them(run: int) -> None:
    import edfio
    import mne

    path = DATA / f"eegbci_S001/S001R{run:02}.edf"
    recording = read_recording(path)
    raw = mne.io.read_raw_edf(path, verbose="error")
    np.testing.assert_allclose(recording.samples, raw.get_data().T * 1e6, rtol=0, atol=1e-9)
    theirs = edfio.read_edf(path)
    np.testing.assert_array_equal(
        recording.samples, np.stack([signal.data for signal in theirs.signals]).T
    )
    np.testing.assert_allclose(recording.stamps, raw.times, rtol=0, atol=1e-9)
    assert recording.stream.labels[:3] == ("Fc5.", "Fc3.", "Fc1.")
    assert set(recording.stream.units) == {"uV"}
    assert recording.markers == tuple((note.onset, note.text) for note in theirs.annotations)


def test_signals_that_hold_no_values_are_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dummy = Channel("-", [0] * 2000, b"", ("0", "0"), ("0", "0"))
    aux = Channel("Aux", [5] * 2000, b"uV", ("0", "0"))
    blank = Channel("Blank", [5] * 2000, b"uV", ("", ""))
    recording = read(tmp_path, edf([EEG[0], dummy, EEG[1], dummy, EEG[2], aux, blank]))
    assert recording.stream.labels == ("C3", "Cz", "C4")
    np.testing.assert_allclose(recording.samples, VALUES.T / 10, rtol=0, atol=1e-9)
    assert "-, Aux, Blank left out, without a range of values in the header" in caplog.text
    assert len(caplog.messages) == 1


# Trigger channels

CODES = [0, 1, 3, 2, 1, 3, 2, 1, 1, 1]
HELD = np.repeat(CODES, 200)
PULSES = np.where(np.arange(2000) % 200 < 5, HELD, 0)
FOUND = {
    "held": [(2.0, "1"), (4.0, "3"), (6.0, "2"), (8.0, "1"), (10.0, "3"), (12.0, "2"), (14.0, "1")],
    "pulses": [(2.0 * n, str(code)) for n, code in enumerate(CODES) if code],
}


@pytest.mark.parametrize("codes", FOUND)
@pytest.mark.parametrize("label", ["Status", "TRIG", "STI 014"])
@pytest.mark.parametrize("bdf", [False, True])
def test_codes_of_trigger_channels_are_markers(
    tmp_path: Path, codes: str, label: str, bdf: bool
) -> None:
    top = 2 ** (23 if bdf else 15)
    stored = HELD if codes == "held" else PULSES
    trigger = Channel(label, stored, b"Boolean", (str(-top), str(top - 1)))
    recording = read(tmp_path, edf([*EEG, trigger], bdf=bdf))
    assert recording.stream.labels == ("C3", "Cz", "C4")
    assert list(recording.markers) == FOUND[codes]


def test_a_status_channel_has_sixteen_lines_of_which_open_ones_do_not_count(tmp_path: Path) -> None:
    battery = 1 << 20
    for status, first in [(HELD, []), (HELD | 0xFF00, []), (HELD | 0x0500, []), (HELD + 4, ["4"])]:
        trigger = Channel("Status", (status | battery) - (1 << 23))
        codes = [text for _, text in read(tmp_path, edf([*EEG, trigger], bdf=True)).markers]
        assert codes == first + [str(int(code) + 4 * len(first)) for code in [1, 3, 2, 1, 3, 2, 1]]
    # A line that is high at times is no open one.
    trigger = Channel("Status", np.where(np.arange(2000) < 1000, 0, 0x0100))
    assert read(tmp_path, edf([*EEG, trigger], bdf=True)).markers == ((10.0, "256"),)


def test_codes_in_the_range_of_the_eeg(tmp_path: Path) -> None:
    """Whether a writer scaled them to it or not."""
    for stored in (HELD, HELD * 10):
        recording = read(tmp_path, edf([*EEG, Channel("TRIG", stored)]))
        assert list(recording.markers) == FOUND["held"]
    # Volts of a line that is noisy are no codes of every sample.
    noisy = HELD * 10 + RANDOM.integers(-3, 4, 2000)
    recording = read(tmp_path, edf([*EEG, Channel("TRIG", noisy)]))
    assert list(recording.markers) == FOUND["held"]


def test_codes_in_a_range_too_coarse_for_them_are_as_they_are_stored(tmp_path: Path) -> None:
    held = [*[0] * 100, *[1] * 100, *[2] * 100, *[3] * 1700]
    trigger = Channel("TRIG", held, physical=("-187500", "187500"))
    path = tmp_path / "my.edf"
    path.write_bytes(edf([Channel("C3", [0] * 2000), trigger]))
    assert [text for _, text in read_recording(path).markers] == ["1", "2", "3"]


def test_a_trigger_channel_that_the_model_needs_stays(tmp_path: Path) -> None:
    content = edf([*EEG, Channel("Event", HELD, **EXACT)])
    assert read(tmp_path, content).markers
    recording = read(tmp_path, content, channels=["C3", "event"])
    assert recording.stream.labels == ("C3", "Cz", "C4", "Event")
    assert recording.markers == ()


def test_bits_beside_their_sum_do_not_count(tmp_path: Path) -> None:
    bit = Channel("STI 001", HELD & 1, **EXACT)
    recording = read(tmp_path, edf([*EEG, bit, Channel("STI 014", HELD, **EXACT)]))
    assert list(recording.markers) == FOUND["held"]


def test_triggers_at_a_higher_rate_have_the_time_of_their_own_samples(tmp_path: Path) -> None:
    fast = np.zeros(20 * 1000, int)
    fast[3456:] = 7
    recording = read(tmp_path, edf([*EEG, Channel("TRIG", fast, **EXACT)]))
    assert recording.stream.sample_rate == RATE
    assert recording.markers == ((pytest.approx(3.456), "7"),)


# Several sample rates


def sleep() -> list[Channel]:
    slow = [Channel(label, [1] * 20) for label in ("Resp", "Temp", "EMG", "Event marker")]
    return [Channel("EEG Fpz-Cz", VALUES[0]), *slow, Channel("EMG", [2] * 20)]


@pytest.mark.parametrize(
    ("channels", "rate", "labels", "left"),
    [
        ([], 100, ("EEG Fpz-Cz",), "Resp, Temp, EMG, Event marker left out, sampled at another"),
        (["Pz"], 100, ("EEG Fpz-Cz",), "than the 1 at 100 Hz"),
        (["eegfpz-cz"], 100, ("EEG Fpz-Cz",), "than the 1 at 100 Hz"),
        (["resp", "Temp."], 1, ("Resp", "Temp", "EMG", "EMG"), "EEG Fpz-Cz left out, sampled"),
        (["Temp", "EEG Fpz-Cz"], 100, ("EEG Fpz-Cz",), "than the 1 at 100 Hz"),
    ],
)
def test_the_rate_of_the_channels_that_are_needed_decides(
    tmp_path: Path,
    channels: list[str],
    rate: float,
    labels: tuple[str, ...],
    left: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    recording = read(tmp_path, edf(sleep()), channels=channels)
    assert (recording.stream.sample_rate, recording.stream.labels) == (rate, labels)
    assert len(recording.samples) == len(recording.stamps) == 20 * rate
    assert left in caplog.text
    assert len(caplog.messages) == 1


def test_a_recording_for_a_model_has_the_rate_of_all_channels_that_it_needs(tmp_path: Path) -> None:
    (tmp_path / "my.edf").write_bytes(edf(sleep()))
    contract = Contract(
        sample_rate=1.0,
        window=10,
        channels=("Resp",),
        classes=("rest", "move"),
        conditioning=[{"reference": ["Temp"]}],
    )
    recording = read_for_model(tmp_path / "my.edf", contract, StreamConfig(), None, strict=False)
    assert recording.stream.labels[:2] == ("Resp", "Temp")


# Annotations and gaps


def test_annotations_are_moved_by_the_onset_of_the_first_record(tmp_path: Path) -> None:
    told = timekeeping(5.25 + np.arange(20), (0, b"+8\x14left\x14\0"), (19, b"+5.25\x14go\x14\0"))
    recording = read(tmp_path, edf(EEG, told, kind="EDF+D"))
    assert recording.markers == ((0.0, "go"), (2.75, "left"))
    np.testing.assert_allclose(recording.stamps, np.arange(2000) / RATE, rtol=0, atol=1e-9)


def test_annotations_of_several_signals_are_in_order(tmp_path: Path) -> None:
    first = timekeeping(range(20), (9, b"+9.5\x14c\x14\0"), (2, b"+2.5\x152\x14 a \x14\0"))
    second = [b"+3.5\x14b\x14\0" if n == 3 else b"" for n in range(20)]
    recording = read(tmp_path, edf(EEG, first, second, kind="EDF+C"))
    assert recording.markers == ((2.5, "a"), (3.5, "b"), (9.5, "c"))


@pytest.mark.parametrize("kind", ["", "EDF+C", "EDF+D", "EDF+d", " EDF+D"])
@pytest.mark.parametrize("length", [0.01, 10.0])
def test_a_gap_that_records_tell_of_is_one_whatever_the_header_says(
    tmp_path: Path, kind: str, length: float
) -> None:
    onsets = np.arange(20) + length * (np.arange(20) >= 10)
    told = timekeeping(onsets, (12, b"+%.9g\x14left\x14\0" % (12.5 + length)))
    trigger = Channel("TRIG", HELD, **EXACT)
    recording = read(tmp_path, edf([*EEG, trigger], told, kind=kind))
    assert holes(recording) == {1000: pytest.approx(length)}
    assert recording.stamps[[0, -1]] == pytest.approx([0, 19.99 + length])
    assert len(recording.samples) == 2000
    marks = {text: at for at, text in recording.markers}
    assert marks["left"] == pytest.approx(12.5 + length)
    assert [at for at, _ in recording.markers if at > 14][-1] == pytest.approx(14 + length)


def test_records_that_jitter_have_no_gap(tmp_path: Path) -> None:
    told = timekeeping(np.arange(20) + 0.004 * (np.arange(20) % 2))
    assert holes(read(tmp_path, edf(EEG, told, kind="EDF+D"))) == {}


def test_records_that_step_back_start_windows_over_and_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = timekeeping(np.arange(20) - 0.5 * (np.arange(20) >= 10))
    assert holes(read(tmp_path, edf(EEG, told))) == {1000: pytest.approx(UNKNOWN)}
    assert "1 records begin before the one in front of them has ended, first record 11" in (
        caplog.text
    )


def test_records_that_tell_no_onset_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = edf(EEG, timekeeping([*range(5), None, None, *range(7, 20)]), kind="EDF+C")
    assert holes(read(tmp_path, content)) == {}
    assert "2 of 20 records do not say when they begin, first record 6" in caplog.text
    assert "first record 6" in refusal(tmp_path, content, strict=True)
    for told in ([], [timekeeping([None] * 20)]):
        assert "no record says when it begins" in refusal(tmp_path, edf(EEG, *told, kind="EDF+D"))
        assert holes(read(tmp_path, edf(EEG, *told))) == {}


# Files that are not whole


@pytest.mark.parametrize("said", ["-1", "15", "20", "25"])
@pytest.mark.parametrize("cut", [0, 1, 599, 600, 601, 6000])
def test_the_records_that_are_whole_are_read_and_what_is_not_is_said(
    tmp_path: Path, said: str, cut: int, caplog: pytest.LogCaptureFixture
) -> None:
    content = edf(EEG, said=said)
    content = content[: len(content) - cut]
    whole, rest = divmod(12000 - cut, 600)
    recording = read(tmp_path, content)
    np.testing.assert_allclose(recording.samples, VALUES.T[: whole * RATE] / 10, rtol=0, atol=1e-9)
    if not rest and said in ("-1", str(whole)):
        read(tmp_path, content, strict=True)
        assert not caplog.messages
        return
    (line,) = caplog.messages
    assert "is cut off, or was not finished" in line
    assert f"it holds {whole} whole records and {rest} bytes behind them" in line
    assert ("does not say how many" if said == "-1" else f"says {said}") in line
    assert line.startswith(refusal(tmp_path, content, strict=True))


def test_what_holds_no_eeg_is_refused(tmp_path: Path) -> None:
    whole = edf(EEG)
    assert "before the end of its first record of 600 bytes" in refusal(tmp_path, whole[:1600])
    for content in (
        edf([Channel("TRIG", HELD)]),
        edf([], timekeeping(range(20), (3, b"+3\x14left\x14\0")), duration="0"),
        edf(EEG, duration="0"),
        edf([Channel("C3", HELD, physical=("0", "0"))]),
        edf([Channel("C3", [])]),
    ):
        assert "holds no EEG" in refusal(tmp_path, content)


# What other programs write


WHOLE = [
    *("bad_date", "colon_time", "comma_duration", "comma_physical", "lower_kind", "nul_padded"),
    *("plain", "said_less", "unfinished", "chbmit_dashes", "phys_zero_range", "said_more"),
    *("d_contiguous", "d_jitter", "d_late", "d_gap", "d_gap_bdf", "unit_uV", "unit_MkV"),
    *("unit_latin_mu", "unit_mac", "unit_utf8_mu", "unit_none", "unit_uV_NUL"),
]
SAID = {
    "said_less": "it holds 20 whole records and 0 bytes behind them, its header says 15",
    "said_more": "it holds 20 whole records and 0 bytes behind them, its header says 25",
    "chbmit_dashes": "- left out, without a range of values",
    "phys_zero_range": "Aux left out, without a range of values",
}


@needs_cases
@pytest.mark.parametrize("name", WHOLE)
def test_cases_that_hold_the_same(name: str, caplog: pytest.LogCaptureFixture) -> None:
    plain = read_recording(CASES / "edf/plain.edf")
    recording = read_recording(CASES / f"edf/{name}.edf")
    np.testing.assert_array_equal(recording.samples, plain.samples)
    stream = recording.stream
    assert (stream.labels, stream.sample_rate) == (("C3", "Cz", "C4"), 100)
    gap = {1000: pytest.approx(10)} if name.startswith("d_gap") else {}
    assert holes(recording) == gap
    assert recording.stamps[0] == 0
    assert [SAID[name] in line for line in caplog.messages] == [True] * (name in SAID)


UNITS = {
    **dict.fromkeys(("uV", "uV_NUL"), "uV"),
    **dict.fromkeys(("latin_mu", "mac", "utf8_mu", "MkV"), "\u00b5V"),
    **{name: name for name in ("UV", "uv", "V", "mV", "nV", "uVolts", "uVrms", "microV", "muV")},
    **{"utf8_greek": "\u03bcV", "uV_space": "u V", "volt": "Volt", "none": ""},
}


@needs_cases
@pytest.mark.parametrize("name", UNITS)
def test_cases_of_units(name: str) -> None:
    assert read_recording(CASES / f"edf/unit_{name}.edf").stream.units == (UNITS[name],) * 3


MARKERS = {
    "bdf/hold.bdf": list("1321321"),
    "bdf/pulse.bdf": list("1321321"),
    "bdf/open_lines.bdf": list("1321321"),
    "edf/utf8.edf": ["\u00e9", "left", "gr\u00f6\u00dfer", "right"],
    "edf/latin1.edf": ["Augen geschlossen - zu \u00e9", "left", "gr\u00f6\u00dfer", "right"],
    "edf/linebreak.edf": ["left hand", "right", "rest", "left@@C3"],
    "edf/padded.edf": ["left", "right", "rest"],
    "edf/two_tals.edf": ["left"],
}


@needs_cases
@pytest.mark.parametrize("name", MARKERS)
def test_cases_with_markers(name: str) -> None:
    recording = read_recording(CASES / name)
    assert [text for _, text in recording.markers] == MARKERS[name]
    assert recording.stream.labels == ("C3", "Cz", "C4")
    if name.startswith("bdf"):
        assert [at for at, _ in recording.markers] == [5, 10, 15, 20, 25, 30, 35]


@needs_cases
def test_other_cases(caplog: pytest.LogCaptureFixture) -> None:
    cyrillic = read_recording(CASES / "edf/cp1251.edf")
    assert [at for at, _ in cyrillic.markers] == [2.5, 5, 9.25, 12]
    assert [text for _, text in cyrillic.markers][1::2] == ["left", "right"]
    assert caplog.text.count("read as Latin-1") == 1
    inverted, plain = (read_recording(CASES / f"edf/{n}.edf") for n in ("inverted", "plain"))
    np.testing.assert_allclose(inverted.samples, -plain.samples, rtol=0, atol=1e-9)
    assert read_recording(CASES / "edf/rate_odd.edf").stream.sample_rate == 100 / 1.0006
    partial = read_recording(CASES / "edf/unfinished_partial.edf")
    np.testing.assert_array_equal(partial.samples, plain.samples[:1900])
    caplog.clear()
    sleep = read_recording(CASES / "edf/sleep_psg.edf")
    assert sleep.stream.labels == ("EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal")
    assert sleep.stream.sample_rate == 100
    assert "Resp oro-nasal, EMG submental, Temp rectal, Event marker left out" in caplog.text
    for name, labels in (
        ("duplicate_of_model", ("C3", "Cz", "C4", "C3")),
        ("duplicate_others", ("C3", "Cz", "C4", "X", "X")),
    ):
        assert read_recording(CASES / f"edf/{name}.edf").stream.labels == labels
