"""What a language model is told of a level, and what of its answers is taken."""

import dataclasses
from collections import Counter

import pytest

from planned_levels import MOST, answer, oracle, read_levels
from teachrl.llm.errors import InvalidAnswer
from teachrl.llm.json_schema import check_schema, first_mistake, is_strict
from teachrl.providers.prompts import Checker, describe, kinds, messages, reason_of, schema
from teachrl.subgoals import Subgoal, Thing
from teachrl_envs.minigrid.layouts import MiniGridLayouts

MAZE = "TeachRL/MiniGrid-ObstructedMaze-1Dlhb-v0"


@pytest.fixture(scope="module")
def level():
    return read_levels([3])[0]


@pytest.fixture(scope="module")
def maze():
    return read_levels([3], MAZE)[0]


def check(layout, data, refused=None):
    return Checker(MiniGridLayouts(), layout, MOST, Counter() if refused is None else refused)(data)


def test_a_level_is_drawn_and_listed(maze):
    text = describe(maze, 5)
    assert text.startswith("The grid has 11 columns (x 0 to 10) and 6 rows (y 0 to 5).")
    drawn = text.splitlines()
    top = drawn.index("    x 01234567890")
    assert drawn[top - 1] == "                1"
    for thing in maze.things:
        mark = drawn[top + 1 + thing.y][6 + thing.x]
        assert thing.kind in maze.legend[mark]
        assert any(line.startswith(f"- {thing.colour} {thing.kind}") and line.endswith(f"x {thing.x}, y {thing.y}")
                   for line in drawn)  # fmt: skip
    x, y, facing = maze.agent
    assert f"stands at x {x}, y {y}, faces {facing} and carries nothing." in text
    assert f"Mission: {maze.mission}" in text
    assert text.endswith("at most 5 subgoals.")


def test_what_is_carried_is_told_and_empty_rows_are_not(level):
    assert "(rows that are not drawn are empty)" in describe(level, MOST)
    assert len(describe(level, MOST).splitlines()) < level.height
    assert "carries yellow key" in describe(dataclasses.replace(level, carrying="yellow key"), MOST)
    assert "nothing but walls" in describe(dataclasses.replace(level, things=()), MOST)


def test_the_system_message_has_the_rules_and_the_form(level):
    system, user = messages(level, 4, rules="- No rules.")
    assert (system["role"], user["role"]) == ("system", "user")
    assert "- No rules." in system["content"]
    assert "at most 4 subgoals" in system["content"]
    assert '{"subgoals": [{"kind": "door", "colour": "red", "x": 3, "y": 4}, ...]}' in system["content"]


def test_the_schema_is_the_levels_own(maze):
    form = schema(maze, 3)
    check_schema(form)
    assert is_strict(form)
    assert kinds(maze) == ["position", "ball", "box", "door"]
    good = {"kind": "box", "colour": "grey", "x": 1, "y": 2}
    assert first_mistake({"subgoals": [good]}, form) == ""
    wrong = [{"x": 11}, {"y": 6}, {"x": 1.5}, {"x": True}, {"kind": "goal"}, {"colour": "pink"}, {"more": 1}]
    assert all(first_mistake({"subgoals": [good | change]}, form) for change in wrong)
    assert first_mistake({"subgoals": []}, form)
    assert first_mistake({"subgoals": [good] * 4}, form)


@pytest.mark.parametrize("env", [MAZE, "TeachRL/MiniGrid-KeyCorridorS3R3-v0", "TeachRL/MiniGrid-MultiRoom-N4-S5-v1"])
def test_the_shortest_solution_is_a_valid_answer(env):
    for layout in read_levels([0, 1, 2], env):
        told = answer(oracle(layout))
        assert first_mistake(told, schema(layout, MOST)) == ""
        assert check(layout, told) == oracle(layout)


def test_things_are_named_in_the_layouts_words(maze):
    plan = check(maze, {"subgoals": [{"kind": " DOOR ", "x": 5.0, "y": 4}, {"kind": "position", "x": 2, "y": 3}]})
    assert plan == [Subgoal(5, 4, "door", "blue", "locked blue door"), Subgoal(2, 3)]


