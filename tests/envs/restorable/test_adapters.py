"""Every adapter replays random actions from restored states bit for bit, and refuses states that are not its own."""

from dataclasses import replace

import numpy as np
import pytest
from minigrid.core.world_object import Ball

from teachrl.errors import InvalidEnvironment
from teachrl.lessons import Lesson
from teachrl.observations import equal
from teachrl.snapshots import State
from teachrl.testing import check_restorable
from teachrl.testing._support import through_disk
from teachrl.vector import make_vec
from teachrl_envs import Planner
from teachrl_envs.restorable.objects import NotEncodable, Reader, Writer

CLASSIC = ("CartPole-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Acrobot-v1", "Pendulum-v1")
TOY_TEXT = ("FrozenLake-v1", "FrozenLake8x8-v1", "CliffWalking-v1", "Taxi-v4", "Blackjack-v1")
MINIGRID = (
    *("DoorKey-5x5-v0", "Dynamic-Obstacles-6x6-v0", "FourRooms-v0", "KeyCorridorS3R3-v0", "LavaCrossingS9N1-v0"),
    *("MemoryS7-v0", "MultiRoom-N2-S4-v0", "ObstructedMaze-1Dlhb-v0", "PutNear-6x6-N2-v0"),
)
BABYAI = ("GoToLocal-v0", "UnlockPickup-v0", "PutNextLocalS5N3-v0", "BossLevel-v0")
MUJOCO = ("Hopper-v5", "Walker2d-v5", "HalfCheetah-v5", "Ant-v5", "Swimmer-v5", "Humanoid-v5")
MUJOCO_TASKS = ("Reacher-v5", "Pusher-v5", "InvertedPendulum-v5", "InvertedDoublePendulum-v5")
OURS = (
    *("CartPolePositions-v0", "CartPoleNoisy-v0", "PendulumFlicker-v0"),
    *("MiniGrid-KeyCorridorS3R3-v0", "MiniGrid-MemoryS7-v0", "MiniGrid-MultiRoom-N4-S5-v1"),
)
LENGTH = {
    "class_path": "Parametrised",
    "init_args": {"attributes": {"unwrapped.length": [0.25, 1.5]}, "observe_task": True},
}


def begun(env_id, steps=0, seed=1, **kwargs):
    envs = make_vec(env_id, 1, **kwargs)
    envs.reset(seed=[seed])
    envs.action_space.seed(seed)
    for _ in range(steps):
        envs.step(envs.action_space.sample())
    return envs


def start(envs, state, **options):
    return envs.reset(options={"lessons": [Lesson(start=state, **options)]})[0]


@pytest.mark.parametrize("env_id", [*CLASSIC, *TOY_TEXT, *MUJOCO, *MUJOCO_TASKS, *(f"TeachRL/{name}" for name in OURS)])
def test_twenty_states_are_gone_on_from_as_before(env_id):
    check_restorable(env_id, states=20, actions=100)


@pytest.mark.parametrize("env_id", [*(f"MiniGrid-{name}" for name in MINIGRID), *(f"BabyAI-{name}" for name in BABYAI)])
def test_minigrids_and_babyais_too(env_id):
    check_restorable(f"minigrid:{env_id}", states=20, actions=100)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Ant-v5", "TeachRL/MiniGrid-DoorKey-5x5-v0"])
def test_workers_know_the_adapters(env_id):
    check_restorable(env_id, states=3, actions=20, workers=1)


