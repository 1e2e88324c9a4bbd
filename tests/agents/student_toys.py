"""What the tests of students share: environments, teachers and comparisons of states."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from teachrl import Classroom, Lesson, Student, Teacher, make_vec
from teachrl_agents import SB3
from toys import Line

SEED = 5
SMALL_PPO = {"n_steps": 16, "batch_size": 16, "n_epochs": 2, "policy_kwargs": {"net_arch": [16]}}
SMALL_REPLAY = {"learning_starts": 12, "buffer_size": 60, "batch_size": 8, "policy_kwargs": {"net_arch": [16]}}


class Switches(gymnasium.Env[Any, Any]):
    """Guess which of three lights is on; five guesses an episode."""

    def __init__(self, kind: str = "vector", size: int = 7) -> None:
        image = spaces.Box(0, 255, (size, size, 3), np.uint8)
        light = spaces.Box(0.0, 1.0, (3,), np.float32)
        self.kind, self.size = kind, size
        self.observation_space = {
            "vector": light,
            "image": image,
            "dict": spaces.Dict({"image": image, "light": light, "turn": spaces.Discrete(6)}),
        }[kind]
        self.action_space = spaces.Discrete(3)

    def _see(self) -> Any:
        light = np.eye(3, dtype=np.float32)[self.on]
        image = np.zeros((self.size, self.size, 3), dtype=np.uint8)
        image[..., self.on] = 255
        return {"vector": light, "image": image, "dict": {"image": image, "light": light, "turn": self.turn}}[self.kind]

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.turn, self.on = 0, int(self.np_random.integers(3))
        return self._see(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        reward = float(int(action) == self.on)
        self.turn, self.on = self.turn + 1, int(self.np_random.integers(3))
        return self._see(), reward, False, self.turn == 5, {"is_success": reward > 0, "lucky": 7}


class EveryOther(Teacher):
    """Numbers its lessons and lets only the even ones be learned from."""

    def begin(self, setup: Any) -> None:
        super().begin(setup)
        self.served = 0

    def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
        first, self.served = self.served, self.served + n
        return [Lesson(np.array([2.0], np.float32), id=k, learn=k % 2 == 0) for k in range(first, first + n)]


class Nudge(Teacher):
    """Takes over the first environment, and puts every action to a quarter."""

    def override_actions(self, observations: Any, actions: Any, lessons: Any, first: Any) -> tuple[Any, Any]:
        return np.full_like(actions, 0.25), np.arange(len(actions)) == 0


class Eager(Teacher):
    """Chooses the first action of three in every second environment."""

    def override_actions(self, observations: Any, actions: Any, lessons: Any, first: Any) -> tuple[Any, Any]:
        return np.zeros_like(actions), np.arange(len(actions)) % 2 == 0


class Recorder(Teacher):
    """Keeps rollouts."""

    def begin(self, setup: Any) -> None:
        super().begin(setup)
        self.rollouts: list[Any] = []

    def update(self, report: Any) -> None:
        if report.rollout is not None:
            self.rollouts.append(report.rollout)

    def state_dict(self) -> dict[str, Any]:
        return {}


class PerRollout(EveryOther):
    """Asks for new lessons when a rollout begins."""

    cadence = "rollout"


def line_class(teachers: Any = (), num_envs: int = 2, **kwargs: Any) -> Classroom:
    return Classroom(make_vec(Line, num_envs, env_kwargs=kwargs), teachers, seed=1)


def switches(kind: str = "vector", teachers: Any = (), num_envs: int = 2, size: int = 7) -> Classroom:
    return Classroom(make_vec(Switches, num_envs, env_kwargs={"kind": kind, "size": size}), teachers, seed=1)


def begun(classroom: Classroom, student: Student, total_steps: int = 10_000) -> Any:
    """Returns the student, begun and attached."""
    student.begin(classroom, np.random.SeedSequence(SEED), total_steps)
    classroom.attach(student)
    return student


def small(algorithm: str, normalize: bool = False, **hyperparameters: Any) -> SB3:
    """Returns a student small enough for a test."""
    on_policy = algorithm in ("PPO", "RecurrentPPO", "TRPO")
    base = SMALL_PPO if on_policy else {} if algorithm == "A2C" else SMALL_REPLAY
    if algorithm == "TRPO":
        base = {"n_steps": 16, "batch_size": 16}
    if algorithm == "RecurrentPPO":
        base = {**base, "n_epochs": 1, "policy_kwargs": {"net_arch": [8], "lstm_hidden_size": 8}}
    return SB3(algorithm, normalize=normalize, hyperparameters={**base, **hyperparameters}, device="cpu")


def leaves(state: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yields every value of a nested state with its path."""
    if isinstance(state, dict | list | tuple):
        items = state.items() if isinstance(state, dict) else enumerate(state)
        for key, value in items:
            yield from leaves(value, f"{path}/{key}")
    else:
        yield path, state


def differences(one: Any, other: Any) -> list[str]:
    """Returns the paths at which two states differ in any bit."""
    left, right = dict(leaves(one)), dict(leaves(other))
    assert left.keys() == right.keys()
    return [path for path in left if not _equal(left[path], right[path])]


def _equal(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
