"""The numbers and pictures of a run, to metrics.jsonl and the other loggers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from teachrl.runs.directory import RunDirectory
from teachrl.runs.evaluation import Evaluation
from teachrl.runs.loggers import open_loggers
from teachrl.runs.metrics import Metrics
from teachrl.runs.pictures import Axes, Taught, curriculum_pixels, mastery_pixels
from teachrl.teacher import Teacher


class Log:
    """Writes rows of numbers; tags are `train/`, `eval/`, `teacher/<name>/` and `perf/`.

    Args:
        directory: The run's directory.
        loggers: Names out of `LOGGERS`, beside the metrics.jsonl that is always written.
        size: Of a resumed run: bytes of metrics.jsonl at its checkpoint.
        purge_step: Of a resumed run: total steps at its checkpoint.

    Attributes:
        newest: The newest row, with the last numbers of evaluations.
    """

    def __init__(
        self, directory: RunDirectory, loggers: Sequence[str], size: int = 0, purge_step: int | None = None
    ) -> None:
        self._metrics = Metrics(directory.metrics_file, size)
        self._loggers = open_loggers(loggers, directory, purge_step)
        self._paced = (0, 0.0)
        self.newest: dict[str, float] = {}

    @property
    def size(self) -> int:
        """Bytes of metrics.jsonl."""
        return self._metrics.size

    @property
    def takes_pictures(self) -> bool:
        """Whether a logger takes pictures."""
        return any(logger.takes_pictures for logger in self._loggers)

    def pace(self, steps: int, seconds: float) -> None:
        """Counts learning and the time it took, for the steps per second of the next row."""
        self._paced = (self._paced[0] + steps, self._paced[1] + seconds)

    def write(self, counts: Mapping[str, float], scalars: Mapping[str, float]) -> None:
        """Writes a row.

        Args:
            counts: Steps, episodes, seconds and so on; `total_steps` is the loggers' step, or `steps` where no
                environment is stepped, on demonstrations.
            scalars: Numbers by tag.
        """
        steps, seconds = self._paced
        self._paced = (0, 0.0)
        pace = {"perf/steps_per_second": steps / seconds} if seconds > 0 else {}
        row = {**counts, **scalars, **pace}
        self._metrics.write(row)
        usage = {f"perf/{k}": v for k, v in counts.items() if k != "total_steps"}
        for logger in self._loggers:
            logger.scalars({**scalars, **pace, **usage}, int(counts["total_steps"] or counts["steps"]))
        evaluated = {k: v for k, v in self.newest.items() if k.startswith("eval/")}
        self.newest = {**evaluated, **row}

    def pictures(
        self, taught: Taught, evaluation: Evaluation, axes: Axes, teachers: Sequence[Teacher], step: int
    ) -> None:
        """Writes pictures of the curriculum and of mastery, where a logger takes some."""
        takers = [logger for logger in self._loggers if logger.takes_pictures]
        if not takers:
            return
        drawn = {"eval/mastery": mastery_pixels(evaluation, axes)}
        if taught.tasks.size:
            drawn = {"teacher/curriculum": curriculum_pixels(taught, axes, teachers), **drawn}
        for logger in takers:
            for tag, pixels in drawn.items():
                logger.picture(tag, pixels, step)

    def flush(self) -> None:
        """Brings derived files up to date."""
        for logger in self._loggers:
            logger.flush()

    def close(self) -> None:
        """Closes the files."""
        self._metrics.close()
        for logger in self._loggers:
            logger.close()
