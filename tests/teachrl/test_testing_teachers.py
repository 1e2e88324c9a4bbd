"""The conformance suite for teachers: what passes, and one broken class for each rule."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from teachrl import FromPolicy, Labels, Lesson, TaskTeacher, Teacher
from teachrl.errors import ContractBroken
from teachrl.snapshots import State
from teachrl.teachers import ALPGMM, Uniform
from teachrl.testing import TEACHER_CHECKS, ToyEnv, check_teacher
from teachrl.testing._school import RandomPolicy
from toys import Doubled, FromTheMiddle, Halfway, Knows, Stopper, Widened

VIEWS = lambda **kwargs: ToyEnv(views=True, **kwargs)  # noqa: E731
DISCRETE = lambda **kwargs: ToyEnv(discrete=True, **kwargs)  # noqa: E731


class Ladder(TaskTeacher):
    """The README's kind of teacher: climbs with success."""

    def __init__(self, rate: float = 0.1) -> None:
        self.rate = rate

    def begin(self, setup: Any) -> None:
        super().begin(setup)
        self.level = 0.0

    def sample(self, n: int) -> Any:
        low, high = self.task_space.low, self.task_space.high  # type: ignore[attr-defined]
        return [low + self.level * self.rng.uniform() * (high - low) for _ in range(n)]

    def learn(self, tasks: Any, returns: Any, successes: Any) -> None:
        self.level = min(1.0, self.level + self.rate * sum(successes))


class PerRollout(Ladder):
    """Asks when rollouts begin."""

    cadence = "rollout"


@pytest.mark.parametrize(
    ("teacher", "env"),
    [
        (Uniform, None),
        (Uniform, [DISCRETE, "TeachRL/Hypercube-v0"]),
        (ALPGMM(fit_rate=10, max_components=3), None),
        (ALPGMM(fit_rate=10, max_components=3, reward_range=None, history_limit=8), None),
        (Ladder(rate=0.2), None),
        (PerRollout, None),
        (Doubled, None),
        (Widened, None),
        (Stopper, None),
        (Halfway, None),
        (Knows, VIEWS),
        (lambda: FromPolicy(RandomPolicy(spaces.Box(-1.0, 1.0, (1,), np.float32)), ("labels", "actions")), VIEWS),
    ],
)
def test_teachers_that_keep_their_contract(teacher: Any, env: Any) -> None:
    check_teacher(teacher, env)


class Works(Ladder):
    """Works in its constructor."""

    def __init__(self, rate: float = 0.1) -> None:
        self.rate = rate
        self.table = np.zeros(3)


class Forgets(Ladder):
    """Does not store its argument."""

    def __init__(self, rate: float = 0.1, more: int = 1) -> None:
        self.rate = rate


class Converts(Ladder):
    """Does not store its argument as it came."""

    def __init__(self, rate: float = 0.1) -> None:
        self.rate = rate / 2


class Replaces(Ladder):
    """Replaces its default."""

    def __init__(self, rate: float | None = None) -> None:
        self.rate = 0.1 if rate is None else rate  # type: ignore[assignment]


class Tuples(Ladder):
    """Cannot take the list that its config has for a tuple."""

    def __init__(self, rate: float = 0.1, pair: tuple[int, int] = (1, 2)) -> None:
        self.rate = rate
        self.pair = pair
        hash(pair)


class Impatient(Ladder):
    """Expects episodes in every report."""

    def update(self, report: Any) -> None:
        self.level = max(e.episode_return for e in report.episodes) * 0


class Fixed(Ladder):
    """Serves four lessons, however many were asked for."""

    def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
        return super().sample_tasks(4)


class Bare(Ladder):
    """Returns tasks where lessons are expected."""

    def sample_tasks(self, n: int, student: int = 0) -> Any:
        return self.sample(n)


class Outside(Ladder):
    """Leaves the task space."""

    def sample(self, n: int) -> Any:
        return [self.task_space.high + 1] * n  # type: ignore[attr-defined]


class Unseeded(Ladder):
    """Has a stream that does not depend on the run's seed."""

    def begin(self, setup: Any) -> None:
        super().begin(setup)
        self.rng = np.random.default_rng(0)


class TouchesNumpy(Ladder):
    """Draws from NumPy's global generator."""

    def sample(self, n: int) -> Any:
        np.random.random()
        return super().sample(n)


class TouchesPython(Ladder):
    """Draws from Python's global generator."""

    def update(self, report: Any) -> None:
        random.random()


class Entropic(Ladder):
    """Draws from the operating system."""

    def begin(self, setup: Any) -> None:
        super().begin(setup)
        self.rng = np.random.default_rng()


class Strict(Ladder):
    """Insists on knowing every lesson."""

    def begin(self, setup: Any) -> None:
        super().begin(setup)
        self.served = 0

    def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
        self.served += n
        return [replace(x, id=self.served - n + k) for k, x in enumerate(super().sample_tasks(n))]

    def update(self, report: Any) -> None:
        for episode in report.episodes:
            if not 0 <= episode.lesson.id < self.served:
                raise KeyError(episode.lesson.id)


class Scribbles(Ladder):
    """Writes to the tasks of a report."""

    def update(self, report: Any) -> None:
        for episode in report.episodes:
            episode.lesson.task[:] *= 0.5


