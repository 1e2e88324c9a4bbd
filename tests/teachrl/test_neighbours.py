"""The neighbour store against brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachrl import _neighbours
from teachrl._neighbours import NearestNeighbours


def brute_force(points, query):
    """Distance summed coordinate by coordinate; argmin takes the oldest of equals."""
    squared = np.zeros(len(points))
    for column, coordinate in zip(np.asarray(points, np.float64).T, np.asarray(query, np.float64), strict=True):
        squared += (column - coordinate) ** 2
    index = int(squared.argmin())
    return index, float(np.sqrt(squared[index]))


def stream(kind, n, dims, rng):
    points = rng.random((n, dims)).astype(np.float32)
    if kind == "lattice":
        return np.round(points * max(4, 60 // dims**2)).astype(np.float32)
    if kind == "clipped":
        return np.clip(points * 3 - 1, 0, 1).astype(np.float32)
    if kind == "clustered":
        centres = rng.random((5, dims)).astype(np.float32)
        return centres[rng.integers(5, size=n)] + points * np.float32(1e-6)
    return points


def earlier(points, start=0):
    """The nearest of all points before each, by brute force."""
    return [start + brute_force(points[start:i], points[i])[0] if i > start else -1 for i in range(start, len(points))]


def in_pieces(points, rng, longest=300):
    """The points in pieces of random length."""
    while len(points):
        n = int(rng.integers(1, longest + 1))
        yield points[:n]
        points = points[n:]


@pytest.fixture
def small(monkeypatch):
    """Tails and batches so short that a few hundred points make several trees."""
    monkeypatch.setattr(_neighbours, "_TAIL", 16)
    monkeypatch.setattr(_neighbours, "_BATCH", 9)


@pytest.mark.parametrize("kind", ["uniform", "lattice", "clipped", "clustered"])
@pytest.mark.parametrize("dims", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("longest", [1, 50])
@pytest.mark.usefixtures("small")
def test_every_answer_is_brute_forces(kind, dims, longest):
    rng = np.random.default_rng(dims)
    points = stream(kind, 700, dims, rng)
    store = NearestNeighbours(dims)
    answers = np.concatenate([store.extend(piece, np.zeros(len(piece))) for piece in in_pieces(points, rng, longest)])
    assert store._trees, "the stream must have filled trees"
    assert answers.tolist() == earlier(points)
    queries = rng.random((100, dims))
    nearest, distances = store.nearest(queries)
    assert [*zip(nearest, distances, strict=True)] == [brute_force(points, query) for query in queries]


@settings(max_examples=80, deadline=None)
@given(data=st.data(), dims=st.integers(1, 8))
def test_ties_duplicates_and_clusters(data, dims):
    coordinate = st.one_of(st.sampled_from([0.0, -0.0, 0.5, 1.0]), st.floats(-100, 100, width=32))
    pool = data.draw(st.lists(st.lists(coordinate, min_size=dims, max_size=dims), min_size=1, max_size=12))
    order = data.draw(st.lists(st.integers(0, len(pool) - 1), min_size=1, max_size=80))
    points = np.array([pool[i] for i in order], np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_neighbours, "_TAIL", data.draw(st.sampled_from([1, 2, 7])))
        store = NearestNeighbours(dims)
        cut = data.draw(st.integers(0, len(points)))
        answers = [*store.extend(points[:cut], np.zeros(cut)), *store.extend(points[cut:], np.zeros(len(points) - cut))]
        queries = np.concatenate([points, np.random.default_rng(len(order)).normal(size=(5, dims))])
        nearest, distances = store.nearest(queries)
    assert answers == earlier(points)
    assert [*zip(nearest, distances, strict=True)] == [brute_force(points, query) for query in queries]


def test_with_full_tails_and_merges():
    rng = np.random.default_rng(3)
    points = stream("uniform", 13_100, 2, rng)
    store = NearestNeighbours(2)
    answers = store.extend(points, np.zeros(len(points)))
    sizes = [len(tree.ids) for tree in store._trees]
    assert sum(sizes) + len(store._tail) == len(points)
    assert len(sizes) > 1
    assert all(a > 8 * b for a, b in itertools.pairwise(sizes))
    for i in rng.integers(1, len(points), 300):
        assert answers[i] == brute_force(points[:i], points[i])[0]


def test_repeated_points_are_not_indexed_again():
    store = NearestNeighbours(2)
    answers = store.extend(np.ones((5000, 2)), np.arange(5000))
    assert answers.tolist() == [-1] + [0] * 4999
    assert len(store) == 5000
    assert len(store._tail) == 1
    assert not store._trees


def test_points_that_float64_can_hardly_tell_apart_are_all_kept():
    store = NearestNeighbours(1)
    store.extend([[0.0], [1e-170]], [0.0, 1.0])  # the square of the difference is zero
    assert len(store._tail) == 2


def test_values_and_points_are_kept_in_order():
    store = NearestNeighbours(2)
    points = np.random.default_rng(0).random((300, 2))
    for piece in in_pieces(points, np.random.default_rng(1), 40):
        store.extend(piece, piece[:, 0])
    assert len(store) == 300
    np.testing.assert_array_equal(store.points, points)
    np.testing.assert_array_equal(store.values, points[:, 0])


@pytest.mark.parametrize("limit", [1, 3, 10, 64, 100])
@pytest.mark.parametrize("longest", [1, 70])
@pytest.mark.usefixtures("small")
def test_a_limit_forgets_the_oldest_in_blocks(limit, longest):
    rng = np.random.default_rng(limit)
    points = stream("lattice", 500, 2, rng)
    store = NearestNeighbours(2, limit=limit)
    answers = np.concatenate([store.extend(piece, np.zeros(len(piece))) for piece in in_pieces(points, rng, longest)])
    block = max(1, limit // 4)
    starts = [max(0, i - i % block - limit) for i in range(len(points))]
    expected = [start + brute_force(points[start:i], points[i])[0] for i, start in enumerate(starts) if i]
    assert answers.tolist() == [-1, *expected]


@pytest.mark.parametrize("limit", [None, 90])
@pytest.mark.parametrize("n", [0, 1, 15, 16, 200, 333])
@pytest.mark.usefixtures("small")
def test_state_goes_round(n, limit):
    rng = np.random.default_rng(n)
    points = stream("clipped", n + 200, 3, rng)
    store, other = NearestNeighbours(3, limit), NearestNeighbours(3, limit)
    other.extend(np.ones((40, 3)), np.ones(40))
    store.extend(points[:n], np.arange(n))
    other.load_state_dict(store.state_dict())
    for piece in in_pieces(points[n:], rng, 30):
        np.testing.assert_array_equal(store.extend(piece, piece[:, 0]), other.extend(piece, piece[:, 0]))
    np.testing.assert_array_equal(store.points, other.points)
    np.testing.assert_array_equal(store.values, other.values)


def test_a_state_is_not_shared():
    store, other = NearestNeighbours(1), NearestNeighbours(1)
    store.extend([[0.0]], [1.0])
    state = store.state_dict()
    other.load_state_dict(state)
    other.extend([[5.0]], [2.0])
    other.points[0] = 9.0
    assert state["points"].tolist() == [[0.0]]
    assert store.points.tolist() == [[0.0]]


def test_nothing_is_nearest_to_nothing():
    store = NearestNeighbours(2)
    nearest, distances = store.nearest([[0.0, 0.0]])
    assert (nearest.tolist(), distances.tolist()) == ([-1], [np.inf])
    assert store.extend([], []).tolist() == []
