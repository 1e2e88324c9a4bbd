"""A hall to walk along, with a key, a door and a goal in it, and subgoals for those who want to be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces

from teachrl import Classroom, make_vec
from teachrl.subgoals import Layout, Subgoal, Thing

STAY, RIGHT, LEFT, USE = range(4)
KEY, DOOR, GOAL = Subgoal(2, 0, "key", "red", "red key"), Subgoal(4, 0, "door", "blue"), Subgoal(7, 0, "goal")
_THINGS = {4: "door", 5: "key", 8: "goal"}


class Hall(gymnasium.Env[Any, Any]):
    """Eight cells: a key in 2, a closed door in 4, the goal in 7, none of which is in the way.

    Actions are to stay, to go right, to go left, and to take the key or turn the door in the cell to the right.
    """

    provides: ClassVar = {"layouts": "halls:HallLayouts"}
    task_space = None
    return_range = (0.0, 1.0)

    def __init__(self, max_episode_steps: int | None = 20) -> None:
        self.max_episode_steps = max_episode_steps
        teacher = {"cells": spaces.Box(0, 10, (8, 3), np.int64), "agent": spaces.Box(0, 7, (1,), np.int64)}
        student = spaces.Box(0, 7, (1,), np.int64)
        self.observation_space = spaces.Dict({"student": student, "teacher": spaces.Dict(teacher)})
        self.action_space = spaces.Discrete(4)

    def _see(self) -> Any:
        x = np.array([self.x])
        return {"student": x, "teacher": {"cells": self.cells.copy(), "agent": x.copy()}}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.cells = np.tile(np.array([1, 0, 0]), (8, 1))
        self.cells[[2, 4, 7]] = (5, 0, 0), (4, 2, 1), (8, 1, 0)
        self.x, self.time = 0, 0
        return self._see(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if action == USE and self.x < 7:
            kind, colour, state = self.cells[self.x + 1]
            self.cells[self.x + 1] = (1, 0, 0) if kind == 5 else (4, colour, 1 - state) if kind == 4 else (kind, 1, 0)
        self.x = int(np.clip(self.x + (action == RIGHT) - (action == LEFT), 0, 7))
        self.time += 1
        reached = self.x == 7
        late = self.time >= (self.max_episode_steps or 20)
        return self._see(), float(reached), reached, late and not reached, {"is_success": reached}


class HallLayouts:
    """Reads halls."""

    def read(self, observations: Any, row: int, env_id: str, seed: int | None) -> Layout:
        seen = observations["teacher"]
        cells = seen["cells"][row]
        things = [Thing(_THINGS[k], "", str(s), x, 0) for x, (k, _, s) in enumerate(cells.tolist()) if k in _THINGS]
        agent, grid = (int(seen["agent"][row, 0]), 0, "right"), ("".join(map(str, cells[:, 0].tolist())),)
        return Layout(env_id, seed, 8, 1, agent, "", "reach the goal", tuple(things), grid, {}, None)

    def refusal(self, layout: Layout, subgoal: Subgoal) -> str:
        inside = 0 <= subgoal.x < 8 and subgoal.y == 0
        return "" if inside else f"({subgoal.x}, {subgoal.y}) is outside the hall."

    def oracle(self, layout: Layout) -> list[Subgoal]:
        return [KEY, DOOR, GOAL]

    def cells(self, layout: Layout, kinds: Sequence[str] = ()) -> list[Subgoal]:
        return [s for s in (KEY, DOOR, GOAL) if not kinds or s.kind in kinds]

    def look(self, observations: Any, cells: Any) -> Any:
        seen = observations["teacher"]["cells"]
        agents = np.pad(observations["teacher"]["agent"], ((0, 0), (0, 1)))
        return agents, seen[np.arange(len(seen))[:, None], cells[..., 0]]

    def distances(self, observations: Any) -> Any:
        return 7.0 - observations["teacher"]["agent"][:, 0]


class Fixed:
    """A provider that is nothing but `plan`: the same plan for every layout."""

    def __init__(self, *plan: Subgoal) -> None:
        self.fixed = list(plan)

    def plan(self, layout: Layout) -> list[Subgoal]:
        return list(self.fixed)


def hall_room(teacher: Any, envs: int = 1, **arguments: Any) -> Classroom:
    """Returns a classroom of halls that has begun."""
    classroom = Classroom(make_vec(Hall, envs), [teacher], **arguments)
    classroom.reset()
    return classroom


def a_layout(seed: int | None = None, env_id: str = "Hall") -> Layout:
    """Returns the layout of a hall at its beginning."""
    observations, _ = make_vec(Hall, 1).reset()
    return HallLayouts().read(observations, 0, env_id, seed)