class Wordy(Ladder):
    """Logs a string."""

    def scalars(self) -> Any:
        return {"level": "high"}


class Amnesiac(Ladder):
    """Does not keep its level."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


class Aliased(Ladder):
    """Returns the very array that it goes on changing."""

    def begin(self, setup: Any) -> None:
        super().begin(setup)
        self.levels = np.zeros(1)

    def learn(self, tasks: Any, returns: Any, successes: Any) -> None:
        self.levels += 1

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "levels": self.levels}


class Pickled(Ladder):
    """Has a state that is not data."""

    def state_dict(self) -> dict[str, Any]:
        return {"self": self}


class Wide(Doubled):
    """Shapes a column."""

    def shape_rewards(self, step: Any) -> Any:
        return step.rewards[:1]


class RewardsInPlace(Doubled):
    """Shapes in place."""

    def shape_rewards(self, step: Any) -> Any:
        step.rewards[:] *= 2
        return step.rewards


class HalfMask(Stopper):
    """Overrides without a mask of bools."""

    def override_actions(self, observations: Any, actions: Any, lessons: Any, first: Any) -> Any:
        return np.zeros_like(actions), np.zeros(len(actions))


class FlatLabels(Teacher):
    """Labels with (N,) instead of (N, 1)."""

    def label_actions(self, observations: Any, lessons: Any, first: Any) -> Labels:
        return Labels(np.zeros(len(first), np.float32), None, np.ones(len(first), bool))


class Doubles(Widened):
    """Shows float64 where its space says float32."""

    def transform_observations(self, observations: Any, lessons: Any, first: Any, indices: Any) -> Any:
        return super().transform_observations(observations, lessons, first, indices).astype(np.float64)


class Whole(Widened):
    """Answers for all environments, whichever it is asked about."""

    def transform_observations(self, observations: Any, lessons: Any, first: Any, indices: Any) -> Any:
        return np.zeros((self.setup.num_envs, 4), np.float32)


class WrongGoals(Halfway):
    """Sets goals of another shape."""

    def subgoals(self, observations: Any, lessons: Any, first: Any, step: Any) -> Any:
        return np.zeros((len(lessons), 2), np.float32)


class NotLessons(FromTheMiddle):
    """Returns states instead of lessons."""

    def sample_starts(self, lessons: Any) -> Any:
        return [State("exact", "", 0, None) for _ in lessons]


class NewChannel(Ladder):
    """Invents a channel."""

    @property
    def channels(self) -> frozenset[str]:
        return frozenset({"tasks", "hints"})


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        (Works, "store its arguments and do nothing else.*'table'"),
        (Forgets, "must store every argument.*'more'"),
        (Converts(0.1), "store its arguments as they came.*rate"),
        (Replaces, "for the defaults.*rate"),
        (Tuples(), "must be made by the config.*unhashable"),
        (Impatient, "survive an empty report"),
        (Fixed, "4 Lessons|must return 1 lessons"),
        (Bare, "InvalidTeacher|must return"),
        (Outside, "in the task space.*The task space is"),
        (Unseeded, "other numbers with another seed.*'rng'"),
        (TouchesNumpy, "global random generators.*'numpy'"),
        (TouchesPython, "global random generators.*'python'"),
        (Entropic, "with one seed must be the same.*step"),
        (Strict, "ignore lesson ids.*KeyError"),
        (Scribbles, "must not change the report.*task"),
        (Wordy, "numbers by name.*'high'"),
        (Amnesiac, "go on as before"),
        (Aliased, "state_dict must return copies"),
        (Pickled, "must be data.*checkpoint cannot hold"),
        (Wide, "shape_rewards"),
        (RewardsInPlace, "shape_rewards must not change its arguments"),
        (HalfMask, "override_actions.*mask"),
        (FlatLabels, "FlatLabels must label 4 environments with actions"),
        (Doubles, "observations must have the shapes and dtypes.*float64"),
        (Whole, "teach a whole run|another shape|shape"),
        (WrongGoals, "shape"),
        (NotLessons, "must return 4 Lessons"),
        (NewChannel, "'hints'"),
    ],
)
def test_teachers_that_break_a_rule(teacher: Any, message: str) -> None:
    with pytest.raises(ContractBroken, match=f"(?s){message}"):
        check_teacher(teacher)


def test_what_is_not_a_teacher_is_refused() -> None:
    with pytest.raises(ContractBroken, match="takes a Teacher, its class, or a function"):
        check_teacher(lambda: "not a teacher")  # type: ignore[arg-type, return-value]


def test_torch_is_watched_where_it_was_imported() -> None:
    import torch

    assert "torch" in sys.modules

    class TouchesTorch(Ladder):
        """Draws from torch's global generator."""

        def sample(self, n: int) -> Any:
            torch.rand(1)
            return super().sample(n)

    with pytest.raises(ContractBroken, match="'torch'"):
        check_teacher(TouchesTorch)


def test_every_rule_has_a_name_and_a_sentence() -> None:
    names = [check.__name__ for check in TEACHER_CHECKS]
    assert len(set(names)) == len(names)
    assert all((check.__doc__ or "").endswith(".") for check in TEACHER_CHECKS)
