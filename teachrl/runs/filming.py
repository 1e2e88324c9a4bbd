"""Plays a lesson before a camera, with what its teachers do written under the picture."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from teachrl import seeds
from teachrl.classroom import Classroom
from teachrl.errors import EnvironmentFailed, InvalidEnvironment, InvalidHyperparameter
from teachrl.lessons import Lesson
from teachrl.playing import acts_in_evaluation
from teachrl.policies import as_policy
from teachrl.roster import concerning, entries, is_disabled
from teachrl.runs.activity import WATCHED, Activity, watched
from teachrl.runs.generators import generators_kept
from teachrl.runs.reel import Line, Reel
from teachrl.runs.tables import task_numbers
from teachrl.student import Student
from teachrl.teacher import Teacher
from teachrl.vector import LessonVectorEnv

MOST_FRAMES = 1000
"""Steps of an episode that are shown, beside its last."""
FIXED_LINES = 2
"""Lines of text that every picture has: the task, and how the episode goes."""


class Only(Teacher):
    """Sets one lesson, again and again, as it is."""

    permanent: ClassVar[frozenset[str]] = frozenset({"tasks"})
    needs_task_space: ClassVar[bool] = False

    def __init__(self, lesson: Lesson) -> None:
        self.lesson = lesson

    def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
        """Returns the lesson `n` times."""
        return [self.lesson] * n


class Filming:
    """How lessons are filmed, with the teachers as they are when this is made.

    Args:
        classroom: Where the student learned; it stays as it is.
        student: Who plays.
        seed: Root of what is random: the policy's samples, and seeds of lessons that have none.
        deterministic: Whether the policy takes its most likely action rather than a sample.
        taught: Whether all channels are on, as in training, or only those that stay on in evaluation.
        most_frames: Steps that are shown, beside the last.
    """

    def __init__(
        self,
        classroom: Classroom,
        student: Student,
        seed: int,
        deterministic: bool = True,
        taught: bool = False,
        most_frames: int = MOST_FRAMES,
    ) -> None:
        self.classroom, self.student, self.seed = classroom, student, seed
        self.deterministic, self.taught, self.most_frames = deterministic, taught, most_frames
        self.off = [entry for entry in entries(classroom.disable) if entry != "tasks"]  # the lesson is set already
        self.actors = [(name, t) for name, t in teacher_names(classroom.teachers) if self._takes_part(t)]
        # Copies share what their constructors were given, so that one's episode can change another's original.
        self._states = [teacher.state_dict() for _, teacher in self.actors]

    def _takes_part(self, teacher: Teacher) -> bool:
        return acts_in_evaluation(teacher, self.off) or (self.taught and bool(teacher.channels & {*WATCHED}))

    def activities(self) -> list[dict[str, Activity]]:
        """Returns what is told of each actor, by channel."""
        return [
            {c: WATCHED[c](name) for c in WATCHED if c in t.channels and self._is_on(t, c)} for name, t in self.actors
        ]

    def _is_on(self, teacher: Teacher, channel: str) -> bool:
        return not is_disabled(teacher, channel, self.off) and (self.taught or channel in teacher.permanent)

    @property
    def num_envs(self) -> int:
        """Environments on stage: those of training, where a teacher may keep something of each of them."""
        in_parts = any(c not in t.permanent for _, t in self.actors for c in WATCHED if c in t.channels)
        return self.classroom.num_envs if self.taught and in_parts else 1

    def play(self, lesson: Lesson, notes: Sequence[Line], reel: Reel) -> None:
        """Plays a lesson once, and shows it.

        Args:
            lesson: What to play.
            notes: Lines that stay, the lesson's name first; more come under them.
            reel: Where the pictures go.

        Raises:
            InvalidEnvironment: If the environment cannot be rendered to pictures.
        """
        activities = self.activities()
        with generators_kept(self.seed):
            envs = rendering(self.classroom.envs, self.num_envs)
            try:
                stage = self._stage(envs, lesson, activities)
                told = [activity for each in activities for activity in each.values()]
                _Take(self, stage, told, notes, reel).play()
            finally:
                envs.close()

    def _stage(self, envs: LessonVectorEnv, lesson: Lesson, activities: Sequence[dict[str, Activity]]) -> Classroom:
        """Returns a classroom in which copies of the actors teach, as far as they have learned to."""
        copies = [watched(type(t), each)(**t.init_args) for (_, t), each in zip(self.actors, activities, strict=True)]
        lessons_are_set = [f"{type(t).__name__}.{c}" for t in copies for c in ("tasks", "starts") if c in t.channels]
        stage = Classroom(
            envs, [Only(lesson), *copies], disable=concerning(copies, [*self.off, *lessons_are_set]),
            view=self.classroom.view, seed=seeds.branch(self.seed, seeds.EVALUATION), permanent_only=not self.taught,
        )  # fmt: skip
        for copy, state in zip(copies, self._states, strict=True):
            copy.load_state_dict(state)
        if self.taught:
            stage.attach(self.student)
        return stage


class _Take:
    """One episode before the camera."""

    def __init__(
        self, how: Filming, stage: Classroom, told: Sequence[Activity], notes: Sequence[Line], reel: Reel
    ) -> None:
        self._how, self._stage, self._told, self._notes, self._reel = how, stage, told, notes, reel
        self._steps, self._paid = 0, 0.0
        self._picture: NDArray[np.uint8] | None = None
        self._step = stage.envs.step
        vars(stage.envs)["step"] = self._stepped  # an ended environment is reset before the classroom's step returns

    def play(self) -> None:
        stage, acting, state = self._stage, as_policy(self._how.student.policy), None
        observations, first = stage.observed()
        self._show(picture_of(stage.envs), [])
        ended = False
        while not ended:
            actions, state = acting.act(observations, state, first, self._how.deterministic)
            _, _, terminated, truncated, _ = stage.step(actions)
            observations, first = stage.observed()
            ended = bool(terminated[0] or truncated[0])
            self._after(ended)

    def _stepped(self, actions: Any) -> Any:
        """Steps the environments and takes a picture of the first, if it is to be shown."""
        result = self._step(actions)
        ended = bool(result[2][0] or result[3][0])
        shown = self._steps < self._how.most_frames or ended
        self._picture = picture_of(self._stage.envs) if shown else None
        return result

    def _after(self, ended: bool) -> None:
        last: Any = self._stage.last
        self._steps, self._paid = self._steps + 1, self._paid + float(last.rewards[0])
        for activity in self._told:
            activity.after(last)
        if self._picture is not None:
            self._show(self._picture, self._outcome() if ended else [])
        if ended:
            self._reel.hold(1.5)

    def _outcome(self) -> list[Line]:
        episode = next((e for e in self._stage.take_episodes() if e.env == 0), None)
        success = None if episode is None else episode.success
        return [{True: ("success", "good"), False: ("no success", "bad"), None: ("ended", "")}[success]]

    def _show(self, picture: NDArray[np.uint8], outcome: list[Line]) -> None:
        progress = f"step {self._steps}, return {self._paid:,.2f}"
        state: Line = progress if not outcome else (f"{progress}: {outcome[0][0]}", outcome[0][1])
        self._reel.show(picture, [self._notes[0], state, *self._notes[1:], *(a.line() for a in self._told)])


def teacher_names(teachers: Sequence[Teacher]) -> list[tuple[str, Teacher]]:
    """Returns the teachers with their names, numbered where two are of one class."""
    names = [type(t).__name__ for t in teachers]
    numbered = [f"{n}-{names[:i].count(n) + 1}" if names.count(n) > 1 else n for i, n in enumerate(names)]
    return list(zip(numbered, teachers, strict=True))


def setter(teachers: Sequence[Teacher], channel: str, disable: Collection[str]) -> str | None:
    """Returns the name of the teacher that sets tasks or starts, None if nobody does."""
    named = teacher_names(teachers)
    return next((n for n, t in named if channel in t.channels and not is_disabled(t, channel, entries(disable))), None)


def rendering(envs: LessonVectorEnv, count: int = 1) -> LessonVectorEnv:
    """Makes environments that render to pictures.

    Raises:
        InvalidEnvironment: If they cannot.
    """
    try:
        return envs.make_another(count, render_mode="rgb_array")
    except (InvalidEnvironment, EnvironmentFailed, InvalidHyperparameter) as error:
        raise InvalidEnvironment(
            f"{envs.env_id} cannot be filmed: it does not render to pictures (render_mode='rgb_array'): {error}"
        ) from error


def picture_of(envs: LessonVectorEnv) -> NDArray[np.uint8]:
    """Renders the first environment; (H, W, 3).

    Raises:
        InvalidEnvironment: If what it renders is no picture.
    """
    try:
        (rendered,) = envs.call("render", [0])
    except InvalidEnvironment:  # computed as one batch
        rendered = (envs.render() or (None,))[0]
    picture = np.asarray(rendered)
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise InvalidEnvironment(
            f"{envs.env_id} cannot be filmed: its render() must return (height, width, 3) pixels, got "
            f"{type(rendered).__name__} of the shape {picture.shape}."
        )
    return picture.astype(np.uint8, copy=False)


def frame_rate(envs: LessonVectorEnv) -> float:
    """Returns the frames a second at which the environments want to be seen, between 4 and 60."""
    fps = (envs.metadata or {}).get("render_fps") or 30
    return float(min(max(fps, 4), 60))


def caption(lesson: Lesson, name: str, envs: LessonVectorEnv) -> str:
    """Says what is played: the task's numbers with their names, or the lesson's name where they are too many."""
    numbers = task_numbers(lesson.task, envs.task_space)
    if not numbers or len(numbers) > 6:
        return name
    names = envs.task_names if len(envs.task_names) == len(numbers) else [""] * len(numbers)
    return ", ".join(f"{n.replace('_', ' ')} {x:.2f}".strip() for n, x in zip(names, numbers, strict=True))
