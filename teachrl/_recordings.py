"""What was taught in another run: its lessons, read from its tables, in the order in which they began."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from teachrl.errors import InvalidRun

_COLUMNS = {
    "steps": "int64", "task": "list", "seed": "int64", "start": "int64", "learn": "bool_", "length": "int64",
    "student": "int64", "env": "int64",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """The lessons that one student of a run has finished, L of them, in the order in which they began.

    Attributes:
        begun: (L,) int64, environment steps that all environments together had taken when the lesson was handed out.
        tasks: (L, d) float64, tasks as numbers; rows of NaN for the default task.
        seeds: (L,) int64, seeds of the episodes.
        learn: (L,) bool, `Lesson.learn`.
        started: Whether any of them began somewhere else than an ordinary reset.
        bounds: `names`, `low` and `high` of a Box of tasks, as meta.json has them; None where it has none.
        rows: Rows of the table that were read.
    """

    begun: NDArray[np.int64]
    tasks: NDArray[np.float64]
    seeds: NDArray[np.int64]
    learn: NDArray[np.bool_]
    started: bool
    bounds: dict[str, Any] | None
    rows: int

    @classmethod
    def read(cls, directory: str, rows: int | None = None) -> Recording:
        """Reads what the first student of a run was taught, from episodes.parquet or an unfinished run's parts.

        A lesson began `length` vector steps before its episode ended,

            begun = steps - length x num_envs,

        exactly so unless extra rollouts were counted while it was played. Lessons of one moment are in the order of
        their environments, in which they were handed out; in that of the table where an older run does not tell.

        Args:
            directory: The run's directory.
            rows: Rows of the table to read, as many as there are if None.

        Raises:
            InvalidRun: If it is not a run, has no finished episodes yet, or is damaged.
        """
        path = Path(directory)
        num_envs, bounds = _facts(path)
        table = _table(path)
        table = table if rows is None else table.slice(0, rows)
        read, table = len(table), table.filter(_is_first_student(table))
        if not len(table):
            raise InvalidRun(f"The run in {path} has no finished episodes yet: let it run until its next checkpoint.")
        columns = {name: table[name].to_numpy() for name in ("steps", "length", "seed")}
        begun = columns["steps"] - num_envs * columns["length"]
        order = np.lexsort((table["env"].fill_null(-1).to_numpy(), begun))
        return cls(
            begun=begun[order],
            tasks=_tasks(table["task"].combine_chunks(), path)[order],
            seeds=columns["seed"][order],
            learn=table["learn"].to_numpy()[order],
            started=table["start"].null_count < len(table),
            bounds=bounds,
            rows=read,
        )

    def digest(self) -> str:
        """Returns a text that no other lessons have."""
        parts = (self.begun, self.tasks, self.seeds, self.learn)
        return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def _facts(path: Path) -> tuple[int, dict[str, Any] | None]:
    """Returns the number of environments and what meta.json says of the task space."""
    import yaml

    try:
        config = yaml.safe_load((path / "config.yaml").read_text(encoding="utf-8"))
        meta = json.loads((path / "meta.json").read_text(encoding="utf-8"))
        return int(config["num_envs"]), meta.get("tasks")
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        raise InvalidRun(
            f"{path} is not the directory of a run ({type(error).__name__}: {error}). Pass a directory that `train` "
            "made, with its config.yaml and meta.json."
        ) from error


def _table(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole, parts = path / "episodes.parquet", (path / "episodes").glob("part-*.parquet")
    files = [whole] if whole.exists() else sorted(parts, key=lambda part: int(part.stem.removeprefix("part-")))
    types = {name: pa.list_(pa.float64()) if kind == "list" else getattr(pa, kind)() for name, kind in _COLUMNS.items()}
    schema = pa.schema(types)
    try:
        read = [pq.read_table(f, columns=list(types), schema=schema, partitioning=None) for f in files]
    except (OSError, ValueError) as error:
        raise InvalidRun(f"The episodes of the run in {path} cannot be read: {error}") from error
    return pa.concat_tables([schema.empty_table(), *read])


def _is_first_student(table: Any) -> Any:
    import pyarrow.compute as pc

    return pc.equal(table["student"], 0)


def _tasks(column: Any, path: Path) -> NDArray[np.float64]:
    """Returns (L, d) numbers of a column of lists, NaN where a list is null."""
    known = column.is_valid().to_numpy(zero_copy_only=False)
    sizes = np.unique(column.drop_null().value_lengths().to_numpy())
    if len(sizes) > 1:
        raise InvalidRun(f"The tasks in the run in {path} have {sizes.tolist()} numbers: they are of several spaces.")
    tasks = np.full((len(column), int(sizes[0]) if len(sizes) else 0), np.nan)
    tasks[known] = column.flatten().to_numpy().reshape(-1, *tasks.shape[1:]) if len(sizes) else 0.0
    return tasks


def task_of(numbers: NDArray[np.float64], space: spaces.Space[Any]) -> Any:
    """Turns the numbers that a run's tables hold for a task back into a member of its space.

    Args:
        numbers: (d,) a Box's coordinates, a Discrete's value, else what `gymnasium.spaces.flatten` gives.
        space: The task space.

    Raises:
        ValueError: If there is no such member.
    """
    try:
        task = _member(numbers, space)
    except (TypeError, ValueError, IndexError, NotImplementedError) as error:
        raise ValueError(f"{numbers.tolist()} is no member of {space} ({type(error).__name__}: {error})") from error
    if not space.contains(task):
        raise ValueError(f"{numbers.tolist()} is no member of {space}")
    return task


def _member(numbers: NDArray[np.float64], space: spaces.Space[Any]) -> Any:
    if isinstance(space, spaces.Box | spaces.MultiDiscrete | spaces.MultiBinary):
        return numbers.reshape(space.shape).astype(space.dtype)
    if isinstance(space, spaces.Discrete):
        return space.dtype.type(numbers.item())
    flat = spaces.flatten_space(space)
    return spaces.unflatten(space, numbers.reshape(flat.shape or ()).astype(flat.dtype))
