from __future__ import annotations

from pathlib import Path

import pytest

from daemon.contract import Contract, normal_label, read_contract
from daemon.errors import UsageError
from daemon.validation import validated


@pytest.mark.parametrize(
    ("label", "normal"),
    [("Fp1.", "FP1"), ("Cz..", "CZ"), (" t p 9 ", "TP9"), ("AFz", "AFZ"), ("a.b", "A.B")],
)
def test_labels_are_compared_without_case_dots_and_spaces(label: str, normal: str) -> None:
    assert normal_label(label) == normal


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"sample_rate": 0}, "sample_rate"),
        ({"sample_rate": float("nan")}, "sample_rate"),
        ({"window": 10.5}, "window"),
        ({"window": "10"}, "window"),
        ({"channels": ["Cz", "CZ."]}, "channels: CZ occurs more than once"),
        ({"channels": []}, "channels"),
        ({"channels": ["Cz", 3]}, "channels.1"),
        ({"classes": ["rest"]}, "classes"),
        ({"classes": ["rest", "rest"]}, "rest occurs more than once"),
        ({"unit": "counts"}, "unit"),
        ({"temperature": 0.0}, "temperature"),
        ({"chanels": []}, "unknown key 'chanels'; known here: sample_rate, window"),
    ],
)
def test_a_bad_contract_is_one_line_with_the_key(change: dict[str, object], part: str) -> None:
    content = {
        "sample_rate": 160,
        "window": 10,
        "channels": ["Cz"],
        "classes": ["rest", "move"],
        **change,
    }
    with pytest.raises(UsageError) as caught:
        validated(Contract, content, "contract.yaml")
    assert str(caught.value).startswith("contract.yaml: ")
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_that_is_missing_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.keras does not exist"):
        read_contract(tmp_path / "none.keras", None)
    (tmp_path / "bare.keras").write_bytes(b"")
    with pytest.raises(UsageError, match="comes without a contract"):
        read_contract(tmp_path / "bare.keras", None)
