"""LLMTasks: when it asks, what it draws, what it remembers; with the rules and with answers made by hand."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
from gymnasium import spaces

from teachrl.advice import RuleBased
from teachrl.classroom import Classroom
from teachrl.errors import InvalidHyperparameter, InvalidTeacher
from teachrl.lessons import Report
from teachrl.llm import LLM, NotConfigured
from teachrl.teachers import LLMTasks
from teachrl.testing import ToyEnv, check_teacher
from teachrl.vector import make_vec

UNIT = spaces.Box(0.0, 1.0, (2,), np.float64)


class Scripted:
    """Answers cell by cell, and keeps the questions."""

    def __init__(self, *answers):
        self.answers, self.questions = list(answers), []

    def propose(self, question):
        self.questions.append(question)
        answer = self.answers[min(len(self.questions), len(self.answers)) - 1]
        return answer if isinstance(answer, dict) else cell(answer)


def cell(number):
    return {"reason": f"Cell {number}.", "cells": [{"cell": number, "weight": 1.0}]}


def begun(setup, **arguments):
    teacher = LLMTasks(**{"cells": 2, "every": 10, **arguments})
    teacher.begin(setup)
    return teacher


def teach(teacher, make_report, tasks, returns, successes=None):
    report = make_report(tasks, returns)
    if successes is not None:
        marked = [replace(e, success=s) for e, s in zip(report.episodes, successes, strict=True)]
        report = Report(0, tuple(marked))
    teacher.update(report)


def cells_of(teacher, n):
    return [teacher._partition.find(lesson.task)[0] for lesson in teacher.sample_tasks(n)]


@pytest.mark.parametrize("reports", [1, 5, 40])
def test_it_asks_at_every_and_obeys_one_later(reports, make_setup, make_report):
    adviser = Scripted(0, 1, 2, 3)
    teacher = begun(make_setup(UNIT), provider=adviser, uniform=0.0)
    tasks = np.random.default_rng(0).random((40, 2))
    drawn = []
    for part in np.array_split(tasks, reports):
        teach(teacher, make_report, part, part.sum(axis=1))
        drawn.append(set(cells_of(teacher, 50)))
    assert [q.number for q in adviser.questions] == [1, 2, 3, 4]
    assert [int(q.standing.episodes.sum()) for q in adviser.questions] == [10, 20, 30, 40]
    assert [int(q.standing.fresh.sum()) for q in adviser.questions] == [10] * 4
    assert drawn[-1] == {2}  # the third answer; the fourth is not due yet
    if reports == 40:
        assert [len(cells) > 1 for cells in drawn[:19]] == [True] * 19
        assert drawn[19:] == [{0}] * 10 + [{1}] * 10 + [{2}]
    assert teacher.scalars()["advice_age"] == 0


def test_the_table_is_that_of_the_episodes(make_setup, make_report):
    adviser = Scripted(0)
    teacher = begun(make_setup(UNIT, return_range=None), provider=adviser, every=3)
    teach(teacher, make_report, [[0, 0], [0.2, 0.9], [0.1, 0.8]], [1.0, 5.0, 7.0], [True, None, False])
    found = adviser.questions[0].standing
    np.testing.assert_array_equal(found.returns, [1.0, 6.0, np.nan, np.nan])
    np.testing.assert_array_equal(found.success, [1.0, 0.0, np.nan, np.nan])
    assert "1 | 0..0.5 | 0.5..1 | 2 | 2 | 0.00 | 6 | ?" in adviser.questions[0].messages[1]["content"]


def test_a_share_is_uniform_whatever_is_advised(make_setup, make_report):
    teacher = begun(make_setup(UNIT), provider=Scripted(3), uniform=0.4)
    teach(teacher, make_report, np.full((20, 2), 0.9), np.zeros(20))
    counts = np.bincount(cells_of(teacher, 4000), minlength=4)
    expected = 4000 * np.array([0.1, 0.1, 0.1, 0.7])
    assert ((counts - expected) ** 2 / expected).sum() < 16.3  # chi-square, 3 degrees of freedom: 1 in 1000
    scalars = teacher.scalars()
    assert scalars["share/uniform"] == pytest.approx(0.4, abs=0.075)
    assert scalars["share/uniform"] + scalars["share/rule"] == 1
    mixed = np.array([0.1, 0.1, 0.1, 0.7])
    assert scalars["entropy"] == pytest.approx(-(mixed * np.log(mixed)).sum() / np.log(4))


def test_what_cannot_be_used_changes_nothing_and_is_counted(make_setup, make_report):
    teacher = begun(
        make_setup(UNIT), provider=Scripted(1, 7, {"tasks": [{"task": [0.5, 3], "weight": 1}]}, 2), uniform=0.0
    )
    teach(teacher, make_report, np.full((29, 2), 0.9), np.zeros(29))
    with pytest.warns(RuntimeWarning, match="goes on with the tasks it has. .*no cell 7; cells are numbered 0 to 3"):
        teach(teacher, make_report, [[0.9, 0.9]], [0.0])
    with warnings.catch_warnings():  # told once
        warnings.simplefilter("error")
        teach(teacher, make_report, np.full((19, 2), 0.9), np.zeros(19))
    assert set(cells_of(teacher, 20)) == {1}
    assert teacher.scalars()["advice_age"] == 29
    teach(teacher, make_report, [[0.9, 0.9]], [0.0])
    assert set(cells_of(teacher, 20)) == {2}
    scalars = teacher.scalars()
    assert [scalars[f"llm/{n}"] for n in ("asked", "answered", "failed", "failed/invalid_answer")] == [5, 2, 2, 2]


def test_what_came_of_an_advice_is_written_down_and_told(make_setup, make_report, tmp_path):
    path = tmp_path / "strategies.json"
    adviser = Scripted(0, 3)
    teacher = begun(make_setup(UNIT, return_range=(0.0, 1.0)), provider=adviser, library=str(path))
    near, far = [[0.1, 0.1]] * 5, [[0.9, 0.9]] * 5
    for value in (0.2, 0.3, 0.7):  # asked, in force, measured
        teach(teacher, make_report, near + far, [value] * 5 + [0.1] * 5)
    (entry,) = json.loads(path.read_text())["strategies"]
    assert entry["advice"] == "Cell 0. Tasks: 100% height 0 to 0.5, spacing 0 to 0.5."
    assert [entry[n] for n in ("uses", "cells", "overall", "returns")] == pytest.approx([1, 0.4, 0.2, 0.4])
    told = [q.messages[1]["content"] for q in adviser.questions]
    assert ["Effect (measured once): score +0.400 in the advised cells, +0.200 overall" in t for t in told] == [
        False, False, True,
    ]  # fmt: skip
    other = begun(make_setup(UNIT), provider=(second := Scripted(0)), library=str(path))
    teach(other, make_report, near + far, np.zeros(10))
    assert "score +0.400 in the advised cells" in second.questions[0].messages[1]["content"]


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(7, start=3), spaces.MultiDiscrete([4, 3]), spaces.MultiBinary(4),
        spaces.Box(-5, 5, (2,), np.int64), spaces.Box(0.0, 1.0, (3, 2), np.float32),
        spaces.Box(0.0, 1.0, (12,), np.float32),
    ],
    ids=str,
)  # fmt: skip
def test_any_space_of_numbers_will_do(space, make_setup, make_report):
    teacher = begun(make_setup(space), cells=None)
    rng = np.random.default_rng(0)
    for _ in range(6):
        tasks = [lesson.task for lesson in teacher.sample_tasks(10)]
        assert all(space.contains(task) for task in tasks)
        teach(teacher, make_report, tasks, rng.random(10) * 300, rng.random(10) < 0.5)
    assert teacher.scalars()["llm/source/rule"] == 5


def test_without_tasks_it_says_what_would_help():
    with pytest.raises(InvalidTeacher, match=r"LLMTasks sets tasks, but CartPole-v1 has no task space.*Parametrised"):
        Classroom(make_vec("CartPole-v1", 2), LLMTasks())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"every": 0}, r"LLMTasks\.every must be an integer of at least 1, got 0"),
        ({"uniform": 1.5}, r"LLMTasks\.uniform must be a share from 0 to 1"),
        ({"decay": -1}, r"LLMTasks\.decay must be a share"),
        ({"cells": 0}, r"LLMTasks\.cells must be None, an integer of at least 1, or one for each coordinate, got 0"),
        ({"cells": [2, 2, 2]}, r"one for each of the 2 coordinates"),
        ({"provider": "GPT"}, r"no provider of tasks 'GPT'"),
    ],
)
def test_impossible_arguments(arguments, message, make_setup):
    with pytest.raises((InvalidHyperparameter, ValueError), match=message):
        begun(make_setup(UNIT), **arguments)


def test_a_provider_is_checked_before_anything_begins():
    with pytest.raises(NotConfigured, match=r"No model is named: LLM\(model="):
        LLMTasks("LLM").validate(None)
    with pytest.raises(InvalidHyperparameter, match="beyond"):
        LLMTasks({"class_path": "RuleBased", "init_args": {"beyond": 2}}).validate(None)
    LLMTasks(LLM(mode="off")).validate(None)


def test_it_goes_on_from_its_state_in_the_middle_of_everything(make_setup, make_report):
    rng = np.random.default_rng(0)
    stream = [(rng.random((7, 2)), rng.random(7) * 300) for _ in range(20)]

    def run(teacher, parts):
        out = []
        for tasks, returns in parts:
            teach(teacher, make_report, tasks, returns)
            out.append([lesson.task.tolist() for lesson in teacher.sample_tasks(3)])
        return out

    whole, first, second = (begun(make_setup(UNIT)) for _ in range(3))
    expected = run(whole, stream)
    assert run(first, stream[:9]) == expected[:9]
    second.load_state_dict(first.state_dict())
    run(first, stream[9:12])  # the state is a copy
    assert run(second, stream[9:]) == expected[9:]
    assert second.scalars() == whole.scalars()


def test_it_keeps_the_contract_of_teachers():
    check_teacher(LLMTasks(every=3, cells=[4, 2], uniform=0.5, about="A walk."), envs=lambda: ToyEnv(views=True))
    check_teacher(LLMTasks(RuleBased(beyond=0.5), every=4), envs="TeachRL/PointMass-v0", rollouts=5)
