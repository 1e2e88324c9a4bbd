import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest

import teachrl_envs  # noqa: F401 (registers the environments)
from teachrl.errors import InvalidEnvironment, InvalidTask, UnknownName
from teachrl.lessons import Lesson
from teachrl.testing import check_env
from teachrl.vector import make_vec
from teachrl_envs.minigrid import GAMES
from teachrl_envs.minigrid.views import MiniGridViews

FAMILIES = ("DoorKey", "FourRooms", "KeyCorridor", "Memory", "MultiRoom", "ObstructedMaze")
ODDS = [0.15, 0.15, 0.35, 0.11, 0.09, 0.14, 0.01]
BUSY = ("MiniGrid-DoorKey-5x5-v0", "MiniGrid-KeyCorridorS3R2-v0", "MiniGrid-ObstructedMaze-1Dlhb-v0")


def make(game):
    return gym.make(f"TeachRL/{game}") if game not in OUTDATED else MiniGridViews(game)


def newest(game):
    name, version = game.rsplit("-v", 1)
    return max(int(other.rsplit("-v", 1)[1]) for other in GAMES if other.rsplit("-v", 1)[0] == name) == int(version)


OUTDATED = {game for game in GAMES if not newest(game)}


def original(game):
    import minigrid  # noqa: F401 (registers the games)

    spec = gym.registry[game]
    return gym.envs.registration.load_env_creator(spec.entry_point)(**spec.kwargs)


def play_both(game, seed, steps=150):
    """Yields MiniGrid's own step and ours, side by side, with random actions."""
    theirs, ours = original(game), make(game)
    rng = np.random.default_rng(seed)
    (seen, _), (views, _) = theirs.reset(seed=seed), ours.reset(seed=seed)
    yield theirs, ours, (seen, 0, False, False), (views, 0.0, False, False, {})
    for _ in range(steps):
        action = int(rng.choice(7, p=ODDS))
        their_step, our_step = theirs.step(action), ours.step(action)
        yield theirs, ours, their_step, our_step
        if our_step[2] or our_step[3]:
            return


def test_every_game_of_the_families_is_registered():
    import minigrid  # noqa: F401 (registers the games)

    theirs = {i for i in gym.registry if i.startswith(tuple(f"MiniGrid-{family}" for family in FAMILIES))}
    assert set(GAMES) == theirs
    assert {f"TeachRL/{game}" for game in GAMES} <= set(gym.registry)


def test_registering_does_not_import_minigrid():
    import subprocess

    code = "import sys, teachrl_envs, teachrl_envs.minigrid; assert not {'minigrid', 'numba'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("game", GAMES)
def test_the_student_sees_minigrids_own_image_and_plays_its_rules(game):
    for _, ours, theirs, mine in play_both(game, seed=3, steps=60):
        assert np.array_equal(theirs[0]["image"], mine[0]["student"]["image"])
        assert theirs[0]["direction"] == mine[0]["student"]["direction"]
        assert theirs[1:4] == mine[1:4]
        assert ours.observation_space.contains(mine[0])


@pytest.mark.parametrize("game", BUSY)
def test_the_teacher_sees_the_full_state(game):
    for theirs, _, _, mine in play_both(game, seed=5, steps=300):
        image, facts = mine[0]["teacher"]["image"].copy(), mine[0]["teacher"]["facts"]
        x, y = (int(v) for v in theirs.agent_pos)
        assert (x, y, theirs.agent_dir) == tuple(facts[:3].tolist())
        assert image[x, y].tolist() == [10, 0, theirs.agent_dir]
        expected = theirs.grid.encode()
        assert facts[3] == (1 + expected[x, y, 1] if expected[x, y, 0] == 4 else 0)
        for i, j in np.argwhere(expected[..., 0] == 7).tolist():
            expected[i, j, 2] = 1 + theirs.grid.get(i, j).contains.encode()[1]
        expected[x, y] = image[x, y]
        assert np.array_equal(expected, image)
        held = theirs.carrying
        assert tuple(facts[4:6].tolist()) == ((0, 0) if held is None else held.encode()[:2])
        assert facts[6] == (1 + held.contains.encode()[1] if held is not None and held.type == "box" else 0)


