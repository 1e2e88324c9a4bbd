"""What a student lacks of its teacher, measured beside a run that goes on as if nothing had been."""

import json
import math
from contextlib import closing

import numpy as np
import pytest
import torch
from gymnasium import spaces

from corridors import Bits, Corridor, room_of
from teachrl import Classroom, FromPolicy, Labels, make_vec
from teachrl.distillation import DAgger, Distiller
from teachrl.encoding import encode
from teachrl.observations import equal
from teachrl.runs import diagnosis, distill
from teachrl.runs.diagnosis import Diagnosis
from teachrl.teacher import Teacher
from teachrl.testing.toy import ToyEnv
from teachrl_agents import Recurrent

KEYS = {
    "proxy_loss", "agreement", "teacher_loss", "teacher_agreement", "covariate_shift", "entropy", "calibration_error",
}  # fmt: skip


class Upwards:
    """Goes up; at 0 it does not care, elsewhere it is sure of it to 0.9."""

    def label(self, observations, state=None, first=None):
        chances = np.where(observations == 0, [0.5, 0.5], [0.1, 0.9])
        n = len(observations)
        return Labels(np.ones(n, np.int64), {"logits": np.log(chances)}, np.ones(n, bool)), state

    def act(self, observations, state=None, first=None, deterministic=True):
        return self.label(observations)[0].actions, None


class Lost:
    """Goes up above 0 and down elsewhere, sure of it to 0.8."""

    seen: tuple = ()

    def answer(self, observations, state=None, first=None, deterministic=True):
        self.seen = (*self.seen, observations[:, 0].tolist())
        actions = (observations[:, 0] > 0).astype(np.int64)
        return actions, {"logits": np.log(np.where(np.eye(2)[actions] == 1, 0.8, 0.2))}, None

    def act(self, observations, state=None, first=None, deterministic=True):
        return self.answer(observations)[0], None


