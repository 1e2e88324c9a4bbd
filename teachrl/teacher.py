"""What a teacher is: a class that implements the channels it uses, and no others.

| channel      | method                                                      | when              |
|--------------|-------------------------------------------------------------|-------------------|
| tasks        | `sample_tasks(n, student=0)`                                | before an episode |
| starts       | `sample_starts(lessons)`                                    | before an episode |
| subgoals     | `subgoals(observations, lessons, first, step)`              | each step         |
| rewards      | `shape_rewards(step)`                                       | each step         |
| observations | `transform_observations(observations, lessons, first, indices)` | each step     |
| actions      | `override_actions(observations, actions, lessons, first)`   | each step         |
| labels       | `label_actions(observations, lessons, first)`               | each step         |

The exact signatures are the protocols below. The smallest teacher is a `TaskTeacher`, with `sample` and `learn`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, Protocol, runtime_checkable

import numpy as np
from gymnasium import spaces

from teachrl.configurable import Configurable
from teachrl.errors import InvalidTeacher
from teachrl.lessons import Array, Bools, Episode, Floats, Labels, Lesson, Observations, Report, Step
from teachrl.state import capture, restore

if TYPE_CHECKING:
    from teachrl.classroom import Classroom
    from teachrl.student import Policy

CHANNELS = {
    "tasks": "sample_tasks",
    "starts": "sample_starts",
    "subgoals": "subgoals",
    "rewards": "shape_rewards",
    "observations": "transform_observations",
    "actions": "override_actions",
    "labels": "label_actions",
}
"""The method of each channel."""
EXCLUSIVE = ("tasks", "starts", "subgoals")
"""The channels that one teacher of a classroom at most may use."""


def _nothing() -> None:
    """Stands for what was executed last where nothing was."""


def _as_shown(observations: Observations) -> Observations:
    """Stands for a student that sees all there is."""
    return observations


def _undiscounted() -> float:
    """Stands for the discount of nobody."""
    return 1.0


def _provides_nothing(name: str) -> NoReturn:
    """Stands for an environment that offers nothing."""
    raise InvalidTeacher(f"A teacher asked for the {name!r} of an environment that provides none.")


@dataclass(frozen=True, slots=True, eq=False)
class Setup:
    """What a teacher learns of its classroom when a run begins.

    Attributes:
        observation_space: Of one environment, all views, before transforms.
        action_space: Of one environment.
        task_space: Of the environment, None if it has none.
        task_names: Names of a Box task's coordinates.
        num_envs: Number of parallel environments.
        seed: The teacher's own branch of the run's seed tree.
        return_range: Lowest and highest return of an episode, if the environment tells.
        env_id: The environment's id.
        max_episode_steps: Its time limit, None if it has none.
        get_policy: Returns the student's policy as it is now; see `policy`.
        get_values: Returns the student's values of observations (B, *o); see `values`.
        rollouts: `rollouts(lessons, deterministic=False)` plays the lessons with the student's policy as it is now,
            trains nothing, counts the steps, and returns their episodes in the order of the lessons.
        make_classroom: `make_classroom(student, envs=None, num_envs=None)` makes a classroom for another student of
            the same run (an antagonist, an editor): its lessons come from this teacher's
            `sample_tasks(n, student=student)`, its reports go to this teacher, and its steps are counted. Given `envs`
            it is a classroom over those, without lessons of this teacher.
        get_suite: `get_suite(name)` returns the lessons of one of the environment's task suites by name, but never
            those of `"test"`, which evaluation opens.
        solvable: `solvable(tasks)` tells of each of the tasks whether it can be solved at all; None where the
            environment cannot tell.
        provided: `provided(name)` makes what the environment offers to those who know it from inside: `"planner"`, a
            policy with full knowledge, or `"layouts"`, a `teachrl.subgoals.Layouts`; refuses what there is not.
        executed: Returns the actions (N, *a) that were executed last, whoever chose them, None before the first step.
            Where an episode begins they are of the one before.
        get_gamma: Returns the student's discount as it is now, 1 before there is a student; see `gamma`.
        seen: `seen(observations)` returns what the student sees of observations (B, *o; all views) that begin episodes:
            its view, with null goals; refuses where teachers transform observations.
        unrestorable: Why lessons cannot start from exact states, empty where they can.
        tasks_are_set: Whether a teacher sets tasks; elsewhere they are uniform.
        made_with: The environments' `"env_kwargs"` and `"wrappers"` as data, None where they are not known.
    """

    observation_space: spaces.Space[Any]
    action_space: spaces.Space[Any]
    task_space: spaces.Space[Any] | None
    task_names: tuple[str, ...]
    num_envs: int
    seed: np.random.SeedSequence
    return_range: tuple[float, float] | None
    env_id: str
    max_episode_steps: int | None
    get_policy: Callable[[], Policy] = field(repr=False)
    get_values: Callable[[Observations], Floats] = field(repr=False)
    rollouts: Callable[..., list[Episode]] = field(repr=False)
    make_classroom: Callable[..., Classroom] = field(repr=False)
    get_suite: Callable[[str], Mapping[str, Lesson]] = field(repr=False)
    solvable: Callable[[Sequence[Any]], list[bool]] | None = field(default=None, repr=False)
    executed: Callable[[], Array | None] = field(default=_nothing, repr=False)
    provided: Callable[[str], Any] = field(default=_provides_nothing, repr=False)
    get_gamma: Callable[[], float] = field(default=_undiscounted, repr=False)
    seen: Callable[[Observations], Observations] = field(default=_as_shown, repr=False)
    unrestorable: str = ""
    tasks_are_set: bool = False
    made_with: Mapping[str, Any] | None = None

    @property
    def policy(self) -> Policy:
        """The student's policy as it is now, to read and never to change."""
        return self.get_policy()

    @property
    def gamma(self) -> float:
        """The student's discount as it is now, 1 before there is a student."""
        return self.get_gamma()

    def values(self, observations: Observations) -> Floats:
        """Returns the student's values (B,) of observations (B, *o) as it sees them."""
        return self.get_values(observations)


