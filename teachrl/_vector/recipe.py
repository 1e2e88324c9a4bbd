"""How one environment is made, as data that a worker can be sent."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import gymnasium
from gymnasium.envs.registration import EnvSpec, load_env_creator

from teachrl._headless import draw_without_display
from teachrl._vector.proof import with_states
from teachrl._vector.resolve import Wrapping
from teachrl.errors import EnvironmentFailed, InvalidEnvironment, InvalidHyperparameter, TeachrlError

Env = gymnasium.Env[Any, Any]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one environment is made.

    Attributes:
        env_id: Its name in messages and states.
        maker: Gymnasium's description of it, or a function that makes it.
        env_kwargs: Arguments of its constructor.
        wrappers: What is put around it, innermost first.
        render_mode: As in Gymnasium.
        modules: Modules that a worker imports first.
        timeout: Seconds that a worker has for an answer.
        adapters: What makes environments restorable, by the modules that it is for, as it is registered.
    """

    env_id: str
    maker: EnvSpec | Callable[..., Env]
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    wrappers: tuple[Wrapping, ...] = ()
    render_mode: str | None = None
    modules: tuple[str, ...] = ()
    timeout: float = 300.0
    adapters: Mapping[str, str] = field(default_factory=dict)

    @property
    def kwargs(self) -> dict[str, Any]:
        """All arguments of the constructor."""
        return self.env_kwargs if self.render_mode is None else {**self.env_kwargs, "render_mode": self.render_mode}

    def import_modules(self) -> None:
        """Imports the modules that are to be imported first."""
        for module in self.modules:
            importlib.import_module(module)

    def make(self) -> Env:
        """Makes the environment, restorable where there is an adapter for it.

        Raises:
            InvalidHyperparameter: If its constructor has no such argument.
            InvalidEnvironment: If the result is not a `gymnasium.Env`, or its adapter cannot be imported.
            EnvironmentFailed: If its constructor, or a wrapper's, raises.
        """
        return with_states(self.wrapped(), self)

    def wrapped(self) -> Env:
        """Makes the environment with its wrappers and no more.

        Raises:
            InvalidHyperparameter: If its constructor has no such argument.
            InvalidEnvironment: If the result is not a `gymnasium.Env`.
            EnvironmentFailed: If its constructor, or a wrapper's, raises.
        """
        if self.render_mode == "rgb_array":
            draw_without_display()
        if isinstance(self.maker, EnvSpec):
            env = self.guarded(gymnasium.make, self.maker, disable_env_checker=True, **self.kwargs)
        else:
            env = self.guarded(self.maker, **self.kwargs)
        for wrapper, arguments in self.wrappers:
            self._check_env(env)
            env = self.guarded(wrapper, env, **arguments)
        self._check_env(env)
        return cast(Env, env)

    def guarded(self, maker: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Calls what makes an environment, or wraps one.

        Raises:
            InvalidHyperparameter: If it has no such argument.
            EnvironmentFailed: If it raises anything else that is not ours.
        """
        try:
            return maker(*args, **kwargs)
        except TeachrlError:
            raise
        except Exception as error:
            what = getattr(maker, "__name__", repr(maker)) if maker is not gymnasium.make else "its constructor"
            if isinstance(error, TypeError) and "unexpected keyword argument" in str(error):
                creator = self.maker if maker is gymnasium.make else maker
                raise InvalidHyperparameter(
                    f"{self.env_id} cannot be made: {what} does not take the arguments {sorted(kwargs)}: {error}. "
                    f"It has {_parameters(creator)}."
                ) from error
            raise EnvironmentFailed(
                f"{self.env_id} cannot be made: {what} raised {type(error).__name__}: {error}"
            ) from error

    def _check_env(self, env: Any) -> None:
        if not isinstance(env, gymnasium.Env):
            raise InvalidEnvironment(f"{self.env_id} must be a gymnasium.Env, but its maker gave {env!r}.")


def _parameters(maker: EnvSpec | Callable[..., Any]) -> str:
    creator: Any = maker.entry_point if isinstance(maker, EnvSpec) else maker
    creator = load_env_creator(creator) if isinstance(creator, str) else creator
    try:
        return str(inspect.signature(creator))
    except (TypeError, ValueError):
        return "a signature that Python cannot read"
