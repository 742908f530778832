"""What is wrong with a value of a YAML file, in plain words: what belongs there, and what is there.

In the place of pydantic's words, which are a programmer's.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from daemon.text import clean

_LARGEST = 10**15  # of the whole numbers that are written out
_LENGTH = 60

_EXPONENT = re.compile(r"([+-]?\d+)(\.\d*)?[eE]([+-])?(\d+)")

_EXPECTED: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "bool_type": lambda said: "be true or false",
    "dict_type": lambda said: "be a mapping of keys to values",
    "finite_number": lambda said: "be a finite number",
    "float_type": lambda said: "be a number",
    "greater_than": lambda said: f"be more than {said['gt']:.15g}",
    "greater_than_equal": lambda said: f"be {said['ge']:.15g} or more",
    "int_from_float": lambda said: "be a whole number",
    "int_type": lambda said: "be a whole number",
    "less_than": lambda said: f"be less than {said['lt']:.15g}",
    "less_than_equal": lambda said: f"be {said['le']:.15g} or less",
    "literal_error": lambda said: f"be {_choices(said['expected'])}",
    "model_type": lambda said: "be a mapping of keys to values",
    "path_type": lambda said: "be a path",
    "string_too_short": lambda said: f"have {_count(said['min_length'], 'character')} or more",
    "string_type": lambda said: "be text",
    "too_long": lambda said: f"have at most {_count(said['max_length'], _item(said))}",
    "too_short": lambda said: f"have at least {_count(said['min_length'], _item(said))}",
    "tuple_type": lambda said: "be a list",
}


def mistake(code: str, context: Mapping[str, Any], value: object) -> str:
    """Say what ``value`` must be, and what it is.

    Parameters
    ----------
    code : str
        pydantic's type of the error.
    context : mapping
        What pydantic says with it: limits and choices.
    value : object
        As the file has it.
    """
    if code == "missing":
        return "is missing"
    if code not in _EXPECTED:
        return f"cannot be {written(value)}"
    expected = _EXPECTED[code](context)
    if code in ("too_long", "too_short"):
        return f"must {expected}, not {context['actual_length']}"
    return f"must {expected}, not {written(value)}{_mend(code, value)}"


def written(value: object) -> str:
    """Name ``value`` as a person finds it in the file."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"the text {clean(value, _LENGTH)!r}" if value else "an empty text"
    if isinstance(value, int) and abs(value) >= _LARGEST:
        return "so large a number"
    if isinstance(value, float) and not math.isfinite(value):
        return "a number that is not finite"
    if isinstance(value, int | float):
        return f"{value:.15g}"
    if isinstance(value, datetime.date):
        return f"the date {value}"
    return "a mapping" if isinstance(value, Mapping) else "a list"


def _mend(code: str, value: object) -> str:
    """How to write what was probably meant."""
    if code == "string_type" and isinstance(value, bool | int | float | datetime.date):
        return ": write it in quotes"
    if code == "float_type" and isinstance(value, str) and _EXPONENT.fullmatch(value):
        return f": in YAML it is written {_EXPONENT.sub(_spelled_out, value)}"
    if code in ("bool_type", "float_type", "int_type") and isinstance(value, str) and value:
        return ": write it without quotes" if _is_plain(code, value) else ""
    return ""


def _spelled_out(number: re.Match[str]) -> str:
    """``1e-8`` as YAML reads a number: with a point, and a sign before the exponent."""
    digits, point, sign, exponent = number.groups()
    return f"{digits}{point or '.0'}e{sign or '+'}{exponent}"


def _is_plain(code: str, text: str) -> bool:
    if code == "bool_type":
        return text.casefold() in ("true", "false")
    try:
        return math.isfinite(int(text) if code == "int_type" else float(text))
    except (ValueError, OverflowError):
        return False


def _choices(expected: str) -> str:
    return expected.replace("'", "").replace("True", "true").replace("False", "false")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + "s" * (number != 1)


def _item(context: Mapping[str, Any]) -> str:
    return "key" if context["field_type"] == "Dictionary" else "item"
