"""Model files as the Keras versions of the last ten years wrote them, against their writers."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from jobs import job
from shared import CASES, needs_cases

from daemon.encoders import engines
from daemon.encoders.loading import load_keras
from daemon.encoders.plan import plan
from daemon.errors import UsageError

pytestmark = needs_cases

FOLDER = CASES / "keras"
# Each of these stands for all files of its name.
REFUSED = {
    r"\w+/stateful\.\w+": "stateful=False",
    # Nothing of these layers is in the file.
    r"k224/cudnn\.h5": "no weights of its layer 'dense_1'",
    r"k305/(bidirectional(_stack)?|cells|f_mha)\.h5": "save it again as .keras",
}
# The oldest, and those whose files are unlike what the tests' own Keras writes; of the others
# the plain run takes the layers in which Keras 2 and 3 differ most.
STRANGEST = ("k224", "k305", "tf213k")


def files() -> list[object]:
    found = sorted(path for path in FOLDER.glob("*/*") if path.suffix in (".keras", ".h5"))
    return [
        pytest.param(
            path,
            id=f"{path.parent.name}/{path.name}",
            marks=[]
            if path.parent.name in STRANGEST or path.name.startswith("f_")
            else [pytest.mark.slow],
        )
        for path in found
    ]


@pytest.mark.parametrize("path", files())
def test_gives_its_writers_answer_or_says_why_not(path: Path) -> None:
    name = f"{path.parent.name}/{path.name}"
    for pattern, said in REFUSED.items():
        if re.fullmatch(pattern, name):
            with pytest.raises(UsageError, match=re.escape(said)):
                load_keras(path)
            return
    model = load_keras(path)
    written = np.load(path.with_suffix(".npz"))
    inputs = np.split(written["x"], 3, axis=-1) if len(model.inputs) > 1 else written["x"]
    answer = np.asarray(model(inputs, training=False), np.float32)
    tolerance = 1e-3 if "float16" in name else 1e-6
    np.testing.assert_allclose(answer, written["y"], rtol=0, atol=tolerance)


def test_channels_first_run_on_a_processor() -> None:
    model = load_keras(FOLDER / "channels_first.keras")
    engine, _ = engines.build(plan(job(model, 64, 8), "auto", "cpu"))
    samples = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    kernel, bias, dense, offset = (np.asarray(weight, np.float64) for weight in model.weights)
    # The model in NumPy: (channels, time) is what its convolution runs over, 3 steps at a time.
    windows = np.lib.stride_tricks.sliding_window_view(samples, 3, axis=0)
    activated = np.einsum("tck,kcf->tf", windows, kernel) + bias
    if model.layers[2].activation.__name__ == "relu":
        activated = np.maximum(activated, 0)
    logits = activated.mean(axis=0) @ dense + offset
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(engine.feed(samples, True), expected, atol=1e-6)
