"""Distillers of our own networks where labels are numbers without a spread, or actions do not begin at 0."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from teachrl import Classroom, FromPolicy, make_vec
from teachrl.distillation import BC, DAgger, Distillation, Distiller
from teachrl.testing.toy import ToyEnv
from teachrl_agents import MLP, Recurrent


class Shifted(gymnasium.Env):
    """Eight steps of noise, and actions that begin at 1."""

    observation_space = spaces.Box(-1, 1, (2,))
    action_space = spaces.Discrete(2, start=1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self.np_random.uniform(-1, 1, 2).astype(np.float32), {}

    def step(self, action):
        self.time += 1
        return self.np_random.uniform(-1, 1, 2).astype(np.float32), 0.0, self.time == 8, False, {}


def begun(env, teacher, network, method, steps=400):
    room = Classroom(make_vec(env, 4), [FromPolicy(teacher)], seed=0)
    student = Distiller(network, method, "cpu")
    student.begin(room, np.random.SeedSequence(0), steps)
    room.attach(student)
    return student


@pytest.mark.parametrize("method", [BC(rounds=4), DAgger(rounds=4), Distillation(rounds=4, loss="huber")])
def test_what_is_about_the_mean_leaves_the_spread_alone_and_acts_by_the_mean(method):
    student = begun(ToyEnv, lambda o: np.full((len(o), 1), 0.3, np.float32), MLP((8,)), method)
    before = {n: p.detach().clone() for n, p in student.engine.net.named_parameters() if "std" in n}
    student.learn(400)
    assert before
    assert all(torch.equal(before[n], p) for n, p in student.engine.net.named_parameters() if n in before)
    room = student.engine._classroom
    said, _ = student.policy.act(room.last.observations, None, room.last.first, deterministic=True)
    if method.grid()["beta"] == 0:
        np.testing.assert_allclose(said, 0.3, atol=0.2)
    assert not student.engine._collector.sampled


def test_a_memory_warms_up_where_actions_do_not_begin_at_0():
    student = begun(Shifted, lambda o: 1 + (o[:, 0] > 0).astype(np.int64), Recurrent(8), DAgger(rounds=4), steps=800)
    student.learn(800)
    assert student.scalars()["agreement"] > 0.8
