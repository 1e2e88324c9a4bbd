"""What `teachrl train` does where the user does not say: the packaged quickstart, and what environments recommend.

Later entries win:

1. `quickstart.yaml`; once an environment, a teacher or a config is given, without its teachers and env_kwargs;
2. what the environment recommends: a class attribute `training_defaults`, a dict with any of `steps`, `num_envs` and
   `student`, for an environment that the user names;
3. the config;
4. the flags. Named teachers and wrappers replace those of the config, as a named student does: it brings its own
   arguments only. Dotted flags without a name before them change what is there. Another environment than the
   config's drops the config's env_kwargs and wrappers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from gymnasium.envs.registration import load_env_creator

from teachrl._vector.resolve import find_spec, resolve_wrappers
from teachrl.configurable import Configurable, to_config
from teachrl.configuration import instantiate, parse_spec, read_config
from teachrl.errors import InvalidHyperparameter
from teachrl.flags import Part, Sorted
from teachrl.schemas import Flag, Schema, load_yaml
from teachrl.student import Student
from teachrl.teacher import Teacher

PARTS = {"teacher": "teachers", "wrapper": "wrappers", "student": "student"}
"""The parts that flags name, and the arguments of `train` that they make."""
RECOMMENDED = ("steps", "num_envs", "student")


def train_arguments(given: Sorted, train: Callable[..., Any]) -> dict[str, Any]:
    """Turns the flags of `teachrl train` into the arguments of `train`.

    Raises:
        TeachrlError: If a name or a value is wrong.
    """
    if given.value("resume") is not None:
        return _resume(given, train)
    data = _defaults(given)
    teachers = [_object(Teacher, part, spec) for part, spec in _pairs(given.parts["teacher"], _many(data, "teachers"))]
    wrappers = [_wrapper(part, spec) for part, spec in _pairs(given.parts["wrapper"], _many(data, "wrappers"))]
    student = [_object(Student, part, spec) for part, spec in _pairs(given.parts["student"][-1:], [data.pop("student")])]
    arguments = _schema(train).check(data, [flag for flag in given.flags if flag.path != ("config",)])
    _check_env_kwargs(arguments)
    parts = {"teachers": teachers, "student": student[0]} | ({"wrappers": wrappers} if wrappers else {})
    return {**arguments, **parts}


def _resume(given: Sorted, train: Callable[..., Any]) -> dict[str, Any]:
    named = [PARTS[kind] for kind, parts in given.parts.items() if parts]
    named += [name for name in ("env", "config") if given.value(name) is not None]
    if named:
        raise InvalidHyperparameter(
            f"--resume continues a run with its own {', '.join(named)}; leave these out, or start a new run "
            f"with --config {given.value('resume')}/config.yaml."
        )
    return _schema(train).check({}, given.flags, partial=True)


def _schema(train: Callable[..., Any]) -> Schema:
    return Schema(train, skip=PARTS.values(), owner="teachrl train", prefix="--", more=(*PARTS, "config"))


def _defaults(given: Sorted) -> dict[str, Any]:
    data: dict[str, Any] = load_yaml(files("teachrl").joinpath("quickstart.yaml").read_text(encoding="utf-8"))
    path, env = given.value("config"), given.value("env")
    config = {} if path is None else read_config(path)
    if path is not None or env is not None or given.named("teacher"):
        data = {name: value for name, value in data.items() if name not in ("teachers", "env_kwargs")}
    if env is not None and "env" in config and env != config["env"]:
        config = {name: value for name, value in config.items() if name not in ("env_kwargs", "wrappers")}
    if (chosen := env or config.get("env")) is not None:
        data |= recommended(chosen)
    return data | config


def recommended(env_id: str) -> dict[str, Any]:
    """Returns the `training_defaults` of an environment's class, empty if it has none.

    Raises:
        UnknownName: If there is no such environment.
        InvalidHyperparameter: If it recommends something that is not up to it.
    """
    creator = _creator(env_id)
    defaults = dict(getattr(creator, "training_defaults", {}))
    if not set(defaults) <= set(RECOMMENDED):
        raise InvalidHyperparameter(f"training_defaults of {env_id} may name {RECOMMENDED}, got {sorted(defaults)}.")
    return defaults


def _creator(env_id: str) -> Any:
    entry = find_spec(env_id).entry_point
    return load_env_creator(entry) if isinstance(entry, str) else entry


def _many(data: dict[str, Any], name: str) -> list[Any]:
    value = data.pop(name, None)
    return value if isinstance(value, list) else [] if value is None else [value]


def _pairs(parts: Sequence[Part], specs: Sequence[Any]) -> list[tuple[Part, Any]]:
    """Pairs what flags name with what is there: a part without a name changes the last one that is there."""
    if parts and parts[0].name is not None:
        listed = load_yaml(parts[0].name) if parts[0].name.startswith("[") else None
        if not isinstance(listed, list):
            return [(part, part.name) for part in parts]
        parts, specs = [Part(None, parts[0].flags), *parts[1:]], listed
    if not parts:
        return [(Part(None), spec) for spec in specs]
    if not specs and parts[0].flags:
        raise InvalidHyperparameter(f"--….{'.'.join(parts[0].flags[0].path)} is about nothing: name the class first.")
    last = [(parts[0], specs[-1])] if specs else []
    return [*((Part(None), spec) for spec in specs[:-1]), *last, *((part, part.name) for part in parts[1:])]


def _object(base: type[Any], part: Part, spec: Any) -> Any:
    return instantiate(spec, base, part.flags)


def _wrapper(part: Part, spec: Any) -> dict[str, Any]:
    spec = parse_spec(spec)
    ((found, arguments),) = resolve_wrappers([spec])
    schema = Schema(found, skip=[env_parameter(found)])
    checked = schema.check(arguments, part.flags)
    return {"class_path": f"{found.__module__}.{found.__qualname__}", "init_args": checked}


def env_parameter(wrapper: Callable[..., Any]) -> str:
    """Returns the name of a wrapper's first parameter, the environment."""
    import inspect

    return next(iter(inspect.signature(wrapper).parameters), "env")
