"""Plays an environment with fixed random actions and writes down everything."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from teachrl.observations import equal, take
from teachrl.testing._support import blamed, difference, require
from teachrl.vector import LessonVectorEnv


def attribute(env: Any, name: str) -> Any:
    """Returns an attribute of an environment, looked up through its wrappers, None if there is none."""
    return env.get_wrapper_attr(name) if env.has_wrapper_attr(name) else None


@dataclass(frozen=True)
class Played:
    """An episode, or a part of one: observations, rewards, (terminated, truncated), success and actions."""

    observations: list[Any]
    rewards: list[float]
    ends: list[tuple[bool, bool]]
    success: Any
    actions: list[Any]

    def after(self, steps: int) -> Played:
        """Returns what follows after some steps, beginning with the observation of the next one."""
        seen, rewards, ends = self.observations[steps + 1 :], self.rewards[steps:], self.ends[steps:]
        return Played(seen, rewards, ends, self.success, self.actions[steps:])


def first_difference(a: Played, b: Played) -> str:
    """Says where two episodes first differ, an empty string if they are the same bit for bit."""
    for t, (x, y) in enumerate(zip(a.observations, b.observations, strict=False)):
        if not equal(x, y):
            return f"observation {t} is {x} and {y}"
        if t < min(len(a.rewards), len(b.rewards)) and difference(a.rewards[t], b.rewards[t]):
            return f"reward {t} is {a.rewards[t]!r} and {b.rewards[t]!r}"
    rest = (len(a.rewards), a.ends, bool(a.success)), (len(b.rewards), b.ends, bool(b.success))
    return difference(*rest, "(length, ends, success)")


class Player:
    """Plays one environment.

    Args:
        env: The environment.
        max_steps: Steps within which an episode must end.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], max_steps: int) -> None:
        self.env, self.max_steps = env, max_steps
        self._drawer = copy.deepcopy(env.action_space)

    def play(
        self,
        task: Any,
        seed: int,
        actions: int,
        stop_after: int | None = None,
        options: dict[str, Any] | None = None,
        watch: bool = False,
    ) -> Played:
        """Plays an episode with the random actions number `actions`, or its first steps."""
        self._drawer.seed(actions)
        with blamed("reset must begin an episode.", "See reset."):
            given = options if options is not None else {} if task is None else {"task": copy.deepcopy(task)}
            shown, info = self.env.reset(seed=seed, options=given)
        if watch:
            self._watch(shown, info, "reset")
        return self._steps(Played([copy.deepcopy(shown)], [], [], None, []), stop_after, watch)

    def _steps(self, played: Played, stop_after: int | None, watch: bool) -> Played:
        success: Any = None
        for t in range(self.max_steps if stop_after is None else stop_after):
            action = self._drawer.sample()
            given = copy.deepcopy(action)
            with blamed(f"step must take the action {action!r}.", "See step."):
                shown, reward, terminated, truncated, info = self.env.step(given)
            if watch:
                self._watch(shown, info, f"step {t + 1}")
                _watch_step(reward, terminated, truncated, t + 1)
                require(not difference(action, given), "step must not change its action.", given, "Copy it.")
            played.observations.append(copy.deepcopy(shown))
            played.rewards.append(float(reward))
            played.ends.append((bool(terminated), bool(truncated)))
            played.actions.append(action)
            if terminated or truncated:
                success = info.get("is_success")
                return Played(played.observations, played.rewards, played.ends, success, played.actions)
        look = "Register it with max_episode_steps, or pass a larger max_steps."
        require(stop_after is not None, "Episodes must end.", f"none within {self.max_steps} steps", look)
        return played

    def _watch(self, shown: Any, info: Any, when: str) -> None:
        space = self.env.observation_space
        look = f"Its observation_space is {space}; look at shape, dtype and bounds."
        require(space.contains(shown), f"The observation of {when} must be in its space.", repr(shown), look)
        require(isinstance(info, dict), f"The info of {when} must be a dict.", type(info).__name__, "See Gymnasium.")

    @staticmethod
    def play_vector(envs: LessonVectorEnv, actions: Sequence[Sequence[Any]]) -> list[Played]:
        """Plays given actions in a vector environment that was reset, each environment until its actions end."""
        played = [Played([], [], [], None, []) for _ in actions]
        successes: list[Any] = [None] * len(actions)
        running = np.ones(len(actions), dtype=bool)
        for t in range(max(len(a) for a in actions)):
            batch = np.stack([a[min(t, len(a) - 1)] for a in actions])
            shown, rewards, terminated, truncated, infos = envs.step(batch)
            for k in np.flatnonzero(running).tolist():
                played[k].observations.append(take(shown, k))
                played[k].rewards.append(float(rewards[k]))
                played[k].ends.append((bool(terminated[k]), bool(truncated[k])))
                played[k].actions.append(batch[k])
                said = "is_success" in infos and infos.get("_is_success", running)[k]
                successes[k] = infos["is_success"][k] if said else None
                running[k] = t + 1 < len(actions[k])
            if (done := terminated | truncated).any() and running.any():
                envs.reset(options={"reset_mask": done})
        return [Played(p.observations, p.rewards, p.ends, s, p.actions) for p, s in zip(played, successes, strict=True)]


def _watch_step(reward: Any, terminated: Any, truncated: Any, t: int) -> None:
    number = isinstance(reward, int | float | np.number) and bool(np.isfinite(reward))
    require(number, f"The reward of step {t} must be a finite number.", repr(reward), "See step.")
    bools = all(isinstance(x, bool | np.bool_) for x in (terminated, truncated))
    came = f"{terminated!r} and {truncated!r}"
    require(bools, f"terminated and truncated of step {t} must be bools.", came, "See step.")
