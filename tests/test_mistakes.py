"""How values of a file are named; `test_validation` has what every key says of every kind."""

from __future__ import annotations

import datetime
import math

import pytest

from daemon.mistakes import mistake, written


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "null"),
        (True, "true"),
        (0.1, "0.1"),
        (10**400, "so large a number"),
        (-math.inf, "a number that is not finite"),
        ("", "an empty text"),
        ("a\x1b[2J", "the text 'a\ufffd[2J'"),
        (datetime.date(2020, 1, 2), "the date 2020-01-02"),
        ([], "a list"),
        ({}, "a mapping"),
    ],
)
def test_a_value_is_named_as_it_stands_in_the_file(value: object, said: str) -> None:
    assert written(value) == said


@pytest.mark.parametrize(
    ("code", "value", "mends"),
    [
        ("int_type", "160", True),
        ("int_type", "1.5", False),
        ("float_type", "1.5", True),
        ("float_type", "nan", False),
        ("float_type", "9" * 5000, False),
        ("bool_type", "True", True),
        ("bool_type", "1", False),
    ],
)
def test_quotes_are_named_where_they_are_all_that_is_wrong(
    code: str, value: str, mends: bool
) -> None:
    assert mistake(code, {}, value).endswith(": write it without quotes") == mends


def test_an_error_that_nobody_thought_of_is_plain_too() -> None:
    assert mistake("is_hashable", {}, [1]) == "cannot be a list"
