"""Who takes part in a run: environments, teachers and a student, made from its settings and begun."""

from __future__ import annotations

from typing import Any

from teachrl import seeds
from teachrl.classroom import Classroom
from teachrl.configuration import public_classes
from teachrl.encoding import encode
from teachrl.errors import InvalidStudent
from teachrl.lessons import Episode
from teachrl.policies import as_policy
from teachrl.roster import entries, is_disabled
from teachrl.runs.preflight import check_labels
from teachrl.runs.recorder import Recorder
from teachrl.runs.settings import Settings
from teachrl.runs.threads import limit_torch
from teachrl.student import Student
from teachrl.teacher import Teacher
from teachrl.vector import make_vec


class Participants:
    """Environments, teachers and a student of one run; nothing is stepped and nothing is written yet.

    Args:
        settings: The run's settings.
        total_steps: Length of the run that the student begins with.
        workers: Number of processes, the settings' if None.
        teaching: Whether the teachers will be asked; if not, what they load (a teacher's run) need not be there.

    Attributes:
        recorder: Told of every finished episode.
        classroom: Where the student learns.
        student: Who learns.

    Raises:
        TeachrlError: If they do not fit together.
    """

    def __init__(self, settings: Settings, total_steps: int, workers: int | None = None, teaching: bool = True) -> None:
        self.student, self._threads = settings.student, settings.threads
        self._asked = _asked(settings)
        self.recorder = Recorder(_forget)
        envs = make_vec(
            settings.env,
            settings.num_envs,
            settings.workers if workers is None else workers,
            env_kwargs=settings.env_kwargs,
            wrappers=settings.wrappers,
        )
        try:
            self.classroom = Classroom(
                envs, [*settings.teachers, self.recorder], disable=settings.disable, view=settings.view,
                seed=settings.seed,
            )  # fmt: skip
            for participant in (*(self._asked if teaching else ()), self.student):
                participant.validate(self.recorder.setup)
            encode(self.classroom.state_dict(), {}, "The teachers' state")
            self._check_student()
            self.student.begin(self.classroom, seeds.branch(settings.seed, seeds.STUDENT, 0), total_steps)
            self.classroom.attach(self.student)
            limit_torch(settings.threads)
        except BaseException:
            envs.close()
            raise

    def _check_student(self) -> None:
        """Refuses a student that cannot use what its teachers do; names those that can."""
        try:
            self.classroom.attach(self.student)
        except InvalidStudent:
            needed = self.classroom.channels
            able = [n for n, c in public_classes(Student).items() if _accepts(c) >= needed]
            self.classroom.attach(self.student, able)

    def rehearse(self) -> None:
        """Finds out what a new run can still be wrong about before anything of it is created.

        A student loads what it starts from, or its demonstrations. Labels are asked for once and checked, by the
        student too; the first step has the same. Teachers look at the student.

        Raises:
            TeachrlError: If there is nothing to start from, labels or demonstrations do not fit, or a teacher cannot
                teach this student; the message names the teacher where it is one's.
        """
        as_policy(self.student)
        if "labels" in self.classroom.channels:
            check_labels(self.classroom)
        self.student.rehearse()
        for teacher in self._asked:
            teacher.rehearse()
        limit_torch(self._threads)

    def scalars(self) -> dict[str, float]:
        """Returns the numbers of students and teachers by tag."""
        row = {f"train/{k}": v for k, v in {**self.recorder.scalars(), **self.student.scalars()}.items()}
        for name, teacher in zip(self._names(), self.classroom.teachers, strict=True):
            if teacher is not self.recorder:
                row |= {f"teacher/{name}/{k}": float(v) for k, v in teacher.scalars().items()}
        return row

    def _names(self) -> list[str]:
        """Returns the teachers' names, numbered where two are of one class."""
        names = [type(t).__name__ for t in self.classroom.teachers]
        return [f"{n}-{names[:i].count(n) + 1}" if names.count(n) > 1 else n for i, n in enumerate(names)]

    def close(self) -> None:
        """Closes teachers and environments."""
        for teacher in self.classroom.teachers:
            teacher.close()
        self.classroom.close()


def _asked(settings: Settings) -> list[Teacher]:
    """Returns the teachers that will be asked for something, or hear of everything: not those with all channels off."""
    return [t for t in settings.teachers if not t.channels or not all(_off(t, c, settings) for c in t.channels)]


def _off(teacher: Teacher, channel: str, settings: Settings) -> bool:
    return is_disabled(teacher, channel, entries(settings.disable))


def _forget(total_steps: int, episode: Episode) -> None:
    """Writes nothing down: the books are not open yet."""


def _accepts(student: type[Student]) -> frozenset[str]:
    """Returns what students of a class accept: one with default arguments, where the class itself does not say."""
    accepts: Any = student.accepts
    try:
        return accepts if isinstance(accepts, frozenset) else student().accepts
    except TypeError:  # it has arguments without defaults
        return frozenset()
