"""A recording comes in parts as a live stream would: each begins with voltages of every channel."""

from pathlib import Path

import numpy as np
import pytest

from daemon.contract import Contract
from daemon.pick import pick_for
from daemon.recordings.recording import from_file
from daemon.training.stretches import stretches

POWER = {"bandpower": {"bands": [[20, 40]], "smooth": 0.05, "rate": 10}}


@pytest.mark.parametrize("steps", [[], [POWER]])
def test_samples_before_a_channels_first_voltage_are_a_part_of_their_own(
    steps: list[dict[str, object]],
) -> None:
    samples = np.random.default_rng(0).normal(0, 20, (500, 2)).astype(np.float32)
    samples[:120, 1] = np.nan
    stamps = np.arange(500) / 100
    keep = np.r_[0:300, 350:500]  # and a gap, which begins a third one
    recording = from_file(
        Path("a.xdf"),
        type="EEG",
        rate=100.0,
        labels=["Cz", "Pz"],
        units=["microvolts"] * 2,
        samples=samples[keep],
        stamps=stamps[keep],
        markers=[],
    )
    contract = Contract(
        sample_rate=100.0,
        window=4,
        channels=("Cz", "Pz"),
        classes=("a", "b"),
        conditioning=steps,
    )
    pick = pick_for(contract, recording.stream)
    parts = list(stretches(contract, pick, recording, fill_up_to=0.1))
    np.testing.assert_allclose(
        [(part.received[0], part.received[-1]) for part in parts],
        [(0, 1.19), (1.2, 2.99), (3.5, 4.99)],
    )
    for part, begin in zip(parts, (0, 120, 350), strict=True):
        np.testing.assert_array_equal(part.raw, samples[begin : begin + len(part.raw)])
        assert len(part.filled) == len(part.off_rate) == len(part.received) == len(part.raw)
        assert len(part.stamps) == len(part.samples)
        if steps:
            assert part.eeg is not None
            assert len(part.eeg) // 10 == len(part.samples)
        assert part.fault(contract, pick, 0, 4) is None or begin == 0
