"""What off-policy students store and sample."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.vec_env import VecNormalize
from student_toys import SEED, SMALL_REPLAY, Eager, EveryOther, Nudge, begun, line_class, small, switches

from teachrl import Classroom, Lesson, make_vec
from teachrl_agents.sb3 import taught
from toys import Line, Widened


class Seeds(EveryOther):
    """Varies nothing but seeds; the odd lessons are not to be learned from."""

    needs_task_space = False

    def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
        return [replace(lesson, task=None) for lesson in super().sample_tasks(n)]


@pytest.mark.parametrize("normalize", [False, True])
def test_the_student_is_stock_sac_to_the_bit(normalize: bool) -> None:
    student = begun(line_class(), small("SAC", normalize))
    student.learn(60)
    env: Any = taught(make_vec(Line, 2), seed=1)
    if normalize:
        env = VecNormalize(env, gamma=0.99)
    seed = int(np.random.SeedSequence(SEED).generate_state(1)[0])
    hyperparameters = {**SMALL_REPLAY, "policy_kwargs": {"net_arch": [16]}}
    stock = SAC("MlpPolicy", env, seed=seed, device="cpu", **hyperparameters)
    stock.learn(60)
    for name, tensor in stock.policy.state_dict().items():
        assert torch.equal(tensor, student.model.policy.state_dict()[name]), name


def test_an_overridden_action_is_the_one_stored_and_scaled() -> None:
    """Trap 4; the environment's actions go from -1 to 1, those of the other from 0 to 4."""
    student = begun(line_class([Nudge()]), small("SAC"))
    student.learn(20)
    stored = student.model.replay_buffer.actions[:10]
    np.testing.assert_array_equal(stored[:, 0], 0.25)
    assert not (stored[:, 1] == 0.25).any()
    wide = Classroom(make_vec(WideLine, 2), [Nudge()])
    student = begun(wide, small("TD3"))
    student.learn(20)
    np.testing.assert_allclose(student.model.replay_buffer.actions[:10, 0], 2 * 0.25 / 4 - 1)


class WideLine(Line):
    """The line with actions from 0 to 4."""

    def __init__(self) -> None:
        super().__init__()
        from gymnasium import spaces

        self.action_space = spaces.Box(0.0, 4.0, (1,), np.float32)


def test_an_overridden_discrete_action_is_stored() -> None:
    student = begun(switches(teachers=[Eager()], num_envs=4), small("DQN", learning_starts=1000))
    student.learn(40)
    stored = student.model.replay_buffer.actions[:10, :, 0]
    np.testing.assert_array_equal(stored[:, ::2], 0)
    assert stored[:, 1::2].any()


def test_time_limits_are_not_terminations() -> None:
    """Trap 5, and trap 2: the next observation of a last step is the final one, transformed."""
    student = begun(line_class([Widened()]), small("SAC", buffer_size=1000))
    student.learn(60)
    buffer = student.model.replay_buffer
    ends = buffer.dones[:30] > 0
    np.testing.assert_array_equal(buffer.timeouts[:30][ends], buffer.next_observations[:30][ends][:, 2] == Line.horizon)
    assert buffer.timeouts.any()
    np.testing.assert_array_equal(buffer.next_observations[:30, :, 2], buffer.observations[:30, :, 2] + 1)


@pytest.mark.parametrize(("algorithm", "kind"), [("DQN", "vector"), ("DQN", "dict")])
def test_what_must_not_be_learned_from_is_never_sampled(algorithm: str, kind: str) -> None:
    student = begun(switches(kind, [Seeds()], num_envs=3), small(algorithm, buffer_size=90))
    student.learn(60)
    buffer = student.model.replay_buffer
    buffer.rewards[:] = buffer.learn  # a reward tells whether the row may be learned from
    sample = buffer.sample(500)
    assert (sample.rewards == 1).all()
    assert 0 < buffer.learnable < buffer.size() * 3
    assert buffer.learnable == np.count_nonzero(buffer.learn[: buffer.size()])
    student.learn(60)  # the buffer has come round
    assert buffer.full
    assert buffer.learnable == np.count_nonzero(buffer.learn)


def test_sampling_is_uniform_over_what_may_be_learned_from() -> None:
    student = begun(switches("vector", [Seeds()], num_envs=2), small("DQN", learning_starts=1000))
    student.learn(40)
    buffer = student.model.replay_buffer
    buffer.rewards[:20] = np.arange(40).reshape(20, 2)
    drawn = np.bincount(buffer.sample(20_000).rewards.numpy().astype(int).flatten(), minlength=40)
    expected = 20_000 / buffer.learnable
    learnable = buffer.learn[:20].flatten()
    assert (drawn[~learnable] == 0).all()
    assert (np.abs(drawn[learnable] - expected) < 6 * np.sqrt(expected)).all()


def test_rows_of_a_masked_sample_belong_together() -> None:
    student = begun(switches("dict", [Seeds()], num_envs=2), small("DQN", learning_starts=1000, buffer_size=200))
    student.learn(80)
    sample = student.model.replay_buffer.sample(300)
    lit = sample.observations["light"].argmax(1)
    images = sample.observations["image"][:, :, 0, 0].float().argmax(1)
    assert torch.equal(lit, images)
    right = sample.actions.flatten() == lit
    assert torch.equal(right.float(), sample.rewards.flatten())


def test_nothing_is_trained_while_nothing_may_be_learned_from() -> None:
    class Never(Seeds):
        def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
            return [replace(lesson, learn=False) for lesson in super().sample_tasks(n)]

    student = begun(switches(teachers=[Never()]), small("DQN"))
    student.learn(80)
    assert student.model._n_updates == 0


def test_n_step_returns_work_and_do_not_accept_masks() -> None:
    student = begun(line_class(), small("SAC", n_steps=3))
    student.learn(40)
    assert "learn" not in student.accepts
    assert "learn" in small("SAC").accepts
    assert student.model.replay_buffer.sample(4).discounts is not None
