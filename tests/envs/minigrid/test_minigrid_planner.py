from collections import deque

import numpy as np
import pytest

from teachrl.errors import InvalidHyperparameter, InvalidTeacher
from teachrl_envs.minigrid import GAMES, Planner
from teachrl_envs.minigrid.views import MiniGridViews

AHEAD = ((1, 0), (0, 1), (-1, 0), (0, -1))
ODDS = [0.15, 0.15, 0.3, 0.14, 0.12, 0.14, 0.0]
UNSOLVABLE = ("MiniGrid-ObstructedMaze-2Dlhb-v0", 7)  # the door's key was overwritten when the level was made


@pytest.fixture(scope="module")
def planner():
    return Planner()


def one(views):
    """The teacher's view of one environment as a batch."""
    return {name: value[None] for name, value in views["teacher"].items()}


def follow(planner, env, views, limit=10_000):
    """Lets the planner play to the end; returns steps, success and the poses it went through."""
    state, first, poses = None, np.ones(1, bool), []
    for steps in range(1, limit):
        poses.append(tuple(views["teacher"]["facts"][:3].tolist()))
        actions, state = planner.act(one(views), state, first)
        first = np.zeros(1, bool)
        views, _, terminated, truncated, info = env.step(int(actions[0]))
        if terminated or truncated:
            return steps, info["is_success"], poses
    raise AssertionError


def stray(env, views, steps, rng):
    """Takes random steps; returns what is seen then, None if the episode ended."""
    for _ in range(steps):
        views, _, terminated, truncated, _ = env.step(int(rng.choice(7, p=ODDS)))
        if terminated or truncated:
            return None
    return views


def shortest(views):
    """Steps to success by breadth-first search over complete states, things anywhere: exact, for small games."""
    image, facts = views["teacher"]["image"], views["teacher"]["facts"].tolist()
    x, y, d, door, *hand = facts[:7]
    kind, _, *goal = facts[7:]
    cells = {(i, j): tuple(image[i, j].tolist()) for i, j in np.ndindex(image.shape[:2])}
    cells[x, y] = (4, door - 1, 0) if door else (1, 0, 0)
    walls = {place for place, thing in cells.items() if thing[0] == 2}
    things = frozenset((place, thing) for place, thing in cells.items() if 4 <= thing[0] <= 7)
    queue, known = deque([((x, y, d, tuple(hand), things), 0)]), set()
    while queue:
        (x, y, d, held, things), steps = queue.popleft()
        ahead = (x + AHEAD[d][0], y + AHEAD[d][1])
        thing = dict(things).get(ahead)
        following = [(x, y, (d + 1) % 4, held, things), (x, y, (d + 3) % 4, held, things)]
        rest = things - {(ahead, thing)}
        if ahead not in walls and (thing is None or (thing[0] == 4 and thing[2] == 0)):
            if list(ahead) == goal and kind == 8:
                return steps + 1
            following.append((*ahead, d, held, things))
        if thing is None and ahead not in walls and list(ahead) != goal and held[0]:
            following.append((x, y, d, (0, 0, 0), things | {(ahead, held)}))
        if thing is not None and thing[0] in (5, 6, 7) and not held[0]:
            if list(ahead) == goal and kind == 6:
                return steps + 1
            following.append((x, y, d, thing, rest))
        if thing is not None and thing[0] == 4 and (thing[2] == 1 or (thing[2] == 2 and held[:2] == (5, thing[1]))):
            following.append((x, y, d, held, rest | {(ahead, (4, thing[1], 0))}))
        if thing is not None and thing[0] == 7:
            following.append((x, y, d, held, rest | {(ahead, (5, thing[2] - 1, 0))}))
        for state in following:
            if state not in known:
                known.add(state)
                queue.append((state, steps + 1))
    return np.inf


@pytest.mark.parametrize("game", GAMES)
def test_every_layout_is_solved(planner, game):
    env = MiniGridViews(game)
    for seed in range(6):
        views, _ = env.reset(seed=seed)
        distance = planner.distances(one(views))[0]
        steps, success, _ = follow(planner, env, views)
        assert success
        assert abs(steps - distance) <= 10


@pytest.mark.parametrize("game", [game for game in GAMES if "Obstructed" not in game])
def test_distances_are_the_steps_that_are_taken(planner, game):
    env = MiniGridViews(game)
    for seed in range(100, 104):
        views, _ = env.reset(seed=seed)
        distance = planner.distances(one(views))[0]
        assert abs(follow(planner, env, views)[0] - distance) <= 1


