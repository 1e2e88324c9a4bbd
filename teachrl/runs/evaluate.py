"""Evaluates the student of a run that was made before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from teachrl.classroom import Classroom
from teachrl.configuration import load_config
from teachrl.errors import InvalidHyperparameter, InvalidRun
from teachrl.runs.best import best_checkpoint
from teachrl.runs.checkpoint import load_tree, readable
from teachrl.runs.directory import RunDirectory
from teachrl.runs.evaluation import Evaluation
from teachrl.runs.examine import MOST_ENVS, Examiner
from teachrl.runs.participants import Participants
from teachrl.runs.run import Run
from teachrl.runs.settings import Settings
from teachrl.runs.threads import limited_threads
from teachrl.runs.train import defaults
from teachrl.runs.video import choose, film, film_title
from teachrl.student import Student


def evaluate(
    run: str | os.PathLike[str],
    suite: str = "test",
    episodes: int = 1,
    deterministic: bool = True,
    num_envs: int = MOST_ENVS,
    workers: int = 0,
    threads: int = 1,
    video: int = 0,
) -> Evaluation:
    """Plays a suite of tasks with the student of a run, as its last checkpoint left it, or the best of it so far.

    The best is taken where the run selects it (`select`), as a distillation does.

    The result also goes into the run's directory: evaluations/<steps>-<suite>.json and .parquet, films into videos/.

    Args:
        run: The run's directory, or what `train` returned.
        suite: The suite: test, validation, or another that the environment has.
        episodes: Episodes of each task; those after the first have other seeds.
        deterministic: Whether the policy takes its most likely action rather than a sample.
        num_envs: How many tasks are played at a time.
        workers: Processes for the environments, 0 for none beside this one.
        threads: Threads of torch and of numerical libraries.
        video: Number of tasks to film, from the best to the worst.

    Returns:
        The evaluation, printed by `show`.

    Raises:
        InvalidRun: If the directory is not a run's, or has no checkpoint.
        UnknownName: If the environment has no such suite.
    """
    for name, value, least in (("episodes", episodes, 1), ("num_envs", num_envs, 1), ("video", video, 0)):
        if value < least:
            raise InvalidHyperparameter(f"`{name}` must be at least {least}, got {value}.")
    with limited_threads(threads), graduate(run) as it:
        with closing(Examiner(it.classroom, it.student, it.seed, workers, num_envs)) as examiner:
            found = examiner.examine(suite, it.total_steps, episodes, deterministic)
            lessons = choose(found, examiner.suite(suite), video)
        found.save(it.directory.evaluations)
        if lessons:
            title = film_title(it.steps, suite, lessons)
            film(it.classroom, it.student, lessons, it.directory.videos, title, it.seed, deterministic)
        return found


@dataclass(frozen=True, eq=False)
class Graduate:
    """A student that has learned, and where.

    Attributes:
        steps: The student's steps when it was as it is now.
        total_steps: All steps taken for the run so far, also where a student of an earlier time was selected.
    """

    directory: RunDirectory
    classroom: Classroom
    student: Student
    steps: int
    total_steps: int
    seed: int


@contextmanager
def graduate(run: str | os.PathLike[str]) -> Iterator[Graduate]:
    """Hands out the student of a run, with environments that are open for as long as it takes."""
    if isinstance(run, Run):
        directory = RunDirectory(run.directory)
        total_steps = run.classroom.counters.total_steps or run.steps
        yield Graduate(directory, run.classroom, run.student, run.selected, total_steps, run.seed)
        return
    directory = RunDirectory.open(run)
    checkpoint = directory.checkpoint()
    progress = load_tree(checkpoint, "progress")
    settings = _settings(directory)
    chosen = selected(directory, settings, checkpoint)
    people = Participants(settings, int(progress["total"]), workers=0, teaching=False)
    try:
        with readable(chosen):
            school: dict[str, Any] = load_tree(chosen, "classroom")
            people.classroom.load_state_dict({**school, "running": None})
            people.student.load_state_dict(load_tree(chosen, "student"))
        yield Graduate(
            directory, people.classroom, people.student, int(chosen.name), int(progress["total_steps"]), settings.seed
        )
    finally:
        people.close()


def selected(directory: RunDirectory, settings: Settings, checkpoint: Path) -> Path:
    """Returns where the student is that a run with this newest checkpoint has to show."""
    best = best_checkpoint(directory.best, int(checkpoint.name)) if settings.select == "best" else None
    return checkpoint if best is None else best


def _settings(directory: RunDirectory) -> Settings:
    if not directory.meta().get("resumable_from_config", False):
        raise InvalidRun(
            f"The run in {directory.path} was made in Python of objects that its config.yaml cannot hold. Evaluate it "
            "where it was made: evaluate(train(...)), or train(..., resume=directory) with the same objects."
        )
    return Settings.checked({**defaults(), **load_config(directory.config_file)})