def kl(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def test_who_errs_off_the_teachers_path_only_has_the_shift_worked_out_by_hand():
    room, student = room_of(Corridor, Upwards()), Lost()
    with closing(Diagnosis(room, 0)) as it:
        found = it.measure(student)
    # the student goes 0, -1, -2, -3, -4 and errs at all but the first; the teacher 0, 1, 2, 3, 4, where it never does
    assert student.seen[0] == [0.0] * len(student.seen[0])
    assert found["agreement"] == pytest.approx(0.2)
    assert found["teacher_agreement"] == 1.0
    assert found["covariate_shift"] == pytest.approx(0.8)
    at_0 = kl((0.5, 0.5), (0.8, 0.2))
    assert found["proxy_loss"] == pytest.approx((at_0 + 4 * kl((0.1, 0.9), (0.8, 0.2))) / 5, rel=1e-5)
    assert found["teacher_loss"] == pytest.approx((at_0 + 4 * kl((0.1, 0.9), (0.2, 0.8))) / 5, rel=1e-5)
    assert found["entropy"] == pytest.approx(kl((0.8, 0.2), (1.0, 1.0)) * -1, rel=1e-5)
    assert found["calibration_error"] == pytest.approx(abs(0.2 - 0.8), rel=1e-5)
    assert found.keys() == KEYS


def test_a_student_without_a_distribution_has_agreements_only():
    room = room_of(Corridor, Upwards())
    found = Diagnosis(room, 0).measure(lambda seen: (seen[:, 0] > 0).astype(np.int64))
    assert found == {
        "agreement": pytest.approx(0.2), "teacher_agreement": 1.0, "covariate_shift": pytest.approx(0.8),
    }  # fmt: skip


def forth(observations):
    """Labels of a discrete ToyEnv: forth while the goal is further than half a stride away."""
    position, goal, stride = observations.T
    return (1 + np.sign(np.round((goal - position) / stride))).astype(np.int64)


def toy_room(teacher=None):
    envs = make_vec(ToyEnv, 4, env_kwargs={"views": True, "discrete": True})
    return Classroom(envs, [teacher or FromPolicy(forth)])


def begun(room):
    student = Distiller(Recurrent(hidden=4), DAgger(rounds=4, sequence=4, burn_in=2), device="cpu")
    student.begin(room, np.random.SeedSequence(0), 400)
    room.attach(student)
    return student


def data(tree):
    arrays = {}
    return json.dumps(encode(tree, arrays)), {name: np.array(part) for name, part in arrays.items()}


def test_nothing_of_the_run_is_touched():
    teacher_room = toy_room()
    remembers = begun(teacher_room).engine.net.policy()  # a teacher with a memory
    room = toy_room(FromPolicy(remembers, view="student"))
    student = begun(room)
    student.learn(100)
    before = data({"room": room.state_dict(), "student": student.state_dict()})
    torch.manual_seed(5)
    np.random.seed(5)
    expected = torch.rand(1), np.random.rand()
    torch.manual_seed(5)
    np.random.seed(5)
    with closing(Diagnosis(room, 0)) as it:
        first, again = it.measure(student), it.measure(student)
    assert first == again
    assert (torch.rand(1), np.random.rand()) == expected
    after = data({"room": room.state_dict(), "student": student.state_dict()})
    assert after[0] == before[0]
    assert equal(after[1], before[1])


def test_a_student_that_copies_its_teacher_agrees_everywhere():
    room = toy_room()
    student = begun(room)
    own = toy_room(FromPolicy(student.policy, view="student"))
    found = Diagnosis(own, 0).measure(student)
    assert found["agreement"] == found["teacher_agreement"] == 1.0
    assert found["proxy_loss"] == pytest.approx(0.0, abs=1e-6)
    assert found["teacher_loss"] == pytest.approx(0.0, abs=1e-6)


def test_long_lessons_are_cut(monkeypatch):
    monkeypatch.setattr(diagnosis, "MOST_STEPS", 35)
    student = Lost()
    Diagnosis(room_of(Corridor, Upwards()), 0).measure(student)
    lessons = len(student.seen[0])
    assert len(student.seen) == 2 * min(5, 35 // lessons)


class Labelling(Teacher):
    """Labels in a way of its own."""

    def label_actions(self, observations, lessons, first):
        return Labels(np.zeros(len(first), np.int64), None, np.ones(len(first), bool))


@pytest.mark.parametrize(
    ("teachers", "disable"),
    [([], ()), ([Labelling()], ()), ([FromPolicy(forth), Labelling()], ()), ([FromPolicy(forth)], ("labels",))],
)
def test_there_is_nothing_to_say_without_teachers_that_can_be_copied(teachers, disable):
    room = Classroom(make_vec(ToyEnv, 2, env_kwargs={"views": True, "discrete": True}), teachers, disable=disable)
    it = Diagnosis(room, 0)
    assert it.measure(Lost()) == {}
    it.close()


class Shifted(Teacher):
    """Shows all places 100 further, in evaluation too."""

    permanent = frozenset({"observations"})

    def observation_space(self, space):
        return spaces.Box(space.low - 100, space.high + 100)

    def transform_observations(self, observations, lessons, first, indices):
        return observations + 100


def test_the_student_sees_what_it_would_see_in_an_evaluation():
    room = Classroom(make_vec(Corridor, 2), [FromPolicy(Upwards()), Shifted()])
    student = Lost()
    found = Diagnosis(room, 0).measure(student)
    assert np.ravel(student.seen).min() > 90
    assert found["agreement"] == 1.0  # it goes up wherever it is, the teacher sees where that is


def test_teachers_share_out_the_tasks():
    goals = [[[1.0, 2.0], [0.25, 1.0]], [[2.0, 3.0], [0.25, 1.0]]]
    room = Classroom(
        make_vec(ToyEnv, 2, env_kwargs={"views": True, "discrete": True}),
        [FromPolicy(lambda o, k=k: np.full(len(o), k), tasks=tasks) for k, tasks in zip((0, 2), goals, strict=True)],
    )

    def near_goes_back(seen):
        return np.where(seen[:, 1] <= 2.0, 0, 2)

    assert Diagnosis(room, 0).measure(near_goes_back)["agreement"] == 1.0


class Silent(Upwards):
    """Has no label at 2 and beyond."""

    def label(self, observations, state=None, first=None):
        found, state = super().label(observations, state, first)
        return Labels(found.actions, found.parameters, observations[:, 0] < 2), state


def test_the_teachers_path_ends_where_it_has_no_label():
    it = Diagnosis(room_of(Corridor, Silent()), 0)
    student = Lost()
    found = it.measure(student)
    assert [row[0] for row in student.seen] == [0.0, -1.0, -2.0, -3.0, -4.0, 0.0, 1.0]
    assert found["teacher_agreement"] == 1.0


def test_a_bit_that_is_not_seen_is_guessed_everywhere():
    found = Diagnosis(room_of(Bits), 0).measure(lambda seen: np.ones(len(seen), np.int64))
    assert found["agreement"] == pytest.approx(0.5, abs=0.25)
    assert abs(found["covariate_shift"]) < 0.5


def balance(observations):
    return (observations @ np.array([0.05, 0.15, 1.0, 0.5]) > 0).astype(np.int64)


def test_a_run_that_is_diagnosed_twice_as_often_is_the_same(tmp_path):
    from teachrl.runs.checkpoint import load_tree
    from teachrl.runs.directory import RunDirectory

    method = {"class_path": "DAgger", "init_args": {"horizon": 25, "epochs": 1}}
    fixed = {"num_envs": 2, "video": 0, "pictures": False, "loggers": [], "progress": "none", "method": method}
    nets, rows = [], []
    for every in (100, 50):
        run = distill(
            balance,
            "TeachRL/CartPolePositions-v0",
            steps=100,
            out=str(tmp_path / str(every)),
            eval_every=every,
            **fixed,
        )
        nets.append(load_tree(RunDirectory.open(run.directory).checkpoint(), "student")["net"])
        lines = (run.directory / "metrics.jsonl").read_text().splitlines()
        rows.append([row for row in map(json.loads, lines) if "eval/proxy_loss" in row])
    assert all(torch.equal(torch.as_tensor(nets[0][name]), torch.as_tensor(nets[1][name])) for name in nets[0])
    assert [len(found) for found in rows] == [1, 2]
    last, same = rows[0][-1], rows[1][-1]
    counted = {"steps", "total_steps", "student_steps", "episodes", "updates", "labels", *(f"eval/{k}" for k in KEYS)}
    assert {name: last[name] for name in counted} == {name: same[name] for name in counted}