@pytest.mark.parametrize(
    ("game", "slack"),
    [
        *[("DoorKey-5x5", 0), ("DoorKey-6x6", 0), ("KeyCorridorS3R1", 0), ("KeyCorridorS3R2", 0)],
        *[("MultiRoom-N2-S4", 0), ("ObstructedMaze-1Dl", 0), ("ObstructedMaze-1Dlh", 0), ("ObstructedMaze-1Dlhb", 4)],
    ],
)
def test_distances_are_shortest_or_nearly(planner, game, slack):
    env, rng = MiniGridViews(f"MiniGrid-{game}-v0"), np.random.default_rng(0)
    for seed in range(3):
        views, _ = env.reset(seed=seed)
        for _ in range(3):
            least = shortest(views)
            assert least <= planner.distances(one(views))[0] <= least + slack
            if (views := stray(env, views, 25, rng)) is None:
                break


@pytest.mark.parametrize("game", ["DoorKey-8x8", "KeyCorridorS3R3", "KeyCorridorS6R3", "MultiRoom-N6"])
def test_a_student_that_strayed_is_led_to_the_end(planner, game):
    _check_strayed(planner, f"MiniGrid-{game}-v0", seeds=10)


@pytest.mark.parametrize("game", ["1Dlhb-v0", "2Dlhb-v1", "1Q-v1", "Full-v1"])
def test_a_mess_is_cleared_up(planner, game):
    _check_strayed(planner, f"MiniGrid-ObstructedMaze-{game}", seeds=10)


def _check_strayed(planner, game, seeds):
    env, rng, led = MiniGridViews(game), np.random.default_rng(1), 0
    env._game.max_steps = 2000
    for seed in range(seeds):
        views, _ = env.reset(seed=seed)
        if (views := stray(env, views, 100, rng)) is not None:
            assert np.isfinite(planner.distances(one(views))[0])
            assert follow(planner, env, views)[1]
            led += 1
    assert led


def test_a_level_without_a_way_is_masked():
    game, seed = UNSOLVABLE
    planner = Planner()
    views, _ = MiniGridViews(game).reset(seed=seed)
    labels, _ = planner.label(one(views))
    assert not labels.mask[0]
    assert labels.actions.tolist() == [6]
    assert np.isinf(planner.distances(one(views))[0])
    assert np.ptp(labels.parameters["logits"]) == 0
    plans = list(planner._plans.values())
    planner.label(one(views))
    assert list(planner._plans.values()) == plans  # it is not sought again


def may_be_possible(views):
    """Whether the target can be reached if keys can be carried at once and things walked through."""
    image, facts, keys = views["teacher"]["image"], views["teacher"]["facts"].tolist(), set()
    while True:
        reached, frontier, found = {(facts[0], facts[1])}, [(facts[0], facts[1])], set()
        while frontier:
            x, y = frontier.pop()
            for dx, dy in AHEAD:
                place = (x + dx, y + dy)
                kind, colour, state = image[place].tolist()
                if place not in reached and kind != 2 and (kind != 4 or state != 2 or colour in keys):
                    reached.add(place)
                    frontier.append(place)
                    found |= {colour} if kind == 5 else {state - 1} if kind == 7 else set()
        if found <= keys:
            return tuple(facts[9:]) in reached
        keys |= found


@pytest.mark.parametrize("game", ["2Dlhb-v0", "2Q-v0", "1Q-v1", "Full-v1"])
def test_no_plan_is_found_only_where_there_is_no_way(planner, game):
    env, impossible = MiniGridViews(f"MiniGrid-ObstructedMaze-{game}"), 0
    for seed in range(60):
        views, _ = env.reset(seed=seed)
        possible = may_be_possible(views)
        assert possible == np.isfinite(planner.distances(one(views))[0])
        impossible += not possible
    assert bool(impossible) == game.endswith("v0")


def test_labels_are_the_best_actions_and_masked_at_the_end(planner):
    env = MiniGridViews("MiniGrid-FourRooms-v0")
    views, _ = env.reset(seed=0)
    while True:
        labels, _ = planner.label(one(views))
        logits = labels.parameters["logits"][0]
        here, chances = planner.distances(one(views))[0], np.exp(logits)
        assert labels.mask[0]
        assert chances.sum() == pytest.approx(1.0)
        assert chances[labels.actions[0]] == pytest.approx(chances.max())
        assert np.array_equal(planner.distribution(one(views))["logits"][0], logits)
        views, _, terminated, _, _ = env.step(int(labels.actions[0]))
        assert planner.distances(one(views))[0] == here - 1
        if terminated:
            break
    assert here == 1
    assert not planner.label(one(views))[0].mask[0]


