"""A fixed set of levels: training on n of them, and testing on all others, measures what was learned of the game.

Cobbe, Hesse, Hilton, Schulman, "Leveraging Procedural Generation to Benchmark Reinforcement Learning", ICML 2020,
https://arxiv.org/abs/1912.01588.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from teachrl.errors import InvalidHyperparameter
from teachrl.lessons import Lesson
from teachrl.state import rng_state, set_rng_state
from teachrl.tasks import sample_tasks
from teachrl.teacher import Setup, Teacher

_MOST = 10_000_000
_SEEDS = 2**31
_PART = re.compile(r"\s*(\d+)\s*(?::\s*(\d+)\s*)?")


class Levels(Teacher):
    """Draws every episode's level uniformly from a fixed set of seeds, and varies nothing else.

    The protocol of generalisation from n training levels, 200 in Procgen's easy mode. It is also how levels come again,
    so that what was planned for them once, by a language model for example, is met. On an environment with a task space
    the tasks are uniform, and a level is a task with a seed of the set.

    Args:
        seeds: The levels: `0:1000` for the seeds 0 to 999, several separated by commas, `3,5,9:20`, or a list.
    """

    needs_task_space: ClassVar[bool] = False
    citation = "Cobbe, Hesse, Hilton, Schulman, ICML 2020, https://arxiv.org/abs/1912.01588"
    bibtex = """@inproceedings{cobbe2020leveraging,
  title = {Leveraging Procedural Generation to Benchmark Reinforcement Learning},
  author = {Cobbe, Karl and Hesse, Chris and Hilton, Jacob and Schulman, John},
  booktitle = {International Conference on Machine Learning},
  year = {2020}
}"""

    def __init__(self, seeds: str | list[int] = "0:1000") -> None:
        self.seeds = seeds

    def begin(self, setup: Setup) -> None:
        """Starts a run.

        Raises:
            InvalidHyperparameter: If the seeds are not what they must be.
        """
        super().begin(setup)
        self._seeds = np.array(as_seeds(self.seeds, "Levels.seeds"), dtype=np.int64)

    def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
        """Returns `n` lessons, with independent seeds of the set and uniform tasks if there are tasks."""
        chosen = self._seeds[self.rng.integers(len(self._seeds), size=n)].tolist()
        space = self.setup.task_space
        tasks = [None] * n if space is None else sample_tasks(space, n, self.rng)
        return [Lesson(task, seed=seed) for task, seed in zip(tasks, chosen, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Returns the random state."""
        return {"rng": rng_state(self.rng)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        set_rng_state(self.rng, state["rng"])


def as_seeds(seeds: str | Sequence[int], owner: str = "seeds") -> list[int]:
    """Returns the seeds that a text such as `0:1000` or `3,5,9:20` names, or a list of them, each once, in order.

    Args:
        seeds: The text, in which `a:b` is a, a + 1, ..., b - 1, or the list.
        owner: What the message of the error calls it.

    Raises:
        InvalidHyperparameter: If it names no seeds, or is something else.
    """
    spans = _spans(seeds) if isinstance(seeds, str) else _single(seeds)
    if not spans or any(not 0 <= low < high <= _SEEDS for low, high in spans):
        raise InvalidHyperparameter(
            f"{owner} must be seeds from 0 to {_SEEDS - 1}: '0:1000' for the first thousand, '3,5,9:20', or a list "
            f"[3, 5]; got {seeds!r}. In YAML, write the quotes: 9:20 without them is a time of day."
        )
    if (number := sum(high - low for low, high in spans)) > _MOST:
        raise InvalidHyperparameter(f"{owner} may name {_MOST:,} seeds, got {number:,}: {seeds!r}.")
    return list(dict.fromkeys(seed for low, high in spans for seed in range(low, high)))


def _spans(text: str) -> list[tuple[int, int]]:
    found = [_PART.fullmatch(part) for part in text.split(",")]
    if not all(found):
        return []
    return [(int(m[1]), int(m[1]) + 1 if m[2] is None else int(m[2])) for m in found if m]


def _single(seeds: Any) -> list[tuple[int, int]]:
    listed = list(seeds) if isinstance(seeds, Sequence | np.ndarray) else []
    whole = all(isinstance(s, int | np.integer) and not isinstance(s, bool) for s in listed)
    return [(int(s), int(s) + 1) for s in listed] if whole else []
