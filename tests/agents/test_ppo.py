"""Our PPO: the contract, what it learns from, and what it does with labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from student_toys import Eager, EveryOther, PerRollout, Recorder, begun, differences, line_class, switches

from teachrl import Classroom, Lesson, make_vec
from teachrl.distillation import choose_family, make_targets
from teachrl.errors import InvalidHyperparameter, InvalidStudent, InvalidTeacher, UnknownName
from teachrl.lessons import Labels
from teachrl.teacher import Teacher
from teachrl.teachers import FromPolicy
from teachrl.testing import check_student
from teachrl.testing.toy import ToyEnv
from teachrl_agents import CNN, MLP, PPO, Recurrent
from teachrl_agents.net_files import save_weights
from teachrl_agents.ppo_buffer import Fold, ReturnScale
from teachrl_agents.ppo_episodes import Episodes, Groups
from teachrl_agents.ppo_gae import gae
from teachrl_agents.ppo_labels import LabelTerm, cosine

SMALL: dict[str, Any] = {"n_steps": 16, "batch_size": 16, "n_epochs": 2}
TINY, REMEMBERING = MLP((16,)), Recurrent(8, vectors=(8,))


def small(network: Any = TINY, **arguments: Any) -> PPO:
    return PPO(network, **{**SMALL, **arguments})


class Soft(Teacher):
    """Labels with logits that prefer the light that is on."""

    def label_actions(self, observations: Any, lessons: Any, first: Any) -> Labels:
        return Labels(observations.argmax(-1), {"logits": 6.0 * observations}, np.ones(len(observations), dtype=bool))


# The contract


@pytest.mark.parametrize(
    ("student", "env"),
    [
        (small(), {}),
        (small(normalize_rewards=True, target_kl=0.01, ent_coef=0.01, clip_range_vf=0.2), {"discrete": True}),
        (small(REMEMBERING, bptt=8, critic_view="teacher"), {"views": True}),
        (small(advantages="group", learning_rate={"schedule": "linear", "from": 1e-3, "to": 0.0}), {"discrete": True}),
    ],
)
def test_it_conforms(student: PPO, env: dict[str, bool]) -> None:
    check_student(student, lambda: ToyEnv(**env))


def test_labels_leave_chunks_and_checkpoints_exact() -> None:
    def run(*chunks: int) -> PPO:
        student = begun(switches(teachers=[Soft()]), small(label_weight={"schedule": "linear", "from": 1.0}))
        for chunk in chunks:
            student.learn(chunk)
        return student

    assert not differences(run(64).state_dict(), run(32, 32).state_dict())


@pytest.mark.parametrize("kind", ["vector", "image", "dict"])
def test_it_learns_to_guess_in_every_kind_of_observation(kind: str) -> None:
    classroom = switches(kind, num_envs=8)
    network = MLP((32,)) if kind == "vector" else CNN(features=16)
    student = begun(classroom, PPO(network, n_steps=16, batch_size=64, n_epochs=4, learning_rate=5e-3))
    student.learn(2000)
    episodes = classroom.take_episodes()
    assert (
        np.mean([e.episode_return for e in episodes[-40:]])
        > 3.5
        > np.mean([e.episode_return for e in episodes[:40]]) + 0.5
    )


# The rollout


def test_advantages_are_those_of_the_definition() -> None:
    rng, (steps, n) = np.random.default_rng(0), (7, 3)
    rewards, values, following = (rng.normal(size=(steps, n)) for _ in range(3))
    terminated, truncated = rng.random((steps, n)) < 0.2, rng.random((steps, n)) < 0.2
    given = gae(rewards, values, following, terminated, truncated, 0.9, 0.8)
    for i in range(n):
        for t in range(steps):
            expected, weight = 0.0, 1.0
            for k in range(t, steps):
                cut = truncated[k, i] or k == steps - 1
                after = 0.0 if terminated[k, i] else following[k, i] if cut else values[k + 1, i]
                expected += weight * (rewards[k, i] + 0.9 * after - values[k, i])
                weight *= 0.9 * 0.8
                if terminated[k, i] or truncated[k, i]:
                    break
            assert given[t, i] == pytest.approx(expected)


@pytest.mark.parametrize("network", [TINY, REMEMBERING])
def test_time_limits_are_bootstrapped_from_the_true_last_observation(network: Any) -> None:
    watcher = Recorder()
    classroom = Classroom(make_vec(ToyEnv, 2), [watcher], seed=1)
    student, seen = begun(classroom, small(network)), []
    record = student.record

    def spy(experience: Any) -> None:
        memory, previous = student._memory, torch.as_tensor(experience.actions)
        record(experience)
        if (experience.truncated & ~experience.terminated).any():
            last = torch.as_tensor(experience.final_observations).unsqueeze(0)
            values = student.net(last, previous.unsqueeze(0), None, memory).values[0]
            seen.append((student._lived.columns.filled - 1, values.detach().numpy()))

    student.record = spy
    following: list[Any] = []
    update = student.update

    def keep() -> Any:
        following.append(student._lived.columns["following"])
        return update()

    student.update = keep
    student.learn(student.granularity)
    assert seen
    for t, values in seen:
        np.testing.assert_allclose(following[-1][t], values, rtol=1e-6)


def test_overridden_actions_have_their_own_log_probabilities() -> None:
    watcher = Recorder()
    classroom = switches(teachers=[Eager(), watcher], num_envs=4)
    student = begun(classroom, small())
    net = student.net
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    student.learn(student.granularity)
    (rollout,) = watcher.rollouts
    assert (rollout.actions[:, ::2] == 0).all()
    assert (rollout.actions[:, 1::2] > 0).any()
    net.load_state_dict(before)
    out = net(torch.as_tensor(rollout.observations))
    expected = net.family.log_prob(out.parameters, torch.as_tensor(rollout.actions)).detach()
    np.testing.assert_allclose(rollout.log_probs, expected, atol=1e-6)
    np.testing.assert_allclose(rollout.values, out.values.detach(), atol=1e-6)


def test_a_memory_in_pieces_is_the_memory_that_acted() -> None:
    watcher = Recorder()
    student = begun(switches(teachers=[watcher], num_envs=3), small(REMEMBERING, bptt=4))
    net = student.net
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    student.learn(student.granularity)
    (rollout,) = watcher.rollouts
    net.load_state_dict(before)
    previous = torch.as_tensor(np.concatenate([np.zeros_like(rollout.actions[:1]), rollout.actions[:-1]]))
    out = net(torch.as_tensor(rollout.observations), previous, torch.as_tensor(rollout.first))
    np.testing.assert_allclose(rollout.values, out.values.detach(), atol=1e-6)


def test_lessons_that_are_not_learned_from_leave_no_trace() -> None:
    """What was paid in them may be anything."""

    class Liar(EveryOther):
        def __init__(self, lie: float) -> None:
            self.lie = lie

        def shape_rewards(self, step: Any) -> Any:
            return np.array([0.0 if lesson.learn else self.lie for lesson in step.lessons])

    for network in (TINY, REMEMBERING):
        states = []
        for lie in (0.0, 1000.0):
            student = begun(line_class([Liar(lie)]), small(network, n_steps=15))
            student.learn(120)
            states.append(student.net.state_dict())
        assert not differences(*states)


def test_lessons_may_change_with_every_rollout() -> None:
    watcher = Recorder()
    student = begun(line_class([PerRollout(), watcher]), small(REMEMBERING))
    student.learn(3 * student.granularity)
    assert all(rollout.first[0].all() for rollout in watcher.rollouts)


def test_sequences_are_put_back_where_they_were() -> None:
    x = torch.arange(24).reshape(12, 2)
    fold = Fold(12, 4)
    assert fold.cut(x).shape == (4, 6)
    assert fold.cut(x)[:, 2].tolist() == [8, 10, 12, 14]  # the second piece of the first environment
    assert np.array_equal(fold.back(fold.cut(x)), x)


def test_rewards_are_scaled_by_the_deviation_of_returns() -> None:
    rng, scale = np.random.default_rng(0), ReturnScale(2, 0.5)
    returns, kept = np.zeros(2), []
    for t in range(200):
        rewards, first = rng.normal(2, 3, 2), np.array([t % 10 == 0, False])
        given = scale(rewards, first, np.array([True, t % 2 == 0]))
        returns = returns * ~first * 0.5 + rewards
        kept += [returns[0]] + [returns[1]] * (t % 2 == 0)
    np.testing.assert_allclose(given, np.clip(rewards / np.std(kept), -10, 10), rtol=1e-3)


# Labels


def test_labels_alone_teach() -> None:
    student = begun(switches(teachers=[Soft()], num_envs=8), small(rl_weight=0.0, learning_rate=1e-2))
    student.learn(2000)
    assert student.scalars()["label_loss"] < 0.05
    lights = np.eye(3, dtype=np.float32)
    assert student.policy.act(lights)[0].tolist() == [0, 1, 2]
    assert student.scalars()["label_weight"] == 1.0


@pytest.mark.parametrize("loss", ["auto", "reverse_kl", {"name": "reverse_kl", "estimator": "k2"}, "nll"])
@pytest.mark.parametrize("network", [TINY, REMEMBERING])
def test_labels_and_rewards_join(loss: Any, network: Any) -> None:
    student = begun(switches(teachers=[Soft()]), small(network, label_loss=loss, kl_in="loss", label_mask="response"))
    student.learn(2 * student.granularity)
    assert np.isfinite(list(student.scalars().values())).all()
    assert -1 <= student.scalars()["gradient_cosine"] <= 1


def test_bare_actions_are_labels_too() -> None:
    teacher = FromPolicy(lambda lights: lights.argmax(-1))
    student = begun(switches(teachers=[teacher], num_envs=8), small(rl_weight=0.0, learning_rate=1e-2))
    student.learn(2000)
    assert student.policy.act(np.eye(3, dtype=np.float32))[0].tolist() == [0, 1, 2]
    refused = begun(switches(teachers=[teacher]), small(kl_in="reward"))
    with pytest.raises(InvalidTeacher, match="action distribution"):
        refused.learn(100)


def term(place: str = "both", mask: str = "none") -> LabelTerm:
    space = spaces.Discrete(3)
    return LabelTerm(space, choose_family(space, ["logits"]), "auto", place, mask, 0.0, torch.device("cpu"))


def test_the_reward_term_pays_for_what_the_teacher_would_do() -> None:
    logits = torch.randn(2, 2, 3, generator=torch.Generator().manual_seed(0))
    actions, mask = torch.tensor([[0, 1], [2, 0]]), np.array([[True, True], [False, True]])
    targets = make_targets(spaces.Discrete(3), actions, {"logits": logits}, mask)
    mine = np.log(np.full((2, 2), 0.25))
    expected = mine - np.take_along_axis(logits.log_softmax(-1).numpy(), actions.numpy()[..., None], -1)[..., 0]
    np.testing.assert_allclose(term().penalty(targets, mine, actions), np.where(mask, expected, 0.0), atol=1e-4)
    assert not term("loss").penalty(targets, mine, actions).any()


def test_the_reward_term_alone_pulls_to_the_teacher() -> None:
    class Contrary(Soft):
        def shape_rewards(self, step: Any) -> Any:
            return -step.rewards  # nothing is paid

    classroom = switches(teachers=[Contrary()], num_envs=8)
    student = begun(classroom, small(kl_in="reward", label_weight=1.0, learning_rate=1e-2, n_epochs=4))
    student.learn(2500)
    assert "label_loss" not in student.scalars()
    assert student.policy.act(np.eye(3, dtype=np.float32))[0].tolist() == [0, 1, 2]


def episodes() -> Episodes:
    rewards = np.array([[1.0, 0.0], [2.0, 0.0], [4.0, 1.0], [8.0, 0.0]])
    first = np.array([[False, True], [False, False], [True, False], [False, True]])
    done = np.array([[False, False], [True, False], [False, True], [False, False]])
    return Episodes(rewards, first, done, np.array([[10.0, 99.0]] * 2), np.array([[5, 5], [5, 5], [6, 5], [6, 7]]))


def test_episodes_are_told_apart() -> None:
    found = episodes()
    assert found.which.tolist() == [[0, 2], [0, 2], [1, 2], [1, 3]]
    assert found.returns.tolist() == [13.0, 12.0, 1.0, 0.0]
    assert found.ended.tolist() == [True, False, True, False]
    assert found.groups.tolist() == [5, 6, 5, 7]
    assert found.running.tolist() == [[12.0, 0.0]] * 2


def test_advantages_within_a_group_are_relative() -> None:
    advantages, counted = episodes().relative()
    assert counted.tolist() == [[True, True], [True, True], [False, True], [False, False]]
    np.testing.assert_allclose(advantages, [[1, -1], [1, -1], [0, -1], [0, 0]], atol=1e-5)


def test_solved_episodes_are_not_distilled() -> None:
    found = episodes()
    for mask, kept in (
        ("none", [True] * 4),
        ("response", [False, True, False, True]),
        ("group", [False, True, False, True]),
    ):
        distilled = term("loss", mask)._distilled(found)
        assert np.array_equal(distilled, np.array(kept)[found.which])


def test_lessons_of_one_task_seed_and_start_are_a_group() -> None:
    one = [np.array([1.0]), np.array([1.0]), np.array([2.0])]
    lessons = [*(Lesson(task, seed=3) for task in one), Lesson(one[0], seed=4), Lesson(one[0], seed=3, start_id=2)]
    groups = Groups()
    assert groups(lessons).tolist() == [0, 0, 1, 2, 3]
    assert groups(lessons[::-1]).tolist() == [3, 2, 1, 0, 0]


def test_the_cosine_of_two_gradients() -> None:
    weights = [torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor(3.0, requires_grad=True)]
    one, other = weights[0].sum(), weights[0][0] + weights[1]
    assert cosine(one, other, weights) == pytest.approx(0.5)


# Starting from something learned


def test_fine_tuning_warms_the_critic_first(tmp_path: Path) -> None:
    net = TINY.build(spaces.Box(-20, 20, (3,)), spaces.Box(-1, 1, (1,)), seed=3)
    path = str(save_weights(net, tmp_path / "net.safetensors"))
    classroom = Classroom(make_vec(ToyEnv, 2), seed=1)
    student = begun(classroom, small(start=path, start_std=0.2, critic_warmup=1))
    assert torch.equal(student.net.actor[0].weight, net.actor[0].weight)
    before = [p.detach().clone() for p in student.net.actor_parameters()]
    value = [p.detach().clone() for p in student.net.critic_parameters()]
    assert student.net.head.log_std.exp().item() == pytest.approx(0.2)
    student.learn(student.granularity)
    assert all(torch.equal(a, b) for a, b in zip(before, student.net.actor_parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(value, student.net.critic_parameters(), strict=True))
    student.learn(student.granularity)
    assert not all(torch.equal(a, b) for a, b in zip(before, student.net.actor_parameters(), strict=True))


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bptt": 5}, "divisor of n_steps"),
        ({"advantages": "grpo"}, "one of gae, group"),
        ({"n_epochs": 0}, "at least 1"),
        ({"label_weight": {"schedule": "success"}}, "cannot wait for success"),
        ({"learning_rate": "fast"}, "finite number"),
    ],
)
def test_impossible_arguments_say_why(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidHyperparameter, match=message):
        small(**arguments).validate(None)


def test_impossible_label_arguments_say_why() -> None:
    for arguments, error in (
        ({"kl_in": "both sides"}, InvalidHyperparameter),
        ({"label_mask": "some"}, InvalidHyperparameter),
        ({"label_loss": "kl"}, UnknownName),
    ):
        with pytest.raises(error):
            begun(switches(teachers=[Soft()]), small(**arguments))


def test_a_view_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(UnknownName, match="god"):
        begun(Classroom(make_vec(lambda: ToyEnv(views=True), 2), seed=1), small(critic_view="god"))
    student = begun(Classroom(make_vec(lambda: ToyEnv(views=True), 2), seed=1), small(critic_view="teacher"))
    with pytest.raises(InvalidStudent, match="another view"):
        student.values(np.zeros((1, 2), np.float32))


def test_nothing_is_there_before_it_begins() -> None:
    with pytest.raises(InvalidStudent, match="has not begun"):
        _ = small().policy


# Learning


@pytest.mark.slow
@pytest.mark.family
def test_it_balances_the_pole() -> None:
    classroom = Classroom(make_vec("CartPole-v1", 8), seed=1)
    student = begun(classroom, PPO(n_steps=128, learning_rate=1e-3, gamma=0.98), 80_000)
    student.learn(60_000)
    assert np.mean([e.episode_return for e in classroom.take_episodes()[-20:]]) > 475


@pytest.mark.slow
def test_it_balances_the_pole_from_memory_with_a_critic_that_sees_it_all() -> None:
    classroom = Classroom(make_vec("TeachRL/CartPolePositions-v0", 8), seed=1)
    network = Recurrent()
    student = begun(
        classroom, PPO(network, 128, learning_rate=1e-3, gamma=0.98, bptt=32, critic_view="teacher"), 100_000
    )
    student.learn(90_000)
    assert np.mean([e.episode_return for e in classroom.take_episodes()[-20:]]) > 475
