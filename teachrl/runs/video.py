"""Films of a student: mp4 files, one a task, with the task and how the episode goes written under the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from teachrl.classroom import Classroom
from teachrl.lessons import Lesson
from teachrl.runs.evaluation import Evaluation
from teachrl.runs.filming import FIXED_LINES, Filming, caption, frame_rate
from teachrl.runs.reel import Reel
from teachrl.student import Student

MOST_FRAMES = 500


def film(
    classroom: Classroom,
    student: Student,
    lessons: dict[str, Lesson],
    directory: Path,
    title: str,
    seed: int,
    deterministic: bool = True,
    most_frames: int = MOST_FRAMES,
) -> list[Path]:
    """Films each lesson, played once.

    Args:
        classroom: Where the student learned.
        student: Who plays.
        lessons: What to play, by name.
        directory: Where the films go, created if need be.
        title: Begins the films' names.
        seed: The run's seed.
        deterministic: The mode of the policy's distribution rather than samples.
        most_frames: Frames of a film; later ones are left out.

    Returns:
        The films.

    Raises:
        InvalidEnvironment: If the environment cannot be rendered to pictures.
    """
    films, envs = [], classroom.envs
    how = Filming(classroom, student, seed, deterministic, most_frames=most_frames)
    lines = FIXED_LINES + sum(len(each) for each in how.activities())
    for name, lesson in lessons.items():
        films.append(directory / f"{title}-{name}.mp4")
        with Reel(films[-1], frame_rate(envs), lines) as reel:
            how.play(lesson, [caption(lesson, name, envs)], reel)
    return films


def film_title(steps: int, suite: str, lessons: dict[str, Lesson]) -> str:
    """Returns what begins the names of films: the steps, and the suite where the lessons' names do not say it."""
    return f"{steps}" if all(name.startswith(suite) for name in lessons) else f"{steps}-{suite}"


def choose(evaluation: Evaluation, lessons: dict[str, Lesson], count: int) -> dict[str, Lesson]:
    """Chooses lessons to film, from the best return to the worst at even distances."""
    order = np.argsort(-evaluation.returns.mean(axis=1), kind="stable")
    picked = order[np.linspace(0, len(order) - 1, min(count, len(order))).astype(int)]
    return {evaluation.names[i]: lessons[evaluation.names[i]] for i in picked.tolist()}
