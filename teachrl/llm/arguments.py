"""Checks of a client's arguments, before anything is asked."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from teachrl.errors import InvalidHyperparameter

MODES = ("live", "cache", "record", "replay", "off")
JSON_MODES = ("schema", "object", "none")
OURS = ("model", "messages", "response_format", "stream", "n", "temperature", "seed")
LENGTHS = ("max_tokens", "max_completion_tokens")

_AT_LEAST = {"max_answer_tokens": 1, "retries": 0, "concurrency": 1, "max_calls": 0, "max_tokens": 0, "max_cost": 0}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def is_variable(name: str) -> bool:
    """Tells whether a text can be the name of an environment variable, rather than a key put there by mistake."""
    return bool(_NAME.fullmatch(name)) and len(name) <= 60


def check_arguments(given: Mapping[str, Any]) -> None:
    """Checks the arguments of an `LLM`.

    Raises:
        InvalidHyperparameter: With what was expected, what came, and what to do.
    """
    for name, choices in (("mode", MODES), ("json_mode", JSON_MODES)):
        if given[name] not in choices:
            raise InvalidHyperparameter(f"{name} must be one of {', '.join(choices)}, got {given[name]!r}.")
    for name, least in _AT_LEAST.items():
        if given[name] is not None and not given[name] >= least:
            raise InvalidHyperparameter(f"{name} must be at least {least}, got {given[name]!r}.")
    for name in ("timeout", "deadline"):
        if not 0 < given[name] < math.inf:
            raise InvalidHyperparameter(f"{name} must be a positive number of seconds, got {given[name]!r}.")
    if not is_variable(given["key_env"]):
        raise InvalidHyperparameter(
            "key_env must be the name of an environment variable, e.g. 'OPENAI_API_KEY', and not the key itself."
        )
    _check_prices(given["prices"], given["max_cost"])
    if taken := sorted(set(given["extra"]) & {*OURS, *LENGTHS}):
        raise InvalidHyperparameter(f"extra must not have {taken}, which have arguments of their own.")


def _check_prices(prices: Mapping[str, float], max_cost: float | None) -> None:
    wrong = set(prices) - {"input", "output"} or [p for p in prices.values() if not 0 <= p < math.inf]
    if wrong or (max_cost is not None and not {"input", "output"} <= set(prices)):
        raise InvalidHyperparameter(
            "prices must be {'input': ..., 'output': ...} in US dollars for a million tokens, both for max_cost to be "
            f"kept, got {dict(prices)!r}."
        )
