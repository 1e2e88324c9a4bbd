"""Engines run the trials of a study somewhere: what all of them can do, and choosing one by its name."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from teachrl.errors import InvalidHyperparameter, InvalidStudy, UnknownName

ENGINES = ("local", "ray")
NO_RAY = 'The engine "ray" needs Ray: pip install "teachrl[ray]".'


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One trial to run.

    Attributes:
        key: Hash of its resolved configuration.
        config: The arguments of `train` as data, with the seed; `{donor}` in a string stands for the donor's directory.
        place: The run's directory, relative to the study's.
        donor: Directory of the finished run whose curriculum it replays, relative to the study's, None without one.
    """

    key: str
    config: dict[str, Any]
    place: str
    donor: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Ended:
    """How a trial ended.

    Attributes:
        key: The trial's key.
        error: Text of its traceback, or what became of its process; None if the run finished.
        seconds: Wall time from its start to its end.
        cpu_seconds: CPU time of its process.
        lost: Whether its process went away or was stopped before it ended: the trial itself is not to blame, and goes
            on where it was when it is run again.
    """

    key: str
    error: str | None
    seconds: float
    cpu_seconds: float
    lost: bool = False


class Engine(Protocol):
    """Runs trials, several at a time.

    Attributes:
        slots: How many trials run at a time.
    """

    slots: int

    def submit(self, job: Job) -> None:
        """Takes a trial, to start it as soon as there is room."""

    def wait(self, timeout: float | None = None) -> list[Ended]:
        """Waits until a trial ends.

        Args:
            timeout: Seconds to wait at most, None for as long as it takes.

        Returns:
            All that ended since; nothing at the timeout, or when no trial is under way.
        """

    def close(self, wait: bool = False) -> None:
        """Ends the engine: trials that wait are dropped, trials that run are stopped.

        Args:
            wait: Whether trials that run may finish first.
        """


def make_engine(name: str, directory: Path, jobs: int | None = None, address: str | None = None) -> Engine:
    """Makes an engine.

    Args:
        name: `"local"`, processes on this machine, or `"ray"`, a Ray cluster.
        directory: The study's directory, in which the runs appear.
        jobs: How many trials run at a time; None for one per CPU here, and for all that a cluster has room for.
        address: Of a Ray cluster, `"auto"` for the one that this machine belongs to; None starts one on this machine.

    Raises:
        UnknownName: If there is no such engine.
        InvalidHyperparameter: If an argument is impossible.
        InvalidStudy: If Ray is not installed, or its cluster does not answer.
    """
    check_engine(name, address)
    if jobs is not None and (isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1):
        raise InvalidHyperparameter(f"`jobs` must be a whole number, at least 1, got {jobs!r}.")
    place = Path(directory).absolute()  # a trial may change its process's working directory
    if name == "local":
        from teachrl.studies.local_engine import LocalEngine

        return LocalEngine(place, jobs)
    from teachrl.studies.ray_engine import RayEngine

    return RayEngine(place, jobs, address)


def check_engine(name: str, address: str | None = None) -> None:
    """Checks what can be known of an engine before it is made.

    Raises:
        UnknownName: If there is no such engine.
        InvalidHyperparameter: If it takes no address.
        InvalidStudy: If Ray is not installed.
    """
    if name not in ENGINES:
        raise UnknownName("engine", name, ENGINES)
    if name == "ray" and find_spec("ray") is None:
        raise InvalidStudy(NO_RAY)
    if name == "local" and address is not None:
        raise InvalidHyperparameter(
            f"`address` is for the engine 'ray', got {address!r} for 'local'. Leave it out, or choose --engine ray."
        )
