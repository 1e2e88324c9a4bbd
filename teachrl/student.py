"""What a student is: whatever learns from a classroom, and shows its policy and its values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from teachrl.configurable import Configurable
from teachrl.lessons import Array, Bools, Experience, Floats, Observations, Rollout
from teachrl.teacher import CHANNELS

if TYPE_CHECKING:
    from teachrl.classroom import Classroom


@runtime_checkable
class Policy(Protocol):
    """Whatever chooses actions: students, Stable-Baselines3 models, planners, callables.

    A policy brings its observation normaliser with it: it is given observations as the classroom shows them.
    """

    def act(
        self, observations: Observations, state: Any = None, first: Bools | None = None, deterministic: bool = True
    ) -> tuple[Array, Any]:
        """Chooses actions.

        Args:
            observations: (B, *o) as the student sees them.
            state: What the last call returned, None at the beginning; memoryless policies return None.
            first: (B,) bool, true where an episode begins and memory is cleared.
            deterministic: The mode of the distribution rather than a sample.

        Returns:
            Actions (B, *a) inside the action space, and the state for the next call.
        """


class Student(Configurable):
    """Base of all students.

    Attributes:
        accepts: The channels it can use, with `"learn"` (it leaves out lessons that say `learn=False`) and `"rollout"`
            (it announces its rollouts and hands them back).
        gamma: Its discount, for the discounted return of episodes.
        citation: Where the method was published.
        bibtex: The same for a bibliography.
    """

    accepts: frozenset[str] = frozenset({"tasks", "starts", "subgoals", "rewards", "observations"})
    gamma: float = 1.0
    citation: ClassVar[str] = ""
    bibtex: ClassVar[str] = ""

    @classmethod
    def references(cls, init_args: Mapping[str, Any]) -> str:
        """Returns the BibTeX entries of a student with these arguments, for a class that stands for several methods."""
        return cls.bibtex

    def begin(self, classroom: Classroom, seed: np.random.SeedSequence, total_steps: int) -> None:
        """Prepares to learn; nothing is stepped yet.

        Args:
            classroom: Where to learn.
            seed: The student's own branch of the run's seed tree.
            total_steps: Length of the whole run in environment steps, which schedules are stretched over.
        """
        raise NotImplementedError(f"{type(self).__name__} must define begin")

    def rehearse(self) -> None:
        """Finds out, before anything of a new run is created, what learning could fail on; nothing is stepped yet.

        Teachers may be asked with `classroom.ask()`. What it finds may be kept: the results are the same without it.

        Raises:
            TeachrlError: If something does not fit.
        """

    def learn(self, steps: int) -> None:
        """Learns for `steps` more environment steps, rounded up to whole granules.

        Calls that end on multiples of `granularity` give the same bits as one long call.
        """
        raise NotImplementedError(f"{type(self).__name__} must define learn")

    @property
    def granularity(self) -> int:
        """Environment steps of the smallest piece of learning, e.g. a rollout of all environments."""
        raise NotImplementedError(f"{type(self).__name__} must define granularity")

    @property
    def warm_up(self) -> int:
        """Environment steps at a run's beginning in which nothing is learned yet, and which cost less."""
        return 0

    @property
    def policy(self) -> Policy:
        """The policy as it is now."""
        raise NotImplementedError(f"{type(self).__name__} must define policy")

    def values(self, observations: Observations) -> Floats:
        """Returns the values (B,) of observations (B, *o) as the student sees them.

        Raises:
            InvalidStudent: If this student estimates none.
        """
        from teachrl.errors import InvalidStudent

        raise InvalidStudent(f"{type(self).__name__} estimates no values; use a student with a critic.")

    def extend(self, total_steps: int) -> None:
        """Makes a run longer; schedules are stretched over the new length."""

    def scalars(self) -> dict[str, float]:
        """Returns a few numbers for the log."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Returns all that was learned, optimisers, counters and random state included, as data."""
        raise NotImplementedError(f"{type(self).__name__} must define state_dict")

    def graduate_state(self) -> dict[str, Any]:
        """Returns what its policy takes, as data that `load_state_dict` accepts; what only learning needs may be out.

        It is what is kept of the best student of a run. By default all of `state_dict`.
        """
        return self.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`, after `begin`."""
        raise NotImplementedError(f"{type(self).__name__} must define load_state_dict")


class Learner(Protocol):
    """A student taken apart, so that several can share one environment; `learn_together` is its loop."""

    def act(self, observations: Observations, first: Bools) -> Array:
        """Returns the actions (N, *a) to take."""

    def record(self, experience: Experience) -> None:
        """Takes in one step of all environments, as the student lived it."""

    def update(self) -> Rollout | None:
        """Learns from what was recorded if it is time to; returns the rollout it learned from, if one ended."""


def learn_together(classroom: Classroom, learner: Learner, steps: int) -> None:
    """Lets a learner live in a classroom for `steps` more environment steps, rounded up to whole vector steps.

    Args:
        classroom: Where to learn; it is reset if it has not begun.
        learner: Who learns.
        steps: Environment steps, all environments together.
    """
    for _ in range(-(-steps // classroom.num_envs)):
        observations, first = classroom.observed()
        learner.record(classroom.experience(learner.act(observations, first)))
        if (rollout := learner.update()) is not None:
            classroom.report(rollout)
            classroom.begin_rollout()


def all_channels() -> frozenset[str]:
    """Returns everything a student can accept."""
    return frozenset({*CHANNELS, "learn", "rollout"})
