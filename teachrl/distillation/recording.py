"""A teacher at work: steps of a classroom in which it acts and labels, as its student would have seen them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from gymnasium import spaces

from teachrl.classroom import Classroom
from teachrl.distillation.buffer import Round
from teachrl.distillation.collecting import merged
from teachrl.distillation.targets import make_targets, one_form
from teachrl.distillation.trees import Tree, compact, harmless, mapped, stacked
from teachrl.lessons import Array, Bools, Floats, Step

PIECE = 2048


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """T steps of N environments in which a teacher acted.

    Attributes:
        round: What is learned from.
        executed: (T, N, *a) what was done.
        rewards: (T, N) as the environments paid.
        terminated: (T, N) bool.
        truncated: (T, N) bool.
        after: (T, N, *o) what the student saw after each step, at an episode's end its true last observation.
    """

    round: Round
    executed: Array
    rewards: Floats
    terminated: Bools
    truncated: Bools
    after: Tree


def pieces(
    classroom: Classroom,
    steps: int,
    noise: float = 0.0,
    seed: int | np.random.SeedSequence = 0,
    most: int = PIECE,
) -> Iterator[Piece]:
    """Lets the teacher of a classroom act and label, and hands out what the student would have seen.

    Args:
        classroom: With a teacher that labels; it is reset if it has not begun.
        steps: Steps of each environment.
        noise: Share of steps at which a random action is done in place of the teacher's, whose label stands: a student
            learns what to do beside the teacher's path (Laskey et al. 2017, https://arxiv.org/abs/1703.09327).
        seed: Of the noise.
        most: Labelled steps of a piece, all environments together.

    Raises:
        InvalidTeacher: If labels do not fit the action space, or their parameters change.
        NonFiniteData: If a label is NaN or infinite.
    """
    rng, space = np.random.default_rng(seed), copy.deepcopy(classroom.single_action_space)
    space.seed(int(rng.integers(2**31)))
    length = max(1, most // classroom.num_envs)
    before: Array | None = None
    for start in range(0, steps, length):
        rows = [_step(classroom, noise, rng, space) for _ in range(min(length, steps - start))]
        piece = _piece(space, rows, before)
        before = piece.executed[-1:]
        yield piece


def _step(classroom: Classroom, noise: float, rng: np.random.Generator, space: spaces.Space[Any]) -> dict[str, Tree]:
    observations, first = classroom.observed()
    labels = merged(classroom.ask())
    actions = np.asarray(labels.actions)
    blank = harmless(classroom.single_action_space, len(first))  # where no teacher says what to do
    actions = np.where(labels.mask.reshape(-1, *(1,) * (actions.ndim - 1)), actions, blank)
    if noise:
        strays = rng.random(len(first)) < noise
        drawn = np.stack([space.sample() for _ in first])
        actions = np.where(strays.reshape(-1, *(1,) * (actions.ndim - 1)), drawn, actions)
    observations, first = mapped(np.array, observations), np.array(first)
    lived = classroom.experience(actions)
    return {
        "observations": observations, "first": first, "mask": labels.mask, "actions": np.asarray(labels.actions),
        "parameters": labels.parameters or {}, "executed": lived.actions, "terminated": lived.terminated,
        "truncated": lived.truncated, "after": mapped(np.array, lived.final_observations),
        "rewards": cast(Step, classroom.last).rewards,
    }  # fmt: skip


def _piece(space: spaces.Space[Any], rows: list[dict[str, Tree]], before: Array | None) -> Piece:
    """Joins steps; `before` is what was done last before them, None where nothing was."""
    one_form(row["parameters"] for row in rows)
    whole = stacked(rows)
    executed, first = compact(space, whole["executed"]), whole["first"]
    if before is None:
        first[0] = True
    previous = np.concatenate([executed[:1] if before is None else before, executed[:-1]])
    round_ = as_round(
        space, whole["observations"], whole["actions"], first, whole["mask"], whole["parameters"], previous
    )
    return Piece(round_, executed, whole["rewards"], whole["terminated"], whole["truncated"], whole["after"])


def as_round(
    space: spaces.Space[Any],
    observations: Tree,
    actions: Array,
    first: Bools,
    mask: Bools,
    parameters: dict[str, Array],
    previous: Array | None,
) -> Round:
    """Returns checked steps, (T, N, ...); without `previous` the action before each is the label before it.

    Raises:
        InvalidTeacher: If labels do not fit the action space.
        NonFiniteData: If a label is NaN or infinite.
    """
    targets = make_targets(space, actions, parameters or None, mask)
    labels = compact(space, targets.actions.numpy())
    if previous is None:
        previous = np.concatenate([labels[:1], labels[:-1]])
    soft = {name: part.numpy() for name, part in (targets.parameters or {}).items()}
    states = np.zeros((*first.shape, 0), np.float32)
    return Round(observations, compact(space, previous), first, labels, soft, mask, states)
