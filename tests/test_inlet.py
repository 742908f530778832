"""What strangers may announce. Subscribing to streams is tested live."""

from types import SimpleNamespace
from typing import Any

import pylsl
import pytest
from pylsl.lib import lib

from daemon import inlet
from daemon.config import StreamConfig
from daemon.contract import Contract
from daemon.discovery import MAX_CHANNELS, MAX_RATE, describe, matches
from daemon.errors import ContractError
from daemon.inlet import Inlet
from daemon.pick import pick_for
from daemon.reasons import Code


def announced(
    name: str = "Amp", channels: int = 2, rate: float = 100.0, source_id: str = "amp-1"
) -> Any:
    return pylsl.StreamInfo(name, "EEG", channels, rate, "float32", source_id)


def labelled(*labels: str, unit: str = "microvolts") -> Any:
    info = announced(channels=len(labels))
    listed = info.desc().append_child("channels")
    for label in labels:
        channel = listed.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", unit)
    return info


def test_everything_that_a_stream_says_is_cleaned_once() -> None:
    info = labelled("Fp1\r\nok", "C\u202ez", unit=" micro\x07volts\n")
    stream = describe(info)
    assert stream.labels == ("Fp1 ok", "C�z")
    assert stream.units == ("micro�volts",) * 2
    stream = describe(announced(name="A\n\x1b[2Jmp", source_id="x" * 5000))
    assert stream.name == "A �[2Jmp"
    assert len(stream.source_id) == 128


def test_a_cleaned_label_is_still_no_channel_of_the_model() -> None:
    contract = Contract.model_validate(
        {"sample_rate": 100, "window": 10, "channels": ["Cz"], "classes": ["a", "b"]}
    )
    with pytest.raises(ContractError, match="missing channel Cz"):
        pick_for(contract, describe(labelled("C\u200bz")))


@pytest.mark.parametrize(
    ("info", "said"),
    [
        (announced(channels=MAX_CHANNELS + 1), "has 1025 channels, more than 1024"),
        (announced(rate=2 * MAX_RATE), "has a rate of 2e+06 Hz"),
        (labelled(*["x" * 5000] * 1000), "more than 4 MiB of metadata"),
    ],
)
def test_more_than_any_amplifier_has_is_refused(
    info: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ContractError, match=said.replace("+", r"\+")) as refused:
        describe(info)
    assert refused.value.reason.code is Code.ABSURD_STREAM
    # Before pylsl and liblsl reserve memory for it.
    monkeypatch.setattr(inlet.pylsl, "StreamInlet", lambda *_, **__: pytest.fail("subscribed"))
    with pytest.raises(ContractError):
        Inlet(info)


@pytest.mark.parametrize("key", ["name", "type", "source_id", "hostname"])
def test_each_property_given_pins_the_stream(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the stream has it, not as it is shown."""
    right = {"name": "Amp\n", "type": "EEG", "source_id": "serial-1", "hostname": "lab"}

    def info(**changed: str) -> Any:
        said = {**right, **changed}
        return SimpleNamespace(**{k: lambda value=value: value for k, value in said.items()})

    amplifier = info()
    values = ["", "other", right[key] + " ", right[key].swapcase()]
    if key == "type":  # a type in any case is the same
        right["type"] = values.pop()
    strangers = [info(**{key: value}) for value in values]
    monkeypatch.setattr(inlet.pylsl, "resolve_streams", lambda wait_time: [*strangers, amplifier])
    assert inlet.find_streams(StreamConfig(**right)) == [amplifier]


def test_a_described_stream_matches_as_the_search_has_it() -> None:
    assert matches(describe(announced()), StreamConfig(type="eeg", name="Amp"))
    assert not matches(describe(announced()), StreamConfig(type="eeg", name="amp"))


def test_bytes_that_are_no_utf_8_are_read_as_latin_1() -> None:
    """As programs on Windows write names and the micro sign."""
    info = labelled("Fp1", "Cz", unit="")
    channel = info.desc().child("channels").child("channel")
    for label in (b"M\xfcller", b"Cz"):
        lib.lsl_set_child_value(channel.e, b"label", label)
        lib.lsl_set_child_value(channel.e, b"unit", b"\xb5V")
        channel = channel.next_sibling("channel")
    stream = describe(info)
    assert stream.labels == ("M\u00fcller", "Cz")
    assert stream.units == ("\u00b5V", "\u00b5V")
