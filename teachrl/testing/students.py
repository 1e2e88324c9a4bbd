"""Does a student keep its contract?"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from teachrl.errors import InvalidStudent
from teachrl.lessons import Rollout
from teachrl.runs.generators import generators_kept, global_generators
from teachrl.student import Student, all_channels
from teachrl.testing._desk import SEED, Desk, Watcher
from teachrl.testing._support import (
    EnvLike,
    blamed,
    check_config,
    check_numbers,
    check_stored_arguments,
    difference,
    maker_of,
    require,
    through_disk,
)
from teachrl.testing.toy import ToyEnv
from teachrl.vector import make_vec


@dataclass(frozen=True)
class StudentCase:
    """What a check is about.

    Attributes:
        make: Returns a fresh student, always with the same arguments.
        env: Where it learns.
        num_envs: In how many of them.
        granules: How many granules make up half of a run.
    """

    make: Callable[[], Student]
    env: EnvLike = ToyEnv
    num_envs: int = 2
    granules: int = 2

    @property
    def name(self) -> str:
        """The student's class."""
        return type(self.make()).__name__

    def desk(self, seed: int = SEED, learn: bool = True, override: float = 0.0) -> Desk:
        """Returns a fresh student in a fresh classroom."""
        with blamed(f"{self.name} must begin in {self.env}.", "Pass an environment that it can learn in: envs=..."):
            return Desk(self.make(), Watcher(learn, override), make_vec(self.env, self.num_envs), seed)

    def learned(self, *chunks: int, **kwargs: Any) -> Desk:
        """Returns a desk after some chunks of learning, in granules."""
        desk = self.desk(**kwargs)
        with blamed(f"{self.name} must learn.", "See learn."):
            for chunk in chunks:
                desk.learn(chunk)
        return desk


def check_student(
    student: Student | Callable[[], Student],
    envs: EnvLike | Sequence[EnvLike] | None = None,
    num_envs: int = 2,
    granules: int = 2,
) -> None:
    """Checks a student against its contract.

    Give it short rollouts and small nets: it learns about twenty granules.

    Args:
        student: An instance, whose arguments are used again; a class; or a function that makes one.
        envs: Where it shall learn: an id, or what makes an environment, or several of them; `ToyEnv` by default;
            `lambda: ToyEnv(discrete=True)` for a student that takes discrete actions.
        num_envs: How many environments it learns in at once.
        granules: How many granules make up half of a run.

    Raises:
        ContractBroken: At the first rule that is not kept.
    """
    make = maker_of(student, Student, "check_student")
    chosen = [ToyEnv] if envs is None else [envs] if isinstance(envs, str) or callable(envs) else envs
    for env in chosen:
        for check in STUDENT_CHECKS:
            with generators_kept(0):
                check(StudentCase(make, env, num_envs, granules))


def check_constructor(case: StudentCase) -> None:
    """The constructor stores its arguments under their names and does nothing else."""
    check_stored_arguments(case.make())


def check_config_round_trip(case: StudentCase) -> None:
    """The config makes an equal student."""
    check_config(case.make())


def check_accepts(case: StudentCase) -> None:
    """What it accepts exists, and its discount is one."""
    student = case.desk().student
    known = all_channels()
    require(
        set(student.accepts) <= known, f"{case.name}.accepts must be of {sorted(known)}.", student.accepts, "See it."
    )
    right = isinstance(student.gamma, int | float) and 0 <= student.gamma <= 1
    require(right, f"{case.name}.gamma must be a discount from 0 to 1.", student.gamma, "See gamma.")


def check_granules(case: StudentCase) -> None:
    """`learn` takes exactly the steps it is asked for, rounded up to whole granules."""
    desk = case.desk()
    size = desk.student.granularity
    look = "It is a number of environment steps, of all environments together."
    right = isinstance(size, int | np.integer) and size > 0 and size % case.num_envs == 0
    require(right, f"granularity must be a positive multiple of {case.num_envs} environments.", size, look)
    for asked, total in ((size, size), (1, 2 * size), (size + 1, 4 * size)):
        with blamed(f"{case.name} must learn.", "See learn."):
            desk.student.learn(asked)
        came = desk.classroom.counters.total_steps
        look = "Step through the classroom, and stop at whole granules."
        require(came == total, f"After learn({asked}), {total} steps must have been taken.", came, look)


def check_policy(case: StudentCase) -> None:
    """The policy answers batches of any size inside the action space, and its mode is no matter of chance."""
    desk = case.learned(case.granules)
    space, policy = desk.classroom.single_action_space, desk.student.policy
    for n, deterministic in ((1, True), (5, True), (5, False)):
        with blamed(f"The policy must act in {n} observations.", "See policy.act(observations, state, first, ...)."):
            actions, _ = policy.act(desk.observations(n), None, np.ones(n, dtype=bool), deterministic)
        rule = f"{n} actions must be an array of members of {space}."
        require(isinstance(actions, np.ndarray) and len(actions) == n, rule, repr(actions), "See policy.act.")
        outside = [a for a in actions if not space.contains(a)]
        require(not outside, rule, repr(outside[:1]), "Look at dtype, shape and bounds; clip what a Gaussian draws.")
    before = copy.deepcopy(global_generators())
    answers = [policy.act(desk.observations(5), None, np.ones(5, dtype=bool), True)[0] for _ in range(2)]
    found = difference(answers[0], answers[1])
    require(not found, "The mode of a policy must be the same each time.", found, "Honour deterministic=True.")
    found = difference(before, global_generators())
    require(not found, "The mode of a policy must draw no random numbers.", found[:80], "Honour deterministic=True.")


