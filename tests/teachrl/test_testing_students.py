"""The conformance suite for students: what passes, and one broken class for each rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from teachrl import Rollout, Student
from teachrl.errors import ContractBroken, InvalidStudent
from teachrl.student import all_channels
from teachrl.testing import STUDENT_CHECKS, ToyEnv, check_student
from teachrl_agents import SB3, SimulatedStudent

SMALL = {"policy_kwargs": {"net_arch": [8]}}
ON_POLICY = {"n_steps": 16, "batch_size": 16, "n_epochs": 2, **SMALL}
OFF_POLICY = {"learning_starts": 8, "batch_size": 8, "buffer_size": 200, **SMALL}


@pytest.mark.parametrize(
    ("student", "env", "granules"),
    [
        (SimulatedStudent(), "TeachRL/Hypercube-v0", 4),
        (SB3("PPO", hyperparameters=ON_POLICY), None, 1),
        (SB3("PPO", hyperparameters=ON_POLICY), lambda: ToyEnv(discrete=True), 1),
        (SB3("SAC", hyperparameters=OFF_POLICY), None, 12),
        (SB3("DQN", hyperparameters=OFF_POLICY), lambda: ToyEnv(discrete=True), 12),
    ],
)
def test_students_that_keep_their_contract(student: Any, env: Any, granules: int) -> None:
    check_student(student, env, granules=granules)


class Climber(Student):
    """Acts by a line plus noise, and moves it where the noise paid; the least that keeps every rule."""

    accepts = all_channels() - {"labels"}
    gamma = 0.9
    length = 4

    def __init__(self, rate: float = 0.01) -> None:
        self.rate = rate

    def begin(self, classroom: Any, seed: Any, total_steps: int) -> None:
        self._room, self._rng = classroom, np.random.default_rng(seed)
        self._weights = np.zeros(classroom.single_observation_space.shape[0])

    @property
    def granularity(self) -> int:
        return self.length * int(self._room.num_envs)

    @property
    def policy(self) -> Any:
        return self

    def act(self, observations: Any, state: Any = None, first: Any = None, deterministic: bool = True) -> Any:
        means = observations @ self._weights
        noise = 0 if deterministic else self._rng.normal(size=len(means))
        return np.clip(means + noise, -1, 1)[:, None].astype(np.float32), None

    def values(self, observations: Any) -> Any:
        return observations @ self._weights

    def learn(self, steps: int) -> None:
        for _ in range(-(-steps // self.granularity)):
            self._rollout()

    def _rollout(self) -> None:
        self._room.begin_rollout()
        lived = []
        for _ in range(self.length):
            observations, _ = self._room.observed()
            lived.append(self._room.experience(self.act(observations, deterministic=False)[0]))
            self._improve(lived[-1])
        self._room.report(self._hand_in(lived))

    def _improve(self, x: Any) -> None:
        noise = x.actions[:, 0] - x.observations @ self._weights
        self._weights = self._weights + self.rate * ((x.learn * x.rewards * noise) @ x.observations)

    def _hand_in(self, lived: Any) -> Rollout:
        names = ("observations", "actions", "rewards", "terminated", "truncated", "first", "ids", "learn")
        arrays = {name: np.stack([getattr(x, name) for x in lived]) for name in names}
        nothing = np.zeros_like(arrays["rewards"])
        rest = {"values": nothing, "last_values": nothing[0], "advantages": nothing, "log_probs": nothing}
        return Rollout(**arrays, **rest, gamma=self.gamma, gae_lambda=1.0)

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self._weights, "rng": dict(self._rng.bit_generator.state)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._weights = state["weights"]
        self._rng.bit_generator.state = state["rng"]


class Speechless(Climber):
    """Estimates no values, and says so."""

    def values(self, observations: Any) -> Any:
        raise InvalidStudent("No critic.")


@pytest.mark.parametrize("student", [Climber, Climber(rate=0.02), Speechless])
def test_a_minimal_student_keeps_its_contract(student: Any) -> None:
    check_student(student)


class Works(Climber):
    """Works in its constructor."""

    def __init__(self, rate: float = 0.01) -> None:
        self.rate = rate
        self.weights = np.zeros(3)


class Boasts(Climber):
    """Accepts a channel that does not exist."""

    accepts = frozenset({"tasks", "hints"})


class Overjoyed(Climber):
    """Has a discount above 1."""

    gamma = 1.5


class Late(Climber):
    """Takes a rollout too many."""

    def learn(self, steps: int) -> None:
        super().learn(steps + 1)


class Odd(Climber):
    """Counts its granules in vector steps."""

    @property
    def granularity(self) -> int:
        return 3


class Unclipped(Climber):
    """Leaves the action space."""

    def act(self, observations: Any, state: Any = None, first: Any = None, deterministic: bool = True) -> Any:
        return 5 + super().act(observations, state, first, deterministic)[0], None


class Wavers(Climber):
    """Samples when asked for the mode."""

    def act(self, observations: Any, state: Any = None, first: Any = None, deterministic: bool = True) -> Any:
        return super().act(observations, state, first, False)


class GlobalMode(Climber):
    """Draws a number for its mode, and does not use it."""

    def act(self, observations: Any, state: Any = None, first: Any = None, deterministic: bool = True) -> Any:
        np.random.random()
        return super().act(observations, state, first, deterministic)


class Column(Climber):
    """Values (B, 1)."""

    def values(self, observations: Any) -> Any:
        return super().values(observations)[:, None]


class Wordy(Climber):
    """Logs a string."""

    def scalars(self) -> Any:
        return {"mood": "good"}


class Secretive(Climber):
    """Claims to hand in rollouts, and does not."""

    def _rollout(self) -> None:
        for _ in range(self.length):
            observations, _ = self._room.observed()
            self._improve(self._room.experience(self.act(observations, deterministic=False)[0]))


class Transposed(Climber):
    """Hands in (N, T)."""

    def _hand_in(self, lived: Any) -> Any:
        from dataclasses import replace

        rollout = super()._hand_in(lived)
        return replace(rollout, ids=rollout.ids.T)


class Denies(Climber):
    """Stores the action that it chose, not the one executed."""

    def _hand_in(self, lived: Any) -> Any:
        from dataclasses import replace

        rollout = super()._hand_in(lived)
        return replace(rollout, actions=rollout.actions + 0.01)


class Crams(Climber):
    """Learns from lessons that are not to be learned from."""

    def _improve(self, x: Any) -> None:
        noise = x.actions[:, 0] - x.observations @ self._weights
        self._weights = self._weights + self.rate * ((x.rewards * noise) @ x.observations)


class Chancy(Climber):
    """Is seeded by the operating system."""

    def begin(self, classroom: Any, seed: Any, total_steps: int) -> None:
        super().begin(classroom, np.random.SeedSequence(), total_steps)


class Swayed(Climber):
    """Draws its noise from NumPy's global generator, which it does not seed."""

    def act(self, observations: Any, state: Any = None, first: Any = None, deterministic: bool = True) -> Any:
        if not deterministic:
            observations = observations + np.random.normal(size=observations.shape)
        return super().act(observations, state, first, deterministic)


