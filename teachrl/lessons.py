"""What passes between a teacher and a student: lessons one way, reports the other.

Shapes: N parallel environments, T steps of a rollout, `*o` an observation's shape, `*a` an action's. Observations are
arrays, or (nested) dicts of arrays with the same leading axes. Everything here is immutable data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachrl.snapshots import State

Array = NDArray[Any]
Bools = NDArray[np.bool_]
Floats = NDArray[np.floating[Any]]
Observations = Any  # an array (N, *o), or a dict of such arrays


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """One episode that a teacher asks for.

    Attributes:
        task: A member of the environment's task space, or None for its default task.
        seed: Seed of the episode (another seed is another level of the same task); None lets the classroom draw one.
        start: Where the episode begins; None is an ordinary reset.
        learn: False plays and scores the lesson without training on it.
        id: Mark of the teacher that set the task, handed back in reports; -1 is no mark.
        start_id: Mark of the teacher that set the start; -1 is no mark.
        limit: Steps after which the classroom truncates the episode, if the environment has not ended it; None is the
            environment's own time limit alone.
    """

    task: Any = None
    seed: int | None = None
    start: State | None = None
    learn: bool = True
    id: int = -1
    start_id: int = -1
    limit: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Episode:
    """A finished episode.

    Attributes:
        lesson: The lesson that was played, its seed as the teacher set it.
        env: Index of the environment that played it.
        seed: The seed it was played with.
        first_observation: The first observation, all views, before transforms.
        episode_return: Sum of the environment's own rewards: undiscounted, unshaped, unnormalised.
        discounted_return: The same rewards, discounted by the student's gamma.
        taught_return: Sum of what the student was paid, shaping included.
        length: Number of steps.
        success: The environment's `is_success`, None where it does not say.
        terminated: False if a time limit ended it.
        student: Index of the student that played it.
    """

    lesson: Lesson
    env: int
    seed: int
    first_observation: Observations
    episode_return: float
    discounted_return: float
    taught_return: float
    length: int
    success: bool | None
    terminated: bool
    student: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One step of all N environments, with all views, before transforms.

    Attributes:
        observations: (N, *o) what the environments showed before the step.
        actions: (N, *a) what the student chose.
        executed: (N, *a) what was done, overrides included.
        overridden: (N,) bool, where a teacher's action replaced the student's.
        rewards: (N,) the environments' own rewards.
        next_observations: (N, *o) what followed; for an episode that ended, its true final observation.
        terminated: (N,) bool.
        truncated: (N,) bool.
        first: (N,) bool, true where `observations` began an episode.
        lessons: The N lessons that were being played.
    """

    observations: Observations
    actions: Array
    executed: Array
    overridden: Bools
    rewards: Floats
    next_observations: Observations
    terminated: Bools
    truncated: Bools
    first: Bools
    lessons: Sequence[Lesson]


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """What a teacher would have done.

    Attributes:
        actions: (N, *a).
        parameters: Distribution parameters by name, each (N, ...), or None for bare actions.
        mask: (N,) bool, where the teacher gives a label.
    """

    actions: Array
    parameters: dict[str, Array] | None
    mask: Bools


@dataclass(frozen=True, slots=True, eq=False)
class Rollout:
    """What an on-policy student learned from, (T, N, ...).

    Attributes:
        observations: (T, N, *o) as the student saw them.
        actions: (T, N, *a) as executed.
        rewards: (T, N) as learned from, with the bootstrap at time limits taken out.
        values: (T, N) the student's values.
        last_values: (N,) values of the observations after the last step.
        advantages: (T, N).
        log_probs: (T, N) of the executed actions; of a Gaussian's own draws before they were clipped to the space.
        terminated: (T, N) bool.
        truncated: (T, N) bool.
        first: (T, N) bool, true at an episode's first step.
        ids: (T, N) `Lesson.id` of what was being played.
        learn: (T, N) bool, `Lesson.learn`.
        gamma: Discount.
        gae_lambda: Lambda of generalised advantage estimation.
        student: Index of the student.
    """

    observations: Observations
    actions: Array
    rewards: Floats
    values: Floats
    last_values: Floats
    advantages: Floats
    log_probs: Floats
    terminated: Bools
    truncated: Bools
    first: Bools
    ids: NDArray[np.int64]
    learn: Bools
    gamma: float
    gae_lambda: float
    student: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What every teacher is told: after each vector step in which an episode ended, and after each rollout.

    Attributes:
        total_steps: Every environment step taken for this run so far, by whomever and for whatever.
        episodes: The episodes that have ended since the last report.
        rollout: The rollout that has ended, if one has.
    """

    total_steps: int
    episodes: tuple[Episode, ...] = ()
    rollout: Rollout | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Experience:
    """One step of all N environments as the student lived it, shown, paid and executed by its teachers.

    Attributes:
        observations: (N, *o) what it saw.
        actions: (N, *a) what was executed.
        rewards: (N,) what it was paid.
        next_observations: (N, *o) what it sees next: the new episode's beginning where one ended.
        final_observations: (N, *o) the same, with the true final observation where an episode ended.
        terminated: (N,) bool.
        truncated: (N,) bool.
        first: (N,) bool, true where `observations` began an episode.
        ids: (N,) int, `Lesson.id` of what was played.
        learn: (N,) bool, `Lesson.learn`.
        success: (N,) 1 or 0 where an episode ended and the environment says whether it succeeded, NaN elsewhere; None
            where nobody asked.
    """

    observations: Observations
    actions: Array
    rewards: Floats
    next_observations: Observations
    final_observations: Observations
    terminated: Bools
    truncated: Bools
    first: Bools
    ids: NDArray[np.int64]
    learn: Bools
    success: Floats | None = None


@dataclass(slots=True, eq=False)
class Counters:
    """What a run has used so far, by all its classrooms together.

    Attributes:
        total_steps: Every environment step, by whomever and for whatever.
        student_steps: Those that the student learned from.
        episodes: Finished training episodes.
        updates: Times the student learned: rollouts on-policy, training cycles off-policy.
        labels: Labels given.
        tokens: Language-model tokens.
    """

    total_steps: int = 0
    student_steps: int = 0
    episodes: int = 0
    updates: int = 0
    labels: int = 0
    tokens: int = 0
