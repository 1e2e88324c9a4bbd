"""What our PPO must not do: diverge, count what does not, share what is its own, or take what is impossible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from student_toys import Nudge, Recorder, begun, differences, switches

from teachrl import Classroom, FromPolicy, Lesson, make_vec
from teachrl.distillation import KDRL
from teachrl.distillation.distiller import Distiller
from teachrl.errors import InvalidEnvironment, InvalidHyperparameter, InvalidStudent, InvalidTeacher, NonFiniteData
from teachrl.lessons import Labels
from teachrl.runs import distill, train
from teachrl.teacher import Teacher
from teachrl.testing.toy import ToyEnv
from teachrl_agents import MLP, PPO
from teachrl_agents.ppo_episodes import Episodes, Groups
from teachrl_agents.ppo_rollout import check_gradient

TINY = MLP((8,))
ENV = "TeachRL/CartPolePositions-v0"


class Soft(Teacher):
    """Labels with logits that prefer the light that is on."""

    def label_actions(self, observations: Any, lessons: Any, first: Any) -> Labels:
        return Labels(observations.argmax(-1), {"logits": 6.0 * observations}, np.ones(len(observations), dtype=bool))


class Numbers(Teacher):
    """Labels with a squashed Gaussian."""

    def label_actions(self, observations: Any, lessons: Any, first: Any) -> Labels:
        one = np.zeros((len(observations), 1), np.float32)
        return Labels(one, {"pre_tanh_mean": one, "pre_tanh_std": one + 1}, np.ones(len(one), dtype=bool))


def small(network: Any = TINY, **arguments: Any) -> PPO:
    return PPO(network, **{"n_steps": 8, "batch_size": 8, "n_epochs": 1, **arguments})


def toy(*teachers: Teacher, num_envs: int = 2) -> Classroom:
    return Classroom(make_vec(ToyEnv, num_envs), teachers, seed=1)


def weights(student: Any) -> dict[str, Any]:
    return {name: tensor.clone() for name, tensor in student.net.state_dict().items()}


def test_an_overridden_action_whose_ratio_explodes_moves_nothing() -> None:
    student, seen = begun(toy(Nudge()), small(vf_coef=0.0)), []
    take = student._loss

    def exploding(batch: Any, *rest: Any, **named: Any) -> Any:
        batch.log_probs = torch.where(batch.forced, torch.full_like(batch.log_probs, -2000.0), batch.log_probs)
        batch.advantages = torch.where(batch.forced, -1.0, 0.0)
        student.normalize_advantages = False
        loss, note = take(batch, *rest, **named)
        seen.append((float(loss.detach()), note))
        return loss, note

    before, student._loss = weights(student), exploding
    student.learn(student.granularity)
    assert all(0 <= loss <= 3.0 for loss, _ in seen)
    assert all(float(note["approx_kl"]) < 1e-3 and float(note["clip_fraction"]) == 0 for _, note in seen)
    after = weights(student)
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith(("actor", "head")))


def test_a_gradient_that_is_not_finite_is_no_step() -> None:
    with pytest.raises(NonFiniteData, match=r"PPO.*policy_loss nan"):
        check_gradient(torch.tensor(float("nan")), {"policy_loss": torch.tensor(float("nan"))})


@pytest.mark.parametrize("make", [small, lambda: Distiller(TINY, "DAgger", device="cpu")])
def test_who_asks_for_samples_moves_no_generator_but_the_policys_own(make: Any) -> None:
    def student() -> Any:
        return begun(switches(teachers=[Soft()]), make())

    one, other, lights = student(), student(), np.eye(3, dtype=np.float32)[[0, 1, 2] * 9]
    torch.manual_seed(0)
    state = torch.get_rng_state()
    drawn = one.policy.act(lights, deterministic=False)[0]
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(1)
    saved = other.state_dict()
    assert np.array_equal(other.policy.act(lights, deterministic=False)[0], drawn)
    other.load_state_dict(saved)
    assert np.array_equal(other.policy.act(lights, deterministic=False)[0], drawn)


def test_a_state_shares_nothing_with_its_student() -> None:
    student, other = begun(toy(), small()), begun(toy(), small())
    student.learn(16)
    state = student.state_dict()
    kept = torch.cat([part["exp_avg"].flatten() for part in state["optimizer"]["state"].values()]).clone()
    other.load_state_dict(state)
    for learner in (student, other):
        learner.learn(16)
    assert torch.equal(torch.cat([p["exp_avg"].flatten() for p in state["optimizer"]["state"].values()]), kept)


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_answers_lie_in_the_space(dtype: Any) -> None:
    bound = 0.1 if dtype is np.float64 else 3
    box = spaces.Box(-bound, bound, (2,), dtype)
    net = TINY.build(spaces.Box(-1, 1, (3,)), box, seed=1)
    torch.nn.init.constant_(net.head.linear.bias, 9.0)
    actions, _ = net.policy().act(np.ones((4, 3), np.float32))
    assert all(box.contains(action) for action in actions)


# What counts


def told(**arguments: Any) -> Episodes:
    done = np.ones((1, 4), dtype=bool)
    paid, own = np.array([[9.0, 0.0, 9.0, 7.0]]), np.array([[0.0, 5.0, 5.0, 0.0]])
    return Episodes(paid, done, done, np.zeros((2, 4)), np.zeros((1, 4), int), own=own, **arguments)


def test_success_is_by_what_the_environment_paid_and_lessons_that_count() -> None:
    learn = np.array([[True, True, False, True]])
    assert told().succeeded(4.0).tolist() == [False, True, True, False]
    assert told(learn=learn).succeeded(4.0).tolist() == [False, True, False, False]
    advantages, counted = told(learn=learn).relative()
    assert counted.tolist() == learn.tolist()
    returns = np.array([9.0, 0.0, 7.0])
    np.testing.assert_allclose(advantages[learn], (returns - returns.mean()) / returns.std(), rtol=1e-4)
    assert told().running.shape == (2, 4)


def test_the_share_that_is_distilled_is_logged() -> None:
    student = begun(switches(teachers=[Soft()]), small(n_steps=15, label_mask="response"))
    student.learn(student.granularity)
    assert 0 <= student.scalars()["distilled"] <= 1


def test_rollouts_show_rewards_as_learned_from() -> None:
    watcher = Recorder()
    student = begun(switches(teachers=[Soft(), watcher]), small(kl_in="reward"))
    student.learn(student.granularity)
    (r,) = watcher.rollouts
    assert not r.truncated[-1].any()
    np.testing.assert_allclose(r.rewards[-1] + 0.99 * r.last_values - r.values[-1], r.advantages[-1], atol=1e-5)
    assert (r.rewards != np.round(r.rewards)).any()


def test_what_the_actor_sees_stays_as_it_is_while_the_critic_warms_up() -> None:
    student = begun(toy(), small(critic_warmup=1))
    count = student.net.encoder.normaliser.count
    student.learn(student.granularity)
    assert float(count) == 0
    student.learn(student.granularity)
    assert float(count) == student.granularity


def test_long_tasks_in_dicts_are_told_apart() -> None:
    grid = np.zeros(2000)
    other = grid.copy()
    other[1000] = 1.0
    tasks = [{"map": grid, "at": 1}, {"at": 1, "map": grid.copy()}, {"map": other, "at": 1}]
    assert Groups()([Lesson(task) for task in tasks]).tolist() == [0, 0, 1]


# What cannot be


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("n_steps", (0, 16.0, "a")), ("batch_size", (0, 2.5)), ("n_epochs", (1.5,)), ("bptt", (-1, "x", 3)),
        ("critic_warmup", (-1, 2.5)), ("learning_rate", (-1, "x")), ("gamma", (1.5, "x", float("nan"))),
        ("gae_lambda", (-0.1,)), ("clip_range", (0, -1)), ("clip_range_vf", (0, -1)), ("vf_coef", (-1,)),
        ("ent_coef", (-1,)), ("label_weight", ({"schedule": "linear", "from": 1.0, "to": -1.0},)),
        ("max_grad_norm", (0, None)), ("target_kl", (0,)), ("success_return", ("a",)), ("normalize_rewards", ("no",)),
        ("start_std", (0, "a")), ("device", ("gpu",)), ("network", (MLP, 3)), ("kl_in", ("both sides",)),
    ],
)  # fmt: skip
def test_impossible_arguments_name_what_is_wrong(name: str, values: tuple[Any, ...]) -> None:
    for value in values:
        with pytest.raises(InvalidHyperparameter, match=name):
            PPO(**{name: value}).validate(None)


def test_a_network_goes_by_its_name_too() -> None:
    assert begun(toy(), small("MLP")).net.arguments["hidden"] == (64, 64)
    with pytest.raises(InvalidHyperparameter, match="network"):
        KDRL(ppo={"network": TINY}).student(TINY)


@pytest.mark.parametrize("place", ["reward", "both"])
def test_a_teacher_in_the_rewards_is_to_count(place: str) -> None:
    with pytest.raises(InvalidHyperparameter, match="step by step"):
        small(kl_in=place, advantages="group").validate(None)
    student = begun(toy(Numbers()), small(kl_in=place))
    for find in (student.rehearse, lambda: student.learn(16)):
        with pytest.raises(InvalidTeacher, match="student's family"):
            find()


def test_states_of_others_and_what_has_not_begun_are_told() -> None:
    uses: list[Any] = [lambda s: s.learn(10), lambda s: s.granularity, lambda s: s.load_state_dict({})]
    for use in uses:
        with pytest.raises(InvalidStudent, match="has not begun"):
            use(small())
    assert small().scalars() == {}
    student = begun(toy(), small())
    before = student.state_dict()
    with pytest.raises(InvalidStudent, match="another than the one"):
        student.load_state_dict(begun(toy(), small(MLP((5,)))).state_dict())
    with pytest.raises(InvalidStudent, match="in 3 environments"):
        student.load_state_dict(begun(toy(num_envs=3), small()).state_dict())
    assert not differences(before["net"], student.state_dict()["net"])


# Before anything is created


def test_bare_labels_in_the_rewards_are_refused_before_a_run(tmp_path: Path) -> None:
    teacher = FromPolicy(lambda observations: np.zeros(len(observations), np.int64))
    with pytest.raises(InvalidTeacher, match="bare actions"):
        train(ENV, teachers=[teacher], student=small(kl_in="reward"), steps=16, num_envs=2, out=str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_demonstrations_of_another_environment_are_refused_before_a_run(tmp_path: Path) -> None:
    file = tmp_path / "demos.npz"
    np.savez(file, observations=np.zeros((4, 9), np.float32), actions=np.zeros(4, np.int64), first=np.eye(1, 4) > 0)
    with pytest.raises(InvalidEnvironment, match="the student sees"):
        distill(env=ENV, student=TINY, method={"class_path": "BC", "init_args": {"demonstrations": str(file)}},
                steps=16, num_envs=2, out=str(tmp_path / "run"))  # fmt: skip
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("value", ["x", 2.0, None])
def test_a_share_is_a_share(value: Any) -> None:
    with pytest.raises(InvalidHyperparameter, match="share"):
        toy(FromPolicy(lambda seen: seen, share=value))
    assert FromPolicy(lambda seen: seen, channels="labels").channels == {"labels"}


class Marked:
    """A policy with a `label` that is a name."""

    label = answer = "mine"

    def act(self, observations: Any, state: Any = None, first: Any = None, deterministic: bool = True) -> Any:
        return np.zeros((len(observations), 1), np.float32), None


def test_only_what_can_be_called_is_asked() -> None:
    room = toy(FromPolicy(Marked()))
    assert room.ask()[0].parameters is None


@pytest.mark.parametrize(
    ("space", "names"),
    [(spaces.Discrete(3), {"logits": 3}), (spaces.MultiDiscrete([2, 3]), {"logits": 5}),
     (spaces.Box(-1, 1, (2,)), {"mean": 2, "std": 2})],
)  # fmt: skip
def test_a_bare_model_of_stable_baselines_has_soft_labels(space: Any, names: dict[str, int]) -> None:
    import stable_baselines3
    from stable_baselines3.common.vec_env import DummyVecEnv

    from teachrl.policies import as_policy, label
    from teachrl_agents.sb3_policies import SB3Policy

    class Room(ToyEnv):
        def __init__(self) -> None:
            super().__init__()
            self.action_space = space

    model = stable_baselines3.PPO("MlpPolicy", DummyVecEnv([Room]), n_steps=8, batch_size=8, device="cpu")
    seen = np.zeros((2, 3), np.float32)
    found, _ = label(as_policy(model), seen, None, np.ones(2, dtype=bool))
    assert found.parameters is not None
    assert {name: part.shape for name, part in found.parameters.items()} == {n: (2, w) for n, w in names.items()}
    expected = SB3Policy(model).distribution(seen)
    assert all(np.array_equal(expected[name], part) for name, part in found.parameters.items())
