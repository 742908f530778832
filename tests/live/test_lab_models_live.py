"""Models that labs have, over LSL: windows in their own layout, changed by themselves, answered."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import onnx_models
import pytest
import tf_keras
from networks import NETWORKS, randomised, written
from programs import (
    eegd,
    open_inlet,
    open_outlet,
    pull_markers,
    unique,
    wait_for_consumer,
    write_config,
)

from daemon.per_window import PerWindow
from daemon.reorder import model_inputs
from daemon.window_steps import WindowStep

RATE, HOP, WINDOWS = 128.0, 32, 4
PER_WINDOW = ["demean", {"bandpass": [2, 40]}, {"zscore": {"over": "all", "epsilon": 1e-6}}]

Answer = Callable[[np.ndarray], np.ndarray]

pytestmark = [
    # Keras 3.15 asks a TensorFlow variable for its array in the way of NumPy 1 when it saves.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword"),
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning"),
]


Made = tuple[Path, dict[str, object], Answer]


def of_keras(k: ModuleType, suffix: str, name: str) -> Callable[[Path], Made]:
    """A network in the layout that is usual for it."""

    def make(folder: Path) -> Made:
        build, (layout, *_) = NETWORKS[name]
        model = randomised(build(k, layout))
        return (
            written(k, suffix, model, folder),
            {"layout": [*layout]},
            lambda window: model.predict(model_inputs(window, layout)[0], verbose=0)[0],
        )

    return make


def onnx_with_logits(folder: Path) -> Made:
    def answer(window: np.ndarray) -> np.ndarray:
        powered = np.exp(onnx_models.answer(window))
        return powered / powered.sum()

    path = onnx_models.saved(folder / "net.onnx")
    return path, {"layout": ["channels", "steps"], "output": "logits"}, answer


CASES = {
    "EEGNet of Keras 2": of_keras(tf_keras, ".h5", "EEGNet"),
    "ShallowConvNet as a SavedModel": of_keras(tf_keras, "", "ShallowConvNet"),
    "ONNX with logits": onnx_with_logits,
}
if "CI" in os.environ:
    CASES |= {
        "DeepConvNet of Keras 3": of_keras(keras, ".keras", "DeepConvNet"),
        "CNN-LSTM of Keras 3": of_keras(keras, ".h5", "CNN-LSTM"),
        "Bi-LSTM of Keras 3": of_keras(keras, ".keras", "Bi-LSTM"),
        "TCN of Keras 2": of_keras(tf_keras, ".keras", "TCN"),
    }


@pytest.mark.parametrize("make", CASES.values(), ids=CASES.keys())
def test_every_window_is_answered_as_the_model_itself_does(
    make: Callable[[Path], Made], tmp_path: Path
) -> None:
    path, more, answer = make(tmp_path)
    onnx = path.suffix == ".onnx"
    steps, channels, classes = (40, 3, 4) if onnx else (128, 4, 3)
    labels = [f"C{n}" for n in range(channels)]
    contract = {
        "sample_rate": RATE,
        "window": steps,
        "channels": labels,
        "classes": [f"class{n}" for n in range(classes)],
        "per_window": PER_WINDOW,
        **more,
    }
    output, amplifier = unique("Out"), unique("Amp")
    content = {
        "stream": {"name": amplifier},
        "model": {"path": str(path), "contract": contract},
        "window": {"hop": HOP},
        "output": {"name": output},
    }
    random = np.random.default_rng(5)
    eeg = random.normal(7, 30, size=(steps + HOP * (WINDOWS - 1), channels)).astype(np.float32)
    stamps = 100.0 + np.arange(len(eeg)) / RATE
    outlet = open_outlet(amplifier, RATE, labels)
    markers = []
    with eegd(tmp_path, "run", "-c", str(write_config(tmp_path, content))) as program:
        inlet = open_inlet(output)
        wait_for_consumer(outlet)
        # The next hop when the last one is answered: a window engine skips what it is late for.
        for first, end in [
            (0, steps),
            *((e - HOP, e) for e in range(steps + HOP, len(eeg) + 1, HOP)),
        ]:
            outlet.push_chunk(eeg[first:end], stamps[first:end].tolist())
            markers += pull_markers(inlet, 1)
        assert program.stop()[0] == 0
    assert [marker["status"] for marker in markers] == ["ok"] * WINDOWS
    chain = PerWindow([WindowStep.model_validate(step) for step in PER_WINDOW], RATE)
    for n, marker in enumerate(markers):
        window = eeg[n * HOP : n * HOP + steps].T
        np.testing.assert_allclose(
            [*marker["probabilities"].values()], answer(chain.apply(window)), atol=1e-5
        )
        assert marker["window_end"] == pytest.approx(stamps[n * HOP + steps - 1], abs=1e-3)
