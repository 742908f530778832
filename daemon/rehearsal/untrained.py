"""The bundle that `eegd demo` and the repository's config.yaml run: a seeded, untrained encoder.

``python -m daemon.rehearsal.untrained`` writes it anew. It fits the simulator's stream and has
learned nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

import keras
import yaml

from daemon.encoders.architectures import WINDOW, channel_lstm
from daemon.rehearsal.demo import BUNDLE
from daemon.rehearsal.simulator import CLASSES, LABELS

SEED = 20180518
VERDICT = "UNTRAINED: seeded random weights, its probabilities mean nothing"


def write_bundle(folder: Path) -> None:
    """Write ``model.keras``, ``contract.yaml`` and ``report.json`` into ``folder``."""
    keras.utils.set_random_seed(SEED)
    folder.mkdir(parents=True, exist_ok=True)
    channel_lstm(WINDOW, len(LABELS), len(CLASSES)).save(folder / "model.keras")
    contract = {
        "sample_rate": 160,
        "window": WINDOW,
        "channels": list(LABELS),
        "unit": "microvolts",
        "classes": list(CLASSES),
        "temperature": 1.0,
        "conditioning": [],
    }
    text = yaml.safe_dump(contract, sort_keys=False, default_flow_style=None)
    (folder / "contract.yaml").write_text(text, encoding="utf-8")
    report = json.dumps({"verdict": VERDICT}, indent=2)
    (folder / "report.json").write_text(report + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_bundle(BUNDLE)
