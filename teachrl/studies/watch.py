"""Shows what a student can do and what its teachers are at: a film of a run, or a page that follows it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from teachrl.errors import InvalidHyperparameter
from teachrl.lessons import Lesson
from teachrl.runs.evaluate import Graduate, graduate
from teachrl.runs.examine import Examiner
from teachrl.runs.filming import FIXED_LINES, MOST_FRAMES, Filming, caption, frame_rate, setter
from teachrl.runs.generators import generators_kept
from teachrl.runs.reel import Line, Reel
from teachrl.runs.threads import limited_threads


def watch(
    run: str | os.PathLike[str],
    tasks: int = 3,
    suite: str = "validation",
    deterministic: bool = True,
    out: str | None = None,
    live: bool = False,
    port: int = 8123,
    seed: int = 0,
    most_frames: int = MOST_FRAMES,
    threads: int = 1,
) -> str:
    """Films the student of a run's last checkpoint on tasks of a suite, then on what its teacher would set now.

    Written under the picture: the task, step, return and success, and what every active channel does. On the suite
    only permanent channels are on, on the teacher's lessons all of them. The run and its checkpoint stay as they are.

    Args:
        run: The run's directory.
        tasks: Episodes of each of the two parts.
        suite: The suite of the first part: validation, test or another that the environment has.
        deterministic: Whether the policy takes its most likely action rather than a sample.
        out: The film's file, an mp4; videos/<steps>-watch.mp4 in the run's directory without it.
        live: Instead of a film, serve a page of this run on this machine that follows it until Ctrl-C.
        port: Where that page is; the next free port if it is taken.
        seed: Chooses the tasks of the suite, and what is random in the episodes.
        most_frames: Steps of an episode that are shown, beside its last.
        threads: Threads of torch and of numerical libraries.

    Returns:
        The film's path, or where the page was.

    Raises:
        InvalidRun: If the directory is not a run's, or has no checkpoint.
        InvalidEnvironment: If the environment cannot be rendered to pictures.
        UnknownName: If the environment has no such suite.
    """
    for name, value, least in (("tasks", tasks, 1), ("seed", seed, 0), ("most_frames", most_frames, 1)):
        if value < least:
            raise InvalidHyperparameter(f"`{name}` must be at least {least}, got {value}.")
    if out is not None and Path(out).suffix != ".mp4":
        raise InvalidHyperparameter(f"`out` must be the name of an mp4 file, e.g. film.mp4, got {out!r}.")
    if live:
        from teachrl.studies.live import serve

        return serve(run, port)
    with limited_threads(threads), graduate(os.fspath(run)) as it:  # from disk: a run at hand would move on
        target = Path(out) if out else it.directory.videos / f"{it.steps}-watch.mp4"
        first = _on_suite(it, suite, tasks, Filming(it.classroom, it.student, seed, deterministic, False, most_frames))
        lessons = _lessons(it, tasks, seed)
        second = _on_lessons(it, lessons, Filming(it.classroom, it.student, seed, deterministic, True, most_frames))
        _shoot([first, second], target, f"{it.classroom.envs.env_id} after {it.steps:,} steps")
    return str(target)


@dataclass(frozen=True, eq=False)
class Part:
    """One half of the film.

    Attributes:
        name: On its title card.
        remark: Under the name.
        lessons: What is played, with the lines that stay under its pictures.
        how: How it is filmed.
    """

    name: str
    remark: str
    lessons: Sequence[tuple[list[Line], Lesson]]
    how: Filming

    @property
    def lines(self) -> int:
        """Lines of text under its pictures."""
        staying = max(len(lines) for lines, _ in self.lessons)
        return FIXED_LINES - 1 + staying + sum(len(each) for each in self.how.activities())


def _on_suite(it: Graduate, suite: str, tasks: int, how: Filming) -> Part:
    """Chooses tasks of a suite at random; only permanent channels are on."""
    with closing(Examiner(it.classroom, it.student, it.seed, num_envs=1)) as examiner:
        named = list(examiner.suite(suite).items())
    places = np.sort(np.random.default_rng(how.seed).choice(len(named), min(tasks, len(named)), replace=False))
    notes: list[Line] = [f"tasks: the {suite} suite"]
    lessons = [([caption(lesson, name, it.classroom.envs), *notes], lesson) for name, lesson in _at(named, places)]
    kept = sorted({channel for each in how.activities() for channel in each})
    remark = f"teachers help with nothing but {', '.join(kept)}" if kept else "without help from any teacher"
    return Part(f"{_count(len(lessons), 'task')} of the {suite} suite", remark, lessons, how)


def _at(named: Sequence[tuple[str, Lesson]], places: NDArray[np.int64]) -> list[tuple[str, Lesson]]:
    return [named[i] for i in places.tolist()]


def _lessons(it: Graduate, tasks: int, seed: int) -> list[Lesson]:
    """Asks the teachers for lessons with their seeds, as training would now."""
    with generators_kept(seed):
        lessons, seeds = it.classroom.curriculum.next(tasks)
    return [replace(lesson, seed=s) for lesson, s in zip(lessons, seeds, strict=True)]


def _on_lessons(it: Graduate, lessons: Sequence[Lesson], how: Filming) -> Part:
    """Plays the teachers' lessons with all channels on."""
    teachers, off = it.classroom.teachers, it.classroom.disable
    tasks_by, starts_by = (setter(teachers, channel, off) for channel in ("tasks", "starts"))
    remark = f"tasks: set by {tasks_by}" if tasks_by else "tasks: uniform, nobody sets them"
    noted = []
    for lesson in lessons:
        lines: list[Line] = [caption(lesson, "a lesson with this seed only", it.classroom.envs), remark]
        if starts_by:
            lines.append("starts: the ordinary one" if lesson.start is None else f"starts: set by {starts_by}")
        noted.append((lines, lesson))
    return Part(f"{_count(len(lessons), 'lesson')} as training would go on", remark, noted, how)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _shoot(parts: Sequence[Part], target: Path, title: str) -> None:
    fps = frame_rate(parts[0].how.classroom.envs)
    with Reel(target, fps, max(part.lines for part in parts)) as reel:
        for part in parts:
            reel.card(title, [part.name, part.remark])
            for lines, lesson in part.lessons:
                part.how.play(lesson, lines, reel)
