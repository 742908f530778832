"""What texts stand for a unit, which say nothing, and which are neither."""

from __future__ import annotations

import pytest
from shared import CASES, needs_cases

from daemon.units import MICROVOLTS, Unit, known_unit, says_nothing, unit_of

MICRO = [
    *("uV", "UV", "uv", "\u00b5V", "\u03bcV", "microvolts", "Microvolts ", "MicroVolt", "microV"),
    *("uVolts", "uVolt", "uVrms", "muV", "mcV", "MkV", "u V", "micro volts", "[uV]", "(\u00b5V)"),
    *("\u043c\u043a\u0412", "mikrovolt", "uV\0\0\0", "uV\ufffd\ufffd", "\u00a0\u00b5V\n"),
    *("-6", "-6.0", "1e-6", "1E-06", "0.000001"),
]
# The bytes of a micro sign or of мкВ, read as Latin-1, and as UTF-8 that they are not.
GARBLED = [
    *("\u00c2\u00b5V", "\u00e6V", "\u00ce\u00bcV", "\x83\u00caV", "\ufffdV", "\ufffdVolt"),
    "\u00ec\u00ea\u00c2",
]
OTHERS: dict[str, Unit] = {
    **dict.fromkeys(("V", "v", "Volt", "volts", "0", "\u0412", "Vrms"), "volts"),
    **dict.fromkeys(("mV", "MV", "millivolts", "m V", "-3", "1e-3", "\u043c\u0412"), "millivolts"),
    **dict.fromkeys(("nV", "nanovolts", "nVolts", "-9", "1e-9", "\u043d\u0412"), "nanovolts"),
}
SILENT = [
    *("", " ", "\0\0", "none", "None", "n/a", "N/A", "na", "n.a.", "?", "??", "unknown", "-", "--"),
    *("null", "undefined", "(none)", "not specified", "_", "NaN"),
]
FOREIGN = [
    *("uV/count", "DegC", "g", "dps", "counts", "kV", "a.u.", "%", "1", "-12", "6", "uA", "uV^2"),
    *("inf", "1e999", "V/m", "\u00ecV", "u", "m", "volts per bit", "uVpp"),
]


@pytest.mark.parametrize("text", MICRO + GARBLED)
def test_microvolts_have_many_spellings(text: str) -> None:
    assert known_unit(text) == "microvolts"


@pytest.mark.parametrize("text", OTHERS)
def test_so_have_the_other_units(text: str) -> None:
    assert known_unit(text) == OTHERS[text]


@pytest.mark.parametrize("text", SILENT)
def test_some_texts_say_nothing(text: str) -> None:
    assert known_unit(text) is None
    assert says_nothing(text)


@pytest.mark.parametrize("text", FOREIGN)
def test_what_is_another_unit_is_neither_guessed_nor_taken_for_silence(text: str) -> None:
    assert known_unit(text) is None
    assert not says_nothing(text)


def test_no_known_unit_says_nothing() -> None:
    assert not any(map(says_nothing, [*MICRO, *GARBLED, *OTHERS]))


def test_the_channels_own_word_comes_first_then_the_configs_then_the_models() -> None:
    assert unit_of("mV", "volts", "microvolts") == "millivolts"
    assert unit_of("n/a", "volts", "microvolts") == "volts"
    assert unit_of("counts", "volts", "microvolts") == "volts"
    assert unit_of("n/a", None, "microvolts") == "microvolts"
    assert unit_of("counts", None, "microvolts") is None


def test_each_unit_is_a_thousandth_of_the_one_before() -> None:
    assert list(MICROVOLTS.values()) == [1e6, 1e3, 1.0, 1e-3]


@needs_cases
@pytest.mark.parametrize("path", sorted((CASES / "edf").glob("unit_*.edf")), ids=lambda p: p.stem)
def test_the_dimensions_of_edf_headers(path) -> None:
    """As the standard has them, in Latin-1."""
    header = path.read_bytes()[:8192]
    signals = int(header[252:256])
    first = 256 + signals * (16 + 80)
    text = header[first : first + 8].decode("latin-1")
    right: dict[str, Unit | None] = {
        **dict.fromkeys(("V", "volt"), "volts"), "mV": "millivolts", "nV": "nanovolts", "none": None
    }  # fmt: skip
    kind = path.stem.removeprefix("unit_")
    assert known_unit(text) == right.get(kind, "microvolts")
    assert says_nothing(text) == (kind == "none")


@needs_cases
@pytest.mark.parametrize("path", sorted((CASES / "xdf").glob("u_*.xdf")), ids=lambda p: p.stem)
def test_the_units_of_xdf_headers(path) -> None:
    text = path.read_bytes().partition(b"<unit>")[2].partition(b"</unit>")[0].decode()
    kind = path.stem.removeprefix("u_")
    foreign, silent = kind == "uvp", kind in ("NA", "none", "unknown")
    volts: dict[str, Unit] = {"V": "volts", "zero": "volts"}
    expected = None if foreign or silent else volts.get(kind, "microvolts")
    assert (known_unit(text), says_nothing(text)) == (expected, silent)
