"""The companion that sees what the teacher sees: what it tells, and that it leaves its student alone."""

import math

import numpy as np
import pytest
import torch
from gymnasium import spaces
from tiny_network import Knows, TinyNetwork

from corridors import Bits, Sayer, room_of
from teachrl import Classroom, FromPolicy, make_vec
from teachrl.distillation import BC, DAgger, Distiller, OnPolicy, shadow
from teachrl.distillation.shadow import make_shadow
from teachrl.encoding import decode, encode
from teachrl.errors import InvalidStudent
from teachrl.testing.toy import ToyEnv

NUMBERS = {"privileged_loss", "privilege_gap"}


def begun(room, method=None, hidden=0, total=800, network=None, **more):
    method = method or DAgger(rounds=4, sequence=4, burn_in=2, learning_rate=3e-2, entropy_weight=0.0)
    student = Distiller(network or TinyNetwork(hidden), method, device="cpu", **more)
    student.begin(room, np.random.SeedSequence(1), total)
    room.attach(student)
    return student


def toys(**more):
    return Classroom(make_vec(ToyEnv, 4, env_kwargs={"views": True, "discrete": True}), [FromPolicy(Knows())], **more)


@pytest.mark.parametrize("hidden", [0, 4], ids=["memoryless", "recurrent"])
def test_a_bit_that_only_the_teacher_sees_costs_ln_two(hidden):
    method = DAgger(rounds=10, batch_size=128 if hidden == 0 else 16, learning_rate=0.1)
    student = begun(room_of(Bits), method, hidden, total=2000)
    student.learn(2000)
    found = student.scalars()
    assert found["privileged_loss"] < 0.02
    assert found["privilege_gap"] == pytest.approx(math.log(2), abs=0.05)
    assert found["privilege_gap"] == pytest.approx(found["proxy_loss"] - found["privileged_loss"])
    assert found["calibration_error"] < 0.15


@pytest.mark.parametrize("hidden", [0, 4], ids=["memoryless", "recurrent"])
@pytest.mark.parametrize("method", [lambda: DAgger(rounds=4), lambda: OnPolicy()], ids=["dagger", "on-policy"])
def test_the_student_is_the_same_bit_for_bit_with_a_companion_and_without(method, hidden):
    students = [begun(toys(), method(), hidden, diagnose=diagnose) for diagnose in (True, False)]
    for student in students:
        student.learn(800)
    on, off = (student.scalars() for student in students)
    assert on.keys() - off.keys() == NUMBERS
    assert {name: on[name] for name in off} == off
    nets = [student.engine.net.state_dict() for student in students]
    assert all(torch.equal(nets[0][name], nets[1][name]) for name in nets[0])


def stored(state):
    arrays = {}
    return decode(encode(state, arrays), arrays)


@pytest.mark.parametrize("hidden", [0, 4], ids=["memoryless", "recurrent"])
def test_a_resumed_companion_goes_on_as_it_was(hidden):
    whole = begun(toys(), hidden=hidden)
    whole.learn(800)
    room = toys()
    first = begun(room, hidden=hidden)
    first.learn(400)
    saved = stored({"room": room.state_dict(), "student": first.state_dict()})
    other = toys()
    second = begun(other, hidden=hidden)
    other.load_state_dict(saved["room"])
    second.load_state_dict(saved["student"])
    second.learn(400)
    assert second.scalars() == whole.scalars()


def test_states_from_before_there_were_companions_are_read():
    first = begun(toys())
    first.learn(400)
    state = first.state_dict()
    del state["shadow"]
    second = begun(toys())
    second.load_state_dict(stored(state))
    second.learn(400)
    assert second.scalars().keys() >= NUMBERS


def test_a_graduate_keeps_neither_the_labelled_steps_nor_the_companion():
    first = begun(toys(), hidden=3)
    first.learn(400)
    state = first.graduate_state()
    assert state["buffer"] is None
    assert state["shadow"] is None
    second = begun(toys(), hidden=3)
    second.load_state_dict(stored(state))
    seen = np.ones((4, 2), np.float32)
    np.testing.assert_array_equal(second.policy.answer(seen)[1]["logits"], first.policy.answer(seen)[1]["logits"])
    second.learn(400)
    assert first.state_dict()["buffer"] is not None


class Narrow(TinyNetwork):
    """Takes two numbers, and no more."""

    def build(self, observation_space, action_space, *, seed=0, **_):
        if observation_space.shape != (2,):
            raise InvalidStudent("two numbers")
        return super().build(observation_space, action_space, seed=seed)


@pytest.mark.parametrize(
    ("teacher", "views", "network"),
    [
        (FromPolicy(lambda o: np.ones(len(o), np.int64), view="student"), True, TinyNetwork()),
        (FromPolicy(lambda o: np.ones(len(o), np.int64), view="student"), False, TinyNetwork()),
        (FromPolicy(Knows()), True, Narrow()),
    ],
    ids=["own view", "one view", "network"],
)
def test_where_there_is_no_more_to_see_there_is_no_companion(teacher, views, network):
    room = Classroom(make_vec(ToyEnv, 4, env_kwargs={"views": views, "discrete": True}), [teacher])
    student = begun(room, network=network)
    student.learn(80)
    assert not student.scalars().keys() & NUMBERS


def test_who_reads_demonstrations_has_no_companion(tmp_path):
    student = begun(toys(), BC(demonstrations=str(tmp_path / "demos.npz")))
    assert student.engine._shadow is None


def test_the_companion_is_the_students_network_over_the_teachers_view():
    room = room_of(Bits, Sayer())
    student = begun(room)
    assert student.engine._shadow.view == "teacher"
    made = make_shadow(room, TinyNetwork(), student.engine.given, np.random.SeedSequence(5), torch.device("cpu"))
    assert isinstance(made._space, spaces.Discrete)
    again = make_shadow(room, TinyNetwork(), student.engine.given, np.random.SeedSequence(5), torch.device("cpu"))
    assert torch.equal(made._net.head.weight, again._net.head.weight)


def test_its_share_of_the_work_is_bounded(monkeypatch):
    def gradients(most):
        monkeypatch.setattr(shadow, "MOST", most)
        student = begun(toys(), DAgger(rounds=2, batch_size=8))
        optimizer, taken = student.engine._shadow._optimizer, []
        step = optimizer.step
        monkeypatch.setattr(optimizer, "step", lambda: (taken.append(1), step()))
        student.learn(800)
        return len(taken), student.scalars()["gradient_steps"]

    taken, whole = gradients(2**14)
    assert taken == int(shadow.SHARE * (whole + 200 / 4))
    assert gradients(10 * shadow.BATCH)[0] == 2 * 10
