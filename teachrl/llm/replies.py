"""What an endpoint answered, read from its JSON with the distrust that servers have earned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from teachrl.llm.errors import InvalidAnswer
from teachrl.llm.requests import Request, estimate_tokens


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and what it took.

    Attributes:
        text: What the model wrote.
        finish: Why it stopped: `"stop"`, `"length"`, ...
        refusal: What it said instead of an answer, empty for nothing.
        model: The model that the endpoint says it was.
        input_tokens: Tokens of the prompt.
        output_tokens: Tokens of the answer.
        estimated: Whether the endpoint said no, or no plausible, numbers of tokens.
        latency: Seconds between request and reply.
        utc: When it came, ISO 8601.
    """

    text: str
    finish: str
    refusal: str
    model: str
    input_tokens: int
    output_tokens: int
    estimated: bool
    latency: float
    utc: str

    def to_json(self) -> str:
        """Returns the reply as JSON text."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Reply:
        """Rebuilds a reply.

        Raises:
            ValueError, TypeError: If the text is not what `to_json` wrote.
        """
        return cls(**json.loads(text))

    def whole_text(self) -> str:
        """Returns the text.

        Raises:
            InvalidAnswer: If the model refused, or was cut off.
        """
        if self.refusal and not self.text:
            raise InvalidAnswer(f"The model refused: {self.refusal[:200]}")
        if self.finish == "length":
            raise InvalidAnswer(f"The answer was cut off after {self.output_tokens} tokens; a shorter one is needed.")
        return self.text


def read_completion(data: Any, request: Request, latency: float, utc: str) -> Reply | None:
    """Reads a chat completion; None if it is none."""
    try:
        choice = data["choices"][0]
        message = choice["message"]
        content = message.get("content")
    except (TypeError, KeyError, IndexError, AttributeError):
        return None
    text = content.encode("utf-8", "replace").decode() if isinstance(content, str) else ""
    refusal = message.get("refusal")
    usage = data.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    said = [_tokens(usage.get("prompt_tokens")), _tokens(usage.get("completion_tokens"))]
    return Reply(
        text=text,
        finish=str(choice.get("finish_reason") or ""),
        refusal=refusal if isinstance(refusal, str) else "",
        model=str(data.get("model") or ""),
        input_tokens=said[0] or request.prompt_tokens,
        output_tokens=said[1] or estimate_tokens(text),
        estimated=not all(said),
        latency=latency,
        utc=utc,
    )


def _tokens(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9 else 0