class Teacher(Configurable):
    """Base of all teachers: working defaults for everything but the channel methods, which it does not define.

    One instance teaches in one run. The constructor of a subclass stores its hyperparameters under their own names
    and does nothing else. `begin` leaves the setup in `self.setup`, and the only source of randomness in `self.rng`.

    Attributes:
        cadence: `"episode"`: a lesson is asked for before each episode. `"rollout"`: lessons are asked for when a
            rollout begins; running episodes are truncated then, and each lesson is repeated until the rollout ends.
        permanent: Channels that stay on in evaluation and deployment.
        needs_task_space: Whether the tasks channel needs an environment with a task space; a teacher that varies
            nothing but seeds says False.
        citation: Where the method was published.
        bibtex: The same for a bibliography; a study that uses the teacher puts it into its methods.bib.
    """

    cadence: ClassVar[Literal["episode", "rollout"]] = "episode"
    permanent: ClassVar[frozenset[str]] = frozenset()
    needs_task_space: ClassVar[bool] = True
    citation: ClassVar[str] = ""
    bibtex: ClassVar[str] = ""

    setup: Setup
    rng: np.random.Generator

    @property
    def channels(self) -> frozenset[str]:
        """The channels this teacher uses: by default those whose methods its class has."""
        return frozenset(channel for channel, method in CHANNELS.items() if hasattr(type(self), method))

    def begin(self, setup: Setup) -> None:
        """Starts a run; extend it with `super().begin(setup)`.

        Args:
            setup: Spaces, seed and what else is known of the classroom.

        Raises:
            InvalidTeacher: If this teacher cannot teach there.
            InvalidHyperparameter: If an argument of the constructor is impossible there.
        """
        self.setup = setup
        self.rng = np.random.default_rng(setup.seed)

    def rehearse(self) -> None:
        """Finds out what only the student, attached now, can be wrong about; before anything of a new run is created.

        Raises:
            InvalidTeacher: If this teacher cannot teach it.
        """

    def update(self, report: Report) -> None:
        """Learns from what happened: once per vector step in which an episode ended, once per rollout."""

    def scalars(self) -> dict[str, float]:
        """Returns a few numbers for the log."""
        return {}

    @property
    def tokens(self) -> int:
        """Language-model tokens that this teacher has spent since the process began."""
        return 0

    def close(self) -> None:
        """Ends threads and connections that the teacher has opened; a run calls it at its end, once or more."""

    def state_dict(self) -> dict[str, Any]:
        """Returns all that was learned: arrays, numbers, strings and containers of them, random state included.

        The default takes every attribute that is not an argument of the constructor.

        Raises:
            InvalidTeacher: If an attribute is not data; such a teacher writes its own `state_dict`.
        """
        return capture(self, exclude={*self.init_args, "setup"})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`, after `begin`.

        A permanent teacher is also copied into evaluations so, of another number of environments: what it keeps of
        each environment is begun anew there.
        """
        restore(self, state)


@runtime_checkable
class SetsTasks(Protocol):
    """The tasks channel: what to train on next."""

    def sample_tasks(self, n: int, student: int = 0) -> Sequence[Lesson]:
        """Returns `n` lessons for student number `student`."""


@runtime_checkable
class SetsStarts(Protocol):
    """The starts channel: where to begin."""

    def sample_starts(self, lessons: Sequence[Lesson]) -> Sequence[Lesson]:
        """Returns the lessons with `start` and `start_id` set, or as they are (`dataclasses.replace` copies one)."""


@runtime_checkable
class SetsSubgoals(Protocol):
    """The subgoals channel: what to aim at on the way.

    A class attribute `null_goal`, a number, is what all entries of a goal are while nobody sets subgoals; 0 without it.
    """

    goal_space: spaces.Box

    def subgoals(self, observations: Observations, lessons: Sequence[Lesson], first: Bools, step: Step | None) -> Array:
        """Returns the goals (N, *g) to pursue from `observations` (N, *o; all views) on.

        Args:
            observations: What the environments show now; after a step, its true `next_observations`.
            lessons: The N lessons being played.
            first: (N,) bool, episodes that begin with these observations.
            step: The step that led here, or None for beginnings: then only the rows where `first` is true are asked
                for, the others are ignored and must not change the teacher.
        """


@runtime_checkable
class ShapesRewards(Protocol):
    """The rewards channel: what pays."""

    def shape_rewards(self, step: Step) -> Floats:
        """Returns what is added to the rewards, (N,); every shaper sees the unshaped rewards."""


@runtime_checkable
class TransformsObservations(Protocol):
    """The observations channel: what is seen."""

    def observation_space(self, space: spaces.Space[Any]) -> spaces.Space[Any]:
        """Returns the space of transformed observations; called once, when the run begins."""

    def transform_observations(
        self, observations: Observations, lessons: Sequence[Lesson], first: Bools, indices: Array
    ) -> Observations:
        """Returns what the student sees instead.

        A final observation passes here in a call of its own, about the environments that ended; the call for all
        environments follows, in which the same environments have `first` true.

        Args:
            observations: (B, *o) what it would see, the student's view only.
            lessons: The B lessons being played.
            first: (B,) bool, true for an episode's first observation.
            indices: (B,) int, the environments that this call is about.
        """


@runtime_checkable
class OverridesActions(Protocol):
    """The actions channel: what is done."""

    def override_actions(
        self, observations: Observations, actions: Array, lessons: Sequence[Lesson], first: Bools
    ) -> tuple[Array, Bools]:
        """Returns actions (N, *a), and a mask (N,) of those that replace the student's `actions`."""


@runtime_checkable
class LabelsActions(Protocol):
    """The labels channel: what should have been done."""

    def label_actions(self, observations: Observations, lessons: Sequence[Lesson], first: Bools) -> Labels:
        """Returns the labels of `observations` (N, *o; all views); called in order, once a step."""


class TaskTeacher(Teacher):
    """The short way to a curriculum of one's own: define `sample` and `learn`, nothing else to know.

    `self.task_space` and `self.rng` (a `numpy.random.Generator`) are there when `sample` is called.

    Example:
        >>> class Ladder(TaskTeacher):
        ...     '''The tasks get harder by a step each time one is solved.'''
        ...     level = 0.0
        ...     def sample(self, n):
        ...         low, high = self.task_space.low, self.task_space.high
        ...         return [low + self.level * (high - low)] * n
        ...     def learn(self, tasks, returns, successes):
        ...         self.level = min(1.0, self.level + 0.01 * sum(successes))
    """

    task_space: spaces.Space[Any]

    def begin(self, setup: Setup) -> None:
        """Starts a run; leaves the task space in `self.task_space`."""
        super().begin(setup)
        if setup.task_space is not None:  # where there is none, the classroom lets it begin with its channel off only
            self.task_space = setup.task_space

    def sample(self, n: int) -> Sequence[Any]:
        """Returns `n` tasks, members of `self.task_space`."""
        raise NotImplementedError(f"{type(self).__name__} must define sample(n) -> n tasks")

    def learn(self, tasks: Sequence[Any], returns: Sequence[float], successes: Sequence[bool]) -> None:
        """Learns from finished episodes: their tasks, returns (the environment's own) and successes."""

    def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
        """Returns `n` lessons out of `sample`."""
        return [Lesson(task) for task in self.sample(n)]

    def update(self, report: Report) -> None:
        """Hands finished episodes to `learn`."""
        episodes = [e for e in report.episodes if e.lesson.task is not None]
        if episodes:
            self.learn(
                [e.lesson.task for e in episodes],
                [e.episode_return for e in episodes],
                [bool(e.success) for e in episodes],
            )

    def state_dict(self) -> dict[str, Any]:
        """Returns every attribute that is not an argument of the constructor or the task space."""
        return capture(self, exclude={*self.init_args, "setup", "task_space"})
