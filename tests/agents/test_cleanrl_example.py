"""CleanRL's loop on a classroom."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PATH = Path(__file__).parents[2] / "agents" / "examples" / "cleanrl_ppo.py"


@pytest.fixture
def example() -> Any:
    spec = importlib.util.spec_from_file_location("cleanrl_ppo", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["cleanrl_ppo"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["cleanrl_ppo"]


@pytest.mark.parametrize("untaught", [False, True])
def test_it_runs_taught_and_untaught(example: Any, untaught: bool) -> None:
    history = example.main(example.Arguments(updates=2, num_steps=64, untaught=untaught))
    assert len(history) == 2
    assert np.isfinite(history).all()


def test_at_most_five_lines_differ() -> None:
    assert 1 <= PATH.read_text("utf-8").count("# taught: ") <= 5


@pytest.mark.slow
@pytest.mark.family
def test_it_learns(example: Any) -> None:
    history = example.main(example.Arguments(updates=60))
    assert np.mean(history[-10:]) > 3 * np.mean(history[:3])
