"""What `teachrl train` does where the user does not say: the packaged quickstart, and what environments recommend.

Later entries win:

1. `quickstart.yaml`; once an environment, a teacher or a config is given, without its teachers and env_kwargs, and in
   a run of another length without its interval of evaluations;
2. what the environment recommends: a class attribute `training_defaults`, a dict with any of `steps`, `num_envs` and
   `student`, for an environment that the user names;
3. the config;
4. the flags. Named teachers and wrappers replace those of the config, as a named student does: it brings its own
   arguments only. Dotted flags without a name before them change what is there; another `algorithm` drops the
   student's other arguments, which were chosen for the one before. Another environment than the config's drops the
   config's env_kwargs and wrappers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from gymnasium.envs.registration import load_env_creator

from teachrl._vector.resolve import find_spec, resolve_wrappers
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
    specs = {kind: _specs(kind, given.parts[kind], data.pop(name, None)) for kind, name in PARTS.items()}
    arguments = _schema(train).check(data, [flag for flag in given.flags if flag.path != ("config",)])
    check_env_kwargs(arguments["env"], arguments.get("env_kwargs", {}))
    return {
        **arguments,
        "teachers": [instantiate(spec, Teacher, flags) for spec, flags in specs["teacher"]],
        "wrappers": [make_wrapper(spec, flags) for spec, flags in specs["wrapper"]],
        "student": [instantiate(spec, Student, flags) for spec, flags in specs["student"]][-1],
    }


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
    return Schema(train, skip=PARTS.values(), owner="train", prefix="--", more=(*PARTS, "config"))


def _defaults(given: Sorted) -> dict[str, Any]:
    path, env = given.value("config"), given.value("env")
    config = {} if path is None else read_config(path)
    if env is not None and "env" in config and env != config["env"]:
        config = {name: value for name, value in config.items() if name not in ("env_kwargs", "wrappers")}
    bare = path is not None or env is not None or given.named("teacher")
    return completed(config, env or config.get("env"), bare, given.value("steps") is not None)


def completed(
    config: Mapping[str, Any], env: str | None = None, bare: bool = True, another_length: bool = False
) -> dict[str, Any]:
    """Returns a config with all that it leaves out: what its environment recommends, and the quickstart's values.

    Args:
        config: Arguments of `train`, as data.
        env: The environment, where the user names one.
        bare: Whether the quickstart's teachers and env_kwargs are left out.
        another_length: Whether the run is of another length than the quickstart for reasons of its own.

    Raises:
        UnknownName: If there is no such environment.
    """
    data: dict[str, Any] = load_yaml(files("teachrl").joinpath("quickstart.yaml").read_text(encoding="utf-8"))
    length = data["steps"]
    if bare:
        data = {name: value for name, value in data.items() if name not in ("teachers", "env_kwargs")}
    if env is not None:
        data |= recommended(env)
    if another_length or (data | dict(config))["steps"] != length:
        del data["eval_every"]
    return data | dict(config)


def recommended(env_id: str) -> dict[str, Any]:
    """Returns the `training_defaults` of an environment's class, empty if it has none.

    Raises:
        UnknownName: If there is no such environment.
        InvalidHyperparameter: If it recommends something that is not up to it.
    """
    creator = entry_class(env_id)
    defaults = dict(getattr(creator, "training_defaults", {}))
    if not set(defaults) <= set(RECOMMENDED):
        raise InvalidHyperparameter(f"training_defaults of {env_id} may name {RECOMMENDED}, got {sorted(defaults)}.")
    return defaults


def check_env_kwargs(env_id: str, env_kwargs: Mapping[str, Any]) -> None:
    """Checks the names of an environment's arguments; their types are the environment's own affair.

    Raises:
        UnknownName: If there is no such environment.
        InvalidHyperparameter: If one does not exist, with the nearest and all there are.
    """
    parameters = inspect.signature(entry_class(env_id)).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return
    schema = Schema(entry_class(env_id), owner=env_id, skip=["self"])
    for name in env_kwargs:
        schema.check_name(str(name))


def entry_class(env_id: str) -> Any:
    """Imports the class, or function, that makes an environment.

    Raises:
        UnknownName: If there is no such environment.
    """
    entry = find_spec(env_id).entry_point
    return load_env_creator(entry) if isinstance(entry, str) else entry


def _specs(kind: str, parts: Sequence[Part], there: Any) -> list[tuple[Any, Sequence[Flag]]]:
    """Pairs descriptions with flags; a first part without a name changes the last description that is there."""
    specs: list[tuple[Any, Sequence[Flag]]] = [(s, ()) for s in (there if isinstance(there, list) else [there]) if s]
    if not parts or (first := parts[0]).name is None:
        named = parts[1:]
        if parts and not specs:
            path = ".".join(parts[0].flags[0].path)
            raise InvalidHyperparameter(f"--{kind}.{path} has no {kind} before it; name one first: --{kind} NAME.")
        if parts:
            specs[-1] = (_without_others_arguments(specs[-1][0], parts[0].flags), parts[0].flags)
    elif first.name.startswith("["):
        return _specs(kind, [Part(None, first.flags)] if first.flags else [], load_yaml(first.name))
    else:
        specs, named = [], parts
    return [*specs, *((part.name, part.flags) for part in named)]


def _without_others_arguments(spec: Any, flags: Sequence[Flag]) -> Any:
    """Drops a description's arguments if a flag names another algorithm than the one they were chosen for."""
    there = parse_spec(spec)["init_args"].get("algorithm")
    another = any(flag.path == ("algorithm",) and flag.value != there for flag in flags)
    return {**parse_spec(spec), "init_args": {}} if there is not None and another else spec


def make_wrapper(spec: Any, flags: Sequence[Flag]) -> dict[str, Any]:
    """Returns the checked description of a wrapper.

    Raises:
        UnknownName: If there is no such wrapper.
        InvalidHyperparameter: If an argument does not exist or is ill-typed.
    """
    ((found, arguments),) = resolve_wrappers([parse_spec(spec)])
    checked = wrapper_schema(found).check(arguments, flags)
    return {"class_path": f"{found.__module__}.{found.__qualname__}", "init_args": checked}


def wrapper_schema(wrapper: Callable[..., Any]) -> Schema:
    """Returns what a wrapper takes besides its first argument, the environment."""
    return Schema(wrapper, skip=[next(iter(inspect.signature(wrapper).parameters), "env")])