@pytest.mark.parametrize(
    ("env_id", "kwargs", "wrappers"),
    [
        ("CartPole-v1", {}, [LENGTH]),
        ("TeachRL/CartPolePositions-v0", {}, [{**LENGTH, "init_args": {**LENGTH["init_args"], "observe_task": False}}]),
        ("Hopper-v5", {"render_mode": "rgb_array"}, []),
        ("FrozenLake-v1", {"is_slippery": False, "map_name": "8x8"}, []),
        ("Taxi-v4", {"is_rainy": True, "fickle_passenger": True}, []),
        ("Blackjack-v1", {"natural": True}, ["FlattenObservation"]),
        ("Ant-v5", {"include_cfrc_ext_in_observation": True}, ["ClipAction", "RecordEpisodeStatistics"]),
        ("minigrid:MiniGrid-DoorKey-5x5-v0", {"max_steps": 30}, ["minigrid.wrappers.FullyObsWrapper"]),
    ],
)
def test_arguments_and_wrappers_make_no_difference(env_id, kwargs, wrappers):
    check_restorable(env_id, states=10, actions=30, env_kwargs=kwargs, wrappers=wrappers)


@pytest.mark.parametrize("game", ["MiniGrid-KeyCorridorS3R3-v0", "MiniGrid-ObstructedMaze-1Dlhb-v0"])
def test_a_planners_way_is_gone_on_from_anywhere(game):
    """Keys in boxes, doors that open, balls that are carried away: what random actions seldom come by."""
    envs, other, planner = begun(f"TeachRL/{game}", seed=5), make_vec(f"TeachRL/{game}", 1), Planner()
    seen, memory, trail = envs.reset(seed=[5])[0], None, []
    while True:
        saved = through_disk(envs.get_state()[0].to_data())
        actions, memory = planner.act(seen["teacher"], memory, np.array([not trail]))
        before, (seen, *result, _) = seen, envs.step(actions)
        trail.append((saved, before, actions, result))
        if result[1][0] or result[2][0]:
            break
    assert result[0][0] > 0
    for k, (state, *_) in enumerate(trail):
        shown = start(other, State.from_data(state))
        for _, before, actions, result in trail[k:]:
            assert equal(shown, before)
            shown, *again, _ = other.step(actions)
            assert equal(again, result)


def test_a_start_of_one_task_under_another():
    envs = begun("CartPole-v1", 5, wrappers=[LENGTH])
    envs.reset(seed=[0], options={"lessons": [Lesson(np.array([0.5]))]})
    for _ in range(4):
        shown = envs.step(np.array([1]))[0]
    state = envs.get_state()[0]
    assert state.task == [0.5]
    other = begun("CartPole-v1", wrappers=[LENGTH])
    np.testing.assert_array_equal(start(other, state), shown)
    longer = start(other, state, task=np.array([1.25]))
    np.testing.assert_array_equal(longer[0], [*shown[0, :4], 1.25])
    assert other.call("get_wrapper_attr", None, "length") == [1.25]


def test_states_know_the_task_where_only_a_wrapper_does():
    wrapper = {**LENGTH, "init_args": {"attributes": {"unwrapped.length": [0.25, 1.5]}}}
    envs = make_vec("TeachRL/CartPolePositions-v0", 1, wrappers=[wrapper])
    envs.reset(seed=[0], options={"lessons": [Lesson(np.array([1.0]))]})
    assert envs.get_state()[0].task == [1.0]


def test_steps_are_counted_on():
    for env_id in ("CartPole-v1", "TeachRL/MiniGrid-DoorKey-5x5-v0", "minigrid:MiniGrid-DoorKey-5x5-v0"):
        envs = begun(env_id, 6)
        state = envs.get_state()[0]
        assert state.elapsed == 6
        start(envs, state)
        assert envs.get_state()[0].elapsed == 6
    start(envs, replace(state, elapsed=249))
    assert envs.call("step_count") == [249]
    assert envs.step(np.array([0]))[3][0]


def test_what_is_drawn_is_where_it_was_in_mujoco():
    envs, other = (begun("Swimmer-v5", 20, seed, env_kwargs={"render_mode": "rgb_array"}) for seed in (1, 2))
    start(other, envs.get_state()[0])
    data, again = envs.call("data")[0], other.call("data")[0]
    for name in ("geom_xpos", "geom_xmat", "xmat", "xquat", "qacc_warmstart", "qpos", "ctrl"):
        np.testing.assert_array_equal(getattr(data, name), getattr(again, name))
    plain = begun("Swimmer-v5", 20).get_state()[0]
    start(other, plain)
    assert np.abs(other.call("data")[0].geom_xpos - data.geom_xpos).max() < 0.02  # derived anew, a substep later


