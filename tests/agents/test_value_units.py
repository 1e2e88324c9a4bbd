"""A student's values are in the units of the rewards that it is paid, whatever it scales them by."""

import numpy as np
import pytest

from teachrl import Classroom, make_vec
from teachrl_agents import MLP, PPO, SB3
from toys import ExactLine


@pytest.mark.parametrize(
    "student",
    [
        SB3("PPO", normalize=True, hyperparameters={"n_steps": 16, "batch_size": 16}, device="cpu"),
        PPO(MLP(), n_steps=16, batch_size=16, normalize_rewards=True),
    ],
    ids=["SB3", "ours"],
)
def test_values_are_scaled_back(student):
    room = Classroom(make_vec(ExactLine, 2))
    student.begin(room, np.random.SeedSequence(0), 64)
    room.attach(student)
    student.learn(64)
    seen, _ = room.observed()
    ratio = student.values(seen) / student.policy.values(seen)
    spread = np.sqrt(
        student.model.env.ret_rms.var if isinstance(student, SB3) else student.state_dict()["scale"]["var"]
    )
    assert spread > 1.5
    np.testing.assert_allclose(ratio, spread, rtol=1e-5)


@pytest.mark.parametrize("student", [SB3("PPO", hyperparameters={"n_steps": 16}, device="cpu"), PPO(MLP(), n_steps=16)])
def test_values_are_the_policys_where_nothing_is_scaled(student):
    room = Classroom(make_vec(ExactLine, 2))
    student.begin(room, np.random.SeedSequence(0), 64)
    seen, _ = room.observed()
    np.testing.assert_array_equal(student.values(seen), student.policy.values(seen))
