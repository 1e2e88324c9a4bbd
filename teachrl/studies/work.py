"""What a worker does for one trial: runs it from the start, or on from its last checkpoint, or not at all."""

from __future__ import annotations

import os
import shutil
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from teachrl.configurable import to_config
from teachrl.configuration import PLACES, build
from teachrl.errors import InvalidRun
from teachrl.runs.checkpoint import newest_checkpoint
from teachrl.runs.directory import RunDirectory
from teachrl.studies.engines import Ended, Job

DONOR = "{donor}"
"""Stands in a trial's configuration for the directory of the run that it replays."""
PATIENCE = 10.0
"""Seconds for an earlier process to let go of a run."""


def perform(directory: Path, job: Job) -> Ended:
    """Runs a trial as `conduct` does, and tells how it ended, whatever it raises."""
    began, before = time.perf_counter(), _cpu_seconds()
    error, lost = None, False
    try:
        conduct(directory, job)
    except KeyboardInterrupt as stop:
        error, lost = f"Stopped: {stop or 'it was asked to.'}", True
    except BaseException as failure:  # a trial may fail in any way, and must not stop the others
        error = "".join(traceback.format_exception(failure))
    return Ended(job.key, error, time.perf_counter() - began, _cpu_seconds() - before, lost)


def conduct(directory: Path, job: Job) -> None:
    """Runs a trial: nothing if it finished before, on from a whole checkpoint if there is one, else anew.

    Args:
        directory: The study's directory.
        job: The trial.

    Raises:
        TeachrlError: If the run cannot be made, or fails.
        KeyboardInterrupt: If it was asked to stop; it can be continued.
    """
    from teachrl.runs.train import train

    place = directory / job.place
    wait_unclaimed(place)
    if is_finished(place):
        return
    if can_continue(place):
        point_at_donor(directory, job)
        train(resume=str(place), progress="none")
        return
    if place.exists():
        shutil.rmtree(place)
    config = {name: value for name, value in _config(directory, job).items() if name not in (*PLACES, "progress")}
    train(**build(config, train), out=str(place), progress="none")


def is_finished(place: Path) -> bool:
    """Tells whether there is a run that finished."""
    return bool(_status(place) == "finished")


def can_continue(place: Path) -> bool:
    """Tells whether there is an unfinished run with a whole checkpoint."""
    return _status(place) not in (None, "finished") and newest_checkpoint(place / "checkpoints") is not None


def _status(place: Path) -> Any:
    try:
        run = RunDirectory.open(place)
        run.config()
        return run.meta().get("status")
    except InvalidRun:
        return None


def wait_unclaimed(place: Path, patience: float = PATIENCE) -> None:
    """Waits until no other process is at work on a run: one that is being ended may take a moment.

    Raises:
        InvalidRun: If it still is.
    """
    deadline = time.monotonic() + patience
    while place.is_dir():
        try:
            with RunDirectory(place).claimed():
                return
        except FileNotFoundError:
            return
        except InvalidRun:
            if time.monotonic() >= deadline:
                raise
        time.sleep(0.05)


def point_at_donor(directory: Path, job: Job) -> None:
    """Has a trial's run name its donor as it lies from here: runs travel, and studies are moved and renamed."""
    if job.donor is not None:
        run = RunDirectory(directory / job.place)
        teachers = build({"teachers": _config(directory, job)["teachers"]})["teachers"]
        run.write_config({**run.config(), "teachers": [to_config(teacher) for teacher in teachers]})


def _config(directory: Path, job: Job) -> dict[str, Any]:
    return job.config if job.donor is None else with_text_replaced(job.config, DONOR, str(directory / job.donor))


def with_text_replaced(value: Any, old: str, new: str) -> Any:
    """Returns data with `old` replaced by `new` in every string."""
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, Mapping):
        return {k: with_text_replaced(v, old, new) for k, v in value.items()}
    return [with_text_replaced(v, old, new) for v in value] if isinstance(value, list | tuple) else value


def _cpu_seconds() -> float:
    """Returns the CPU seconds of this process and of those that it waited for."""
    waited = os.times()
    return time.process_time() + waited.children_user + waited.children_system
