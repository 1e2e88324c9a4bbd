"""The classroom among teachers that write into what they are given, are ablated, or give what does not fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from teachrl import Classroom, Lesson, TaskTeacher, Teacher, make_vec
from teachrl.errors import InvalidEnvironment, InvalidStudent, InvalidTask, InvalidTeacher
from teachrl.lessons import Rollout
from teachrl.observations import non_finite_rows
from teachrl.playing import play
from teachrl.snapshots import replay_state
from teachrl.state import capture, restore
from teachrl.tasks import check_task
from teachrl.testing.toy import ToyEnv
from toys import Counted, Doubled, ExactLine, FromTheMiddle, GoRight, Halfway, Line, Walker, Widened


def right(n: int = 2) -> Any:
    return np.full((n, 1), 0.5, dtype=np.float32)


def goals(*values: float) -> list[Lesson]:
    return [Lesson(np.array([x], np.float32), seed=k) for k, x in enumerate(values)]


def test_infos_of_running_episodes_survive_the_reset_of_another() -> None:
    class Talkative(Line):
        """Says where it is, at resets too."""

        def reset(self, **kwargs: Any) -> Any:
            seen, _ = super().reset(**kwargs)
            return seen, {"at": self.position, "more": {"time": self.time}}

        def step(self, action: Any) -> Any:
            *rest, info = super().step(action)
            return *rest, {**info, "at": self.position, "more": {"time": self.time}}

    room = Classroom(make_vec(Talkative, 3), [Counted()])
    observations, _ = room.reset()
    parted = 0
    for _ in range(30):
        observations, _, terminated, truncated, infos = room.step(right(3))
        done = terminated | truncated
        parted += int(0 < done.sum() < 3)
        assert infos["_at"].all()
        np.testing.assert_allclose(infos["at"], observations[:, 0], rtol=1e-6)
        assert (infos["more"]["time"][done] == 0).all()
        assert (infos["more"]["time"][~done] > 0).all()
        if done.any():
            np.testing.assert_array_equal(infos["final_info"]["_at"], done)
    assert parted


class Precise(Line):
    """Shows whether the last action was rounded to 32 bits."""

    def step(self, action: Any) -> Any:
        _, *rest = super().step(action)
        self.position = float(float(action[0]) == float(np.float32(action[0])))
        return self._see(), *rest


class Far(Counted):
    """Sets the farthest goal."""

    def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
        return [Lesson(np.array([3.0], np.float32))] * n


def test_actions_are_logged_as_they_are_executed() -> None:
    """Float64 actions for a float32 space lead to the same place when they are replayed."""

    def make() -> Classroom:
        return Classroom(make_vec(Precise, 2), [Far()])

    room, resumed = make(), make()
    room.reset()
    room.step(np.full((2, 1), -0.1))
    room.step(np.full((2, 1), -0.1))
    assert room.last is not None
    assert room.last.executed.dtype == np.float32
    resumed.load_state_dict(room.state_dict())
    assert resumed.mismatches == []


def test_a_replay_state_of_wider_actions_leads_to_the_same_place() -> None:
    envs = make_vec(Precise, 1)
    state = replay_state(envs.env_id, 3, np.array([2.0]), np.full((2, 1), -0.1))
    shown, _ = envs.reset(options={"lessons": [Lesson(start=state)]})
    assert shown[0, 0] == 1


def test_fractions_override_whole_numbers() -> None:
    class Half(Teacher):
        """Always a half."""

        def override_actions(self, observations: Any, actions: Any, lessons: Any, first: Any) -> Any:
            return np.full((len(actions), 1), 0.5), np.ones(len(actions), dtype=bool)

    room = Classroom(make_vec(Line, 2), [Counted(), Half()])
    room.reset()
    room.step(np.zeros((2, 1), dtype=int))
    assert room.last is not None
    assert room.last.executed.tolist() == [[0.5], [0.5]]


@pytest.mark.parametrize("chosen", [np.ones((2, 1), int), np.ones(1, int), np.full(2, 0.5)])
def test_overrides_that_do_not_fit_are_refused(chosen: Any) -> None:
    class Odd(Teacher):
        """Gives what it was told to."""

        def override_actions(self, observations: Any, actions: Any, lessons: Any, first: Any) -> Any:
            return chosen, np.ones(len(actions), dtype=bool)

    room = Classroom(make_vec(lambda: ToyEnv(discrete=True), 2), [Odd()])
    room.reset()
    with pytest.raises(InvalidTeacher, match=r"Odd.override_actions must return actions of the shape \(2,\)"):
        room.step(np.zeros(2, dtype=int))


def test_teachers_may_write_into_what_they_are_given() -> None:
    class Blind(Teacher):
        """Hides the position, in place."""

        def observation_space(self, space: Any) -> Any:
            return space

        def transform_observations(self, observations: Any, lessons: Any, first: Any, indices: Any) -> Any:
            observations[:, 0] = 0
            return observations

        def override_actions(self, observations: Any, actions: Any, lessons: Any, first: Any) -> Any:
            actions[:] = 1
            return actions, np.arange(len(actions)) == 0

    room = Classroom(make_vec(Line, 2), [Counted(), Blind()])
    seen, _ = room.reset()
    assert (seen[:, 0] == 0).all()
    for _ in range(5):
        room.step(right())
        step = room.last
        assert step is not None
        assert (step.observations[:, 0] != 0).all()
        assert (step.next_observations[:, 0] != 0).all()
        np.testing.assert_array_equal(step.actions, right())
        np.testing.assert_array_equal(step.executed[:, 0], [1, 0.5])


def test_a_served_task_is_not_the_teachers_own_array() -> None:
    class Same(Teacher):
        """Moves one array along and serves it."""

        def begin(self, setup: Any) -> None:
            super().begin(setup)
            self.task = np.array([1.0], np.float32)

        def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
            self.task += 0.05
            return [Lesson(self.task)] * n

    room = Classroom(make_vec(Line, 2), [Same()])
    room.reset()
    for _ in range(20):
        room.step(right())
    episodes = room.take_episodes()
    assert len(episodes) > 3
    for episode in episodes:
        assert episode.lesson.task[0] == episode.first_observation[1]


class Doubles(Counted):
    """Makes a classroom for another student."""

    def another(self) -> Classroom:
        return self.setup.make_classroom(1)


@pytest.mark.parametrize("disable", [["Doubled.rewards"], "rewards", ["Doubles.tasks", "rewards"]])
def test_another_classroom_of_a_run_keeps_what_is_disabled(disable: Any) -> None:
    teacher = Doubles()
    Classroom(make_vec(Line, 2), [teacher, Doubled()], disable=disable)
    room = teacher.another()
    room.reset()
    assert (teacher.served == 0) == ("Doubles.tasks" in disable)


def test_what_was_disabled_stays_off_when_the_policy_is_played() -> None:
    shapes = []

    class Looks(GoRight):
        """Notes what it sees."""

        def act(self, observations: Any, *rest: Any) -> Any:
            shapes.append(observations.shape)
            return super().act(observations, *rest)

    room = Classroom(make_vec(Line, 2), [Counted(), Widened()], disable=["Widened.observations", "tasks"])
    room.reset()
    played = play(make_vec(Line, 2), Looks(), goals(2.0, 1.5), teachers=room.teachers, disable=room.disable)
    assert {shape[1] for shape in shapes} == {2} == {room.single_observation_space.shape[0]}  # type: ignore[index]
    assert [e.lesson.task[0] for e in played] == [2.0, 1.5]


class Pairs(Halfway):
    """Sets goals of two numbers."""

    goal_space = spaces.Box(-10.0, 10.0, (2,), np.float32)

    def subgoals(self, observations: Any, lessons: Any, first: Any, step: Any) -> Any:
        return np.ones((len(lessons), 2))


def test_the_goal_space_is_that_of_the_teacher_who_sets_goals() -> None:
    teachers = [Counted(), Halfway(), Pairs()]
    room = Classroom(make_vec(Line, 2), teachers, disable=["Halfway.subgoals"])
    seen = [room.reset()[0], room.step(right())[0]]
    assert [(x["subgoal"].shape, x["subgoal"].dtype) for x in seen] == [((2, 2), np.float32)] * 2

    class Looks(GoRight):
        """Needs the space that it was trained on."""

        def act(self, observations: Any, *rest: Any) -> Any:
            assert room.observation_space.contains(observations)
            return super().act(observations["observation"], *rest)

    assert play(make_vec(Line, 2), Looks(), goals(1.0, 2.0), teachers=room.teachers, disable=room.disable)


def test_goals_that_do_not_fit_their_space_are_refused() -> None:
    class Flat(Halfway):
        """Forgets an axis."""

        def subgoals(self, observations: Any, lessons: Any, first: Any, step: Any) -> Any:
            return super().subgoals(observations, lessons, first, step)[:, 0]

    with pytest.raises(InvalidTeacher, match=r"Flat.subgoals must return goals of the shape \(2, 1\).*got \(2,\)"):
        Classroom(make_vec(Line, 2), [Counted(), Flat()]).reset()


def test_a_restarted_episode_begins_with_a_new_subgoal() -> None:
    class Drifting(Line):
        """Depends on how often it was reset."""

        def reset(self, **kwargs: Any) -> Any:
            _, info = super().reset(**kwargs)
            self.position += 0.001 * self.resets
            return self._see(), info

    def make() -> Classroom:
        return Classroom(make_vec(Drifting, 1), [Counted(), Halfway()])

    room, resumed = make(), make()
    room.reset()
    for _ in range(40):
        room.step(np.full((1, 1), 0.3, dtype=np.float32))
    assert not room.observed()[1].any()
    with pytest.warns(UserWarning, match="restarted"):
        resumed.load_state_dict(room.state_dict())
    seen, first = resumed.observed()
    assert first.all()
    np.testing.assert_allclose(seen["subgoal"][0], resumed.lessons[0].task)


def test_rollouts_are_reported_as_those_of_the_classrooms_student() -> None:
    heard: list[int] = []

    class Listens(Doubles):
        """Keeps who reported."""

        def update(self, report: Any) -> None:
            if report.rollout is not None:
                heard.append(report.rollout.student)

    teacher = Listens()
    room = Classroom(make_vec(Line, 2), [teacher])
    empty = Rollout(*[np.zeros((0, 2))] * 12, gamma=0.9, gae_lambda=1.0)  # type: ignore[arg-type]
    teacher.another().report(empty)
    room.report(empty)
    assert heard == [1, 0]


def test_a_disabled_task_teacher_needs_no_task_space() -> None:
    class Never(TaskTeacher):
        """Is not asked."""

        def sample(self, n: int) -> Any:
            raise AssertionError

    room = Classroom(make_vec("CartPole-v1", 2), [Never()], disable=["tasks"])
    assert room.reset()[0].shape == (2, 4)
    with pytest.raises(InvalidTeacher, match="no task space"):
        Classroom(make_vec("CartPole-v1", 2), [Never()])


@pytest.mark.parametrize("task", [1.7, float("nan"), 1e300])
def test_a_fraction_is_no_whole_task(task: float) -> None:
    space = spaces.Box(0, 5, (1,), np.int64)
    with pytest.raises(InvalidTask, match="expected a whole number, 0 to 5"):
        check_task([task], space)
    assert check_task([2.0], space).tolist() == [2]


def test_a_task_beyond_its_dtype_is_outside() -> None:
    with pytest.raises(InvalidTask, match="is 1e\\+300, expected 0 to 5"):
        check_task([1e300], spaces.Box(0, 5, (1,), np.float32))


def test_opposite_infinities_and_large_numbers_are_told_apart_in_silence() -> None:
    rows = non_finite_rows(np.array([[np.inf], [-np.inf], [1.0]], np.float32))
    assert rows is not None
    assert rows.tolist() == [True, True, False]
    assert non_finite_rows(np.full((2, 1), 3e38, np.float32)) is None


def test_lessons_not_to_be_learned_from_need_a_student_who_can_leave_them_out() -> None:
    class Exam(Counted):
        """Sets exams."""

        def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
            return [replace(x, learn=False) for x in super().sample_tasks(n, student)]

    class Simple(Walker):
        """Learns from everything."""

        accepts = frozenset({"tasks"})

    room = Classroom(make_vec(Line, 2), [Exam()])
    room.attach(Simple())  # type: ignore[arg-type]
    with pytest.raises(InvalidStudent, match="Exam set a lesson with learn=False, which Simple would train on"):
        room.reset()
    room.attach(Walker())  # type: ignore[arg-type]
    room.reset()


def test_a_replayed_start_plays_its_own_task_with_its_own_seed() -> None:
    envs = make_vec(Line, 1)
    state = replay_state(envs.env_id, 3, np.array([1.5], np.float32), np.full((2, 1), 0.1, np.float32))
    with pytest.raises(InvalidEnvironment, match="cannot start from a replay of the task"):
        envs.reset(options={"lessons": [Lesson(np.array([2.0]), start=state)]})

    class Replays(Teacher):
        """Begins where the replay ends."""

        def sample_starts(self, lessons: Any) -> list[Lesson]:
            return [replace(x, task=state.task, start=state) for x in lessons]

    room = Classroom(envs, [Replays()])
    room.reset()
    for _ in range(8):
        room.step(right(1))
    for episode in room.take_episodes():
        assert episode.seed == 3
        assert episode.first_observation[1] == episode.lesson.task[0] == 1.5


def test_lessons_of_a_rollout_repeat_their_starts_and_seeds() -> None:
    class Slow(FromTheMiddle):
        """Asked once a rollout."""

        cadence = "rollout"

    room = Classroom(make_vec(ExactLine, 2), [Counted(), Slow()])
    seen = room.begin_rollout()
    assert seen is not None
    begun = seen.copy()
    for _ in range(12):
        observations, _, terminated, truncated, _ = room.step(right())
        done = terminated | truncated
        np.testing.assert_array_equal(observations[done], begun[done])
    assert {e.lesson.start_id for e in room.take_episodes()} == {0, -1}


def test_a_seed_of_numpy_is_a_seed() -> None:
    rooms = [Classroom(make_vec(Line, 2), [Counted()]) for _ in range(2)]
    np.testing.assert_array_equal(rooms[0].reset(seed=np.int64(3))[0], rooms[1].reset(seed=3)[0])


def test_any_bit_generator_is_kept() -> None:
    class Holder:
        """Has a generator."""

    one, other = Holder(), Holder()
    one.rng = np.random.Generator(np.random.Philox(4))  # type: ignore[attr-defined]
    restore(other, capture(one, ()))
    assert other.rng.random() == one.rng.random()  # type: ignore[attr-defined]
