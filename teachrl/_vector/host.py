"""Some environments of this process: the code that plays them is the same with workers and without."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from teachrl import tasks
from teachrl._vector.block import Block
from teachrl._vector.describe import describe
from teachrl._vector.layers import set_elapsed, time_limit
from teachrl._vector.layout import Layout
from teachrl._vector.messages import ended_in_replay, no_exact_states
from teachrl._vector.recipe import Env, Recipe
from teachrl.errors import InvalidEnvironment, TeachrlError
from teachrl.lessons import Lesson
from teachrl.snapshots import State, replay_plan

Info = dict[str, Any]


class HostError(Exception):
    """An environment raised, or its worker was lost; the cause is what was raised, where it was raised here.

    Attributes:
        index: Which one.
        doing: What it was asked for.
        why: What happened.
    """

    def __init__(self, index: int, doing: str, why: str) -> None:
        super().__init__(index, doing, why)
        self.index = index
        self.doing = doing
        self.why = why


@dataclass(frozen=True, slots=True, eq=False)
class Reset:
    """One environment's part of a reset."""

    index: int
    seed: int | None
    lesson: Lesson
    options: dict[str, Any]


class Host:
    """Makes `count` environments and plays them.

    Args:
        recipe: How each is made.
        count: How many.

    Raises:
        EnvironmentFailed: If one cannot be made.
        InvalidEnvironment: If their spaces differ.
    """

    def __init__(self, recipe: Recipe, count: int) -> None:
        self.recipe = recipe
        self.envs: list[Env] = []
        self._tasks: list[Any] = [None] * count
        try:
            for _ in range(count):
                self.envs.append(recipe.make())
            self.description = describe(self.envs[0])
            self._check_spaces()
        except BaseException:
            self.close()
            raise
        self.steps: list[Callable[[Any], tuple[Any, Any, bool, bool, Info]]] = [env.step for env in self.envs]
        self.observations = Layout(self.description.observation_space)
        self.actions = Layout(self.description.action_space)

    def _check_spaces(self) -> None:
        first = self.envs[0]
        for i, env in enumerate(self.envs):
            if (env.observation_space, env.action_space) != (first.observation_space, first.action_space):
                raise InvalidEnvironment(
                    f"The environments of one batch must have equal spaces, but {self.recipe.env_id} {i} has "
                    f"{env.observation_space} and {env.action_space}, the first {first.observation_space} and "
                    f"{first.action_space}."
                )

    def reset(self, requests: list[Reset], block: Block) -> list[tuple[int, Info]]:
        """Begins episodes and returns the infos that are not empty.

        Raises:
            TeachrlError: Of the environment's own, or if an episode ends before it begins.
            HostError: If one raises anything else.
        """
        infos = []
        for request in requests:
            block.current[0] = request.index
            info = self._guarded(request.index, "reset", functools.partial(self._begin, request, block))
            if info:
                infos.append((request.index, info))
        return infos

    def _begin(self, request: Reset, block: Block) -> Info:
        observation, info = self._start(request.index, request.seed, request.lesson, request.options)
        what = f"The observation of {self.recipe.env_id}"
        self.observations.write_checked(block.observations, request.index, observation, what)
        return info

    def _start(self, index: int, seed: int | None, lesson: Lesson, options: dict[str, Any]) -> tuple[Any, Info]:
        state = lesson.start
        if state is not None and state.kind == "replay":
            return self._replay(index, state, options)
        task = self._tasks[index] = state.task if lesson.task is None and state is not None else lesson.task
        options = {**options, **({} if task is None else {"task": task}), **({} if state is None else {"start": state})}
        result = self.envs[index].reset(seed=seed, options=options or None)
        if state is not None:
            set_elapsed(self.envs[index], state.elapsed)
        return result

    def _replay(self, index: int, state: State, options: dict[str, Any]) -> tuple[Any, Info]:
        start, actions = replay_plan(state)
        if not self.actions.objects and self.actions.single:
            actions = np.asarray(actions, dtype=self.actions.space.dtype)  # as a step casts them
        observation, info = self._start(index, state.seed, Lesson(state.task, start=start), options)
        for t, action in enumerate(actions):
            observation, _, terminated, truncated, info = self.steps[index](action)
            if terminated or truncated:
                raise InvalidEnvironment(ended_in_replay(self.recipe.env_id, t + 1, len(actions)))
        return observation, info

    def step(self, block: Block) -> list[tuple[int, Info]]:
        """Takes the block's actions and returns the infos that are not empty.

        Raises:
            TeachrlError: Of the environment's own.
            HostError: If one raises anything else.
        """
        rewards, terminated, truncated, current = block.rewards, block.terminated, block.truncated, block.current
        rows = block.observations[0] if self.observations.single else None
        infos = []
        try:
            for i, (step, action) in enumerate(zip(self.steps, self.actions.rows(block.actions), strict=True)):
                current[0] = i
                observation, rewards[i], terminated[i], truncated[i], info = step(action)
                if rows is not None:
                    rows[i] = observation
                else:
                    self.observations.write(block.observations, i, observation)
                if info:
                    infos.append((i, info))
        except TeachrlError:
            raise
        except Exception as error:
            raise HostError(i, "step", _name(error)) from error
        return infos

    def get_state(self, index: int) -> State:
        """Returns an environment's exact state, with the steps that its time limit has counted and the task it plays.

        Raises:
            InvalidEnvironment: If it has none.
        """
        if why := self.description.unrestorable:
            raise InvalidEnvironment(no_exact_states(self.recipe.env_id, why))
        env = self.envs[index]
        state = cast(State, self._guarded(index, "get_state", env.get_wrapper_attr("get_state")))
        limit = time_limit(env)
        elapsed = state.elapsed if limit is None else int(limit._elapsed_steps or 0)
        task = self._tasks[index] if state.task is None else state.task  # a wrapper's, as Parametrised sets them
        return dataclasses.replace(state, env_id=self.recipe.env_id, task=task, elapsed=elapsed)

    def call(self, index: int, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """Returns an environment's attribute, or what its method of that name returns.

        Raises:
            InvalidEnvironment: If it has none.
        """
        env = self.envs[index]
        if not env.has_wrapper_attr(name):
            raise InvalidEnvironment(f"{self.recipe.env_id} has no attribute or method {name!r}.")
        value = env.get_wrapper_attr(name)
        return self._guarded(index, name, lambda: value(*args, **(kwargs or {}))) if callable(value) else value

    def task_suite(self, name: str) -> dict[str, Lesson]:
        """Returns the environment's own suite, else the default one of its task space."""
        env = self.envs[0]
        if env.has_wrapper_attr("task_suite"):
            return cast(dict[str, Lesson], self.call(0, "task_suite", (name,)))
        return tasks.default_suite(self.description.task_space, name)

    def close(self) -> None:
        """Closes the environments."""
        for env in self.envs:
            env.close()

    def _guarded(self, index: int, doing: str, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except (TeachrlError, HostError):
            raise
        except Exception as error:
            raise HostError(index, doing, _name(error)) from error


def _name(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
