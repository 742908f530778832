from dataclasses import replace

import pytest

from daemon.contract import Contract
from daemon.errors import ContractError
from daemon.pick import pick_for
from daemon.records import StreamDescription

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


def refusal(stream: StreamDescription, **extra: object) -> str:
    with pytest.raises(ContractError) as caught:
        pick_for(CONTRACT, stream, **extra)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    assert "'Amp'" in message
    return message


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


def test_an_irregular_stream_is_refused() -> None:
    assert "irregular" in refusal(replace(STREAM, sample_rate=0.0))


def test_a_label_twice_is_ambiguous() -> None:
    message = refusal(replace(STREAM, labels=("Cz", "O2", "cz", "Fp1")))
    assert "more than one channel is labelled Cz" in message
    assert "name all 4 channels" in message
    assert "under stream.channels" in message


def test_the_config_tells_channels_of_the_same_label_apart() -> None:
    double = replace(STREAM, labels=("Cz", "O2", "Cz", "Fp1"))
    pick = pick_for(CONTRACT, double, channels=("EXG1", "O2", "Cz", "Fp1"))
    assert pick.indices == (3, 2, 1)
    assert "same label several times" in pick.assumptions[0]
    # Labels that are announced once still have to agree.
    assert "stream.channels says" in refusal(double, channels=("EXG1", "O1", "Cz", "Fp1"))


def test_an_unknown_unit_names_its_channels() -> None:
    assert "unit 'counts' of O2" in refusal(replace(STREAM, units=("V", "counts", "mV", "uV")))
    # A channel that the model does not take may be in anything.
    pick_for(CONTRACT, replace(STREAM, units=("counts", "V", "mV", "uV")))


def test_a_stream_without_units_is_taken_in_the_contracts_and_that_is_said() -> None:
    silent = replace(STREAM, units=("", "", "", ""))
    pick = pick_for(CONTRACT, silent)
    assert pick.scales == (1.0, 1.0, 1.0)
    assert "announce no unit; taken as microvolts" in pick.assumptions[0]
    assert pick_for(CONTRACT, silent, unit="volts").scales == (1e6, 1e6, 1e6)


def test_a_unit_in_the_config_is_for_channels_that_announce_none() -> None:
    assert "announces the unit 'mV' of O2, stream.unit, which is for" in refusal(
        replace(STREAM, units=("V", "mV", "uV", "uV")), unit="microvolts"
    )
    mixed = replace(STREAM, units=("V", "mV", "", ""))
    assert sorted(pick_for(CONTRACT, mixed, unit="microvolts").scales) == [1.0, 1.0, 1000.0]


def test_a_stream_without_labels_needs_the_config_to_name_them() -> None:
    silent = replace(STREAM, labels=("", "", "", ""))
    assert "stream.channels" in refusal(silent)
    pick = pick_for(CONTRACT, silent, channels=("O2", "x", "Fp1", "Cz"))
    assert pick.indices == (2, 3, 0)
    assert "no labels" in pick.assumptions[0]
    assert "names 2" in refusal(silent, channels=("O2", "Fp1"))


def test_labels_in_the_config_must_not_contradict_the_streams() -> None:
    assert "stream.channels says" in refusal(STREAM, channels=("Fp1", "Cz", "O2", "EXG1"))
    pick_for(CONTRACT, STREAM, channels=("exg1", "o2", "Cz", "fp1"))
