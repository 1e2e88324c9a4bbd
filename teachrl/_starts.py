"""What teachers of starts share: trajectories that are opened once, lessons that they fit, and when to stop."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from teachrl._checks import check, check_count
from teachrl.configurable import to_config
from teachrl.errors import InvalidTask, InvalidTeacher
from teachrl.lessons import Episode, Lesson, Report
from teachrl.observations import equal
from teachrl.state import capture
from teachrl.tasks import check_task
from teachrl.teacher import Setup, Teacher
from teachrl.trajectories import Ints, Trajectories, as_trajectories

RECENT = 100
"""Lessons that the logged share is over."""
ROUNDING = 1e-6
"""Share of a return by which sums of the same rewards may differ."""
SNAPSHOT_RL = r"""@article{zhao2024snapshot,
  title = {Snapshot reinforcement learning: Leveraging prior trajectories for efficiency},
  author = {Zhao, Yanxiao and Qian, Yangge and Wang, Tianyi and Shan, Jingyang and Qin, Xiaolin},
  journal = {arXiv preprint arXiv:2403.00673},
  year = {2024},
  eprint = {2403.00673},
  archiveprefix = {arXiv}
}"""
"""Of those who begin where Snapshot Reinforcement Learning does."""
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class StartTeacher(Teacher):
    """Begins lessons at snapshots of a teacher's trajectories; a subclass chooses which, in `draw`.

    An exact state begins a lesson of any task, under the lesson's own; a replay state, whose actions would lead
    elsewhere under another task, only lessons of the task that it was recorded in, and they take its seed; where nobody
    sets tasks, a lesson takes its task too. A lesson that no snapshot fits, that has a start already, or that nothing
    is learned from (`learn=False`) stays as it is.

    A file is read when it is needed, before training and never for an evaluation. It is no part of the teacher's
    state; one that has changed since is refused.

    Attributes:
        fresh_clock: Whether the time limit of an episode that begins at an exact state counts from there, and not from
            the beginning of the teacher's episode.
    """

    trajectories: Any
    steps: int | None
    fresh_clock: ClassVar[bool] = False
    _derived: ClassVar[frozenset[str]] = frozenset({"_known", "_fingerprint", "_whole", "_exact", "_tasks"})

    def begin(self, setup: Setup) -> None:
        """Starts a run.

        Raises:
            InvalidHyperparameter: If an argument of the constructor is impossible.
            InvalidTeacher: If trajectories that are no file are of another environment, or cannot be begun at in this
                one.
        """
        super().begin(setup)
        given = isinstance(self.trajectories, Trajectories)
        named = isinstance(self.trajectories, str | os.PathLike) and bool(os.fspath(self.trajectories))
        check(self, "trajectories", given or named, "a file that `teachrl collect` wrote, or Trajectories")
        check_count(self, "steps", 1, optional=True)
        self._known: Trajectories | None = None
        self._time, self._unmatched, self._digest = 0, 0, ""
        self._recent: deque[bool] = deque(maxlen=RECENT)
        if given:
            self._open()

    def validate(self, setup: Setup) -> None:
        """Reads the trajectories, if that has not happened.

        Raises:
            InvalidEnvironment: If they cannot be read.
            InvalidTeacher: If they are of another environment, or cannot be begun at in this one.
        """
        _ = self.known

    @property
    def known(self) -> Trajectories:
        """The trajectories."""
        return self._open() if self._known is None else self._known

    def _open(self) -> Trajectories:
        known = as_trajectories(self.trajectories)
        if problem := _misfit(known, self.setup):
            raise InvalidTeacher(f"{type(self).__name__} cannot teach in {self.setup.env_id}: {problem}")
        self._known, self._fingerprint = known, known.digest()
        self._whole = np.arange(len(known))
        self._exact = np.array([state.kind == "exact" for state in known.states])
        self._tasks = [_as_asked(task, self.setup) for task in known.tasks]
        return known

    @property
    def over(self) -> bool:
        """Whether lessons begin where the environment begins them from now on."""
        return self.steps is not None and self._time >= self.steps

    def draw(self, candidates: Ints) -> int:
        """Returns one of the snapshots (C,) that fit a lesson, C at least 1, ascending."""
        raise NotImplementedError(f"{type(self).__name__} must define draw")

    def begun_at(self, lesson: Lesson, snapshot: int) -> Lesson:
        """Returns a lesson that begins at a snapshot."""
        state = self.known.states[snapshot]
        if self.fresh_clock and state.kind == "exact":
            state = replace(state, elapsed=0)
        if state.kind == "replay" and not self.setup.tasks_are_set:
            lesson = replace(lesson, task=self._tasks[self.known.episodes[snapshot]][1])
        return replace(lesson, start=state, start_id=snapshot)

    def heard(self, episodes: Sequence[Episode]) -> None:
        """Learns from finished episodes that began at snapshots, `lesson.start_id`; by default nothing."""

    def sample_starts(self, lessons: Sequence[Lesson]) -> list[Lesson]:
        """Returns the lessons, begun at snapshots where they fit.

        Raises:
            InvalidTeacher: If the trajectories are not those that the run began with.
        """
        if not self.over:
            self._prepare()
        return [self._served(lesson) for lesson in lessons]

    def _prepare(self) -> None:
        """Opens the trajectories, and compares them with what was drawn from before; a subclass makes its tables."""
        _ = self.known
        if self._digest and self._digest != self._fingerprint:
            raise InvalidTeacher(
                f"The trajectories {self.trajectories} have changed since this run began, so that it cannot go on "
                "exactly. Put the file back as it was, or start the run again."
            )
        self._digest = self._fingerprint

    def _served(self, lesson: Lesson) -> Lesson:
        if self.over or not lesson.learn or lesson.start is not None:
            self._recent.append(False)
            return lesson
        candidates = self._fitting(lesson)
        self._recent.append(len(candidates) > 0)
        if len(candidates):
            return self.begun_at(lesson, self.draw(candidates))
        self._unmatched += 1
        if self._unmatched == RECENT and not any(self._recent):
            warnings.warn(
                f"None of the first {RECENT} lessons begins at a snapshot of {type(self).__name__}: the states are "
                "replays, each for the task that it was recorded in alone, and the task teacher sets others. Leave the "
                "task teacher out (--disable tasks), or let it set the recorded tasks.",
                RuntimeWarning,
                stacklevel=2,
            )
        return lesson

    def _fitting(self, lesson: Lesson) -> Ints:
        """Returns the snapshots (C,) that can begin a lesson."""
        if self._exact.all():
            return self._whole
        asked = _as_asked(lesson.task, self.setup)
        if self.setup.tasks_are_set:
            same = np.array([_same_task(task, asked) for task in self._tasks])
        else:
            same = np.array([possible for possible, _ in self._tasks])
        return np.flatnonzero(self._exact | same[self.known.episodes])

    def update(self, report: Report) -> None:
        """Looks at the clock, and learns from the episodes that began at snapshots."""
        self._time = report.total_steps
        marked = [e for e in report.episodes if e.lesson.start_id >= 0]
        if marked and not self.over:
            self._prepare()
            if known := [e for e in marked if e.lesson.start_id < len(self.known)]:
                self.heard(known)

    def scalars(self) -> dict[str, float]:
        """Returns which share of recent lessons began at snapshots, and how many lessons found none that fits."""
        return {"restored": sum(self._recent) / max(len(self._recent), 1), "unmatched": float(self._unmatched)}

    def state_dict(self) -> dict[str, Any]:
        """Returns everything but the trajectories, of which it keeps a digest."""
        return capture(self, exclude={*self.init_args, "setup", *self._derived})


def went_well(episode: Episode, known: Trajectories, share: float) -> bool:
    """Tells whether an episode that began at a snapshot was a success.

    The environment's word counts where it says. Elsewhere the episode must return at least `share` of what the teacher
    got from there on, G; of a negative G, it may fall short by the same amount, so r >= G - (1 - share) |G|, up to
    rounding: the two are summed in other orders.
    """
    if episode.success is not None:
        return episode.success
    expected = float(known.returns_to_go[episode.lesson.start_id])
    return episode.episode_return >= expected - (1 - share + ROUNDING) * abs(expected)


def _misfit(known: Trajectories, setup: Setup) -> str:
    """Returns why lessons of an environment cannot begin at these snapshots, or nothing."""
    again = f"Collect some there: teachrl collect --teacher WHO --env {setup.env_id} --snapshot_every 10 --out FILE."
    if known.env_id != setup.env_id:
        return f"the trajectories are of {known.env_id}, and states belong to one environment and version. {again}"
    if known.action_space != str(setup.action_space):
        return f"the trajectories' actions are of {known.action_space}, not of {setup.action_space}. {again}"
    if problem := _made_otherwise(known, setup):
        return f"{problem}. Make it as it was made for them, or collect as it is made here. {again}"
    if setup.task_space is None and any(task is not None for task in known.tasks):
        return (
            "the trajectories have tasks, and it has no task space. Make it as it was made for them, with the same "
            f"wrappers. {again}"
        )
    if setup.unrestorable and any(state.kind == "exact" for state in known.states):
        return (
            f"the trajectories hold exact states, which it cannot be put into as it is made here: {setup.unrestorable} "
            f"Make it as it was made for them, or collect as it is here, which records actions instead. {again}"
        )
    return ""


def _made_otherwise(known: Trajectories, setup: Setup) -> str:
    """Returns in what an environment is made otherwise than that of the trajectories, nothing where that is unknown.

    Wrappers count for replays alone, which they can lead elsewhere; an exact state is of what is inside of them.
    """
    replays = any(state.kind == "replay" for state in known.states)
    for name in ("env_kwargs", "wrappers") if replays else ("env_kwargs",):
        here = None if setup.made_with is None else setup.made_with[name]
        if here is not None and _plain(then := getattr(known, name)) != _plain(here):
            return f"the trajectories were recorded with the {name} {then}, and it is made with {here}"
    return ""


def _plain(value: Any) -> Any:
    """Returns data that can be compared between processes, without addresses in memory."""
    return json.loads(_ADDRESS.sub("", json.dumps(to_config(value))))


def _as_asked(task: Any, setup: Setup) -> tuple[bool, Any]:
    """Returns whether a lesson can have a task, and the task as lessons have it, None being the default one."""
    if task is None or setup.task_space is None:
        return task is None, None
    try:
        return True, check_task(task, setup.task_space, setup.task_names)
    except InvalidTask:  # recorded with wider bounds
        return False, None


def _same_task(recorded: tuple[bool, Any], asked: tuple[bool, Any]) -> bool:
    """Tells whether two tasks out of `_as_asked` are the same."""
    (known, a), (possible, b) = recorded, asked
    if a is None or b is None:
        return known and possible and a is None and b is None
    return equal(a, b)
