import pytest

from daemon.units import known_unit


@pytest.mark.parametrize("text", ["uV", "\u00b5V", "\u03bcV", "microvolts", "Microvolts ", "UV"])
def test_microvolts_has_many_spellings(text: str) -> None:
    assert known_unit(text) == "microvolts"


@pytest.mark.parametrize("text", ["", "g", "dps", "counts"])
def test_other_units_are_not_guessed(text: str) -> None:
    assert known_unit(text) is None
