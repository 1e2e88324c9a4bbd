"""What the checks of teachers, environments and students share."""

from __future__ import annotations

import copy
import inspect
import json
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any, TypeVar

import gymnasium
import numpy as np
from gymnasium import spaces

from teachrl._vector.recipe import Recipe
from teachrl._vector.resolve import find_spec
from teachrl.configurable import Configurable, import_class, is_data, to_config
from teachrl.errors import ContractBroken, TeachrlError
from teachrl.runs.checkpoint import load_tree, save_tree
from teachrl.runs.generators import generators_kept, global_generators

EnvLike = str | Callable[..., gymnasium.Env[Any, Any]]
"""A registered id, or a class or function that makes an environment."""
C = TypeVar("C", bound=Configurable)


def require(kept: bool, expected: str, came: object, look: str) -> None:
    """Raises ContractBroken unless a rule is kept.

    Args:
        kept: Whether it is.
        expected: The rule, as a sentence.
        came: What there was instead.
        look: Where to look, or what to do.
    """
    if not kept:
        raise ContractBroken(f"{expected} Got: {came}. {look}")


@contextmanager
def blamed(expected: str, look: str) -> Iterator[None]:
    """Turns whatever is raised within into a ContractBroken."""
    try:
        yield
    except ContractBroken:
        raise
    except Exception as error:  # other people's code may fail in any way
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"in {frame.name}, line {frame.lineno} of {PurePath(frame.filename).name}"
        came = f"{type(error).__name__} ({place}): {error}".rstrip(".")
        raise ContractBroken(f"{expected} Got: {came}. {look}") from error


