"""Does a teacher keep its contract?"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from teachrl.lessons import Lesson, Report
from teachrl.teacher import CHANNELS, Teacher
from teachrl.testing._channels import PROBED, as_data, check_channel
from teachrl.testing._school import School
from teachrl.testing._support import (
    EnvLike,
    blamed,
    check_config,
    check_numbers,
    check_stored_arguments,
    difference,
    maker_of,
    require,
    through_disk,
    untouched_generators,
)
from teachrl.testing.toy import ToyEnv
from teachrl.vector import make_vec

UNKNOWN_ID = 2**40
"""A mark that no teacher has given out."""


@dataclass(frozen=True)
class TeacherCase:
    """What a check is about.

    Attributes:
        make: Returns a fresh teacher, always with the same arguments.
        env: Where it teaches.
        num_envs: In how many of them.
        rollouts: How many rollouts of 8 vector steps it teaches.
    """

    make: Callable[[], Teacher]
    env: EnvLike = ToyEnv
    num_envs: int = 4
    rollouts: int = 8

    @property
    def name(self) -> str:
        """The teacher's class."""
        return type(self.make()).__name__

    def school(self, seed: int = 0) -> School:
        """Returns a fresh teacher in a fresh classroom."""
        with blamed(f"{self.name} must begin in {self.env}.", "Pass an environment that it can teach in: envs=..."):
            return School(make_vec(self.env, self.num_envs), self.make(), seed)

    def taught(self, seed: int = 0) -> tuple[School, list[dict[str, Any]]]:
        """Returns a school after all rollouts, and its record."""
        school = self.school(seed)
        with blamed(f"{self.name} must teach a whole run.", "See the method that it stopped in."):
            return school, school.run(self.rollouts)


def check_teacher(
    teacher: Teacher | Callable[[], Teacher],
    envs: EnvLike | Sequence[EnvLike] | None = None,
    num_envs: int = 4,
    rollouts: int = 8,
) -> None:
    """Checks a teacher against its contract.

    Args:
        teacher: An instance, whose arguments are used again; a class; or a function that makes one.
        envs: Where it shall teach: an id, or what makes an environment, or several of them; `ToyEnv` by default, whose
            task space is a Box. `lambda: ToyEnv(views=True)` shows it a privileged view.
        num_envs: How many environments it teaches in at once.
        rollouts: Length of the runs, in rollouts of 8 vector steps; 25 or so episodes by default.

    Raises:
        ContractBroken: At the first rule that is not kept.
    """
    make = maker_of(teacher, Teacher, "check_teacher")
    chosen = [ToyEnv] if envs is None else [envs] if isinstance(envs, str) or callable(envs) else envs
    for env in chosen:
        for check in TEACHER_CHECKS:
            check(TeacherCase(make, env, num_envs, rollouts))


def check_constructor(case: TeacherCase) -> None:
    """The constructor stores its arguments under their names and does nothing else."""
    check_stored_arguments(case.make())


def check_config_round_trip(case: TeacherCase) -> None:
    """The config makes an equal teacher."""
    check_config(case.make())


def check_generators(case: TeacherCase) -> None:
    """No global random generator is touched."""
    with untouched_generators(case.name, seed=1):
        case.taught()


def check_same_seed(case: TeacherCase) -> None:
    """The same seed gives the same lessons and the same everything else, whatever the global generators are."""
    with untouched_generators(case.name, seed=1):
        _, once = case.taught()
    with untouched_generators(case.name, seed=2):
        _, again = case.taught()
    found = difference(once, again, "step")
    look = "Draw all randomness from self.rng, and iterate over no set."
    require(not found, f"Two runs of {case.name} with one seed must be the same.", found, look)


def check_other_seed(case: TeacherCase) -> None:
    """Another seed gives another random stream."""
    streams = [_streams(case.school(seed).teacher) for seed in (0, 1)]
    same = [name for name in streams[0] if not difference(streams[0][name], streams[1].get(name))]
    look = "Seed generators from setup.seed in begin, where super().begin(setup) makes self.rng."
    require(not same, f"{case.name} must draw other numbers with another seed.", f"the same stream in {same}", look)


def _streams(teacher: Teacher) -> dict[str, Any]:
    found = {k: v for k, v in vars(teacher).items() if isinstance(v, np.random.Generator)}
    return {name: dict(generator.bit_generator.state) for name, generator in found.items()}


def check_early_calls(case: TeacherCase) -> None:
    """Lessons can be asked for again and again before anything was reported, and an empty report changes nothing."""
    teacher = case.school().teacher
    with blamed(f"{case.name} must survive an empty report.", "See its update: report.episodes may be ()."):
        teacher.update(Report(0))
    for n in (1, 3, 8):
        _check_lessons(case, teacher, n)


