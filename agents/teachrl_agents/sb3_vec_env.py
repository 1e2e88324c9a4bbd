"""A classroom as Stable-Baselines3 wants its environments."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv

from teachrl.classroom import Classroom
from teachrl.errors import InvalidEnvironment, InvalidStudent
from teachrl.lessons import Array, Bools, Observations, Step


class ClassroomVecEnv(VecEnv):
    """A classroom behind Stable-Baselines3's interface.

    What Stable-Baselines3 has no place for (who overrode what, which lesson a step belonged to) stays here as
    attributes until the next step; the buffers of `sb3_rollouts` and `sb3_replay` read it.

    Args:
        classroom: Where to learn.
        stock: Whether a stock model learns here, which knows nothing of lessons: then the environments' infos are
            handed on, and lessons that must not be learned from are an error.

    Attributes:
        shown: (N, *o) what the classroom showed before the last step.
        executed: (N, *a) what was executed in it.
        overridden: (N,) bool, where that was a teacher's action; None if no teacher overrides.
        paid: (N,) float32, the rewards as learned from, before any bootstrap.
        terminated: (N,) bool.
        truncated: (N,) bool.
        ids: (N,) `Lesson.id`.
        learn: (N,) `Lesson.learn`.
    """

    shown: Observations
    executed: Array
    overridden: Bools | None
    paid: Array
    terminated: Bools
    truncated: Bools
    ids: Array
    learn: Bools

    def __init__(self, classroom: Classroom, stock: bool = False) -> None:
        self.classroom = classroom
        self._stock = stock
        self._overrides = "actions" in classroom.channels
        self._empty: list[dict[str, Any]] = [{} for _ in range(classroom.num_envs)]
        self._actions: Array = np.empty(0)
        self._now: Observations = None
        super().__init__(
            classroom.num_envs, deepcopy(classroom.single_observation_space), deepcopy(classroom.single_action_space)
        )

    def enter(self, observations: Observations) -> Any:
        """Takes `observations` (N, *o) as what the student sees now and returns them in Stable-Baselines3's form."""
        self._now = observations
        return dict(observations) if isinstance(observations, dict) else observations

    def reset(self) -> Any:
        """Begins new episodes everywhere; returns what the student sees."""
        return self.enter(self.classroom.reset()[0])

    def step_async(self, actions: Array) -> None:
        """Takes the actions (N, *a) of the next step."""
        self._actions = actions

    def step_wait(self) -> Any:
        """Takes the step; returns observations, rewards (N,) float32, dones (N,) bool and a list of infos."""
        observations, rewards, terminated, truncated, infos = self.classroom.step(self._actions)
        self._keep(terminated, truncated)
        self.paid = rewards.astype(np.float32)
        done = terminated | truncated
        return self.enter(observations), self.paid.copy(), done, self._spread(infos, done)

    def _keep(self, terminated: Bools, truncated: Bools) -> None:
        classroom = self.classroom
        step: Step = classroom.last  # type: ignore[assignment]
        self.shown, self.executed = self._now, step.executed
        self.overridden = step.overridden if self._overrides else None
        self.terminated, self.truncated = terminated, truncated
        self.ids, self.learn = classroom.last_ids, classroom.last_learn
        if self._stock and not self.learn.all():
            raise InvalidStudent(
                "A teacher set a lesson with learn=False, which a stock Stable-Baselines3 model would train on. "
                "Leave that teacher out, or train the student teachrl_agents.SB3, which leaves such lessons out."
            )

    def _spread(self, infos: dict[str, Any], done: Bools) -> list[dict[str, Any]]:
        """Returns one info per environment; those that have nothing to say have an empty one of their own."""
        tell = self._stock and bool(infos)
        spread = [_info_of(infos, i) for i in range(self.num_envs)] if tell else list(self._empty)
        if done.any():
            for i in np.flatnonzero(done).tolist():
                spread[i] = self._final_info(infos, i)
        return spread

    def _final_info(self, infos: dict[str, Any], i: int) -> dict[str, Any]:
        """Returns what Stable-Baselines3 expects to be told about an episode that has ended in environment `i`."""
        final = infos["final_info"]
        info = _info_of(final, i) if self._stock else {}
        if "is_success" in final and final["_is_success"][i]:
            info["is_success"] = bool(final["is_success"][i])
        info["episode"] = {"r": float(final["episode"]["r"][i]), "l": int(final["episode"]["l"][i]), "t": 0.0}
        info["terminal_observation"] = infos["final_obs"][i]
        info["TimeLimit.truncated"] = bool(self.truncated[i] and not self.terminated[i])
        return info

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Returns an attribute of the chosen environments."""
        if attr_name == "render_mode":
            return [self.classroom.render_mode] * len(list(self._get_indices(indices)))
        try:
            return self.classroom.envs.call(attr_name, list(self._get_indices(indices)))
        except InvalidEnvironment as error:
            raise AttributeError(str(error)) from error

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Sets an attribute of the chosen environments."""
        self.env_method("set_wrapper_attr", attr_name, value, indices=indices)

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """Calls a method of the chosen environments."""
        return self.classroom.envs.call(method_name, list(self._get_indices(indices)), *method_args, **method_kwargs)

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Tells that episodes are monitored (infos hold their returns), and nothing else of wrappers."""
        return [wrapper_class is Monitor] * len(list(self._get_indices(indices)))

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Does nothing: the classroom seeds every reset."""
        return [None] * self.num_envs

    def get_images(self) -> Sequence[Any]:
        """Returns a picture of each environment."""
        return list(self.classroom.render() or [None] * self.num_envs)

    def close(self) -> None:
        """Closes the classroom and its environments."""
        self.classroom.close()


_FINAL = frozenset({"final_obs", "final_info"})


def _info_of(infos: dict[str, Any], i: int) -> dict[str, Any]:
    """Takes one environment's info out of Gymnasium's vector infos, in which `_key` masks `key`."""
    return {
        key: _info_of(value, i) if isinstance(value, dict) else value[i]
        for key, value in infos.items()
        if f"_{key}" in infos and key not in _FINAL and infos[f"_{key}"][i]
    }
