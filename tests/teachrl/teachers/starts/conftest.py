"""Trajectories of a walk, made by hand, and setups that they fit."""

from dataclasses import replace

import numpy as np
import pytest
from gymnasium import spaces

from teachrl.lessons import Episode, Lesson, Report
from teachrl.snapshots import State, replay_state
from teachrl.trajectories import Trajectories

ENV = "Test-v0"


@pytest.fixture
def walk():
    """Makes trajectories with one snapshot at each step; `lengths` are the episodes', `values` one per snapshot."""

    def make(lengths=(3, 2), values=None, kind="exact", tasks=None, to_go=None):
        episodes = np.repeat(np.arange(len(lengths)), lengths)
        steps = np.concatenate([np.arange(n) for n in lengths])
        tasks = (None,) * len(lengths) if tasks is None else tuple(tasks)
        actions = tuple(np.full(n, e) for e, n in enumerate(lengths))
        states = tuple(
            State("exact", ENV, e, tasks[e], {"t": t}, t)
            if kind == "exact"
            else replay_state(ENV, e, tasks[e], actions[e][:t])
            for e, t in zip(episodes.tolist(), steps.tolist(), strict=True)
        )
        to_go = np.array(lengths)[episodes] - steps.astype(float) if to_go is None else np.asarray(to_go, float)
        return Trajectories(
            env_id=ENV, action_space=str(spaces.Discrete(2)), gamma=0.9, values_from="critic", states=states,
            episodes=episodes, steps=steps, values=-to_go if values is None else np.asarray(values, float),
            returns_to_go=to_go, discounted_returns_to_go=to_go, returns=np.array(lengths, float),
            lengths=np.array(lengths), successes=np.ones(len(lengths)), seeds=np.arange(len(lengths)), tasks=tasks,
            actions=actions,
        )  # fmt: skip

    return make


@pytest.fixture
def begun(make_setup):
    """Begins a teacher in an environment without tasks, or another; `setup` changes what it is told."""

    def begin(teacher, task_space=None, seed=0, **setup):
        told = {"tasks_are_set": task_space is not None} | setup
        teacher.begin(replace(make_setup(task_space, seed), **told))
        return teacher

    return begin


@pytest.fixture
def ended():
    """Makes a report of episodes that began at snapshots: (start_id, return, success) each."""

    def make(*rows, total_steps=1):
        return Report(
            total_steps,
            tuple(
                Episode(Lesson(start_id=k), 0, 0, np.array([float(k)]), r, r, r, 1, success, True)
                for k, r, success in rows
            ),
        )

    return make
