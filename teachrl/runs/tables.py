"""Tables of a run that grow while it runs: one parquet part a checkpoint, each renamed into place, one file at the end.

A parquet file can neither be appended to nor survive being killed while it is written. So the rows of `episodes` lie in
`episodes/part-<steps>.parquet` until `compact` puts them into `episodes.parquet`.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from teachrl.lessons import Episode
from teachrl.runs.checkpoint import flush

EPISODES = {
    "steps": "int64", "task": "list", "seed": "int64", "start": "int64", "learn": "bool", "return": "float64",
    "length": "int64", "success": "bool", "student": "int64", "env": "int64",
}  # fmt: skip
"""`start` is the `start_id`, null for an ordinary reset; `success` is null where the environment does not say; `env` is
the index of the environment that played it, null in tables of older runs."""
EVALUATIONS = {
    "steps": "int64", "suite": "string", "name": "string", "task": "list", "episode": "int64", "return": "float64",
    "length": "int64", "success": "bool",
}  # fmt: skip


class Table:
    """A growing table.

    Args:
        directory: The run's directory.
        name: The table's name.
        columns: Type of each column: a parquet type's name, or `"list"` for a list of float64.

    Attributes:
        rows: Rows that are in no part yet, by column.
    """

    def __init__(self, directory: Path, name: str, columns: dict[str, str]) -> None:
        self.columns = columns
        self.file, self.parts = directory / f"{name}.parquet", directory / name
        self.rows: dict[str, list[Any]] = {column: [] for column in columns}

    def append(self, row: Sequence[Any]) -> None:
        """Adds a row, its values in the order of the columns."""
        for column, value in zip(self.columns, row, strict=True):
            self.rows[column].append(value)

    def write_part(self, steps: int) -> None:
        """Writes the new rows as the part of the checkpoint at `steps`.

        Raises:
            OSError: If the disk does not take it.
        """
        if not self.rows["steps"]:
            return
        self.parts.mkdir(exist_ok=True)
        _write(_arrow(self.columns, self.rows), self.parts / f"part-{steps}.parquet")
        self.rows = {column: [] for column in self.columns}

    def compact(self) -> None:
        """Puts all parts, and the rows that are in none yet, into one file."""
        import pyarrow as pa

        _write(pa.concat_tables([self._stored(), _arrow(self.columns, self.rows)]), self.file)
        self.rows = {column: [] for column in self.columns}
        shutil.rmtree(self.parts, ignore_errors=True)

    def rewind(self, steps: int, total_steps: int) -> None:
        """Drops what came after a checkpoint.

        Args:
            steps: The checkpoint's name.
            total_steps: The steps it had taken, as the column `steps` counts them.
        """
        import pyarrow.compute as pc

        if self.file.exists():  # whole since it was renamed; parts beside it were being removed
            shutil.rmtree(self.parts, ignore_errors=True)
            rows = self._stored()
            self.parts.mkdir()
            _write(rows.filter(pc.field("steps") <= total_steps), self.parts / f"part-{steps}.parquet")
            self.file.unlink()
        for part in self._parts():
            if _steps(part) > steps:
                part.unlink()

    def read(self, columns: Sequence[str]) -> dict[str, list[Any]]:
        """Returns columns of all rows, those that are in no part yet included."""
        stored = self._stored(columns).to_pydict()
        return {column: stored[column] + self.rows[column] for column in columns}

    def _parts(self) -> list[Path]:
        return sorted(self.parts.glob("part-*.parquet"), key=_steps) if self.parts.is_dir() else []

    def _stored(self, columns: Sequence[str] | None = None) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        names = list(columns or self.columns)
        empty = _arrow(self.columns, {column: [] for column in self.columns}).select(names)

        def stored() -> list[Any]:
            files = [self.file] if self.file.exists() else self._parts()
            # With a schema, columns that a table of an older run does not have are null.
            return [pq.read_table(f, columns=names, schema=empty.schema, partitioning=None) for f in files]

        try:
            return pa.concat_tables([empty, *stored()])
        except FileNotFoundError:  # the parts of a running run were put into one file meanwhile
            return pa.concat_tables([empty, *stored()])


_ARROW = {"int64": "int64", "float64": "float64", "bool": "bool_", "string": "string"}


def _arrow(columns: dict[str, str], rows: dict[str, list[Any]]) -> Any:
    import pyarrow as pa

    types = {c: pa.list_(pa.float64()) if t == "list" else getattr(pa, _ARROW[t])() for c, t in columns.items()}
    return pa.table({c: pa.array(rows[c], types[c]) for c in columns})


def _steps(part: Path) -> int:
    return int(part.stem.removeprefix("part-"))


def _write(table: Any, path: Path) -> None:
    import pyarrow.parquet as pq

    draft = path.with_name(f".{path.name}.tmp")
    try:
        pq.write_table(table, draft, compression="zstd")
        flush(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def episode_row(total_steps: int, episode: Episode, space: spaces.Space[Any] | None) -> tuple[Any, ...]:
    """Returns an episode as a row of `EPISODES`."""
    lesson = episode.lesson
    return (
        total_steps, task_numbers(lesson.task, space), episode.seed,
        None if lesson.start is None else lesson.start_id, lesson.learn, episode.episode_return, episode.length,
        episode.success, episode.student, episode.env,
    )  # fmt: skip


def task_numbers(task: Any, space: spaces.Space[Any] | None) -> list[float] | None:
    """Returns a task as numbers: a Box's coordinates, a Discrete's value, else `gymnasium.spaces.flatten`'s.

    None for the default task, and for a task that no vector of numbers stands for.
    """
    if task is None or space is None:
        return None
    if isinstance(space, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
        return [float(x) for x in np.asarray(task, dtype=np.float64).reshape(-1)]
    try:
        flat = spaces.flatten(space, task)
    except NotImplementedError:
        return None
    return [float(x) for x in flat.reshape(-1)] if isinstance(flat, np.ndarray) else None


def task_bounds(space: spaces.Space[Any] | None, names: Sequence[str]) -> dict[str, list[Any]] | None:
    """Describes a Box of tasks as data for meta.json, None for any other space.

    Returns:
        `names`, `low` and `high`, an entry for each coordinate; None stands for a bound that is not finite.
    """
    if not isinstance(space, spaces.Box):
        return None
    low, high = ([float(x) if np.isfinite(x) else None for x in bound.reshape(-1)] for bound in (space.low, space.high))
    return {"names": list(names), "low": low, "high": high}


def write_rows(columns: dict[str, str], rows: Sequence[Sequence[Any]], path: Path) -> None:
    """Writes a table in one piece, a row an entry of `rows`."""
    table = Table(path.parent, path.stem, columns)
    for row in rows:
        table.append(row)
    _write(_arrow(columns, table.rows), path)