def test_ties_are_broken_at_random_if_asked():
    views, _ = MiniGridViews("MiniGrid-FourRooms-v0").reset(seed=0)
    tied = 0
    for seed in range(30):
        views, _ = MiniGridViews("MiniGrid-FourRooms-v0").reset(seed=seed)
        planner = Planner(seed=1)
        best = set(np.flatnonzero(planner.distribution(one(views))["logits"][0] > -10).tolist())
        drawn = {int(planner.act(one(views), deterministic=False)[0][0]) for _ in range(40)}
        assert drawn == best
        assert planner.act(one(views))[0][0] == min(best)
        tied += len(best) > 1
    assert tied


def sees_hint(views, height):
    image, (x, y, d, *_) = views["student"]["image"], views["teacher"]["facts"].tolist()
    (dx, dy), (hx, hy) = AHEAD[d], (1, height // 2 - 1)
    ahead, right = (hx - x) * dx + (hy - y) * dy, (hy - y) * dx - (hx - x) * dy
    inside = 0 <= ahead < 7 and abs(right) <= 3
    return bool(inside and image[3 + right, 6 - ahead, 0] in (5, 6))


@pytest.mark.parametrize("game", ["MiniGrid-MemoryS7-v0", "MiniGrid-MemoryS13Random-v0"])
def test_the_hint_is_looked_at_before_the_answer(game):
    env, blind = MiniGridViews(game), 0
    for seed in range(12):
        for look in (True, False):
            planner, state, looked = Planner(look=look), None, False
            views, _ = env.reset(seed=seed)
            while True:
                looked = looked or sees_hint(views, env._game.height)
                actions, state = planner.act(one(views), state, np.zeros(1, bool))
                assert (state is None) is not look
                assert not look or state[0] == looked
                views, _, terminated, _, info = env.step(int(actions[0]))
                if terminated:
                    break
            assert info["is_success"]
            assert looked or not look
            blind += not looked
    assert blind


def test_looking_starts_again_with_the_episode():
    env = MiniGridViews("MiniGrid-MemoryS7-v0")
    for seed in range(20):
        views, _ = env.reset(seed=seed)
        if not sees_hint(views, 7):
            break
    planner = Planner()
    _, state = planner.act(one(views), np.array([True]), np.array([False]))
    assert state.tolist() == [True]
    _, state = planner.act(one(views), np.array([True]), np.array([True]))
    assert state.tolist() == [False]
    assert planner.distances(one(views), np.array([True]))[0] < planner.distances(one(views))[0]


def test_rows_are_independent_and_the_cache_does_not_matter():
    games = [MiniGridViews("MiniGrid-KeyCorridorS3R3-v0") for _ in range(5)]
    rng, rows = np.random.default_rng(0), []
    for seed, env in enumerate(games):
        views, _ = env.reset(seed=seed)
        rows.append(stray(env, views, 30, rng)["teacher"])
    batch = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    before = {name: value.copy() for name, value in batch.items()}
    small, large = Planner(cache=1), Planner()
    together = large.act(batch)[0]
    assert together.tolist() == small.act(batch)[0].tolist() == large.act(batch)[0].tolist()
    assert together.tolist() == [int(Planner().act({k: v[None] for k, v in row.items()})[0][0]) for row in rows]
    assert all(np.array_equal(batch[name], before[name]) for name in batch)
    assert len(small._plans) == 1


def test_it_is_described_by_its_arguments():
    assert Planner(look=False).init_args == {"look": False, "cache": 2048, "seed": 0}
    with pytest.raises(InvalidHyperparameter, match="cache"):
        Planner(cache=0)


def test_other_views_are_refused(planner):
    views, _ = MiniGridViews("MiniGrid-DoorKey-5x5-v0").reset(seed=0)
    assert planner.act({"teacher": one(views), "student": None})[0].shape == (1,)
    with pytest.raises(InvalidTeacher, match=r"\(1, 7, 7, 3\)"):
        planner.act({name: np.asarray(value)[None] for name, value in views["student"].items()})
    with pytest.raises(InvalidTeacher, match=r"\(1, 4\)"):
        planner.act(np.zeros((1, 4)))
