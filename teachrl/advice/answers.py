"""What an adviser may answer, as JSON, and what is wrong with what it did answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachrl.advice.partition import Partition
from teachrl.advice.plans import Plan
from teachrl.llm.errors import InvalidAnswer

MOST = 64
"""Entries of a list, at most."""
_WORDS = 400
_SNAP = 1e-5
"""A bound this share of the extent outside is the bound itself: questions show six digits of it."""
_ENTRIES = {"cells": ("cell", "weight"), "boxes": ("bounds", "weight"), "tasks": ("task", "weight")}

Corners = tuple[NDArray[np.float64], NDArray[np.float64]]


def schema(partition: Partition) -> dict[str, Any]:
    """Returns the JSON schema of an answer; every key is required, as servers with strict schemas want it."""
    number = {"type": "number"}
    bound = _object({"name": {"type": "string", "enum": list(partition.names)}, "low": number, "high": number})
    values = {
        "cell": {"type": "integer"},
        "bounds": {"type": "array", "items": bound},
        "task": {"type": "array", "items": number},
        "weight": number,
    }
    lists = {k: {"type": "array", "items": _object({n: values[n] for n in names})} for k, names in _ENTRIES.items()}
    return _object({"reason": {"type": "string"}, **lists})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def check(data: Any, partition: Partition) -> Plan:
    """Turns an answer into a plan; nothing outside the task space is ever taken.

    Raises:
        InvalidAnswer: With a sentence on what is wrong, made to be sent back.
    """
    if not isinstance(data, Mapping):
        raise InvalidAnswer(f"The answer must be a JSON object with {', '.join(['reason', *_ENTRIES])}, got {data!r}.")
    if unknown := sorted(set(data) - {"reason", *_ENTRIES}):
        raise InvalidAnswer(f"The answer has no {unknown[0]!r}; it has reason, cells, boxes and tasks.")
    lows, highs, weights = [], [], []
    for kind, names in _ENTRIES.items():
        for i, entry in enumerate(_list(data.get(kind), kind)):
            where = f"{kind}[{i}]"
            _check_keys(entry, names, where)
            low, high = _READ[kind](entry[names[0]], partition, where)
            lows.append(low)
            highs.append(high)
            weights.append(_weight(entry["weight"], where))
    if not sum(weights) > 0:
        raise InvalidAnswer("The answer names no task: give at least one cell, box or task with a weight above 0.")
    kept = np.array(weights) > 0
    return Plan(np.array(lows)[kept], np.array(highs)[kept], np.array(weights)[kept], words(data.get("reason", "")))


def words(text: Any, most: int = _WORDS) -> str:
    """Returns text of an answer as one line of printable characters, cut where it is too long."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def _list(value: Any, kind: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidAnswer(f"{kind} must be a list, got {value!r:.100}.")
    if len(value) > MOST:
        raise InvalidAnswer(f"{kind} has {len(value)} entries; give the {MOST} most important ones at most.")
    return value


def _check_keys(entry: Any, names: tuple[str, ...], where: str) -> None:
    if not isinstance(entry, Mapping) or set(entry) != set(names):
        raise InvalidAnswer(f"{where} must be an object with {' and '.join(names)}, got {entry!r:.100}.")


def _weight(value: Any, where: str) -> float:
    weight = _number(value, f"{where}.weight")
    if not 0 <= weight <= 1e9:
        raise InvalidAnswer(f"{where}.weight is {weight:g}, expected 0 or more.")
    return weight


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidAnswer(f"{where} must be a number, got {value!r:.100}.")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidAnswer(f"{where} must be a finite number.")
    return number


def _read_cell(value: Any, partition: Partition, where: str) -> Corners:
    cell = _number(value, f"{where}.cell")
    if cell != int(cell) or not 0 <= cell < len(partition):
        raise InvalidAnswer(f"{where}: there is no cell {cell:g}; cells are numbered 0 to {len(partition) - 1}.")
    return partition.lows[int(cell)], partition.highs[int(cell)]


def _read_box(value: Any, partition: Partition, where: str) -> Corners:
    low, high = (np.array([getattr(c, end) for c in partition.coordinates]) for end in ("low", "high"))
    seen: set[str] = set()
    for bound in _list(value, f"{where}.bounds"):
        _check_keys(bound, ("name", "low", "high"), f"{where}.bounds")
        if bound["name"] not in partition.names:
            raise InvalidAnswer(
                f"{where}: there is no coordinate {bound['name']!r:.60}; there are {', '.join(partition.names)}."
            )
        if bound["name"] in seen:
            raise InvalidAnswer(f"{where} bounds {bound['name']} twice; give another box for other bounds.")
        seen.add(bound["name"])
        d = partition.names.index(bound["name"])
        low[d], high[d] = (_inside(bound[end], partition, d, f"{where}: {end} of") for end in ("low", "high"))
        if low[d] > high[d]:
            raise InvalidAnswer(f"{where}: {bound['name']} is {low[d]:g} to {high[d]:g}, expected low before high.")
    return low, high


def _read_task(value: Any, partition: Partition, where: str) -> Corners:
    numbers = _list(value, f"{where}.task")
    if len(numbers) != len(partition.names):
        raise InvalidAnswer(
            f"{where} has {len(numbers)} numbers; a task has {len(partition.names)}, in this order: "
            f"{', '.join(partition.names)}."
        )
    point = np.array([_inside(x, partition, d, f"{where}:") for d, x in enumerate(numbers)])
    return point, point


def _inside(value: Any, partition: Partition, d: int, where: str) -> float:
    """Returns a coordinate's value if the task space has it."""
    c = partition.coordinates[d]
    number = _number(value, f"{where} {c.name}")
    slack = 0.0 if c.whole else _SNAP * (c.high - c.low)
    if (c.whole and number != int(number)) or not c.low - slack <= number <= c.high + slack:
        raise InvalidAnswer(
            f"{where} {c.name} is {number:.6g}, expected {'a whole number, ' if c.whole else ''}"
            f"{c.low:.6g} to {c.high:.6g}."
        )
    return min(max(number, c.low), c.high)


_READ = {"cells": _read_cell, "boxes": _read_box, "tasks": _read_task}
