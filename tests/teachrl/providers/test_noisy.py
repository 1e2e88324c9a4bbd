"""Noisy plans: as often and as far wrong as published, and never under a model's own name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from teachrl.errors import InvalidHyperparameter
from teachrl.providers import Noisy
from teachrl.providers.noisy import PUBLISHED
from teachrl.subgoals import Layout, Subgoal

CENTRE, GOAL = Subgoal(10, 10, "door", "red"), Subgoal(3, 3, "goal")
THINGS = [CENTRE, Subgoal(1, 2, "door", "blue"), Subgoal(5, 6, "key", "blue"), Subgoal(8, 9, "ball", "red"), GOAL]
ROOMS = "TeachRL/MiniGrid-MultiRoom-N2-S4-v0"


class Field:
    """A field of 21 x 21 cells."""

    def oracle(self, layout: Layout) -> list[Subgoal]:
        return [CENTRE, GOAL]

    def cells(self, layout: Layout, kinds: Sequence[str] = ()) -> list[Subgoal]:
        return [s for s in THINGS if not kinds or s.kind in kinds]


def field(env_id: str = ROOMS, size: int = 21) -> Layout:
    return Layout(env_id, None, size, size, (0, 0, "right"), "", "", (), (), {}, None)


def begun(noisy: Noisy, kind: Any = "position", env_id: str = "") -> Noisy:
    noisy.kind, noisy.env_id = kind, env_id
    noisy.begin(Field(), np.random.default_rng(0))  # type: ignore[arg-type]
    return noisy


def plans(noisy: Noisy, n: int = 4000, layout: Layout | None = None) -> list[list[Subgoal]]:
    layout = layout or field()
    return [noisy.plan(layout) for _ in range(n)]


def near(share: float, expected: float, n: int) -> bool:
    """Whether a share is within four standard errors."""
    return abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / n) + 1e-9


@pytest.mark.parametrize("preset", sorted(PUBLISHED))
@pytest.mark.parametrize("kind", ["position", "object", "language"])
def test_accuracy_is_as_published(preset: Any, kind: Any) -> None:
    noisy = begun(Noisy(preset), kind)
    found = plans(noisy)
    right = [plan[0] == CENTRE for plan in found]
    rates = PUBLISHED[preset]["MiniGrid-MultiRoom-N2-S4-v0"]
    assert near(np.mean(right), rates.position if kind == "position" else rates.object, len(right))
    assert noisy.scalars() == {f"plans/{preset}": 4000.0}


def test_errors_of_positions_are_as_far_as_published_and_go_every_way() -> None:
    noisy = begun(Noisy("simulated-deepseek"))
    wrong = [plan[0] for plan in plans(noisy, 6000) if plan[0] != CENTRE]
    away = np.array([abs(s.x - 10) + abs(s.y - 10) for s in wrong])
    rates = PUBLISHED["simulated-deepseek"]["MiniGrid-MultiRoom-N2-S4-v0"]
    expected = np.maximum(1, np.rint(np.random.default_rng(1).normal(*rates.size, 100_000)))
    assert abs(away.mean() - expected.mean()) < 4 * expected.std() / np.sqrt(len(away))
    assert near((away == 1).mean(), (expected == 1).mean(), len(away))
    ring = Counter((s.x - 10, s.y - 10) for s, d in zip(wrong, away, strict=True) if d == 2)
    assert len(ring) == 8
    n = sum(ring.values())
    assert all(near(times / n, 1 / 8, n) for times in ring.values())
    assert {(s.kind, s.colour, s.text) for s in wrong} == {("position", "", "")}


@pytest.mark.parametrize("preset", sorted(PUBLISHED))
@pytest.mark.parametrize("game", sorted(PUBLISHED["simulated-llama"]))
def test_errors_of_all_positions_are_the_published_ones(preset: Any, game: str) -> None:
    layout = field(f"TeachRL/{game}", size=2001)  # a field without bounds, so to speak
    noisy = begun(Noisy(preset), env_id=layout.env_id)
    noisy.layouts.oracle = lambda _: [Subgoal(1000, 1000)]  # type: ignore[method-assign]
    away = np.array([abs(p[0].x - 1000) + abs(p[0].y - 1000) for p in plans(noisy, 8000, layout)])
    rates = PUBLISHED[preset][game]
    assert abs(away.mean() - rates.mean) < 4 * rates.std / np.sqrt(len(away)) + 0.03 * rates.mean  # at least 1 cell
    assert abs(away.std() - rates.std) < 0.15 * rates.std  # wrong ones are rare in some


def test_positions_stay_in_the_grid_and_fall_anywhere_where_no_cell_is_that_far() -> None:
    layout = field(size=11)  # the door stands in a corner: a ring of 5 has 6 cells in the grid, one of 50 has none
    near_by = plans(begun(Noisy(accuracy=0.0, mean=5.0, std=0.0)), 500, layout)
    cells = {(plan[0].x, plan[0].y) for plan in near_by}
    assert cells == {(10 - k, 10 - (5 - k)) for k in range(6)}
    far = plans(begun(Noisy(accuracy=0.0, mean=50.0, std=0.0)), 3000, layout)
    assert len({(plan[0].x, plan[0].y) for plan in far}) == 11 * 11


def test_as_published_errors_are_drawn_as_if_all_were_wrong() -> None:
    found = plans(begun(Noisy("simulated-llama", paper_faithful=True)), 6000)
    away = np.array([plan[0].x - 10 for plan in found if plan[0] != CENTRE])
    draws = np.maximum(1, np.random.default_rng(1).normal(0.26, 1.01, 100_000).astype(int))
    assert abs(away.mean() - draws.mean()) < 4 * draws.std() / np.sqrt(len(away))


def test_as_published_positions_shift_along_x_alone() -> None:
    found = plans(begun(Noisy(accuracy=0.0, mean=3.0, std=0.0, paper_faithful=True)), 20)
    assert {(plan[0].x, plan[0].y) for plan in found} == {(13, 10)}
    over = plans(begun(Noisy(accuracy=0.0, mean=15.0, std=0.0, paper_faithful=True)), 2000)
    assert len({(plan[0].x, plan[0].y) for plan in over}) > 400


@pytest.mark.parametrize(
    ("env_id", "others"),
    [
        (ROOMS, {(1, 2)}),
        ("TeachRL/MiniGrid-KeyCorridorS3R3-v0", {(1, 2)}),
        ("TeachRL/MiniGrid-ObstructedMaze-1Dlh-v0", {(1, 2), (5, 6), (8, 9)}),
    ],
)
def test_wrong_objects_are_others_of_the_layout(env_id: str, others: set[tuple[int, int]]) -> None:
    layout = field(env_id)
    wrong = [plan[0] for plan in plans(begun(Noisy(accuracy=0.0), "object"), 300, layout)]
    assert {(s.x, s.y) for s in wrong} == others
    assert all(s in THINGS for s in wrong)
    faithful = plans(begun(Noisy(accuracy=0.0, paper_faithful=True), "object"), 300, layout)
    assert {(plan[0].x, plan[0].y) for plan in faithful} == others | {(10, 10)}


def test_where_there_is_no_other_object_the_right_one_stands() -> None:
    class Alone(Field):
        def cells(self, layout: Layout, kinds: Sequence[str] = ()) -> list[Subgoal]:
            return []

    noisy = Noisy(accuracy=0.0, extra=1)
    noisy.kind = "object"
    noisy.begin(Alone(), np.random.default_rng(0))  # type: ignore[arg-type]
    assert noisy.plan(field()) == [CENTRE, CENTRE, GOAL]


@pytest.mark.parametrize("kind", ["position", "object"])
def test_extra_subgoals_come_before_the_last(kind: Any) -> None:
    found = plans(begun(Noisy(accuracy=1.0, extra=5), kind), 300)
    assert {len(plan) for plan in found} == {7}
    assert all(plan[-1] == GOAL and CENTRE in plan for plan in found)
    assert len({plan[0] for plan in found}) > (100 if kind == "position" else 1)


def test_other_environments_need_an_accuracy() -> None:
    for env_id in ("TeachRL/MiniGrid-DoorKey-8x8-v0", "TeachRL/MiniGrid-MultiRoom-N4-S5-v0"):
        with pytest.raises(InvalidHyperparameter, match=rf"errs in {env_id}: state it, Noisy\(accuracy"):
            begun(Noisy(), env_id=env_id)
        with pytest.raises(InvalidHyperparameter, match=env_id):
            begun(Noisy()).plan(field(env_id))
    given = begun(Noisy(accuracy=0.0), env_id="TeachRL/MiniGrid-DoorKey-8x8-v0")
    plan = given.plan(field("TeachRL/MiniGrid-DoorKey-8x8-v0"))
    assert abs(plan[0].x - 10) + abs(plan[0].y - 10) == 1
    assert given.scalars() == {"plans/simulated": 1.0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"preset": "llama"}, "Noisy.preset must be one of simulated-llama"),
        ({"accuracy": 1.1}, "Noisy.accuracy must be a share"),
        ({"mean": -1.0}, "Noisy.mean must be None or a number of at least 0"),
        ({"std": -1.0}, "Noisy.std must be None or a number of at least 0"),
        ({"extra": -1}, "Noisy.extra must be an integer of at least 0"),
        ({"paper_faithful": "yes"}, "Noisy.paper_faithful must be true or false"),
    ],
)
def test_impossible_arguments_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(InvalidHyperparameter, match=message):
        begun(Noisy(**arguments))


def test_it_goes_on_as_before_from_its_state() -> None:
    whole, resumed = begun(Noisy(accuracy=0.3)), begun(Noisy(accuracy=0.3))
    plans(whole, 50)
    resumed.load_state_dict(whole.state_dict())
    assert plans(whole, 50) == plans(resumed, 50)
    assert whole.scalars() == resumed.scalars() == {"plans/simulated": 100.0}
