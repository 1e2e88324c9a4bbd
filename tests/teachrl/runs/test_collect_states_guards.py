"""What is refused before a teacher plays or a student learns, and what is not: how environments are made, and where."""

import functools
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from teachrl import Classroom, make_vec
from teachrl.errors import InvalidEnvironment, InvalidHyperparameter, InvalidTeacher
from teachrl.runs import collect, evaluate, train
from teachrl.runs.states import Guide, Scout
from teachrl.teachers import S3RL, PrioritizedStarts
from teachrl_agents import MLP, PPO
from toys import ExactLine, GoRight, Line

collect_states_module = sys.modules["teachrl.runs.collect_states"]  # a function of that name may hide it
QUIET = {"loggers": [], "progress": "none", "eval_every": "never", "video": 0, "checkpoint_every": "never"}
SAVED, REPLAYED, SEEN = "SavedLine-v0", "ReplayedLine-v0", "SeenLine-v0"
for name, entry, kwargs in ((SAVED, ExactLine, {}), (REPLAYED, Line, {}), (SEEN, ExactLine, {"views": True})):
    gymnasium.register(name, entry, disable_env_checker=True, kwargs=kwargs)


@pytest.fixture(autouse=True)
def few_tasks(monkeypatch):
    from teachrl.runs import examine

    original = examine.Examiner.suite
    monkeypatch.setattr(examine.Examiner, "suite", lambda self, name: dict(list(original(self, name).items())[:2]))


def gather(who, env, out, **made):
    return collect(who, env, str(out), snapshot_every=5, episodes=3, progress="none", **made)


def test_how_environments_are_made_is_remembered(tmp_path):
    """Replays of one environment are none of another's, be its arguments or its wrappers other."""
    made = {"env_kwargs": {"broken_at": 40.5}, "wrappers": ["OrderEnforcing"]}
    found = gather(GoRight(), REPLAYED, tmp_path / "a", **made).trajectories
    ((wrapper, arguments),) = [entry.values() for entry in found.wrappers]
    assert (wrapper.rpartition(".")[2], arguments, found.env_kwargs) == ("OrderEnforcing", {}, {"broken_at": 40.5})
    envs = make_vec(REPLAYED, 1, **made)
    for same in (envs, envs.make_another(2), make_vec(REPLAYED, 1, env_kwargs={"broken_at": 40.5},
                                                      wrappers=[gymnasium.wrappers.OrderEnforcing])):  # fmt: skip
        assert Classroom(same, S3RL(found)).reset()
    for other, match in [({}, "wrappers"), ({"env_kwargs": {"broken_at": 41}}, "env_kwargs .*40.5.* made with .*41")]:
        with pytest.raises(InvalidTeacher, match=f"were recorded with the {match}"):
            Classroom(make_vec(REPLAYED, 1, **{**made, "wrappers": [], **other}), S3RL(found))
    partial = functools.partial(gymnasium.wrappers.TimeLimit, max_episode_steps=9)
    (entry,) = make_vec(REPLAYED, 1, wrappers=[partial]).made_with["wrappers"]
    assert entry == {"class_path": "functools.partial", "init_args": {}}
    native = make_vec("TeachRL/PointMass-v0", 1, env_kwargs={"render_mode": "rgb_array", "max_episode_steps": 7})
    assert native.made_with == {"env_kwargs": {"max_episode_steps": 7}, "wrappers": []}


def test_an_old_run_is_evaluated_whatever_became_of_the_file(tmp_path):
    file = tmp_path / "a.states"
    gather(GoRight(), SAVED, file)
    student = PPO(MLP(), n_steps=16, batch_size=16)
    train(SAVED, teachers=[S3RL(str(file))], student=student, steps=64, num_envs=2, out=str(tmp_path / "run"), **QUIET)
    file.write_bytes(b"something else")
    assert evaluate(str(tmp_path / "run"), num_envs=2).mean_return < 0


@pytest.mark.parametrize("by", ["error", "success"])
def test_students_without_values_are_found_out_before_the_run(by, tmp_path):
    """A critic with a view of its own cannot be asked for values of what the student sees."""
    found = gather(GoRight(), SEEN, tmp_path / "a").trajectories
    student = PPO(MLP(), n_steps=16, batch_size=16, critic_view="teacher")
    settings = {**QUIET, "steps": 32, "num_envs": 2, "out": str(tmp_path / "run")}
    if by == "success":
        assert train(SEEN, teachers=[PrioritizedStarts(found, by)], student=student, **settings).steps == 32
        return
    with pytest.raises(InvalidTeacher, match="critic that sees another view.*by='success'"):
        train(SEEN, teachers=[PrioritizedStarts(found)], student=student, **settings)
    assert not (tmp_path / "run").exists()
    off = train(SEEN, teachers=[PrioritizedStarts(found)], student=student, disable=["starts"], **settings)
    assert off.steps == 32


class Endless(ExactLine):
    """Walks on."""

    horizon = 10**9


def test_an_episode_without_an_end_is_given_up():
    envs = make_vec(Endless, 3)
    guide = Guide(Stays(), None, None, 0.9, True, "return-to-go")
    for limit, given_up in [(None, 50), (70, 70)]:  # a time limit that is longer counts
        envs.max_episode_steps, played = limit, []
        scout = Scout(envs, guide, 9, np.random.SeedSequence(0), 50)
        match = rf"An episode of the teacher's in Endless \(seed \d+\) has not ended after {given_up} steps\. Give "
        with pytest.raises(InvalidEnvironment, match=match):
            played.extend(scout.play(2))
        assert len(played) == given_up - 1


class Stays:
    """Does nothing."""

    def act(self, observations, state=None, first=None, deterministic=True):
        return np.zeros((len(observations), 1), np.float32), state


def test_where_nothing_can_be_written_nothing_is_played(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(collect_states_module, "make_vec", None)
    for place in ("/proc/x/d.states", str(tmp_path / "file" / "d.states"), str(tmp_path / ("d" * 300))):
        with pytest.raises(InvalidHyperparameter, match=r"cannot be written: .*Pass another file as `out`"):
            gather(GoRight(), SAVED, place)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


class Wound(gymnasium.Env):
    """Its spring stays wound from one episode to the next, unless it forgets."""

    observation_space, action_space = spaces.Box(-99, 99, (1,)), spaces.Box(-1, 1, (1,))

    def __init__(self, forgets):
        self.forgets, self.spring = forgets, 0.0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.spring, self.time = 0.0 if self.forgets else self.spring, 0
        return np.float32([self.spring]), {}

    def step(self, action):
        self.spring, self.time = self.spring + float(action[0]), self.time + 1
        return np.float32([self.spring]), 0.0, self.time >= 12, False, {}


gymnasium.register("Wound-v0", Wound, disable_env_checker=True)


@pytest.mark.parametrize("forgets", [True, False])
def test_replays_that_lead_elsewhere_are_refused(forgets, tmp_path):
    told = {"env": "Wound-v0", "env_kwargs": {"forgets": forgets}, "episodes": 4, "snapshot_every": 5, "num_envs": 2}
    file, half = tmp_path / "wound.states", lambda seen: np.full((len(seen), 1), 0.5, np.float32)
    if forgets:
        assert len(collect(half, out=str(file), progress="none", **told).trajectories) == 12
        return
    with pytest.raises(InvalidEnvironment, match="cannot be begun at recorded states.* do not lead there: another"):
        collect(half, out=str(file), progress="none", **told)
    assert not file.exists()
