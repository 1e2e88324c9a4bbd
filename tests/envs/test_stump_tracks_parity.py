"""The walker's physics are those of Gymnasium's BipedalWalker-v3, step for step."""

import math
from itertools import islice, pairwise

import gymnasium
import numpy as np
import pytest

from teachrl_envs.box2d.stump_tracks import StumpTracks
from teachrl_envs.box2d.terrain import Terrain

EPISODES = 14


def terrain_of(peer):
    xs, ys = np.array(peer.terrain_x, np.float32), np.array(peer.terrain_y, np.float32)
    return Terrain(xs, ys, np.zeros((0, 4), np.float32))


def push_of(peer):
    """The last number that the peer's reset drew, drawn again."""
    peer.np_random.bit_generator.advance(-1)
    return peer.np_random.uniform(-5, 5)


def actions_of(kind, rng):
    """An endless stream of actions: random ones, gaits of swinging joints, which fall later, and greedy overshoots."""
    phases, frequency = rng.uniform(0, 2 * math.pi, 4), rng.uniform(0.05, 0.4)
    size, offset = rng.uniform(0.2, 1.0, 4), rng.uniform(-0.6, 0.6, 4)
    step = 0
    while True:
        if kind == "random":
            yield rng.uniform(-1, 1, 4).astype(np.float32)
        elif kind == "beyond":
            yield rng.uniform(-3, 3, 4).astype(np.float32)
        else:
            yield (size * np.sin(frequency * step + phases) + offset).astype(np.float32)
        step += 1


def play_both(seed, kind, most=400):
    peer = gymnasium.make(
        "BipedalWalker-v3"
    ).unwrapped  # a fresh one: it keeps its world, and so its past, across resets
    first, _ = peer.reset(seed=seed)
    ours = StumpTracks()
    observation = ours._begin(terrain_of(peer), push_of(peer))
    differences = [np.abs(observation - first).max()]
    for steps, action in enumerate(actions_of(kind, np.random.default_rng(seed)), start=1):
        theirs, their_reward, their_end, _, _ = peer.step(action)
        observation, reward, end, _, _ = ours.step(action)
        differences += [np.abs(observation - theirs).max(), abs(reward - their_reward)]
        assert end == their_end
        if end or steps == most:
            return max(differences), steps, end


def test_same_observations_rewards_and_ends():
    kinds = ["random", "gait", "gait", "beyond"]
    played = [play_both(seed, kinds[seed % len(kinds)]) for seed in range(EPISODES)]
    differences, steps, ends = zip(*played, strict=True)
    assert max(differences) <= 1e-6
    assert sum(steps) >= 2000
    assert any(ends)


def test_the_first_observation_depends_on_the_push():
    peer = gymnasium.make("BipedalWalker-v3").unwrapped
    first, _ = peer.reset(seed=3)
    terrain, push = terrain_of(peer), push_of(peer)
    np.testing.assert_allclose(StumpTracks()._begin(terrain, push), first, atol=1e-6)
    assert np.abs(StumpTracks()._begin(terrain, push + 1.0) - first).max() > 1e-4


@pytest.mark.parametrize("seed", range(2))
def test_reaching_the_finish_ends_the_same(seed):
    """Both walkers are put just before the finish: x beyond 190 steps ends the episode without a bonus."""
    peer = gymnasium.make("BipedalWalker-v3").unwrapped
    peer.reset(seed=seed)
    ours = StumpTracks()
    ours._begin(terrain_of(peer), push_of(peer))
    for hull, legs in ((peer.hull, peer.legs), (ours._walker.hull, ours._walker.legs)):
        for body in (hull, *legs):
            body.position = (body.position.x + 83.99, body.position.y + 2.0)
            body.linearVelocity = (4.0, 0.0)
    for _ in range(40):
        theirs, their_reward, their_end, _, _ = peer.step(np.zeros(4, np.float32))
        observation, reward, end, _, info = ours.step(np.zeros(4, np.float32))
        np.testing.assert_allclose(observation, theirs, atol=1e-5)
        assert reward == pytest.approx(their_reward, abs=1e-5)
        assert end == their_end
        if end:
            break
    assert end
    assert reward > 0
    assert info == {"is_success": True}


@pytest.mark.parametrize("task", [(0.2, 0.0), (1.0, 0.5), (2.5, 3.0)])
def test_stumps_act_as_bodies_of_their_own_in_gymnasiums_walker(task):
    """Gymnasium's walker on our track, laid as the original lays it: a static body for every stump and stretch."""
    steps = 0
    for seed in range(4):
        ours = StumpTracks()
        observation, _ = ours.reset(seed=seed, options={"task": task})
        peer = gymnasium.make("BipedalWalker-v3").unwrapped
        peer._generate_terrain = lambda hardcore, peer=peer, track=ours._terrain: lay(peer, track)
        first, _ = peer.reset(seed=seed)
        observation = ours._begin(ours._terrain, push_of(peer))
        np.testing.assert_allclose(observation, first, atol=1e-6)
        # Over the first stumps, where both are let fall.
        for bodies in ((peer.hull, *peer.legs), (ours._walker.hull, *ours._walker.legs)):
            for body in bodies:
                body.position = (body.position.x + 6, body.position.y + 1.5)
        for action in islice(actions_of("gait", np.random.default_rng(seed)), 200):
            theirs, their_reward, their_end, _, _ = peer.step(action)
            observation, reward, end, _, _ = ours.step(action)
            np.testing.assert_allclose(observation, theirs, atol=1e-6)
            assert reward == pytest.approx(their_reward, abs=1e-5)
            assert end == their_end
            steps += 1
            if end:
                break
    assert steps > 100


def lay(peer, track):
    peer.terrain, peer.terrain_poly = [], []
    for left, right, bottom, top in track.stumps.tolist():
        peer.fd_polygon.shape.vertices = [(left, bottom), (right, bottom), (right, top), (left, top)]
        peer.terrain.append(peer.world.CreateStaticBody(fixtures=peer.fd_polygon))
    for ends in pairwise(zip(track.xs.tolist(), track.ys.tolist(), strict=True)):
        peer.fd_edge.shape.vertices = ends
        peer.terrain.append(peer.world.CreateStaticBody(fixtures=peer.fd_edge))
