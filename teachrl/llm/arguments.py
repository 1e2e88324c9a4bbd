"""Checks of a client's arguments, before anything is asked."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from teachrl._checks import check, check_count, check_flag, check_number
from teachrl.configurable import Configurable
from teachrl.errors import InvalidHyperparameter

MODES = ("live", "cache", "record", "replay", "off")
JSON_MODES = ("schema", "object", "none")
OURS = ("model", "messages", "response_format", "stream", "n", "temperature", "seed")
LENGTHS = ("max_tokens", "max_completion_tokens")

_COUNTS = {"max_answer_tokens": 1, "retries": 0, "concurrency": 1}
_LIMITS = {"max_calls": 0, "max_tokens": 0, "seed": -1}
_TEXTS = ("model", "base_url", "cache")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def is_variable(name: str) -> bool:
    """Tells whether a text can be the name of an environment variable, rather than a key put there by mistake."""
    return bool(_NAME.fullmatch(name)) and len(name) <= 60


def check_arguments(llm: Configurable) -> None:
    """Checks the arguments of an `LLM`.

    Raises:
        InvalidHyperparameter: With what was expected, what came, and what to do.
    """
    given = vars(llm)
    for name, choices in (("mode", MODES), ("json_mode", JSON_MODES)):
        check(llm, name, given[name] in choices, f"one of {', '.join(choices)}")
    for name in _TEXTS:
        if not isinstance(given[name], str):  # what came may be a secret
            raise InvalidHyperparameter(f"LLM.{name} must be a text, got {type(given[name]).__name__}.")
    for name, least in _COUNTS.items():
        check_count(llm, name, least)
    for name, least in _LIMITS.items():
        check_count(llm, name, least, optional=True)
    for name in ("max_cost", "temperature"):
        check_number(llm, name, 0, optional=True)
    for name in ("timeout", "deadline"):
        check_number(llm, name, 0, math.inf, open_ends=True)
    check_flag(llm, "allow_http")
    for name in ("prices", "extra"):
        check(llm, name, isinstance(given[name], Mapping), "a mapping")
    if not (isinstance(given["key_env"], str) and is_variable(given["key_env"])):
        raise InvalidHyperparameter(
            "key_env must be the name of an environment variable, e.g. 'OPENAI_API_KEY', and not the key itself."
        )
    _check_prices(given["prices"], given["max_cost"])
    if taken := sorted(set(given["extra"]) & {*OURS, *LENGTHS}):
        raise InvalidHyperparameter(f"extra must not have {taken}, which have arguments of their own.")


def _check_prices(prices: Mapping[str, float], max_cost: float | None) -> None:
    wrong = set(prices) - {"input", "output"} or [p for p in prices.values() if not _is_price(p)]
    if wrong or (max_cost is not None and not {"input", "output"} <= set(prices)):
        raise InvalidHyperparameter(
            "prices must be {'input': ..., 'output': ...} in US dollars for a million tokens, both for max_cost to be "
            f"kept, got {dict(prices)!r}."
        )


def _is_price(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < math.inf
