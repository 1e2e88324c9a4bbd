"""Checks of hyperparameters, each with an error that names the argument, what it must be and what came."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

from teachrl.errors import InvalidHyperparameter


def check(owner: object, name: str, right: bool, expected: str) -> None:
    """Raises InvalidHyperparameter unless the attribute `name` of `owner` is `right`."""
    if not right:
        raise InvalidHyperparameter(f"{type(owner).__name__}.{name} must be {expected}, got {getattr(owner, name)!r}.")


def check_count(owner: object, name: str, least: int, optional: bool = False) -> None:
    """Checks that an attribute is an integer of at least `least`, or None where it is optional."""
    value = getattr(owner, name)
    right = not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= least
    expected = f"an integer of at least {least}"
    check(owner, name, right or (optional and value is None), f"None or {expected}" if optional else expected)


def check_number(
    owner: object, name: str, least: float, most: float = float("inf"), open_ends: bool = False, optional: bool = False
) -> None:
    """Checks that an attribute is a number in a range, without its ends if they are open, or None if it is optional."""
    value = getattr(owner, name)
    if optional and value is None:
        return
    right = not isinstance(value, bool) and isinstance(value, Real) and least <= float(value) <= most
    expected = f"{'None or ' if optional else ''}a number {within(least, most, open_ends)}"
    check(owner, name, right and not (open_ends and float(value) in (least, most)), expected)


def within(least: float, most: float = float("inf"), open_ends: bool = False) -> str:
    """Returns a range in words, without its ends if they are open."""
    low, high = ("above", "below") if open_ends else ("of at least", "at most")
    return f"{low} {least:g}" + (f" and {high} {most:g}" if most < float("inf") else "")


def check_flag(owner: object, name: str) -> None:
    """Checks that an attribute is true or false."""
    check(owner, name, isinstance(getattr(owner, name), bool), "true or false")


def check_share(owner: object, name: str) -> None:
    """Checks that an attribute is a number from 0 to 1."""
    value = getattr(owner, name)
    right = not isinstance(value, bool) and isinstance(value, Real) and 0 <= float(value) <= 1
    check(owner, name, right, "a share from 0 to 1")


def is_range(value: Any) -> bool:
    """Tells whether a value is a pair of finite numbers (low, high) with low < high."""
    pair = isinstance(value, Sequence) and len(value) == 2 and all(isinstance(v, Real) for v in value)
    return pair and bool(all(map(math.isfinite, value))) and bool(value[0] < value[1])
