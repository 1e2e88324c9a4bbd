"""The policy that a finished run has learned, named by the run's directory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from gymnasium import spaces

from teachrl.classroom import Classroom
from teachrl.configurable import Configurable
from teachrl.lessons import Array, Observations
from teachrl.observations import has_views, rows_of, view_space
from teachrl.runs.directory import RunDirectory
from teachrl.runs.evaluate import graduate
from teachrl.student import Policy
from teachrl.teacher import SetsSubgoals

_ASKED = ("act", "answer", "distribution", "values")
"""Methods of policies whose first argument is what they see."""


class RunPolicy(Configurable):
    """What the student of a run does, as its last checkpoint left it, or at its best where the run selects that.

    One that was taught with subgoals is shown none, as in its evaluations, and needs no entry for them. It brings its
    observation normaliser. It is loaded when it is first asked for, and holds no environments then.

    Args:
        run: The run's directory.

    Raises:
        InvalidRun: When it is asked for, if the directory is not a run's, has no checkpoint, or was made in Python of
            objects that its config.yaml cannot hold.
    """

    def __init__(self, run: str) -> None:
        self.run = str(run)

    @cached_property
    def _found(self) -> _Found:
        with graduate(Path(self.run)) as it:
            room = it.classroom
            view = room.view if has_views(room.envs.single_observation_space) else None
            policy, space = without_subgoals(it.student.policy, room)
            return _Found(
                policy, space, room.single_action_space, view,
                float(it.student.gamma), getattr(it.student, "critic_view", None),
            )  # fmt: skip

    def load(self) -> Policy:
        """Returns the policy."""
        return self._found.policy

    @property
    def observation_space(self) -> spaces.Space[Any]:
        """What it was trained to see of one environment."""
        return self._found.observation_space

    @property
    def action_space(self) -> spaces.Space[Any]:
        """What it does."""
        return self._found.action_space

    @property
    def view(self) -> str | None:
        """The view that it was trained on, None in an environment that has one only."""
        return self._found.view

    @property
    def gamma(self) -> float:
        """The student's discount."""
        return self._found.gamma

    @property
    def critic_view(self) -> str | None:
        """The view that its critic sees, None where that is the policy's."""
        return self._found.critic_view

    def __repr__(self) -> str:
        return f"RunPolicy({self.run!r})"


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """What a run has learned, and how it was taught."""

    policy: Policy
    observation_space: spaces.Space[Any]
    action_space: spaces.Space[Any]
    view: str | None
    gamma: float
    critic_view: str | None


def without_subgoals(policy: Policy, room: Classroom) -> tuple[Policy, spaces.Space[Any]]:
    """Returns a policy that needs no subgoals to act, and what it sees."""
    space = room.single_observation_space
    setter = next((teacher for teacher in room.teachers if isinstance(teacher, SetsSubgoals)), None)
    if setter is None or not isinstance(space, spaces.Dict) or "subgoal" not in space.spaces:
        return policy, space
    rest = {name: part for name, part in space.spaces.items() if name != "subgoal"}
    wrapped = not isinstance(view_space(room.envs.single_observation_space, room.view), spaces.Dict)
    null = np.full((1, *setter.goal_space.shape), getattr(setter, "null_goal", 0), setter.goal_space.dtype)
    return cast(Policy, _Unguided(policy, null, wrapped)), rest["observation"] if wrapped else spaces.Dict(rest)


class _Unguided:
    """A policy that is shown the null goal beside what it is given.

    Args:
        policy: Sees subgoals.
        null: (1, *g) the null goal.
        wrapped: Whether it sees what it is given as an entry `observation`, and not entry by entry.
    """

    def __init__(self, policy: Policy, null: Array, wrapped: bool) -> None:
        self._policy, self._null, self._wrapped = policy, null, wrapped

    def __getattr__(self, name: str) -> Any:
        if name == "_policy" or name.startswith("__"):  # of a copy that is not filled yet
            raise AttributeError(name)
        found = getattr(self._policy, name)
        return partial(self._asked, found) if name in _ASKED else found

    def _asked(self, method: Callable[..., Any], observations: Observations, *args: Any, **kwargs: Any) -> Any:
        goals = np.repeat(self._null, rows_of(observations), axis=0)
        seen = {"observation": observations} if self._wrapped else observations
        return method({**seen, "subgoal": goals}, *args, **kwargs)


def is_run(path: str) -> bool:
    """Tells whether there is a directory of that name, which a run would be."""
    return Path(path).is_dir() or RunDirectory(Path(path)).config_file.is_file()
