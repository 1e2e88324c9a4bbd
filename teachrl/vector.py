"""Many environments at once, each with lessons of its own.

Gymnasium's own vector environments pass one `options` to all their environments, so that they cannot be given lessons;
`make_vec` makes some that can, out of any Gymnasium environment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gymnasium.envs.registration import EnvSpec, load_env_creator

from teachrl._vector.contract import LessonVectorEnv
from teachrl._vector.hosted import HostedVectorEnv
from teachrl._vector.recipe import Env, Recipe
from teachrl._vector.requests import ResetRequest
from teachrl._vector.resolve import WrapperLike, find_spec, resolve_wrappers
from teachrl.configurable import to_config
from teachrl.errors import InvalidEnvironment
from teachrl.plugins import import_plugins
from teachrl.snapshots import registered_adapters

__all__ = ["LessonVectorEnv", "ResetRequest", "WrapperLike", "make_vec", "require_lessons"]


def make_vec(
    env_id: str | EnvSpec | Callable[..., Env],
    num_envs: int,
    workers: int = 0,
    *,
    env_kwargs: Mapping[str, Any] | None = None,
    wrappers: Sequence[WrapperLike] = (),
    timeout: float = 300.0,
    render_mode: str | None = None,
    modules: Sequence[str] = (),
) -> LessonVectorEnv:
    """Makes `num_envs` environments that can be given lessons.

    Args:
        env_id: A registered id, `"module:Id"` to import what registers it, or a class or function that makes one.
        num_envs: How many.
        workers: Number of processes to put them in, 0 for this one; each takes an equal share.
        env_kwargs: Arguments of the environment's constructor.
        wrappers: What to put around each, innermost first: names of Gymnasium's wrappers or of plug-ins'
            (`Parametrised`), import paths, `{"class_path": ..., "init_args": {...}}`, or functions from env to env.
        timeout: Seconds that a worker has for an answer.
        render_mode: As in Gymnasium.
        modules: Modules to import before the environments are made, in workers too.

    Returns:
        The environments, or, where a class that computes them in one batch is registered as their `vector_entry_point`
        and neither workers nor wrappers are asked for, an object of that class.

    Raises:
        UnknownName: If there is no such environment or wrapper.
        InvalidHyperparameter: If the constructor has no such argument.
        InvalidEnvironment: If they cannot be made as asked.
        EnvironmentFailed: If their making raises.
    """
    if num_envs < 1 or workers < 0:
        raise InvalidEnvironment(f"At least 1 environment and 0 workers are needed, got {num_envs} and {workers}.")
    maker = find_spec(env_id) if isinstance(env_id, str) else env_id
    name = maker.id if isinstance(maker, EnvSpec) else getattr(maker, "__name__", type(maker).__name__)
    wrappings = resolve_wrappers(wrappers)
    import_plugins(("envs",))  # which register their adapters
    adapters = registered_adapters()
    recipe = Recipe(name, maker, dict(env_kwargs or {}), wrappings, render_mode, tuple(modules), timeout, adapters)
    return _make(recipe, num_envs, workers)


def require_lessons(envs: Any) -> LessonVectorEnv:
    """Returns `envs` if they can be given lessons.

    Raises:
        InvalidEnvironment: If they cannot, as Gymnasium's own vector environments; it names `make_vec`.
    """
    if isinstance(envs, LessonVectorEnv):
        return envs
    raise InvalidEnvironment(
        f"{type(envs).__name__} cannot give each environment a lesson of its own (Gymnasium's vector environments "
        "pass one `options` to all). Make the environments with teachrl.vector.make_vec(env_id, num_envs), and put "
        "vector wrappers around the classroom, not into it."
    )


def _make(recipe: Recipe, num_envs: int, workers: int) -> LessonVectorEnv:
    native = None if workers or recipe.wrappers else _native_class(recipe.maker)
    if native is None:
        envs: LessonVectorEnv = HostedVectorEnv(recipe, num_envs, min(workers, num_envs))
    else:
        envs = _make_native(native, recipe, num_envs)
    envs.made_with = _made_with(recipe)
    envs._remake = lambda count, workers, render_mode: _make(replace(recipe, render_mode=render_mode), count, workers)
    return envs


def _made_with(recipe: Recipe) -> dict[str, Any]:
    """Returns what tells environments of one id apart, as data; how they are drawn does not."""
    arguments = {name: value for name, value in recipe.env_kwargs.items() if name != "render_mode"}
    wrappers = [{"class_path": _path(wrapper), "init_args": to_config(given)} for wrapper, given in recipe.wrappers]
    return {"env_kwargs": to_config(arguments), "wrappers": wrappers}


def _path(wrapper: Any) -> str:
    named = wrapper if hasattr(wrapper, "__qualname__") else type(wrapper)  # a partial function has no name
    return f"{named.__module__}.{named.__qualname__}"


def _native_class(maker: EnvSpec | Callable[..., Env]) -> type[LessonVectorEnv] | None:
    if not isinstance(maker, EnvSpec) or maker.vector_entry_point is None or maker.additional_wrappers:
        return None
    entry: Any = maker.vector_entry_point
    creator = load_env_creator(entry) if isinstance(entry, str) else entry
    return creator if isinstance(creator, type) and issubclass(creator, LessonVectorEnv) else None


def _make_native(native: type[LessonVectorEnv], recipe: Recipe, num_envs: int) -> LessonVectorEnv:
    spec: Any = recipe.maker
    kwargs = {**spec.kwargs, **recipe.kwargs}
    if spec.max_episode_steps is not None:
        kwargs.setdefault("max_episode_steps", spec.max_episode_steps)
    recipe.import_modules()
    envs: LessonVectorEnv = recipe.guarded(native, num_envs=num_envs, **kwargs)
    envs.spec, envs.env_id = spec, recipe.env_id
    return envs