def _check_lessons(case: TeacherCase, teacher: Any, n: int) -> None:
    if "tasks" not in teacher.channels:
        return
    with blamed(f"{case.name}.sample_tasks({n}) must return {n} lessons.", "It is asked for any number."):
        lessons = list(teacher.sample_tasks(n, student=0))
    right = len(lessons) == n and all(isinstance(lesson, Lesson) for lesson in lessons)
    rule = f"{case.name}.sample_tasks({n}) must return {n} lessons in the task space."
    require(right, rule, lessons, "Wrap tasks in teachrl.Lesson.")
    space = teacher.setup.task_space
    for task in (lesson.task for lesson in lessons if space is not None and lesson.task is not None):
        inside = space.contains(np.asarray(task, space.dtype) if space.shape is not None else task)
        require(inside, rule, task, f"The task space is {space}.")


def check_unknown_ids(case: TeacherCase) -> None:
    """A report may name lessons that the teacher has dropped, or that never were its own: it is survived."""
    school, _ = case.taught()
    report, teacher = school.last_report, school.teacher
    strange = [
        replace(e, lesson=replace(e.lesson, id=mark, start_id=mark))
        for e in report.episodes
        for mark in (UNKNOWN_ID, -1)
    ]
    rollout = report.rollout
    with blamed(f"{case.name} must ignore lesson ids that it does not know.", "See its update."):
        teacher.update(Report(report.total_steps, tuple(strange)))
        if rollout is not None:
            teacher.update(Report(report.total_steps, (), replace(rollout, ids=np.full_like(rollout.ids, UNKNOWN_ID))))
        teacher.update(Report(report.total_steps, tuple(replace(e, success=None) for e in strange)))
    _check_lessons(case, teacher, 4)


def check_reports_unchanged(case: TeacherCase) -> None:
    """A report is read, never written to: every teacher gets the same one."""
    school, _ = case.taught()
    report = school.last_report
    data = as_data(report)
    before = copy.deepcopy(data)
    with blamed(f"{case.name} must take a report.", "See update."):
        school.teacher.update(report)
    found = difference(before, data)
    require(not found, f"{case.name}.update must not change the report.", found, "Copy arrays before writing to them.")


def check_channels(case: TeacherCase) -> None:
    """Each channel returns what it should, in shape and dtype, and does not change what it is given."""
    school, _ = case.taught()
    known = school.teacher.channels <= set(CHANNELS)
    require(known, f"{case.name}.channels must be known channels.", school.teacher.channels, f"Known: {[*CHANNELS]}.")
    for channel in sorted(school.teacher.channels & PROBED):
        check_channel(school, channel)


def check_scalars(case: TeacherCase) -> None:
    """What goes to the log is numbers by name, from the beginning on."""
    check_numbers(case.school().teacher.scalars(), case.name)
    check_numbers(case.taught()[0].teacher.scalars(), case.name)


def check_state_round_trip(case: TeacherCase) -> None:
    """A teacher restored from a checkpoint goes on as the undisturbed one does."""
    school, _ = case.taught()
    with blamed(f"The state of {case.name} must be data.", "state_dict holds arrays, numbers, strings and containers."):
        kept = school.classroom.state_dict()
        state = through_disk(kept)
    undisturbed = school.run(case.rollouts)
    found = difference(state["teachers"], kept["teachers"])
    require(
        not found, f"{case.name}.state_dict must return copies.", found, "Copy arrays that the teacher goes on using."
    )
    resumed = case.school()
    resumed.rollouts = case.rollouts
    with blamed(f"{case.name} must load its state after begin.", "See load_state_dict."):
        resumed.classroom.load_state_dict(state)
    require(
        not resumed.classroom.mismatches,
        "The environment must be restored.",
        resumed.classroom.mismatches,
        "Run check_env.",
    )
    found = difference(undisturbed, resumed.run(case.rollouts), "step")
    look = "state_dict must hold all that was learned, random state included."
    require(not found, f"{case.name} must go on as before when its state is restored.", found, look)


TEACHER_CHECKS: tuple[Callable[[TeacherCase], None], ...] = (
    check_constructor,
    check_config_round_trip,
    check_early_calls,
    check_channels,
    check_generators,
    check_same_seed,
    check_other_seed,
    check_unknown_ids,
    check_reports_unchanged,
    check_scalars,
    check_state_round_trip,
)
"""The rules for teachers, each a function of a `TeacherCase`."""