def test_memorys_right_answer_is_told():
    for seed in range(10):
        env = make("MiniGrid-MemoryS9-v0")
        views, _ = env.reset(seed=seed)
        assert tuple(views["teacher"]["facts"][7:].tolist()) == (1, 0, *env._game.success_pos)


def test_the_mission_is_shown_where_it_varies():
    seen = set()
    for seed in range(20):
        env = make("MiniGrid-KeyCorridorS3R1-v0")
        views, _ = env.reset(seed=seed)
        assert views["student"]["mission"] == views["teacher"]["facts"][8] == env._game.obj.encode()[1]
        seen.add(int(views["student"]["mission"]))
    assert len(seen) > 3
    assert set(make("MiniGrid-ObstructedMaze-1Dl-v0").observation_space["student"]) == {"image", "direction"}


@pytest.mark.parametrize(
    "game",
    [*BUSY, "MiniGrid-FourRooms-v0", "MiniGrid-MemoryS7-v0", "MiniGrid-MultiRoom-N2-S4-v0"],
)
def test_the_contract_is_kept(game):
    check_env(f"TeachRL/{game}", max_steps=700)


def test_a_success_pays_and_is_said():
    env = make("MiniGrid-MemoryS7-v0")
    env.reset(seed=0)
    x, y = env._game.success_pos
    env._game.agent_pos, env._game.agent_dir = (x, 3), 1 if y > 3 else 3
    _, reward, terminated, _, info = env.step(2)
    assert terminated
    assert reward == pytest.approx(1 - 0.9 / 245)
    assert info == {"is_success": True}


def test_the_wrong_answer_is_no_success():
    env = make("MiniGrid-MemoryS7-v0")
    env.reset(seed=0)
    x, y = env._game.failure_pos
    env._game.agent_pos, env._game.agent_dir = (x, 3), 1 if y > 3 else 3
    _, reward, terminated, _, info = env.step(2)
    assert (reward, terminated, info) == (0.0, True, {"is_success": False})


def test_a_level_that_minigrid_gives_up_is_begun_again():
    env = MiniGridViews("MiniGrid-DoorKey-5x5-v0")
    generate, calls = env._game._gen_grid, []

    def fail_twice(width, height):
        calls.append(1)
        if len(calls) < 3:
            raise RecursionError("rejection sampling failed in place_obj")
        generate(width, height)

    env._game._gen_grid = fail_twice
    env.reset(seed=0)
    assert len(calls) == 3
    env._game._gen_grid = lambda width, height: (_ for _ in ()).throw(RecursionError)
    with pytest.raises(InvalidEnvironment, match="seed 7"):
        env.reset(seed=7)


def test_lessons_differ_by_seed():
    envs = make_vec("TeachRL/MiniGrid-DoorKey-5x5-v0", 3)
    views, _ = envs.reset(options={"lessons": [Lesson(seed=1), Lesson(seed=1), Lesson(seed=2)]})
    images = views["teacher"]["image"]
    assert np.array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])


def test_pictures_are_minigrids():
    env = MiniGridViews("MiniGrid-DoorKey-5x5-v0", render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().shape == (160, 160, 3)
    assert MiniGridViews("MiniGrid-DoorKey-5x5-v0").render() is None
    env.close()


def test_what_is_not_there_is_refused():
    with pytest.raises(UnknownName, match="MiniGrid-DoorKey-8x8-v0"):
        MiniGridViews("MiniGrid-DoorKey-7x7-v0")
    env = make("MiniGrid-DoorKey-5x5-v0")
    with pytest.raises(InvalidEnvironment, match="reset"):
        env.step(0)
    with pytest.raises(InvalidTask, match="seed"):
        env.reset(options={"task": 1})


def test_making_a_game_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MiniGridViews("MiniGrid-MultiRoom-N4-S5-v0")
