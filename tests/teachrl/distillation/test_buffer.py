"""What is kept of rounds: pieces with their warm-up, a uniform sample of them, and how much memory they take."""

import tracemalloc

import numpy as np
import pytest

from teachrl.distillation.buffer import Aggregate, Round

N = 3


def numbered(start, steps, parameters=None):
    """A round whose every entry says which step and environment it is of."""
    name = (np.arange(start, start + steps)[:, None] * 10 + np.arange(N)[None, :]).astype(np.int64)
    return Round(
        observations={"a": name, "b": np.repeat(name[..., None], 2, axis=-1).astype(np.float32)},
        previous=name - 10,
        first=np.zeros((steps, N), bool),
        actions=name.astype(np.uint8),
        parameters=parameters or {"logits": np.repeat(name[..., None], 2, axis=-1).astype(np.float32)},
        mask=np.ones((steps, N), bool),
        states=np.repeat(name[..., None], 4, axis=-1).astype(np.float32),
    )


def rng():
    return np.random.default_rng(0)


def test_every_step_is_learned_from_once_and_in_its_sequence():
    kept = Aggregate(1000, length=4, burn_in=2)
    generator = rng()
    for start in (0, 10, 20):
        kept.add(numbered(start, 10), generator)
    found = kept.take(np.arange(len(kept)))
    names, mask = found["observations"]["a"], found["mask"]
    assert names.shape == (6, len(kept))
    assert sorted(names[mask].tolist()) == sorted(t * 10 + i for t in range(30) for i in range(N))
    assert not mask[:2].any()
    for column in range(len(kept)):
        steps = names[:, column][mask[:, column]]
        assert (np.diff(steps) == 10).all()
        if (before := names[1, column]) > 0:
            assert steps[0] - before == 10  # the warm-up leads up to it, across rounds too
            assert found["states"][column, 0] == names[0, column]
            assert found["observations"]["b"][:, column, 0].tolist() == names[:, column].tolist()
            assert found["parameters"]["logits"][:, column, 1].tolist() == names[:, column].tolist()


def test_the_memory_is_cleared_where_nothing_came_before():
    kept = Aggregate(100, length=5, burn_in=2)
    kept.add(numbered(0, 5), rng())
    found = kept.take(np.arange(N))
    assert found["first"][2].all()
    assert not found["first"][3:].any()


def test_steps_without_a_label_take_no_room():
    kept = Aggregate(100)
    given = numbered(0, 4)
    given.mask[1:] = False
    kept.add(given, rng())
    assert len(kept) == N


def test_the_sample_is_uniform():
    generator, counts = rng(), np.zeros(40)
    for _ in range(400):
        kept = Aggregate(30)
        for start in range(0, 40, 8):
            kept.add(numbered(start, 8), generator)
        assert len(kept) == 30
        assert kept.seen == 40 * N
        steps = kept.take(np.arange(30))["observations"]["a"][0] // 10
        np.add.at(counts, steps, 1)
    expected = 400 * 30 / 40
    assert abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_a_state_is_continued_exactly():
    a, b = Aggregate(20, 2, 1), Aggregate(20, 2, 1)
    one, other = rng(), rng()
    a.add(numbered(0, 9), one)
    b.load_state_dict(a.state_dict())
    other.bit_generator.state = one.bit_generator.state
    for start in (9, 18):
        a.add(numbered(start, 9), one)
        b.add(numbered(start, 9), other)
    x, y = (kept.take(np.arange(len(kept))) for kept in (a, b))
    assert len(a) == len(b) == 10
    np.testing.assert_array_equal(x["observations"]["a"], y["observations"]["a"])
    np.testing.assert_array_equal(x["states"], y["states"])


def test_types_stay_and_room_is_made_once():
    kept = Aggregate(1000, most=60)
    kept.add(numbered(0, 10), rng())
    room = kept.nbytes
    kept.add(numbered(10, 10), rng())
    assert kept.nbytes == room
    assert kept.take(np.arange(2))["actions"].dtype == np.uint8
    kept.add(numbered(20, 10), rng())  # the run was made longer
    assert len(kept) == 90


def images(steps, envs, memory):
    shape = (steps, envs)
    return Round(
        np.zeros((*shape, 7, 7, 3), np.uint8), np.zeros(shape, np.uint8), np.zeros(shape, bool),
        np.zeros(shape, np.uint8), {"logits": np.zeros((*shape, 7), np.float32)}, np.ones(shape, bool),
        np.zeros((*shape, memory), np.float32),
    )  # fmt: skip


@pytest.mark.parametrize(("length", "burn_in", "memory"), [(1, 0, 0), (16, 8, 64)])
def test_a_million_views_stay_under_400_megabytes(length, burn_in, memory):
    kept = Aggregate(1_000_000, length, burn_in)
    kept.add(images(32, 4, memory), rng())
    assert kept.nbytes < 400e6


@pytest.mark.slow
def test_ten_million_labelled_steps_stay_under_400_megabytes():
    kept, generator = Aggregate(1_000_000, 16, 8), rng()
    tracemalloc.start()
    for _ in range(10_000_000 // (160 * 64)):
        kept.add(images(160, 64, 64), generator)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert kept.seen * 16 >= 9_990_000
    assert len(kept) * 16 == 1_000_000
    assert peak < 400e6
