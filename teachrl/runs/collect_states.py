"""A teacher's trajectories: it plays, and simulation states along the way go to a file, for students to begin at."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal

from teachrl import seeds
from teachrl.classroom import Classroom
from teachrl.configurable import to_config
from teachrl.errors import InvalidHyperparameter, InvalidTeacher
from teachrl.runs.collected import check_writable, environment_flags, in_bytes
from teachrl.runs.console import Console, Progress
from teachrl.runs.generators import generators_kept
from teachrl.runs.labellers import as_teachers
from teachrl.runs.states import Guide, Scout
from teachrl.runs.threads import limit_torch, limited_threads
from teachrl.teachers.from_policy import FromPolicy
from teachrl.trajectories import Trajectories
from teachrl.vector import LessonVectorEnv, make_vec

GAMMA = 0.99
"""Discount of a teacher that has none."""


@dataclass(frozen=True, slots=True, eq=False)
class CollectedStates:
    """What was written.

    Attributes:
        out: The file.
        trajectories: What is in it.
        size: Bytes on disk.
        command: A command that trains with it.
        note: Why its states are replays, empty if they are exact.
    """

    out: str
    trajectories: Trajectories
    size: int
    command: str
    note: str = ""

    def __str__(self) -> str:
        t, told = self.trajectories, self.trajectories.successes
        told = told[told == told]
        parts = [str(t), f"mean return {t.returns.mean():.4g}"]
        parts += [f"success {told.mean():.0%}"] if len(told) else []
        parts += [f"values from {_SOURCES[t.values_from]}, {t.values.min():.4g} to {t.values.max():.4g}"]
        return f"{self.out}: {', '.join(parts)}, {in_bytes(self.size)}"

    def show(self) -> None:
        """Writes what there is, and how to train with it, to the standard output."""
        note = f"\nIts states are actions to replay. Exact ones cannot be had: {self.note}" if self.note else ""
        print(f"{self}{note}\nBegin at these states:\n  {self.command}")


_SOURCES = {"critic": "the critic", "planner": "the planner", "return-to-go": "discounted returns-to-go"}


def collect_states(
    teacher: Any,
    env: str,
    out: str,
    env_kwargs: dict[str, Any],
    wrappers: Sequence[Any],
    teacher_view: str,
    trust: bool,
    episodes: int,
    snapshot_every: int,
    keep: int,
    deterministic: bool | Literal["auto"],
    num_envs: int,
    seed: int,
    threads: int,
    progress: Progress,
) -> CollectedStates:
    """Lets a teacher play, and writes the simulation's states at every `snapshot_every`-th step, for start teachers.

    States are exact where the environment can be put into one, else the actions since the reset. The arguments are
    those of `collect`, which calls this.

    Returns:
        What was written, printed by `show`.

    Raises:
        TeachrlError: If an argument is wrong or there is something at `out`, before anything is played; or if the
            teacher fails, and then nothing is left behind.
    """
    _check(out, {"episodes": (episodes, 1), "snapshot_every": (snapshot_every, 1), "keep": (keep, 0)}, deterministic)
    who = _one(as_teachers(teacher, teacher_view, trust))
    place = min(num_envs, episodes)
    with limited_threads(threads), closing(make_vec(env, place, env_kwargs=env_kwargs, wrappers=wrappers)) as envs:
        guide = _guide(who, envs, None if deterministic == "auto" else bool(deterministic))
        limit_torch(threads)
        note = _note(envs)
        scout = Scout(envs, guide, snapshot_every, seeds.branch(seed, seeds.ROLLOUTS, 0))
        with generators_kept(seed), closing(Console(progress, f"{env}, states", episodes, "episodes")) as console:
            for done in scout.play(episodes):
                console.show({"episodes": float(done)})
        scout.check_replays()
        found = scout.trajectories(guide.gamma, teacher=repr(to_config(who.policy)))
    file = (found.best(keep) if keep else found).save(out)
    command = _command(environment_flags(env, env_kwargs, wrappers), str(file))
    return CollectedStates(str(file), Trajectories.load(file), file.stat().st_size, command, note)


def _check(out: str, counts: dict[str, tuple[Any, int]], deterministic: Any) -> None:
    for name, (value, least) in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InvalidHyperparameter(f"`{name}` must be a whole number, at least {least}, got {value!r}.")
    if not isinstance(deterministic, bool) and deterministic != "auto":
        raise InvalidHyperparameter(f"`deterministic` is true, false or auto, got {deterministic!r}.")
    if out.startswith("minari:"):
        raise InvalidHyperparameter(f"States are one file, no Minari dataset, e.g. teacher.states; got {out}.")
    check_writable(out, "teacher.states")


def _one(teachers: Sequence[FromPolicy]) -> FromPolicy:
    if len(teachers) != 1:
        raise InvalidTeacher(
            f"Trajectories are of one teacher, got {len(teachers)}: name who plays, e.g. --teacher runs/teacher."
        )
    return teachers[0]


def _guide(who: FromPolicy, envs: LessonVectorEnv, deterministic: bool | None) -> Guide:
    """Loads the teacher's policy, and checks that it can act here."""
    Classroom(envs, who, disable=sorted(who.channels))
    who.validate(who.setup)
    return Guide.of(who, envs, GAMMA, deterministic)


def _note(envs: LessonVectorEnv) -> str:
    """Returns why an environment's states are replays, and what follows from it; nothing where they are exact."""
    if envs.restorable:
        return ""
    why = envs.unrestorable or "it has no get_state()."
    return why if envs.task_space is None else f"{why} They begin lessons under their own tasks only."


def _command(environment: Sequence[str], file: str) -> str:
    return shlex.join(["teachrl", "train", *environment, "--teacher", "S3RL", "--teacher.trajectories", file])
