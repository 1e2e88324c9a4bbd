"""The numbers and pictures of a run, to metrics.jsonl and the other loggers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from teachrl.runs.directory import RunDirectory
from teachrl.runs.evaluation import Evaluation
from teachrl.runs.metrics import Metrics, write_csv
from teachrl.runs.pictures import Axes, Taught, curriculum_pixels, mastery_pixels
from teachrl.teacher import Teacher


class Log:
    """Writes rows of numbers; tags are `train/`, `eval/`, `teacher/<name>/` and `perf/`.

    Args:
        directory: The run's directory.
        loggers: `"tensorboard"`, `"csv"`, beside the metrics.jsonl that is always written.
        size: Of a resumed run: bytes of metrics.jsonl at its checkpoint.
        purge_step: Of a resumed run: total steps at its checkpoint.

    Attributes:
        newest: The newest row, with the last numbers of evaluations.
    """

    def __init__(
        self, directory: RunDirectory, loggers: Sequence[str], size: int = 0, purge_step: int | None = None
    ) -> None:
        self._directory, self._csv = directory, "csv" in loggers
        self._metrics = Metrics(directory.metrics_file, size)
        self._events = None
        if "tensorboard" in loggers:
            from teachrl.runs.tensorboard import EventFile

            self._events = EventFile(directory.tensorboard, purge_step)
        self._paced = (0, 0.0)
        self.newest: dict[str, float] = {}

    @property
    def size(self) -> int:
        """Bytes of metrics.jsonl."""
        return self._metrics.size

    @property
    def takes_pictures(self) -> bool:
        """Whether a logger takes pictures."""
        return self._events is not None

    def pace(self, steps: int, seconds: float) -> None:
        """Counts learning and the time it took, for the steps per second of the next row."""
        self._paced = (self._paced[0] + steps, self._paced[1] + seconds)

    def write(self, counts: Mapping[str, float], scalars: Mapping[str, float]) -> None:
        """Writes a row.

        Args:
            counts: Steps, episodes, seconds and so on; `total_steps` is TensorBoard's step.
            scalars: Numbers by tag.
        """
        steps, seconds = self._paced
        self._paced = (0, 0.0)
        pace = {"perf/steps_per_second": steps / seconds} if seconds > 0 else {}
        row = {**counts, **scalars, **pace}
        self._metrics.write(row)
        if self._events is not None:
            usage = {f"perf/{k}": v for k, v in counts.items() if k != "total_steps"}
            self._events.scalars({**scalars, **pace, **usage}, int(counts["total_steps"]))
        evaluated = {k: v for k, v in self.newest.items() if k.startswith("eval/")}
        self.newest = {**evaluated, **row}

    def pictures(
        self, taught: Taught, evaluation: Evaluation, axes: Axes, teachers: Sequence[Teacher], step: int
    ) -> None:
        """Writes pictures of the curriculum and of mastery, where a logger takes some."""
        if self._events is None:
            return
        if taught.tasks.size:
            self._events.image("teacher/curriculum", curriculum_pixels(taught, axes, teachers), step)
        self._events.image("eval/mastery", mastery_pixels(evaluation, axes), step)

    def flush(self) -> None:
        """Brings derived files up to date."""
        if self._csv and self._metrics.size:
            write_csv(self._directory.metrics_file, self._directory.csv_file)

    def close(self) -> None:
        """Closes the files."""
        self._metrics.close()
        if self._events is not None:
            self._events.close()