def difference(a: Any, b: Any, where: str = "") -> str:
    """Returns where two trees of data first differ and how, an empty string if they are equal bit for bit."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if a.keys() != b.keys():
            return f"{where or 'the whole'} has the entries {list(a)} and {list(b)}"
        pairs = ((f"{where}[{k!r}]", a[k], b[k]) for k in a)
    elif isinstance(a, list | tuple) and isinstance(b, list | tuple):
        if len(a) != len(b):
            return f"{where or 'the whole'} has {len(a)} and {len(b)} entries"
        pairs = ((f"{where}[{i}]", x, y) for i, (x, y) in enumerate(zip(a, b, strict=True)))
    else:
        return "" if _same_leaf(a, b) else f"{where or 'the whole'} is {a!r} and {b!r}"
    return next((found for name, x, y in pairs if (found := difference(x, y, name))), "")


def _same_leaf(a: Any, b: Any) -> bool:
    if hasattr(a, "detach") and hasattr(b, "detach"):  # tensors, without importing torch
        a, b = a.detach().cpu().numpy(), b.detach().cpu().numpy()
    if isinstance(a, np.ndarray | np.generic) or isinstance(b, np.ndarray | np.generic):
        x, y = np.asarray(a), np.asarray(b)
        return x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
    return type(a) is type(b) and (a == b or (a != a and b != b))


def through_disk(tree: Any) -> Any:
    """Returns a tree as a checkpoint gives it back.

    Raises:
        InvalidRun: If it holds something that a checkpoint cannot.
    """
    with tempfile.TemporaryDirectory() as directory:
        save_tree(directory, tree)
        return load_tree(directory)


@contextmanager
def untouched_generators(who: str, seed: int) -> Iterator[None]:
    """Seeds the global random generators, and refuses what draws from them."""
    with generators_kept(seed):
        before = copy.deepcopy(global_generators())
        yield
        after = global_generators()
        changed = [name for name in before if name in after and difference(before[name], after[name])]
        require(
            not changed,
            f"{who} must leave the global random generators alone.",
            f"the global generators of {changed} moved",
            "Draw from self.rng, a numpy.random.Generator (self.np_random in an environment).",
        )


def env_maker(env: EnvLike) -> Callable[..., gymnasium.Env[Any, Any]]:
    """Returns what makes one environment, `render_mode` being optional."""
    maker = find_spec(env) if isinstance(env, str) else env
    name = env if isinstance(env, str) else getattr(env, "__name__", type(env).__name__)
    return lambda render_mode=None: Recipe(name, maker, render_mode=render_mode).make()


def draw(space: spaces.Space[Any], n: int, *key: int) -> Any:
    """Returns `n` stacked members of an action space, a function of `key` alone."""
    drawer = copy.deepcopy(space)
    drawer.seed(int(np.random.default_rng(key).integers(2**31)))
    return np.stack([drawer.sample() for _ in range(n)])


def rebuild(thing: C) -> C:
    """Returns a fresh object made with the same arguments."""
    return type(thing)(**{name: _rebuilt(value) for name, value in thing.init_args.items()})


def _rebuilt(value: Any) -> Any:
    if isinstance(value, Configurable):
        return rebuild(value)
    return type(value)(_rebuilt(v) for v in value) if type(value) in (list, tuple) else value


def maker_of(thing: C | Callable[[], C], base: type[C], function: str) -> Callable[[], C]:
    """Returns what makes fresh copies of an object: of the object itself, its class, or a function.

    Raises:
        ContractBroken: If it is none of these.
    """
    if isinstance(thing, base):
        return lambda: rebuild(thing)
    made = thing() if callable(thing) else thing
    require(
        isinstance(made, base),
        f"{function} takes a {base.__name__}, its class, or a function that makes one.",
        made,
        f"Derive the class from teachrl.{base.__name__}.",
    )
    return thing  # type: ignore[return-value]


def check_stored_arguments(thing: Configurable) -> None:
    """The constructor stores each argument under its own name, and nothing else."""
    name = type(thing).__name__
    with blamed(f"The constructor of {name} must store every argument.", "Write self.argument = argument."):
        arguments = thing.init_args
    extra = sorted(key for key, value in vars(thing).items() if not _belongs(key, value, arguments))
    require(
        not extra,
        f"The constructor of {name} must store its arguments and do nothing else.",
        f"it also sets {extra}",
        "Move that work to begin, where spaces and seeds are known.",
    )
    with blamed(f"{name} must be made again by its own arguments.", "Store arguments as they came."):
        again = rebuild(thing).init_args
    rule, look = f"{name} must store its arguments as they came.", "Convert and check them in begin."
    found = difference(to_config(arguments), to_config(again))
    require(not found, rule, found, look)
    defaults = {p.name: p.default for p in inspect.signature(type(thing)).parameters.values()}
    if inspect.Parameter.empty not in defaults.values():
        found = difference(to_config(defaults), to_config(type(thing)().init_args))
        require(not found, rule, f"for the defaults, {found}", look)


def _belongs(key: str, value: Any, arguments: Mapping[str, Any]) -> bool:
    """An argument, its private copy, or a private place that begin fills."""
    return key in arguments or (key.startswith("_") and (value is None or key.lstrip("_") in arguments))


def check_config(thing: Configurable) -> None:
    """An object is rebuilt from its config, plain data that survives JSON; one with other arguments is not judged."""
    if not is_data(thing):
        return
    name, config = type(thing).__name__, to_config(thing)
    plain = json.loads(json.dumps(config))
    with blamed(f"{name} must be made by the config {config['init_args']}.", "Accept lists where tuples are meant."):
        again = type(thing)(**{key: _from_config(value) for key, value in plain["init_args"].items()})
    found = difference(config, to_config(again))
    require(
        not found, f"{name} must have the same config when rebuilt from it.", found, "Store arguments as they came."
    )


def _from_config(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"class_path", "init_args"}:
        return import_class(value["class_path"])(**{k: _from_config(v) for k, v in value["init_args"].items()})
    return [_from_config(v) for v in value] if isinstance(value, list) else value


def check_numbers(scalars: Any, who: str) -> None:
    """What `scalars` returns is numbers by name."""
    wrong = (
        {k: v for k, v in scalars.items() if not isinstance(k, str) or not isinstance(v, int | float | np.number)}
        if isinstance(scalars, dict)
        else scalars
    )
    require(
        not wrong and isinstance(scalars, dict), f"{who}.scalars must return numbers by name.", wrong, "See scalars."
    )


def call_error(action: Callable[[], Any]) -> TeachrlError | Exception | None:
    """Returns what a call raises, None if nothing."""
    try:
        action()
    except Exception as error:  # other people's code may fail in any way
        return error
    return None
