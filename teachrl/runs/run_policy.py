"""The policy that a finished run has learned, named by the run's directory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gymnasium import spaces

from teachrl.configurable import Configurable
from teachrl.observations import has_views
from teachrl.runs.directory import RunDirectory
from teachrl.runs.evaluate import graduate
from teachrl.student import Policy


class RunPolicy(Configurable):
    """What the student of a run does, as its last checkpoint left it, or at its best where the run selects that.

    It brings its observation normaliser. It is loaded when it is first asked for, and holds no environments then.

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
            return _Found(
                it.student.policy, room.single_observation_space, room.single_action_space, view,
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


def is_run(path: str) -> bool:
    """Tells whether there is a directory of that name, which a run would be."""
    return Path(path).is_dir() or RunDirectory(Path(path)).config_file.is_file()
