"""Plans from files: found by level or seed, checked when they are used, replaced where there are none."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from halls import DOOR, GOAL, KEY, HallLayouts, a_layout
from teachrl.errors import InvalidHyperparameter, InvalidTeacher
from teachrl.providers import Recorded
from teachrl.subgoals import Subgoal


def write(place: Path, data: Any) -> str:
    file = place / "plans.json"
    file.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return str(file)


def document(*plans: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "format": "teachrl-plans-1",
        "env": "Hall",
        "env_kwargs": {},
        "provider": "x",
        "plans": list(plans),
    } | changes


def begun(path: str, env_id: str = "", **arguments: Any) -> Recorded:
    recorded = Recorded(path, **arguments)
    recorded.env_id = env_id
    recorded.begin(HallLayouts(), np.random.default_rng(0))
    return recorded


def answer(*subgoals: Subgoal, **known: Any) -> dict[str, Any]:
    return {**known, "subgoals": [s.to_data() for s in subgoals], "source": "live"}


def test_plans_are_found_by_level_and_by_seed(tmp_path: Path) -> None:
    level = a_layout()
    file = write(tmp_path, document(answer(DOOR, GOAL, seed=1, digest=level.digest), answer(KEY, GOAL, seed=2)))
    recorded = begun(file, "Hall")
    assert recorded.plan(level) == [DOOR, GOAL]
    assert recorded.plan(a_layout(seed=2)) == [DOOR, GOAL]  # the level tells more than its seed
    assert recorded.scalars() == {"plans/recorded": 2.0}


def test_a_plan_for_another_level_under_the_same_seed_is_not_used(tmp_path: Path) -> None:
    recorded = begun(write(tmp_path, document(answer(KEY, GOAL, seed=7, digest="f" * 32))))
    assert recorded.plan(a_layout(seed=7)) == [KEY, DOOR, GOAL]
    assert recorded.scalars() == {"plans/fallback": 1.0, "refused/level": 1.0}


def test_the_errors_of_a_simulated_model_are_shown_as_they_were_made(tmp_path: Path) -> None:
    level = a_layout()
    noise = answer(Subgoal(5, 0), Subgoal(3, 4), GOAL, seed=1, digest=level.digest) | {"source": "simulated-qwen"}
    refused = HallLayouts()
    refused.refusal = lambda layout, subgoal: "cannot be reached"  # type: ignore[method-assign]
    recorded = Recorded(write(tmp_path, document(noise)))
    recorded.begin(refused, np.random.default_rng(0))
    assert recorded.plan(level) == [Subgoal(5, 0), GOAL]  # (3, 4) is not in the hall
    assert recorded.scalars() == {"plans/recorded": 1.0}


def test_a_file_that_has_none_of_the_levels_is_told(tmp_path: Path) -> None:
    recorded = begun(write(tmp_path, [{"seed": 0, "positions": [[1, 0]]}]), "Hall")
    for seed in range(1, 32):
        recorded.plan(a_layout(seed))
    with pytest.warns(RuntimeWarning, match="None of the first 32 levels .* the planner plans in its place"):
        recorded.plan(a_layout(32))
    recorded.plan(a_layout(33))  # once
    assert recorded.plan(a_layout(0)) == [Subgoal(1, 0)]


def test_published_lists_are_read(tmp_path: Path) -> None:
    published = [
        {"seed": 0, "relative": [[2, 0], [7, 0]], "positions": [[3, 0], [7, 0]]},
        {"seed": 1, "relative": [[4, 0], None, [9, 0]]},
        {"seed": 2, "positions": [[None, 1], [6, 0]]},
        {"seed": 3, "positions": []},
    ]
    recorded = begun(write(tmp_path, published), "Hall")
    assert recorded.plan(a_layout(0)) == [Subgoal(3, 0), Subgoal(7, 0)]
    assert recorded.plan(a_layout(1)) == [Subgoal(4, 0)]
    assert recorded.plan(a_layout(2)) == [Subgoal(6, 0)]
    assert recorded.plan(a_layout(3)) == recorded.plan(a_layout()) == [KEY, DOOR, GOAL]
    assert recorded.scalars() == {
        "plans/recorded": 3.0, "plans/fallback": 2.0, "refused/form": 2.0, "refused/outside": 1.0,
    }  # fmt: skip


def test_relative_cells_are_seen_from_the_agent(tmp_path: Path) -> None:
    recorded = begun(write(tmp_path, [{"seed": 1, "relative": [[2, 0]]}]))
    assert recorded.plan(replace(a_layout(1), agent=(3, 0, "up"))) == [Subgoal(5, 0)]


@pytest.mark.parametrize(
    ("fallback", "plan", "source"), [("Planner", [KEY, DOOR, GOAL], "fallback"), ("none", [], "none")]
)
def test_what_is_not_there_or_refused_falls_back(tmp_path: Path, fallback: Any, plan: Any, source: str) -> None:
    file = write(tmp_path, document(answer(Subgoal(0, 4), seed=1), answer(seed=2)))
    recorded = begun(file, fallback=fallback)
    assert recorded.plan(a_layout(1)) == recorded.plan(a_layout(2)) == recorded.plan(a_layout(3)) == plan
    assert recorded.scalars() == {f"plans/{source}": 3.0, "refused/outside": 1.0}


def test_a_file_for_another_environment_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, document(answer(GOAL, seed=1), env="Cellar"))
    for refused in (lambda: begun(file, "Hall"), lambda: begun(file).plan(a_layout(1))):
        with pytest.raises(InvalidTeacher, match="holds plans for Cellar, but the environment is Hall: record plans"):
            refused()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{", "are not JSON"),
        ({"format": "other", "env": "Hall", "plans": []}, "must be of the format 'teachrl-plans-1'"),
        (document(env=3), "and name its env"),
        (document(plans={}), "must hold a list of plans, got dict"),
        ([3], r"Plan 0 .* cannot be read: a plan is a dict, got 3"),
        ([{"positions": []}], "a plan has a digest or a seed"),
        ([{"seed": True, "positions": []}], "a plan has a digest or a seed"),
        ([{"seed": 1}], "needs a list of 'subgoals', 'positions' or 'relative', has \\['seed'\\]"),
        ([{"seed": 1, "positions": 4}], "needs a list of"),
        (document({"seed": 1, "subgoals": [{"x": 1}]}), "Plan 0 .* A subgoal is"),
        (document({"seed": 1, "subgoals": [[1, 2]]}), "Plan 0 .* cannot be read"),
    ],
)
def test_what_is_no_file_of_plans_is_refused(tmp_path: Path, data: Any, message: str) -> None:
    with pytest.raises(InvalidTeacher, match=message):
        begun(write(tmp_path, data))


def test_a_file_must_be_there_and_a_fallback_known(tmp_path: Path) -> None:
    with pytest.raises(InvalidTeacher, match="cannot be read: No such file"):
        begun(str(tmp_path / "none.json"))
    with pytest.raises(InvalidHyperparameter, match=r"Recorded.fallback must be 'Planner' or 'none'"):
        begun(write(tmp_path, []), fallback="LLM")  # type: ignore[arg-type]


def test_ten_thousand_plans_load_in_under_a_second(tmp_path: Path) -> None:
    plans = [answer(KEY, DOOR, Subgoal(5, 0), GOAL, seed=k, digest=f"{k:032x}") for k in range(10_000)]
    file = write(tmp_path, document(*plans))
    start = time.process_time()
    recorded = begun(file)
    assert time.process_time() - start < 1.0
    level = a_layout(4)
    assert recorded.plan(level) == [KEY, DOOR, GOAL]  # under this seed there is another level
