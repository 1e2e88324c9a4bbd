"""From what a model wrote to data: JSON is found in it and read, and nothing is ever evaluated."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from teachrl.llm.errors import InvalidAnswer
from teachrl.llm.json_schema import first_mistake

LONGEST = 100_000
"""Characters of an answer; a longer one is refused unread."""

_FENCE = re.compile(r"```[a-zA-Z]*+(.*?)```", re.DOTALL)  # possessive: backtracking could take minutes
_NOTHING = object()


def read_answer(text: str, schema: Mapping[str, Any]) -> Any:
    """Reads the JSON in an answer: bare, fenced, or with words around it, and checks it against a schema.

    Raises:
        InvalidAnswer: If the answer is empty, too long, not JSON, or not as the schema has it.
    """
    if len(text) > LONGEST:
        raise InvalidAnswer(f"The answer has {len(text)} characters; at most {LONGEST} are read.")
    if not (text := text.rsplit("</think>", 1)[-1].strip().lstrip("\ufeff")):
        raise InvalidAnswer("The answer is empty; JSON was expected.")
    value = next((v for v in map(_load, _candidates(text)) if v is not _NOTHING), _NOTHING)
    if value is _NOTHING:
        raise InvalidAnswer(f"The answer is not JSON: it begins with {json.dumps(text[:80], ensure_ascii=False)}.")
    try:
        mistake = first_mistake(value, schema)
    except RecursionError:
        raise InvalidAnswer("The answer is nested too deeply.") from None
    if mistake:
        raise InvalidAnswer(mistake)
    return value


def _candidates(text: str) -> Iterator[str]:
    yield text
    yield from (match.group(1) for match in _FENCE.finditer(text))
    pairs = [(text.find(a), text.rfind(b)) for a, b in ("{}", "[]")]
    yield from (text[first : last + 1] for first, last in sorted(pairs) if 0 <= first < last)


def _load(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return _NOTHING


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(text)
    return value


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)
