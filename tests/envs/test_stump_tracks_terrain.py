"""Stump tracks against geometry worked out by hand, and the lidar against Box2D's own ray casts."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachrl_envs.box2d import lidar
from teachrl_envs.box2d.engine import b2RayCastCallback, b2World
from teachrl_envs.box2d.lidar import RANGE, RAYS, cast_rays
from teachrl_envs.box2d.stump_tracks import StumpTracks
from teachrl_envs.box2d.terrain import FINISH, HEIGHT, LENGTH, PAD, STEP, Terrain, stump_track


class FixedHeights:
    """A generator that hands out its mean plus given offsets, in place of normal draws."""

    def __init__(self, offsets):
        self.offsets = offsets
        self.asked = None

    def normal(self, mean, deviation, count):
        self.asked = (mean, deviation)
        return mean + np.resize(self.offsets, count)


def test_geometry_by_hand():
    draws = FixedHeights([0.0, 0.25, -5.0])
    track = stump_track(2.0, 3.0, draws)
    assert draws.asked == (2.0, 0.1)
    step, height = 14 / 30, 400 / 30 / 4
    pad = 20 * step
    expected = [
        (pad, pad + step, height, height + 2.0 * step),
        (pad + step + 3, pad + 2 * step + 3, height, height + 2.25 * step),
        (pad + 2 * step + 6, pad + 3 * step + 6, height, height + 0.05 * step),
    ]
    np.testing.assert_allclose(track.stumps[:3], expected, rtol=1e-6)
    np.testing.assert_allclose(track.xs[:5], [0, pad, pad + step, pad + step + 3, pad + 2 * step + 3], rtol=1e-6)
    np.testing.assert_allclose(track.ys, height, rtol=1e-6)
    # 84 units after the pad in periods of 3.4667: the 25th begins at 83.2.
    assert len(track.stumps) == 25


def test_spacing_is_floored_at_a_hundredth():
    stumps = stump_track(1.0, 0.0, np.random.default_rng(0)).stumps
    np.testing.assert_allclose(stumps[1:, 0] - stumps[:-1, 1], 0.01, atol=1e-5)
    np.testing.assert_allclose(
        np.diff(stump_track(1.0, 0.005, np.random.default_rng(0)).xs[:4])[1:], [STEP, 0.01], 1e-3
    )


def test_heights_are_normal_and_floored():
    rng = np.random.default_rng(7)
    high = np.concatenate([stump_track(2.0, 0.0, rng).stumps for _ in range(20)])
    heights = (high[:, 3] - high[:, 2]) / STEP
    assert np.mean(heights) == pytest.approx(2.0, abs=0.01)
    assert np.std(heights) == pytest.approx(0.1, abs=0.01)
    flat = np.concatenate([stump_track(0.0, 0.0, rng).stumps for _ in range(20)])
    heights = (flat[:, 3] - flat[:, 2]) / STEP
    assert heights.min() == pytest.approx(0.05, abs=1e-5)
    # N(0, 0.1) is below 0.05 with probability 0.69.
    assert np.mean(heights < 0.0501) == pytest.approx(0.69, abs=0.03)


@settings(max_examples=60, deadline=None)
@given(st.floats(-3, 9), st.floats(0, 6), st.integers(0, 2**31))
def test_every_track_alternates_and_reaches_the_end(height, spacing, seed):
    track = stump_track(height, spacing, np.random.default_rng(seed))
    assert track.xs[0] == 0.0
    assert track.xs[-1] >= np.float32(LENGTH) - 1e-4 > FINISH
    assert (np.diff(track.xs) > 0).all()
    assert (track.stumps[:, 1] <= np.append(track.stumps[1:, 0], np.inf)).all()
    assert track.stumps[0, 0] == np.float32(PAD)
    assert (track.stumps[:, 0] <= np.float32(LENGTH)).all()
    assert (track.stumps[:, 3] - track.stumps[:, 2] >= 0.05 * STEP - 1e-5).all()
    np.testing.assert_allclose(track.stumps[:, 0], track.xs[1:-1:2])
    np.testing.assert_allclose(track.stumps[:, 1], track.xs[2::2])


class Closest(b2RayCastCallback):
    def __init__(self):
        super().__init__()
        self.fraction = 1.0

    def ReportFixture(self, fixture, point, normal, fraction):
        if fixture.filterData.categoryBits & 1 == 0:
            return -1  # the walker itself
        self.fraction = fraction
        return fraction


def rays_of_box2d(world, x, y):
    fractions = []
    for i in range(RAYS):
        callback = Closest()
        end = (x + math.sin(1.5 * i / 10) * RANGE, y - math.cos(1.5 * i / 10) * RANGE)
        world.RayCast(callback, (x, y), end)
        fractions.append(callback.fraction)
    return np.array(fractions)


def hilly(rng):
    """An uneven ground with some stumps on it."""
    xs = np.arange(200) * STEP
    ys = HEIGHT + np.cumsum(rng.uniform(-0.2, 0.2, 200))
    lefts = rng.choice(np.arange(20, 190, 4), 20, replace=False)
    lefts.sort()
    bottoms = ys[lefts]
    stumps = np.stack([xs[lefts], xs[lefts] + 0.4, bottoms, bottoms + rng.uniform(0.02, 2, 20)], axis=1)
    return Terrain(xs.astype(np.float32), ys.astype(np.float32), stumps.astype(np.float32))


@pytest.mark.parametrize("spacing", [0.0, 0.3, 2.0, 6.0, None])
def test_lidar_is_that_of_box2d(spacing):
    rng = np.random.default_rng(5)
    hits = 0
    for height in (0.0, 0.7, 2.9, 9.0):
        track = hilly(rng) if spacing is None else stump_track(height, spacing, rng)
        world = b2World()
        track.add_to(world)
        for _ in range(60):
            x = float(np.float32(rng.uniform(0, LENGTH)))
            y = float(np.float32(np.interp(x, track.xs, track.ys) + rng.uniform(0.1, 5)))
            observation = np.full(24, -7.0, np.float32)
            cast_rays(x, y, track.xs, track.ys, track.stumps, observation)
            expected = rays_of_box2d(world, x, y)
            np.testing.assert_allclose(observation[-RAYS:], expected, atol=1e-5)
            assert (observation[:-RAYS] == -7.0).all()
            hits += (expected < 1).sum()
    assert hits > 1000


def test_lidar_along_an_episode_is_that_of_box2d():
    env = StumpTracks()
    env.reset(seed=4, options={"task": [1.5, 0.5]})
    for body in (env._walker.hull, *env._walker.legs):
        body.position = (body.position.x + 5, body.position.y + 3)
    rng = np.random.default_rng(0)
    for _ in range(60):
        observation, *_ = env.step(rng.uniform(-1, 1, 4).astype(np.float32))
        position = env._walker.hull.position
        np.testing.assert_allclose(observation[-RAYS:], rays_of_box2d(env._world, *position), atol=1e-5)


def test_lidar_stops_at_a_stump_and_sees_over_a_low_one():
    ground = np.array([0, 30], np.float32), np.zeros(2, np.float32)
    low = Terrain(*ground, np.array([[2, 2.5, 0, 0.1]], np.float32))
    tall = Terrain(*ground, np.array([[2, 2.5, 0, 4.0]], np.float32))
    seen = []
    for track in (low, tall):
        observation = np.zeros(RAYS, np.float32)
        cast_rays(1.0, 1.0, track.xs, track.ys, track.stumps, observation)
        seen.append(observation)
    assert seen[0][0] == pytest.approx(1 / RANGE)  # straight down
    assert seen[0][9] == pytest.approx(1 / (RANGE * math.cos(1.35)))  # over the low stump, to the ground
    assert seen[1][9] == pytest.approx(1 / (RANGE * math.sin(1.35)))  # the tall one stands 1 ahead


def test_functions_are_compiled_where_numba_cannot_write():
    namespace = {}
    exec("def double(x):\n    return 2 * x", namespace)  # has no file beside which a cache could lie
    assert lidar._compiled(namespace["double"])(3) == 6
