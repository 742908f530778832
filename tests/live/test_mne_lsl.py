"""MNE-LSL's player as the amplifier: found, taken and classified as it announces itself.

It announces the type ``eeg``, volts as the power of ten 0, and one source_id for all that it sends.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from programs import eegd, open_inlet, pull_markers, unique, write_config, write_contract

from daemon.encoders.architectures import channel_lstm
from daemon.reorder import split_channels

mne = pytest.importorskip("mne")
player = pytest.importorskip("mne_lsl.player")

# No whole number of chunks: such a recording the player pushes at once each time that it ends.
RATE, WINDOW, HOP, LENGTH = 100.0, 60, 25, 233
CHANNELS = ("Fp1", "Cz", "O2")
CLASSES = ("rest", "left", "right")


@pytest.fixture
def eeg() -> np.ndarray:
    """What the player plays over and over, in microvolts."""
    return np.random.default_rng(7).normal(scale=30, size=(LENGTH, len(CHANNELS)))


@pytest.fixture
def playing(eeg: np.ndarray) -> Iterator[None]:
    labels = ("X1", *reversed(CHANNELS))
    volts = np.vstack([np.zeros(LENGTH), eeg.T[::-1] * 1e-6])
    raw = mne.io.RawArray(volts, mne.create_info([*labels], RATE, "eeg"), verbose="error")
    raw.set_annotations(mne.Annotations([0.5, 1.5], [0.1, 0.1], ["left", "right"]))
    with player.PlayerLSL(raw, chunk_size=10, name=unique("Player")):
        yield


def test_it_is_classified_by_a_config_that_says_nothing_of_it(
    eeg: np.ndarray, playing: None, tmp_path: Path
) -> None:
    keras.utils.set_random_seed(3)
    model = channel_lstm(WINDOW, len(CHANNELS), len(CLASSES), units=(12, 8))
    model.save(tmp_path / "model.keras")
    write_contract(tmp_path, sample_rate=RATE, window=WINDOW, channels=CHANNELS, classes=CLASSES)
    output = unique("Out")
    content = {"model": {"path": str(tmp_path)}, "window": {"hop": HOP}, "output": {"name": output}}
    with eegd(tmp_path, "run", "-c", str(write_config(tmp_path, content))) as program:
        markers = pull_markers(open_inlet(output), 5)
        assert program.stop()[0] == 0
    assert [marker["status"] for marker in markers] == ["ok"] * 5
    assert "WARNING" not in program.said()
    # Where in the loop the first sample was, only the answer tells.
    looped = np.concatenate([eeg, eeg[:WINDOW]]).astype(np.float32)
    windows = np.stack([looped[first : first + WINDOW] for first in range(LENGTH)])
    truth = model.predict_on_batch(split_channels(windows))
    said = np.array([[*marker["probabilities"].values()] for marker in markers])
    first = int(np.abs(truth - said[0]).max(axis=1).argmin())
    right = truth[(first + HOP * np.arange(5)) % LENGTH]
    np.testing.assert_allclose(said, right, atol=1e-5)
    ends = np.array([marker["window_end"] for marker in markers])
    np.testing.assert_allclose(np.diff(ends), HOP / RATE, atol=1e-3)
