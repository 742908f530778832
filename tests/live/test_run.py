"""The whole program as a subprocess, fed over real LSL and read back over real LSL."""

import signal
import time
from pathlib import Path

import keras
import numpy as np
import pylsl
import pytest
from programs import (
    START,
    HangingTensorFlow,
    eegd,
    finish,
    open_inlet,
    open_outlet,
    pull,
    pull_markers,
    unique,
    wait_for_consumer,
    write_config,
    write_contract,
)
from pylsl.lib import lib

from daemon.encoders.architectures import channel_lstm
from daemon.reasons import Code
from daemon.reorder import split_channels

RATE, WINDOW, HOP = 100.0, 60, 25
CHANNELS = ("Fp1", "Cz", "O2", "Pz")
CLASSES = ("rest", "left", "right")


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(3)
    return channel_lstm(WINDOW, len(CHANNELS), len(CLASSES), units=(12, 8))


@pytest.fixture(scope="module")
def bundle(model: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    model.save(folder / "model.keras")
    write_contract(folder, sample_rate=RATE, window=WINDOW, channels=CHANNELS, classes=CLASSES)
    return folder


def config(bundle: Path, stream: dict[str, object], **sections: object) -> Path:
    content = {"stream": stream, "model": {"path": str(bundle)}, "window": {"hop": HOP}}
    return write_config(bundle, {**content, **sections})


def eeg(n: int) -> np.ndarray:
    return np.random.default_rng(7).normal(scale=30, size=(n, len(CHANNELS))).astype(np.float32)


def expected(model: keras.Model, samples: np.ndarray) -> np.ndarray:
    starts = range(0, len(samples) - WINDOW + 1, HOP)
    windows = np.stack([samples[start : start + WINDOW] for start in starts])
    return model.predict_on_batch(split_channels(windows))


def test_every_sample_counts_and_every_window_is_answered(
    bundle: Path, model: keras.Model, tmp_path: Path
) -> None:
    """Channels shuffled, two extra, in millivolts, at twenty times real time, with all outputs."""
    name, output = unique("Amp"), unique("Out")
    log = tmp_path / "predictions.jsonl"
    path = config(bundle, {"name": name}, output={"name": output, "log": str(log)})
    labels = ("X1", "O2.", "pz", "Fp1", "X2", "CZ")
    outlet = open_outlet(name, RATE, labels, unit="mV")
    samples = eeg(2000)
    sent = np.zeros((2000, 6), np.float32)
    sent[:, [3, 5, 1, 2]] = samples / 1e3
    windows = (2000 - WINDOW) // HOP + 1
    with eegd(tmp_path, "run", "-c", str(path)) as program:
        inlets = [open_inlet(output + suffix) for suffix in ("", "-probabilities", "-codes")]
        wait_for_consumer(outlet)
        program.wait_for("connected to stream")
        start = pylsl.local_clock()
        stamps = start + np.arange(2000) / RATE
        for first in range(0, 2000, 20):
            outlet.push_chunk(sent[first : first + 20], stamps[first : first + 20].tolist())
            time.sleep(0.01)
        markers = pull_markers(inlets[0], windows)
        probabilities, probability_stamps = pull(inlets[1], windows, 5)
        codes, code_stamps = pull(inlets[2], windows, 5)
        code, seconds = program.stop()
    assert (code, seconds < 2) == (0, True)
    truth = expected(model, samples)
    assert [m["sequence"] for m in markers] == list(range(windows))
    assert {m["status"] for m in markers} == {"ok"}
    assert list(markers[0]["probabilities"]) == list(CLASSES)
    received = np.array([[*m["probabilities"].values()] for m in markers])
    np.testing.assert_allclose(received, truth, atol=1e-5)
    np.testing.assert_allclose(probabilities, received, atol=1e-7)
    assert [c[0] for c in codes] == (truth.argmax(axis=1) + 1).tolist()
    assert [m["label"] for m in markers] == [CLASSES[n] for n in truth.argmax(axis=1)]
    ends = stamps[WINDOW - 1 :: HOP]
    for received_stamps in ([m["stamp"] for m in markers], probability_stamps, code_stamps):
        np.testing.assert_allclose(received_stamps, ends, atol=1e-3)
    np.testing.assert_allclose([m["window_end"] for m in markers], ends, atol=1e-3)
    starts = stamps[: windows * HOP : HOP]
    np.testing.assert_allclose([m["window_start"] for m in markers], starts, atol=1e-3)
    assert len(log.read_text().splitlines()) == windows
    assert "0 gaps" in program.said()
    assert "2000 samples" in program.said()


def test_what_a_sender_does_not_say_the_config_does(
    bundle: Path, model: keras.Model, tmp_path: Path
) -> None:
    """No rate, no unit of the model's, labels of its own, and Latin-1 as Windows writes it."""
    name, output = unique("Amp"), unique("Out")
    info = pylsl.StreamInfo(name, "eeg", len(CHANNELS), 0.0, "float32", name)
    channels = info.desc().append_child("channels")
    for label in (b"Kan\xe4l 1", b"Cz", b"EEG O2-Ref", b"Pz"):
        channel = channels.append_child("channel")
        lib.lsl_append_child_value(channel.e, b"label", label)
        lib.lsl_append_child_value(channel.e, b"unit", b"n/a" if label == b"Cz" else b"n\xb5")
    outlet = pylsl.StreamOutlet(info, max_buffered=3600)
    told = {
        "rename": {"Kan\u00e4l 1": "Fp1", "EEG O2-Ref": "O2"},
        "unit": "millivolts",
        "sample_rate": RATE,
    }
    path = config(bundle, {"name": name, **told}, output={"name": output})
    samples = eeg(1000)
    stamps = pylsl.local_clock() + np.arange(1000) / RATE
    with eegd(tmp_path, "run", "-c", str(path)) as program:
        inlet = open_inlet(output)
        program.wait_for("connected to stream")
        for first in range(0, 1000, 20):
            block = slice(first, first + 20)
            outlet.push_chunk(samples[block] / 1e3, stamps[block].tolist())
            time.sleep(0.01)
        markers = pull_markers(inlet, len(expected(model, samples)))
        assert program.stop()[0] == 0
    assert {marker["status"] for marker in markers} == {"ok"}
    said = np.array([[*marker["probabilities"].values()] for marker in markers])
    np.testing.assert_allclose(said, expected(model, samples), atol=1e-5)
    assert "the stream announces no regular rate; taken as 100 Hz" in program.said()
    assert "the unit 'n\u00b5' of Fp1, O2, Pz is not known; taken as millivolts" in program.said()


def test_output_streams_say_what_they_are(bundle: Path, tmp_path: Path) -> None:
    """And they are there before the amplifier is."""
    output = unique("Out")
    path = config(bundle, {"name": unique("None")}, output={"name": output})
    with eegd(tmp_path, "run", "-c", str(path)) as program:
        infos = {
            suffix: open_inlet(output + suffix).info()
            for suffix in ("", "-probabilities", "-codes")
        }
        code, seconds = program.stop(signal.SIGINT)
    assert (code, seconds < 2) == (0, True)
    facts = {
        suffix: (info.type(), info.channel_format(), info.channel_count(), info.nominal_srate())
        for suffix, info in infos.items()
    }
    assert facts == {
        "": ("Markers", pylsl.cf_string, 1, 0),
        "-probabilities": ("Probabilities", pylsl.cf_float32, 3, 0),
        "-codes": ("Markers", pylsl.cf_int32, 1, 0),
    }
    assert infos["-probabilities"].get_channel_labels() == list(CLASSES)
    for info in infos.values():
        desc = info.desc()
        assert desc.child_value("window") == str(WINDOW)
        assert desc.child_value("hop") == str(HOP)
        assert desc.child_value("sample_rate") == "100"
        assert len(desc.child_value("model")) == 64
    assert len({info.source_id() for info in infos.values()}) == 3


def test_a_stop_in_mid_stream_publishes_what_was_received(
    bundle: Path, model: keras.Model, tmp_path: Path
) -> None:
    name, output = unique("Amp"), unique("Out")
    outlet = open_outlet(name, RATE, CHANNELS)
    samples = eeg(WINDOW + HOP)
    with eegd(
        tmp_path, "run", "-c", str(config(bundle, {"name": name}, output={"name": output}))
    ) as program:
        inlet = open_inlet(output)
        program.wait_for("connected to stream")
        outlet.push_chunk(samples[:WINDOW])
        pull_markers(inlet, 1)
        outlet.push_chunk(samples[WINDOW:])
        code, seconds = program.stop()
        (last,) = pull_markers(inlet, 1, 2)
    assert (code, seconds < 2) == (0, True)
    truth = expected(model, samples)[1]
    np.testing.assert_allclose([*last["probabilities"].values()], truth, atol=1e-5)


def test_a_lost_amplifier_is_said_and_its_return_served(
    bundle: Path, model: keras.Model, tmp_path: Path
) -> None:
    name, output = unique("Amp"), unique("Out")
    samples = eeg(WINDOW)
    truth = expected(model, samples)[0]
    path = config(bundle, {"name": name}, output={"name": output})
    with eegd(tmp_path, "run", "-c", str(path)) as program:
        inlet = open_inlet(output)
        outlet = open_outlet(name, RATE, CHANNELS, source_id="first")
        program.wait_for("connected to stream")
        outlet.push_chunk(samples)
        before, silent = pull_markers(inlet, 2)  # nothing more is pushed: it stalls
        del outlet
        outlet = open_outlet(name, RATE, CHANNELS, source_id="second")
        wait_for_consumer(outlet)
        program.wait_for("source_id 'second'")
        outlet.push_chunk(samples)
        (after,) = pull_markers(inlet, 1)
        assert program.stop()[0] == 0
    assert (before["status"], silent["status"], after["status"]) == ("ok", "abstain", "ok")
    assert "no sample for 1 s" in silent["reason"]
    assert silent["probabilities"] is None
    for marker in (before, after):
        np.testing.assert_allclose([*marker["probabilities"].values()], truth, atol=1e-5)
    assert [m["sequence"] for m in (before, silent, after)] == [0, 1, 2]


def test_a_frozen_amplifier_is_left_for_one_that_answers(bundle: Path, tmp_path: Path) -> None:
    """Its process is stopped with the socket open, as a hung driver leaves it."""
    name, output = unique("Amp"), unique("Out")
    path = config(bundle, {"name": name}, output={"name": output})
    amplifier = ("simulate", "--name", name, "--rate", "100", "--wait", "60")
    with eegd(tmp_path, "run", "-c", str(path)) as program, eegd(tmp_path, *amplifier) as frozen:
        inlet = open_inlet(output)
        (first,) = pull_markers(inlet, 1)
        frozen.process.send_signal(signal.SIGSTOP)
        said = first
        while said["status"] == "ok":
            (said,) = pull_markers(inlet, 1)
        assert "no sample for 1 s" in said["reason"]
        with eegd(tmp_path, *amplifier):
            (after,) = pull_markers(inlet, 1)
        assert program.stop()[0] == 0
    assert (first["status"], after["status"]) == ("ok", "ok")


def test_a_second_pause_of_the_same_amplifier_is_said_too(bundle: Path, tmp_path: Path) -> None:
    name, output = unique("Amp"), unique("Out")
    path = config(bundle, {"name": name}, output={"name": output})
    with eegd(tmp_path, "run", "-c", str(path)) as program:
        inlet = open_inlet(output)
        outlet = open_outlet(name, RATE, CHANNELS)
        program.wait_for("connected to stream")
        said = []
        for _ in range(2):
            outlet.push_chunk(eeg(WINDOW))
            said += pull_markers(inlet, 2, 10)
        assert program.stop()[0] == 0
    assert [m["status"] for m in said] == ["ok", "abstain", "ok", "abstain"]


def test_what_comes_back_with_another_rate_is_refused_aloud(bundle: Path, tmp_path: Path) -> None:
    name, output = unique("Amp"), unique("Out")
    path = config(bundle, {"name": name}, output={"name": output})
    with eegd(tmp_path, "run", "-c", str(path)) as program:
        inlet = open_inlet(output)
        outlet = open_outlet(name, RATE, CHANNELS)
        program.wait_for("connected to stream")
        outlet.push_chunk(eeg(10))
        (silent,) = pull_markers(inlet, 1)
        del outlet
        outlet = open_outlet(name, 2 * RATE, CHANNELS)
        (refused_one,) = pull_markers(inlet, 1)
        del outlet
        outlet = open_outlet(name, RATE, CHANNELS, source_id="right")
        program.wait_for("source_id 'right'")
        outlet.push_chunk(eeg(WINDOW))
        (after,) = pull_markers(inlet, 1)
        assert program.stop()[0] == 0
    assert [m["status"] for m in (silent, refused_one, after)] == ["abstain", "abstain", "ok"]
    assert "its rate is 200 Hz, the model needs 100 Hz" in refused_one["reason"]
    assert [m["code"] for m in (silent, refused_one, after)] == [Code.STALLED, Code.CONTRACT, None]


# The start, for which TensorFlow's import never ends


@pytest.fixture
def tensorflow(tmp_path: Path) -> HangingTensorFlow:
    return HangingTensorFlow(tmp_path)


def refused(path: Path, tensorflow: HangingTensorFlow) -> tuple[int, str]:
    code, out, err = finish("run", "-c", str(path), env=tensorflow.env)
    assert out == ""
    return code, the_line(err)


def the_line(err: str) -> str:
    """The line of a refusal, alone."""
    lines = [line for line in err.splitlines() if line.startswith("eegd: ")]
    assert len(lines) == 1, err
    assert "Traceback" not in err
    line: str = lines[0]
    return line


@pytest.mark.parametrize(
    ("stream", "part"),
    [
        ({"labels": ("Fp1", "Cz", "O2", "X")}, "missing channel Pz"),
        ({"rate": 250.0}, "its rate is 250 Hz, the model needs 100 Hz"),
        ({"fmt": "string"}, "its samples are strings"),
    ],
)
def test_a_stream_that_contradicts_the_contract_is_refused_with_code_3(
    bundle: Path, stream: dict[str, object], part: str, tensorflow: HangingTensorFlow
) -> None:
    name = unique("Amp")
    outlet = open_outlet(name, **{"rate": RATE, "labels": CHANNELS, **stream})  # type: ignore[arg-type]
    code, line = refused(config(bundle, {"name": name}), tensorflow)
    del outlet
    assert code == 3
    assert not tensorflow.imported
    assert part in line
    assert name in line


def test_a_wrong_stream_is_refused_in_less_than_two_seconds(
    bundle: Path, tensorflow: HangingTensorFlow
) -> None:
    """From the start of the process: Python and this package take half a second of it.

    LSL has one for other streams that match. The best of five, since the machine may be busy with
    something else.
    """
    name = unique("Amp")
    outlet = open_outlet(name, 250.0, CHANNELS)
    path = config(bundle, {"name": name})
    took = []
    for _ in range(5):
        start = time.monotonic()
        assert refused(path, tensorflow)[0] == 3
        took.append(time.monotonic() - start)
        if took[-1] < 2:
            break
    del outlet
    assert min(took) < 2


def test_a_wrong_stream_that_comes_during_the_import_is_refused_too(
    bundle: Path, tensorflow: HangingTensorFlow, tmp_path: Path
) -> None:
    """And that is read, although standard error is put aside for TensorFlow's own words."""
    name = unique("Amp")
    arguments = ("run", "-c", str(config(bundle, {"name": name})))
    with eegd(tmp_path, *arguments, env=tensorflow.env) as program:
        tensorflow.wait()
        outlet = open_outlet(name, 250.0, CHANNELS)
        assert program.process.wait(START) == 3
        del outlet
        assert "its rate is 250 Hz, the model needs 100 Hz" in the_line(program.said())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("there", [False, True])
def test_a_stop_during_the_import_is_heard(
    bundle: Path, tensorflow: HangingTensorFlow, tmp_path: Path, there: bool, number: int
) -> None:
    """While the stream is looked for, and when it has been found."""
    name = unique("Amp")
    outlet = open_outlet(name, RATE, CHANNELS) if there else None
    arguments = ("run", "-c", str(config(bundle, {"name": name})))
    with eegd(tmp_path, *arguments, env=tensorflow.env) as program:
        tensorflow.wait()
        code, seconds = program.stop(number)
        assert (code, seconds < 2) == (0, True)
        assert program.said().endswith("eegd: stopped\n")
    del outlet


def test_two_matching_streams_are_named_and_none_is_taken(
    bundle: Path, tensorflow: HangingTensorFlow
) -> None:
    name = unique("Amp")
    outlets = [open_outlet(name, RATE, CHANNELS, source_id=f"amp-{n}") for n in "ab"]
    code, line = refused(config(bundle, {"name": name}), tensorflow)
    del outlets
    assert code == 3
    assert "2 streams match" in line
    assert "amp-a" in line
    assert "amp-b" in line


def test_no_stream_within_the_time_allowed_is_code_4(
    bundle: Path, tensorflow: HangingTensorFlow
) -> None:
    path = config(bundle, {"name": unique("None"), "resolve_timeout": 1.0})
    code, line = refused(path, tensorflow)
    assert code == 4
    assert "stream.resolve_timeout" in line
