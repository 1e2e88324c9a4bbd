"""The quick way to a goal against the planner that can move things."""

from __future__ import annotations

import numpy as np
import pytest

from teachrl import make_vec
from teachrl_envs.minigrid import oracle
from teachrl_envs.minigrid.open_way import open_way
from teachrl_envs.minigrid.oracle import oracle_subgoals

PLAIN = ("MultiRoom-N2-S4-v0", "MultiRoom-N4-S5-v0", "MultiRoom-N4-S5-v1", "MultiRoom-N6-v0", "FourRooms-v0")


def levels(game: str, seeds: range, steps: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns images and facts of levels, so many steps after their beginning."""
    envs = make_vec(f"TeachRL/MiniGrid-{game}", len(seeds))
    seen = envs.reset(seed=list(seeds))[0]["teacher"]
    rng = np.random.default_rng(0)
    for _ in range(steps):
        following, _, terminated, _, _ = envs.step(rng.choice([0, 1, 2, 2, 5], len(seeds)))
        if terminated.any():
            break
        seen = following["teacher"]
    return [(seen["image"][k].copy(), seen["facts"][k].copy()) for k in range(len(seeds))]


@pytest.mark.parametrize("game", PLAIN)
def test_it_finds_what_the_planner_finds(game: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [*levels(game, range(60)), *levels(game, range(60, 120), 6)]
    quick = [oracle_subgoals(*level) for level in found]
    monkeypatch.setattr(oracle, "open_way", lambda image, facts: (False, None))
    assert quick == [oracle_subgoals(*level) for level in found]
    assert all(plan[-1].kind == "goal" for plan in quick)
    assert game.startswith("Four") or any(len(plan) > 1 for plan in quick)


@pytest.mark.parametrize("game", ["DoorKey-5x5-v0", "KeyCorridorS3R1-v0", "ObstructedMaze-1Dl-v0", "MemoryS7-v0"])
def test_it_leaves_other_games_alone(game: str) -> None:
    assert not any(open_way(*level)[0] for level in levels(game, range(4)))


def test_there_is_none_where_walls_are_in_the_way_or_nothing_is_left() -> None:
    ((image, facts),) = levels("MultiRoom-N2-S4-v0", range(1))
    walled = image.copy()
    walled[walled[..., 0] == 4] = (2, 5, 0)
    assert oracle_subgoals(walled, facts) == []
    there = facts.copy()
    there[:2] = facts[9:11]
    assert oracle_subgoals(image, there) == []
