"""S3RL and plain snapshots: clusters by hand, how often each is drawn, truncation, and the end of the first phase."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from gymnasium import spaces

from teachrl import Classroom, Lesson, _starts, make_vec
from teachrl.errors import InvalidEnvironment, InvalidHyperparameter, InvalidTeacher
from teachrl.lessons import Report
from teachrl.runs import collect
from teachrl.teachers import S3RL, Snapshots, Uniform
from teachrl.teachers.starts.s3rl import classify

BOX = spaces.Box(0.0, 1.0, (1,), np.float32)


@pytest.mark.parametrize(
    ("values", "clusters", "expected"),
    [
        ([0, 10, 1, 11, 5], 3, [[0, 2], [4], [1, 3]]),  # the best of all partitions, by hand
        ([5, 5, 5, 9], 3, [[0, 1, 2], [3]]),  # two values: two clusters
        ([5, 5], 6, [[0, 1]]),
        ([3, 1, 2], 3, [[1], [2], [0]]),
        ([3, 1, 2], 1, [[0, 1, 2]]),
        (np.arange(4) * 1e9, 2, [[0, 1], [2, 3]]),
        ([-7.5] * 5, 3, [[0, 1, 2, 3, 4]]),
        ([0] * 5, 3, [[0, 1, 2, 3, 4]]),
        ([1e9, 1e9 + 1e-6, 1e9 + 3e-6], 3, [[0], [1], [2]]),
        ([1, 1 + 2**-52, 2], 3, [[0], [1], [2]]),
        ([0, 1e-200, 1], 3, [[0, 1], [2]]),  # the squared distance of two is 0
        ([0, 1e-200, 9e-200], 2, [[0, 1], [2]]),
        ([-1e308, 1e308, 9e307], 2, [[0], [1, 2]]),
    ],
)
def test_clusters_by_hand(values, clusters, expected):
    assert [group.tolist() for group in classify(np.array(values, float), clusters)] == expected


def test_every_value_is_nearest_to_the_centre_of_its_own_cluster():
    values = np.random.default_rng(0).normal(size=200).cumsum()
    groups = classify(values, 6)
    assert sorted(np.concatenate(groups).tolist()) == list(range(200))
    centres = np.array([values[group].mean() for group in groups])
    assert (np.diff(centres) > 0).all()
    for number, group in enumerate(groups):
        away = np.abs(values[group][:, None] - centres)
        assert (away.argmin(axis=1) == number).all()


def test_clusters_are_drawn_equally_often(walk, begun):
    """Of 20 snapshots 18 are worth 0, one 5 and one 10: each is drawn 1/54, 1/3 and 1/3 of the time."""
    values = np.zeros(20)
    values[[7, 19]] = 5, 10
    n = 6000
    drawn = Counter(
        lesson.start_id for lesson in begun(S3RL(walk((20,), values), clusters=3)).sample_starts([Lesson()] * n)
    )
    assert len(drawn) == 20
    for k, share in [(7, 1 / 3), (19, 1 / 3), (0, 1 / 54), (12, 1 / 54)]:
        assert abs(drawn[k] - n * share) < 4.5 * np.sqrt(n * share * (1 - share))


@pytest.mark.parametrize("clusters", [0, None, 1])
def test_without_classification_snapshots_are_drawn_equally_often(clusters, walk, begun):
    values = np.zeros(20)
    values[7] = 5
    n = 6000
    for teacher in (S3RL(walk((20,), values), clusters=clusters), Snapshots(walk((20,), values))):
        drawn = Counter(lesson.start_id for lesson in begun(teacher).sample_starts([Lesson()] * n))
        assert max(abs(drawn[k] - n / 20) for k in range(20)) < 4.5 * np.sqrt(n / 20)


def test_lessons_carry_the_state_the_mark_and_the_limit(walk, begun):
    known = walk((3,))
    teacher = begun(S3RL(known, clusters=0))
    lessons = teacher.sample_starts([Lesson(seed=5, id=k, limit=limit) for k, limit in enumerate((None, 7, 700))])
    for k, lesson in enumerate(lessons):
        state = known.states[lesson.start_id]
        assert (lesson.start.payload, lesson.start.elapsed) == (state.payload, 0)  # the time limit counts from here
        assert (lesson.seed, lesson.id, lesson.limit) == (5, k, (100, 7, 100)[k])
    assert begun(S3RL(known, limit=None)).sample_starts([Lesson()])[0].limit is None
    assert begun(S3RL(known, limit=None)).sample_starts([Lesson(limit=4)])[0].limit == 4
    assert begun(Snapshots(known)).sample_starts([Lesson(limit=4)])[0].limit == 4
    assert known.states[2].elapsed == 2


def test_what_stays_as_it_is(walk, begun):
    known = walk()
    for teacher in (S3RL(known), Snapshots(known)):
        scored, placed = Lesson(learn=False), Lesson(start=known.states[0])
        assert begun(teacher).sample_starts([scored, placed]) == [scored, placed]
        assert teacher.scalars()["restored"] == 0
        assert teacher.scalars()["unmatched"] == 0


def test_the_first_phase_ends_at_the_exact_step(walk, begun):
    teacher = begun(S3RL(walk(), steps=100, clusters=2))
    for steps, restored in [(0, True), (99, True), (100, False), (101, False)]:
        teacher.update(Report(steps))
        lesson = teacher.sample_starts([Lesson()])[0]
        assert (lesson.start is not None, lesson.limit is not None) == (restored, restored)
        assert teacher.scalars()["first_phase"] == restored
    assert teacher.scalars()["restored"] == 0.5
    assert teacher.scalars()["cluster_0"] + teacher.scalars()["cluster_1"] == 2
    endless = begun(S3RL(walk(), steps=None))
    endless.update(Report(10**9))
    assert endless.sample_starts([Lesson()])[0].start is not None


def test_replays_begin_lessons_of_their_own_task_only(walk, begun):
    known = walk((2, 3, 2), kind="replay", tasks=[np.float32([0.5]), np.float32([0.25]), np.float32([0.5])])
    teacher = begun(S3RL(known, clusters=2), BOX)
    for task, places in [([0.5], {0, 1, 5, 6}), (np.float64([0.25]), {2, 3, 4})]:
        lessons = teacher.sample_starts([Lesson(task)] * 60)
        assert {lesson.start_id for lesson in lessons} == places
        assert all(lesson.start is known.states[lesson.start_id] for lesson in lessons)  # elapsed as it was
    assert teacher.scalars()["unmatched"] == 0
    others = [Lesson([0.75]), Lesson(None)]
    assert teacher.sample_starts(others) == others
    assert teacher.scalars()["unmatched"] == 2
    assert begun(S3RL(walk(kind="replay"))).sample_starts([Lesson()])[0].start is not None
    outside = walk((2,), kind="replay", tasks=[np.float32([7.0])])
    assert begun(S3RL(outside), BOX).sample_starts([Lesson([1.0])])[0].start is None


def test_where_nobody_sets_tasks_lessons_take_those_of_replays(walk, begun):
    known = walk(
        (2, 3), kind="replay", tasks=[np.float32([0.5]), np.float32([7.0])]
    )  # the second is out of bounds here
    lessons = begun(S3RL(known, clusters=2), BOX, tasks_are_set=False).sample_starts([Lesson([0.75])] * 60)
    assert {lesson.start_id for lesson in lessons} == {0, 1}
    assert {float(lesson.task[0]) for lesson in lessons} == {0.5}
    exact = begun(S3RL(walk((2,), tasks=[np.float32([0.5])])), BOX, tasks_are_set=False)
    assert exact.sample_starts([Lesson([0.75])])[0].task == [0.75]


def test_a_task_teacher_that_never_meets_a_replay_is_told_so(walk, begun):
    teacher = begun(S3RL(walk((2,), kind="replay", tasks=[np.float32([0.5])])), BOX)
    teacher.sample_starts([Lesson([0.75])] * 99)
    with pytest.warns(RuntimeWarning, match="None of the first 100 lessons begins at a snapshot of S3RL"):
        teacher.sample_starts([Lesson([0.75])])


def test_exact_states_begin_lessons_of_any_task(walk, begun):
    known = walk((2,), tasks=[np.float32([0.5])])
    (lesson,) = begun(S3RL(known), BOX).sample_starts([Lesson([0.75])])
    assert lesson.start is not None
    assert lesson.task == [0.75]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"clusters": -1}, "S3RL.clusters must be None or an integer of at least 0, got -1"),
        ({"clusters": 2.5}, "S3RL.clusters"),
        ({"limit": 0}, "S3RL.limit must be None or an integer of at least 1"),
        ({"steps": 0}, "S3RL.steps must be None or an integer of at least 1"),
        ({"trajectories": ""}, "S3RL.trajectories must be a file that `teachrl collect` wrote"),
        ({"trajectories": 3}, "S3RL.trajectories must be"),
    ],
)
def test_impossible_arguments(arguments, match, walk, begun):
    with pytest.raises(InvalidHyperparameter, match=match):
        begun(S3RL(**{"trajectories": walk(), **arguments}))


def test_trajectories_of_something_else(walk, begun, make_setup, tmp_path):
    known = walk()
    for setup, match in [
        ({"env_id": "Test-v1"}, r"cannot teach in Test-v1: the trajectories are of Test-v0.*--env Test-v1"),
        ({"action_space": spaces.Discrete(3)}, r"actions are of Discrete\(2\), not of Discrete\(3\)"),
        ({"unrestorable": "a wrapper keeps frames."}, "which it cannot be put into .*: a wrapper keeps frames"),
    ]:
        with pytest.raises(InvalidTeacher, match=match):
            begun(S3RL(known), **setup)
    with pytest.raises(InvalidTeacher, match="the trajectories have tasks, and it has no task space"):
        begun(S3RL(walk((2,), tasks=[np.float32([0.5])])))
    assert begun(S3RL(walk(kind="replay")), unrestorable="it cannot").sample_starts([Lesson()])[0].start is not None
    (tmp_path / "bad").write_bytes(b"bad")
    teacher = begun(S3RL(str(tmp_path / "bad")))  # an evaluation goes no further than that
    with pytest.raises(InvalidEnvironment, match="no whole file of trajectories"):
        teacher.validate(None)


def test_environments_that_are_made_otherwise(walk, begun):
    """Wrappers count for replays; what a function is called counts, and not where it lies in memory."""
    said = {"class_path": "a.Sticky", "init_args": {"p": 0.25}}
    made = {"env_kwargs": {"size": 5, "shape": [1, 2], "f": "<function f at 0x7f01>"}, "wrappers": [said]}
    same = {"env_kwargs": {"size": 5.0, "shape": (1, 2), "f": "<function f at 0x9a>"}, "wrappers": (said,)}
    for kind, changes, match in [
        ("replay", {"env_kwargs": {"size": 6}}, r"with the env_kwargs \{'size': 6\}, and it is made with \{'size': 5"),
        ("exact", {"env_kwargs": {}}, r"with the env_kwargs \{\}, and it is made with .*Make it as it was made"),
        ("replay", {"wrappers": []}, r"with the wrappers \[\], and it is made with \[.*a\.Sticky.*collect as it is"),
    ]:
        with pytest.raises(InvalidTeacher, match=match):
            begun(S3RL(replace(walk(kind=kind), **{**same, **changes})), made_with=made)
        assert begun(S3RL(replace(walk(kind=kind), **{**same, **changes}))).known  # nobody knows how it was made
    for known in (replace(walk(kind="replay"), **same), replace(walk(), **{**same, "wrappers": []})):
        assert begun(S3RL(known), made_with=made).known


def test_recorded_tasks_are_checked_once(walk, begun, monkeypatch):
    known = walk((2, 3), kind="replay", tasks=[np.float32([0.5]), np.float32([0.25])])
    teacher = begun(S3RL(known), BOX)
    checked = []
    monkeypatch.setattr(_starts, "check_task", lambda task, *space: checked.append(task) or np.float32(task))
    assert all(lesson.start is not None for lesson in teacher.sample_starts([Lesson([0.5])] * 7))
    assert checked == [[0.5]] * 7


def test_a_file_that_is_not_there_is_missed_when_it_is_needed(begun, walk, tmp_path):
    teacher = begun(S3RL(str(tmp_path / "a.states"), steps=10))
    for need in (lambda: teacher.validate(None), lambda: teacher.sample_starts([Lesson()])):
        with pytest.raises(InvalidEnvironment, match=r"a\.states cannot be read: there is no such file"):
            need()
    state = teacher.state_dict()
    teacher.update(Report(10))
    assert teacher.sample_starts([Lesson()])[0].start is None  # nobody needs it any more
    teacher.load_state_dict(state)
    walk().save(tmp_path / "a.states")
    assert teacher.sample_starts([Lesson()])[0].start is not None


def test_a_file_that_has_changed_is_refused(begun, walk, tmp_path):
    file = walk().save(tmp_path / "a.states")
    first = begun(S3RL(file))
    first.sample_starts([Lesson()])
    walk((4, 4)).save(file)
    second = begun(S3RL(file))
    second.load_state_dict(first.state_dict())
    with pytest.raises(InvalidTeacher, match="have changed since this run began"):
        second.sample_starts([Lesson()])


def test_it_goes_on_where_it_was(begun, walk, tmp_path):
    known = walk((9, 8), np.arange(17) % 5)
    first, second = begun(S3RL(known, clusters=3)), begun(S3RL(known, clusters=3), seed=1)
    first.sample_starts([Lesson()] * 10)
    state = first.state_dict()
    assert "trajectories" not in str(sorted(state))
    second.load_state_dict(state)
    assert second.scalars() == first.scalars()
    a, b = ([x.start_id for x in t.sample_starts([Lesson()] * 30)] for t in (first, second))
    assert a == b


def test_in_a_classroom(tmp_path):
    """With tasks, limits that truncate and never terminate, returns from the start on, and a channel to switch off."""
    places = {"env": "TeachRL/PointMass-v0", "out": str(tmp_path / "a"), "progress": "none"}
    found = collect(_stay, **places, episodes=3, snapshot_every=5).trajectories
    teachers = [Uniform(), S3RL(found, limit=4, clusters=2)]
    room = Classroom(make_vec("TeachRL/PointMass-v0", 6), teachers, seed=1)
    observations, _ = room.reset()
    for lesson, seen in zip(room.lessons, observations, strict=True):
        position = found.states[lesson.start_id].payload["position"]
        np.testing.assert_allclose(seen[[0, 2]], position, atol=1e-5)
    rewards = np.zeros(6)
    for k in range(4):
        _, paid, terminated, truncated, _ = room.step(np.zeros((6, 2), np.float32))
        rewards += paid
        assert not terminated.any()
        assert truncated.all() == (k == 3)
    episodes = room.take_episodes()
    np.testing.assert_allclose([e.episode_return for e in episodes], rewards)
    assert [(e.length, e.terminated, e.lesson.limit) for e in episodes] == [(4, False, 4)] * 6
    assert len({e.lesson.task.tobytes() for e in episodes}) == 6
    off = Classroom(make_vec("TeachRL/PointMass-v0", 6), [Uniform(), S3RL(found)], disable=["starts"])
    off.reset()
    assert all(lesson.start is None and lesson.limit is None and lesson.start_id == -1 for lesson in off.lessons)


def _stay(observations):
    return np.zeros((len(observations), 2), np.float32)


def test_replace_keeps_the_trajectories_apart(walk):
    known = walk()
    assert replace(known, teacher="you").digest() == known.digest()
