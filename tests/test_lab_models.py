"""Networks that labs have, saved by Keras 2 and 3: accepted by the printed line, and exact."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import pytest
import tf_keras
from networks import CHANNELS, CLASSES, NETWORKS, STEPS, randomised, written

from daemon.contract import Contract
from daemon.encoders import engines, loading
from daemon.encoders.described import contract_lines, described
from daemon.encoders.plan import plan
from daemon.errors import UsageError
from daemon.layout import STANDARD, Layout, layout_of, layout_text
from daemon.reorder import model_inputs

pytestmark = [
    # Keras 3.15 asks a TensorFlow variable for its array in the way of NumPy 1 when it saves.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword"),
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning"),
]

# All layouts of one network, and of the others their usual one; CI tries all of all.
CASES = [
    pytest.param(name, layout, id=f"{name} {layout_text(layout)}")
    for name, (_, layouts) in NETWORKS.items()
    for layout in (layouts if name == "EEGNet" or "CI" in os.environ else layouts[:1])
]
PER_WINDOW = ["demean", {"bandpass": [2, 40]}, {"zscore": {"over": "all", "epsilon": 1e-6}}]


def contract(layout: Layout | None, per_window: object = PER_WINDOW) -> Contract:
    return Contract.model_validate(
        {
            "sample_rate": 128.0,
            "window": STEPS,
            "channels": [f"C{n}" for n in range(CHANNELS)],
            "classes": [f"class{n}" for n in range(CLASSES)],
            "layout": layout,
            "per_window": per_window,
        }
    )


FORMS = [
    pytest.param(keras, ".keras", id="Keras 3 .keras"),
    pytest.param(tf_keras, ".h5", id="Keras 2 .h5"),
    pytest.param(tf_keras, "", id="Keras 2 SavedModel"),
]
if "CI" in os.environ:
    FORMS.append(pytest.param(keras, ".h5", id="Keras 3 .h5"))
    FORMS.append(pytest.param(tf_keras, ".keras", id="Keras 2 .keras"))


@pytest.mark.parametrize(("name", "layout"), CASES)
@pytest.mark.parametrize(("k", "suffix"), FORMS)
def test_it_is_accepted_with_the_printed_line_and_answers_as_itself(
    tmp_path: Path, name: str, layout: Layout, k: ModuleType, suffix: str
) -> None:
    model = randomised(NETWORKS[name][0](k, layout))
    path = written(k, suffix, model, tmp_path)
    if layout != STANDARD:
        with pytest.raises(UsageError) as refused:
            loading.load(path, contract(None))
        lines = re.findall(r"layout: (\[.*?\])", str(refused.value))
        assert layout_text(layout) in lines
        assert [layout_of(line.strip("[]").split(", ")) for line in lines]
    loaded = loading.load(path, contract(layout))
    engine, _ = engines.build(plan(loaded.job(8), "auto", "cpu"))
    noise = np.random.default_rng(3).normal(5, 20, size=(STEPS, CHANNELS))
    changed = loaded.job(8).per_window.apply(noise.T.astype(np.float32))
    expected = model.predict(model_inputs(changed, layout)[0], verbose=0)[0]
    np.testing.assert_allclose(engine.feed(noise.astype(np.float32), True), expected, atol=1e-6)


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_what_inspect_proposes_is_a_contract_that_fits(
    tmp_path: Path, name: str, layout: Layout
) -> None:
    import yaml

    path = tmp_path / "net.keras"
    randomised(NETWORKS[name][0](keras, layout)).save(path)
    found = described(path)
    assert found.guess is not None
    assert layout in found.guess.layouts
    text = "\n".join(contract_lines(path, found.guess))
    assert text in found.text()
    written = yaml.safe_load(text)["model"]["contract"]
    filled = {
        "sample_rate": 128.0,
        "channels": [f"C{n}" for n in range(CHANNELS)],
        "classes": [f"class{n}" for n in range(CLASSES)],
    }
    assert {key for key, value in written.items() if not value} >= {*filled}
    if len(found.guess.layouts) > 1:  # a person chooses
        filled["layout"] = layout
    if written["window"] is None:
        filled["window"] = STEPS
    loaded = loading.load(path, Contract.model_validate({**written, **filled}))
    assert loaded.layout == layout
