"""Prioritised starts: scores and probabilities by hand, and how often what is drawn."""

import itertools
from collections import Counter

import numpy as np
import pytest
from gymnasium import spaces

from teachrl import Classroom, Lesson, Teacher, make_vec
from teachrl.errors import InvalidHyperparameter, InvalidStudent, InvalidTeacher
from teachrl.lessons import Episode, Report
from teachrl.runs.states import Guide, Scout
from teachrl.teachers import PrioritizedStarts
from toys import ExactLine, GoRight, Halfway, Walker


def twice(observations):
    return 2 * observations[:, 0]


def test_errors_are_averaged(walk, begun, ended):
    """Episodes begin at observations that say their snapshot k, whose value is 2 k."""
    teacher = begun(PrioritizedStarts(walk((4,)), smoothing=0.25), get_values=twice)
    teacher.sample_starts([Lesson()])
    teacher.update(ended((1, 5.0, None), (3, 5.0, None)))
    assert teacher.scores().tolist() == [0, 3, 0, 1]
    teacher.update(ended((1, 1.0, None)))
    assert teacher.scores().tolist() == [0, 3 + 0.25 * (1 - 3), 0, 1]
    assert teacher.scalars()["played"] == 0.5
    assert teacher.scalars()["score_mean"] == 1.75


def test_successes_near_one_half(walk, begun, ended):
    teacher = begun(PrioritizedStarts(walk((3,)), by="success", smoothing=0.5))
    teacher.sample_starts([Lesson()])
    teacher.update(ended((0, 0.0, True), (1, 0.0, False), (1, 0.0, True), (2, 2.0, None)))
    assert teacher.scores().tolist() == [0.75 * 0.25, 0.625 * 0.375, 0.75 * 0.25]


def test_probabilities_by_hand(walk, begun):
    teacher = begun(PrioritizedStarts(walk((4,)), temperature=0.5, staleness=0.25), get_values=twice)
    teacher.sample_starts([])
    teacher._means[:] = [1.0, 9.0, 4.0, 4.0]
    teacher._ages[:] = [3, 0, 1, 0]
    weights = np.array([1 / 16, 1, 1 / 4, 1 / 9])  # ranks 4, 1, 2, 3 to the power of -2
    expected = 0.75 * weights / weights.sum() + 0.25 * np.array([3, 0, 1, 0]) / 4
    np.testing.assert_allclose(teacher.probabilities(np.arange(4)), expected)
    part = weights = np.array([1.0, 1 / 4])  # among 2 and 3 alone
    np.testing.assert_allclose(
        teacher.probabilities(np.array([2, 3])), 0.75 * part / part.sum() + 0.25 * np.array([1, 0])
    )
    teacher._ages[:] = 0
    np.testing.assert_allclose(teacher.probabilities(np.arange(4)).sum(), 1)


def test_new_ones_come_first_and_then_the_best(walk, begun, ended):
    teacher = begun(PrioritizedStarts(walk((4,)), staleness=0.0), get_values=twice)
    n = 4000
    drawn = Counter(x.start_id for x in teacher.sample_starts([Lesson()] * n))
    assert all(abs(drawn[k] - n / 4) < 150 for k in range(4))  # none was played: uniform
    teacher.update(ended((0, 8.0, None)))  # 0's error is 8: it is played and has a quarter of the draws
    drawn = Counter(x.start_id for x in teacher.sample_starts([Lesson()] * n))
    assert all(abs(drawn[k] - n / 4) < 150 for k in range(4))
    teacher.update(ended((1, 2.0, None), (2, 4.0, None), (3, 7.0, None)))  # errors 0, 0, 1
    drawn = Counter(x.start_id for x in teacher.sample_starts([Lesson()] * n))
    assert drawn[0] > 0.99 * n


def test_staleness_brings_back_what_is_good_already(walk, begun, ended):
    teacher = begun(PrioritizedStarts(walk((3,)), staleness=1.0), get_values=twice)
    teacher.sample_starts([])
    teacher.update(ended((0, 8.0, None), (1, 2.0, None), (2, 4.0, None)))
    found = [x.start_id for x in teacher.sample_starts([Lesson()] * 300)]
    assert all(a != b for a, b in itertools.pairwise(found))  # what was just drawn has an age of 0
    assert all(abs(n - 100) < 40 for n in Counter(found).values())


def test_it_sees_the_students_view_with_null_goals():
    """In a classroom with views and subgoals, values are asked of what the student would see first."""
    asked = []

    class Valued(Walker):
        def values(self, observations):
            asked.append(observations)
            return np.zeros(len(observations["subgoal"]))

    found, envs = line(views=True), make_vec(ExactLine, 2, env_kwargs={"views": True})
    teacher = PrioritizedStarts(found)
    room = Classroom(envs, [teacher, Halfway()])
    room.attach(Valued())
    room.reset()
    play(room, 25)
    assert {name: part.shape[1:] for name, part in asked[0].items()} == {"observation": (1,), "subgoal": (1,)}
    assert all((seen["subgoal"] == 0).all() for seen in asked)
    positions = {round(float(state.payload["position"]), 4) for state in found.states}
    assert {round(float(x), 4) for seen in asked for x in seen["observation"][:, 0]} <= positions
    assert teacher.scalars()["played"] > 0


