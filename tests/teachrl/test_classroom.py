"""The classroom: lessons, channels, order of a step, reports."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from teachrl import Classroom, FromPolicy, Lesson, Teacher, make_vec
from teachrl.errors import UnknownName
from toys import Counted, Doubled, ExactLine, FromTheMiddle, Halfway, Knows, Line, Stopper, Walker, Widened

RIGHT = 0.5


def line(num_envs: int = 4, **kwargs: Any) -> Any:
    return make_vec(lambda: Line(**kwargs), num_envs)


def right(n: int = 4) -> Any:
    return np.full((n, 1), RIGHT, dtype=np.float32)


def run(classroom: Classroom, steps: int) -> list[Any]:
    """Walks right and returns all that the student saw."""
    seen = [classroom.reset()[0]]
    seen += [classroom.step(right(classroom.num_envs))[0] for _ in range(steps)]
    return seen


def test_every_episode_plays_the_lesson_that_was_served() -> None:
    """Trap 1: nothing is lost, prefetched or played on a stale lesson."""
    teacher = Counted()
    classroom = Classroom(line(), [teacher])
    observations, _ = classroom.reset()
    current = {i: classroom.lessons[i] for i in range(4)}
    finished = 0
    for _ in range(60):
        np.testing.assert_allclose(observations[:, 1], [current[i].task[0] for i in range(4)], rtol=1e-6)
        observations, _, terminated, truncated, _ = classroom.step(right())
        for i in np.flatnonzero(terminated | truncated).tolist():
            finished += 1
            assert classroom.lessons[i].id > max(lesson.id for lesson in current.values())
            current[i] = classroom.lessons[i]
    episodes = classroom.take_episodes()
    assert finished == len(episodes) > 10
    assert sorted({e.lesson.id for e in episodes}) == [e.lesson.id for e in sorted(episodes, key=lambda e: e.lesson.id)]
    assert classroom.take_episodes() == []


def test_episode_accounts_match_a_lone_environment() -> None:
    classroom = Classroom(line(2), [Counted()])
    classroom.attach(Walker())  # type: ignore[arg-type]
    run(classroom, 30)
    for episode in classroom.take_episodes():
        env = Line()
        first, _ = env.reset(seed=episode.seed, options={"task": episode.lesson.task})
        np.testing.assert_array_equal(first, episode.first_observation)
        rewards, ended, info = [], False, {}
        while not ended:
            _, reward, terminated, truncated, info = env.step(right(1)[0])
            rewards.append(reward)
            ended = terminated or truncated
        assert episode.length == len(rewards)
        assert episode.episode_return == pytest.approx(sum(rewards), abs=1e-12)
        assert episode.taught_return == pytest.approx(sum(rewards), abs=1e-12)
        assert episode.discounted_return == pytest.approx(sum(r * 0.9**t for t, r in enumerate(rewards)))
        assert episode.success == info["is_success"] == episode.terminated


def test_reports_come_once_a_step_before_the_next_lessons() -> None:
    order: list[str] = []

    class Watched(Counted):
        def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
            order.append("sample")
            return super().sample_tasks(n, student)

        def update(self, report: Any) -> None:
            order.append("update")
            super().update(report)

    teacher = Watched()
    run(Classroom(line(), [teacher]), 40)
    assert order == ["sample"] + ["update", "sample"] * len(teacher.reports)
    assert all(report.episodes for report in teacher.reports)
    steps = [report.total_steps for report in teacher.reports]
    assert steps == sorted(set(steps))
    assert all(step % 4 == 0 for step in steps)


def test_final_observation_passes_the_same_transforms() -> None:
    """Trap 2: a final observation has the width of any other, and a stateful transform continues in it."""
    classroom = Classroom(line(), [Counted(), Widened()])
    assert classroom.single_observation_space.shape == (3,)
    observations, _ = classroom.reset()
    ages = np.zeros(4)
    ended_once = False
    for _ in range(40):
        np.testing.assert_array_equal(observations[:, 2], ages)
        observations, _, terminated, truncated, infos = classroom.step(right())
        done = terminated | truncated
        ages += 1
        for i in np.flatnonzero(done):
            ended_once = True
            assert infos["final_obs"][i].shape == (3,)
            assert infos["final_obs"][i][2] == ages[i]
            assert infos["final_obs"][i][0] != observations[i, 0]
        ages[done] = 0
    assert ended_once


def test_infos_are_those_of_a_same_step_autoreset() -> None:
    classroom = Classroom(line(), [Counted()])
    assert classroom.metadata["autoreset_mode"] is gymnasium.vector.AutoresetMode.SAME_STEP
    classroom.reset()
    for _ in range(40):
        _, _, terminated, truncated, infos = classroom.step(right())
        done = terminated | truncated
        if not done.any():
            assert "final_obs" not in infos
            continue
        np.testing.assert_array_equal(infos["_final_obs"], done)
        final = infos["final_info"]
        np.testing.assert_array_equal(final["is_success"][done], terminated[done])
        np.testing.assert_array_equal(final["_episode"], done)
        assert (final["episode"]["l"][done] > 0).all()


def test_subgoals_join_the_observation_and_switch_after_the_first_step() -> None:
    classroom = Classroom(line(), [Counted(), Halfway()])
    assert isinstance(classroom.single_observation_space, spaces.Dict)
    observations, _ = classroom.reset()
    np.testing.assert_allclose(observations["subgoal"][:, 0], observations["observation"][:, 1])
    for _ in range(30):
        observations, _, terminated, truncated, infos = classroom.step(right())
        done = terminated | truncated
        goals, tasks = observations["subgoal"][:, 0], observations["observation"][:, 1]
        np.testing.assert_allclose(goals, np.where(done, tasks, tasks / 2), rtol=1e-6)
        for i in np.flatnonzero(done):
            final = infos["final_obs"][i]
            np.testing.assert_allclose(final["subgoal"], final["observation"][1] / 2, rtol=1e-6)


def test_disabled_subgoals_keep_the_space_and_show_the_null_goal() -> None:
    classroom = Classroom(line(), [Counted(), Halfway()], disable=["subgoals"])
    for observations in run(classroom, 12):
        assert observations["subgoal"].shape == (4, 1)
        assert not observations["subgoal"].any()


def test_shaping_is_summed_and_every_shaper_sees_the_plain_reward() -> None:
    class Again(Doubled):
        """A second shaper."""

    classroom = Classroom(line(), [Counted(), Doubled(), Again()])
    classroom.reset()
    for _ in range(30):
        _, rewards, _, _, _ = classroom.step(right())
        np.testing.assert_allclose(rewards, 3 * classroom.last.rewards)  # type: ignore[union-attr]
    for episode in classroom.take_episodes():
        assert episode.taught_return == pytest.approx(3 * episode.episode_return)


def test_overrides_are_executed_and_the_first_teacher_wins() -> None:
    class Runner(Teacher):
        """Runs everywhere."""

        def override_actions(self, observations: Any, actions: Any, lessons: Any, first: Any) -> Any:
            return np.ones_like(actions), np.ones(len(actions), dtype=bool)

    classroom = Classroom(line(), [Counted(), Stopper(), Runner()])
    classroom.reset()
    classroom.step(right())
    step = classroom.last
    assert step is not None
    np.testing.assert_array_equal(step.executed[:, 0], [0, 1, 0, 1])
    np.testing.assert_array_equal(step.actions, right())
    assert step.overridden.all()
    moved = step.next_observations[:, 0] - step.observations[:, 0]
    np.testing.assert_allclose(moved, [0, 1, 0, 1], atol=0.06)


def test_labels_come_with_the_step_and_are_counted() -> None:
    classroom = Classroom(line(), [Counted(), Knows()])
    classroom.reset()
    counted = 0
    for _ in range(10):
        classroom.step(right())
        (labels,) = classroom.labels
        step = classroom.last
        assert step is not None
        away = step.observations[:, 1] - step.observations[:, 0]
        np.testing.assert_allclose(labels.actions[:, 0], np.clip(away, -1, 1))
        counted += int(labels.mask.sum())
    assert classroom.counters.labels == counted > 0


def test_starts_begin_where_the_teacher_says() -> None:
    classroom = Classroom(make_vec(ExactLine, 4), [Counted(), FromTheMiddle()])
    observations, _ = classroom.reset()
    np.testing.assert_allclose(observations[[0, 2], 0], observations[[0, 2], 1] / 2)
    assert (np.abs(observations[[1, 3], 0]) <= 0.5).all()
    assert [lesson.start_id for lesson in classroom.lessons] == [0, -1, 2, -1]


def test_views_reach_teachers_whole_and_the_student_one_at_a_time() -> None:
    for view, width in (("student", 1), ("teacher", 2)):
        classroom = Classroom(line(4, views=True), [Counted(), Knows()], view=view, keep=["teacher"])
        assert classroom.single_observation_space.shape == (width,)
        observations, _ = classroom.reset()
        assert observations.shape == (4, width)
        classroom.step(right())
        step = classroom.last
        assert step is not None
        assert step.next_observations["teacher"].shape == (4, 2)
    with pytest.raises(UnknownName, match="view 'techer'.*'teacher'"):
        Classroom(line(4, views=True), view="techer")
    with pytest.raises(UnknownName, match="one view"):
        Classroom(line(4), view="teacher")
    with pytest.raises(UnknownName, match="view 'critic'"):
        Classroom(line(4, views=True), keep=["critic"])


def test_disabled_tasks_are_uniform_and_the_teacher_still_hears() -> None:
    teacher = Counted()
    classroom = Classroom(line(), [teacher], disable=["Counted.tasks"])
    run(classroom, 200)
    goals = np.array([e.lesson.task[0] for e in classroom.take_episodes()])
    assert teacher.served == 0
    assert len(teacher.reports) > 20
    assert goals.min() < 1.3
    assert goals.max() > 2.7
    assert classroom.channels == frozenset()


def test_disabling_does_not_move_other_streams() -> None:
    """The seeds of episodes are the same whichever teachers act on other channels."""
    plain, shaped = Classroom(line(), [Counted()]), Classroom(line(), [Counted(), Doubled()])
    for a, b in zip(run(plain, 30), run(shaped, 30), strict=True):
        np.testing.assert_array_equal(a, b)


def test_teachers_never_share_a_stream_and_seed_zero_is_a_seed() -> None:
    """Trap 9."""
    first, second, third = Doubled(), Doubled(), Doubled()
    Classroom(line(), [first, second], seed=0)
    Classroom(line(), [third], seed=0)
    draws = [t.rng.random(4).tolist() for t in (first, second, third)]
    assert draws[0] != draws[1]
    assert draws[0] == draws[2]
    a, b, c = (Classroom(line(), seed=s).reset()[0] for s in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_rollout_cadence_repeats_lessons_and_truncates_at_the_next_rollout() -> None:
    class Slow(Counted):
        """Asks when rollouts begin."""

        cadence = "rollout"

    teacher = Slow()
    classroom = Classroom(line(), [teacher])
    observations = classroom.reset()[0]
    assert classroom.begin_rollout() is observations  # nothing was played since the reset
    starts: dict[int, list[Any]] = {i: [] for i in range(4)}
    for _ in range(30):
        seen, first = classroom.observed()
        for i in np.flatnonzero(first):
            starts[int(i)].append(seen[i].tolist())
        classroom.step(right())
        assert [x.id for x in classroom.lessons] == [0, 1, 2, 3]
    assert all(len(s) > 1 and all(row == s[0] for row in s) for s in starts.values())
    assert teacher.served == 4
    new = classroom.begin_rollout()
    assert new is not None
    assert classroom.observed()[1].all()
    assert [x.id for x in classroom.lessons] == [4, 5, 6, 7]
    assert classroom.last_ids.tolist() == [0, 1, 2, 3]


def test_learn_false_is_played_and_counted_but_not_learned_from() -> None:
    class Exam(Counted):
        """Every second lesson is an exam."""

        def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
            return [Lesson(x.task, learn=x.id % 2 == 0, id=x.id) for x in super().sample_tasks(n, student)]

    classroom = Classroom(line(), [Exam()])
    learned = 0
    classroom.reset()
    for _ in range(20):
        classroom.step(right())
        learned += int(classroom.last_learn.sum())
        np.testing.assert_array_equal(classroom.last_learn, classroom.last_ids % 2 == 0)
    assert classroom.counters.total_steps == 80
    assert classroom.counters.student_steps == learned < 80


def test_from_policy_labels_and_acts_with_one_uninterrupted_memory() -> None:
    """Trap 7: a recurrent teacher is asked once a step, in order, whichever channels are on."""

    class Counter:
        """A policy whose action is its own age."""

        def act(self, observations: Any, state: Any = None, first: Any = None, deterministic: bool = True) -> Any:
            state = np.zeros(len(observations)) if state is None else np.where(first, 0, state + 1)
            return (state / 100)[:, None].astype(np.float32), state

    both = FromPolicy(Counter(), channels=("labels", "actions"))
    classroom = Classroom(line(4, views=True), [both])
    classroom.reset()
    age = np.zeros(4)
    for _ in range(30):
        _, _, terminated, truncated, _ = classroom.step(right())
        assert classroom.last is not None
        np.testing.assert_allclose(classroom.last.executed[:, 0], age / 100, rtol=1e-6)
        np.testing.assert_allclose(classroom.labels[0].actions[:, 0], age / 100, rtol=1e-6)
        age = np.where(terminated | truncated, 0, age + 1)
