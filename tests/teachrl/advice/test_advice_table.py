"""What the table says, worked out by hand."""

import numpy as np
import pytest

from teachrl.advice import Table


def test_means_progress_and_scores_by_hand():
    table = Table(3, decay=0.5, return_range=(0.0, 10.0))
    for value, success in ((2.0, False), (4.0, True)):
        table.add([0], value, success)
    table.add([1], 8.0, None)
    first = table.standing()
    assert first.episodes.tolist() == first.fresh.tolist() == [2, 1, 0]
    np.testing.assert_array_equal(first.returns, [3.0, 8.0, np.nan])
    np.testing.assert_array_equal(first.success, [0.5, np.nan, np.nan])
    np.testing.assert_array_equal(first.progress, [np.nan] * 3)
    np.testing.assert_array_equal(first.score, [0.5, 0.8, np.nan])

    table.turn()
    table.add([0], 9.0, True)
    second = table.standing()
    assert second.episodes.tolist() == [3, 1, 0]
    assert second.fresh.tolist() == [1, 0, 0]
    np.testing.assert_array_equal(second.returns, [(2 + 4 + 9) / 3, 8.0, np.nan])
    np.testing.assert_array_equal(second.success, [2 / 3, np.nan, np.nan])
    np.testing.assert_array_equal(second.progress, [9.0 - 3.0, np.nan, np.nan])
    np.testing.assert_array_equal(second.latest, [1.0, 0.8, np.nan])
    np.testing.assert_array_equal(second.latest_returns, [9.0, 8.0, np.nan])

    table.turn()  # old is now 0.5 * (2 episodes, 6) + (1 episode, 9) = (2, 12)
    third = table.standing()
    np.testing.assert_array_equal(third.returns, [6.0, 8.0, np.nan])
    np.testing.assert_array_equal(third.success, [(0.5 * 1 + 1) / 2, np.nan, np.nan])
    np.testing.assert_array_equal(third.progress, [0.5 * 6.0, np.nan, np.nan])  # nothing fresh: half of what it was
    np.testing.assert_array_equal(third.latest, third.score)


@pytest.mark.parametrize(("values", "scores"), [([-5.0, 15.0, 5.0], [0.0, 1.0, 0.5]), ([7.0, 7.0, 7.0], [0.5] * 3)])
def test_without_a_return_range_scores_lie_between_the_cells_extremes(values, scores):
    table = Table(4, decay=1.0, return_range=None)
    for cell, value in enumerate(values):
        table.add([cell], value, None)
    np.testing.assert_array_equal(table.standing().score, [*scores, np.nan])


def test_a_task_counts_in_all_its_slices():
    table = Table(4, decay=1.0, return_range=None)
    table.add([0, 3], 1.0, True)
    assert table.standing().episodes.tolist() == [1, 0, 0, 1]


def test_it_goes_on_from_its_state():
    rng = np.random.default_rng(0)

    def fill(table, n):
        for _ in range(n):
            table.add([int(rng.integers(5))], float(rng.random()), bool(rng.random() < 0.5))
        table.turn()

    table, again = (Table(5, 0.7, None) for _ in range(2))
    fill(table, 30)
    state = table.state_dict()
    again.load_state_dict(state)
    rng = np.random.default_rng(1)
    fill(table, 30)
    rng = np.random.default_rng(1)
    fill(again, 30)
    for name in ("success", "returns", "progress", "latest"):
        np.testing.assert_array_equal(getattr(again.standing(), name), getattr(table.standing(), name))
    assert state["old"].tolist() != table.state_dict()["old"].tolist()
