"""Methods teach: long tests, each on a small problem where the outcome is not in doubt."""

from __future__ import annotations

import numpy as np
import pytest

from teachrl import Classroom, make_vec
from teachrl.playing import play
from teachrl.teachers import ALPGMM, Uniform
from teachrl_agents import SB3, SimulatedStudent


@pytest.mark.slow
@pytest.mark.family
def test_ppo_learns_the_gate_from_alp_gmm() -> None:
    """The mean return over the validation tasks more than doubles within 100,000 steps."""
    envs = make_vec("TeachRL/PointMass-v0", 16)
    classroom = Classroom(envs, ALPGMM(), seed=1)
    hyperparameters = {"n_steps": 128, "batch_size": 512, "gamma": 0.95, "policy_kwargs": {"log_std_init": 1.0}}
    student = SB3("PPO", normalize=True, hyperparameters=hyperparameters)
    student.begin(classroom, np.random.SeedSequence(1), 100_000)
    classroom.attach(student)
    suite = list(envs.task_suite("validation").values())

    def score() -> float:
        episodes = play(envs.make_another(num_envs=100), student.policy, suite)
        return float(np.mean([episode.episode_return for episode in episodes]))

    before = score()
    student.learn(100_000)
    assert score() > 2 * before


@pytest.mark.slow
@pytest.mark.family
def test_alp_gmm_beats_uniform_where_most_dimensions_are_dummies() -> None:
    """The ordering of the paper's toy with 10 dummy dimensions, at a third of its budget."""
    mastered = {}
    for teacher in (Uniform, ALPGMM):
        envs = make_vec("TeachRL/Hypercube-v0", 1, env_kwargs={"dims": 2, "cubes": 10, "dummies": 10})
        student = SimulatedStudent()
        student.begin(Classroom(envs, teacher(), seed=0), np.random.SeedSequence(0), 7_000)
        student.learn(7_000)
        mastered[teacher.__name__] = student.scalars()["mastered"]
    assert mastered["ALPGMM"] >= 3 * max(mastered["Uniform"], 0.01)
