"""The trainer: who acts, what is learned from, and that nothing is lost between pieces and checkpoints."""

import numpy as np
import pytest
import torch
from tiny_network import Knows, TinyNetwork

from teachrl import Classroom, FromPolicy, Labels, Lesson, TaskTeacher, make_vec
from teachrl.distillation import BC, DAgger, Distillation, Distiller, OnPolicy
from teachrl.distillation.collecting import merged
from teachrl.distillation.learning import Descent, in_order
from teachrl.distillation.losses import make_loss
from teachrl.encoding import decode, encode
from teachrl.errors import InvalidEnvironment, InvalidHyperparameter, InvalidStudent, NonFiniteData
from teachrl.schedules import START
from teachrl.teacher import Teacher
from teachrl.testing.toy import ToyEnv

KWARGS = {"views": True, "discrete": True}


def room_with(*teachers, num_envs=4, seed=0):
    return Classroom(make_vec(ToyEnv, num_envs, env_kwargs=KWARGS), list(teachers) or [FromPolicy(Knows())], seed=seed)


def begun(method, hidden=0, total=400, room=None, seed=0):
    room = room or room_with()
    student = Distiller(TinyNetwork(hidden), method, device="cpu")
    student.begin(room, np.random.SeedSequence(seed), total)
    room.attach(student)
    return student, room


def weights(student):
    return torch.cat([p.detach().flatten() for p in student.engine.net.parameters()])


def small(method, **more):
    return method(**{"rounds": 5, "epochs": 2, "batch_size": 16, "sequence": 4, "burn_in": 2, **more})


METHODS = {
    "bc": lambda: small(BC),
    "dagger": lambda: small(DAgger, beta={"schedule": "exponential", "from": 1, "factor": 0.5}, keep=160),
    "tgeo": lambda: small(DAgger, fusion={"name": "tgeo", "hidden": 4}),
    "on-policy": lambda: OnPolicy(horizon=20, gradient_length=7, epochs=2),
}


@pytest.mark.parametrize("hidden", [0, 5], ids=["memoryless", "recurrent"])
@pytest.mark.parametrize("name", METHODS)
def test_pieces_and_checkpoints_change_nothing(name, hidden):
    whole, _ = begun(METHODS[name](), hidden)
    assert whole.granularity == 80
    whole.learn(400)
    first, room = begun(METHODS[name](), hidden)
    first.learn(160)
    arrays = {}
    saved = encode({"room": room.state_dict(), "student": first.state_dict()}, arrays)
    saved = decode(saved, {k: np.array(v) for k, v in arrays.items()})
    second, other = begun(METHODS[name](), hidden, seed=0)
    other.load_state_dict(saved["room"])
    second.load_state_dict(saved["student"])
    second.learn(80)
    second.learn(160)
    assert torch.equal(weights(whole), weights(second))
    assert whole.scalars() == second.scalars()


def test_a_longer_run_keeps_its_rounds():
    student, _ = begun(small(DAgger), total=400)
    student.learn(160)
    longer, _ = begun(small(DAgger), total=800)
    assert longer.granularity == 160
    longer.load_state_dict(student.state_dict())
    longer.extend(800)
    assert longer.granularity == 80
    longer.learn(80)
    assert longer.engine.moment.progress == 240 / 800


@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0])
def test_the_teacher_does_its_share_and_labels_what_is_at_hand(beta):
    student, _ = begun(Distillation(beta=beta, horizon=50))
    lived = student.engine._collector.collect(50, beta)
    executed = lived.round.previous[1:][~lived.round.first[1:]]
    labels = lived.round.actions[:-1][~lived.round.first[1:]]
    taught = lived.taught[:-1][~lived.round.first[1:]]
    assert (executed[taught] == labels[taught]).all()
    assert abs(lived.taught.mean() - beta) < 0.15
    if beta == 0.0:
        assert (executed != labels).any()
    position, goal = lived.round.observations[..., 0], lived.round.observations[..., 1]
    assert lived.round.observations.shape == (50, 4, 2)  # its own view, not the teacher's
    far = np.abs(goal - position) > 2.0
    np.testing.assert_array_equal(lived.round.actions[far], (1 + np.sign(goal - position))[far])


def test_asking_twice_asks_the_teacher_once_and_the_step_has_the_same_labels():
    knows = Knows()
    room = room_with(FromPolicy(knows))
    shown = room.ask()
    assert room.ask() is shown
    room.step(np.zeros(4, np.int64))
    assert room.labels is shown
    assert knows.asked == 1
    assert room.ask() is not shown
    assert room.counters.labels == 4


