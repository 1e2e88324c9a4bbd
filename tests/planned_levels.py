"""Levels of a small game, and a scripted model that knows their solutions, or lies about them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llm_server import Said
from teachrl.lessons import Lesson
from teachrl.providers.asked import Asked
from teachrl.providers.prompts import describe
from teachrl.subgoals import Layout, Subgoal
from teachrl.vector import make_vec
from teachrl_envs.minigrid.layouts import MiniGridLayouts

ENV = "TeachRL/MiniGrid-MultiRoom-N2-S4-v0"
MOST = 8
SEEDS = range(6)


def read_levels(seeds: Sequence[int], env: str = ENV) -> list[Layout]:
    """Returns the layouts of the levels of some seeds."""
    envs = make_vec(env, len(seeds))
    try:
        observations, _ = envs.reset(options={"lessons": [Lesson(seed=seed) for seed in seeds]})
        return [MiniGridLayouts().read(observations, i, env, seed) for i, seed in enumerate(seeds)]
    finally:
        envs.close()


def oracle(layout: Layout) -> list[Subgoal]:
    """Returns the right plan of a layout."""
    return MiniGridLayouts().oracle(layout)


def answer(plan: Sequence[Subgoal]) -> dict[str, Any]:
    """Returns a plan as a model would write it."""
    return {"subgoals": [{"kind": s.kind, "colour": s.colour, "x": s.x, "y": s.y} for s in plan]}


def knowing(seeds: Sequence[int], env: str = ENV) -> Callable[[list[dict[str, str]]], Said]:
    """Returns a script that answers questions about these levels rightly."""
    levels = read_levels(seeds, env)
    known: Mapping[str, Said] = {describe(layout, MOST): answer(oracle(layout)) for layout in levels}
    return lambda messages: known[messages[1]["content"]]


def settle(provider: Asked, seconds: float = 30.0) -> None:
    """Waits until nothing is asked any more."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and provider.scalars()["asked/open"]:
        time.sleep(0.005)
    assert provider.scalars()["asked/open"] == 0
