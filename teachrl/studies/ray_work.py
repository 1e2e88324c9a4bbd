"""What a Ray worker does for one trial: runs it in a directory of its own, and sends the run back as bytes."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from teachrl.studies.engines import Ended, Job
from teachrl.studies.parcels import pack, unpack
from teachrl.studies.work import perform

DONATED = ("config.yaml", "meta.json", "episodes.parquet")
"""The files of a donor that travel with a trial."""


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """A trial that travels.

    Attributes:
        job: The trial.
        files: The donor's files and what there is of the run, packed.
        path: Where the sender finds modules.
        argv: The sender's command line, which runs note.
    """

    job: Job
    files: bytes
    path: list[str]
    argv: list[str]


@dataclass(frozen=True, slots=True, eq=False)
class Returned:
    """A trial that comes back.

    Attributes:
        ended: How it ended.
        run: The contents of the run's directory, packed; None if there is none.
    """

    ended: Ended
    run: bytes | None


def send(directory: Path, job: Job, unfinished: bool) -> Parcel:
    """Packs a trial and what it needs.

    Args:
        directory: The study's directory.
        job: The trial.
        unfinished: Whether there is a run to be continued.
    """
    names = [] if job.donor is None else [f"{job.donor}/{name}" for name in DONATED]
    files = pack(directory, [*names, job.place] if unfinished else names)
    path = [os.path.abspath(entry or os.getcwd()) for entry in ("", *sys.path)]
    return Parcel(job, files, path, sys.argv)


def run_trial(parcel: Parcel, code: bytes | None) -> Returned:
    """Runs a trial that travelled here.

    Args:
        parcel: The trial.
        code: Modules of the sender's working directory, if this may be another machine.
    """
    if code is not None:
        _install(code)
    sys.path += [entry for entry in parcel.path if entry not in sys.path and os.path.exists(entry)]
    sys.argv = parcel.argv
    with tempfile.TemporaryDirectory(prefix="teachrl-") as scratch:
        study, job = Path(scratch), parcel.job
        unpack(parcel.files, study)
        ended = perform(study, job)
        run = pack(study / job.place, ["."]) if (study / job.place).is_dir() else None
    return Returned(ended, run)


def _install(code: bytes) -> None:
    """Makes modules that came with a trial importable, once in a process."""
    name = f"teachrl-code-{hashlib.sha256(code).hexdigest()[:16]}"
    if any(Path(entry).parent.name == name for entry in sys.path):
        return
    place = Path(tempfile.mkdtemp()) / name / "modules"
    unpack(code, place)
    sys.path.insert(0, str(place))
