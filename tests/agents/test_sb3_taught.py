"""Stock Stable-Baselines3 models made taught ones."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecNormalize
from student_toys import EveryOther, Nudge, PerRollout, Switches

from teachrl import make_vec
from teachrl.errors import InvalidEnvironment, InvalidStudent
from teachrl.teachers import ALPGMM, Uniform
from teachrl_agents.sb3 import taught
from toys import Counted, Knows, Line, Widened


def test_a_users_own_script() -> None:
    model = PPO("MlpPolicy", taught(make_vec("TeachRL/PointMass-v0", 2), ALPGMM()), n_steps=64, device="cpu")
    model.learn(256)
    assert model.num_timesteps == 256
    assert {"r", "l", "t"} == set(model.ep_info_buffer[0])
    assert set(model.ep_success_buffer) <= {True, False}


def test_lessons_are_served_and_reported() -> None:
    teacher = Counted()
    env = taught(make_vec(Line, 2), teacher)
    PPO("MlpPolicy", env, n_steps=32, batch_size=32, device="cpu").learn(64)
    episodes = [e for r in teacher.reports for e in r.episodes]
    assert [e.lesson.id for e in episodes]
    for episode in episodes:
        assert episode.first_observation[1] == pytest.approx(1 + 0.1 * episode.lesson.id)


def test_a_step_is_told_as_stable_baselines_tells_it() -> None:
    env = taught(make_vec(Line, 3), Widened())
    seen = env.reset()
    assert seen.shape == (3, 3)
    told: list[Any] = []
    for _ in range(60):
        seen, rewards, dones, infos = env.step(np.full((3, 1), -1.0, dtype=np.float32))
        assert rewards.dtype == np.float32
        assert [bool(i) for i in infos] == dones.tolist()
        told += [infos[i] for i in np.flatnonzero(dones)]
    assert len(told) == 9
    for info in told:
        assert info["TimeLimit.truncated"] is True
        assert info["terminal_observation"].shape == (3,)
        assert info["terminal_observation"][2] == Line.horizon
        assert info["episode"]["l"] == Line.horizon
        assert info["is_success"] is False


def test_a_termination_at_the_time_limit_is_a_termination() -> None:
    """Trap 5."""

    class Both(Switches):
        def step(self, action: Any) -> Any:
            seen, reward, _, truncated, info = super().step(action)
            return seen, reward, truncated, truncated, info

    env = taught(make_vec(Both, 1))
    env.reset()
    for _ in range(5):
        _, _, _, infos = env.step(np.zeros(1, dtype=np.int64))
    assert infos[0]["TimeLimit.truncated"] is False


def test_infos_are_handed_on() -> None:
    env = taught(make_vec(Switches, 2))
    env.reset()
    for t in range(5):
        _, _, dones, infos = env.step(np.zeros(2, dtype=np.int64))
        assert [i["lucky"] for i in infos] == [7, 7]
        assert dones.all() == (t == 4)
    assert {"lucky", "is_success", "episode", "terminal_observation"} <= set(infos[0])


def test_dictionaries_normalisers_and_off_policy_models() -> None:
    env = taught(make_vec(Switches, 2, env_kwargs={"kind": "dict", "size": 40}))
    PPO("MultiInputPolicy", env, n_steps=8, batch_size=16, device="cpu").learn(16)
    DQN("MlpPolicy", taught(make_vec(Switches, 2)), learning_starts=8, buffer_size=50, device="cpu").learn(40)
    PPO("MlpPolicy", VecNormalize(taught(make_vec(Line, 2))), n_steps=8, batch_size=16, device="cpu").learn(16)


def test_a_model_is_evaluated_without_a_warning() -> None:
    env = taught(make_vec(Switches, 2))
    model = PPO("MlpPolicy", env, n_steps=8, batch_size=16, device="cpu")
    mean, _ = evaluate_policy(model, env, n_eval_episodes=4)
    assert 0 <= mean <= 5


def test_the_environments_can_be_reached() -> None:
    env = taught(make_vec(Line, 3))
    env.reset()
    assert env.get_attr("horizon") == [20, 20, 20]
    env.set_attr("horizon", 7, indices=[1])
    assert env.get_attr("horizon") == [20, 7, 20]
    assert len(env.env_method("_see", indices=[0, 2])) == 2
    assert not env.has_attr("nothing_of_that_name")
    assert env.seed(3) == [None, None, None]
    env.close()


def test_pictures() -> None:
    env = taught(make_vec("CartPole-v1", 2, render_mode="rgb_array"))
    env.reset()
    assert env.render_mode == "rgb_array"
    assert env.render().shape[2] == 3
    env.close()


@pytest.mark.parametrize(("teacher", "what"), [(Nudge(), "actions"), (Knows(), "labels"), (PerRollout(), "rollout")])
def test_what_a_stock_model_cannot_do_is_refused(teacher: Any, what: str) -> None:
    with pytest.raises(InvalidStudent, match=rf"{what}.*teachrl_agents\.SB3"):
        taught(make_vec(Line, 2), teacher)
    channel = "tasks" if what == "rollout" else what
    taught(make_vec(Line, 2), teacher, disable=[channel]).reset()


def test_lessons_that_must_not_be_learned_from_are_refused() -> None:
    env = taught(make_vec(Line, 2), EveryOther())
    env.reset()
    with pytest.raises(InvalidStudent, match="learn=False"):
        env.step(np.zeros((2, 1), dtype=np.float32))


def test_gymnasiums_own_vector_environments_are_refused() -> None:
    with pytest.raises(InvalidEnvironment, match="make_vec"):
        taught(gymnasium.make_vec("CartPole-v1", 2, vectorization_mode="sync"), Uniform())
