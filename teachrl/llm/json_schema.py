"""The part of JSON Schema (https://json-schema.org) that answers are checked against.

Servers ignore schemas or enforce parts of them only, so that every answer is checked here. A keyword that is not known
here is an error of the schema, never ignored. An `integer` is written without a fraction: 3.0 is none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from teachrl.errors import InvalidHyperparameter

_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
}
_NOTES = {"title", "description", "default", "examples", "$schema", "$id"}
_NESTED = {"properties", "required", "additionalProperties", "items", "anyOf"}


def _number(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, bound: not _TYPES["number"](value) or test(value, bound)


def _sized(kind: type[list[Any]] | type[str], test: Callable[[int, int], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, bound: not isinstance(value, kind) or test(len(value), bound)


_RULES: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "type": (lambda v, t: any(_TYPES[n](v) for n in ([t] if isinstance(t, str) else t)), "must be of type {}"),
    "enum": (lambda v, allowed: any(_same(v, a) for a in allowed), "must be one of {}"),
    "const": (lambda v, only: _same(v, only), "must be {}"),
    "minimum": (_number(lambda v, bound: v >= bound), "must be at least {}"),
    "maximum": (_number(lambda v, bound: v <= bound), "must be at most {}"),
    "exclusiveMinimum": (_number(lambda v, bound: v > bound), "must be more than {}"),
    "exclusiveMaximum": (_number(lambda v, bound: v < bound), "must be less than {}"),
    "minItems": (_sized(list, lambda n, bound: n >= bound), "must have at least {} items"),
    "maxItems": (_sized(list, lambda n, bound: n <= bound), "must have at most {} items"),
    "minLength": (_sized(str, lambda n, bound: n >= bound), "must have at least {} characters"),
    "maxLength": (_sized(str, lambda n, bound: n <= bound), "must have at most {} characters"),
}


def first_mistake(value: Any, schema: Mapping[str, Any], where: str = "The answer") -> str:
    """Says in a sentence what about a value is not as the schema has it; empty if all is.

    Args:
        value: What `json.loads` returned.
        schema: A schema that `check_schema` accepts.
        where: How the value is called in the sentence.
    """
    return next(_mistakes(value, schema, where), "")


def check_schema(schema: Mapping[str, Any], where: str = "schema") -> None:
    """Checks that a schema uses nothing that would not be enforced.

    Raises:
        InvalidHyperparameter: If it has a keyword or type that is not known here.
    """
    if unknown := set(schema) - set(_RULES) - _NOTES - _NESTED:
        raise InvalidHyperparameter(
            f"{where} has {sorted(unknown)}, which no answer would be checked for. Known: "
            f"{', '.join(sorted({*_RULES, *_NESTED}))}."
        )
    kinds = schema.get("type", [])
    if strange := [k for k in ([kinds] if isinstance(kinds, str) else kinds) if k not in _TYPES]:
        raise InvalidHyperparameter(f"{where} has the types {strange}; there are {', '.join(_TYPES)}.")
    for name, child in _children(schema):
        check_schema(child, f"{where}.{name}")


def is_strict(schema: Mapping[str, Any]) -> bool:
    """Tells whether a schema may be sent as strict: its objects require all they know, and allow nothing else."""
    closed = "properties" not in schema or (
        schema.get("additionalProperties") is False and set(schema.get("required", ())) == set(schema["properties"])
    )
    return closed and all(is_strict(child) for _, child in _children(schema))


def _children(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from schema.get("properties", {}).items()
    for name in ("items", "additionalProperties"):
        if isinstance(child := schema.get(name), Mapping):
            yield name, child
    yield from ((f"anyOf[{i}]", child) for i, child in enumerate(schema.get("anyOf", ())))


def _mistakes(value: Any, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    for keyword, bound in schema.items():
        if keyword in _RULES and not _RULES[keyword][0](value, bound):
            yield f"{where} {_RULES[keyword][1].format(_short(bound))}, got {_short(value)}."
    if "anyOf" in schema and all(first_mistake(value, child) for child in schema["anyOf"]):
        wanted = " Or: ".join(first_mistake(value, child, where) for child in schema["anyOf"])
        yield f"{where} fits none of {len(schema['anyOf'])} forms. {wanted}"
    if isinstance(value, dict):
        yield from _object_mistakes(value, schema, where)
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            yield from _mistakes(item, schema["items"], f"{where}[{i}]")


def _object_mistakes(value: dict[str, Any], schema: Mapping[str, Any], where: str) -> Iterator[str]:
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    if missing := [name for name in schema.get("required", ()) if name not in value]:
        yield f"{where} must have {_short(missing)}."
    for name, entry in value.items():
        if name in known:
            yield from _mistakes(entry, known[name], f"{where}.{name}")
        elif isinstance(others, Mapping):
            yield from _mistakes(entry, others, f"{where}.{name[:40]}")
        elif not others:
            yield f"{where} must not have {_short(name)}; it has {_short(list(known))}."


def _same(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) and value in _TYPES else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}..."
