"""The oracle's subgoals are what the planner does, and what the paper lists."""

from itertools import pairwise

import numpy as np
import pytest

from teachrl.subgoals import Subgoal
from teachrl_envs.minigrid import Planner
from teachrl_envs.minigrid.layouts import MiniGridLayouts
from teachrl_envs.minigrid.views import MiniGridViews

SEEDS = range(25)


@pytest.fixture(scope="module")
def layouts():
    return MiniGridLayouts()


def batch(views):
    return {"teacher": {name: value[None] for name, value in views["teacher"].items()}}


def opening(layouts, game, seed):
    env = MiniGridViews(f"MiniGrid-{game}")
    views, _ = env.reset(seed=seed)
    layout = layouts.read(batch(views), 0, game, seed)
    return env, views, layouts.oracle(layout)


def completions(layouts, planner, env, views, subgoals):
    """Lets the planner play to success; returns the step at which each subgoal was completed first, -1 for never.

    Completed is a subgoal in whose cell the agent stands, or what is in it has just changed.
    """
    cells = np.array([[(s.x, s.y) for s in subgoals]])
    first, state, steps = np.full(len(subgoals), -1), None, 0
    contents, begun = layouts.look(batch(views), cells)[1], np.ones(1, bool)
    while True:
        actions, state = planner.act(batch(views), state, begun)
        begun, steps = np.zeros(1, bool), steps + 1
        views, _, terminated, truncated, info = env.step(int(actions[0]))
        assert not truncated
        before, (agents, contents) = contents, layouts.look(batch(views), cells)
        here = (cells[0] == agents[0]).all(axis=1)
        done = here | (before[0] != contents[0]).any(axis=1)
        first[(first < 0) & done] = steps
        if terminated:
            assert info["is_success"]
            return first.tolist(), steps


@pytest.mark.parametrize(
    "game",
    [
        *("MultiRoom-N2-S4-v0", "MultiRoom-N4-S5-v1", "MultiRoom-N6-v0", "DoorKey-8x8-v0", "FourRooms-v0"),
        *("KeyCorridorS3R3-v0", "KeyCorridorS6R3-v0", "MemoryS7-v0", "MemoryS13Random-v0"),
        *("ObstructedMaze-1Dl-v0", "ObstructedMaze-1Dlh-v0", "ObstructedMaze-1Dlhb-v0"),
        *("ObstructedMaze-2Dl-v0", "ObstructedMaze-2Dlhb-v1", "ObstructedMaze-Full-v1"),
    ],
)
def test_the_planner_completes_them_in_order_and_ends_with_the_last(layouts, game):
    for seed in SEEDS[:6] if "Full" in game else SEEDS:
        env, views, subgoals = opening(layouts, game, seed)
        first, steps = completions(layouts, Planner(), env, views, subgoals)
        assert first[0] > 0
        assert all(a < b for a, b in pairwise(first)), (seed, subgoals, first)
        assert first[-1] == steps


def kinds(subgoals):
    return [s.kind for s in subgoals]


@pytest.mark.parametrize(
    ("game", "published"),
    [
        ("KeyCorridorS3R3-v0", ["key", "door", "ball"]),
        ("KeyCorridorS6R3-v0", ["key", "door", "ball"]),
        ("DoorKey-8x8-v0", ["key", "door", "goal"]),
        ("FourRooms-v0", ["goal"]),
        ("ObstructedMaze-1Dl-v0", ["key", "door", "ball"]),
        ("ObstructedMaze-1Dlh-v0", ["box", "door", "ball"]),
    ],
)
def test_published_lists(layouts, game, published):
    for seed in SEEDS:
        env, _, subgoals = opening(layouts, game, seed)
        assert kinds(subgoals) == published
        for subgoal in subgoals:
            thing = env._game.grid.get(subgoal.x, subgoal.y)
            assert (thing.type, thing.color) == (subgoal.kind, subgoal.colour)
            assert subgoal.kind != "door" or thing.is_locked
            assert subgoal.text.startswith("locked ") is (subgoal.kind == "door")


@pytest.mark.parametrize(
    ("game", "rooms"), [("MultiRoom-N2-S4-v0", 2), ("MultiRoom-N4-S5-v1", 4), ("MultiRoom-N6-v0", 6)]
)
def test_each_door_on_the_way_and_the_goal(layouts, game, rooms):
    for seed in SEEDS:
        env, _, subgoals = opening(layouts, game, seed)
        assert kinds(subgoals) == ["door"] * (rooms - 1) + ["goal"]
        exits = [room.exitDoorPos for room in env._game.rooms[:-1]]
        assert [(s.x, s.y) for s in subgoals[:-1]] == [tuple(map(int, place)) for place in exits]
        assert len({s.text for s in subgoals}) <= rooms


def test_a_box_and_a_blocker_before_the_door(layouts):
    orders = set()
    for seed in SEEDS:
        _, _, subgoals = opening(layouts, "ObstructedMaze-1Dlhb-v0", seed)
        orders.add(tuple(kinds(subgoals)))
        blocker, door = next(s for s in subgoals if s.kind == "ball"), subgoals[-2]
        assert abs(blocker.x - door.x) + abs(blocker.y - door.y) == 1
    assert orders <= {("box", "ball", "door", "ball"), ("ball", "box", "door", "ball")}


def test_memory_looks_before_it_answers(layouts):
    walks = 0
    for seed in SEEDS:
        env, _, subgoals = opening(layouts, "MemoryS13-v0", seed)
        assert subgoals[-1] == Subgoal(*env._game.success_pos, text="beside the object that matches the hint")
        assert [s.text for s in subgoals[:-1]] in ([], ["where the hint can be seen"])
        walks += len(subgoals) == 2
    assert walks > 0


def test_from_the_middle_of_an_episode(layouts):
    env, views, subgoals = opening(layouts, "KeyCorridorS3R3-v0", 4)
    planner, left = Planner(), [subgoals]
    while True:
        views, _, terminated, _, _ = env.step(int(planner.act(batch(views))[0][0]))
        if terminated:
            break
        left.append(layouts.oracle(layouts.read(batch(views), 0, "x", 0)))
    assert all(later == sooner or later == sooner[1:] for sooner, later in pairwise(left))
    assert left[-1] == subgoals[-1:]


def test_nothing_is_left_at_the_end(layouts):
    env, views, _ = opening(layouts, "FourRooms-v0", 0)
    planner, terminated = Planner(), False
    while not terminated:
        views, _, terminated, _, _ = env.step(int(planner.act(batch(views))[0][0]))
    assert layouts.oracle(layouts.read(batch(views), 0, "x", 0)) == []


def test_a_level_is_solved_once(layouts):
    _, views, subgoals = opening(layouts, "DoorKey-5x5-v0", 3)
    layout = layouts.read(batch(views), 0, "x", 3)
    subgoals.clear()  # the list is the caller's own
    assert len(layouts.oracle(layout)) == 3
    assert layouts.oracle(layout) == MiniGridLayouts().oracle(layout)