@pytest.mark.parametrize(
    ("item", "reason", "sentence"),
    [
        ({"kind": "position", "x": 11, "y": 2}, "outside", "x 11, y 2 is outside the grid: x goes from 0 to 10"),
        ({"kind": "position", "x": 2, "y": -1}, "outside", "y from 0 to 5"),
        ({"kind": "position", "x": 0, "y": 0}, "wall", "wall at \\(0, 0\\)"),
        ({"kind": "ball", "colour": "red", "x": 4, "y": 4}, "absent", "There is no red ball at \\(4, 4\\)"),
        ({"kind": "box", "x": 4, "y": 4}, "absent", "There is no box at \\(4, 4\\).*\\(1, 2\\)"),
        ({"kind": "dragon", "x": 4, "y": 4}, "form", "one of position, ball, box, door"),
        ({"kind": "ball", "x": "4", "y": 4}, "form", "x and y whole numbers"),
        ({"kind": "ball", "x": 4.5, "y": 4}, "form", "x and y whole numbers"),
        ({"kind": "ball", "x": True, "y": 4}, "form", "x and y whole numbers"),
        ({"kind": "ball", "x": 1e300, "y": 4}, "form", "x and y whole numbers"),
        ({"kind": "ball", "colour": 5, "x": 4, "y": 4}, "form", "must be"),
        ("ball", "form", "must be"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_sentence(maze, item, reason, sentence):
    refused = Counter()
    right = {"kind": "ball", "x": 4, "y": 4}
    with pytest.raises(InvalidAnswer, match=f"^Subgoal 2: .*{sentence}"):
        check(maze, {"subgoals": [right, item, right]}, refused)
    assert refused == {reason: 1}


def test_what_cannot_be_reached_is_refused(level):
    beyond = next((x, 10) for x in range(level.width))  # outside of the rooms
    refused = Counter()
    with pytest.raises(InvalidAnswer, match="cannot be reached"):
        check(level, {"subgoals": [{"kind": "position", "x": beyond[0], "y": beyond[1]}]}, refused)
    assert refused == {"unreachable": 1}


def test_all_mistakes_are_named_at_once(maze):
    items = [{"kind": "position", "x": 99, "y": 0}, {"kind": "position", "x": 0, "y": 0}]
    with pytest.raises(InvalidAnswer, match="Subgoal 1: .*outside.*\nSubgoal 2: .*wall"):
        check(maze, {"subgoals": items})


@pytest.mark.parametrize(
    ("data", "reason"),
    [([], "form"), ({}, "form"), ({"subgoals": {}}, "form"), (None, "form"), ({"subgoals": []}, "number")],
)
def test_what_is_no_plan_is_refused(maze, data, reason):
    refused = Counter()
    with pytest.raises(InvalidAnswer):
        check(maze, data, refused)
    assert refused == {reason: 1}


def test_a_plan_may_not_be_longer_than_asked(maze):
    item = {"kind": "ball", "x": 4, "y": 4}
    with pytest.raises(InvalidAnswer, match="at most 8 subgoals, it has 9"):
        check(maze, {"subgoals": [item] * 9})


def test_a_colour_of_any_length_makes_a_short_message(maze):
    with pytest.raises(InvalidAnswer) as caught:
        check(maze, {"subgoals": [{"kind": "ball", "colour": "r" * 10_000, "x": 4, "y": 4}]})
    assert len(str(caught.value)) < 500


def test_a_thing_without_colour_or_state():
    goal = dataclasses.replace(read_levels([3])[0], things=(Thing("goal", "", "", 22, 1),))
    assert "- goal at x 22, y 1" in describe(goal, MOST)
    assert schema(goal, MOST)["properties"]["subgoals"]["items"]["properties"]["colour"]["enum"] == [""]


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [("It is Outside.", "outside"), ("a wall", "wall"), ("cannot be reached", "unreachable"), ("no key", "absent")],
)
def test_sentences_are_counted_by_a_word(sentence, reason):
    assert reason_of(sentence) == reason
