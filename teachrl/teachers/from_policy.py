"""A teacher made of any policy: a finished run, a planner, a function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from teachrl.errors import InvalidHyperparameter, InvalidStudent, InvalidTeacher
from teachrl.lessons import Array, Bools, Labels, Lesson, Observations
from teachrl.observations import has_views, view_space
from teachrl.policies import as_policy
from teachrl.student import Policy
from teachrl.teacher import Setup, Teacher


class FromPolicy(Teacher):
    """Labels what the student sees with what a policy would do, or does it instead.

    A policy with a memory is asked once a step, in order, whichever channels are in use.

    Args:
        policy: What to ask: a policy, a student that has begun, a Stable-Baselines3 model, or a function of
            observations. One that also has `distribution(observations)`, returning parameters by name, gives soft
            labels.
        channels: `"labels"`, `"actions"`, or both.
        view: The view the policy sees, where the environment has several.
        share: Share of steps, drawn at random, that the actions channel overrides.

    Raises:
        InvalidHyperparameter: In `begin`, if a channel or the share is impossible.
        InvalidStudent: In `begin`, if `policy` is nothing that acts.
    """

    def __init__(
        self, policy: Any, channels: Sequence[str] = ("labels",), view: str = "teacher", share: float = 1.0
    ) -> None:
        self.policy = policy
        self._channels = tuple(channels)
        self.view = view
        self.share = share

    @property
    def channels(self) -> frozenset[str]:
        """The channels that were asked for."""
        return frozenset(self._channels)

    def begin(self, setup: Setup) -> None:
        """Starts a run with a cleared memory."""
        super().begin(setup)
        if not self._channels or set(self._channels) - {"labels", "actions"}:
            raise InvalidHyperparameter(
                f"FromPolicy can use the channels 'labels' and 'actions', got {list(self._channels)}."
            )
        if not 0 <= self.share <= 1:
            raise InvalidHyperparameter(f"FromPolicy.share is a share of steps, from 0 to 1, got {self.share}.")
        self._viewed = has_views(setup.observation_space)
        if self._viewed:
            view_space(setup.observation_space, self.view)
        self._acting: Policy = as_policy(self.policy)
        self._memory: Any = None
        self._asked: Observations = None
        self._answer: Array = np.empty(0)

    def _ask(self, observations: Observations, first: Bools) -> Array:
        if observations is not self._asked:
            self._asked = observations
            seen = observations[self.view] if self._viewed else observations
            self._answer, self._memory = self._acting.act(seen, self._memory, first, True)
            self._answer = np.asarray(self._answer)
            if len(self._answer) != len(first):
                raise InvalidTeacher(
                    f"The policy {self.policy!r} must return {len(first)} actions, got {len(self._answer)}."
                )
        return self._answer

    def label_actions(self, observations: Observations, lessons: Sequence[Lesson], first: Bools) -> Labels:
        """Labels every environment with the policy's action."""
        actions = self._ask(observations, first)
        return Labels(actions, self._parameters(observations), np.ones(len(actions), dtype=bool))

    def _parameters(self, observations: Observations) -> dict[str, Array] | None:
        """Returns the distribution's parameters; None of a policy that has none, or whose depend on its memory."""
        soft = getattr(self._acting, "distribution", None)
        if soft is None or self._memory is not None:
            return None
        try:
            found: dict[str, Array] = soft(observations[self.view] if self._viewed else observations)
        except InvalidStudent:  # deterministic algorithms (DQN, TD3) share their policy class with those that have one
            return None
        return found

    def override_actions(
        self, observations: Observations, actions: Array, lessons: Sequence[Lesson], first: Bools
    ) -> tuple[Array, Bools]:
        """Does what the policy would do, in a random share of steps."""
        return self._ask(observations, first), self.rng.random(len(actions)) < self.share

    def state_dict(self) -> dict[str, Any]:
        """Returns the memory and the random state."""
        from teachrl.state import rng_state

        return {"rng": rng_state(self.rng), "memory": self._memory, "num_envs": self.setup.num_envs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        from teachrl.state import set_rng_state

        set_rng_state(self.rng, state["rng"])
        self._memory = state["memory"] if state["num_envs"] == self.setup.num_envs else None  # of other environments
        self._asked = None