@pytest.mark.parametrize(
    ("env_id", "saved_with", "made_with", "message"),
    [
        ("FrozenLake-v1", {"map_name": "8x8"}, {}, "saved on another map of FrozenLakeEnv"),
        ("FrozenLake-v1", {"desc": ["SFFF", "FFFF", "FFFF", "FFFG"]}, {}, "saved on another map"),
        ("minigrid:MiniGrid-Empty-5x5-v0", {"size": 6}, {}, r"EmptyEnv with height=6, but this one has 5"),
        ("TeachRL/MiniGrid-DoorKey-5x5-v0", {"game": "MiniGrid-DoorKey-8x8-v0"}, {}, "with height=8, but"),
        ("Hopper-v5", {"xml_file": "ant.xml"}, {}, "with another model"),
    ],
)
def test_states_of_other_arguments_are_refused(env_id, saved_with, made_with, message):
    if "xml_file" in saved_with:  # a Hopper cannot be made of an ant: its numbers serve
        state = replace(begun("Ant-v5").get_state()[0], env_id="Hopper-v5")
        origin = {**state.payload["origin"], "class": "HopperEnv"}
        state = replace(state, payload={**state.payload, "origin": origin})
    else:
        state = begun(env_id, env_kwargs=saved_with).get_state()[0]
    envs = make_vec(env_id, 1, env_kwargs=made_with)
    with pytest.raises(InvalidEnvironment, match=message):
        start(envs, state)
    envs.reset(seed=[0])
    envs.step(envs.action_space.sample())


def test_states_that_cannot_be_read_are_refused():
    state = begun("CartPole-v1").get_state()[0]
    for simulation, message in (({"state": np.zeros(3)}, r"'state' has the shape \(3,\)"), ({}, "cannot read this")):
        with pytest.raises(InvalidEnvironment, match=message):
            start(make_vec("CartPole-v1", 1), replace(state, payload={**state.payload, "simulation": simulation}))


def test_objects_of_other_modules_are_not_made():
    env = begun("minigrid:MiniGrid-DoorKey-5x5-v0").call("unwrapped")[0]
    for path in ("subprocess:Popen", "minigrid.core.grid:np", "builtins:object", "minigrid.nowhere:Wall"):
        with pytest.raises(InvalidEnvironment, match=f"holds a {path}"):
            Reader(env, [[path, {}]])


def test_one_object_is_one_object_again():
    env = begun("minigrid:BabyAI-UnlockPickup-v0", seed=3).call("unwrapped")[0]
    writer = Writer(env)
    rooms, grid = writer.value(env.room_grid), writer.value(env.grid)
    reader = Reader(env, writer.objects)
    rooms, grid = reader.value(rooms), reader.value(grid)
    doors = [door for row in rooms for room in row for door in room.doors if door]
    assert len(doors) == 2
    assert doors[0] is doors[1]
    assert any(thing is doors[0] for thing in grid.grid)
    assert rooms[0][0].neighbors[0] is rooms[0][1]
    assert len(grid.grid) == len(env.grid.grid)
    assert len(writer.objects) < sum(thing is not None for thing in env.grid.grid)  # walls are written once


def test_an_object_that_was_refused_is_refused_again_and_leaves_nothing():
    env = begun("minigrid:MiniGrid-DoorKey-5x5-v0").call("unwrapped")[0]
    outer, inner, bad = (Ball("red") for _ in range(3))
    outer.inner, inner.outer, outer.bad, bad.drawn_by = inner, outer, bad, print
    writer = Writer(env)
    for thing in (outer, inner, bad, outer, [bad]):
        with pytest.raises(NotEncodable):
            writer.value(thing)
    assert writer.objects == []
    assert writer.value(Ball("blue")) == {"object": 0}
