"""Answers: what is taken, and the sentences about what is not."""

import json
import math

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from teachrl.advice import Partition
from teachrl.advice.answers import MOST, check, schema, words
from teachrl.llm import InvalidAnswer
from teachrl.llm.json_schema import check_schema, first_mistake, is_strict

GATE = Partition(
    spaces.Box(np.array([-4.0, 0.1], np.float32), np.array([4.0, math.pi], np.float32)), ("gate", "width"), [4, 2]
)
COUNT = Partition(spaces.MultiDiscrete([3, 100_000]), (), None)
EMPTY = {"reason": "", "cells": [], "boxes": [], "tasks": []}


def answer(**lists):
    return {**EMPTY, **lists}


def box(*bounds, weight=1.0):
    return {"bounds": [dict(zip(("name", "low", "high"), bound, strict=True)) for bound in bounds], "weight": weight}


def test_cells_boxes_and_tasks_become_boxes():
    plan = check(
        answer(
            reason="  wide\ngates ",
            cells=[{"cell": 1, "weight": 2}, {"cell": 3, "weight": 0}],
            boxes=[box(("gate", -1, 1)), box()],
            tasks=[{"task": [0.5, 1], "weight": 0.5}],
        ),
        GATE,
    )
    middle = GATE.lows[1, 1]
    low, high = GATE.lows[0, 1], GATE.highs[1, 1]
    assert plan.lows.tolist() == [[-4, middle], [-1, low], [-4, low], [0.5, 1]]
    assert plan.highs.tolist() == [[-2, high], [1, high], [4, high], [0.5, 1]]
    assert plan.weights.tolist() == [2, 1, 1, 0.5]
    assert plan.reason == "wide gates"


def test_lists_may_be_missing():
    assert check({"tasks": [{"task": [0, 1], "weight": 1}]}, GATE).lows.tolist() == [[0, 1]]


def test_bounds_as_they_were_shown_are_inside():
    plan = check(answer(tasks=[{"task": [-4, 3.14159], "weight": 1}, {"task": [0, 0.1], "weight": 1}]), GATE)
    assert plan.highs[0, 1] == pytest.approx(3.14159)
    assert plan.lows[1, 1] == GATE.lows[0, 1] > 0.1
    assert check(answer(boxes=[box(("width", 0.1, 3.1416))]), GATE).highs[0, 1] == GATE.highs[1, 1]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ([], r"must be a JSON object with reason, cells, boxes, tasks, got \[\]"),
        ({"levels": []}, "has no 'levels'; it has reason, cells, boxes and tasks"),
        (EMPTY, "names no task: give at least one cell, box or task with a weight above 0"),
        (answer(cells=[{"cell": 0, "weight": 0}]), "names no task"),
        (answer(cells={"cell": 1}), "cells must be a list"),
        (answer(cells=[{"cell": 0, "weight": 1}] * (MOST + 1)), f"cells has {MOST + 1} entries; give the {MOST} most"),
        (answer(cells=[{"cell": 0}]), r"cells\[0\] must be an object with cell and weight, got \{'cell': 0\}"),
        (answer(cells=[{"cell": 8, "weight": 1}]), r"cells\[0\]: there is no cell 8; cells are numbered 0 to 7"),
        (answer(cells=[{"cell": -1, "weight": 1}]), "no cell -1"),
        (answer(cells=[{"cell": 0.5, "weight": 1}]), r"no cell 0\.5"),
        (answer(cells=[{"cell": True, "weight": 1}]), r"cells\[0\]\.cell must be a number, got True"),
        (answer(cells=[{"cell": 0, "weight": -1}]), r"cells\[0\]\.weight is -1, expected 0 or more"),
        (answer(cells=[{"cell": 0, "weight": math.nan}]), r"cells\[0\]\.weight must be a finite number"),
        (answer(cells=[{"cell": 0, "weight": 10**400}]), "finite number"),
        (answer(tasks=[{"task": [7, 1], "weight": 1}]), r"tasks\[0\]: gate is 7, expected -4 to 4"),
        (answer(tasks=[{"task": [0, "1"], "weight": 1}]), r"tasks\[0\]: width must be a number, got '1'"),
        (
            answer(tasks=[{"task": [0], "weight": 1}]),
            r"tasks\[0\] has 1 numbers; a task has 2, in this order: gate, wid",
        ),
        (answer(boxes=[box(("gate", -9, 1))]), r"boxes\[0\]: low of gate is -9, expected -4 to 4"),
        (answer(boxes=[box(), box(("width", 1, 4))]), r"boxes\[1\]: high of width is 4, expected 0\.1 to 3\.14159"),
        (answer(boxes=[box(("gate", 2, 1))]), r"boxes\[0\]: gate is 2 to 1, expected low before high"),
        (answer(boxes=[box(("door", 0, 1))]), r"boxes\[0\]: there is no coordinate 'door'; there are gate, width"),
        (answer(boxes=[box(("gate", 0, 1), ("gate", 1, 2))]), r"boxes\[0\] bounds gate twice"),
        (answer(boxes=[{"bounds": [{"name": "gate"}], "weight": 1}]), "must be an object with name and low and high"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(data, sentence):
    with pytest.raises(InvalidAnswer, match=sentence):
        check(data, GATE)


@pytest.mark.parametrize("value", [0.5, 100_000, -1])
def test_whole_numbers_must_be_whole_and_inside_exactly(value):
    with pytest.raises(InvalidAnswer, match=r"task_1 is .*, expected a whole number, 0 to 99999"):
        check(answer(tasks=[{"task": [0, value], "weight": 1}]), COUNT)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["cells", "boxes", "tasks", "cell", "weight", "task", "name"]), inner, max_size=3
        )
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.fixed_dictionaries({}, optional={name: ANYTHING for name in EMPTY}) | ANYTHING)
def test_whatever_comes_is_a_plan_inside_or_a_sentence(data):
    try:
        plan = check(data, GATE)
    except InvalidAnswer:
        return
    assert (plan.lows >= GATE.lows[0]).all()
    assert (plan.highs <= GATE.highs[-1]).all()


@pytest.mark.parametrize("partition", [GATE, COUNT])
def test_the_schema_is_strict_and_fits_what_is_checked(partition):
    described = schema(partition)
    check_schema(described)
    assert is_strict(described)
    json.dumps(described)
    good = answer(cells=[{"cell": 0, "weight": 1}], boxes=[box((partition.names[0], 0, 1))])
    assert first_mistake(good, described) == ""
    check(good, partition)
    assert "enum" in json.dumps(described)
    assert "must be one of" in first_mistake(answer(boxes=[box(("door", 0, 1))]), described)


def test_words_are_one_printable_line():
    assert words("a\x1b[31m\n\nb\t c") == "a [31m b c"
    assert len(words("x" * 1000)) == 400
    assert words(None) == "None"
