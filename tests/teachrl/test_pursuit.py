"""Pursuits of many environments at once against one environment in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachrl._pursuit import Pursuit, Recent
from teachrl.subgoals import Subgoal


class Plain:
    """One environment's pursuit, subgoal by subgoal."""

    def __init__(self, plan: Sequence[int], faithful: bool) -> None:
        self.plan, self.faithful = list(plan), faithful
        self.done: set[int] = set()
        self.index, self.age = 0, 0

    @property
    def current(self) -> int | None:
        return self.index if self.index < len(self.plan) - self.faithful else None

    def _can(self, k: int) -> bool:
        """Whether subgoal k can be completed in this step."""
        twins = [j for j in range(k) if self.plan[j] == self.plan[k]]
        return self.faithful or all(j in self.done for j in twins)

    def step(self, changed: set[int]) -> tuple[bool, int, int, int]:
        """Takes the cells in which something happened; returns paid, age, completed and early ones."""
        self.age += 1
        hit = [k for k, cell in enumerate(self.plan) if cell in changed and self._can(k)]
        if not self.faithful:
            hit = [k for k in hit if k not in self.done]
        fresh = [k for k in hit if k not in self.done]
        reached, age = self.current in hit, self.age
        early = [k for k in fresh if self.current not in (None, k)]
        paid = reached and self.index < len(self.plan) - 1
        self.done |= set(hit)
        before = self.index
        if reached:
            self.index += 1
        while not self.faithful and self.index < len(self.plan) and self.index in self.done:
            self.index += 1
        if self.index != before:
            self.age = 0
        return paid, age, len(fresh), len(early)


CELLS = st.integers(0, 3)
PLANS = st.lists(st.lists(CELLS, max_size=6), min_size=2, max_size=2)
HAPPENINGS = st.lists(st.lists(st.sets(CELLS, max_size=3), min_size=2, max_size=2), max_size=10)


def as_plans(plans: Sequence[Sequence[int]]) -> list[list[Subgoal]]:
    return [[Subgoal(cell, 0) for cell in plan] for plan in plans]


@settings(deadline=None, max_examples=150)
@given(plans=PLANS, happenings=HAPPENINGS, later=PLANS, faithful=st.booleans())
def test_many_at_once_do_as_each_alone(plans: Any, happenings: Any, later: Any, faithful: bool) -> None:
    many = Pursuit(2, faithful)
    for told in (plans, later):
        many.begin([0, 1], as_plans(told))
        each = [Plain(plan, faithful) for plan in told]
        counts = np.zeros((4, 2), int)
        for n, one in enumerate(each):
            assert many.active[n, 0] == (one.current is not None)
        for changed in happenings:
            before = [one.current for one in each]
            found = ages(many, changed)
            expected = [one.step(changed[n]) for n, one in enumerate(each)]
            assert found == [age if paid else 0 for paid, age, _, _ in expected]
            counts += [[e[2] for e in expected], [e[3] for e in expected], [b is None for b in before], [1, 1]]
            assert many.active[:, 0].tolist() == [one.current is not None for one in each]
            assert many.pursued[2].tolist() == [one.age for one in each]
            assert many.places.tolist() == [one.current or 0 for one in each]
            shown = [one.plan[one.current] for one in each if one.current is not None]
            assert many.targets[many.active[:, 0], 0].tolist() == shown
        assert many.tally.tolist() == counts.tolist()


def ages(pursuit: Pursuit, changed: Sequence[set[int]]) -> list[int]:
    """Takes a step in which something happened in some cells: the agent is in one, the contents of others change."""
    cells = pursuit.cells[..., 0]
    agents = np.array([[min(some, default=-1), 0] for some in changed])
    earlier = np.zeros((*cells.shape, 3), np.int64)
    now = earlier.copy()
    for n, some in enumerate(changed):
        now[n, np.isin(cells[n], list(some)), agents[n, 0] % 3] = 1
    found = pursuit.advance(agents, earlier, now)
    return [0] * len(cells) if found is None else found.tolist()


def test_only_named_environments_begin() -> None:
    pursuit = Pursuit(3)
    pursuit.begin([0, 1, 2], as_plans([[1], [2], [3]]))
    assert ages(pursuit, [set(), {2}, set()]) == [0, 0, 0]
    pursuit.begin([2], as_plans([[5, 6, 7]]))
    assert pursuit.targets[[0, 2], 0].tolist() == [1, 5]
    assert pursuit.active[:, 0].tolist() == [True, False, True]
    assert pursuit.pursued[2].tolist() == [1, 0, 0]
    assert pursuit.tally[3].tolist() == [1, 1, 0]


def test_an_agent_or_a_change_of_any_kind_completes() -> None:
    for what in range(4):
        pursuit = Pursuit(1)
        pursuit.begin([0], as_plans([[4, 5]]))
        earlier = np.zeros((1, 2, 3), np.int64)
        now = earlier.copy()
        agents = np.array([[4, 0 if what == 3 else 1]])  # in the cell, or below it
        if what < 3:
            assert pursuit.advance(agents, earlier, now) is None
            now[0, 0, what] = 1
        assert pursuit.advance(agents, earlier, now) is not None


def test_recent_episodes_are_the_last_hundred() -> None:
    recent = Recent()
    assert recent.scalars() == {}
    for planned in range(150):
        recent.add(np.array([planned]), np.array([[planned // 2], [1], [3], [6]]), np.array([0.5]))
    numbers = recent.scalars()
    kept = np.arange(50, 150)
    assert numbers.pop("completed") == pytest.approx((kept // 2).mean() / kept.mean())
    assert numbers == {"subgoals": pytest.approx(kept.mean()), "early": 1.0, "bonus": 0.5, "null": 0.5}
