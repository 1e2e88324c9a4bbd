"""The reverse curriculum's gate, by hand."""

import numpy as np
import pytest

from teachrl import Lesson
from teachrl.errors import InvalidHyperparameter
from teachrl.lessons import Report
from teachrl.teachers import ReverseCurriculum


def places(teacher, n=60):
    return {lesson.start_id for lesson in teacher.sample_starts([Lesson()] * n)}


def test_it_goes_back_from_the_end_and_arrives(walk, begun, ended):
    """Episodes of 3 and 2 snapshots: 0 1 2 and 3 4."""
    teacher = begun(ReverseCurriculum(walk((3, 2)), threshold=1.0, window=2))
    assert places(teacher) == {2, 4}
    teacher.update(ended((2, 0.0, True)))
    teacher.update(ended((4, 0.0, False), (2, 0.0, False)))
    assert places(teacher) == {2, 4}
    assert teacher.scalars() == {"restored": 1.0, "unmatched": 0.0, "depth": 0.0, "success": 0.0, "original": 0.0}
    teacher.update(ended((4, 0.0, True), (2, 0.0, True)))
    assert teacher.scalars()["depth"] == 1
    assert places(teacher) == {1, 3}
    teacher.update(ended((2, 0.0, True), (4, 0.0, True)))  # begun before: they do not count
    assert (teacher.scalars()["depth"], teacher.scalars()["success"]) == (1, 0)
    teacher.update(ended((1, 0.0, True), (3, 0.0, True)))
    assert places(teacher) == {0, 3}  # the shorter one has no more than its first
    teacher.update(ended((3, 0.0, True), (0, 0.0, False), (3, 0.0, True)))
    assert teacher.scalars()["original"] == 0
    teacher.update(ended((0, 0.0, True)))
    assert teacher.scalars()["original"] == 1
    assert teacher.sample_starts([Lesson()])[0].start is None
    teacher.update(ended((0, 0.0, False), (0, 0.0, False)))
    assert teacher.scalars()["original"] == 1


def test_the_time_limit_stays_the_teachers(walk, begun):
    known = walk((3,))
    (lesson,) = begun(ReverseCurriculum(known)).sample_starts([Lesson()])
    assert lesson.start is known.states[2]
    assert lesson.limit is None


def test_steps_and_spread(walk, begun, ended):
    teacher = begun(ReverseCurriculum(walk((8,)), window=1, threshold=1.0, step=3, spread=2))
    assert places(teacher) == {7}
    teacher.update(ended((7, 0.0, True)))
    assert places(teacher) == {4, 5}
    teacher.update(ended((6, 0.0, True), (3, 0.0, True)))  # neither of them
    assert teacher.scalars()["depth"] == 3
    teacher.update(ended((5, 0.0, True)))
    assert places(teacher) == {1, 2}
    teacher.update(ended((1, 0.0, True)))
    assert teacher.scalars()["original"] == 1


@pytest.mark.parametrize(
    ("to_go", "share", "returned", "success"),
    [
        (10.0, 0.8, 8.0, True),
        (10.0, 0.8, 7.99, False),
        (10.0, 1.0, 10.0, True),
        (-10.0, 0.8, -12.0, True),
        (-10.0, 0.8, -12.01, False),
        (0.0, 0.8, -0.01, False),
        (0.1 + (0.2 + 0.3), 1.0, (0.1 + 0.2) + 0.3, True),
        ((0.1 + 0.2) + 0.3, 1.0, 0.1 + (0.2 + 0.3), True),
    ],
)
def test_success_without_the_environments_word(to_go, share, returned, success, walk, begun, ended):
    teacher = begun(ReverseCurriculum(walk((2,), to_go=[1e3, to_go]), window=1, threshold=1.0, share=share))
    teacher.sample_starts([Lesson()])
    teacher.update(ended((1, returned, None)))
    assert teacher.scalars()["depth"] == success


def test_a_share_that_is_met_exactly_is_enough(walk, begun, ended):
    """0.55 x 100 is more than 55 in floating point."""
    teacher = begun(ReverseCurriculum(walk((3,)), window=100, threshold=0.55))
    teacher.sample_starts([Lesson()])
    teacher.update(ended(*((2, 0.0, i < 55) for i in range(100))))
    assert teacher.scalars()["depth"] == 1


def test_it_ends_in_any_case(walk, begun):
    teacher = begun(ReverseCurriculum(walk(), steps=5))
    teacher.update(Report(5))
    assert teacher.sample_starts([Lesson()])[0].start is None
    assert teacher.scalars()["original"] == 1


def test_replays_of_other_tasks(walk, begun):
    from gymnasium import spaces

    known = walk((2, 3), kind="replay", tasks=[np.float32([0.5]), np.float32([0.25])])
    teacher = begun(ReverseCurriculum(known), spaces.Box(0, 1, (1,)))
    assert {x.start_id for x in teacher.sample_starts([Lesson([0.25])] * 9)} == {4}
    assert {x.start_id for x in teacher.sample_starts([Lesson([0.5])] * 9)} == {1}


def test_it_goes_on_where_it_was(walk, begun, ended):
    first, second = (begun(ReverseCurriculum(walk((6,)), window=2, threshold=0.5), seed=k) for k in range(2))
    first.sample_starts([Lesson()])
    first.update(ended((5, 0.0, True), (5, 0.0, True), (4, 0.0, False)))
    second.load_state_dict(first.state_dict())
    assert second.scalars() == first.scalars()
    second.update(ended((4, 0.0, True)))
    assert second.scalars()["depth"] == 2


@pytest.mark.parametrize(
    "arguments", [{"threshold": 1.5}, {"window": 0}, {"step": 0}, {"spread": 0}, {"share": -1}, {"steps": 0}]
)
def test_impossible_arguments(arguments, walk, begun):
    with pytest.raises(InvalidHyperparameter, match=f"ReverseCurriculum.{next(iter(arguments))} must be"):
        begun(ReverseCurriculum(walk(), **arguments))
