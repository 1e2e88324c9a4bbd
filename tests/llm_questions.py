"""A small question to a language model, which tests share."""

from __future__ import annotations

from typing import Any

from teachrl.llm import InvalidAnswer

SCHEMA = {
    "type": "object",
    "properties": {"x": {"type": "integer", "minimum": 0}},
    "required": ["x"],
    "additionalProperties": False,
}


def even(data: Any) -> int:
    """Checks an answer to the small question."""
    if data["x"] % 2:
        raise InvalidAnswer(f"x must be even, got {data['x']}.")
    return int(data["x"])


def question(about: object = "a number") -> list[dict[str, str]]:
    """Returns the messages of a small question."""
    return [{"role": "system", "content": "You name numbers."}, {"role": "user", "content": f"Name {about}."}]
