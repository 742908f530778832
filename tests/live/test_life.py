"""The daemon as a service: what it counts, how it reloads, and what never holds it up."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pylsl
import pytest
import yaml
from programs import (
    Program,
    eegd,
    finish,
    open_inlet,
    open_outlet,
    pull_markers,
    unique,
    wait_for_consumer,
    write_config,
    write_contract,
)
from prometheus_client.parser import text_string_to_metric_families

from daemon.encoders.architectures import channel_lstm
from daemon.reasons import Code
from daemon.reorder import split_channels

RATE, WINDOW, HOP = 100.0, 60, 25
CHANNELS = ("Fp1", "Cz", "O2", "Pz")
CLASSES = ("rest", "left", "right")
EEG = np.random.default_rng(7).normal(scale=30, size=(20_000, len(CHANNELS))).astype(np.float32)

needs_unix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals and sockets")


def save_model(folder: Path, seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    model = channel_lstm(WINDOW, len(CHANNELS), len(CLASSES), units=(12, 8))
    model.save(folder / "model.keras")
    return model


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    write_contract(folder, sample_rate=RATE, window=WINDOW, channels=CHANNELS, classes=CLASSES)
    return folder


def config(bundle: Path, name: str, output: dict[str, Any], **sections: Any) -> dict[str, Any]:
    return {
        "stream": {"name": name},
        "model": {"path": str(bundle)},
        "window": {"hop": HOP},
        "output": output,
        **sections,
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def scrape(port: int) -> dict[str, float]:
    return {
        sample.name + "".join(f" {label}" for label in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(get(port, "/metrics"))
        for sample in family.samples
    }


def test_the_figures_are_those_of_the_markers(bundle: Path, tmp_path: Path) -> None:
    """Over a filled gap, a stall, and a second amplifier."""
    save_model(bundle, 3)
    name, output, port = unique("Amp"), unique("Out"), free_port()
    path = write_config(
        tmp_path,
        config(
            bundle, name, {"name": output}, metrics={"port": port}, quality={"max_filled": 0.05}
        ),
    )
    with eegd(tmp_path, "run", "-c", str(path)) as program:
        inlet = open_inlet(output)
        outlet = open_outlet(name, RATE, CHANNELS, source_id="first")
        program.wait_for("connected to stream")
        stamps = pylsl.local_clock() + np.arange(400) / RATE
        kept = np.r_[:200, 205:400]
        outlet.push_chunk(EEG[kept], stamps[kept].tolist())
        windows = (400 - WINDOW) // HOP + 1
        markers = pull_markers(inlet, windows + 1)  # and the abstention when nothing more comes
        assert get(port, "/healthz") == "alive\n"
        del outlet
        outlet = open_outlet(name, RATE, CHANNELS, source_id="second")
        wait_for_consumer(outlet)
        program.wait_for("source_id 'second'")
        outlet.push_chunk(EEG[:WINDOW])
        markers += pull_markers(inlet, 1)
        figures = scrape(port)
        deadline = time.monotonic() + 5
        while figures["eegd_backlog_samples"] and time.monotonic() < deadline:
            figures = scrape(port)  # the last marker is out before its samples are done with
        assert get(port, "/readyz") == "ready\n"
        assert program.stop()[0] == 0
    said = [marker["status"] for marker in markers]
    assert len(said) == windows + 2
    codes = Counter(marker["code"] for marker in markers if marker["code"])
    assert codes == {Code.FILLED: 3, Code.STALLED: 1}  # three windows hold the gap
    counted = {
        "eegd_samples_total": len(kept) + WINDOW,
        "eegd_samples_filled_total": 5,
        "eegd_gaps_total": 1,
        "eegd_predictions_total ok": said.count("ok"),
        "eegd_predictions_total abstain": said.count("abstain"),
        **{f"eegd_abstentions_total {code}": codes[code] for code in Code},
        "eegd_windows_skipped_total": 0,
        "eegd_stream_connected": 1,
        "eegd_stream_reconnects_total": 1,
        "eegd_backlog_samples": 0,
        "eegd_latency_seconds_count": len(said) - 1,  # all but the stall's
        "eegd_compute_seconds_count": len(said) - 1,
    }
    assert {key: figures[key] for key in counted} == counted
    ages = sum(marker["age_ms"] for marker in markers if marker["code"] != Code.STALLED)
    assert figures["eegd_latency_seconds_sum"] == pytest.approx(ages / 1e3, abs=1e-4)
    assert "eegd_effective_rate_hz" in figures  # not known from so few samples


class Amplifier:
    """Sends `EEG` in real time from entering to leaving, stamped from `start` on."""

    def __init__(self, name: str) -> None:
        self.outlet = open_outlet(name, RATE, CHANNELS)
        self.start = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._play)

    def __enter__(self) -> Amplifier:
        self.start = pylsl.local_clock()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _play(self) -> None:
        sent = 0
        while not self._ended.wait(0.02):
            due = int((pylsl.local_clock() - self.start) * RATE)
            if due > sent:
                stamps = self.start + np.arange(sent, due) / RATE
                self.outlet.push_chunk(EEG[sent:due], stamps.tolist())
                sent = due

    def window(self, marker: dict[str, Any]) -> np.ndarray:
        """The samples that ``marker`` is about."""
        first = round((marker["window_start"] - self.start) * RATE)
        return EEG[None, first : first + WINDOW]


def require_truth(markers: list[dict[str, Any]], model: keras.Model, amplifier: Amplifier) -> None:
    windows = np.concatenate([amplifier.window(marker) for marker in markers])
    truth = model.predict_on_batch(split_channels(windows))
    said = [[*marker["probabilities"].values()] for marker in markers]
    np.testing.assert_allclose(said, truth, atol=1e-5)


@contextmanager
def manager(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What systemd hears; it is told to systemd's children by their environment."""
    messages: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(folder / "notify"))
        listening.settimeout(0.1)
        monkeypatch.setenv("NOTIFY_SOCKET", str(folder / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "1000000")
        ended = threading.Event()

        def listen() -> None:
            while not ended.is_set():
                try:
                    messages.append(listening.recv(4096).decode())
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield messages
        finally:
            ended.set()
            thread.join()


@needs_unix
def test_a_reload_takes_over_between_two_windows_or_is_refused(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = save_model(bundle, 3)
    name, output = unique("Amp"), unique("Out")
    log = tmp_path / "markers.jsonl"
    # The amplifier is a thread here, beside Keras: its pauses are not what this is about.
    patience = {"stall_after": 20.0}
    content = config(bundle, name, {"name": output, "log": str(log)}, quality=patience)
    path = write_config(tmp_path, content)

    def reload(program: Program, text: str, says: str) -> None:
        path.write_text(text, encoding="utf-8")
        program.process.send_signal(signal.SIGHUP)
        program.wait_for(says)

    with manager(tmp_path, monkeypatch) as heard:
        with eegd(tmp_path, "run", "-c", str(path)) as program:
            inlet = open_inlet(output)
            assert inlet.info().desc().child_value("model")
            program.wait_for("waiting for a stream")
            assert "READY=1" in heard
            with Amplifier(name) as amplifier:
                markers = pull_markers(inlet, 2)

                # A second daemon with this name is refused.
                code, out, err = finish("run", "-c", str(path))
                assert (code, out) == (2, "")
                assert f"output.name: '{output}' is already published on" in err

                # A config that is wrong changes nothing.
                reload(program, "model: [", "not reloaded")
                strange = {**content, "decision": {"treshold": 1}}
                reload(program, yaml.safe_dump(strange), "unknown key 'decision.treshold'")

                # Another threshold: the same outlets go on.
                strict = {**content, "decision": {"threshold": 1.0}, "metrics": {"port": None}}
                log.rename(tmp_path / "rotated")
                reload(program, yaml.safe_dump(strict), "have taken over")
                while not markers or markers[-1]["label"] is not None:
                    markers += pull_markers(inlet, 1)
                require_truth(markers, first, amplifier)
                assert [m["sequence"] for m in markers] == [*range(len(markers))]
                assert {m["status"] for m in markers} == {"ok"}
                assert np.diff([m["window_end"] for m in markers]).max() < 2.05 * HOP / RATE

                # Another model: what the outlets say of themselves has changed.
                uid = inlet.info().uid()
                second = save_model(bundle, 4)
                del inlet
                program.process.send_signal(signal.SIGHUP)
                while (found := pylsl.resolve_byprop("name", output, timeout=30)) and found[
                    0
                ].uid() == uid:
                    time.sleep(0.1)
                after = pull_markers(open_inlet(output), 2)
                require_truth(after, second, amplifier)
                assert after[0]["sequence"] > markers[-1]["sequence"]

                # Another stream: that is said, and the right one taken.
                elsewhere = unique("Amp")
                other = {**strict, "stream": {"name": elsewhere}, "decision": {"threshold": 0.0}}
                reload(program, yaml.safe_dump(other), "another stream is wanted now")
            with Amplifier(elsewhere) as amplifier:
                program.wait_for(f"connected to stream '{elsewhere}'")
                after = pull_markers(open_inlet(output), 1)  # it says another input of itself
                require_truth(after, second, amplifier)
            code, seconds = program.stop()
        assert (code, seconds < 2) == (0, True)
        said = [message.partition("\n")[0] for message in heard]
    states = [message for message in said if not message.startswith(("STATUS", "WATCHDOG"))]
    assert states == ["READY=1", *5 * ["RELOADING=1", "READY=1"], "STOPPING=1"]
    assert said.count("WATCHDOG=1") > 5
    assert any(message.startswith("STATUS=classifying stream") for message in said)
    assert (tmp_path / "rotated").read_text().count("\n") > 0
    assert log.read_text().count("\n") > 0


@needs_unix
def test_a_full_disk_and_a_full_terminal_delay_nothing(bundle: Path, tmp_path: Path) -> None:
    """Standard error is a pipe that nobody reads, filled to the brim."""
    save_model(bundle, 3)
    name, output = unique("Amp"), unique("Out")
    disk = Path("/dev/full") if Path("/dev/full").exists() else tmp_path / "log"
    path = write_config(tmp_path, config(bundle, name, {"name": output, "log": str(disk)}))
    heard, told = os.pipe()
    os.set_blocking(told, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(told, bytes(4096)):
            pass
    os.set_blocking(told, True)
    # liblsl writes there by itself unless told not to.
    quiet = tmp_path / "lsl_api.cfg"
    quiet.write_text(Path(os.environ["LSLAPICFG"]).read_text() + "[log]\nlevel = -3\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "daemon", "run", "-c", str(path)],
        stderr=told,
        env={**os.environ, "LSLAPICFG": str(quiet)},
    )
    try:
        inlet = open_inlet(output)
        with Amplifier(name):
            markers = pull_markers(inlet, 8)
        start = time.monotonic()
        process.terminate()
        assert process.wait(10) == 0
        assert time.monotonic() - start < 2
    finally:
        process.kill()
        process.wait()
        os.close(heard)
        os.close(told)
    assert [m["sequence"] for m in markers] == [*range(8)]
    assert np.median([m["age_ms"] for m in markers]) < 100


@needs_unix
def test_a_stop_while_it_compiles_is_heard(bundle: Path, tmp_path: Path) -> None:
    save_model(bundle, 3)
    path = write_config(tmp_path, config(bundle, unique("Amp"), {"name": unique("Out")}))
    with eegd(tmp_path, "run", "-c", str(path)) as program:
        program.wait_for("device ")
        code, seconds = program.stop()
        assert (code, seconds < 2) == (0, True)
        assert program.said().endswith("eegd: stopped\n")
