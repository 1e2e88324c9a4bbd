"""What tests of the client share: a clean environment, and clients without long waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from teachrl.llm import LLM, calls

VARIABLES = (
    "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ADMIN_KEY", "OPENAI_CUSTOM_HEADERS", "OPENAI_LOG", "XDG_CACHE_HOME",
    *(v for name in ("http", "https", "all", "no") for v in (f"{name}_proxy", f"{name.upper()}_PROXY")),
)  # fmt: skip


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TEACHRL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(calls, "FIRST_WAIT", 0.001)


@pytest.fixture
def make() -> Iterator[Callable[..., LLM]]:
    """Makes clients of a server, and closes them."""
    made: list[LLM] = []

    def make(url: str = "", **arguments: Any) -> LLM:
        made.append(LLM(**{"model": "tiny", "base_url": url, "timeout": 5.0, **arguments}))
        return made[-1]

    yield make
    for llm in made:
        llm.close()
