"""A run in progress: who takes part, what is written down, and how it is saved and continued."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from teachrl.errors import InvalidRun
from teachrl.lessons import Episode
from teachrl.runs.alarm import Alarm, is_taught
from teachrl.runs.best import Best
from teachrl.runs.checkpoint import load_tree, readable, save_checkpoint
from teachrl.runs.clock import Clock
from teachrl.runs.console import Console, Progress
from teachrl.runs.diagnosis import Diagnosis
from teachrl.runs.directory import RunDirectory
from teachrl.runs.evaluation import Evaluation
from teachrl.runs.examine import Examiner
from teachrl.runs.log import Log
from teachrl.runs.metrics import read_metrics
from teachrl.runs.participants import Participants
from teachrl.runs.pictures import Axes, Taught
from teachrl.runs.settings import Settings
from teachrl.runs.tables import EPISODES, EVALUATIONS, Table, episode_row, task_bounds

LOG_ROWS = 200
LOG_STEPS = 10_000


class Session:
    """A run in progress.

    Args:
        settings: What the run consists of.
        people: Its environments, classroom and student, begun.
        directory: Where it is written.
        progress: How it shows itself.
        checkpoint: Where to continue, None for a new run.

    Attributes:
        clock: When what is due.
        log: Its numbers.
        console: What it shows.
        best: The best student so far, None if the run ends with the last.
    """

    def __init__(
        self,
        settings: Settings,
        people: Participants,
        directory: RunDirectory,
        progress: Progress,
        checkpoint: Path | None = None,
    ) -> None:
        self.settings, self.people, self.directory = settings, people, directory
        self.classroom, self.student = people.classroom, people.student
        self.episodes = Table(directory.path, "episodes", EPISODES)
        self.evaluations = Table(directory.path, "eval", EVALUATIONS)
        people.recorder.write = self._write_episode
        directory.write_meta({"tasks": task_bounds(self.classroom.envs.task_space, self.classroom.envs.task_names)})
        done = {"steps": 0, "wall": 0.0, "cpu": 0.0, "metrics": 0}
        if checkpoint is not None:
            done = self._restore(checkpoint)
        self.clock = self._clock(int(done["steps"]))
        self.best = Best(directory.best, int(done["steps"])) if settings.select == "best" else None
        self.saved_at = int(done["steps"]) if checkpoint is not None else -1
        self._wall, self._cpu = time.monotonic() - done["wall"], time.process_time() - done["cpu"]
        title = f"{settings.env}, {' + '.join(settings.teacher_names) or 'no teacher'}, {type(self.student).__name__}"
        purge = self.total_steps if checkpoint is not None else None
        with ExitStack() as undo:
            self.console = Console(progress, title, self.clock.total)
            undo.callback(self.console.close)
            self.log = Log(directory, settings.loggers, int(done["metrics"]), purge)
            undo.callback(self.log.close)
            self.examiner = Examiner(self.classroom, self.student, settings.seed, settings.workers)
            undo.callback(self.examiner.close)
            self.diagnosis = Diagnosis(self.classroom, settings.seed) if "labels" in self.classroom.channels else None
            if self.diagnosis is not None:
                undo.callback(self.diagnosis.close)
            self._open = undo.pop_all()
        taught = is_taught(self.classroom, self.student)
        self.alarm = Alarm(directory.metrics_file, self.console.say) if taught else None

    def _clock(self, steps: int) -> Clock:
        every = {
            "log": min(max(self.settings.steps // LOG_ROWS, 1), LOG_STEPS),
            "evaluate": self.settings.every("eval_every"),
            "checkpoint": self.settings.every("checkpoint_every"),
        }
        return Clock(self.settings.steps, self.student.granularity, every, steps)

    def close(self) -> None:
        """Closes files and the environments of evaluations."""
        self._open.close()

    @property
    def total_steps(self) -> int:
        """Every environment step taken for this run; where it takes none, on demonstrations, its own steps."""
        return self.classroom.counters.total_steps or self.clock.steps

    def _write_episode(self, total_steps: int, episode: Episode) -> None:
        self.episodes.append(episode_row(total_steps, episode, self.classroom.envs.task_space))

    # Learning

    def learn(self, steps: int) -> frozenset[str]:
        """Lets the student learn; returns what is due afterwards."""
        began = time.perf_counter()
        self.student.learn(steps)
        self.log.pace(steps, time.perf_counter() - began)
        self.classroom.take_episodes()  # the recorder has them, with their steps
        return self.clock.advance(steps)

    def note(self, evaluation: Evaluation | None = None) -> None:
        """Writes a row of the log."""
        row = {
            "steps": self.clock.steps,
            **self._counters(),
            "wall_seconds": time.monotonic() - self._wall,
            "cpu_seconds": time.process_time() - self._cpu,
        }
        scalars = self.people.scalars()
        if evaluation is not None:
            scalars |= {f"eval/{k}": v for k, v in self._findings(evaluation).items()}
            if self.alarm is not None:
                scalars |= self.alarm.examine({**row, **scalars})
        self.log.write(row, scalars)
        if evaluation is not None and self.settings.pictures and self.log.takes_pictures:
            taught = self.taught()
            self.log.pictures(taught, evaluation, self.axes(taught), self.classroom.teachers, self.total_steps)
        self.console.show(self.log.newest)

    def _counters(self) -> dict[str, int]:
        self.classroom.count_tokens()
        return {name: getattr(self.classroom.counters, name) for name in self.classroom.counters.__slots__}

    def _findings(self, evaluation: Evaluation) -> dict[str, float]:
        """Returns the numbers of a validation by name, and keeps the student if it is the best so far."""
        found = evaluation.scalars()
        if self.best is not None:
            found["best"] = float(self.best.offer(evaluation, self.clock.steps, self._graduate))
        return found if self.diagnosis is None else {**found, **self.diagnosis.measure(self.student)}

    def evaluate(self, suite: str) -> Evaluation:
        """Evaluates the student as it is, and enters the result in the table."""
        evaluation = self.examiner.examine(suite, self.total_steps)
        if suite != "test" or not self._has_been_tested():
            for row in evaluation.rows():
                self.evaluations.append(row)
        return evaluation

    def _has_been_tested(self) -> bool:
        """Tells whether the table has the last evaluation already: a run may be killed between that and its end."""
        rows = self.evaluations.read(["steps", "suite"])
        return (self.total_steps, "test") in zip(rows["steps"], rows["suite"], strict=True)

    def taught(self) -> Taught:
        """Returns the episodes so far, for pictures."""
        return Taught.of(self.episodes.read(["steps", "task", "return"]))

    def axes(self, taught: Taught) -> Axes:
        """Returns the task space as axes of pictures."""
        envs = self.classroom.envs
        return Axes.of(envs.task_space, envs.task_names, taught.tasks.shape[1])

    # Checkpoints

    def save(self) -> None:
        """Writes a checkpoint, unless the last one is of this very step.

        Raises:
            InvalidRun: If it cannot be written; the one before stands.
        """
        steps = self.clock.steps
        if self.saved_at == steps:
            return
        try:
            self.episodes.write_part(steps)
            self.evaluations.write_part(steps)
            self.log.flush()
        except OSError as error:
            raise InvalidRun(
                f"The tables at {steps} steps could not be written: {error}. Make room, resume."
            ) from error
        if self.best is not None:
            self.best.write()
        save_checkpoint(
            self.directory.checkpoints,
            steps,
            {
                "progress": self._progress(),
                "classroom": self.classroom.state_dict(),
                "student": self.student.state_dict(),
            },
        )
        self.saved_at = steps

    def _graduate(self) -> dict[str, Any]:
        """Returns the trees of the student as it is now, for use and not for learning on."""
        school = {**self.classroom.state_dict(), "running": None}
        return {"progress": self._progress(), "classroom": school, "student": self.student.graduate_state()}

    def select(self) -> tuple[int, str]:
        """Makes the student what it was when it was best, where the run selects that; all is saved before.

        Returns:
            The student's steps then, and words about the selection.
        """
        if self.best is None or self.best.steps is None:
            return self.clock.steps, ""
        steps, place = self.best.steps, self.directory.best / str(self.best.steps)
        if steps != self.clock.steps:
            with readable(place):
                school: dict[str, Any] = load_tree(place, "classroom")
                self.classroom.load_state_dict({**school, "counters": self._counters()})
                self.student.load_state_dict(load_tree(place, "student"))
        validations = sum("eval/best" in row for row in read_metrics(self.directory.metrics_file))
        return steps, f"best of {validations} validations, at {steps:,} steps"

    def _progress(self) -> dict[str, Any]:
        return {
            "steps": self.clock.steps,
            "total": self.settings.steps,
            "total_steps": self.total_steps,
            "wall": time.monotonic() - self._wall,
            "cpu": time.process_time() - self._cpu,
            "metrics": self.log.size,
        }

    def _restore(self, checkpoint: Path) -> dict[str, Any]:
        progress: dict[str, Any] = load_tree(checkpoint, "progress")
        with readable(checkpoint):
            self.classroom.load_state_dict(load_tree(checkpoint, "classroom"))
            self.student.load_state_dict(load_tree(checkpoint, "student"))
        if self.settings.steps != progress["total"]:
            self.student.extend(self.settings.steps)
        try:
            for table in (self.episodes, self.evaluations):
                table.rewind(progress["steps"], progress["total_steps"])
        except (OSError, ValueError) as error:
            raise InvalidRun(
                f"The tables of {self.directory.path} cannot be continued: {error} Remove a file that is damaged to go "
                "on without its rows."
            ) from error
        for path in self.directory.checkpoints.iterdir():
            if path.name.isdigit() and int(path.name) > progress["steps"]:
                path.rename(path.with_name(f".{path.name}.tmp"))
        self.directory.write_resumption(progress["steps"], self.classroom.mismatches)
        return progress
