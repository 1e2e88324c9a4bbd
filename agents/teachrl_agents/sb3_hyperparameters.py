"""Hyperparameters of Stable-Baselines3's algorithms as plain data: checked, completed and resolved."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from teachrl.configurable import import_class
from teachrl.errors import InvalidHyperparameter, UnknownName, nearest

_OURS = {
    "policy": "the argument `policy` of SB3",
    "env": "the run's environment",
    "device": "the argument `device` of SB3",
    "seed": "the run's seed",
    "verbose": "the run's log",
    "tensorboard_log": "the run's log",
    "stats_window_size": "the run's log",
    "monitor_wrapper": "the classroom, which monitors episodes itself",
    "rollout_buffer_class": "the student, whose buffer stores what teachers do",
    "rollout_buffer_kwargs": "the student, whose buffer stores what teachers do",
    "replay_buffer_class": "the student, whose buffer stores what teachers do",
    "replay_buffer_kwargs": "the student, whose buffer stores what teachers do",
    "_init_setup_model": "the student",
}
_ALIKE = {"TeachRL/StumpTracks-v0": "BipedalWalker-v3"}
"""Environments that are tuned like another one."""


@dataclass(frozen=True)
class Linear:
    """A schedule from one value at the beginning of a run to another at its end, and constant after it."""

    begin: float
    end: float

    def __call__(self, progress_remaining: float) -> float:
        """Returns the value when `progress_remaining` of the run, from 1 to 0, is left."""
        return self.end + max(progress_remaining, 0.0) * (self.begin - self.end)


def preset(name: str | None, algorithm: str, env_id: str | None) -> dict[str, Any]:
    """Returns the settings of a preset, `normalize` among them where it is set; nothing without a preset or env id.

    Raises:
        UnknownName: If there is no such preset.
        InvalidHyperparameter: If it has no settings for the environment; the message lists those it has.
    """
    if name is None:
        return {}
    if name != "zoo":
        raise UnknownName("preset", name, ["zoo"])
    if env_id is None:
        return {}
    table = _zoo().get(algorithm, {})
    settings = table.get(_ALIKE.get(env_id, env_id))
    if settings is None:
        alike = [ours for ours, theirs in _ALIKE.items() if theirs in table]
        raise InvalidHyperparameter(
            f"The preset 'zoo' has no settings of {algorithm} for {env_id!r}. It has them for "
            f"{', '.join(sorted([*table, *alike])) or 'no environment'}. Take another algorithm, or set "
            "`hyperparameters` without a preset."
        )
    return dict(settings)


@lru_cache(maxsize=1)
def _zoo() -> dict[str, dict[str, Any]]:
    import yaml

    table: dict[str, dict[str, Any]] = yaml.safe_load(
        resources.files(__package__ or "").joinpath("sb3_presets.yaml").read_text("utf-8")
    )
    return table


def resolve(cls: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Returns constructor arguments of an algorithm out of plain data, checked by its signature.

    Args:
        cls: The algorithm.
        given: Hyperparameters by name; schedules are `{"schedule": "linear", "from": 1e-3, "to": 0}`, classes dotted
            names. `action_noise` stays as it is: it needs the action space (`make_noise`).

    Raises:
        InvalidHyperparameter: If a name does not exist or a value is ill-typed.
    """
    known = {n: p for n, p in _parameters(cls).items() if n not in _OURS}
    return {name: _setting(cls.__name__, name, value, known) for name, value in given.items()}


def _setting(algorithm: str, name: str, value: Any, known: dict[str, inspect.Parameter]) -> Any:
    if name in _OURS:
        raise InvalidHyperparameter(f"{algorithm}'s {name!r} is not a hyperparameter: it is set by {_OURS[name]}.")
    if name not in known:
        raise _unknown(algorithm, "hyperparameter", name, known)
    if name == "policy_kwargs":
        return dict(_policy_kwargs(algorithm, value))
    if name == "action_noise":
        return check_noise(value)
    hint = known[name].annotation
    return _typed(f"{algorithm}'s {name}", value, Any if isinstance(hint, str) else hint)


def _unknown(owner: str, kind: str, name: str, known: typing.Iterable[str]) -> InvalidHyperparameter:
    near = nearest(name, sorted(known))
    guess = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    return InvalidHyperparameter(f"{owner} has no {kind} {name!r}.{guess} It has {', '.join(sorted(known))}.")


def _parameters(cls: Any) -> dict[str, inspect.Parameter]:
    """Returns the named parameters of a constructor, of its base class too where it passes `**kwargs` on."""
    parameters = dict(inspect.signature(cls.__init__).parameters)
    return {n: p for n, p in parameters.items() if n != "self" and p.kind is not inspect.Parameter.VAR_KEYWORD}


