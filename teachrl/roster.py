"""The teachers of one classroom, by channel."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from teachrl._labels import LabelAsker
from teachrl.errors import InvalidStudent, InvalidTeacher, UnknownName
from teachrl.lessons import Array, Bools, Floats, Labels, Lesson, Observations, Report, Step
from teachrl.teacher import (
    CHANNELS,
    EXCLUSIVE,
    LabelsActions,
    OverridesActions,
    SetsStarts,
    SetsSubgoals,
    SetsTasks,
    ShapesRewards,
    Teacher,
    TransformsObservations,
)

if TYPE_CHECKING:
    from teachrl.student import Student
    from teachrl.vector import LessonVectorEnv


class Roster:
    """Who teaches what: finds the teachers of each channel, refuses impossible combinations, and asks them in order.

    Args:
        teachers: The teachers, in the order in which they act.
        disable: Channels (`"rewards"`) or one teacher's channels (`"ALPGMM.tasks"`) to switch off.
        permanent_only: Keep only the channels that stay on in evaluation.

    Raises:
        InvalidTeacher: If something is not a teacher, stands twice, or shares a channel that takes one.
        UnknownName: If `disable` names no channel or teacher.
    """

    def __init__(
        self, teachers: Sequence[Teacher], disable: Collection[str] = (), permanent_only: bool = False
    ) -> None:
        self.teachers = list(teachers)
        self._check_teachers()
        disable = entries(disable)
        self._check_disable(disable)
        self._disable = disable
        self._learns_all: str | None = None  # the student, if it cannot leave lessons out
        self.by_channel: dict[str, list[Teacher]] = {
            channel: [
                t
                for t in self.teachers
                if channel in t.channels
                and not is_disabled(t, channel, disable)
                and (channel in t.permanent or not permanent_only)
            ]
            for channel in CHANNELS
        }
        self._check_exclusive()
        self.sets_tasks = self._only("tasks")
        self.sets_starts = cast("SetsStarts | None", self._only("starts"))
        self.sets_subgoals = cast("SetsSubgoals | None", self._only("subgoals"))
        self.shapers = cast("list[ShapesRewards]", self.by_channel["rewards"])
        self.transformers = cast("list[TransformsObservations]", self.by_channel["observations"])
        self.overriders = cast("list[OverridesActions]", self.by_channel["actions"])
        self.labellers = cast("list[LabelsActions]", self.by_channel["labels"])
        self._asked: Observations = None
        self._labels: tuple[Labels, ...] = ()

    def _check_teachers(self) -> None:
        for teacher in cast("list[Any]", self.teachers):
            if not isinstance(teacher, Teacher):
                hint = " Pass an instance, not the class." if isinstance(teacher, type) else ""
                raise InvalidTeacher(f"Expected a teacher (a subclass of teachrl.Teacher), got {teacher!r}.{hint}")
            if unknown := set(teacher.channels) - set(CHANNELS):
                raise UnknownName(f"channel (of {type(teacher).__name__})", unknown.pop(), CHANNELS)
        if len({id(t) for t in self.teachers}) < len(self.teachers):
            raise InvalidTeacher("One teacher stands twice in the list of teachers; make a second instance.")

    def _check_disable(self, disable: Collection[str]) -> None:
        known = {*CHANNELS, *(f"{type(t).__name__}.{c}" for t in self.teachers for c in t.channels)}
        for entry in disable:
            if entry not in known:
                raise UnknownName("channel to disable", entry, known)

    def _check_exclusive(self) -> None:
        for channel in EXCLUSIVE:
            names = [type(t).__name__ for t in self.by_channel[channel]]
            if len(names) > 1:
                raise InvalidTeacher(
                    f"{' and '.join(names)} both set {channel}, but one teacher at most can. Leave one out, or disable "
                    f"one's channel: disable=['{names[1]}.{channel}']."
                )

    def _only(self, channel: str) -> Teacher | None:
        return next(iter(self.by_channel[channel]), None)

    @property
    def channels(self) -> frozenset[str]:
        """The channels in use."""
        return frozenset(channel for channel, teachers in self.by_channel.items() if teachers)

    @property
    def goal_setter(self) -> SetsSubgoals | None:
        """The teacher whose goal space widens the observations, its channel on or off; rather one not disabled."""
        able = [t for t in self.teachers if "subgoals" in t.channels]
        able.sort(key=lambda t: is_disabled(t, "subgoals", self._disable))
        return cast(SetsSubgoals, able[0]) if able else None

    @property
    def cadence(self) -> str:
        """`"rollout"` if a teacher that sets lessons wants them asked for when rollouts begin."""
        setters = self.by_channel["tasks"] + self.by_channel["starts"]
        return "rollout" if any(t.cadence == "rollout" for t in setters) else "episode"

    def check_environment(self, envs: LessonVectorEnv) -> None:
        """Refuses a task teacher where there are no tasks, and learns what labels are checked against; comes first.

        Raises:
            InvalidTeacher: Naming the teacher and what gives an environment a task space.
        """
        if self.sets_tasks is not None and self.sets_tasks.needs_task_space and envs.task_space is None:
            raise InvalidTeacher(
                f"{type(self.sets_tasks).__name__} sets tasks, but {envs.env_id} has no task space. Give it one with "
                "Parametrised(env, {'unwrapped.attribute': [low, high]}), or leave the teacher out."
            )
        self._asker = LabelAsker(envs.single_action_space, envs.env_id)

    def check_student(self, student: Student, able: Sequence[str] = ()) -> None:
        """Refuses a student that cannot use a channel in use.

        Args:
            student: Who will be taught.
            able: Names of students that can, for the message.

        Raises:
            InvalidStudent: Naming the channels and the teachers.
        """
        self._learns_all = None if "learn" in student.accepts else type(student).__name__
        needed = self.channels | ({"rollout"} if self.cadence == "rollout" else set())
        if missing := sorted(needed - set(student.accepts)):
            users = sorted({type(t).__name__ for c in missing for t in self.by_channel.get(c, self.teachers)})
            raise InvalidStudent(
                f"{type(student).__name__} cannot use {missing}, which {users} need: it accepts "
                f"{sorted(student.accepts)}. Disable these channels, or take a student that accepts them"
                f"{': ' + ', '.join(able) if able else ''}."
            )

    def update(self, report: Report) -> None:
        """Tells every teacher what happened."""
        for teacher in self.teachers:
            teacher.update(report)

    def tasks(self, n: int, student: int) -> list[Lesson] | None:
        """Asks for `n` lessons; None if nobody sets tasks."""
        if self.sets_tasks is None:
            return None
        asked = cast(SetsTasks, self.sets_tasks).sample_tasks(n, student=student)
        return _checked(asked, n, self.sets_tasks, "sample_tasks")

    def check_masks(self, lessons: Sequence[Lesson]) -> None:
        """Refuses lessons that must not be learned from where the student would train on them all the same.

        Raises:
            InvalidStudent: Naming the student.
        """
        if self._learns_all is not None and not all(lesson.learn for lesson in lessons):
            setter = type(self.sets_tasks or self.sets_starts).__name__
            raise InvalidStudent(
                f"{setter} set a lesson with learn=False, which {self._learns_all} would train on: its `accepts` lacks "
                "'learn'. Take a student that leaves such lessons out, or leave the teacher out."
            )

    def starts(self, lessons: list[Lesson]) -> list[Lesson]:
        """Asks where the lessons shall begin."""
        if self.sets_starts is None:
            return lessons
        return _checked(self.sets_starts.sample_starts(lessons), len(lessons), self.sets_starts, "sample_starts")

    def subgoals(
        self, observations: Observations, lessons: Sequence[Lesson], first: Bools, step: Step | None
    ) -> Array | None:
        """Asks for the goals (N, *g); None if nobody sets them."""
        if self.sets_subgoals is None:
            return None
        goals = np.asarray(self.sets_subgoals.subgoals(observations, lessons, first, step))
        space = self.sets_subgoals.goal_space
        if goals.shape != (len(lessons), *space.shape):
            raise InvalidTeacher(
                f"{type(self.sets_subgoals).__name__}.subgoals must return goals of the shape "
                f"{(len(lessons), *space.shape)}, one of its goal_space {space} for each environment, "
                f"got {goals.shape}."
            )
        return goals.astype(space.dtype)

    def shape(self, step: Step) -> Floats:
        """Returns the rewards with all shaping added."""
        rewards = step.rewards
        for shaper in self.shapers:
            extra = np.asarray(shaper.shape_rewards(step), dtype=np.float64)
            if extra.shape != step.rewards.shape or not np.isfinite(extra).all():
                raise InvalidTeacher(
                    f"{type(shaper).__name__}.shape_rewards must return {step.rewards.shape} finite numbers, "
                    f"got {extra!r}."
                )
            rewards = rewards + extra
        return rewards

    def override(
        self, observations: Observations, actions: Array, lessons: Sequence[Lesson], first: Bools
    ) -> tuple[Array, Bools]:
        """Returns the executed actions and where they are a teacher's; the first teacher that claims an env wins."""
        executed, overridden = actions, np.zeros(len(lessons), dtype=bool)
        for teacher in self.overriders:
            chosen, mask = teacher.override_actions(observations, actions.copy(), lessons, first)
            chosen, mask = np.asarray(chosen), np.asarray(mask, dtype=bool)
            fits = chosen.shape == actions.shape and np.can_cast(chosen.dtype, actions.dtype, "same_kind")
            if not fits or mask.shape != overridden.shape:
                raise InvalidTeacher(
                    f"{type(teacher).__name__}.override_actions must return actions of the shape {actions.shape} with "
                    f"numbers like {actions.dtype}, and a mask {overridden.shape}; got {chosen.shape} {chosen.dtype} "
                    f"and {mask.shape}."
                )
            mask = mask & ~overridden
            shape = (len(mask), *(1,) * (actions.ndim - 1))
            executed = np.where(mask.reshape(shape), chosen, executed).astype(actions.dtype, copy=False)
            overridden |= mask
        return executed, overridden

    def label(self, observations: Observations, lessons: Sequence[Lesson], first: Bools) -> tuple[Labels, ...]:
        """Asks every labelling teacher, in order; what was asked of these observations before is given again.

        Raises:
            InvalidTeacher: If a teacher fails on what it is shown, or its labels do not fit; names it.
            NonFiniteData: If a label that counts is NaN or infinite.
        """
        if self._asked is not observations:
            self._labels = tuple(self._asker(t, observations, lessons, first) for t in self.labellers)
            self._asked = observations
        return self._labels

    def state_dict(self) -> dict[str, Any]:
        """Returns the state of every teacher, by place and class."""
        return {f"{i}-{type(t).__name__}": t.state_dict() for i, t in enumerate(self.teachers)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores every teacher.

        Raises:
            InvalidTeacher: If the state is of other teachers.
        """
        expected = [f"{i}-{type(t).__name__}" for i, t in enumerate(self.teachers)]
        if sorted(state) != sorted(expected):
            raise InvalidTeacher(f"The saved state is of the teachers {sorted(state)}, but these are {expected}.")
        for key, teacher in zip(expected, self.teachers, strict=True):
            teacher.load_state_dict(state[key])
        self._asked = None


def entries(disable: Collection[str]) -> list[str]:
    """Returns the entries of `disable`, which may be a single one."""
    return [disable] if isinstance(disable, str) else list(disable)


def is_disabled(teacher: Teacher, channel: str, disable: Collection[str]) -> bool:
    """Tells whether `disable` switches a teacher's channel off."""
    return channel in disable or f"{type(teacher).__name__}.{channel}" in disable


def concerning(teachers: Sequence[Teacher], disable: Collection[str]) -> list[str]:
    """Returns the entries of `disable` that are about these teachers, for a classroom with some of a run's."""
    known = {*CHANNELS, *(f"{type(t).__name__}.{c}" for t in teachers for c in t.channels)}
    return [entry for entry in entries(disable) if entry in known]


def _checked(lessons: Sequence[Lesson], n: int, teacher: object, method: str) -> list[Lesson]:
    lessons = list(lessons)
    if len(lessons) != n or not all(isinstance(lesson, Lesson) for lesson in lessons):
        got = f"{len(lessons)} of {sorted({type(lesson).__name__ for lesson in lessons})}"
        raise InvalidTeacher(
            f"{type(teacher).__name__}.{method} must return {n} Lessons, got {got}. "
            "A TaskTeacher may return bare tasks, from its method sample."
        )
    return lessons
