"""YAML 1.2: what a plain word of a setting stands for."""

import math
from typing import Any

import pytest
import yaml

from domainxfer.plain_yaml import read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, word) for word in ("no", "yes", "on", "off", "y", "1:30", "2026-12-01", "1e", "e3")),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        ("7", 7), ("-7", -7), ("1_000", 1000), ("0x1f", 31), ("0o17", 15),
        ("1e-3", 1e-3), ("2E4", 2e4), (".5", 0.5), ("-1.", -1.0), ("1.5e+2", 150.0), ("-.inf", -math.inf),
        ("'1'", "1"), ("[1, no]", [1, "no"]), ("{0: .5, on: 1e0}", {0: 0.5, "on": 1.0}),
    ],
)  # fmt: skip
def test_words_are_words_and_numbers_are_numbers(text: str, value: Any) -> None:
    found = read_yaml(text)
    assert found == value
    assert type(found) is type(value)


def test_a_leading_nought_makes_no_octal_number() -> None:
    assert read_yaml("010") == 10


def test_not_a_number_is_one() -> None:
    assert math.isnan(read_yaml(".nan"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("!!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("[1", "expected ',' or ']'"),
        ("!!int two", "invalid literal"),
        ("!!bool two", "not what it says"),
        ("!!timestamp two", "not what it says"),
        ("9" * 5000, "digits"),
        ("[" * 5000 + "]" * 5000, "brackets"),
        ("a: {b: 1}\na: {c: 2}", "a is there twice"),
        ("a: {b: 1, b: 1}", "b is there twice"),
    ],
)
def test_only_plain_values_are_made_and_nothing_twice(text: str, message: str) -> None:
    with pytest.raises(yaml.YAMLError, match=message):
        read_yaml(text)
