"""What a run can write beside its metrics.jsonl: a list of loggers, each a small class."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from teachrl.errors import InvalidHyperparameter, UnknownName
from teachrl.runs.directory import RunDirectory
from teachrl.runs.metrics import write_csv

LOGGERS = {
    "tensorboard": "teachrl.runs.tensorboard:TensorBoard",
    "csv": "teachrl.runs.loggers:Csv",
    "wandb": "teachrl.runs.wandb_logger:Wandb",
}
"""The class of each logger, imported when it is used."""
EXTRAS = {"wandb": "wandb"}
"""The library, and the extra of the same name, that a logger needs beyond the installation."""


class Logger:
    """Base of all loggers: it writes nothing.

    Args:
        directory: The run's directory.
        purge_step: Of a resumed run: total steps at its checkpoint. What was written of later ones no longer counts.
    """

    takes_pictures: ClassVar[bool] = False

    def __init__(self, directory: RunDirectory, purge_step: int | None = None) -> None:
        self.directory, self.purge_step = directory, purge_step

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Takes numbers by tag, at `step` environment steps."""

    def picture(self, tag: str, pixels: Any, step: int) -> None:
        """Takes a picture, (height, width, 3) uint8."""

    def flush(self) -> None:
        """Brings files that are made of others up to date: called at each checkpoint."""

    def close(self) -> None:
        """Closes files and connections."""


class Csv(Logger):
    """The rows of metrics.jsonl as one table, metrics.csv."""

    def flush(self) -> None:
        """Writes the table anew."""
        source = self.directory.metrics_file
        if source.is_file() and source.stat().st_size:
            write_csv(source, self.directory.csv_file)


def check_loggers(names: Iterable[str]) -> None:
    """Checks that there are loggers of these names, and that their libraries are installed.

    Raises:
        UnknownName: If there is no such logger.
        InvalidHyperparameter: If a logger's library is missing; names the extra that brings it.
    """
    for name in names:
        if name not in LOGGERS:
            raise UnknownName("logger", name, LOGGERS)
        if name in EXTRAS and not _installed(EXTRAS[name]):
            raise InvalidHyperparameter(
                f'The logger {name} needs the library {EXTRAS[name]}: pip install "teachrl[{name}]", or leave it out '
                "of `loggers`."
            )


def open_loggers(names: Iterable[str], directory: RunDirectory, purge_step: int | None = None) -> list[Logger]:
    """Opens loggers by name, each once."""
    found: list[Logger] = []
    for name in dict.fromkeys(names):
        module, _, cls = LOGGERS[name].partition(":")
        found.append(getattr(importlib.import_module(module), cls)(directory, purge_step))
    return found


def _installed(library: str) -> bool:
    """Whether a library can be imported; a folder of its name, such as it leaves where it ran, is none."""
    spec = importlib.util.find_spec(library)
    return spec is not None and spec.origin is not None