def test_a_recurrent_teachers_labels_are_those_of_an_uninterrupted_run():
    teacher_room = room_with(num_envs=4)
    teacher, _ = begun(small(DAgger), hidden=6, room=teacher_room)
    net = teacher.engine.net
    room = room_with(FromPolicy(net.policy(), view="student"))
    student, _ = begun(OnPolicy(horizon=13), room=room, total=52)
    lived = [student.engine._collector.collect(13, 1.0).round for _ in range(3)]
    seen, first = (np.concatenate([getattr(r, k) for r in lived]) for k in ("observations", "first"))
    acting, state = net.policy(), None
    for t in range(39):
        _, expected, state = acting.answer(seen[t], state, first[t])
        found = np.concatenate([r.parameters["logits"] for r in lived])[t]
        np.testing.assert_allclose(found, expected["logits"], rtol=1e-6)


def test_lessons_that_are_not_to_be_learned_from_are_not():
    class Halves(TaskTeacher):
        def sample(self, n):
            return [np.array([2.0, 0.5], np.float32)] * n

        def learn(self, tasks, returns, successes): ...

        def sample_tasks(self, n, student=0):
            return [Lesson(np.array([2.0, 0.5], np.float32), learn=bool(k % 2)) for k in range(n)]

    student, _ = begun(small(BC), room=room_with(Halves(), FromPolicy(Knows())))
    lived = student.engine._collector.collect(8, 1.0)
    assert not lived.round.mask[:, 0].any()
    assert lived.round.mask[:, 1].any()


def test_the_first_teacher_with_a_label_counts():
    one = Labels(np.array([0, 1, 2]), {"logits": np.zeros((3, 3))}, np.array([True, False, False]))
    two = Labels(np.array([2, 2, 0]), {"logits": np.ones((3, 3))}, np.array([True, True, False]))
    both = merged((one, two))
    assert both.actions.tolist() == [0, 2, 2]
    assert both.mask.tolist() == [True, True, False]
    assert both.parameters["logits"][:, 0].tolist() == [0, 1, 0]
    assert merged((one, Labels(two.actions, None, two.mask))).parameters is None


def test_teachers_share_out_the_tasks():
    low = FromPolicy(Knows(), tasks=[[1.0, 2.0], [0.25, 1.0]])
    high = FromPolicy(lambda o: np.zeros(len(o), np.int64), tasks=[[2.0, 3.0], [0.25, 1.0]])
    room = room_with(low, high, num_envs=16)
    first, second = room.ask()
    goals = np.array([lesson.task[0] for lesson in room.lessons])
    assert (first.mask == (goals <= 2)).all()
    assert (second.mask == (goals >= 2)).all()
    with pytest.raises(InvalidHyperparameter, match="one pair"):
        room_with(FromPolicy(Knows(), tasks=[[0.0, 1.0]]))


def test_windows_over_a_whole_round_have_the_gradient_of_full_backpropagation():
    student, _ = begun(OnPolicy(horizon=30), hidden=5, total=120)
    lived = student.engine._collector.collect(30, 0.0)
    net, round_ = student.engine.net, lived.round
    out = net(
        torch.as_tensor(round_.observations), torch.as_tensor(round_.previous).long(),
        torch.as_tensor(round_.first), torch.as_tensor(round_.states[0]),
    )  # fmt: skip
    loss = make_loss("forward_kl")
    expected = torch.autograd.grad(30 * loss(net.family, out.parameters, lived.targets), list(net.parameters()))
    for length in (30, 100):
        descent = Descent(net, torch.optim.SGD(net.parameters(), lr=0.0), loss, None, None)
        in_order(
            descent, round_, student.engine._classroom.single_action_space, torch.device("cpu"), epochs=1,
            length=length, moment=START, entropy=0.0,
        )  # fmt: skip
        for parameter, gradient in zip(net.parameters(), expected, strict=True):
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)


def test_no_step_of_a_round_is_left_out():
    student, _ = begun(OnPolicy(horizon=24, gradient_length=15), total=96)
    student.learn(96)
    assert student.scalars()["gradient_steps"] == 2


@pytest.mark.parametrize("soft", [True, False])
def test_dagger_learns_what_its_teacher_does(soft):
    method = DAgger(rounds=10, learning_rate=3e-2, epochs=2)
    student, _ = begun(method, total=1000, room=room_with(FromPolicy(Knows(soft))))
    student.learn(100)
    before = student.scalars()["proxy_loss"]
    student.learn(900)
    assert student.scalars()["proxy_loss"] < 0.7 * before
    assert student.scalars()["beta"] == pytest.approx(1 - 9 / 15)


