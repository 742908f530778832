"""An ONNX model answers what it was exported for, by the contract that it says to need."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from onnx_models import CHANNELS, CLASSES, STEPS, answer, saved, saved_with_weights_beside

from daemon.contract import Contract
from daemon.encoders import bare, engines, loading
from daemon.encoders.plan import CPU, plan
from daemon.errors import UsageError

pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

LAYOUT = ("channels", "steps")


def contract(**more: object) -> Contract:
    content = {
        "sample_rate": 100.0,
        "window": STEPS,
        "channels": [f"C{n}" for n in range(CHANNELS)],
        "classes": [f"class{n}" for n in range(CLASSES)],
        "layout": list(LAYOUT),
        "output": "logits",
    }
    return Contract.model_validate({**content, **more})


def window(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(CHANNELS, STEPS)).astype(np.float32)


def test_it_says_what_it_takes_and_gives(tmp_path: Path) -> None:
    network, _ = loading.load_network(saved(tmp_path / "net.onnx"))
    assert [str(one) for one in (*network.inputs, *network.outputs)] == ["(1, 3, 40)", "(1, 4)"]
    assert network.inputs[0].dtype == "float32"
    assert (network.activation, network.recurrent_first) == ("linear", False)
    assert network.parameters == 5 * 3 * 7 + 5 * 4 + 1
    assert [(one.kind, one.parameters) for one in network.layers][:2] == [
        ("Conv", 105),
        ("Relu", 0),
    ]
    for last, activation in (("Softmax", "softmax"), ("LogSoftmax", "log_softmax"), ("Elu", None)):
        other, _ = loading.load_network(saved(tmp_path / "other.onnx", last=last))
        assert other.activation == activation


def test_it_is_run_with_its_layout_and_answers_its_own_logits(tmp_path: Path) -> None:
    loaded = loading.load(saved(tmp_path / "net.onnx"), contract())
    planned = plan(loaded.job(10), "auto", "auto")
    assert (planned.kind, planned.devices) == ("window", (CPU,))
    assert "it is an ONNX model" in planned.why
    engine, built = engines.build(planned)
    assert built.seconds is not None
    for seed in range(3):
        np.testing.assert_allclose(
            engine.feed(window(seed).T, True), answer(window(seed)), rtol=1e-4, atol=1e-5
        )


def test_weights_beside_it_are_its_own_and_a_bundle_of_it_is_whole(tmp_path: Path) -> None:
    path = saved_with_weights_beside(tmp_path / "net.onnx", "net.data")
    given = {
        "sample_rate": "100",
        "channels": "C0,C1,C2",
        "unit": "microvolts",
        "classes": "a,b,c,d",
        "window": None,
        "layout": "[channels, steps]",
        "output": "logits",
    }
    bare.adopt(path, tmp_path / "my.bundle", given, None)
    path.unlink()
    (tmp_path / "net.data").unlink()
    loaded = loading.load(tmp_path / "my.bundle", None)
    assert loaded.path.name == "model.onnx"
    assert (loaded.contract.layout, loaded.contract.output) == (LAYOUT, "logits")
    given_answer = loaded.network.run(CPU, loaded.layout)(window())
    np.testing.assert_allclose(given_answer, answer(window()), rtol=1e-4, atol=1e-5)


def test_what_contradicts_the_contract_is_refused_with_the_line_to_add(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.onnx")
    with pytest.raises(UsageError, match=r"add to the contract layout: \[channels, steps\]$"):
        loading.load(path, contract(layout=None))
    softmax = saved(tmp_path / "softmax.onnx", last="Softmax")
    with pytest.raises(UsageError, match="ends in a softmax"):
        loading.load(softmax, contract())
    loaded = loading.load(softmax, contract(output="probabilities"))
    engines.build(plan(loaded.job(10), "auto", "auto"))
    logits = loading.load(path, contract(output="probabilities"))
    with pytest.raises(UsageError, match="output: logits"):
        engines.build(plan(logits.job(10), "auto", "auto"))


def test_without_the_extra_it_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "net.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError, match=r"needs onnxruntime to be run: .*\[onnx\]"):
        loading.load_network(path)


def test_what_onnx_runtime_cannot_run_is_one_line(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.onnx", last="Elu", attributes={"nonsense": 3})
    with pytest.raises(UsageError, match=r"net\.onnx: ") as refused:
        loading.load_network(path)
    assert "\n" not in str(refused.value)
