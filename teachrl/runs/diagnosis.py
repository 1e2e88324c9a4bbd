"""What a student lacks of its teacher, measured in the validation suite beside a run that it does not touch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from teachrl import seeds
from teachrl.classroom import Classroom
from teachrl.lessons import Array, Bools, Labels, Lesson, Observations
from teachrl.playing import acts_in_evaluation, playroom
from teachrl.policies import as_policy, label
from teachrl.roster import entries
from teachrl.runs.generators import generators_kept
from teachrl.student import Policy, Student
from teachrl.teachers.from_policy import FromPolicy
from teachrl.vector import LessonVectorEnv

if TYPE_CHECKING:
    from teachrl.distillation.diagnostics import Path

MOST_LESSONS = 10
MOST_STEPS = 4_096


class Diagnosis:
    """Compares a student with its teachers, in environments of its own, which are made when they are first needed.

    It takes 10 lessons of the validation suite at most, spread over it, and cuts them to 4,096 steps in all. The
    teachers are copies of the run's that see what the run's would see; what they load is shared. Nothing is learned,
    counted or drawn from the run's generators.

    Args:
        classroom: Where the student learns.
        seed: The run's seed.
    """

    def __init__(self, classroom: Classroom, seed: int) -> None:
        self._classroom, self._seed = classroom, seed
        self._labellers: list[FromPolicy] = []
        self._envs: LessonVectorEnv | None = None
        self._lessons: list[Lesson] = []
        self._path: Path | None = None

    def close(self) -> None:
        """Closes the environments."""
        if self._envs is not None:
            self._envs.close()
            self._envs = None

    def measure(self, student: Student) -> dict[str, float]:
        """Plays the lessons and returns how near the student is to its teachers.

        `proxy_loss`, `agreement`, `entropy` and `calibration_error` are of states that the student gets to by its
        likeliest actions; `teacher_loss` and `teacher_agreement` of states that the teachers get to, where the student
        follows with its memory and previous actions. `covariate_shift` is teacher_agreement - agreement: what it knows
        on its teachers' paths and not on its own. Losses are those that `auto` stands for.

        Args:
            student: Who learns in the classroom.

        Returns:
            The numbers by name, without those that have no meaning: a student without a distribution has agreements
            only. Empty unless all who label are `FromPolicy`.
        """
        if not self._labelled():
            return {}
        from teachrl.distillation.diagnostics import compare, follow

        with generators_kept(self._seed):
            policy, space = as_policy(student), self._classroom.single_action_space
            own = compare(space, *self._students_way(policy))
            path = self._teachers_way()
            there = compare(space, follow(policy, path), path.labels)
        found = {{"loss": "proxy_loss"}.get(name, name): value for name, value in own.items()}
        found |= {f"teacher_{name}": there[name] for name in ("loss", "agreement") if name in there}
        if "agreement" in own and "agreement" in there:
            found["covariate_shift"] = there["agreement"] - own["agreement"]
        return found

    def _labelled(self) -> bool:
        """Tells whether labels are given, by teachers that can be copied only."""
        from teachrl.distillation.collecting import labellers

        found = labellers(self._classroom)
        self._labellers = [t for t in found if type(t) is FromPolicy]
        return 0 < len(self._labellers) == len(found)

    def _students_way(self, policy: Policy) -> tuple[list[Labels], Sequence[Labels]]:
        """Lets the student play; returns what it did, and what its teachers would have done."""
        from teachrl.distillation.diagnostics import walk

        said: list[Labels] = []
        state: Any = None

        def act(seen: Observations, first: Bools, given: Labels) -> Array:
            nonlocal state
            answer, state = label(policy, seen, state, first)
            said.append(answer)
            return answer.actions

        room, steps = self._room()
        return said, walk(room, steps, act).labels

    def _teachers_way(self) -> Path:
        """Lets the teachers play, as far as they have labels; once, if what a student sees there stays the same."""
        from teachrl.distillation.diagnostics import walk
        from teachrl.distillation.trees import harmless

        def act(seen: Observations, first: Bools, given: Labels) -> Array:
            wide = given.mask.reshape(-1, *(1,) * (np.ndim(given.actions) - 1))
            none = harmless(space, len(first))
            return np.where(wide, given.actions, none).astype(none.dtype)

        space = self._classroom.single_action_space
        off = entries(self._classroom.disable)
        if self._path is None or any(acts_in_evaluation(t, off) for t in self._classroom.teachers):
            room, steps = self._room()
            self._path = walk(room, steps, act, labelled=True)
        return self._path

    def _room(self) -> tuple[Classroom, int]:
        """Returns a classroom that serves the lessons, one in each environment, and the steps that each may last."""
        run = self._classroom
        if self._envs is None:
            suite = list(run.envs.task_suite("validation").values())
            count = min(len(suite), MOST_LESSONS)
            self._lessons = [suite[i] for i in np.linspace(0, len(suite) - 1, count).round().astype(int)]
            self._envs = run.envs.make_another(count)
        room, _ = playroom(
            self._envs, self._lessons, teachers=run.teachers, disable=run.disable, view=run.view,
            seed=seeds.branch(self._seed, seeds.EVALUATION), guests=[_Witness.of(t) for t in self._labellers],
        )  # fmt: skip
        return room, max(1, MOST_STEPS // len(self._lessons))


class _Witness(FromPolicy):
    """Labels as another teacher does, with a memory of its own, and in evaluation too; asks the policy of the other."""

    permanent = frozenset({"labels"})
    original: FromPolicy

    @classmethod
    def of(cls, teacher: FromPolicy) -> Self:
        """Returns one that has not begun."""
        witness = cls(**teacher.init_args)
        witness.original = teacher
        return witness

    def _acting(self) -> Policy:
        return self.original._acting()
