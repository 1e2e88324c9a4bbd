"""What is found wrong with labels before anything of a run is created."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from teachrl import FromPolicy, Labels, Teacher
from teachrl.errors import InvalidTeacher, NonFiniteData
from teachrl.runs import distill, evaluate, examine, train
from teachrl.runs.checkpoint import load_tree
from teachrl.runs.directory import RunDirectory
from teachrl.runs.participants import Participants
from teachrl_agents import MLP, PPO

ENV = "TeachRL/CartPolePositions-v0"
QUIET: dict[str, Any] = {"video": 0, "pictures": False, "loggers": [], "progress": "none", "eval_every": "never"}
METHODS: dict[str, Any] = {
    "DAgger": {"class_path": "DAgger", "init_args": {"horizon": 16, "epochs": 1}},
    "Kickstart": {"class_path": "Kickstart", "init_args": {"ppo": {"n_steps": 16, "batch_size": 16, "n_epochs": 1}}},
}


@pytest.fixture(autouse=True)
def few_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    original = examine.Examiner.suite
    monkeypatch.setattr(examine.Examiner, "suite", lambda self, name: dict(list(original(self, name).items())[:2]))


class Says:
    """Labels with what it was given."""

    def __init__(self, actions: Any, logits: Any = None, mask: Any = (True, True)) -> None:
        self.actions, self.logits, self.mask = np.asarray(actions), logits, np.array(mask)
        self.asked = 0

    def act(self, observations: Any, state: Any = None, first: Any = None, deterministic: bool = True) -> Any:
        return self.actions, state

    def label(self, observations: Any, state: Any, first: Any) -> Any:
        self.asked += 1
        soft = None if self.logits is None else {"logits": np.array(self.logits)}
        return Labels(self.actions, soft, self.mask), state


class Lost(Says):
    def label(self, observations: Any, state: Any, first: Any) -> Any:
        raise KeyError("lamp")


class Own(Teacher):
    def label_actions(self, observations: Any, lessons: Any, first: Any) -> Labels:
        return Labels(np.array([np.nan, 1.0]), None, np.ones(2, dtype=bool))


NAN = float("nan")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (Says([0, 1], [[0.0, NAN], [0.0, 0.0]]), NonFiniteData, r"FromPolicy \(Says\).*NaN.*'logits'"),
        (Says([0, 1], np.zeros((2, 5))), InvalidTeacher, r"FromPolicy \(Says\)"),
        (Says([[0], [1]]), InvalidTeacher, r"FromPolicy \(Says\)"),
        (Says([0, 1, 1], None, [True] * 3), InvalidTeacher, r"FromPolicy \(Says\)"),
        (Says([0, 7]), InvalidTeacher, r"FromPolicy \(Says\) labels with actions that"),
        (Says(["up", "down"]), InvalidTeacher, r"FromPolicy \(Says\)"),
        (Lost([0, 1]), InvalidTeacher, r"FromPolicy \(Lost\).*lamp"),
    ],
)  # fmt: skip
def test_labels_of_no_use_are_found_before_anything_is_created(
    source: Any, error: Any, message: str, method: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        distill(source, ENV, student=MLP((8,)), method=METHODS[method], steps=64, num_envs=2,
                out=str(tmp_path / "run"), **QUIET)  # fmt: skip
    assert not (tmp_path / "run").exists()


def test_a_teacher_of_ones_own_is_named(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteData, match="labels of Own hold NaN"):
        train(ENV, teachers=[Own()], student=PPO(n_steps=16), steps=64, num_envs=2, out=str(tmp_path / "run"), **QUIET)
    assert not (tmp_path / "run").exists()


def test_a_planner_of_another_game_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidTeacher, match="planner"):
        distill("planner", ENV, steps=64, num_envs=2, out=str(tmp_path / "run"), **QUIET)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("method", METHODS)
def test_asking_first_changes_nothing(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(name: str) -> Any:
        return distill(Says([0, 1]), ENV, student=MLP((8,)), method=METHODS[method], steps=96, num_envs=2, seed=3,
                       select="last", out=str(tmp_path / name), **QUIET)  # fmt: skip

    asked = run("asked")
    monkeypatch.setattr(Participants, "rehearse", lambda self: None)
    before = run("before")
    a, b = (RunDirectory.open(one.directory).checkpoint() for one in (asked, before))
    for name in ("student", "classroom"):
        np.testing.assert_equal(_plain(load_tree(a, name)), _plain(load_tree(b, name)))
    assert asked.classroom.counters.labels == before.classroom.counters.labels


def _plain(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _plain(part) for key, part in tree.items()}
    if isinstance(tree, list | tuple):
        return [_plain(part) for part in tree]
    return tree.numpy() if hasattr(tree, "numpy") else tree


def test_only_a_new_run_asks_first(tmp_path: Path) -> None:
    policy = Says([0, 1])
    made: dict[str, Any] = {"student": PPO(MLP((8,)), n_steps=16, batch_size=16, n_epochs=1), "num_envs": 2, **QUIET}
    run = train(ENV, teachers=[FromPolicy(policy)], steps=32, out=str(tmp_path / "run"), **made)
    assert policy.asked == 16  # the first step has what was asked before it
    evaluate(run)
    assert policy.asked == 16
    train(ENV, teachers=[FromPolicy(policy)], steps=64, resume=str(tmp_path / "run"), **made)
    assert policy.asked == 32
