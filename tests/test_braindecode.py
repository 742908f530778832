"""A network of braindecode, exported as the page says, answers as itself: `make braindecode`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from documentation import ROOT, block

from daemon.contract import Contract
from daemon.decision import Decision
from daemon.encoders import engines, loading
from daemon.encoders.plan import plan

PYTHON = ROOT / "build/braindecode/bin/python"

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="braindecode has an environment of its own: make braindecode"
)

# Weights that no initializer gives.
_RANDOM = """
torch.manual_seed(3)
net.load_state_dict({
    name: torch.rand_like(value) / 4 if value.is_floating_point() else value
    for name, value in net.state_dict().items()
})
net.eval()
"""
# What the network itself says of windows whose channels have no mean.
_ANSWERS = """
import numpy as np
windows = torch.randn(4, 22, 1000)
windows -= windows.mean(2, keepdim=True)
np.savez("answers.npz", windows=windows, logits=net(windows).detach())
"""


def test_it_is_run_as_it_was_exported(tmp_path: Path) -> None:
    script = block("your-own-model.md", "braindecode")
    assert "net.eval()\n" in script
    script = script.replace("net.eval()\n", _RANDOM) + _ANSWERS
    done = subprocess.run(
        [PYTHON, "-W", "ignore", "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    contract = Contract(
        sample_rate=250.0,
        window=1000,
        channels=tuple(f"C{n}" for n in range(22)),
        classes=("left", "right", "feet", "tongue"),
        layout=["channels", "steps"],
        output="logits",
        per_window=["demean"],
    )
    loaded = loading.load(tmp_path / "net.onnx", contract)
    engine, _ = engines.build(plan(loaded.job(25), "auto", "auto"))
    answers = np.load(tmp_path / "answers.npz")
    decision = Decision(contract.classes, logits=True)
    for window, logits in zip(answers["windows"], answers["logits"], strict=True):
        given = engine.feed((window + 50).T, True)
        assert given is not None
        powered = np.exp(logits - logits.max())
        np.testing.assert_allclose(
            decision.probabilities(given.astype(float)), powered / powered.sum(), atol=1e-5
        )
