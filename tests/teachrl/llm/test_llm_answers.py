"""Reading answers, and the part of JSON Schema that they are checked against."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachrl.errors import InvalidHyperparameter
from teachrl.llm import InvalidAnswer
from teachrl.llm.answers import LONGEST, read_answer
from teachrl.llm.json_schema import check_schema, first_mistake, is_strict

CELL = {
    "type": "object",
    "properties": {"x": {"type": "integer", "minimum": 0, "maximum": 9}, "kind": {"enum": ["door", "key"]}},
    "required": ["x", "kind"],
    "additionalProperties": False,
}
PLAN = {
    "type": "object",
    "properties": {"plan": {"type": "array", "items": CELL, "minItems": 1, "maxItems": 3}},
    "required": ["plan"],
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1, 2]", [1, 2]),
        ("the list is [1, 2].", [1, 2]),
        ('```\n{"a": 1}\n```', {"a": 1}),
        ('```json\nno\n```\n```json\n{"a": 1}\n```', {"a": 1}),
        ('so: {"a": [1, {"b": "}"}]} ok?', {"a": [1, {"b": "}"}]}),
        ('[{"a": 1}]', [{"a": 1}]),
        ("it is [{}] then", [{}]),
        ("3", 3),
    ],
)
def test_json_is_read(text, value):
    assert read_answer(text, {}) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("<think>hm</think>  ", "empty"),
        ("x" * (LONGEST + 1), "at most"),
        ("no", 'not JSON: it begins with "no"'),
        ("{'a': 1}", "not JSON"),
        ("{a: 1}", "not JSON"),
        ('{"a": NaN}', "not JSON"),
        ('{"a": -Infinity}', "not JSON"),
        ('{"a": 1e999}', "not JSON"),
        ('{"a": ' + "9" * 5000 + "}", "not JSON"),
        ("[" * 90_000, "not JSON"),
        ("[" * 40_000 + "]" * 40_000, "not JSON"),
        ("```" * 30_000, "not JSON"),
        ("```" + "\n" * 99_000 + "x", "not JSON"),
        ("__import__('os').getcwd()", "not JSON"),
    ],
)
def test_what_is_no_json_is_refused(text, said):
    with pytest.raises(InvalidAnswer, match=said):
        read_answer(text, {})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"plan": [{"x": 1, "kind": "door"}]}, ""),
        ([], "The answer must be of type object, got []."),
        ({}, 'The answer must have ["plan"].'),
        ({"plan": []}, "The answer.plan must have at least 1 items, got []."),
        ({"plan": [{"x": 10, "kind": "door"}]}, "The answer.plan[0].x must be at most 9, got 10."),
        ({"plan": [{"x": 10**100, "kind": "key"}]}, f"The answer.plan[0].x must be at most 9, got {10**100}."),
        ({"plan": [{"x": 1.0, "kind": "key"}]}, "The answer.plan[0].x must be of type integer, got 1.0."),
        ({"plan": [{"x": True, "kind": "key"}]}, "The answer.plan[0].x must be of type integer, got true."),
        ({"plan": [{"x": 1, "kind": "cat"}]}, 'The answer.plan[0].kind must be one of ["door", "key"], got "cat".'),
        ({"plan": [{"x": 1}]}, 'The answer.plan[0] must have ["kind"].'),
        ({"plan": [{"x": 1, "kind": "key", "y": 2}]}, 'The answer.plan[0] must not have "y"; it has ["x", "kind"].'),
    ],
)
def test_mistakes_are_said_where_they_are(value, said):
    assert first_mistake(value, PLAN) == said


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": ["integer", "null"]}, [1, None], ["1", 1.5, False]),
        ({"type": "number"}, [1, 1.5], [True, "1"]),
        ({"type": "boolean"}, [True], [1]),
        ({"const": 1}, [1], [True, 2]),
        ({"enum": [1, "a"]}, [1, "a"], [True, "b"]),
        ({"exclusiveMinimum": 0, "exclusiveMaximum": 1}, [0.5, "x"], [0, 1]),
        ({"minLength": 1, "maxLength": 2}, ["a", [1, 2, 3]], ["", "abc"]),
        ({"maxItems": 1}, [[1], "abc"], [[1, 2]]),
        ({"additionalProperties": {"type": "integer"}}, [{"a": 1}], [{"a": "1"}]),
        ({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 3}]}, ["a", 3], [2, None]),
        ({"items": {"items": {"type": "integer"}}}, [[[1], []]], [[["1"]]]),
    ],
)
def test_keywords(schema, good, bad):
    check_schema(schema)
    assert [first_mistake(value, schema) for value in good] == [""] * len(good)
    assert all(first_mistake(value, schema) for value in bad)


@pytest.mark.parametrize(
    "schema",
    [{"multipleOf": 2}, {"type": "int"}, {"properties": {"a": {"pattern": "x"}}}, {"items": {"oneOf": []}},
     {"anyOf": [{"format": "date"}]}, {"additionalProperties": {"$ref": "#"}}],
)  # fmt: skip
def test_what_would_not_be_enforced_is_refused(schema):
    with pytest.raises(InvalidHyperparameter):
        check_schema(schema)


def test_strict_schemas_are_closed_all_the_way_down():
    assert is_strict(CELL)
    assert is_strict({"type": "array", "items": CELL})
    assert not is_strict(PLAN)
    assert not is_strict({**PLAN, "additionalProperties": False, "required": []})
    assert not is_strict({"type": "array", "items": {**CELL, "required": ["x"]}})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-4, 4) | st.sampled_from([0.5, -1.5]) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
NUMBERS = st.integers(-3, 3)
SIZES = st.integers(0, 2)


def schemas(inner: st.SearchStrategy) -> st.SearchStrategy:
    kinds = st.sampled_from(["object", "array", "string", "boolean", "null", "integer", "number"])
    optional = {
        "type": kinds | st.lists(kinds, min_size=1, max_size=3, unique=True),
        "enum": st.lists(VALUES, min_size=1, max_size=3),
        "minimum": NUMBERS,
        "maximum": NUMBERS,
        "exclusiveMinimum": NUMBERS,
        "exclusiveMaximum": NUMBERS,
        "minItems": SIZES,
        "maxItems": SIZES,
        "minLength": SIZES,
        "maxLength": SIZES,
        "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
        "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
        "additionalProperties": st.booleans() | inner,
        "items": inner,
        "anyOf": st.lists(inner, min_size=1, max_size=2),
    }
    return st.sets(st.sampled_from(sorted(optional)), max_size=3).flatmap(
        lambda names: st.fixed_dictionaries({name: optional[name] for name in sorted(names)})
    )


@settings(deadline=None)
@given(schemas(schemas(st.just({}))), VALUES)
def test_verdicts_are_those_of_the_reference_implementation(schema, value):
    jsonschema = pytest.importorskip("jsonschema")
    check_schema(schema)
    assert (first_mistake(value, schema) == "") == jsonschema.Draft202012Validator(schema).is_valid(value)


@settings(deadline=None)
@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(text):
    with contextlib.suppress(InvalidAnswer):
        assert first_mistake(read_answer(text, PLAN), PLAN) == ""