def check_values(case: StudentCase) -> None:
    """Values are one finite number for each observation, or InvalidStudent."""
    desk = case.learned(1)
    try:
        values = desk.student.values(desk.observations(5))
    except InvalidStudent:
        return
    right = isinstance(values, np.ndarray) and values.shape == (5,) and bool(np.isfinite(values).all())
    require(
        right, "values must be (B,) finite numbers.", repr(values), "See values; raise InvalidStudent without a critic."
    )


def check_rollouts(case: StudentCase) -> None:
    """A student that accepts "rollout" reports its rollouts, with the actions that were executed."""
    accepts = case.make().accepts
    desk = case.learned(case.granules, override=0.5 if "actions" in accepts else 0.0)
    rollouts = desk.teacher.rollouts
    if "rollout" not in accepts:
        return
    look = "Call classroom.begin_rollout() and classroom.report(rollout)."
    require(bool(rollouts), "A student that accepts 'rollout' must report its rollouts.", "none", look)
    done = 0
    for rollout in rollouts:
        _check_rollout(rollout, case.num_envs)
        steps = len(rollout.rewards)
        executed = np.array(desk.teacher.executed[done : done + steps])
        done += steps
        if len(executed):
            found = "" if np.array_equal(executed, np.asarray(rollout.actions).reshape(executed.shape)) else "others"
            require(
                not found, "Rollout.actions must be those that were executed.", found, "See classroom.last.executed."
            )


def _check_rollout(rollout: Rollout, n: int) -> None:
    steps = len(rollout.rewards)
    whole = ("rewards", "values", "advantages", "log_probs", "terminated", "truncated", "first", "ids", "learn")
    expected: dict[str, Any] = {**dict.fromkeys(whole, (steps, n)), "last_values": (n,)}
    came = {name: np.shape(getattr(rollout, name)) for name in expected}
    require(not difference(expected, came), "A Rollout must have its shapes, (T, N).", came, "See teachrl.Rollout.")


def check_unlearned_lessons(case: StudentCase) -> None:
    """A student that accepts "learn" learns nothing from lessons that say learn=False."""
    if "learn" not in case.make().accepts:
        return
    desk = case.desk(learn=False)
    before = desk.answers()["actions"]
    with blamed(f"{case.name} must survive lessons that are not learned from.", "See classroom.last_learn."):
        desk.learn(case.granules)
    found = difference(before, desk.answers()["actions"])
    look = "Mask the rows where classroom.last_learn is False, or leave 'learn' out of accepts."
    require(not found, "Lessons with learn=False must leave the policy as it is.", found, look)


def check_same_seed(case: StudentCase) -> None:
    """The same seed gives the same student, whatever the global generators were."""
    once = case.learned(case.granules).answers()
    with generators_kept(99):
        again = case.learned(case.granules).answers()
    look = "Seed everything in begin; global generators too, where a library uses them."
    found = difference(once, again)
    require(not found, f"Two runs of {case.name} with one seed must be the same.", found, look)


def check_chunks(case: StudentCase) -> None:
    """Learning in chunks gives the same bits as learning at once."""
    whole = case.learned(2 * case.granules).answers()
    chunks = case.learned(*[1] * (2 * case.granules)).answers()
    found = difference(whole, chunks)
    look = "Keep observations, schedules and counters from one learn to the next; total_steps is known from begin."
    require(not found, "Chunks that end on whole granules must give the same bits as one call.", found, look)


def check_state_round_trip(case: StudentCase) -> None:
    """A student restored from a checkpoint goes on as the undisturbed one does, bit for bit."""
    desk = case.learned(case.granules)
    with blamed(f"The state of {case.name} must be data.", "state_dict holds arrays, tensors, numbers and containers."):
        kept = {"student": desk.student.state_dict(), "classroom": desk.classroom.state_dict()}
        state = through_disk(kept)
    desk.learn(case.granules)
    undisturbed = desk.answers()
    resumed = case.desk()
    with blamed(f"{case.name} must load its state after begin.", "See load_state_dict."):
        resumed.classroom.load_state_dict(state["classroom"])
        resumed.student.load_state_dict(state["student"])
    resumed.learn(case.granules)
    found = difference(undisturbed, resumed.answers())
    look = "state_dict must hold weights, optimisers, counters, normalisers, last observations and random state."
    require(not found, f"{case.name} must go on as before when its state is restored.", found, look)


def check_scalars(case: StudentCase) -> None:
    """What goes to the log is numbers by name."""
    check_numbers(case.learned(case.granules).student.scalars(), case.name)


STUDENT_CHECKS: tuple[Callable[[StudentCase], None], ...] = (
    check_constructor,
    check_config_round_trip,
    check_accepts,
    check_granules,
    check_policy,
    check_values,
    check_scalars,
    check_rollouts,
    check_unlearned_lessons,
    check_same_seed,
    check_chunks,
    check_state_round_trip,
)
"""The rules for students, each a function of a `StudentCase`."""
