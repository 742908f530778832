from dataclasses import replace
from typing import Any

import pytest

from daemon.config import StreamConfig
from daemon.contract import Contract
from daemon.errors import ContractError
from daemon.pick import Pick, pick_for
from daemon.reasons import Code
from daemon.records import StreamDescription
from daemon.steps import Step

CONTRACT = Contract(
    sample_rate=160.0, window=10, channels=("Fp1", "Cz", "O2"), classes=("rest", "move")
)
STREAM = StreamDescription(
    name="Amp",
    type="EEG",
    source_id="amp-1",
    hostname="lab",
    sample_rate=160.0,
    channel_format="float32",
    labels=("EXG1", "O2..", "cz", " FP1. "),
    units=("volts", "V", "mV", "microvolts"),
)


def refused(stream: StreamDescription, **told: Any) -> ContractError:
    """The error for ``stream``, of which a config has ``told`` more."""
    with pytest.raises(ContractError) as caught:
        pick_for(CONTRACT, stream, StreamConfig(**told))
    error = caught.value
    assert error.reason.code is Code.CONTRACT
    assert str(error) == error.reason.text
    assert str(error).endswith("contract: " + "; ".join(error.differences))
    return error


def refusal(stream: StreamDescription, **told: Any) -> str:
    """What is said of ``stream``, of which a config has ``told`` more."""
    message = str(refused(stream, **told))
    assert "\n" not in message
    assert "'Amp'" in message
    return message


def picked(stream: StreamDescription, **told: Any) -> Pick:
    return pick_for(CONTRACT, stream, StreamConfig(**told))


def test_channels_are_picked_by_label_and_units_scaled() -> None:
    pick = pick_for(CONTRACT, STREAM)
    assert pick.indices == (3, 2, 1)
    assert pick.scales == (1.0, 1e3, 1e6)
    assert pick.assumptions == ()


def test_the_contracts_unit_is_what_comes_out() -> None:
    volts = CONTRACT.model_copy(update={"unit": "volts"})
    assert pick_for(volts, STREAM).scales == (1e-6, 1e-3, 1.0)


def test_every_difference_is_named_at_once() -> None:
    message = refusal(
        replace(STREAM, sample_rate=250.0, labels=("A", "O2", "Cz", "B"), channel_format="string")
    )
    for part in ("strings", "250 Hz", "160 Hz", "missing channel Fp1", "A, O2, Cz, B"):
        assert part in message


@pytest.mark.parametrize(
    ("change", "told", "channels"),
    [
        ({"sample_rate": 250.0}, {}, ()),
        ({"labels": ("A", "O2", "B", "C")}, {}, ("Fp1", "Cz")),
        ({"labels": ("Cz", "O2", "cz", "Fp1")}, {}, ("Cz",)),
        ({"labels": ("Cz", "A", "cz", "Fp1"), "sample_rate": 250.0}, {}, ("Cz", "O2")),
        ({"units": ("V", "counts", "mV", "counts")}, {}, ("Fp1", "O2")),
        ({"units": ("V", "mV", "uV", "uV")}, {"unit": "microvolts"}, ("O2",)),
        ({}, {"rename": {"A9": "Fz"}}, ("A9",)),
        ({}, {"channels": ("EXG1", "Oz", "Cz", "Fp1")}, ("Oz",)),
        ({}, {"channels": ("O2", "Fp1")}, ()),
    ],
)
def test_channels_that_differ_are_named_as_data(
    change: dict[str, Any], told: dict[str, Any], channels: tuple[str, ...]
) -> None:
    assert refused(replace(STREAM, **change), **told).reason.channels == channels


def test_an_irregular_stream_is_refused_with_the_key_that_mends_it() -> None:
    said = refusal(replace(STREAM, sample_rate=0.0))
    assert "irregular" in said
    assert "stream.sample_rate" in said


@pytest.mark.parametrize(("announced", "instead"), [(0.0, "no regular rate"), (250.0, "250 Hz")])
def test_a_rate_in_the_config_stands_for_the_announced_one(announced: float, instead: str) -> None:
    pick = picked(replace(STREAM, sample_rate=announced), sample_rate=160.0)
    assert (pick.sample_rate, pick.up, pick.down) == (160.0, 1, 1)
    assert pick.assumptions == (
        f"the stream announces {instead}; taken as 160 Hz (stream.sample_rate)",
    )
    resampled = CONTRACT.model_copy(update={"conditioning": (Step(resample=True),)})
    stream = replace(STREAM, sample_rate=announced)
    pick = pick_for(resampled, stream, StreamConfig(sample_rate=320.0))
    assert (pick.sample_rate, pick.up, pick.down) == (320.0, 1, 2)
    assert "stream.sample_rate is 250 Hz, the model needs 160 Hz" in refusal(
        replace(STREAM, sample_rate=0.0), sample_rate=250.0
    )
    assert "taken as" not in refusal(STREAM, sample_rate=160.0, unit="volts")


