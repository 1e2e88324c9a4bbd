"""What on-policy students store, report and learn from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize
from student_toys import (
    SEED,
    Eager,
    EveryOther,
    Nudge,
    PerRollout,
    Recorder,
    begun,
    differences,
    line_class,
    small,
    switches,
)

from teachrl import Lesson, make_vec
from teachrl_agents.sb3 import taught
from toys import Line, Widened

ON_POLICY = ["PPO", "A2C", "TRPO", "RecurrentPPO"]


def collected(student: Any) -> Any:
    """Collects one rollout as `learn` does, without training; returns the buffer."""
    student.model.train = lambda: None
    student.learn(student.granularity)
    return student.model.rollout_buffer


def seeded(student: Any) -> int:
    return int(np.random.SeedSequence(SEED).generate_state(1)[0])


@pytest.mark.parametrize("normalize", [False, True])
def test_the_student_is_stock_ppo_to_the_bit(normalize: bool) -> None:
    """Against stock `learn`, buffers and VecNormalize around the same classroom."""
    student = begun(line_class(), small("PPO", normalize))
    student.learn(96)
    env = taught(make_vec(Line, 2), seed=1)
    if normalize:
        env = VecNormalize(env, gamma=0.99)
    hyperparameters = {**student.hyperparameters, "policy_kwargs": {"net_arch": [16]}}
    stock = PPO("MlpPolicy", env, seed=seeded(student), device="cpu", **hyperparameters)
    stock.learn(96)
    for name, tensor in stock.policy.state_dict().items():
        assert torch.equal(tensor, student.model.policy.state_dict()[name]), name
    if normalize:
        statistics = student.state_dict()["normaliser"]
        np.testing.assert_array_equal(env.obs_rms.mean, statistics["observations"][""]["mean"])
        np.testing.assert_array_equal(env.obs_rms.var, statistics["observations"][""]["var"])
        np.testing.assert_array_equal(env.ret_rms.var, statistics["return"]["var"])


@pytest.mark.parametrize("algorithm", ON_POLICY)
def test_an_overridden_action_is_stored_with_its_own_log_probability(algorithm: str) -> None:
    """Trap 4."""
    buffer = collected(student := begun(line_class([Nudge()]), small(algorithm)))
    np.testing.assert_array_equal(buffer.actions[:, 0], 0.25)
    assert not (buffer.actions[:, 1] == 0.25).any()
    if algorithm == "RecurrentPPO":
        batches = list(buffer.get(None))
        (batch,) = batches
        memory = (batch.lstm_states, batch.episode_starts)
        _, log_probs, _ = student.model.policy.evaluate_actions(batch.observations, batch.actions, *memory)
        mask = batch.mask > 0
        torch.testing.assert_close(log_probs[mask], batch.old_log_prob[mask])
    else:
        (batch,) = list(buffer.get(None))
        values, log_probs, _ = student.model.policy.evaluate_actions(batch.observations, batch.actions)
        torch.testing.assert_close(log_probs, batch.old_log_prob)
        torch.testing.assert_close(values.flatten(), batch.old_values)


def test_an_overridden_discrete_action_is_stored_too() -> None:
    buffer = collected(student := begun(switches(teachers=[Eager()]), small("PPO")))
    np.testing.assert_array_equal(buffer.actions[:, 0], 0)
    assert buffer.actions[:, 1].any()
    (batch,) = list(buffer.get(None))
    _, log_probs, _ = student.model.policy.evaluate_actions(batch.observations, batch.actions.long().flatten())
    torch.testing.assert_close(log_probs, batch.old_log_prob)


def test_time_limits_are_bootstrapped_and_terminations_are_not() -> None:
    """Trap 5: what is learned from differs from what was paid by gamma times the value of the final observation."""
    buffer = collected(student := begun(line_class(num_envs=4), small("PPO", n_steps=48)))
    added = buffer.rewards - buffer.paid
    assert buffer.truncated.any()
    assert (added[~buffer.truncated] == 0).all()
    assert (added[buffer.truncated] != 0).all()
    assert student.model.gamma == 0.99


def test_the_bootstrap_reads_the_final_observation_through_transforms() -> None:
    """Trap 2: the widened final observation, with its own count of steps, is what is valued."""
    room = line_class([Widened(), recorder := Recorder()], num_envs=2)
    student = begun(room, small("PPO", n_steps=48))
    finals: list[Any] = []
    step = room.step

    def watched(actions: Any) -> Any:
        result = step(actions)
        finals.append(result[4].get("final_obs"))
        return result

    room.step = watched  # type: ignore[method-assign]
    buffer = collected(student)
    for t, n in zip(*np.nonzero(buffer.truncated), strict=True):
        final = finals[t][n]
        assert final.shape == (3,)
        assert final[2] == Line.horizon
        expected = 0.99 * student.values(final[None])[0]
        assert buffer.rewards[t, n] - buffer.paid[t, n] == pytest.approx(expected, abs=1e-5)
    assert recorder.rollouts[0].truncated.any()


def test_a_rollout_is_reported_as_it_was_lived() -> None:
    room = line_class([EveryOther(), recorder := Recorder()], num_envs=2)
    student = begun(room, small("PPO", normalize=True))
    student.model.train = lambda: None
    student.learn(96)
    assert [r.rewards.shape for r in recorder.rollouts] == [(16, 2)] * 3
    first, second = recorder.rollouts[:2]
    assert first.observations.shape == (16, 2, 2)
    assert first.actions.shape == (16, 2, 1)
    assert np.abs(first.actions).max() <= 1  # as executed
    np.testing.assert_array_equal(first.first[0], [True, True])
    np.testing.assert_array_equal(second.first[1:], (second.terminated | second.truncated)[:-1])
    np.testing.assert_array_equal(first.ids[0], [0, 1])
    np.testing.assert_array_equal(first.learn, first.ids % 2 == 0)
    raw = np.concatenate([r.observations for r in recorder.rollouts])
    assert set(np.unique(raw[..., 1])) == {2.0}  # the goal, not normalised
    np.testing.assert_allclose(_advantages(first), first.advantages, atol=1e-4)
    assert room.counters.updates == 3


def _advantages(rollout: Any) -> Any:
    """Generalised advantages, without the bootstrap where no time limit was met."""
    assert not rollout.truncated.any()
    advantages, running, following = np.zeros_like(rollout.rewards), 0.0, rollout.last_values
    for t in reversed(range(len(rollout.rewards))):
        alive = 1.0 - rollout.terminated[t]
        delta = rollout.rewards[t] + rollout.gamma * following * alive - rollout.values[t]
        advantages[t] = running = delta + rollout.gamma * rollout.gae_lambda * alive * running
        following = rollout.values[t]
    return advantages


@pytest.mark.parametrize("kind", ["vector", "dict"])
def test_rows_not_to_be_learned_from_are_left_out(kind: str) -> None:
    """Every epoch hands out each learnable row once, and no other."""
    buffer = collected(begun(switches(kind, [Unlearned()]), small("PPO")))
    rows = buffer.learnable
    assert 0 < rows < buffer.learn.size
    batches = list(buffer.get(10))
    assert [len(b.actions) for b in batches] == [10] * (rows // 10) + [rows % 10] * (rows % 10 > 0)
    kept = np.sort(np.concatenate([b.returns.numpy() for b in batches]))
    returns = buffer.returns.reshape(buffer.n_envs, -1).T
    np.testing.assert_array_equal(kept, np.sort(returns[buffer.learn]))


class Unlearned(EveryOther):
    """The same without tasks: seeds only."""

    needs_task_space = False

    def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
        return [replace(lesson, task=None) for lesson in super().sample_tasks(n)]


@pytest.mark.parametrize("algorithm", ON_POLICY)
def test_masked_rows_give_no_gradient(algorithm: str) -> None:
    """Whatever was rewarded in them, the update is the same."""
    weights = []
    for scale in (1.0, 1000.0):
        student = begun(line_class([EveryOther()], num_envs=4), small(algorithm))
        buffer = student.model.rollout_buffer
        stock = buffer.compute_returns_and_advantage

        def spoilt(
            last_values: Any, dones: Any, buffer: Any = buffer, stock: Any = stock, scale: float = scale
        ) -> None:
            stock(last_values, dones)
            buffer.advantages[~buffer.learn] *= scale
            buffer.returns[~buffer.learn] *= scale

        buffer.compute_returns_and_advantage = spoilt
        student.learn(student.granularity)
        weights.append(student.state_dict()["model"]["modules"])
        assert not buffer.learn.all()
    assert differences(*weights) == []


@pytest.mark.parametrize("teachers", [[], [EveryOther()]])
def test_statistics_are_of_what_is_learned_from(teachers: Any) -> None:
    student = begun(line_class(teachers, num_envs=4), small("PPO", normalize=True, n_steps=64))
    buffer = collected(student)
    seen = np.concatenate([np.stack(buffer._shown), np.asarray(student.engine._lived._now)[None]])
    lessons = [lesson.learn for lesson in student.engine._lived.classroom.lessons]
    learn = np.concatenate([buffer.learn, np.array(lessons)[None]])
    assert learn.all() == (not teachers)
    statistic = student.model.env.obs_rms
    np.testing.assert_allclose(statistic.mean, seen[learn].mean(0), rtol=1e-3)
    np.testing.assert_allclose(statistic.var, seen[learn].var(0), rtol=1e-2, atol=1e-3)
    assert statistic.count == pytest.approx(learn.sum(), abs=1e-3)
    assert student.model.env.ret_rms.count == pytest.approx(buffer.learn.sum(), abs=1e-3)


class Never(EveryOther):
    """Lets nothing be learned from."""

    def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
        return [replace(lesson, learn=False) for lesson in super().sample_tasks(n)]


def test_a_rollout_of_nothing_to_learn_from_changes_nothing() -> None:
    student = begun(line_class([Never()]), small("PPO"))
    before = student.state_dict()["model"]["modules"]
    student.learn(32)
    assert differences(before, student.state_dict()["model"]["modules"]) == []


def test_new_lessons_at_rollout_starts_begin_new_episodes() -> None:
    room = line_class([PerRollout(), recorder := Recorder()])
    student = begun(room, small("PPO", normalize=True, n_steps=5))
    student.learn(30)
    assert [r.first[0].all() for r in recorder.rollouts] == [True] * 3
    assert [r.ids[0].tolist() for r in recorder.rollouts] == [[0, 1], [2, 3], [4, 5]]
    np.testing.assert_array_equal(recorder.rollouts[2].observations[0, :, 1], 2.0)
