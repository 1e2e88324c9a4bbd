"""The running episodes of a classroom: what was earned, how long they are, and what was done in them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from teachrl.errors import NonFiniteData
from teachrl.lessons import Array, Bools, Episode, Floats, Lesson, Observations
from teachrl.observations import non_finite_rows, take
from teachrl.snapshots import State, replay_state


class Ledger:
    """Keeps account of N running episodes.

    Args:
        num_envs: Number of environments.
        student: Index of the student that plays.
        keep_actions: Keep the executed actions of running episodes, which a resumed run replays where the environment
            cannot be saved; memory then grows with the longest running episode.
    """

    def __init__(self, num_envs: int, student: int = 0, keep_actions: bool = True) -> None:
        self._keep_actions = keep_actions
        self.gamma = 1.0
        self.lessons: list[Lesson] = [Lesson()] * num_envs
        self.ids = np.full(num_envs, -1, dtype=np.int64)
        self.learn = np.ones(num_envs, dtype=bool)
        self._limits: Array | None = None  # (N,) steps an episode may take, None where no lesson has a limit
        self.learning = num_envs
        self.lengths = np.zeros(num_envs, dtype=np.int64)
        self._student = student
        self._seeds = [0] * num_envs
        self._firsts: list[Observations] = [None] * num_envs
        self._returns, self._discounted, self._taught = (np.zeros(num_envs) for _ in range(3))
        self._discounts = np.ones(num_envs)
        self._log: list[Array] = []
        self._log_begin = np.zeros(num_envs, dtype=np.int64)  # place in the log of each episode's first action

    def begin(self, indices: Array, lessons: list[Lesson], seeds: list[int], raw: Observations) -> None:
        """Opens the accounts of new episodes in the environments `indices`."""
        self.lessons, self.ids, self.learn = self.lessons.copy(), self.ids.copy(), self.learn.copy()
        for i, lesson, seed in zip(indices.tolist(), lessons, seeds, strict=True):
            self.lessons[i], self._seeds[i] = lesson, seed
            self.ids[i], self.learn[i] = lesson.id, lesson.learn
            self._firsts[i] = take(raw, i)
        self._set_limits()
        self.learning = int(np.count_nonzero(self.learn))
        for account in (self._returns, self._discounted, self._taught, self.lengths):
            account[indices] = 0
        self._discounts[indices] = 1.0
        self._log_begin[indices] = len(self._log)
        self._trim()

    def _set_limits(self) -> None:
        limits = [lesson.limit for lesson in self.lessons]
        limited = any(limit is not None for limit in limits)
        self._limits = np.array([np.inf if limit is None else limit for limit in limits]) if limited else None

    def cut(self, terminated: Bools, truncated: Bools) -> Bools:
        """Returns (N,) where the step being taken truncates an episode, by the environment or by the lesson's limit."""
        if self._limits is None:
            return truncated
        return truncated | (~terminated & (self.lengths + 1 >= self._limits))

    def _trim(self) -> None:
        """Forgets actions of episodes that have all ended; now and then, so that it costs nothing."""
        if (oldest := int(self._log_begin.min())) > 256:
            del self._log[:oldest]
            self._log_begin -= oldest

    def record(self, executed: Array, rewards: Floats, taught: Floats) -> None:
        """Enters one step of all environments."""
        if self._keep_actions:
            self._log.append(executed)
        self._returns += rewards
        self._discounted += self._discounts * rewards
        self._discounts *= self.gamma
        self._taught += taught
        self.lengths += 1

    def close(self, indices: Array, terminated: Bools, infos: dict[str, Any]) -> list[Episode]:
        """Returns the episodes that have ended in the environments `indices`."""
        success, told = infos.get("is_success"), infos.get("_is_success")
        return [
            Episode(
                lesson=self.lessons[i],
                env=i,
                seed=self._seeds[i],
                first_observation=self._firsts[i],
                episode_return=float(self._returns[i]),
                discounted_return=float(self._discounted[i]),
                taught_return=float(self._taught[i]),
                length=int(self.lengths[i]),
                success=bool(success[i]) if success is not None and (told is None or told[i]) else None,
                terminated=bool(terminated[i]),
                student=self._student,
            )
            for i in indices.tolist()
        ]

    def actions(self, i: int) -> Array | None:
        """Returns the actions (t, *a) executed in the running episode of environment `i`, None before the first."""
        begin = int(self._log_begin[i])
        return np.stack([actions[i] for actions in self._log[begin:]]) if begin < len(self._log) else None

    def repeated(self, indices: Array) -> tuple[list[Lesson], list[int]]:
        """Returns the lessons and seeds of the environments at `indices`, to be played once more."""
        rows = indices.tolist()
        return [self.lessons[i] for i in rows], [self.seed(i) for i in rows]

    def seed(self, i: int) -> int:
        """Returns the seed of the running episode of environment `i`."""
        return self._seeds[i]

    def check_finite(self, env_id: str, **values: Observations) -> None:
        """Refuses NaN and infinity in what the environments returned, (N, ...) by name.

        Raises:
            NonFiniteData: Naming the environment and its task.
        """
        for name, value in values.items():
            if (bad := non_finite_rows(value)) is not None:
                where = self._describe(int(np.flatnonzero(bad)[0]))
                raise NonFiniteData(
                    f"{env_id} returned {name} with NaN or infinity in {where}. Numbers were expected: mend the "
                    "environment; the last checkpoint stands."
                )

    def _describe(self, i: int) -> str:
        task = self.lessons[i].task
        return f"environment {i}, {self.lengths[i]} steps into an episode of task {task!r} with seed {self._seeds[i]}"

    def state_of(self, i: int, env_id: str, action_shape: tuple[int, ...]) -> State:
        """Describes where the running episode of environment `i` is, by its actions."""
        actions = self.actions(i)
        lesson = self.lessons[i]
        return replay_state(
            env_id,
            self._seeds[i],
            lesson.task,
            np.zeros((0, *action_shape)) if actions is None else actions,
            lesson.start,
        )

    def state_dict(self) -> dict[str, Any]:
        """Returns the accounts as data; actions are kept per running episode."""
        return {
            "accounts": {name: getattr(self, name).copy() for name in _ACCOUNTS},
            "episodes": [
                {"lesson": lesson_data(self.lessons[i]), "seed": self._seeds[i], "first": self._firsts[i],
                 "actions": self.actions(i)}
                for i in range(len(self.lessons))
            ],
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        self.lessons = [lesson_from_data(episode["lesson"]) for episode in state["episodes"]]
        self._seeds = [episode["seed"] for episode in state["episodes"]]
        self._firsts = [episode["first"] for episode in state["episodes"]]
        self.ids = np.array([lesson.id for lesson in self.lessons], dtype=np.int64)
        self.learn = np.array([lesson.learn for lesson in self.lessons], dtype=bool)
        self.learning = int(np.count_nonzero(self.learn))
        self._set_limits()
        for name in _ACCOUNTS:
            getattr(self, name)[:] = state["accounts"][name]
        self._load_log([episode["actions"] for episode in state["episodes"]])

    def _load_log(self, actions: list[Array | None]) -> None:
        """Lays the episodes' actions side by side, so that all end at the log's end."""
        longest = max((len(a) for a in actions if a is not None), default=0)
        shape = next((a.shape[1:] for a in actions if a is not None), ())
        dtype = next((a.dtype for a in actions if a is not None), np.float32)
        log = np.zeros((longest, len(actions), *shape), dtype=dtype)
        for i, done in enumerate(actions):
            length = 0 if done is None else len(done)
            self._log_begin[i] = longest - length
            if done is not None:
                log[longest - length :, i] = done
        self._log = list(log)

    def restart(self, i: int, raw: Observations) -> None:
        """Opens the account of environment `i` anew, same lesson and seed."""
        self.begin(np.array([i]), [self.lessons[i]], [self._seeds[i]], raw)


_ACCOUNTS = ("_returns", "_discounted", "_taught", "_discounts", "lengths")


def lesson_data(lesson: Lesson) -> dict[str, Any]:
    """Returns a lesson as data."""
    data = {f.name: getattr(lesson, f.name) for f in fields(lesson)}
    return {**data, "start": None if lesson.start is None else lesson.start.to_data()}


def lesson_from_data(data: dict[str, Any]) -> Lesson:
    """Rebuilds a lesson from `lesson_data`."""
    start = data["start"]
    return Lesson(**{**data, "start": None if start is None else State.from_data(start)})