class Restarts(Climber):
    """Begins each `learn` with fresh weights."""

    def learn(self, steps: int) -> None:
        self._weights = np.zeros_like(self._weights)
        super().learn(steps)


class Forgets(Climber):
    """Does not keep its random state."""

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self._weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._weights = state["weights"]


class Opaque(Climber):
    """Keeps an object."""

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "room": self._room.metadata["autoreset_mode"]}


@pytest.mark.parametrize(
    ("student", "message"),
    [
        (Works, "store its arguments and do nothing else.*'weights'"),
        (Boasts, "accepts must be of.*'hints'"),
        (Overjoyed, "gamma must be a discount.*1.5"),
        (Late, r"After learn\(8\), 8 steps.*Got: 16"),
        (Odd, "positive multiple of 2"),
        (Unclipped, "must be an array of members"),
        (Wavers, "mode of a policy must be the same"),
        (GlobalMode, "mode of a policy must draw no random numbers"),
        (Column, r"values must be \(B,\)"),
        (Wordy, "numbers by name.*'good'"),
        (Secretive, "must report its rollouts"),
        (Transposed, r"must have its shapes, \(T, N\)"),
        (Denies, "Rollout.actions must be those that were executed"),
        (Crams, "learn=False must leave the policy"),
        (Chancy, "with one seed must be the same"),
        (Swayed, "with one seed must be the same"),
        (Restarts, "must give the same bits as one call"),
        (Forgets, "go on as before"),
        (Opaque, "must be data.*checkpoint cannot hold"),
    ],
)
def test_students_that_break_a_rule(student: Any, message: str) -> None:
    with pytest.raises(ContractBroken, match=f"(?s){message}"):
        check_student(student)


def test_every_rule_has_a_name_and_a_sentence() -> None:
    names = [check.__name__ for check in STUDENT_CHECKS]
    assert len(set(names)) == len(names)
    assert all((check.__doc__ or "").endswith(".") for check in STUDENT_CHECKS)