def test_a_continuous_student_learns_bare_actions():
    envs = make_vec(ToyEnv, 4, env_kwargs={"views": True})

    def right(seen):
        return np.clip(seen[:, 1:2] - seen[:, :1], -1, 1)

    method = DAgger(rounds=5, learning_rate=3e-2)
    student, _ = begun(method, total=500, room=Classroom(envs, [FromPolicy(right)]))
    student.learn(100)
    before = student.scalars()["agreement"]
    student.learn(400)
    assert student.scalars()["agreement"] > before + 0.1


def test_success_lowers_beta():
    method = DAgger(beta={"schedule": "success", "from": 0.5, "step": 0.1}, rounds=5)
    student, _ = begun(method, total=800)
    student.learn(800)
    assert 0.0 <= student.scalars()["beta"] < 0.5


class Untold(ToyEnv):
    """Never says whether it was solved."""

    def step(self, action):
        *rest, _ = super().step(action)
        return (*rest, {})


def test_success_must_be_told():
    envs = make_vec(Untold, 2, env_kwargs=KWARGS)
    student, _ = begun(DAgger(beta={"schedule": "success"}, rounds=2), room=Classroom(envs, [FromPolicy(Knows())]))
    with pytest.raises(InvalidEnvironment, match="is_success"):
        student.learn(200)


def test_labels_that_are_not_numbers_are_refused():
    student, _ = begun(small(DAgger), room=room_with(FromPolicy(Knows(broken=True))))
    with pytest.raises(NonFiniteData, match="NaN or infinity in 'logits'"):
        student.learn(80)


def test_wrong_use_is_explained():
    room = Classroom(make_vec(ToyEnv, 2, env_kwargs=KWARGS))
    with pytest.raises(InvalidStudent, match="no teacher here gives any"):
        Distiller(TinyNetwork(), DAgger()).begin(room, np.random.SeedSequence(0), 100)
    with pytest.raises(InvalidHyperparameter, match="is a Distillation"):
        Distiller(TinyNetwork(), "Kickstart").validate(None)
    with pytest.raises(InvalidHyperparameter, match="has build"):
        Distiller(3, "DAgger").validate(None)
    with pytest.raises(InvalidHyperparameter, match="not defined for labels that are bare actions"):
        begun(DAgger(loss="forward_kl", rounds=5), room=room_with(FromPolicy(Knows(soft=False))))[0].learn(80)
    with pytest.raises(InvalidStudent, match="has not begun"):
        Distiller(TinyNetwork(), DAgger()).learn(1)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (DAgger(beta=1.5), "DAgger.beta must be a number of at least 0 and at most 1"),
        (DAgger(rounds=0), "DAgger.rounds must be an integer of at least 1"),
        (BC(batch_size=0.5), "BC.batch_size"),
        (Distillation(learning_rate="fast"), "Distillation.learning_rate takes a finite number"),
        (DAgger(loss="kl"), "no loss 'kl'"),
        (DAgger(fusion={"name": "geo"}), "no fusion"),
    ],
)
def test_impossible_arguments_are_refused(method, message):
    with pytest.raises(Exception, match=message):
        method.validate(None)


def test_names_and_descriptions_are_enough():
    method = {"class_path": "DAgger", "init_args": {"horizon": 7}}
    student = Distiller({"class_path": "tiny_network.TinyNetwork", "init_args": {"hidden": 2}}, method, "cpu")
    student.begin(room_with(), np.random.SeedSequence(0), 100)
    assert student.granularity == 28
    assert student.engine.net.state_size == 2
    assert "ross2011" in Distiller.references({"method": method})


class Silent(Teacher):
    """Labels nothing."""

    def label_actions(self, observations, lessons, first):
        return Labels(np.zeros(len(first), np.int64), None, np.zeros(len(first), bool))


def test_a_teacher_that_never_labels_is_found_out():
    student, _ = begun(small(DAgger), room=room_with(Silent()))
    before = weights(student)
    student.learn(80)  # labels may still come
    assert torch.equal(weights(student), before)
    assert "loss" not in student.scalars()
    with pytest.raises(InvalidStudent, match="nothing to learn from"):
        student.learn(320)


def test_the_global_generators_are_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    student, _ = begun(small(DAgger), hidden=4)
    student.learn(80)
    assert torch.equal(torch.rand(1), expected)