def _typed(what: str, value: Any, hint: Any) -> Any:
    """Returns a value of the annotated type, numbers converted where nothing is lost."""
    members = _members(hint)
    if members & {Any, inspect.Parameter.empty} or (value is None and type(None) in members):
        return value
    if isinstance(value, dict) and "schedule" in value and Callable in members:
        return schedule(what, value)
    if isinstance(value, str) and members & {int, float}:
        value = _number(value)
    if isinstance(value, list) and tuple in members:
        return tuple(value)
    if isinstance(value, float) and float not in members and int in members and value.is_integer():
        return int(value)
    fits = type(value) in members or (type(value) is int and float in members)
    if fits or (callable(value) and Callable in members):
        return value
    raise InvalidHyperparameter(f"{what} takes {_describe(members)}, got {value!r}, a {type(value).__name__}.")


def _members(hint: Any) -> set[Any]:
    """Returns the types of a union, generic ones by their origin."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return set().union(*(_members(part) for part in typing.get_args(hint)))
    return {typing.get_origin(hint) or hint}


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _describe(members: set[Any]) -> str:
    names = {float: "a number", int: "an integer", bool: "true or false", str: "a string", type(None): "null",
             tuple: "a list", Callable: "a schedule {schedule: linear, from: 0.001, to: 0}"}  # fmt: skip
    return " or ".join(sorted(names.get(m, getattr(m, "__name__", str(m))) for m in members))


def schedule(what: str, data: dict[str, Any]) -> Linear:
    """Returns a schedule out of `{"schedule": "linear", "from": 1e-3, "to": 0}`; without `to` it ends at 0.

    Raises:
        InvalidHyperparameter: If it is not of that form.
    """
    if data["schedule"] != "linear" or not {"schedule", "from"} <= set(data) <= {"schedule", "from", "to"}:
        raise InvalidHyperparameter(
            f"{what}: expected a schedule of the form {{schedule: linear, from: 0.001, to: 0}}, got {data!r}."
        )
    begin, end = (_typed(f"{what}, {end!r}", data.get(end, 0.0), float) for end in ("from", "to"))
    return Linear(float(begin), float(end))


def _policy_kwargs(algorithm: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidHyperparameter(f"{algorithm}'s policy_kwargs takes a mapping, got {value!r}.")
    return {name: _resolve_class(name, v) for name, v in value.items()}


def _resolve_class(name: str, value: Any) -> Any:
    """Resolves the class that a policy argument names: `"ReLU"`, `"torch.nn.ReLU"` or any import path."""
    if not isinstance(value, str) or not name.endswith(("_fn", "_class")):
        return value
    import torch

    home, module = (torch.optim, "torch.optim") if name == "optimizer_class" else (torch.nn, "torch.nn")
    stem = value.removeprefix(f"{module}.").removeprefix("nn.").removeprefix("th.nn.")
    if isinstance(found := getattr(home, stem, None), type):
        return found
    if "." not in value:
        raise UnknownName(f"class for {name}", value, [n for n in dir(home) if n[0].isupper()])
    return import_class(value)


def check_policy_kwargs(algorithm: str, policy_class: Any, kwargs: dict[str, Any]) -> None:
    """Refuses policy arguments that the policy does not have.

    Raises:
        InvalidHyperparameter: The message lists those it has.
    """
    own = {"observation_space", "action_space", "lr_schedule"}
    known = {n for n in _parameters(policy_class) if n not in own}
    for name in kwargs:
        if name not in known:
            raise _unknown(f"{algorithm}'s {policy_class.__name__}", "policy argument", name, known)


def check_noise(value: Any) -> Any:
    """Refuses action noise that is neither `{"noise": "normal", "sigma": 0.1}` nor an object or None.

    Raises:
        InvalidHyperparameter: The message shows the form.
    """
    kinds = ("normal", "ornstein-uhlenbeck")
    if isinstance(value, str) or (
        isinstance(value, dict) and (value.get("noise") not in kinds or not set(value) <= {"noise", "sigma"})
    ):
        raise InvalidHyperparameter(
            "action_noise takes {noise: normal, sigma: 0.1}, or noise: ornstein-uhlenbeck, in units of half the action "
            f"range; got {value!r}."
        )
    return value


def make_noise(value: Any, actions: int) -> Any:
    """Returns the action noise that `check_noise` let through, for action vectors of length `actions`."""
    if not isinstance(value, dict):
        return value
    import numpy as np
    from stable_baselines3.common import noise

    kind = noise.NormalActionNoise if value["noise"] == "normal" else noise.OrnsteinUhlenbeckActionNoise
    return kind(np.zeros(actions), np.full(actions, float(value.get("sigma", 0.1))))


def default_of(cls: Any, name: str) -> Any:
    """Returns the default of an algorithm's hyperparameter."""
    return _parameters(cls)[name].default
