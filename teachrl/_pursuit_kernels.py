"""The inner loops of `teachrl._pursuit`, compiled by numba: N environments, the K subgoals of each one's plan."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
LENGTH, PLACE, AGE = 0, 1, 2
"""Rows of where pursuits are: length of the plan, place of the current subgoal, steps since it became current."""
COMPLETED, EARLY, NULL, STEPS = 0, 1, 2, 3
"""Rows of an episode's tally: subgoals completed, those of them out of turn, steps without a subgoal, all steps."""


@nb.njit(cache=True)
def begin(
    rows: Ints, plans: Ints, lengths: Ints, cells: Ints, before: Ints, done: Bools, pursued: Ints, tally: Ints,
    active: Bools, targets: Ints, faithful: bool,
) -> None:  # fmt: skip
    """Gives environments other plans.

    Args:
        rows: (R,) the environments.
        plans: (R, L, 2) the cells of their plans.
        lengths: (R,) how many they are.
        cells: (N, K, 2) the subgoals' cells, written to.
        before: (N, K) place of the subgoal before it in the same cell, -1 for none; written to.
        done: (N, K) which were completed, written to.
        pursued: (3, N) where the pursuits are, written to.
        tally: (4, N) what happened in the episodes, written to.
        active: (N, 1) whether there is a current subgoal, written to.
        targets: (N, 2) its cell, written to.
        faithful: The last subgoal is never current, and none is skipped.
    """
    for r, n in enumerate(rows):
        pursued[:, n], tally[:, n], done[n], cells[n], before[n] = 0, 0, False, 0, -1
        pursued[LENGTH, n] = lengths[r]
        for k in range(lengths[r]):
            cells[n, k] = plans[r, k]
            for j in range(k):
                if cells[n, j, 0] == cells[n, k, 0] and cells[n, j, 1] == cells[n, k, 1]:
                    before[n, k] = j
        look(n, cells, pursued, active, targets, faithful)


@nb.njit(cache=True)
def advance(
    agents: Ints, earlier: Ints, now: Ints, cells: Ints, before: Ints, done: Bools, pursued: Ints, tally: Ints,
    active: Bools, targets: Ints, faithful: bool, ages: Ints, away: NDArray[np.float32],
) -> bool:  # fmt: skip
    """Takes a step.

    Args:
        agents: (N, 2) where the agents are after it.
        earlier: (N, K, 3) what was in the subgoals' cells before it.
        now: (N, K, 3) what is in them after it.
        cells: As in `begin`, and so are those below.
        before: Read.
        done: Written to.
        pursued: Written to.
        tally: Written to.
        active: Written to.
        targets: Written to.
        faithful: As in `begin`.
        ages: (N,) steps after which the current subgoal was completed, this one included, if it was not the last of its
            plan, else 0; written to.
        away: (N, 2) as `measure` writes it.

    Returns:
        Whether any is above 0.
    """
    fresh, paying = np.empty(done.shape[1], np.bool_), False
    for n in range(done.shape[0]):
        count, current, ages[n] = pursued[LENGTH, n], pursued[PLACE, n], 0
        pursued[AGE, n] += 1
        tally[STEPS, n] += 1
        tally[NULL, n] += not active[n, 0]
        reached = False
        for k in range(count):
            here = agents[n, 0] == cells[n, k, 0] and agents[n, 1] == cells[n, k, 1]
            hit = here or changed(earlier[n, k], now[n, k])
            waits = before[n, k] >= 0 and not done[n, before[n, k]] and not faithful
            fresh[k] = hit and not (done[n, k] or waits)
            reached |= active[n, 0] and k == current and (fresh[k] or (hit and faithful))
        for k in range(count):
            if fresh[k]:
                done[n, k] = True
                tally[COMPLETED, n] += 1
                tally[EARLY, n] += active[n, 0] and k != current
        if reached:
            if current < count - 1:
                ages[n], paying = pursued[AGE, n], True
            current += 1
            while not faithful and current < count and done[n, current]:
                current += 1
            pursued[PLACE, n], pursued[AGE, n] = current, 0
            look(n, cells, pursued, active, targets, faithful)
    measure(agents, active, targets, away)
    return paying


@nb.njit(cache=True)
def changed(earlier: Ints, now: Ints) -> bool:
    """Tells whether contents, (3,), are not what they were."""
    return bool(earlier[0] != now[0] or earlier[1] != now[1] or earlier[2] != now[2])


@nb.njit(cache=True)
def look(n: int, cells: Ints, pursued: Ints, active: Bools, targets: Ints, faithful: bool) -> None:
    """Writes down what is current in an environment."""
    active[n, 0] = pursued[PLACE, n] < pursued[LENGTH, n] - faithful
    if active[n, 0]:
        targets[n] = cells[n, pursued[PLACE, n]]


@nb.njit(cache=True)
def measure(agents: Ints, active: Bools, targets: Ints, away: NDArray[np.float32]) -> None:
    """Writes targets (N, 2) minus agents (N, 2) to `away` (N, 2), zeros where nothing is active (N, 1)."""
    for n in range(len(agents)):
        away[n] = 0.0
        if active[n, 0]:
            away[n, 0], away[n, 1] = targets[n, 0] - agents[n, 0], targets[n, 1] - agents[n, 1]
