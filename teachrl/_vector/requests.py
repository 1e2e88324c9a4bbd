"""Reading what a caller asks of a vector environment."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from teachrl._vector.messages import no_exact_states
from teachrl.errors import InvalidEnvironment
from teachrl.lessons import Bools, Lesson
from teachrl.observations import equal
from teachrl.snapshots import State
from teachrl.tasks import check_task

if TYPE_CHECKING:
    from teachrl._vector.contract import LessonVectorEnv


@dataclass(frozen=True, slots=True, eq=False)
class ResetRequest:
    """The arguments of a reset, spelt out.

    Attributes:
        mask: (N,) bool, the environments to reset.
        indices: The same as indices, ascending.
        seeds: One for each of them, None where neither the caller nor the lesson sets one.
        lessons: One for each of them, with tasks checked and in the task space's dtype.
        options: What else the caller passed.
    """

    mask: Bools
    indices: list[int]
    seeds: list[int | None]
    lessons: list[Lesson]
    options: dict[str, Any]


def read_reset(envs: LessonVectorEnv, seed: Any, options: dict[str, Any] | None) -> ResetRequest:
    """Spells out the arguments of `envs.reset`; changes nothing.

    Raises:
        InvalidTask: If a task is outside the task space.
        InvalidEnvironment: If the arguments do not fit together, or not the environment.
    """
    rest = dict(options or {})
    mask = read_mask(rest.pop("reset_mask", None), envs.num_envs)
    indices = [int(i) for i in np.flatnonzero(mask)]
    lessons = rest.pop("lessons", None)
    lessons = [None] * len(indices) if lessons is None else list(lessons)
    _check_length("lessons", lessons, indices)
    lessons = [_check_lesson(envs, lesson) for lesson in lessons]
    seeds = _read_seeds(seed, indices)
    seeds = [lesson.seed if s is None else s for s, lesson in zip(seeds, lessons, strict=True)]
    return ResetRequest(mask, indices, seeds, lessons, rest)


def read_mask(mask: Any, num_envs: int) -> Bools:
    """Checks a mask over environments; None chooses all.

    Raises:
        InvalidEnvironment: If it is not (N,) bool.
    """
    if mask is None:
        return np.ones(num_envs, dtype=np.bool_)
    mask = np.asarray(mask)
    if mask.shape != (num_envs,) or mask.dtype != np.bool_:
        raise InvalidEnvironment(f"A mask over environments is ({num_envs},) bool, got {mask.shape} {mask.dtype}.")
    return np.array(mask, dtype=np.bool_)


def read_indices(indices: Sequence[int] | None, num_envs: int) -> list[int]:
    """Checks indices of environments; None chooses all.

    Raises:
        InvalidEnvironment: If one is not in 0 .. N-1.
    """
    if indices is None:
        return list(range(num_envs))
    chosen = [int(i) for i in indices]
    wrong = [i for i in chosen if not 0 <= i < num_envs]
    if wrong:
        raise InvalidEnvironment(f"There are {num_envs} environments, 0 to {num_envs - 1}; got the indices {wrong}.")
    return chosen


def _read_seeds(seed: Any, indices: list[int]) -> list[int | None]:
    if seed is None:
        return [None] * len(indices)
    if isinstance(seed, int | np.integer):
        return [_check_seed(seed) + i for i in indices]
    seeds = list(seed)
    _check_length("seeds", seeds, indices)
    return [None if s is None else _check_seed(s) for s in seeds]


def _check_seed(seed: Any) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InvalidEnvironment(f"A seed is an int of at least 0, or None; got {seed!r}.")
    return int(seed)


def _check_length(name: str, entries: list[Any], indices: list[int]) -> None:
    if len(entries) != len(indices):
        raise InvalidEnvironment(
            f"Got {len(entries)} {name} for {len(indices)} environments to reset. "
            "Pass one for each true entry of the reset mask, in the order of the environments."
        )


def _check_lesson(envs: LessonVectorEnv, lesson: Lesson | None) -> Lesson:
    if lesson is None:
        return Lesson()
    if not isinstance(lesson, Lesson):
        raise InvalidEnvironment(f"A lesson is a teachrl.lessons.Lesson, got {type(lesson).__name__}: {lesson!r}.")
    if lesson.seed is not None:
        _check_seed(lesson.seed)
    _check_start(envs, lesson.start)
    if lesson.task is None:
        return lesson
    lesson = dataclasses.replace(lesson, task=_check_task(envs, lesson.task))
    _check_replayed_task(envs, lesson)
    return lesson


def _check_task(envs: LessonVectorEnv, task: Any) -> Any:
    if envs.task_space is None:
        raise InvalidEnvironment(
            f"{envs.env_id} has no task space, so it cannot be given the task {task!r}. "
            "Wrap it in Parametrised to make some of its attributes tasks, or use a teacher that sets none."
        )
    return check_task(task, envs.task_space, envs.task_names)


def _check_replayed_task(envs: LessonVectorEnv, lesson: Lesson) -> None:
    state = lesson.start
    if state is None or state.kind != "replay":
        return
    recorded = None if state.task is None else _check_task(envs, state.task)
    if recorded is None or not equal(recorded, lesson.task):
        raise InvalidEnvironment(
            f"A lesson on the task {lesson.task!r} cannot start from a replay of the task {recorded!r} (None: the "
            "default task), whose actions would lead elsewhere. Set the lesson's task to the start's: "
            "dataclasses.replace(lesson, task=state.task, start=state)."
        )


def _check_start(envs: LessonVectorEnv, state: State | None) -> None:
    if state is None:
        return
    if not isinstance(state, State):
        raise InvalidEnvironment(f"A start is a teachrl.snapshots.State, got {type(state).__name__}.")
    if state.env_id != envs.env_id:
        raise InvalidEnvironment(
            f"A start recorded in {state.env_id!r} cannot be used in {envs.env_id!r}: states belong to one environment "
            "and version. Record it again."
        )
    if state.kind == "exact" and not envs.restorable:
        raise InvalidEnvironment(no_exact_states(envs.env_id, envs.unrestorable))
