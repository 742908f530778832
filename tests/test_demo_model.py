"""The bundle that the package ships: what it was trained for, on a seed that it never saw."""

from __future__ import annotations

import numpy as np
import pytest

from daemon.contract import Contract
from daemon.encoders import loading
from daemon.encoders.loading import LoadedModel
from daemon.encoders.streaming import StreamingEngine
from daemon.rehearsal.demo import BUNDLE
from daemon.rehearsal.simulator import CLASSES, LABELS
from daemon.training import demo_model
from daemon.training.examples import NO_CLASS
from daemon.training.simulated import examine, examples, material

HOP = 320


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return loading.load(BUNDLE, None)


def test_it_recognises_the_class_and_its_change_at_full_length(loaded: LoadedModel) -> None:
    window = loaded.contract.window
    assert window == 15360
    examined = examine(
        StreamingEngine(loaded.network.stack(), window, HOP, "/CPU:0"),
        loaded.contract,
        hop=HOP,
        seed=4000,
        seconds=560,
        block_seconds=(138, 142),
        after=demo_model.AFTER,
    )
    comparison = examined.comparison
    assert comparison.within > 70
    assert comparison.within_accuracy >= 0.95
    assert examined.settled > 200
    assert examined.settled_right / examined.settled >= 0.95
    assert comparison.changes >= 3
    assert np.median(comparison.first) <= demo_model.AFTER


def test_its_contract_is_what_its_script_writes(loaded: LoadedModel) -> None:
    (zscore,) = [step.zscore for step in loaded.contract.conditioning if step.zscore]
    assert loaded.contract == demo_model.contract(zscore.std)
    assert loaded.verdict is not None
    assert "SIMULATED" in loaded.verdict
    assert "says nothing about real EEG" in (BUNDLE / "report.md").read_text(encoding="utf-8")


def test_material_is_conditioned_and_asks_for_a_class_once_it_has_lasted() -> None:
    contract: Contract = demo_model.contract([2.0] * len(LABELS))
    made = [
        material(
            contract.conditioning,
            rate=contract.sample_rate,
            seed=seed,
            seconds=30,
            block_seconds=(4, 6),
            settle=1.5,
        )
        for seed in (1, 2)
    ]
    samples, targets = made[0].samples, made[0].targets
    assert samples.shape == (4800, 32)
    # mu at C3 and the like is left, drift and the mains are not: microvolts over 2.
    assert 1 < samples.std() < 8
    begins = np.flatnonzero(np.diff((targets == NO_CLASS).astype(int)) == -1) + 1
    assert (targets[:240] == NO_CLASS).all()
    assert len(begins) >= 5
    assert all((targets[begin - 240 : begin] == NO_CLASS).all() for begin in begins)
    assert set(targets) <= {NO_CLASS, *range(len(CLASSES))}

    given = examples(made, steps=1000, unasked=160)
    assert given.windows.shape == (8, 1000, 32)
    np.testing.assert_array_equal(given.windows[1], samples[1000:2000])
    np.testing.assert_array_equal(given.targets[1, 160:], targets[1160:2000])
    assert (given.targets[:, :160] == NO_CLASS).all()
