"""Language models as teachers' helpers: `LLM`, what it answers, and why it may not."""

from __future__ import annotations

from teachrl.llm.asking import Answer
from teachrl.llm.client import LLM
from teachrl.llm.errors import (
    BudgetSpent,
    CacheMiss,
    InvalidAnswer,
    LLMError,
    NotConfigured,
    SwitchedOff,
    Unavailable,
)

__all__ = [
    "LLM",
    "Answer",
    "BudgetSpent",
    "CacheMiss",
    "InvalidAnswer",
    "LLMError",
    "NotConfigured",
    "SwitchedOff",
    "Unavailable",
]
