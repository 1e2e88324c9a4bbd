import importlib

import numpy as np

import teachrl_envs  # noqa: F401 (registers the environments)
from teachrl.classroom import Classroom
from teachrl.teachers.from_policy import FromPolicy
from teachrl.vector import make_vec
from teachrl_envs.minigrid import MiniGridViews, Planner


def lessons_of(game, planner, channels):
    return Classroom(make_vec(f"TeachRL/{game}", 4), [FromPolicy(planner, channels)], seed=0)


def test_a_planner_labels_what_a_student_does():
    classroom = lessons_of("MiniGrid-DoorKey-5x5-v0", Planner(), ("labels",))
    classroom.reset()
    rng = np.random.default_rng(0)
    for _ in range(20):
        classroom.step(rng.integers(7, size=4))
    (labels,) = classroom.labels
    assert labels.actions.shape == (4,)
    assert labels.parameters["logits"].shape == (4, 7)
    assert labels.mask.all()


def test_a_planner_that_acts_succeeds():
    classroom = lessons_of("MiniGrid-MemoryS7-v0", Planner(), ("actions",))
    classroom.reset()
    returns = []
    for _ in range(30):
        _, rewards, terminated, truncated, _ = classroom.step(np.zeros(4, np.int64))
        returns += rewards[terminated | truncated].tolist()
    assert len(returns) > 8
    assert min(returns) > 0.9


def test_the_games_name_their_planner():
    module, name = MiniGridViews.provides["planner"].split(":")
    assert getattr(importlib.import_module(module), name) is Planner
