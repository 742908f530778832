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
POWERS = """
- {reference: laplacian}
- {bandpower: {bands: [[8, 13], {low: 13, high: 30, order: 4}], smooth: 0.25, rate: 8}}
- {zscore: {mean: [1, 2, 3, 4], std: [1, 1, 1, 1]}}
"""
PLACED = "[{reference: {laplacian: {positions: {Cz: [0, 0, 1], Pz: [0, -60.5, 80]}}}}]"


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
    assert [str(step) for step in contract(yaml.safe_load(POWERS)).conditioning] == [
        "reference laplacian",
        "log power of 8-13, 13-30 Hz, averaged over 0.25 s, 8 times a second",
        "z-score per channel",
    ]
    assert str(contract([{"decimate": 32}]).conditioning[0]) == "means, 32 times a second"


@pytest.mark.parametrize("steps", [ALL, "[{reference: average}]", "[]", POWERS, PLACED])
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
        ({"reference": "Cz"}, "write average, laplacian, or a list of channels"),
        ({"reference": []}, "write average, laplacian, or a list of channels"),
        ({"reference": {"laplacian": 4}}, "conditioning.0.laplacian: must be a mapping"),
        (
            {"reference": {"laplacian": {"positions": {"Cz": [0, 1]}}}},
            "conditioning.0.laplacian.positions.Cz.2",
        ),
        ({"reference": {"average": {}}}, "write average, laplacian, or a list"),
        ({"bandpower": {"bands": [[8, 13]]}}, "conditioning.0.bandpower.rate"),
        ({"bandpower": {"bands": [], "rate": 4}}, "conditioning.0.bandpower.bands"),
        ({"bandpower": {"bands": [[8]], "rate": 4}}, "bands.0: write [low, high]"),
        ({"bandpower": {"bands": [[8, 90]], "rate": 4}}, "bandpower 90 Hz is not between"),
        ({"bandpower": {"bands": [[13, 8]], "rate": 4}}, "band-pass 13 to 8 Hz (order 2) is no"),
        ({"bandpower": {"bands": [[8, 9], [8, 9]], "rate": 4}}, "a band occurs more than once"),
        (
            {"bandpower": {"bands": [[8, 13]], "rate": 7}},
            "bandpower.rate 7 Hz: sample_rate, 160 Hz, has to be a whole multiple of it",
        ),
        ({"decimate": 320}, "decimate.rate 320 Hz: sample_rate, 160 Hz, has to be a whole"),
        ({"decimate": {"rate": 0.00001}}, "a window would have 5120000000 samples"),
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
        ([{"decimate": 32}, {"notch": 10}], "only zscore may follow decimate"),
        (
            [{"bandpower": {"bands": [[8, 13]], "rate": 4}}, {"reference": "average"}],
            "only zscore may follow bandpower",
        ),
        (
            [
                {"bandpower": {"bands": [[8, 13], [13, 30]], "rate": 4}},
                {"zscore": {"mean": [1, 2], "std": [1, 2]}},
            ],
            "zscore.mean has 2 values for 4 channels × bands",
        ),
        ([{"notch": 50}] * 33, "at most 32"),
    ],
)
def test_steps_that_do_not_go_together_are_refused(steps: object, part: str) -> None:
    refused(steps, part)


def test_a_laplacian_knows_where_every_channel_lies_or_says_which_not() -> None:
    strange = {**CONTENT, "channels": ["Cz", "E1", "E2"]}
    placed = {"laplacian": {"positions": {"e1": [1, 0, 0], "E2 .": [0, 45, 90]}}}
    validated(Contract, {**strange, "conditioning": [{"reference": placed}]}, "contract.yaml")
    for given, missing in (
        ("laplacian", "E1, E2"),
        ({"laplacian": {"positions": {"E2": [0, 1, 0]}}}, "E1"),
        ({"laplacian": {"positions": {"E1": [0, 0, 0], "E2": [0, 1, 0]}}}, "E1"),
    ):
        with pytest.raises(UsageError, match=f"no position of {missing}: give right"):
            validated(Contract, {**strange, "conditioning": [{"reference": given}]}, "c.yaml")
    twice = {
        **CONTENT,
        "channels": ["Cz", "T7", "T3"],
        "conditioning": [{"reference": "laplacian"}],
    }
    with pytest.raises(UsageError, match="has T7 and T3 at the same place"):
        validated(Contract, twice, "contract.yaml")
    alone = {**CONTENT, "channels": ["Cz"], "conditioning": [{"reference": "laplacian"}]}
    with pytest.raises(UsageError, match="two channels or more"):
        validated(Contract, alone, "contract.yaml")


def test_inputs_and_steps_are_those_after_the_last_step() -> None:
    whole = contract(yaml.safe_load(POWERS))
    assert whole.inputs == ("Cz 8-13", "Cz 13-30", "Pz 8-13", "Pz 13-30")
    assert (whole.samples_per_step, whole.step_rate) == (20, 8.0)
    plain = contract([{"highpass": 1}])
    assert (plain.inputs, plain.samples_per_step, plain.step_rate) == (("Cz", "Pz"), 1, 160.0)
    fewer = contract([{"decimate": {"rate": 32}}])
    assert (fewer.inputs, fewer.samples_per_step, fewer.step_rate) == (("Cz", "Pz"), 5, 32.0)


def refused(steps: object, part: str) -> None:
    with pytest.raises(UsageError) as caught:
        contract(steps)
    message = str(caught.value)
    assert message.startswith("contract.yaml: ")
    assert part in message
    assert message.isprintable()
