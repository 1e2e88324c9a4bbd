"""What is asked, and the name it is cached under: everything that determines the answer, and no more."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

PROVIDER = "openai-chat"
CHARACTERS_PER_TOKEN = 4.0

_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))

Message = Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Request:
    """One call of an endpoint.

    Attributes:
        url: The endpoint's address, without secrets.
        host: Its host and port: all of the address that is written down.
        body: The body of the request.
        schema: The JSON schema of the answer, also where the body has none.
        version: The prompt's version.
        attempt: 0, then 1 for the repair.
    """

    url: str
    host: str
    body: Mapping[str, Any]
    schema: Mapping[str, Any]
    version: str
    attempt: int

    @cached_property
    def record(self) -> str:
        """The request as canonical JSON, as it is kept beside its answer."""
        entries = {
            "provider": PROVIDER,
            "host": self.host,
            "body": self.body,
            "schema": self.schema,
            "version": self.version,
            "attempt": self.attempt,
        }
        return _CANONICAL.encode(entries)

    @cached_property
    def key(self) -> str:
        """SHA-256 of the record and the endpoint's whole address, which may be what tells two models apart."""
        return hashlib.sha256(f"{self.url}\n{self.record}".encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def longest_answer(self) -> int:
        """Tokens that the answer may have."""
        return int(self.body.get("max_completion_tokens") or self.body["max_tokens"])

    @cached_property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt, estimated from its length."""
        return estimate_tokens(json.dumps(self.body, ensure_ascii=False))


def estimate_tokens(text: str) -> int:
    """Estimates how many tokens a text has: one for four characters, as is common for English."""
    return 1 + int(len(text) / CHARACTERS_PER_TOKEN)


def make_body(
    model: str,
    messages: Sequence[Message],
    schema: Mapping[str, Any],
    json_mode: str,
    sampling: Mapping[str, Any],
    strict: bool,
) -> dict[str, Any]:
    """Writes the body of a chat completion; entries of `sampling` that are None are left to the endpoint.

    Args:
        model: The model's name.
        messages: The conversation.
        schema: What the answer must be like.
        json_mode: `"schema"` sends the schema, `"object"` asks for any JSON object, `"none"` sends neither; the latter
            two say the schema in words, after the first message.
        sampling: `temperature`, `seed` and whatever else the endpoint knows.
        strict: Whether the endpoint is to enforce the schema to the letter.
    """
    body: dict[str, Any] = {"model": model, **{k: v for k, v in sampling.items() if v is not None}}
    if json_mode == "schema":
        described = {"name": "answer", "schema": dict(schema), "strict": strict}
        return body | {"messages": list(messages), "response_format": {"type": "json_schema", "json_schema": described}}
    if json_mode == "object":
        body["response_format"] = {"type": "json_object"}
    rule = "Answer with JSON that follows this JSON schema, and with nothing else:\n" + json.dumps(schema)
    first, *rest = messages
    return body | {"messages": [{**first, "content": f"{first['content']}\n\n{rule}"}, *rest]}


def repair_turn(text: str, mistake: str) -> list[dict[str, str]]:
    """Returns the two messages that show a model its answer and say what is wrong with it."""
    wish = f"This answer cannot be used. {mistake} Answer again with the whole corrected JSON, and with nothing else."
    return [{"role": "assistant", "content": text[:20_000] or "(empty)"}, {"role": "user", "content": wish}]
