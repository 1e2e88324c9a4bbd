"""Teachers with a memory and a previous action, as they label what others do."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from student_toys import differences

from teachrl import Classroom, FromPolicy, make_vec
from teachrl.lessons import Labels
from teachrl.teacher import Teacher
from teachrl.testing.toy import ToyEnv
from teachrl_agents import NetPolicy, Recurrent

NUM_ENVS = 3


def room(*channels: str, share: float = 1.0, more: tuple[Teacher, ...] = (), seed: int = 2) -> Classroom:
    """Returns a classroom with a recurrent teacher that sees its previous action clearly."""
    envs = make_vec(ToyEnv, NUM_ENVS, env_kwargs={"discrete": True})
    net = Recurrent(8, vectors=(8,)).build(envs.single_observation_space, envs.single_action_space, seed=1)
    with torch.no_grad():
        net.head.linear.weight.normal_(std=3.0, generator=torch.Generator().manual_seed(0))
    return Classroom(envs, [FromPolicy(NetPolicy(net), channels, share=share), *more], seed=seed)


def live(classroom: Classroom, steps: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Lives with random actions; returns what was shown, executed and labelled."""
    rows = []
    for _ in range(steps):
        observations, first = classroom.observed()
        row = {"observations": np.array(observations), "first": np.array(first)}
        lived = classroom.experience(rng.integers(3, size=NUM_ENVS))
        rows.append({**row, "executed": lived.actions, "labels": classroom.labels})
    return rows


def by_hand(classroom: Classroom, rows: list[dict[str, Any]], executed: bool = True) -> list[Any]:
    """Returns the logits of the teacher's policy, told what was executed or left with its own choices."""
    policy: Any = classroom.teachers[0].policy  # type: ignore[attr-defined]
    state, logits = None, []
    for row in rows:
        _, parameters, state = policy.answer(row["observations"], state, row["first"])
        logits.append(parameters["logits"])
        if executed:
            state = {**state, "previous": row["executed"]}
    return logits


def test_labels_follow_from_what_the_student_did() -> None:
    classroom = room("labels")
    rows = live(classroom, 25, np.random.default_rng(0))
    given = [row["labels"][0].parameters["logits"] for row in rows]
    assert sum(row["first"].sum() for row in rows) > NUM_ENVS  # episodes ended in between
    assert np.array_equal(given, by_hand(classroom, rows))
    assert not np.allclose(given, by_hand(classroom, rows, executed=False), atol=0.1)


class Steps(Teacher):
    """Overrides what is left with the first action."""

    def override_actions(self, observations: Any, actions: Any, lessons: Any, first: Any) -> tuple[Any, Any]:
        return np.zeros_like(actions), np.ones(len(actions), dtype=bool)


def test_overrides_follow_from_what_was_done_by_whomever() -> None:
    classroom = room("labels", "actions", share=0.5, more=(Steps(),))
    rows = live(classroom, 25, np.random.default_rng(0))
    logits = by_hand(classroom, rows)
    chosen, executed = np.argmax(logits, -1), np.stack([row["executed"] for row in rows])
    assert np.array_equal(np.stack([row["labels"][0].actions for row in rows]), chosen)
    assert (executed == chosen).any()
    assert (executed != chosen).any()
    assert set(executed[executed != chosen]) == {0}


def test_a_resumed_teacher_knows_what_was_done_last() -> None:
    rows = live(room("labels"), 17, np.random.default_rng(0))
    half, rng = room("labels"), np.random.default_rng(0)
    live(half, 9, rng)
    other = room("labels", seed=7)
    other.load_state_dict(half.state_dict())
    assert not differences(half.state_dict(), other.state_dict())
    assert np.array_equal(other.executed, rows[8]["executed"])  # type: ignore[arg-type]
    assert all(_same(a["labels"], b["labels"]) for a, b in zip(live(other, 8, rng), rows[9:], strict=True))


def _same(a: tuple[Labels, ...], b: tuple[Labels, ...]) -> bool:
    return all(np.array_equal(x.parameters["logits"], y.parameters["logits"]) for x, y in zip(a, b, strict=True))  # type: ignore[index]


def test_nothing_was_executed_before_the_first_step() -> None:
    classroom = room("labels")
    classroom.reset()
    setup = classroom.teachers[0].setup
    assert setup.executed() is None
    classroom.step(np.array([2, 0, 1]))
    assert np.array_equal(setup.executed(), [2, 0, 1])  # type: ignore[arg-type]
