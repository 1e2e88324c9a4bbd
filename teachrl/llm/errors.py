"""Why a question to a language model has no answer.

Whoever asks catches `LLMError`, counts it under its `kind`, and goes on with a fallback.
"""

from __future__ import annotations

from typing import ClassVar

from teachrl.errors import TeachrlError


class LLMError(TeachrlError, RuntimeError):
    """A language model that did not answer.

    Attributes:
        kind: One word for counts and logs.
    """

    kind: ClassVar[str] = "failed"


class NotConfigured(LLMError):
    """A model, key, address, cache or package that is missing, or that the endpoint does not take."""

    kind = "not_configured"

    @classmethod
    def nameless(cls) -> NotConfigured:
        """The error for a model without a name."""
        return cls("No model is named: LLM(model=..., base_url=...), as the endpoint calls it.")


class Unavailable(LLMError):
    """An endpoint that is down, slow, overloaded, refuses the request, or failed so lately that it is not asked."""

    kind = "unavailable"


class InvalidAnswer(LLMError, ValueError):
    """An answer that is not what was asked for; the message is a sentence that the model can act on."""

    kind = "invalid_answer"


class BudgetSpent(LLMError):
    """A limit on calls, tokens or money that the next call could exceed."""

    kind = "budget_spent"


class CacheMiss(LLMError):
    """A question that was never answered, asked with `mode="replay"`."""

    kind = "cache_miss"


class SwitchedOff(LLMError):
    """A question asked with `mode="off"`, or after `close`."""

    kind = "off"


KINDS = tuple(error.kind for error in (NotConfigured, Unavailable, InvalidAnswer, BudgetSpent, CacheMiss, SwitchedOff))
