"""The classroom: a vector environment in which teachers teach and a student learns.

`Classroom(envs, teachers)` takes a vector environment and is one, with ordinary same-step autoreset on the outside, so
that whatever trains on a Gymnasium vector environment can be taught. A step goes

    environments -> teachers see all views -> view selection -> subgoals -> transforms in order -> student
    student -> labels -> overrides in order, the first that claims an environment wins -> environments

and the student is paid the environments' rewards plus the sum of all shaping.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from teachrl import seeds
from teachrl.curriculum import Curriculum
from teachrl.errors import InvalidEnvironment
from teachrl.infos import autoreset_infos, told_success
from teachrl.ledger import Ledger
from teachrl.lessons import (
    Array,
    Bools,
    Counters,
    Episode,
    Experience,
    Floats,
    Labels,
    Lesson,
    Observations,
    Report,
    Rollout,
    Step,
)
from teachrl.observations import as_actions, put, take
from teachrl.observer import Observer
from teachrl.restoring import restore_environments
from teachrl.roster import Roster
from teachrl.setups import make_setup
from teachrl.student import Student
from teachrl.teacher import Teacher
from teachrl.vector import LessonVectorEnv, require_lessons

_KEPT_EPISODES = 10_000


class Classroom(VectorEnv[Any, Any, Any]):
    """A vector environment whose lessons, observations, rewards and actions are its teachers' matter.

    Args:
        envs: Environments made by `make_vec`.
        teachers: Who teaches, in the order in which they act.
        disable: Channels (`"rewards"`) or one teacher's channels (`"ALPGMM.tasks"`) to switch off. Without a task
            teacher tasks are uniform over the task space.
        view: The view the student sees, of environments that have several.
        keep: Views that the student may ask of `last`, a critic's for example.
        seed: Root of the seed tree. Every reset is seeded from it.
        student: Index of the student that learns here.
        counters: What to count steps in; shared between the classrooms of one run.
        permanent_only: Keep only the channels that stay on in evaluation.
        begin: Let the teachers begin; False for teachers that have begun in another classroom of the same run.

    Attributes:
        last: The last step, with all views; None before the first.
        executed: (N, *a) the actions executed in it, also after a resumption.
        labels: The labels of the last step, one entry for each labelling teacher.
        last_ids: (N,) `Lesson.id` of the lessons that the last step belonged to.
        last_learn: (N,) `Lesson.learn` of the same.
        mismatches: What a resumed classroom could not restore exactly.
        counters: What was used so far.
        index: Index of the student.
        root: Root of the seed tree.
        curriculum: Serves the lessons.

    Raises:
        InvalidTeacher: If the teachers cannot teach here, or not together.
        InvalidEnvironment: If `envs` does not take lessons.
        UnknownName: If a view or a channel to disable does not exist.
    """

    def __init__(
        self,
        envs: VectorEnv[Any, Any, Any],
        teachers: Sequence[Teacher] | Teacher = (),
        *,
        disable: Collection[str] = (),
        view: str = "student",
        keep: Collection[str] = (),
        seed: int | np.random.SeedSequence = 0,
        student: int = 0,
        counters: Counters | None = None,
        permanent_only: bool = False,
        begin: bool = True,
    ) -> None:
        self.envs: LessonVectorEnv = require_lessons(envs)
        self.num_envs = self.envs.num_envs
        self.metadata = {**self.envs.metadata, "autoreset_mode": AutoresetMode.SAME_STEP}
        self.spec, self.render_mode = self.envs.spec, self.envs.render_mode
        self.counters = counters or Counters()
        self.student: Student | None = None
        self.root = seeds.seed_sequence(seed)
        self.index, self.view = student, view
        self.executed: Array | None = None
        self.disable, self._permanent_only = disable, permanent_only
        self._roster = Roster([teachers] if isinstance(teachers, Teacher) else teachers, disable, permanent_only)
        self._roster.check_environment(self.envs)
        self.curriculum = Curriculum(self.envs, self._roster, self.root, student)
        if begin:
            for place, teacher in enumerate(self._roster.teachers):
                teacher.begin(make_setup(self, teacher, seeds.branch(self.root, seeds.TEACHER, place)))
        self._observer = Observer(self.envs.single_observation_space, view, self._roster, keep)
        self.single_observation_space = self._observer.space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.single_action_space, self.action_space = self.envs.single_action_space, self.envs.action_space
        self._ledger = Ledger(self.num_envs, student, keep_actions=not self.envs.restorable)
        self._all = np.arange(self.num_envs)
        self._none = np.zeros(self.num_envs, dtype=bool)
        self._fresh: deque[Episode] = deque(maxlen=_KEPT_EPISODES)
        self._raw = self._seen = self._final = cast(Observations, None)
        self._goals = self._observer.null_goals(self.num_envs)
        self._first = ~self._none
        self._untouched = False
        self._tokens_before = 0  # spent before this process
        self.last: Step | None = None
        self.labels: tuple[Labels, ...] = ()
        self.last_ids, self.last_learn = self._ledger.ids, self._ledger.learn
        self.mismatches: list[dict[str, Any]] = []

    # Who teaches and who learns

    @property
    def teachers(self) -> list[Teacher]:
        """The teachers, in the order in which they act."""
        return list(self._roster.teachers)

    @property
    def channels(self) -> frozenset[str]:
        """The channels in use."""
        return self._roster.channels

    @property
    def lessons(self) -> list[Lesson]:
        """The N lessons being played."""
        return list(self._ledger.lessons)

    @property
    def gamma(self) -> float:
        """Discount of `Episode.discounted_return`: the student's, once it is attached."""
        return self._ledger.gamma

    @gamma.setter
    def gamma(self, gamma: float) -> None:
        self._ledger.gamma = gamma

    def attach(self, student: Student, able: Sequence[str] = ()) -> None:
        """Tells the teachers who the student is.

        Args:
            student: Anything with `policy`, `values`, `gamma` and `accepts`.
            able: Names of students to offer if this one cannot use what its teachers do.

        Raises:
            InvalidStudent: If the student cannot use a channel in use.
        """
        self._roster.check_student(student, able)
        self.student = student
        self.gamma = float(student.gamma)

    # Lessons

    def _start(self, mask: Bools, repeat: bool = False) -> dict[str, Any]:
        """Begins episodes in the masked environments; returns the environments' infos."""
        ended = np.flatnonzero(mask)
        lessons, episode_seeds = self._ledger.repeated(ended) if repeat else self.curriculum.next(len(ended))
        options = {"reset_mask": mask, "lessons": lessons}
        self._raw, infos = self.envs.reset(seed=episode_seeds, options=options)
        self._ledger.begin(ended, lessons, episode_seeds, self._raw)
        self._ledger.check_finite(self.envs.env_id, observations=self._raw)
        self._first = mask.copy()
        self._set_goals(mask)
        return infos

    def _set_goals(self, mask: Bools) -> None:
        """Asks for the goals of the episodes that begin in the masked environments."""
        goals = self._roster.subgoals(self._raw, self._ledger.lessons, mask, None)
        if goals is not None:
            self._goals = put(self._goals, np.flatnonzero(mask), goals[mask])

    # The vector environment

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begins an episode in every environment; running ones are dropped.

        Args:
            seed: Restarts the stream that episode seeds are drawn from; None continues it.
            options: Refused unless empty: lessons are the teachers' matter.

        Returns:
            What the student sees, (N, *o), and the environments' infos.
        """
        if options:
            raise InvalidEnvironment(
                f"A classroom takes no reset options, got {sorted(options)}: its teachers set lessons."
            )
        if seed is not None:
            self.curriculum.reseed(seed)
        infos = self._start(~self._none)
        self._untouched = True
        self._seen = self._see(self._raw, self._goals, self._first, self._all)
        return self._seen, infos

    def _see(self, raw: Observations, goals: Array | None, first: Bools, indices: Array) -> Observations:
        known = self._ledger.lessons
        lessons = known if indices is self._all else [known[i] for i in indices.tolist()]
        return self._observer(raw, goals, lessons, first, indices)

    def step(self, actions: Array) -> tuple[Observations, Floats, Bools, Bools, dict[str, Any]]:
        """Takes one step in every environment; ended episodes are followed by new lessons at once.

        Args:
            actions: (N, *a) the student's actions.

        Returns:
            Observations (N, *o), taught rewards (N,), terminated (N,), truncated (N,), and infos, which hold an ended
            episode's true last observation in `"final_obs"` and its last info in `"final_info"`.

        Raises:
            NonFiniteData: If an environment returns NaN or infinity; names it and its task.
            InvalidEnvironment: If the classroom was not reset.
        """
        if self._raw is None:
            raise InvalidEnvironment("The classroom has not begun: call reset() before step().")
        step, rewards, infos = self._advance(as_actions(actions, self.single_action_space.dtype))
        self.last, self.executed, self._untouched = step, step.executed, False
        self._first = self._none
        self._raw = step.next_observations
        goals = self._roster.subgoals(self._raw, self._ledger.lessons, self._none, step)
        self._goals = self._goals if goals is None else goals
        done = step.terminated | step.truncated
        if done.any():
            infos = self._turn_over(done, step, infos)
        self._seen = self._see(self._raw, self._goals, self._first, self._all)
        return self._seen, rewards, step.terminated, step.truncated, infos

    def _advance(self, actions: Array) -> tuple[Step, Floats, dict[str, Any]]:
        """Steps the environments with what is executed, and enters it in the books."""
        raw, first, lessons = self._raw, self._first, self._ledger.lessons
        self.labels = self._roster.label(raw, lessons, first)
        executed, overridden = actions, self._none
        if self._roster.overriders:
            executed, overridden = self._roster.override(raw, actions, lessons, first)
        following, rewards, terminated, truncated, infos = self.envs.step(executed)
        self._ledger.check_finite(self.envs.env_id, observations=following, rewards=rewards)
        truncated = self._ledger.cut(terminated, truncated)
        step = Step(raw, actions, executed, overridden, rewards, following, terminated, truncated, first, lessons)
        taught = self._roster.shape(step) if self._roster.shapers else rewards
        self._ledger.record(executed, rewards, taught)
        self.last_ids, self.last_learn = self._ledger.ids, self._ledger.learn
        self._count()
        return step, taught, infos

    def _count(self) -> None:
        self.counters.total_steps += self.num_envs
        if self.index == 0:
            self.counters.student_steps += self._ledger.learning
        for labels in self.labels:
            self.counters.labels += int(np.count_nonzero(labels.mask))

    def _turn_over(self, done: Bools, step: Step, infos: dict[str, Any]) -> dict[str, Any]:
        """Closes ended episodes, reports them, and begins the next; returns the infos of a same-step autoreset."""
        ended = np.flatnonzero(done)
        goals = None if self._goals is None else self._goals[ended]
        final = self._see(take(self._raw, ended), goals, np.zeros(len(ended), dtype=bool), ended)
        episodes = self._ledger.close(ended, step.terminated, infos)
        self.count_tokens()
        self.counters.episodes += 0 if self._permanent_only else len(episodes)
        self._fresh.extend(episodes)
        self._roster.update(Report(self.counters.total_steps, tuple(episodes)))
        reset_infos = self._start(done, repeat=self._roster.cadence == "rollout")
        self._final = final
        return autoreset_infos(infos, reset_infos, final, episodes, done)

    def render(self) -> tuple[Any, ...] | None:
        """Renders every environment."""
        return self.envs.render()

    def close_extras(self, **kwargs: Any) -> None:
        """Closes the environments."""
        self.envs.close()

    # What students that know the classroom use

    def observed(self) -> tuple[Observations, Bools]:
        """Returns what the student sees now, and (N,) where episodes begin; resets a classroom that has not begun."""
        if self._raw is None:
            self.reset()
        return self._seen, self._first

    def ask(self) -> tuple[Labels, ...]:
        """Returns the labels of what is shown now, one entry for each labelling teacher; the next step has the same."""
        self.observed()
        return self._roster.label(self._raw, self._ledger.lessons, self._first)

    def experience(self, actions: Array) -> Experience:
        """Takes a step and returns it as the student lived it."""
        observations, first = self.observed()
        following, rewards, terminated, truncated, infos = self.step(actions)
        done = np.flatnonzero(terminated | truncated)
        final = put(following, done, self._final) if len(done) else following
        return Experience(
            observations, cast(Step, self.last).executed, rewards, following, final, terminated, truncated, first,
            self.last_ids, self.last_learn, told_success(infos, self.num_envs),
        )  # fmt: skip

    def begin_rollout(self) -> Observations | None:
        """Announces a rollout.

        Returns:
            None if running episodes go on. With a teacher of cadence `"rollout"` they are truncated and new lessons
            begin everywhere: what the student sees then, (N, *o).
        """
        if self._roster.cadence != "rollout":
            return None
        if not self._untouched:
            self.reset()
        return self._seen

    def report(self, rollout: Rollout) -> None:
        """Hands a rollout to the teachers."""
        self.counters.updates += 1
        self._roster.update(Report(self.counters.total_steps, (), replace(rollout, student=self.index)))

    def count_tokens(self) -> None:
        """Brings the counter of language-model tokens up to date, as the end of an episode does."""
        self.counters.tokens = self._tokens_before + sum(teacher.tokens for teacher in self._roster.teachers)

    def take_episodes(self) -> list[Episode]:
        """Returns the episodes that have ended since the last call, the newest 10,000 at most."""
        episodes = list(self._fresh)
        self._fresh.clear()
        return episodes

    # Checkpoints

    def state_dict(self) -> dict[str, Any]:
        """Returns the running episodes, the teachers and the random state as data."""
        self.count_tokens()
        running = self._raw is not None
        states = self.envs.get_state(~self._none) if running and self.envs.restorable else None
        return {
            "curriculum": self.curriculum.state_dict(),
            "teachers": self._roster.state_dict(),
            "counters": {name: getattr(self.counters, name) for name in Counters.__slots__},
            "running": {
                "raw": self._raw, "seen": self._seen, "goals": self._goals, "first": self._first,
                "untouched": self._untouched, "executed": self.executed, "ledger": self._ledger.state_dict(),
                "states": None if states is None else [state.to_data() for state in states],
            } if running else None,
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict` in a classroom made with the same arguments.

        Environments go back to where they were, from their saved state or by replaying the executed actions. One that
        does not get there is restarted with the same lesson and seed, and entered in `mismatches`.
        """
        self.curriculum.load_state_dict(state["curriculum"])
        self._roster.load_state_dict(state["teachers"])
        for name, value in state["counters"].items():
            setattr(self.counters, name, value)
        self._tokens_before = self.counters.tokens
        if (running := state["running"]) is None:
            return
        self._ledger.load_state_dict(running["ledger"])
        self._raw, self._first, self._goals = running["raw"], running["first"], running["goals"]
        self._seen, self._untouched, self.executed = running["seen"], running["untouched"], running.get("executed")
        self.mismatches = restore_environments(self.envs, self._ledger, running["states"], self._raw)
        for entry in self.mismatches:
            self._restart(entry["env"])

    def _restart(self, i: int) -> None:
        """Plays the running episode of environment `i` again from its beginning."""
        mask, row = self._all == i, np.array([i])
        lesson = self._ledger.lessons[i]
        raw, _ = self.envs.reset(seed=[self._ledger.seed(i)], options={"reset_mask": mask, "lessons": [lesson]})
        self._raw = put(self._raw, row, take(raw, row))
        self._first = self._first | mask
        self._ledger.restart(i, self._raw)
        self._set_goals(mask)
        goals = None if self._goals is None else self._goals[row]
        self._seen = put(self._seen, row, self._see(take(self._raw, row), goals, mask[row], row))
