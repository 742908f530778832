"""What strangers publish under the daemon's name reads as ours or as nothing."""

from __future__ import annotations

import json

import pylsl
from hypothesis import given
from hypothesis import strategies as st

from daemon.config import StreamConfig
from daemon.contract import Contract
from daemon.discovery import MAX_CHANNELS
from daemon.views.announcement import MAX_CLASSES, MAX_MARKER, announcement, marker

GOOD = {
    "sequence": 3,
    "status": "ok",
    "reason": None,
    "label": "left",
    "probabilities": {"rest": 0.25, "left": 0.75},
    "window_start": 1.0,
    "window_end": 2.0,
    "age_ms": 1.5,
    "filled": 0.0,
}


def info(**desc: str) -> pylsl.StreamInfo:
    made = pylsl.StreamInfo("Out", "Markers", 1, 0, pylsl.cf_string, "id")
    for key, value in desc.items():
        made.desc().append_child_value(key, value)
    return made


def test_our_own_are_read_as_they_are() -> None:
    said = marker(json.dumps(GOOD), 7.0)
    assert said is not None
    assert (said.sequence, said.label, said.probabilities) == (3, "left", GOOD["probabilities"])
    assert said.stamp == 7.0
    contract = Contract(
        sample_rate=160, window=320, channels=("Fp1",), classes=("rest", "left"), temperature=2.0
    )
    wanted = StreamConfig(name="Amp", unit="volts", channels=("Fp1",))
    read = announcement(
        info(
            model="ab" * 32,
            name="bundle",
            verdict="",
            engine="streaming",
            contract=contract.model_dump_json(),
            stream=wanted.model_dump_json(),
            hop="160",
            metrics_host="::1",
            metrics_port="9464",
        )
    )
    assert (read.contract, read.wanted) == (contract, wanted)
    assert (read.hop_seconds, read.window_seconds) == (1.0, 2.0)
    assert (read.sha256, read.metrics_host, read.metrics_port) == ("ab" * 32, "::1", 9464)


def test_names_and_reasons_are_cleaned() -> None:
    said = marker(
        json.dumps(
            {**GOOD, "label": "a\x1b[2J", "reason": "x\n\u202ey", "probabilities": {"\n": 1}}
        ),
        0.0,
    )
    assert said is not None
    assert said.label == "a\ufffd[2J"
    assert (said.code, said.channels) == (None, ())
    assert said.reason == "x \ufffdy"
    said = marker(json.dumps({**GOOD, "code": "fl\nat", "channels": ["C\x1b3"]}), 0.0)
    assert said is not None
    assert (said.code, said.channels) == ("fl at", ("C\ufffd3",))


def test_absurd_ones_are_nothing() -> None:
    many = {f"c{n}": 0.0 for n in range(MAX_CLASSES + 1)}
    for wrong in (
        "{}",
        "[]",
        "",
        "nonsense",
        json.dumps({**GOOD, "status": "maybe"}),
        json.dumps({**GOOD, "age_ms": float("nan")}),
        json.dumps({**GOOD, "probabilities": many}),
        json.dumps({**GOOD, "reason": "x" * MAX_MARKER}),
        json.dumps({**GOOD, "code": 1}),
        json.dumps({**GOOD, "channels": "Cz"}),
        json.dumps({**GOOD, "channels": ["Cz"] * (MAX_CHANNELS + 1)}),
    ):
        assert marker(wrong, 0.0) is None, wrong[:80]
    for stamp in (float("nan"), float("inf"), -1e300):
        assert marker(json.dumps(GOOD), stamp) is None


@given(st.text(max_size=300))
def test_no_description_of_strangers_is_more_than_nothing(text: str) -> None:
    """XML takes no NUL, and neither does liblsl."""
    text = text.replace("\0", "").encode("utf-8", "ignore").decode()
    keys = ("contract", "stream", "hop", "metrics_port", "verdict", "model")
    read = announcement(info(**dict.fromkeys(keys, text)))
    assert read.verdict.isprintable()
    assert read.contract is None
    assert read.hop_seconds > 0
