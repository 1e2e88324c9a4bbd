import gymnasium
import numpy as np
import pytest
import vector_environments as ve
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv

from teachrl.errors import InvalidEnvironment
from teachrl.lessons import Lesson
from teachrl.snapshots import State, replay_state
from teachrl.vector import LessonVectorEnv, make_vec


class Batch(LessonVectorEnv):
    """Counters computed in one batch: the task is what a step adds."""

    single_observation_space = spaces.Box(-100, 100, (1,), np.float64)
    single_action_space = spaces.Discrete(2)
    task_space = spaces.Box(0, 1, (1,), np.float64)
    restorable = True

    def __init__(self, num_envs, base=0.0, max_episode_steps=None):
        self.num_envs, self.base, self.max_episode_steps = num_envs, base, max_episode_steps
        self.counts, self.tasks = np.zeros((num_envs, 1)), np.zeros((num_envs, 1))

    def reset(self, *, seed=None, options=None):
        request = self.read_reset(seed, options)
        for i, lesson in zip(request.indices, request.lessons, strict=True):
            self.tasks[i] = 0 if lesson.task is None else lesson.task
            self.counts[i] = self.base if lesson.start is None else lesson.start.payload["count"]
        return self.counts.copy(), {}

    def step(self, actions):
        self.counts += self.tasks * actions[:, None]
        return self.counts.copy(), self.counts[:, 0].copy(), self.counts[:, 0] > 9, np.zeros(self.num_envs, bool), {}

    def get_state(self, mask=None):
        return [State("exact", self.env_id, 0, t, {"count": c}) for t, c in zip(self.tasks, self.counts, strict=True)]


gymnasium.register("VectorTest/Batch-v0", ve.Walk, vector_entry_point=Batch, max_episode_steps=30)
gymnasium.register("VectorTest/Foreign-v0", ve.Walk, vector_entry_point=SyncVectorEnv)


def test_native_batches_are_used():
    envs = make_vec("VectorTest/Batch-v0", 2, env_kwargs={"base": 3.0})
    assert isinstance(envs, Batch)
    assert (envs.env_id, envs.max_episode_steps, envs.spec.id) == ("VectorTest/Batch-v0", 30, "VectorTest/Batch-v0")
    another = envs.make_another(4)
    assert isinstance(another, Batch)
    assert (another.num_envs, another.base) == (4, 3.0)
    assert not isinstance(make_vec("VectorTest/Batch-v0", 2, wrappers=["ClipAction"]), Batch)
    assert not isinstance(make_vec("VectorTest/Foreign-v0", 2), SyncVectorEnv)
    assert envs.call("base") == [3.0, 3.0]
    assert len(envs.task_suite("test")) == 100
    for refused in (lambda: envs.call("step"), lambda: envs.render()):
        with pytest.raises((InvalidEnvironment, NotImplementedError)):
            refused()


def test_a_native_batch_made_directly_can_be_made_again():
    another = Batch(2, base=1.5).make_another(3)
    assert (another.num_envs, another.base) == (3, 1.5)
    with pytest.raises(InvalidEnvironment, match="render_mode"):
        Batch(2).make_another(render_mode="rgb_array")
    with pytest.raises(InvalidEnvironment, match="workers"):
        Batch(2).make_another(workers=1)


def test_a_native_batch_starts_at_replayed_states():
    envs = make_vec("VectorTest/Batch-v0", 2)
    state = replay_state(envs.env_id, 0, np.array([0.5]), np.array([1, 0, 1, 1]))
    observations, _ = envs.reset(options={"lessons": [None, Lesson(start=state)]})
    assert observations.tolist() == [[0.0], [1.5]]
    assert envs.tasks.tolist() == [[0.0], [0.5]]
    too_far = replay_state(envs.env_id, 0, np.array([1.0]), np.ones(12, int))
    with pytest.raises(InvalidEnvironment, match="action 10 of the 12"):
        envs.reset(options={"lessons": [None, Lesson(start=too_far)]})
