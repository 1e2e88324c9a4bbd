"""Failed requests as values, and what a server's own words about them may say in a message."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from teachrl.llm.errors import LLMError


@dataclass(frozen=True, slots=True)
class Failure:
    """A request without a reply.

    Attributes:
        error: What to raise about it.
        hard: Whether it will be the same the next time.
        passing: Whether the same request may succeed in a moment.
        wait: Seconds that the endpoint asks to wait, 0 for no wish.
        lost: Whether the request may have been answered, and billed, without the answer getting here.
    """

    error: LLMError
    hard: bool = False
    passing: bool = False
    wait: float = 0.0
    lost: bool = False


def describe(data: Any) -> str:
    """Returns what an error's JSON says, cut and as the end of a sentence."""
    error = data.get("error", data) if isinstance(data, Mapping) else None
    said = error.get("message") if isinstance(error, Mapping) else error
    text = " ".join(said.split()) if isinstance(said, str) else ""
    return f": {text[:200].rstrip('.')}." if text else "."


def passing_wait(headers: Mapping[str, str]) -> float:
    """Reads how many seconds a server asks to wait, from `retry-after-ms` or `retry-after`; 0 if it says nothing."""
    for name, factor in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers.get(name, "")) * factor)
        except ValueError:
            continue
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0
