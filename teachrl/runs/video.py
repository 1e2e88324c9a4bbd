"""Films of a student: mp4 files, one a task, with the task written into the picture."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachrl import seeds
from teachrl.classroom import Classroom
from teachrl.errors import EnvironmentFailed, InvalidEnvironment, InvalidHyperparameter
from teachrl.lessons import Lesson, Step
from teachrl.playing import play
from teachrl.runs.evaluation import Evaluation
from teachrl.runs.generators import generators_kept
from teachrl.runs.tables import task_numbers
from teachrl.student import Student
from teachrl.vector import LessonVectorEnv

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
    names, films = list(lessons), []
    with generators_kept(seed):
        for name in names:
            envs = _rendering(classroom.envs)
            camera = Camera(envs, _caption(lessons[name], name, envs), most_frames)
            try:
                play(
                    envs, student.policy, [lessons[name]], teachers=classroom.teachers,
                    disable=classroom.disable, view=classroom.view,
                    seed=seeds.branch(seed, seeds.EVALUATION), deterministic=deterministic, on_step=camera,
                )  # fmt: skip
            finally:
                envs.close()
            if camera.frames:
                films.append(_write(camera.frames, directory / f"{title}-{name}.mp4", _fps(envs)))
    return films


def film_title(steps: int, suite: str, lessons: dict[str, Lesson]) -> str:
    """Returns what begins the names of films: the steps, and the suite where the lessons' names do not say it."""
    return f"{steps}" if all(name.startswith(suite) for name in lessons) else f"{steps}-{suite}"


def choose(evaluation: Evaluation, lessons: dict[str, Lesson], count: int) -> dict[str, Lesson]:
    """Chooses lessons to film, from the best return to the worst at even distances."""
    order = np.argsort(-evaluation.returns.mean(axis=1), kind="stable")
    picked = order[np.linspace(0, len(order) - 1, min(count, len(order))).astype(int)]
    return {evaluation.names[i]: lessons[evaluation.names[i]] for i in picked.tolist()}


class Camera:
    """Takes a frame after each step of the one environment.

    After an episode's last step the next one's beginning is shown: that of the same lesson. It is taken only where
    there is nothing else, in episodes of one step.

    Args:
        envs: The environment.
        caption: Written into each frame.
        most: Frames to take.
    """

    def __init__(self, envs: LessonVectorEnv, caption: str, most: int) -> None:
        self._envs, self._caption, self._most = envs, caption, most
        self.frames: list[NDArray[np.uint8]] = []

    def __call__(self, step: Step) -> None:
        """Takes a frame."""
        ended = step.terminated[0] or step.truncated[0]
        if len(self.frames) >= self._most or (ended and self.frames):
            return
        pictures: Any = self._envs.render()
        self.frames.append(_captioned(np.asarray(pictures[0], np.uint8), self._caption))


def _rendering(envs: LessonVectorEnv) -> LessonVectorEnv:
    try:
        return envs.make_another(1, render_mode="rgb_array")
    except (InvalidEnvironment, EnvironmentFailed, InvalidHyperparameter) as error:
        raise InvalidEnvironment(
            f"{envs.env_id} cannot be filmed: it does not render to pictures (render_mode='rgb_array'): {error}"
        ) from error


def _caption(lesson: Lesson, name: str, envs: LessonVectorEnv) -> str:
    numbers = task_numbers(lesson.task, envs.task_space)
    if numbers is None or len(numbers) > 6:
        return name
    names = envs.task_names if len(envs.task_names) == len(numbers) else [""] * len(numbers)
    return ", ".join(f"{n.replace('_', ' ')} {x:.2f}".strip() for n, x in zip(names, numbers, strict=True))


def _captioned(frame: NDArray[np.uint8], caption: str) -> NDArray[np.uint8]:
    """Writes the caption into the lower left corner and cuts the frame to even sides, as mp4 needs."""
    from PIL import Image, ImageDraw

    picture = Image.fromarray(frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2])
    pen = ImageDraw.Draw(picture)
    place = (6, picture.height - 6)
    box = pen.textbbox(place, caption, anchor="ld")
    pen.rectangle((box[0] - 3, box[1] - 2, box[2] + 3, box[3] + 2), fill="white")
    pen.text(place, caption, fill="black", anchor="ld")
    return np.asarray(picture)


def _fps(envs: LessonVectorEnv) -> float:
    fps = (envs.metadata or {}).get("render_fps") or 30
    return float(min(max(fps, 4), 60))


def _write(frames: Sequence[NDArray[np.uint8]], path: Path, fps: float) -> Path:
    import imageio.v2 as imageio

    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.stem}.tmp.mp4")
    writer: Callable[..., Any] = imageio.get_writer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the library leaves its pipe to the collector
        with writer(draft, fps=fps, codec="libx264", macro_block_size=2, output_params=["-threads", "1"]) as film_file:
            for frame in frames:
                film_file.append_data(frame)
    draft.replace(path)
    return path
