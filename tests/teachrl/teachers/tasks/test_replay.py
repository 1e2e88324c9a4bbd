"""Replay: when it serves which lesson, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from teachrl._recordings import Recording, task_of
from teachrl.errors import InvalidHyperparameter, InvalidRun, InvalidTeacher
from teachrl.lessons import Report
from teachrl.runs.tables import task_numbers
from teachrl.teachers import Replay

LINE = spaces.Box(0.0, 1000.0, (1,))


def begun(setup, run, **arguments):
    teacher = Replay(run, **arguments)
    teacher.begin(setup)
    return teacher


def served(teacher, n, steps=None):
    """Returns the seeds of the lessons served after `steps`."""
    if steps is not None:
        teacher.update(Report(steps))
    return [lesson.seed for lesson in teacher.sample_tasks(n)]


def slots(count, length=5, num_envs=2):
    """Rows of `count` lessons, one beginning every 10 steps, with seeds 0, 1, 2 ..., ending in another order."""
    rows = [(10 * i + length * num_envs, [float(i)], i, length) for i in range(count)]
    return [*rows[1::2], *rows[::2]]


def test_lessons_come_in_the_order_in_which_they_began(record, make_setup):
    run = record(
        (40, [3.0], 13, 5), (20, [1.0], 11, 10, {"env": 1}), (20, [0.0], 10, 10), (60, [2.0], 12, 30, {"env": 2}),
    )  # fmt: skip
    teacher = begun(make_setup(LINE), run)
    lessons = teacher.sample_tasks(3)
    assert [(lesson.task.tolist(), lesson.seed, lesson.learn) for lesson in lessons] == [
        ([0.0], 10, True), ([1.0], 11, True), ([2.0], 12, True),
    ]  # fmt: skip
    assert lessons[0].task.dtype == np.float32
    assert served(teacher, 1, steps=30) == [13]


def test_each_lesson_is_due_when_it_was(record, make_setup):
    teacher = begun(make_setup(LINE), record(*slots(200)))
    assert served(teacher, 1) == [0]
    assert [served(teacher, 1, steps) for steps in (10, 20, 30)] == [[1], [2], [3]]
    assert served(teacher, 3, steps=69) == [4, 5, 6]
    assert teacher.scalars() == {"position": 7 / 200, "repeated": 0.0, "dropped": 0.0}


def test_of_too_many_the_newest_are_served_and_the_others_wait(record, make_setup):
    teacher = begun(make_setup(LINE), record(*slots(200)))
    assert served(teacher, 1) == [0]
    assert served(teacher, 2, steps=50) == [4, 5]
    assert served(teacher, 2, steps=60) == [3, 6]
    assert served(teacher, 2, steps=61) == [1, 2]
    assert teacher.scalars() == {"position": 7 / 200, "repeated": 0.0, "dropped": 0.0}


def test_who_waits_for_too_long_is_dropped(record, make_setup):
    teacher = begun(make_setup(LINE), record(*slots(200)))
    assert served(teacher, 1, steps=20) == [2]  # 0 and 1 wait
    assert served(teacher, 98, steps=1000) == list(range(3, 101))
    assert teacher.scalars()["dropped"] == 1 / 101  # 1 is the oldest of the last hundred
    assert served(teacher, 1, steps=1001) == [1]
    assert served(teacher, 1, steps=1002)[0] in range(1, 101)


def test_too_few_are_filled_up_from_the_last_hundred(record, make_setup):
    teacher = begun(make_setup(LINE), record(*slots(300)))
    assert served(teacher, 150, steps=1490) == list(range(150))
    assert served(teacher, 1, steps=1500) == [150]
    lessons = served(teacher, 4001, steps=1510)
    assert lessons[0] == 151
    counts = np.bincount(lessons[1:], minlength=300)
    assert counts[52:152].sum() == 4000
    assert ((counts[52:152] - 40) ** 2 / 40).sum() < 149.4  # chi-square, 99 degrees of freedom: 1 in 1000
    assert teacher.scalars()["repeated"] == 4000 / 4152


def test_after_its_end_the_record_goes_on_as_at_its_end(record, make_setup):
    teacher = begun(make_setup(LINE), record(*slots(150)))
    assert served(teacher, 1, steps=10_000) == [149]
    more = [served(teacher, 1, steps=10_000 + k)[0] for k in range(1, 200)]
    assert min(more) >= 50
    assert len(set(more)) > 50
    assert teacher.scalars()["position"] == 1.0


def test_before_its_beginning_there_are_the_first_hundred(record, make_setup):
    teacher = begun(make_setup(LINE), record(*[(row[0] + 500, *row[1:]) for row in slots(200)]))
    assert max(served(teacher, 300)) < 100
    assert served(teacher, 1, steps=500) == [0]


def test_lessons_that_were_not_played_are_due_again(record, make_setup):
    teacher = begun(make_setup(LINE), record(*slots(50, num_envs=4), num_envs=4))
    assert served(teacher, 2, steps=10) == served(teacher, 2) == [0, 1]
    assert served(teacher, 2, steps=30) == [2, 3]
    assert teacher.scalars() == {"position": 4 / 50, "repeated": 0.0, "dropped": 0.0}


@pytest.mark.parametrize("order", ["shuffled", "reversed"])
def test_other_orders_keep_the_lessons_and_the_times(order, record, make_setup):
    run = record(*slots(120))
    teacher, again, other = (begun(make_setup(LINE, seed=seed), run, order=order) for seed in (0, 0, 1))
    lessons = [served(teacher, 1, steps)[0] for steps in range(0, 1200, 10)]
    assert sorted(lessons) == list(range(120))
    assert lessons != sorted(lessons)
    assert lessons == [served(again, 1, steps)[0] for steps in range(0, 1200, 10)]
    different = lessons != [served(other, 1, steps)[0] for steps in range(0, 1200, 10)]
    assert different == (order == "shuffled")
    if order == "reversed":
        assert lessons == list(range(119, -1, -1))


def test_a_lesson_keeps_its_task_seed_and_mask_together(record, make_setup):
    rows = [(row[0], row[1], row[2], row[3], {"learn": row[2] % 3 == 0}) for row in slots(60)]
    teacher = begun(make_setup(LINE), record(*rows), order="shuffled")
    for lesson in teacher.sample_tasks(40):
        assert (lesson.task.tolist(), lesson.learn) == ([lesson.seed], lesson.seed % 3 == 0)


def test_only_the_first_students_lessons_count(record, make_setup):
    teacher = begun(make_setup(LINE), record((10, [1.0], 1, 5), (10, [2.0], 2, 5, {"student": 1})))
    assert set(served(teacher, 20)) == {1}


@given(
    gaps=st.lists(st.integers(0, 3), min_size=1, max_size=400),
    requests=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=40),
)
def test_a_schedule_is_followed_whatever_is_asked(gaps, requests):
    """Served are the newest of the last hundred due lessons that were not served, and those again to fill up."""
    times = np.cumsum(gaps)
    seen, previous, time, teacher = set(), 0, 0, scheduled(times)
    for passed, n in requests:
        time += passed
        teacher.update(Report(time))
        lessons = teacher.sample_tasks(n)
        due = int((times <= time).sum())
        fresh = [i for i in range(due) if i not in seen and i >= min(previous, due - 100)][-n:]
        assert lessons[: len(fresh)] == fresh
        assert set(lessons[len(fresh) :]) <= set(range(max(due - 100, 0), due) or range(100))
        assert len(lessons) == n
        seen, previous = seen | set(fresh), due


def scheduled(times):
    """A teacher of lessons that began at `times`, which are named by their numbers."""
    teacher, count = Replay("unused"), len(times)
    teacher.rng = np.random.default_rng(0)
    teacher._record = Recording(
        times, np.empty((count, 0)), np.arange(count), np.ones(count, bool), False, None, count
    )  # fmt: skip
    teacher._lessons, teacher._lesson = np.arange(count), int
    teacher._asked, teacher._waiting = -1, []
    teacher._tally = {"due": 0, "served": 0, "repeated": 0, "dropped": 0}
    return teacher


# Tasks


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-1.0, 2.0, (2, 3)),
        spaces.Box(0.0, 1.0, (2,), np.float64),
        spaces.Box(-5, 5, (3,), np.int16),
        spaces.Discrete(5, start=-2),
        spaces.MultiDiscrete([[3, 4], [2, 9]]),
        spaces.MultiBinary(4),
        spaces.Dict({"kind": spaces.Discrete(3), "place": spaces.Box(-1, 1, (2,))}),
        spaces.Tuple((spaces.Discrete(2), spaces.MultiDiscrete([2, 3]))),
    ],
)
def test_recorded_numbers_become_the_task_that_they_stand_for(space, record, make_setup):
    space.seed(3)
    tasks = [space.sample() for _ in range(20)]
    rows = [(10 * (i + 1), task_numbers(task, space), i, 5) for i, task in enumerate(tasks)]
    teacher = begun(make_setup(space), record(*rows))
    teacher.update(Report(10_000))
    for lesson, task in zip(teacher.sample_tasks(20), tasks, strict=True):
        assert space.contains(lesson.task)
        assert task_numbers(lesson.task, space) == task_numbers(task, space)
        assert getattr(lesson.task, "dtype", None) == getattr(task, "dtype", None)


def test_numbers_that_are_no_member():
    with pytest.raises(ValueError, match="is no member of"):
        task_of(np.array([1.5, 0.5]), spaces.Box(0, 1, (2,)))
    with pytest.raises(ValueError, match="is no member of"):
        task_of(np.array([1.0, 2.0]), spaces.Discrete(3))


@pytest.mark.parametrize("space", [None, LINE])
def test_a_record_without_tasks_replays_seeds(space, record, make_setup):
    teacher = begun(make_setup(space), record((10, None, 4, 5), (10, None, 5, 5, {"env": 1})))
    assert [(lesson.task, lesson.seed) for lesson in teacher.sample_tasks(2)] == [(None, 4), (None, 5)]


def test_default_tasks_among_others(record, make_setup):
    teacher = begun(make_setup(LINE), record((10, None, 4, 5), (10, [7.0], 5, 5, {"env": 1})))
    assert [lesson.task for lesson in teacher.sample_tasks(2)] == [None, [7.0]]


# Records


def test_an_unfinished_run_is_read_from_its_parts(record, make_setup):
    rows = slots(20)
    for steps in (90, 100):  # as text, 100 comes before 90
        run = record(*(rows[:10] if steps == 90 else rows[10:]), file=f"episodes/part-{steps}.parquet")
    teacher = begun(make_setup(LINE), run)
    assert sorted(served(teacher, 20, steps=1000)) == list(range(20))
    assert Recording.read(run, rows=10).seeds.tolist() == list(range(1, 20, 2))


def test_an_older_run_without_environments_keeps_the_order_of_its_table(record, make_setup):
    columns = ("steps", "task", "seed", "start", "learn", "return", "length", "success", "student")
    run = record((20, [1.0], 11, 10), (20, [0.0], 10, 10), (40, [3.0], 13, 5), columns=columns)
    assert served(begun(make_setup(LINE), run), 2) == [11, 10]


def test_not_a_run(tmp_path, record, make_setup):
    with pytest.raises(InvalidRun, match="is not the directory of a run"):
        begun(make_setup(LINE), str(tmp_path / "nothing"))
    with pytest.raises(InvalidRun, match="no finished episodes yet"):
        begun(make_setup(LINE), record())
    broken = record((10, [1.0], 1, 5))
    (tmp_path / "recorded" / "episodes.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InvalidRun, match="cannot be read"):
        begun(make_setup(LINE), broken)
    (tmp_path / "recorded" / "config.yaml").write_text("{")
    with pytest.raises(InvalidRun, match="is not the directory of a run"):
        begun(make_setup(LINE), broken)


def test_a_run_that_has_only_begun_has_no_episodes(tmp_path, record, make_setup):
    run = record()
    (tmp_path / "recorded" / "episodes.parquet").unlink()
    with pytest.raises(InvalidRun, match="until its next checkpoint"):
        begun(make_setup(LINE), run)


def test_tasks_of_several_spaces(record, make_setup):
    with pytest.raises(InvalidRun, match=r"\[1, 2\] numbers"):
        begun(make_setup(LINE), record((10, [1.0], 1, 5), (20, [1.0, 2.0], 1, 5)))


@pytest.mark.parametrize(
    ("space", "bounds", "message"),
    [
        (spaces.Box(0, 1, (2,)), None, r"\[7.0\] is no member of Box"),
        (spaces.Box(0, 1, (1,)), None, r"\[7.0\] is no member of Box"),
        (spaces.Discrete(3), None, r"\[7.0\] is no member of Discrete"),
        (None, None, "tasks of 1 numbers there, no task space here"),
        (LINE, {"names": ["x"], "low": [0.0], "high": [50.0]}, r"tasks with high \[50.0\] there, high \[1000.0\] here"),
        (LINE, {"names": ["x"], "low": [None], "high": [1000.0]}, r"tasks with low \[None\] there"),
        (LINE, {"names": ["x", "y"], "low": [0.0, 0.0], "high": [100.0, 1.0]}, r"tasks with low \[0.0, 0.0\] there"),
    ],
)
def test_another_task_space(space, bounds, message, record, make_setup):
    with pytest.raises(InvalidTeacher, match=message):
        begun(make_setup(space), record((10, [7.0], 1, 5), tasks=bounds))


def test_the_same_task_space(record, make_setup):
    run = record((10, [7.0], 1, 5), tasks={"names": ["x"], "low": [0.0], "high": [None]})
    begun(make_setup(spaces.Box(0, np.inf, (1,))), run)


def test_starts_are_refused_unless_another_teacher_sets_them(record, make_setup):
    run = record((10, [7.0], 1, 5, {"start": 3}))
    with pytest.raises(InvalidTeacher, match="ignore_starts=True"):
        begun(make_setup(LINE), run)
    (lesson,) = begun(make_setup(LINE), run, ignore_starts=True).sample_tasks(1)
    assert (lesson.task.tolist(), lesson.seed, lesson.start) == ([7.0], 1, None)


def test_an_unknown_order(record, make_setup):
    with pytest.raises(InvalidHyperparameter, match="Replay.order must be one of recorded, shuffled, reversed, got"):
        begun(make_setup(LINE), record((10, [7.0], 1, 5)), order="random")


# State


@pytest.mark.parametrize("order", ["recorded", "shuffled", "reversed"])
@pytest.mark.parametrize("grown", [False, True])
def test_it_goes_on_where_it_was_though_the_recorded_run_went_on(order, grown, record, make_setup):
    rows = slots(60)
    run = record(*rows[:50])
    teacher = begun(make_setup(LINE), run, order=order)
    for steps in range(0, 300, 7):
        served(teacher, 2, steps)
    state = teacher.state_dict()
    if grown:
        record(*rows)
    other = begun(make_setup(LINE), run, order=order)
    other.load_state_dict(state)
    for steps in range(300, 700, 7):
        assert served(teacher, 2, steps) == served(other, 2, steps)
    assert teacher.scalars() == other.scalars()


def test_a_record_that_has_changed_is_refused(record, make_setup):
    rows = slots(20)
    teacher = begun(make_setup(LINE), record(*rows))
    state = teacher.state_dict()
    other = begun(make_setup(LINE), record((rows[0][0], [1.5], *rows[0][2:]), *rows[1:]))
    with pytest.raises(InvalidTeacher, match="has changed since it was first replayed"):
        other.load_state_dict(state)


def test_a_state_holds_no_reference_to_its_teacher(record, make_setup):
    teacher = begun(make_setup(LINE), record(*slots(20)))
    state = teacher.state_dict()
    before = dict(state["tally"])
    served(teacher, 2, steps=50)
    assert state["tally"] == before


def test_the_setup_is_not_asked_for_a_student(record, make_setup):
    setup = replace(make_setup(LINE), num_envs=1)
    assert served(begun(setup, record(*slots(20))), 1) == [0]
