"""A run is a directory: where its files are, what its meta.json says, and when it can be created, read or resumed."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from teachrl.configuration import read_config, to_yaml
from teachrl.errors import InvalidRun
from teachrl.runs.checkpoint import newest_checkpoint
from teachrl.runs.facts import host_facts, private, versions, work_tree

CONFIG, META = "config.yaml", "meta.json"


class RunDirectory:
    """The files of one run.

    Args:
        path: The directory.

    Attributes:
        path: The directory.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.config_file = self.path / CONFIG
        self.metrics_file = self.path / "metrics.jsonl"
        self.csv_file = self.path / "metrics.csv"
        self.checkpoints = self.path / "checkpoints"
        self.best = self.path / "best"
        self.evaluations = self.path / "evaluations"
        self.tensorboard = self.path / "tb"
        self.videos = self.path / "videos"
        self.curriculum_picture = self.path / "curriculum.png"

    @classmethod
    def create(cls, path: str | Path, config: Mapping[str, Any], resumable: bool) -> Self:
        """Makes the directory of a new run.

        Args:
            path: An empty or missing directory.
            config: The run's configuration as data.
            resumable: Whether the configuration says everything.

        Raises:
            InvalidRun: If there is something already, or it cannot be written.
        """
        check_free(path)
        self = cls(path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.write_config(config)
            self.write_meta(
                {
                    "status": "running",
                    "created": utc(),
                    "resumable_from_config": resumable,
                    "argv": [private(a) for a in [Path(sys.argv[0]).name, *sys.argv[1:]]],
                    "versions": versions(),
                    "git": work_tree(),
                    "host": host_facts(),
                    "resumed": [],
                    "mismatches": [],
                }
            )
        except OSError as error:
            raise _not_writable(self.path, error) from error
        return self

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Opens the directory of a run that was made before.

        Raises:
            InvalidRun: If it is missing, empty or not a run's.
        """
        self = cls(path)
        if not self.path.is_dir() or not any(self.path.iterdir()):
            what = "is empty" if self.path.is_dir() else "is not a directory"
            raise InvalidRun(f"{path} {what}: there is no run in it. Start one with `teachrl train --out {path}`.")
        if missing := [name for name in (CONFIG, META) if not (self.path / name).is_file()]:
            raise InvalidRun(
                f"{path} is not the directory of a run: it has no {' and no '.join(missing)}. Pass a directory that "
                "`train` made."
            )
        self.meta()
        return self

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keeps other processes from working on this run meanwhile, where the system can lock a directory.

        Raises:
            InvalidRun: If another process is at work on it.
        """
        if sys.platform == "win32":
            yield
            return
        import fcntl

        handle = os.open(self.path, os.O_RDONLY)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InvalidRun(f"Another process is at work on {self.path}. Stop it, or let it end.") from error
            yield
        finally:
            os.close(handle)

    def checkpoint(self) -> Path:
        """Returns the newest whole checkpoint.

        Raises:
            InvalidRun: If there is none.
        """
        newest = newest_checkpoint(self.checkpoints)
        if newest is None:
            raise InvalidRun(
                f"The run in {self.path} has no whole checkpoint: it stopped before the first one was written. "
                "Remove the directory and start the run again."
            )
        return newest

    def config(self) -> dict[str, Any]:
        """Returns the run's configuration as data.

        Raises:
            InvalidRun: If the file is damaged.
        """
        return read_config(self.config_file)

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Replaces the configuration, in one piece."""
        draft = self.path / f".{CONFIG}.tmp"
        draft.write_text(to_yaml(config), encoding="utf-8")
        draft.replace(self.config_file)

    def meta(self) -> dict[str, Any]:
        """Returns what meta.json says.

        Raises:
            InvalidRun: If it is damaged.
        """
        try:
            return dict(json.loads((self.path / META).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise InvalidRun(f"{self.path / META} cannot be read ({error}): this run cannot be used.") from error

    def write_meta(self, changes: Mapping[str, Any]) -> None:
        """Enters `changes` in meta.json, in one piece."""
        known = self.meta() if (self.path / META).is_file() else {}
        self._replace_meta({**known, **changes})

    def write_resumption(self, steps: int, mismatches: Sequence[Mapping[str, Any]]) -> None:
        """Enters in meta.json that the run goes on, in place of how it ended before.

        Args:
            steps: Where it goes on.
            mismatches: What could not be restored exactly.
        """
        meta = {name: value for name, value in self.meta().items() if name not in ("ended", "traceback", "result")}
        meta["resumed"] = [*meta["resumed"], {"steps": steps, "utc": utc(), "versions": versions()}]
        meta["mismatches"] = [*meta["mismatches"], *({"steps": steps, **entry} for entry in mismatches)]
        self._replace_meta({**meta, "status": "running"})

    def _replace_meta(self, meta: Mapping[str, Any]) -> None:
        draft = self.path / f".{META}.tmp"
        draft.write_text(json.dumps(meta, indent=2), encoding="utf-8")
        draft.replace(self.path / META)

    def write_failure(self, status: str, error: BaseException) -> None:
        """Enters how a run ended that did not finish; a full disk cannot keep the error itself from being seen."""
        lines = [private(line) for line in traceback.format_exception(error)]
        try:
            self.write_meta({"status": status, "ended": utc(), "traceback": "".join(lines)})
        except OSError as second:
            error.add_note(f"meta.json could not be written either: {second}")


def check_free(path: str | Path) -> None:
    """Checks that a new run can have `path`, and creates nothing.

    Raises:
        InvalidRun: If it exists and is not an empty directory, or its parent cannot be written.
    """
    target = Path(path)
    if target.exists() and not target.is_dir():
        raise InvalidRun(f"{path} is a file. Pass a directory that does not exist yet as `out`.")
    if target.is_dir() and any(target.iterdir()):
        hint = f"Resume it with `teachrl train --resume {path}`, or p" if (target / META).exists() else "P"
        raise InvalidRun(f"{path} exists and is not empty. {hint}ass another directory as `out`.")
    parent = next(p for p in (target, *target.absolute().parents) if p.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise _not_writable(target, f"{parent} is not a directory that you may write to")


def default_place(env: str, teachers: list[str], seed: int) -> Path:
    """Returns `runs/<env>/<teachers>/<seed>-<utc>`, a place that is free."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = Path("runs") / (_name(env) or "env") / (_name("+".join(teachers)) or "no-teacher")
    place, count = folder / f"{seed}-{stamp}", 1
    while place.exists():
        count += 1
        place = folder / f"{seed}-{stamp}-{count}"
    return place


def utc() -> str:
    """Returns the time now, e.g. `2025-01-31T12:00:00Z`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _name(text: str) -> str:
    """Returns `text` as one component of a path."""
    return "".join(c if c.isalnum() or c in "-_+." else "-" for c in text).strip(".-")


def _not_writable(path: Path, why: object) -> InvalidRun:
    return InvalidRun(f"The run's directory {path} cannot be written: {why}. Pass another one as `out`.")
