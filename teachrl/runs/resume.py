"""What it takes to continue a run, and when it cannot be continued."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from teachrl.configuration import load_config
from teachrl.errors import InvalidRun
from teachrl.runs.checkpoint import load_tree
from teachrl.runs.directory import RunDirectory
from teachrl.runs.settings import Settings, differences


class Resumption:
    """The continuation of a run.

    Args:
        directory: The run's directory.
        arguments: The arguments of `train`. Those that are at their defaults are taken from the run's configuration,
            all of them if neither env nor student is given.
        defaults: The defaults of `train`.

    Attributes:
        directory: The run's directory.
        settings: The settings of the continued run.
        checkpoint: Where it continues.
        total: Steps of the run as it was when the checkpoint was written.
        steps: Steps at the checkpoint.

    Raises:
        InvalidRun: If there is nothing to continue, or not with these arguments.
    """

    def __init__(self, directory: RunDirectory, arguments: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
        self.directory = directory
        self.checkpoint = directory.checkpoint()
        progress = load_tree(self.checkpoint, "progress")
        self.total, self.steps = int(progress["total"]), int(progress["steps"])
        self._finished = directory.meta().get("status") == "finished"
        self.settings = self._settings(arguments, defaults)
        if self._finished and self.settings.steps <= self.total:
            raise InvalidRun(self._nothing_left())
        if self.settings.steps < self.steps:
            raise InvalidRun(
                f"The run in {directory.path} has done {self.steps} steps already; `steps` must be more, got "
                f"{self.settings.steps}."
            )

    def _settings(self, arguments: Mapping[str, Any], defaults: Mapping[str, Any]) -> Settings:
        stored = self.directory.config()
        known = {f.name for f in fields(Settings)}
        given = {k: v for k, v in arguments.items() if k in known and not _same(v, defaults[k])}
        if "student" not in given and "env" not in given:
            given = {**self._objects(), **given}
        if given.get("steps") is None:
            given["steps"] = stored["steps"]
        settings = Settings.checked({**defaults, **given})
        now = settings.config()
        if changed := differences(stored, now):
            name = changed[0]
            raise InvalidRun(
                f"The run in {self.directory.path} cannot be continued with other settings: {', '.join(changed)} "
                f"changed ({name} was {stored[name]!r}, got {now[name]!r}). Start a new run with --config, or leave "
                "them as they were."
            )
        return settings

    def _objects(self) -> dict[str, Any]:
        """Returns the arguments out of the configuration."""
        if not self.directory.meta().get("resumable_from_config", False):
            raise InvalidRun(
                f"The run in {self.directory.path} was made in Python of objects that its config.yaml cannot hold. "
                f"Continue it with the same call of train, with resume={str(self.directory.path)!r} added."
            )
        return load_config(self.directory.config_file)

    def check_work_left(self, granularity: int) -> None:
        """Refuses a finished run to which a few more steps add nothing.

        Raises:
            InvalidRun: If there is no whole granule left to learn.
        """
        if self._finished and -(-self.settings.steps // granularity) * granularity <= self.steps:
            raise InvalidRun(self._nothing_left())

    def announce(self, say: Callable[[str], None], total: int) -> None:
        """Says where the run continues, and that schedules are stretched where it was made longer."""
        say(f"Continuing {self.directory.path} at {self.steps:,} of {total:,} steps.")
        if self.settings.steps != self.total:
            say(f"The run was {self.total:,} steps long; schedules are now stretched over {self.settings.steps:,}.")

    def _nothing_left(self) -> str:
        return (
            f"The run in {self.directory.path} is finished, with {self.steps} steps. Extend it with a larger `steps`: "
            f"teachrl train --resume {self.directory.path} --steps {2 * self.steps}"
        )


def _same(value: Any, default: Any) -> bool:
    return value is default or (isinstance(value, bool | int | float | str | list | dict) and value == default)
