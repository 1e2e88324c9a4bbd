"""Questions: the table in words, and that it stays short."""

from dataclasses import replace

import numpy as np
import pytest
from gymnasium import spaces

from teachrl.advice import Partition, Question, Table
from teachrl.advice.questions import ROWS, Facts, interest, messages, table

GATE = Partition(spaces.Box(np.array([-4.0, 0.5]), np.array([4.0, 2.5]), dtype=np.float64), ("gate", "width"), [2, 2])
FACTS = Facts("Gate-v0", "Pass the gate.", (0.0, 100.0), 40, 20, 0.2, "100% any task", ["- Wide gates. Effect: +0.1."])


def standing(partition, episodes, decay=1.0):
    counted = Table(len(partition), decay, (0.0, 100.0))
    for part in episodes:
        for task, value, success in part:
            counted.add(partition.find(task), value, success)
        counted.turn()
    return counted


def test_the_table_line_by_line():
    counted = standing(GATE, [[([-3, 1], 10.0, False), ([3, 2], 50.0, True)]])
    counted.add(GATE.find([-3, 1]), 25.0, True)
    assert table(GATE, counted.standing()).splitlines() == [
        "cell | gate | width | episodes | since the last question | success | mean return | progress of the return",
        "0 | -4..0 | 0.5..1.5 | 2 | 1 | 0.50 | 17.5 | +15",
        "3 | 0..4 | 1.5..2.5 | 1 | 0 | 1.00 | 50 | ?",
        "Never tried: 1, 2.",
    ]


def test_a_question_says_all_that_is_needed():
    system, user = messages(GATE, standing(GATE, [[([-3, 1], 10.0, False)]]).standing(), FACTS)
    assert (system["role"], user["role"]) == ("system", "user")
    for said in (
        "Environment: Gate-v0. Pass the gate.", "- gate: a real number, -4 to 4", "- width: a real number, 0.5 to 2.5",
        "4 cells (2 x 2)", "Returns lie between 0 and 100.", "40 episodes so far, in 1 of 4 cells",
        "success 0, return 10", "In force now: 100% any task.", "- Wide gates. Effect: +0.1.", "20 episodes from now",
        "20% have uniform tasks",
    ):  # fmt: skip
        assert said in user["content"]
    assert '"boxes"' in system["content"]


def test_what_is_not_known_is_not_said():
    facts = replace(FACTS, return_range=None, strategies=[], about="")
    _, user = messages(GATE, standing(GATE, []).standing(), facts)
    assert "Returns lie" not in user["content"]
    assert "Strategies" not in user["content"]
    assert "Never tried: 0, 1, 2, 3." in user["content"]


@pytest.mark.parametrize("shape", [(20, 20), (1000, 40)])
def test_a_large_table_shows_the_most_informative_cells(shape):
    partition = Partition(spaces.Box(0.0, 1.0, (2,), np.float64), (), shape)
    counted, rng = Table(len(partition), 0.7, (0.0, 1.0)), np.random.default_rng(0)
    for _ in range(6000):
        counted.add(partition.find(rng.random(2)), float(rng.random()), bool(rng.random() < 0.3))
    found = counted.standing()
    lines = table(partition, found).splitlines()
    rows = [int(line.split(" | ")[0]) for line in lines[1 : ROWS + 1]]
    assert rows == sorted(rows)
    left = np.setdiff1d(np.flatnonzero(found.episodes), rows)
    assert interest(found)[rows].min() >= interest(found)[left].max()
    high, low = (found.score[left] >= 0.9).sum(), (found.score[left] <= 0.1).sum()
    assert lines[ROWS + 1] == (
        f"{len(left)} more cells were tried: {high} with a score of 0.9 or more (of 1), {low} with 0.1 or less."
    )
    assert len(lines) <= ROWS + 3
    assert len(" ".join(m["content"] for m in messages(partition, found, FACTS))) < 8000  # 2000 tokens or so


def test_slices_say_which_coordinate_they_bound():
    partition = Partition(spaces.Box(0.0, 1.0, (2,), np.float64), ("a", "b"), [1000, 50])
    counted = standing(partition, [[([0.5, 0.01], 1.0, None)]])
    _, user = messages(partition, counted.standing(), FACTS)
    assert "1000 | b 0 to 0.02 | 1 | 0 | ? | 1 | ?" in user["content"]
    assert "each bounds one coordinate, all others are free" in user["content"]


def test_a_question_checks_its_answers():
    question = Question(1, GATE, None, [])
    assert question.check({"cells": [{"cell": 2, "weight": 1}]}).lows.tolist() == [[0, 0.5]]
    assert question.schema["required"] == ["reason", "cells", "boxes", "tasks"]
