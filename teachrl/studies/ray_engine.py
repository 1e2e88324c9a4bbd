"""Trials on a Ray cluster. Ray decides where each runs, and runs those of a node that is lost again elsewhere."""

from __future__ import annotations

import os
import socket
import time
import warnings
from collections import deque
from pathlib import Path
from typing import Any

from teachrl.errors import InvalidStudy
from teachrl.studies.engines import NO_RAY, Ended, Job
from teachrl.studies.parcels import arrive, pack_code
from teachrl.studies.ray_work import Returned, run_trial, send
from teachrl.studies.work import can_continue, is_finished, point_at_donor

PATIENCE = 30.0
"""Seconds that trials have to stop and to come back when the engine is closed."""
RETRIES = 5
"""How often Ray runs a trial again whose worker or node was lost."""

SECONDS_TO_ANSWER = 10.0
"""Seconds that a cluster has to answer the first call."""


class RayEngine:
    """Trials as tasks of a Ray cluster.

    A trial runs in a temporary directory where Ray puts it, and its run comes back as a whole. teachrl must be
    installed on all nodes; Python modules of the working directory are sent along to other machines.

    Args:
        directory: The study's directory.
        jobs: CPUs of a cluster that is started on this machine, all if None; in another cluster, how many trials are
            handed over at a time, as many as it takes if None.
        address: Of the cluster, `"auto"` for the one that this machine belongs to; None starts one on this machine.
        cpus: CPUs that a trial takes.
        gpus: GPUs that a trial takes, also a part of one.
        patience: Seconds that trials have to stop when the engine is closed.

    Attributes:
        slots: How many trials run at a time, other users of the cluster permitting.

    Raises:
        InvalidStudy: If Ray is not installed, or the cluster does not answer.
    """

    def __init__(
        self,
        directory: Path,
        jobs: int | None = None,
        address: str | None = None,
        cpus: float = 1,
        gpus: float = 0,
        patience: float = PATIENCE,
    ) -> None:
        self._ray = _import_ray()
        self._directory, self._patience = directory, patience
        self._own = not self._ray.is_initialized()
        if self._own:
            _connect(self._ray, jobs, address)
        self._code = self._ray.put(pack_code(Path.cwd())) if _has_other_machines(self._ray) else None
        self._task = self._ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)(run_trial)
        room = int(self._ray.cluster_resources().get("CPU", 1) / cpus) if cpus else 1
        self.slots = max(1, room if jobs is None else min(jobs, room))
        self._limit = jobs
        self._queue: deque[Job] = deque()
        self._running: dict[Any, tuple[Job, float]] = {}
        self._ended: list[Ended] = []

    def submit(self, job: Job) -> None:
        """Takes a trial, to hand it to the cluster."""
        if is_finished(self._directory / job.place):
            self._ended.append(Ended(job.key, None, 0.0, 0.0))
            return
        self._queue.append(job)
        self._start()

    def wait(self, timeout: float | None = None) -> list[Ended]:
        """Waits until a trial ends, see `Engine.wait`."""
        if not self._ended and self._running:
            self._ended = self._hear(timeout)
        ended, self._ended = self._ended, []
        self._start()
        return ended

    def close(self, wait: bool = False) -> None:
        """Stops trials that run, which come back as far as they got, or lets them finish if `wait`."""
        self._queue.clear()
        try:
            deadline = float("inf") if wait else time.monotonic() + self._patience
            for reference in [] if wait else list(self._running):
                self._ray.cancel(reference)
            while self._running and time.monotonic() < deadline:
                self._hear(1.0)
        finally:
            for reference in self._running:
                self._ray.cancel(reference, force=True)
            self._running.clear()
            if self._own:
                self._ray.shutdown()
                self._own = False

    def _start(self) -> None:
        while self._queue and (self._limit is None or len(self._running) < self._limit):
            job = self._queue.popleft()
            parcel = send(self._directory, job, can_continue(self._directory / job.place))
            self._running[self._task.remote(parcel, self._code)] = (job, time.perf_counter())

    def _hear(self, timeout: float | None) -> list[Ended]:
        """Waits for a trial; returns how those ended that are back."""
        ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=timeout)
        if ready:
            ready, _ = self._ray.wait(list(self._running), num_returns=len(self._running), timeout=0)
        return [self._receive(reference) for reference in ready]

    def _receive(self, reference: Any) -> Ended:
        job, began = self._running.pop(reference)
        seconds = time.perf_counter() - began
        try:
            returned: Returned = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:  # it could not even begin, or not be packed
            return Ended(job.key, str(error), seconds, 0.0)
        except self._ray.exceptions.RayError as error:
            why = f"The trial was lost on the cluster: {type(error).__name__}: {error}"
            return Ended(job.key, why, seconds, 0.0, lost=True)
        if returned.run is not None:
            self._keep(job, returned.run)
        return returned.ended

    def _keep(self, job: Job, run: bytes) -> None:
        """Puts a run that came back in its place."""
        place = self._directory / job.place
        arrive(run, place)
        if is_finished(place) or can_continue(place):
            point_at_donor(self._directory, job)


def _import_ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import ray
            import ray.exceptions
    except ImportError as error:
        raise InvalidStudy(NO_RAY) from error
    return ray


def _connect(ray: Any, jobs: int | None, address: str | None) -> None:
    """Joins a cluster, or starts one on this machine."""
    started = {"address": "local", "num_cpus": jobs, "include_dashboard": False}
    where: dict[str, Any] = started if address is None else {"address": address}
    try:
        _knock(address)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(**where, log_to_driver=False, logging_level="ERROR")
    except (OSError, ValueError, RuntimeError) as error:
        what = "A Ray cluster cannot be started" if address is None else f"The Ray cluster {address!r} does not answer"
        raise InvalidStudy(
            f"{what}: {error}\nStart one with `ray start --head` and pass its address, or leave `address` away to "
            "start one on this machine."
        ) from error


def _knock(address: str | None) -> None:
    """Raises OSError if nobody listens at `host:port`: Ray itself would try for minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdigit() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS_TO_ANSWER).close()


def _has_other_machines(ray: Any) -> bool:
    """Tells whether trials may run where this machine's files are not."""
    here = ray.util.get_node_ip_address()
    return any(node["NodeManagerAddress"] != here for node in ray.nodes() if node["Alive"])
