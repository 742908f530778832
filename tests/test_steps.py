import pytest
import yaml

from daemon.contract import Contract
from daemon.errors import UsageError
from daemon.validation import read_yaml, validated

CONTENT = {
    "sample_rate": 160,
    "window": 320,
    "channels": ["Cz", "Pz"],
    "classes": ["rest", "move"],
}
ALL = """
- {resample: true}
- {highpass: 0.5}
- {lowpass: {frequency: 60, order: 4}}
- {bandpass: [1, 40]}
- {notch: 50}
- {reference: [M1, Pz]}
- {zscore: {mean: [1, -2.5], std: [10, 20]}}
"""


def contract(steps: object) -> Contract:
    return validated(Contract, {**CONTENT, "conditioning": steps}, "contract.yaml")


def test_every_step_is_read_and_said_in_words() -> None:
    steps = contract(yaml.safe_load(ALL)).conditioning
    assert [str(step) for step in steps] == [
        "resample",
        "high-pass 0.5 Hz (order 2)",
        "low-pass 60 Hz (order 4)",
        "band-pass 1 to 40 Hz (order 2)",
        "notch 50 Hz (1.7 Hz wide)",
        "reference M1, Pz",
        "z-score per channel",
    ]
    assert str(contract([{"reference": "average"}]).conditioning[0]) == "reference average"


@pytest.mark.parametrize("steps", [ALL, "[{reference: average}]", "[]"])
def test_what_is_written_again_is_the_same_contract(steps: str, tmp_path: object) -> None:
    path = tmp_path / "contract.yaml"  # type: ignore[operator]
    whole = contract(yaml.safe_load(steps))
    path.write_text(yaml.safe_dump(whole.model_dump(mode="json")), encoding="utf-8")
    assert validated(Contract, read_yaml(path, "contract"), "again") == whole


def test_channels_that_only_the_reference_needs_are_known() -> None:
    assert contract([{"reference": ["m1", "CZ."]}]).referred == ("m1",)
    assert contract([{"reference": "average"}]).referred == ()


@pytest.mark.parametrize(
    ("step", "part"),
    [
        ({"highpas": 1}, "unknown key 'conditioning.0.highpas'; known here: highpass, lowpass"),
        ({"highpass": 1, "notch": 50}, "conditioning.0: a step is a mapping of one key"),
        ({}, "conditioning.0: a step is a mapping of one key"),
        ({"highpass": None}, "conditioning.0: a step is a mapping of one key"),
        ("highpass", "conditioning.0"),
        ({"filtfilt": {"frequency": 1}}, "samples that live data do not have yet"),
        ({"highpass": {"frequency": 1, "zero_phase": True}}, "conditioning.0.highpass: zero_phase"),
        ({"highpass": "1"}, "conditioning.0.highpass: write frequency"),
        ({"highpass": True}, "conditioning.0.highpass: write frequency"),
        ({"highpass": 0}, "conditioning.0.highpass.frequency"),
        ({"highpass": -1}, "conditioning.0.highpass.frequency"),
        ({"highpass": float("nan")}, "conditioning.0.highpass.frequency"),
        ({"highpass": 1e-5}, "highpass 1e-05 Hz is not between 0 and half of sample_rate, 80 Hz"),
        ({"lowpass": 80}, "lowpass 80 Hz is not between"),
        ({"notch": 100}, "notch 100 Hz is not between"),
        ({"notch": {"frequency": 50, "q": 0.1}}, "conditioning.0.notch.q"),
        ({"highpass": {"frequency": 1, "order": 9}}, "conditioning.0.highpass.order"),
        (
            {"highpass": {"frequency": 1, "rank": 3}},
            "unknown key 'conditioning.0.highpass.rank'; known here: frequency, order",
        ),
        ({"bandpass": [1, 90]}, "bandpass 90 Hz is not between"),
        ({"bandpass": [40, 1]}, "band-pass 40 to 1 Hz (order 2) is no band"),
        ({"bandpass": [10, 10]}, "band-pass 10 to 10 Hz (order 2) is no band"),
        ({"bandpass": [1]}, "conditioning.0.bandpass: write [low, high]"),
        ({"bandpass": 10}, "conditioning.0.bandpass: write [low, high]"),
        ({"reference": "Cz"}, "write average, or a list of channels"),
        ({"reference": []}, "write average, or a list of channels"),
        ({"reference": ["M1", 3]}, "conditioning.0.reference.1"),
        ({"reference": ["M1", "m1"]}, "M1 occurs more than once"),
        ({"resample": 160}, "conditioning.0.resample: must be true, not 160"),
        ({"zscore": {"mean": [1, 2]}}, "conditioning.0.zscore.std"),
        ({"zscore": {"mean": [1], "std": [1, 1]}}, "zscore.mean has 1 values for 2 channels"),
        ({"zscore": {"mean": [1, 2], "std": [1, 1, 1]}}, "zscore.std has 3 values"),
        ({"zscore": {"mean": [1, 2], "std": [1, 0]}}, "0 divides by nothing"),
        ({"zscore": {"mean": [1, 2], "std": [1, -1]}}, "-1 divides by nothing"),
        ({"zscore": {"mean": [1, float("inf")], "std": [1, 1]}}, "conditioning.0.zscore.mean.1"),
    ],
)
def test_a_bad_step_is_one_line_with_key_and_mend(step: object, part: str) -> None:
    refused([step], part)


@pytest.mark.parametrize(
    ("steps", "part"),
    [
        ([{"notch": 50}, {"resample": True}], "resample comes first"),
        ([{"zscore": {"mean": [0, 0], "std": [1, 1]}}, {"notch": 50}], "zscore comes last"),
        ([{"reference": "average"}, {"reference": ["Cz"]}], "reference occurs more than once"),
        ({"highpass": 1}, "conditioning"),
        ([{"notch": 50}] * 33, "at most 32"),
    ],
)
def test_steps_that_do_not_go_together_are_refused(steps: object, part: str) -> None:
    refused(steps, part)


def refused(steps: object, part: str) -> None:
    with pytest.raises(UsageError) as caught:
        contract(steps)
    message = str(caught.value)
    assert message.startswith("contract.yaml: ")
    assert part in message
    assert message.isprintable()
