"""Replay: another run's curriculum, as it was, shuffled or reversed; the yoked control of a curriculum.

Church: Systematic effect of random error in the yoked control design (Psychological Bulletin 61, 1964),
https://doi.org/10.1037/h0042733
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, get_args

import numpy as np
from gymnasium import spaces

from teachrl._checks import check
from teachrl._recordings import Recording, task_of
from teachrl.errors import InvalidTeacher
from teachrl.lessons import Lesson, Report
from teachrl.state import rng_state, set_rng_state
from teachrl.teacher import Setup, Teacher

Order = Literal["recorded", "shuffled", "reversed"]
_WINDOW = 100


class Replay(Teacher):
    """Serves the lessons of another run at the times at which it served them, whatever this student does.

    A control for curricula. With the run of another seed, the schedule is as good as another student's, but does not
    answer to this one: what is lost is what adaptivity was worth (*yoked*). Shuffled, only the set of tasks is left:
    what is lost then is what order was worth.

    The record is a schedule of L lessons (task, seed, whether to learn), those that its first student finished, in the
    order in which they began; lesson i began when b_i environment steps had been taken. `order` permutes the lessons
    and leaves the b_i where they are, so that the curriculum is the same function of training time. Asked for n lessons
    after t steps, it serves those with b_i <= t that it has not served yet: the newest n if there are more. What is
    left waits until 100 later ones were due and is dropped then, for this student's episodes are longer. If there are
    fewer than n, it adds lessons drawn uniformly from the last 100 that were due (the first 100 if none was), for this
    student's episodes are shorter or the record has ended.

    Taught its own record with the same seed, a run is the same, episode for episode and bit for bit, up to the lessons
    that the recorded run did not finish, which are in no record. The b_i follow from the ends and lengths of episodes;
    they are approximate where extra rollouts of a teacher were counted in the recorded run, which such a run then
    repeats approximately.

    A yoked comparison favours the students with schedules of their own wherever students differ in what suits them
    (Church 1964), and so it measures what is lost with adaptivity, for students that differ as those of the study do.

    A record of an environment without tasks, or of default tasks only, replays seeds. Starts cannot be replayed, for
    the states are not in the record.

    Args:
        run: Directory of the run to replay, which may still be going on; what it has saved when this one begins counts.
        order: `"recorded"`, `"shuffled"` or `"reversed"`.
        ignore_starts: Whether lessons that began at a start teacher's states are taken by their tasks and seeds alone:
            for a run that has the start teacher too. Without it, such a record is an error.
    """

    citation: ClassVar[str] = "https://doi.org/10.1037/h0042733"
    needs_task_space: ClassVar[bool] = False

    def __init__(self, run: str, order: Order = "recorded", ignore_starts: bool = False) -> None:
        self.run = run
        self.order = order
        self.ignore_starts = ignore_starts

    def begin(self, setup: Setup) -> None:
        """Starts a run.

        Raises:
            InvalidHyperparameter: If the order is none of the three.
            InvalidRun: If there is no run, or none of its episodes is saved yet.
            InvalidTeacher: If its lessons cannot be given here: it has another task space, or starts.
        """
        super().begin(setup)
        check(self, "order", self.order in get_args(Order), f"one of {', '.join(get_args(Order))}")
        self._open(None)
        self._time, self._asked = 0, -1
        self._tally = {"due": 0, "served": 0, "repeated": 0, "dropped": 0}
        self._waiting: list[int] = []
        self._before = self._progress()

    def _progress(self) -> dict[str, Any]:
        return {"tally": dict(self._tally), "waiting": list(self._waiting)}

    def _open(self, rows: int | None) -> None:
        """Reads the record, or its first rows, and lays out the schedule."""
        self._record = Recording.read(self.run, rows)
        self._check_record()
        self._lessons = np.arange(len(self._record.begun))
        if self.order == "shuffled":
            self._lessons = self.rng.permutation(self._lessons)
        elif self.order == "reversed":
            self._lessons = self._lessons[::-1]

    def _check_record(self) -> None:
        if self._record.started and not self.ignore_starts:
            raise InvalidTeacher(
                f"Lessons of {self.run} began at the states of a start teacher, which its record does not hold, so "
                "that they cannot be replayed. If this run has that start teacher too, set ignore_starts=True: tasks "
                "and seeds are then the record's, the states that teacher's own."
            )
        space, tasks = self.setup.task_space, self._record.tasks
        known = tasks[~np.isnan(tasks).any(axis=1)] if tasks.size else tasks[:0]
        if space is None:
            if len(known):
                raise self._foreign(f"tasks of {tasks.shape[1]} numbers", "no task space")
            return
        self._check_bounds(space)
        for numbers in np.unique(known, axis=0):
            try:
                task_of(numbers, space)
            except ValueError as error:
                raise self._foreign(str(error), str(space)) from error

    def _check_bounds(self, space: spaces.Space[Any]) -> None:
        recorded = self._record.bounds
        if recorded is None or not isinstance(space, spaces.Box):
            return
        for name in ("low", "high"):
            here = np.where(np.isfinite(bound := getattr(space, name).reshape(-1)), bound, np.nan)
            if not np.array_equal(np.array(recorded[name], np.float64), here, equal_nan=True):
                raise self._foreign(f"tasks with {name} {recorded[name]}", f"{name} {bound.tolist()}")

    def _foreign(self, recorded: str, here: str) -> InvalidTeacher:
        return InvalidTeacher(
            f"The tasks of {self.run} are of another space than those of {self.setup.env_id}: {recorded} there, {here} "
            "here. Replay a run of the same environment with the same arguments."
        )

    def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
        """Returns the lessons that are due, as the class says.

        Asked again at the same moment, as by a classroom that is reset before its first step, it begins that moment
        anew: what it had served was not played.
        """
        if self._asked != self._time:
            self._asked, self._before = self._time, self._progress()
        tally = self._tally = dict(self._before["tally"])
        due = max(int(np.searchsorted(self._record.begun, self._time, side="right")), tally["due"])
        waiting = [i for i in self._before["waiting"] if i >= due - _WINDOW]
        tally["dropped"] += len(self._before["waiting"]) - len(waiting)
        unserved = [*waiting, *range(tally["due"], due)]
        left = max(len(unserved) - n, 0)
        self._waiting, fresh, missing = unserved[:left], unserved[left:], n - (len(unserved) - left)
        tally["repeated"] += missing
        tally["served"] += n
        tally["due"] = due
        low, high = (max(due - _WINDOW, 0), due) if due else (0, min(_WINDOW, len(self._lessons)))
        again = self.rng.integers(low, high, size=missing).tolist() if missing else []
        return [self._lesson(int(self._lessons[i])) for i in (*fresh, *again)]

    def _lesson(self, i: int) -> Lesson:
        record, space = self._record, self.setup.task_space
        numbers = record.tasks[i]
        task = None if space is None or not numbers.size or np.isnan(numbers).any() else task_of(numbers, space)
        return Lesson(task, seed=int(record.seeds[i]), learn=bool(record.learn[i]))

    def update(self, report: Report) -> None:
        """Looks at the clock; what the student did does not matter."""
        self._time = report.total_steps

    def scalars(self) -> dict[str, float]:
        """Returns which share of the record was due, of served lessons were repeats, of due ones were dropped."""
        tally = self._tally
        return {
            "position": tally["due"] / len(self._lessons),
            "repeated": tally["repeated"] / max(tally["served"], 1),
            "dropped": tally["dropped"] / max(tally["due"], 1),
        }

    def state_dict(self) -> dict[str, Any]:
        """Returns the place in the record, which record it is, and the random state."""
        return {
            "rng": rng_state(self.rng), "time": self._time, "asked": self._asked, "before": self._before,
            "rows": self._record.rows, "digest": self._record.digest(), **self._progress(),
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`, with as much of the record as there was when the run began.

        Raises:
            InvalidTeacher: If the record is not the same any more.
        """
        if state["rows"] != self._record.rows:
            self.rng = np.random.default_rng(self.setup.seed)
            self._open(state["rows"])
        if self._record.digest() != state["digest"]:
            raise InvalidTeacher(
                f"The record in {self.run} has changed since it was first replayed, so that this run cannot go on "
                "exactly. Put the recorded run back as it was, or start this one again."
            )
        self._time, self._asked = int(state["time"]), int(state["asked"])
        self._tally, self._waiting, self._before = state["tally"], state["waiting"], state["before"]
        set_rng_state(self.rng, state["rng"])
