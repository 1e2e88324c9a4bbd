"""Task spaces: checking a task, drawing one, and fixed suites of tasks for evaluation."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from teachrl.errors import InvalidEnvironment, InvalidTask, UnknownName
from teachrl.lessons import Lesson

SUITES = ("validation", "test")
"""The suites that every environment has."""
_SUITE_SEEDS = {"validation": 20_001, "test": 10_001}


def check_task(task: Any, space: spaces.Space[Any], names: Sequence[str] = ()) -> Any:
    """Checks that a task lies in its space; nothing is ever clipped.

    Args:
        task: The task, a vector for a `Box` space.
        space: The environment's task space.
        names: The coordinates' names, for the message.

    Returns:
        The task in its space's dtype, a copy.

    Raises:
        InvalidTask: Naming the coordinate, its value and its bounds.
    """
    if not isinstance(space, spaces.Box):
        if not space.contains(task):
            raise InvalidTask(f"The task {task!r} is not in the task space {space}. Pass a member of that space.")
        return task
    try:
        vector = np.array(task, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidTask(f"A task must be {space.shape} numbers, got {task!r} ({error}).") from error
    if vector.shape != space.shape:
        raise InvalidTask(f"A task must have the shape {space.shape}, got {vector.shape}: {task!r}.")
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is not inside
        result = vector.astype(space.dtype)
    inside = (result >= space.low) & (result <= space.high)
    if np.issubdtype(space.dtype, np.integer):
        inside &= result == vector
    if inside.all():
        return result
    return _raise_outside(vector, inside, space, names)


def _raise_outside(vector: Any, inside: Any, space: spaces.Box, names: Sequence[str]) -> Any:
    whole = "a whole number, " if np.issubdtype(space.dtype, np.integer) else ""
    wrong = [
        f"{names[i] if i < len(names) else f'coordinate {i}'} is {vector.flat[i]:g}, "
        f"expected {whole}{space.low.flat[i]:g} to {space.high.flat[i]:g}"
        for i in np.flatnonzero(~inside).tolist()
    ]
    raise InvalidTask(
        f"The task {vector.tolist()} is outside the task space: {'; '.join(wrong)}. "
        "Tasks are never clipped: sample inside the space, or make the environment with a wider one."
    )


def sample_tasks(space: spaces.Space[Any], n: int, rng: np.random.Generator) -> list[Any]:
    """Draws `n` tasks uniformly from a task space, out of the caller's generator alone.

    Raises:
        InvalidEnvironment: If a Box is unbounded, where no uniform distribution exists.
    """
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating):
        if not space.is_bounded():
            raise InvalidEnvironment(f"Tasks cannot be drawn uniformly from the unbounded {space}; give it bounds.")
        draws = rng.uniform(space.low, space.high, (n, *space.shape)).astype(space.dtype)
        return list(np.clip(draws, space.low, space.high))
    drawer = copy.deepcopy(space)
    drawer.seed(int(rng.integers(2**31)))
    return [drawer.sample() for _ in range(n)]


def default_suite(space: spaces.Space[Any] | None, name: str, size: int = 100) -> dict[str, Lesson]:
    """Makes the fixed suite of an environment that brings none.

    A scrambled Sobol set (https://doi.org/10.1016/0041-5553(67)90144-9) for a bounded Box, a fixed-seed sample for any
    other space, and the default task on `size` fixed seeds without a task space. The same at every call.

    Args:
        space: The task space, or None.
        name: `"validation"` or `"test"`.
        size: Number of lessons.

    Returns:
        Lessons by name, each with its task and seed.

    Raises:
        UnknownName: If there is no such suite.
    """
    if name not in _SUITE_SEEDS:
        raise UnknownName("task suite", name, _SUITE_SEEDS)
    rng = np.random.default_rng(_SUITE_SEEDS[name])
    seeds = rng.integers(2**31, size=size)
    if space is None:
        tasks: list[Any] = [None] * size
    elif isinstance(space, spaces.Box) and space.is_bounded() and np.issubdtype(space.dtype, np.floating):
        tasks = _sobol(space, size, rng)
    else:
        tasks = sample_tasks(space, size, rng)
    return {f"{name}-{i:03d}": Lesson(task, int(seed)) for i, (task, seed) in enumerate(zip(tasks, seeds, strict=True))}


def _sobol(space: spaces.Box, size: int, rng: np.random.Generator) -> list[Any]:
    from scipy.stats import qmc

    dims = int(np.prod(space.shape))
    points = qmc.Sobol(dims, scramble=True, rng=rng).random_base2(int(np.ceil(np.log2(size))))[:size]
    low, high = space.low.reshape(-1), space.high.reshape(-1)
    tasks = (low + points * (high - low)).astype(space.dtype)
    return [np.clip(t, low, high).reshape(space.shape) for t in tasks]


def task_names(space: spaces.Space[Any] | None, names: Sequence[str] | None = None) -> tuple[str, ...]:
    """Names the coordinates of a Box of tasks: those given, else `task_0`, `task_1`, ...; none for other spaces."""
    if not isinstance(space, spaces.Box):
        return ()
    size = int(np.prod(space.shape))
    return tuple(names) if names is not None and len(names) == size else tuple(f"task_{i}" for i in range(size))
