"""Checkpoints of a classroom, extra rollouts, learners and several students."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from teachrl import Classroom, Lesson, Rollout, Student, Teacher, make_vec
from teachrl.playing import play
from teachrl.student import learn_together
from toys import Counted, Doubled, ExactLine, GoRight, Halfway, Line, Walker, Widened


def classroom(exact: bool = False, seed: int = 3) -> Classroom:
    envs = make_vec(ExactLine if exact else Line, 4)
    return Classroom(envs, [Counted(), Halfway(), Doubled()], seed=seed)


def walk(room: Classroom, steps: int) -> list[Any]:
    rng = np.random.default_rng(7)
    trace: list[Any] = []
    for _ in range(steps):
        observations, rewards, terminated, _, _ = room.step(rng.uniform(-1, 1, (4, 1)).astype(np.float32))
        trace += [
            observations["observation"].tolist(),
            observations["subgoal"].tolist(),
            rewards.tolist(),
            terminated.tolist(),
        ]
    return trace


def episodes(room: Classroom) -> list[Any]:
    return [
        (e.env, e.seed, e.episode_return, e.taught_return, e.discounted_return, e.length, e.first_observation.tolist())
        for e in room.take_episodes()
    ]


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("steps", [0, 1, 7, 33])
def test_a_restored_classroom_goes_on_bit_for_bit(exact: bool, steps: int) -> None:
    undisturbed, resumed = classroom(exact), classroom(exact)
    undisturbed.reset()
    walk(undisturbed, steps)
    state = undisturbed.state_dict()
    episodes(undisturbed)
    resumed.load_state_dict(state)
    assert resumed.mismatches == []
    assert walk(resumed, 40) == walk(undisturbed, 40)
    assert episodes(resumed) == episodes(undisturbed)
    assert resumed.counters.total_steps == undisturbed.counters.total_steps == 4 * (steps + 40)


def test_a_twice_restored_classroom_still_knows_the_whole_episode() -> None:
    room = classroom()
    room.reset()
    walk(room, 5)
    again = classroom()
    again.load_state_dict(room.state_dict())
    walk(again, 2)
    walk(room, 2)
    third = classroom()
    third.load_state_dict(again.state_dict())
    assert walk(third, 30) == walk(room, 30)


def test_a_classroom_that_had_not_begun_is_restored_as_such() -> None:
    room, fresh = classroom(), classroom()
    fresh.load_state_dict(room.state_dict())
    np.testing.assert_array_equal(fresh.reset()[0]["observation"], room.reset()[0]["observation"])


def test_an_environment_that_is_not_deterministic_restarts_its_episode() -> None:
    class Drifting(Line):
        """Depends on how often it was reset."""

        def reset(self, **kwargs: Any) -> Any:
            _, info = super().reset(**kwargs)
            self.position += 0.001 * self.resets
            return self._see(), info

    def make() -> Classroom:
        return Classroom(make_vec(Drifting, 2), [Counted()])

    room, resumed = make(), make()
    room.reset()
    for _ in range(40):
        room.step(np.full((2, 1), 0.3, dtype=np.float32))
    with pytest.warns(UserWarning, match="restarted with the same lesson and seed"):
        resumed.load_state_dict(room.state_dict())
    assert resumed.mismatches
    entry = resumed.mismatches[0]
    assert {"env", "task", "seed", "reason"} <= set(entry)
    assert resumed.lessons[entry["env"]].id == room.lessons[entry["env"]].id
    assert resumed.observed()[1][entry["env"]]


def test_play_returns_episodes_in_the_order_of_the_lessons_and_trains_nothing() -> None:
    lessons = [Lesson(np.array([goal]), seed=k) for k, goal in enumerate(np.linspace(1, 3, 11).astype(np.float32))]
    played = play(make_vec(Line, 4), GoRight(), lessons)
    assert [e.lesson.seed for e in played] == list(range(11))
    assert [e.seed for e in played] == list(range(11))
    alone = [play(make_vec(Line, 1), GoRight(), [lesson])[0] for lesson in lessons]
    assert [e.episode_return for e in played] == [e.episode_return for e in alone]
    assert play(make_vec(Line, 1), GoRight(), []) == []


def test_permanent_teachers_act_when_a_policy_is_played() -> None:
    class Sees:
        """A policy that needs the widened observation."""

        def act(self, observations: Any, state: Any = None, first: Any = None, deterministic: bool = True) -> Any:
            assert observations.shape[1] == 3
            return np.full((len(observations), 1), 0.5, dtype=np.float32), None

    room = Classroom(make_vec(Line, 4), [Counted(), Widened(), Doubled()])
    room.reset()
    episode = play(make_vec(Line, 4), Sees(), [Lesson(np.array([2.0]), seed=1)], teachers=room.teachers)[0]
    assert episode.taught_return == episode.episode_return  # the shaper is not permanent


def test_a_teachers_own_rollouts_are_counted() -> None:
    class Curious(Counted):
        """Plays three lessons itself before the first."""

        def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
            if self.served == 0:
                lessons = [Lesson(np.array([goal]), seed=5) for goal in (1.0, 2.0, 3.0)]
                self.tried = self.setup.rollouts(lessons)
                assert self.setup.policy is Walker.policy
                assert self.setup.values(np.zeros((6, 2))).shape == (6,)
            return super().sample_tasks(n, student)

    teacher = Curious()
    room = Classroom(make_vec(Line, 4), [teacher])
    room.attach(Walker())  # type: ignore[arg-type]
    room.reset()
    assert [e.lesson.task[0] for e in teacher.tried] == [1.0, 2.0, 3.0]
    assert room.counters.total_steps >= sum(e.length for e in teacher.tried)
    assert room.counters.student_steps == room.counters.episodes == 0


class Climber:
    """A learner by hill climbing: one number, the step size, moved by what it earned."""

    def __init__(self) -> None:
        self.size, self.best, self.earned, self.steps = 0.1, -np.inf, 0.0, 0
        self.recorded: list[Any] = []

    def act(self, observations: Any, first: Any) -> Any:
        return np.full((len(observations), 1), self.size, dtype=np.float32)

    def record(self, experience: Any) -> None:
        self.recorded.append(experience)
        self.earned += float(experience.rewards.sum())
        self.steps += 1

    def update(self) -> Rollout | None:
        if self.steps < 20:
            return None
        if self.earned > self.best:
            self.best, self.size = self.earned, min(1.0, self.size + 0.1)
        self.earned, self.steps = 0.0, 0
        empty = np.zeros((0, 4))
        return Rollout(*[empty] * 12, gamma=0.9, gae_lambda=1.0)  # type: ignore[arg-type]


def test_a_learner_learns_in_the_loop_and_its_rollouts_reach_the_teachers() -> None:
    class Far(Counted):
        """Always the farthest goal, which steps of 0.1 never reach."""

        def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
            return [Lesson(np.array([3.0], dtype=np.float32))] * n

    teacher = Far()
    room = Classroom(make_vec(Line, 4), [teacher])
    climber = Climber()
    learn_together(room, climber, 4 * 200)
    assert climber.size >= 0.3
    assert sum(report.rollout is not None for report in teacher.reports) == 10 == room.counters.updates
    for x in climber.recorded:
        done = x.terminated | x.truncated
        np.testing.assert_array_equal(x.final_observations[~done], x.next_observations[~done])
        assert (x.final_observations[done, 0] != x.next_observations[done, 0]).all()


class Stroller(Student):
    """A student that walks right and counts; a granule is ten steps of each environment."""

    accepts = frozenset({"tasks"})

    def begin(self, classroom: Classroom, seed: Any, total_steps: int) -> None:
        self.room, self.turns = classroom, 0

    @property
    def granularity(self) -> int:
        return 10 * self.room.num_envs

    @property
    def policy(self) -> Any:
        return GoRight()

    def learn(self, steps: int) -> None:
        for _ in range(-(-steps // self.granularity)):
            self.room.observed()
            for _ in range(10):
                self.room.step(np.full((self.room.num_envs, 1), 0.5, dtype=np.float32))
            self.turns += 1
            empty = np.zeros((0, 1))
            self.room.report(Rollout(*[empty] * 12, gamma=0.9, gae_lambda=1.0, student=self.room.index))  # type: ignore[arg-type]


class Duel(Teacher):
    """Two students take turns: after each rollout of the first the second has one, on lessons of its own."""

    def __init__(self, antagonist: Student) -> None:
        self.antagonist = antagonist

    def begin(self, setup: Any) -> None:
        super().begin(setup)
        self.asked: list[tuple[int, int]] = []
        self.closed = 0
        self.heard: set[int] = set()
        self.room: Classroom | None = None

    def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
        self.asked.append((student, n))
        return [Lesson(np.array([1.0 + student], dtype=np.float32))] * n

    def update(self, report: Any) -> None:
        self.heard |= {e.student for e in report.episodes}
        if report.rollout is None:
            return
        if report.rollout.student == 1:
            self.closed += 1
            return
        if self.room is None:
            self.room = self.setup.make_classroom(1, num_envs=2)
            self.antagonist.begin(self.room, np.random.SeedSequence(0), 0)
        self.antagonist.learn(self.antagonist.granularity)


def test_two_students_take_turns() -> None:
    protagonist, antagonist = Stroller(), Stroller()
    teacher = Duel(antagonist)
    room = Classroom(make_vec(Line, 4), [teacher])
    protagonist.begin(room, np.random.SeedSequence(0), 0)
    protagonist.learn(3 * protagonist.granularity)
    assert (protagonist.turns, antagonist.turns, teacher.closed) == (3, 3, 3)
    assert {student for student, _ in teacher.asked} == {0, 1}
    assert teacher.heard == {0, 1}
    assert room.counters.total_steps == 3 * (40 + 20)
    assert room.counters.student_steps == 3 * 40
    assert {x.task[0] for x in room.lessons} == {1.0}
    assert teacher.room is not None
    assert {x.task[0] for x in teacher.room.lessons} == {2.0}
    assert teacher.room.counters is room.counters


def test_listeners_hear_of_every_student() -> None:
    class Listener(Teacher):
        """Has no channel."""

        def begin(self, setup: Any) -> None:
            super().begin(setup)
            self.students: set[int] = set()

        def update(self, report: Any) -> None:
            self.students |= {e.student for e in report.episodes}

    listener, protagonist = Listener(), Stroller()
    room = Classroom(make_vec(Line, 4), [Duel(Stroller()), listener])
    protagonist.begin(room, np.random.SeedSequence(0), 0)
    protagonist.learn(2 * protagonist.granularity)
    assert listener.students == {0, 1}


def test_a_teachers_own_rollouts_go_on_after_a_resume() -> None:
    class Tries(Counted):
        """Tries the next lesson, with a seed that nobody set, before serving it."""

        def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
            self.tried = [e.seed for e in self.setup.rollouts([Lesson(np.array([1.5]))] * 2)]
            return super().sample_tasks(n, student)

    def room() -> Classroom:
        made = Classroom(make_vec(Line, 2), [Tries()])
        made.attach(Walker())  # type: ignore[arg-type]
        return made

    first, second = room(), room()
    first.reset()
    second.load_state_dict(first.state_dict())
    before = first.teachers[0].tried  # type: ignore[attr-defined]
    for each in (first, second):
        for _ in range(20):
            each.step(np.full((2, 1), 0.5, dtype=np.float32))
    assert first.teachers[0].tried == second.teachers[0].tried != before  # type: ignore[attr-defined]
