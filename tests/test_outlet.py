"""The marker's text: what programs read of a prediction."""

from __future__ import annotations

import json

from daemon.outlet import marker_json
from daemon.reasons import Code
from daemon.records import Prediction

OK = Prediction(7, "ok", None, "left", {"rest": 0.25, "left": 0.75}, 10.0, 12.0, 0.5)
FLAT = Prediction(
    8, "abstain", "channel C3: flat", None, None, 11.0, 13.0, 0.0, Code.FLAT, ("C3", "B: ref")
)


def test_a_marker_has_these_keys() -> None:
    assert json.loads(marker_json(OK, 0.0012345)) == {
        "sequence": 7,
        "status": "ok",
        "reason": None,
        "code": None,
        "channels": [],
        "label": "left",
        "probabilities": {"rest": 0.25, "left": 0.75},
        "window_start": 10.0,
        "window_end": 12.0,
        "age_ms": 1.234,
        "filled": 0.5,
    }


def test_an_abstention_has_its_reason_as_words_and_as_data() -> None:
    said = json.loads(marker_json(FLAT, 0.0))
    assert (said["status"], said["reason"]) == ("abstain", "channel C3: flat")
    assert (said["code"], said["channels"]) == ("flat", ["C3", "B: ref"])
    assert (said["label"], said["probabilities"]) == (None, None)
