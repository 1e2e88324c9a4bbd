"""What an arm changes about the base: mappings are merged, lists replaced, and dotted names reach into both.

`student.hyperparameters.learning_rate` and `teachers.ALPGMM.fit_rate` are such names: `init_args` may be left out, and
an item of a list is named by its class or by its number. A changed class, or another `algorithm` of the same class,
drops the arguments that were chosen for the one before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from teachrl.configurable import Configurable
from teachrl.configuration import OBJECTS, parse_spec, resolve_class
from teachrl.errors import InvalidHyperparameter, TeachrlError, UnknownName
from teachrl.schemas import Schema

Config = dict[str, Any]
LISTS = ("teachers",)
"""Arguments that are lists; a single item stands for a list of one."""


def overridden(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Config:
    """Returns the arguments of a run with some of them changed.

    Args:
        base: Arguments of `train`, as data.
        changes: New values by name, dotted or nested. Those of the whole come before those of its parts, whatever their
            order, and a class or an algorithm before its arguments, which it would drop.

    Raises:
        UnknownName: If a dotted name leads to nothing.
        InvalidHyperparameter: If an argument does not exist.
    """
    config = dict(base)
    for name in sorted(changes, key=_rank):
        first, *rest = name.split(".")
        value = changes[name] if rest else _listed(first, changes[name])
        config[first] = _put(_listed(first, config.get(first)), rest, value, first, OBJECTS.get(first))
    return config


def _rank(name: str) -> tuple[int, bool, bool]:
    path = [part for part in name.split(".") if part != "init_args"]
    return len(path), path[-1:] != ["class_path"], path[-1:] != ["algorithm"]


def _listed(name: str, value: Any) -> Any:
    if name not in LISTS or isinstance(value, list | tuple):
        return value
    return [] if value is None else [value]


def reaches(config: Mapping[str, Any], name: str) -> bool:
    """Tells whether a dotted name leads to something in a run's arguments: to its teachers' classes, above all."""
    if "." not in name:
        return True
    try:
        overridden(config, {name: None})
    except UnknownName:
        return False
    return True


def _put(there: Any, path: Sequence[str], value: Any, name: str, base: type | None) -> Any:
    """Returns `there` with the value at `path`."""
    if not path:
        return _merged(there, value, base)
    if isinstance(there, list):
        i = _item(there, path[0], name)
        item = _put(there[i], path[1:], value, f"{name}.{path[0]}", base)
        return [*there[:i], item, *there[i + 1 :]]
    if base is not None or (isinstance(there, Mapping) and "class_path" in there):
        return _put_in_class(there, path, value, name, base)
    inner = there if isinstance(there, Mapping) else {}
    return {**inner, path[0]: _put(inner.get(path[0]), path[1:], value, f"{name}.{path[0]}", None)}


def _put_in_class(there: Any, path: Sequence[str], value: Any, name: str, base: type | None) -> Config:
    if there is None:
        raise UnknownName("argument", f"{name}.{'.'.join(path)}", (), f"There is no {name} to change.")
    spec = parse_spec(there)
    if list(path) == ["init_args"]:
        return _merged(spec, {"init_args": value}, base)  # type: ignore[no-any-return]
    first, *rest = path[1:] if path[0] == "init_args" else path
    if first == "class_path":
        return _merged(spec, {"class_path": value}, base)  # type: ignore[no-any-return]
    Schema(resolve_class(spec["class_path"], base or Configurable)).check_name(first)
    new = _put(spec["init_args"].get(first), rest, value, f"{name}.{first}", None)
    return _merged(spec, {"class_path": spec["class_path"], "init_args": {first: new}}, base)  # type: ignore[no-any-return]


def _merged(there: Any, value: Any, base: type | None) -> Any:
    """Merges a new value into what is there: mappings key by key, classes while they stay the same."""
    if isinstance(there, list) or isinstance(value, list) or there is None or (value is None and base is None):
        return value
    if base is not None or (isinstance(there, Mapping) and "class_path" in there):
        return _merged_class(parse_spec(there), value, base)
    if isinstance(there, Mapping) and isinstance(value, Mapping):
        return {**there, **{k: _merged(there.get(k), v, None) for k, v in value.items()}}
    return value


def _merged_class(there: Config, value: Any, base: type | None) -> Any:
    if isinstance(value, Mapping) and "class_path" not in value:
        value = {"class_path": there["class_path"], "init_args": value.get("init_args", value)}
    new = parse_spec(value)
    kind = base or Configurable
    if resolve_class(new["class_path"], kind) is not resolve_class(there["class_path"], kind):
        return new
    old, given = there["init_args"], new["init_args"]
    if "algorithm" in given and given["algorithm"] != old.get("algorithm", given["algorithm"]):
        return new
    return {"class_path": there["class_path"], "init_args": _merged(old, given, None)}


def _item(items: Sequence[Any], name: str, where: str) -> int:
    """Returns which item of a list is meant, by its class or its number."""
    names = [parse_spec(item)["class_path"] for item in items]
    found = [i for i, full in enumerate(names) if name in (full, full.rpartition(".")[2], str(i))]
    if len(found) == 1:
        return found[0]
    if found:
        raise InvalidHyperparameter(f"{where} has several {name}; say which by its number, e.g. {where}.{found[0]}.")
    raise UnknownName(f"item of {where}", name, [full.rpartition(".")[2] for full in names])


@contextmanager
def about(part: str) -> Iterator[None]:
    """Adds to an error which part of a study it is about."""
    try:
        yield
    except TeachrlError as error:
        error.add_note(f"This is about {part}.")
        raise
