"""Labels that cannot be learned from are refused when they are given, with the name of who gave them."""

import numpy as np
import pytest
from tiny_network import Knows

from corridors import Bits, room_of
from teachrl import Classroom, FromPolicy, Labels, make_vec
from teachrl.distillation.collecting import asked
from teachrl.errors import InvalidTeacher, NonFiniteData
from teachrl.teacher import Teacher
from teachrl.testing.toy import ToyEnv


class Gives(Teacher):
    """Labels with what it was given."""

    def __init__(self, actions, parameters=None, mask=(True,) * 4):
        self.actions, self.parameters, self.mask = actions, parameters, mask

    def label_actions(self, observations, lessons, first):
        return Labels(np.array(self.actions), self.parameters, np.array(self.mask))


def given(*arguments, discrete=True):
    return Classroom(make_vec(ToyEnv, 4, env_kwargs={"views": True, "discrete": discrete}), [Gives(*arguments)])


NAN = float("nan")


@pytest.mark.parametrize(
    ("room", "error", "message"),
    [
        (lambda: given([0, 1, 2, 3]), InvalidTeacher, "Gives labels with actions that Discrete.3. does not have"),
        (lambda: given([0, 0.5, 1, 2]), InvalidTeacher, "does not have"),
        (lambda: given([0, 1, 2]), InvalidTeacher, r"Gives must label 4 environments with actions \(4,\).*got \(3,\)"),
        (lambda: given([0] * 4, None, [True]), InvalidTeacher, r"a mask \(4,\)"),
        (lambda: given([0] * 4, {"logits": np.zeros((3, 3))}), InvalidTeacher, "'logits' of the labels of Gives"),
        (
            lambda: given([[0.0], [NAN], [0.0], [0.0]], discrete=False), NonFiniteData,
            "labels of Gives hold NaN or infinity in 'actions', the first in environment 1",
        ),
        (lambda: given([0] * 4, {"logits": np.full((4, 3), np.inf)}), NonFiniteData, "in 'logits'"),
        (
            lambda: room_of(Bits, Knows()), InvalidTeacher,
            r"FromPolicy \(Knows\) cannot label what Bits shows: ValueError: not enough values",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_and_whose_it_is(room, error, message):
    with pytest.raises(error, match=message):
        asked(room())


def test_what_does_not_count_may_be_anything():
    found = asked(given([9, 0, 1, 2], {"logits": np.full((4, 3), NAN)}, [False] * 4))
    assert not found.mask.any()
    whole = asked(given([0] * 4, {"logits": np.array([[0.0, -np.inf, 0.0]] * 4)}))
    assert whole.mask.all()


def test_the_planner_of_another_game_is_told_what_it_reads():
    from teachrl_envs import Planner

    with pytest.raises(InvalidTeacher, match="The planner reads the teacher's view"):
        asked(room_of(Bits, Planner()))


def test_a_broken_teacher_of_two_is_named():
    room = Classroom(
        make_vec(ToyEnv, 4, env_kwargs={"views": True, "discrete": True}),
        [FromPolicy(Knows()), FromPolicy(Knows(broken=True))],
    )
    with pytest.raises(NonFiniteData, match=r"FromPolicy \(Knows\) hold NaN"):
        asked(room)


class Says:
    """A policy that says what it was given."""

    def __init__(self, **said):
        vars(self).update(said)

    def act(self, observations, state=None, first=None, deterministic=True):
        return np.zeros(len(observations), np.int64), None


def executed(room):
    """Lets a student act whose teacher's labels nobody has asked for before."""
    room.reset()
    room.step(np.zeros(4, np.int64))


@pytest.mark.parametrize(
    ("teacher", "error", "message"),
    [
        (Gives([0, 1, 2, 7]), InvalidTeacher, "Gives labels with actions that"),
        (Gives([0] * 4, None, np.ones((4, 1), bool)), InvalidTeacher, r"and \(4, 1\)"),
        (Gives(["left"] * 4), InvalidTeacher, "'actions' of the labels of Gives is an array of numbers"),
        (Gives([0] * 4, [1.0]), InvalidTeacher, "parameters of the labels of Gives are arrays by name"),
        (Gives([0] * 4, {"logits": [[0.0], []] * 2}), InvalidTeacher, "'logits' of the labels of Gives is no array"),
        (Gives([0] * 4, {"logits": np.full((4, 3), NAN)}), NonFiniteData, "in 'logits', the first in environment 0"),
        (FromPolicy(Says(label=lambda *_: (None, None))), InvalidTeacher, r"FromPolicy \(Says\) must label with.*None"),
        (FromPolicy(Says(label=lambda *_: None)), InvalidTeacher, r"\(Says\) cannot label what ToyEnv shows"),
        (FromPolicy(Says(distribution=lambda _: np.zeros((4, 3)))), InvalidTeacher, r"\(Says\) are arrays by name"),
        (FromPolicy(Says(distribution=lambda _: {"logits": np.zeros((3, 3))})), InvalidTeacher, "must have 4 rows"),
    ],
)  # fmt: skip
def test_labels_are_refused_before_anything_is_done_with_them(teacher, error, message):
    room = Classroom(make_vec(ToyEnv, 4, env_kwargs={"views": True, "discrete": True}), [teacher])
    for _ in range(2):  # what was refused is not given again
        with pytest.raises(error, match=message):
            executed(room)
    assert room.counters.total_steps == 0


def test_what_lists_and_whole_numbers_say_is_taken_as_it_is():
    class Listed(Gives):
        def label_actions(self, observations, lessons, first):
            return Labels([0.0, 1.0, 2.0, 0.0], None, [True] * 4)

    room = Classroom(make_vec(ToyEnv, 4, env_kwargs={"views": True, "discrete": True}), [Listed([])])
    assert room.ask()[0].actions == [0.0, 1.0, 2.0, 0.0]
