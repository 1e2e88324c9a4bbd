"""Sends a run's numbers and pictures to Weights & Biases (https://docs.wandb.ai); WANDB_MODE=offline keeps them."""

from __future__ import annotations

import json
import math
import secrets
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from teachrl.runs.directory import RunDirectory
from teachrl.runs.generators import global_generators, set_global_generators
from teachrl.runs.loggers import Logger

AXIS = "total_steps"
"""What the charts are over. A resumed run goes back to its checkpoint, and the service's own count of rows cannot."""
_SETTINGS = {
    "host": "", "x_disable_meta": True, "x_disable_machine_info": True, "x_disable_stats": True, "disable_git": True,
    "disable_code": True, "disable_job_creation": True, "x_save_requirements": False,
    "silent": True, "console": "off", "init_timeout": 30, "finish_timeout": 60,
}  # fmt: skip
"""What is sent is the run: neither the machine, nor the code, nor the command. Versions differ in what they know."""


class Wandb(Logger):
    """Sends numbers, pictures and the configuration; begins with the first of them.

    Its files are in `wandb/` of the run's directory, and the id that it has there in `wandb.json`, so that a resumed
    run goes on in the same place. Project, entity and mode are those of the library's own variables (WANDB_PROJECT,
    WANDB_ENTITY, WANDB_MODE); the project is "teachrl" without one.

    A run goes on without it if it fails, with one warning.
    """

    takes_pictures: ClassVar[bool] = True

    def __init__(self, directory: RunDirectory, purge_step: int | None = None) -> None:
        super().__init__(directory, purge_step)
        self._run: Any = None
        self._failed = False

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Sends numbers by tag; those that are not finite are left out."""
        finite = {tag: float(x) for tag, x in values.items() if math.isfinite(x)}
        self._do(lambda: self._opened().log({AXIS: step, **finite}))

    def picture(self, tag: str, pixels: Any, step: int) -> None:
        """Sends a picture, (height, width, 3) uint8."""

        def send() -> None:
            import wandb

            self._opened().log({AXIS: step, tag: wandb.Image(pixels)})

        self._do(send)

    def close(self) -> None:
        """Ends the connection; what could not be sent by then stays in `wandb/` for `wandb sync`."""
        run, self._run = self._run, None
        if run is not None:
            self._do(run.finish)

    def _do(self, call: Callable[[], object]) -> None:
        if self._failed:
            return
        try:
            with _undisturbed():
                call()
        except Exception as error:
            self._failed = True
            reason = f"{type(error).__name__}: {error}".strip()
            warnings.warn(f"wandb failed, and gets nothing more of this run: {reason}", RuntimeWarning, stacklevel=3)

    def _opened(self) -> Any:
        if self._run is None:
            import os

            import wandb

            path, known = self.directory.path, wandb.Settings.model_fields
            wishes: dict[str, Any] = {name: value for name, value in _SETTINGS.items() if name in known}
            self._run = wandb.init(
                id=self._id(), resume="allow", dir=str(path), name=path.name, config=self.directory.config(),
                project=os.environ.get("WANDB_PROJECT", "teachrl"), settings=wandb.Settings(**wishes),
            )  # fmt: skip
            self._run.define_metric(AXIS)
            self._run.define_metric("*", step_metric=AXIS)
        return self._run

    def _id(self) -> str:
        """Returns the id of this run there, a new one if it has none yet."""
        file = self.directory.path / "wandb.json"
        try:
            return str(json.loads(file.read_text(encoding="utf-8"))["id"])
        except (OSError, ValueError, KeyError, TypeError):
            name = secrets.token_hex(6)
            file.write_text(json.dumps({"id": name}), encoding="utf-8")
            return name


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Leaves the global random generators as they were, whatever the library does with them, and its warnings out."""
    before = global_generators()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        set_global_generators(before)