def test_a_label_twice_is_ambiguous_and_is_told_with_its_places() -> None:
    twice = replace(STREAM, labels=("Cz", "O2", "cz", "Fp1"))
    said = refusal(twice)
    assert "more than one channel is labelled Cz: number 1 (Cz) and 3 (cz) of 4" in said
    assert "under stream.channels" in said
    pick = picked(twice, channels=("Cz old", "O2", "Cz", "Fp1"))
    assert pick.indices == (3, 2, 1)
    assert "Cz old are taken from the config" in pick.assumptions[0]
    # What the stream says clearly stands.
    assert "stream.channels says" in refusal(twice, channels=("Cz old", "O1", "Cz", "Fp1"))
    assert "number 1 (Cz) and 3 (cz)" in refusal(twice, channels=("Cz", "O2", "Cz", "Fp1"))


def test_labels_are_renamed_to_the_models() -> None:
    stream = replace(STREAM, labels=("A1", "EEG O2-Ref", "cz", "A2"))
    rename = {"a1": "Fp1", "EEG O2-Ref": "o2"}
    pick = picked(stream, rename=rename)
    assert (pick.labels, pick.indices, pick.assumptions) == (("Fp1", "Cz", "O2"), (0, 2, 1), ())
    # Two may change places.
    swapped = picked(STREAM, rename={"Fp1": "Cz", "Cz": "Fp1"})
    assert swapped.indices == (2, 3, 1)
    said = refusal(stream, rename={**rename, "A9": "Fz", "B1": "Pz"})
    assert "stream.rename has A9, B1, which none of its channels is labelled" in said
    assert "(it has A1, EEG O2-Ref, cz, A2)" in said
    # Nor is what follows from it told as another fault.
    assert "missing channel" not in refusal(stream, rename={"A9": "Fp1"})
    said = refusal(STREAM, rename={"EXG1": "Cz"})
    assert "gives another channel the name of Cz: number 1 (EXG1) and 3 (cz); rename both" in said
    silent = replace(STREAM, labels=("",) * 4)
    named = picked(silent, channels=("1", "2", "3", "Fp1"), rename={"2": "Cz", "3": "O2"})
    assert named.indices == (3, 1, 2)


def test_an_unknown_unit_names_its_channels_and_the_key() -> None:
    counts = replace(STREAM, units=("V", "uV/count", "mV", "uV"))
    said = refusal(counts)
    assert "unit 'uV/count' of O2 is none of" in said
    assert "stream.unit" in said
    # A channel that the model does not take may be in anything.
    picked(replace(STREAM, units=("counts", "V", "mV", "uV")))
    pick = picked(counts, unit="nanovolts")
    assert pick.scales == (1.0, 1e3, 1e-3)
    assert pick.assumptions == (
        "the unit 'uV/count' of O2 is not known; taken as nanovolts (stream.unit)",
    )


@pytest.mark.parametrize("said", ["", "none", "n/a", "?", "unknown"])
def test_a_stream_without_units_is_taken_in_the_contracts_and_that_is_said(said: str) -> None:
    silent = replace(STREAM, units=(said,) * 4)
    pick = picked(silent)
    assert pick.scales == (1.0, 1.0, 1.0)
    assert pick.assumptions == (
        "3 of 3 channels announce no unit; taken as microvolts "
        "(the contract's; set stream.unit to confirm it)",
    )
    assert picked(silent, unit="volts").scales == (1e6, 1e6, 1e6)


def test_a_unit_in_the_config_is_for_channels_that_announce_none() -> None:
    assert "announces the unit 'mV' of O2, stream.unit, which is for" in refusal(
        replace(STREAM, units=("V", "mV", "uV", "uV")), unit="microvolts"
    )
    mixed = replace(STREAM, units=("V", "mV", "", ""))
    assert sorted(picked(mixed, unit="microvolts").scales) == [1.0, 1.0, 1000.0]


def test_powers_of_ten_are_units() -> None:
    powers = replace(STREAM, units=("0", "0", "-6", "-3"))
    assert picked(powers).scales == (1e3, 1.0, 1e6)


def test_a_stream_without_labels_needs_the_config_to_name_them() -> None:
    silent = replace(STREAM, labels=("", "", "", ""))
    assert "stream.channels" in refusal(silent)
    pick = picked(silent, channels=("O2", "x", "Fp1", "Cz"))
    assert pick.indices == (2, 3, 0)
    assert "no labels" in pick.assumptions[0]
    assert "names 2" in refusal(silent, channels=("O2", "Fp1"))


def test_labels_in_the_config_must_not_contradict_the_streams() -> None:
    assert "stream.channels says" in refusal(STREAM, channels=("Fp1", "Cz", "O2", "EXG1"))
    assert picked(STREAM, channels=("exg1", "o2", "Cz", "fp1")).assumptions == ()