def line(**kwargs):
    envs = make_vec(ExactLine, 2, env_kwargs=kwargs)
    guide = Guide(GoRight(), None, None, 0.9, True, "return-to-go")
    scout = Scout(envs, guide, 1, np.random.SeedSequence(0))
    list(scout.play(3))
    return scout.trajectories(0.9)


def play(room, steps):
    for _ in range(steps):
        room.step(np.full((room.num_envs, 1), 0.5, np.float32))


class Noisy(Teacher):
    """Transforms what is seen."""

    def observation_space(self, space):
        return space

    def transform_observations(self, observations, lessons, first, indices):
        return observations


def test_students_without_values_of_that(walk, begun, ended):
    envs = make_vec(ExactLine, 2)
    room = Classroom(envs, [PrioritizedStarts(line()), Noisy()])
    room.attach(Walker())
    room.reset()
    unknown = pytest.raises(InvalidTeacher, match=r"What \['Noisy'\] make of an observation cannot be .*by='success'")
    with unknown:
        room.teachers[0].validate(room.teachers[0].setup)
    with unknown:
        play(room, 25)

    def none(observations):
        raise InvalidStudent("It has no critic.")

    teacher = begun(PrioritizedStarts(walk()), get_values=none)
    teacher.validate(teacher.setup)  # there is no student yet
    teacher.sample_starts([])
    for find in (teacher.rehearse, lambda: teacher.update(ended((1, 5.0, None)))):
        with pytest.raises(InvalidTeacher, match=r"It has no critic\. Take by='success'"):
            find()
    content = begun(PrioritizedStarts(walk(), by="success"), get_values=none)
    content.rehearse()
    assert "bonus_left_out" not in content.scalars()


def test_an_example_leaves_the_space_as_it_is(walk, begun):
    """What is asked about beforehand is of the space, and the space's generator is nobody's."""
    asked, space = [], spaces.Dict({"student": spaces.Discrete(3, start=5), "teacher": spaces.Box(0, 1, (2,))})
    space.seed(4)
    teacher = begun(
        PrioritizedStarts(walk()), observation_space=space, get_values=lambda o: asked.append(o) or np.zeros(1)
    )
    teacher.rehearse()
    assert space.contains({name: part[0] for name, part in asked[0].items()})
    drawn = space.sample()
    space.seed(4)
    assert drawn["student"] == space.sample()["student"]


def test_what_others_pay_is_left_out_and_told(walk, begun):
    """The score is of the environment's rewards, 5, and the bonus of 3 is told apart."""
    teacher = begun(PrioritizedStarts(walk((2,))), get_values=twice)
    teacher.sample_starts([])
    assert teacher.scalars()["bonus_left_out"] == 0
    paid = [
        Episode(Lesson(start_id=1), 0, 0, np.array([1.0]), 5.0, 5.0, 5.0 + bonus, 1, None, True) for bonus in (3, 0)
    ]
    teacher.update(Report(1, tuple(paid)))
    assert teacher.scores().tolist() == [0, 3]
    assert teacher.scalars()["bonus_left_out"] == 1.5


def test_it_goes_on_where_it_was(walk, begun, ended):
    first, second = (begun(PrioritizedStarts(walk((5,))), seed=k, get_values=twice) for k in range(2))
    first.sample_starts([Lesson()] * 7)
    first.update(ended((1, 5.0, None), (3, 5.0, None)))
    second.load_state_dict(first.state_dict())
    a, b = ([x.start_id for x in t.sample_starts([Lesson()] * 30)] for t in (first, second))
    assert a == b
    assert first.scalars() == second.scalars()


def test_marks_of_others_are_ignored(walk, begun, ended):
    teacher = begun(PrioritizedStarts(walk((2,)), by="success"))
    teacher.sample_starts([Lesson()])
    teacher.update(ended((2, 0.0, True), (2**40, 0.0, True), (-1, 0.0, True)))
    assert teacher.scalars()["played"] == 0


def test_replays_of_other_tasks(walk, begun):
    known = walk((2, 3), kind="replay", tasks=[np.float32([0.5]), np.float32([0.25])])
    teacher = begun(PrioritizedStarts(known, by="success"), spaces.Box(0, 1, (1,)))
    assert {x.start_id for x in teacher.sample_starts([Lesson([0.25])] * 40)} == {2, 3, 4}


@pytest.mark.parametrize(
    "arguments",
    [{"by": "luck"}, {"temperature": 0}, {"staleness": 2}, {"smoothing": 0}, {"share": 2}, {"steps": 0.5}],
)
def test_impossible_arguments(arguments, walk, begun):
    with pytest.raises(InvalidHyperparameter, match=f"PrioritizedStarts.{next(iter(arguments))} must be"):
        begun(PrioritizedStarts(walk(), **arguments))
