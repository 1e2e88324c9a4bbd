"""Exact states for environments that do not save any themselves, through an adapter."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import gymnasium

from teachrl._vector.layers import layers, set_elapsed, time_limit
from teachrl.errors import InvalidEnvironment
from teachrl.snapshots import Adapter, State

PARTS = {"origin", "simulation", "generator", "elapsed"}
_HINT = "Take states with get_state() of the environment that is to return to them."


class Restorable(gymnasium.Wrapper[Any, Any, Any, Any]):
    """The outermost wrapper: adds `get_state()` and `reset(options={"start": state})` to an environment.

    At a start the innermost environment is restored within its own reset, so that the wrappers around it see what they
    would have seen. A wrapper that keeps a state of its own takes part with `get_wrapper_state()`, which returns it as
    data, and `set_wrapper_state(data)`.

    Where a reset names another seed than the state's, the environment's random numbers are the new seed's from there
    on: one state, many continuations. Without a seed, or with the same, the saved ones go on.

    Args:
        env: The environment.
        adapter: What saves and restores the innermost one.
        fault: Why there are no states after all, empty if there are.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], adapter: Adapter, fault: str = "") -> None:
        super().__init__(env)
        self.state_adapter, self.state_fault = adapter, fault
        self._origin = _origin(type(env.unwrapped), adapter.packages)
        self._stateful = [layer for layer in layers(env) if hasattr(type(layer), "get_wrapper_state")]
        self._begun = False
        self._episode_seed: int | None = None
        self._episode_task: Any = None
        self._episode_steps = 0
        self._shown: Any = None

    @property
    def spec(self) -> Any:  # type: ignore[override]
        """Gymnasium's description of the environment, which this wrapper is no part of."""
        return self.env.spec

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins an episode, at `options["start"]` if that is a state of `get_state`.

        Raises:
            InvalidEnvironment: If the start is not one of this environment's states.
        """
        start = (options or {}).get("start")
        if start is None:
            result = self.env.reset(seed=seed, options=options)
            self._episode_steps, self._episode_seed, self._episode_task = 0, seed, (options or {}).get("task")
        else:
            result = self._begin_at(start, seed, dict(options or {}))
        self._shown, self._begun = result[0], True
        return result

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Steps the environment."""
        result = self.env.step(action)
        self._shown = result[0]
        self._episode_steps += 1
        return result

    def get_state(self) -> State:
        """Returns the exact state, for `reset(options={"start": state})`.

        Raises:
            InvalidEnvironment: If no episode has begun, or there are no exact states.
        """
        self._check_offered()
        if not self._begun:
            raise InvalidEnvironment("There is no episode yet whose state could be saved: call reset() first.")
        base: Any = self.unwrapped
        elapsed = self._elapsed()
        payload = {
            "origin": dict(self._origin),
            "simulation": self.state_adapter.save(base),
            "generator": base.np_random.bit_generator.state,
            "elapsed": elapsed,
        }
        if self._stateful:
            payload["wrappers"] = [[type(layer).__name__, layer.get_wrapper_state()] for layer in self._stateful]
            payload["shown"] = copy.deepcopy(self._shown)
        env_id = self.spec.id if self.spec else type(base).__name__
        return State("exact", env_id, self._episode_seed, copy.deepcopy(self._episode_task), payload, elapsed)

    def _begin_at(self, start: State, seed: int | None, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        self._check_offered()
        self._check(start)
        del options["start"]
        if start.task is not None:
            options.setdefault("task", start.task)
        goes_on = seed is None or seed == start.seed
        seed = start.seed if seed is None else seed
        base: Any = self.unwrapped
        with _reset_replaced(base, functools.partial(self._restored, base, base.reset, start, goes_on)):
            observation, info = self.env.reset(seed=seed, options=options or None)
        set_elapsed(self.env, start.elapsed)
        for layer, (_, state) in zip(self._stateful, start.payload.get("wrappers", ()), strict=True):
            layer.set_wrapper_state(copy.deepcopy(state))
        self._episode_seed, self._episode_task, self._episode_steps = seed, options.get("task"), start.elapsed
        return (copy.deepcopy(start.payload["shown"]) if self._stateful else observation), info

    def _restored(
        self,
        base: Any,
        reset: Callable[..., Any],
        start: State,
        goes_on: bool,
        *,
        seed: int | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Resets the innermost environment and puts the state into it."""
        reset(seed=seed, options=options)
        payload = start.payload
        try:
            self.state_adapter.restore(base, payload["simulation"], start.elapsed - payload["elapsed"])
            if goes_on:
                base.np_random.bit_generator.state = payload["generator"]
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            if isinstance(error, InvalidEnvironment):
                raise
            name = type(self.state_adapter).__name__
            raise InvalidEnvironment(
                f"{name} cannot read this state ({type(error).__name__}: {error}): it holds something else than "
                f"{name} saves. {_HINT}"
            ) from error
        return self.state_adapter.observe(base)

    def _elapsed(self) -> int:
        limit = time_limit(self.env)
        return self._episode_steps if limit is None else int(limit._elapsed_steps or 0)

    def _check_offered(self) -> None:
        if self.state_fault:
            raise InvalidEnvironment(f"{type(self.unwrapped).__name__} cannot save its exact state: {self.state_fault}")

    def _check(self, start: State) -> None:
        here = type(self.unwrapped).__name__
        if start.kind != "exact" or not set(start.payload) >= PARTS:
            raise InvalidEnvironment(
                f"{here} begins at exact states with {sorted(PARTS)}, got a state of kind {start.kind!r} of "
                f"{start.env_id!r} with {sorted(start.payload)}. {_HINT}"
            )
        origin = start.payload["origin"]
        if origin != self._origin:
            raise InvalidEnvironment(
                f"This state was saved by {_told(origin)}, but here is {_told(self._origin)}: an exact state holds for "
                "the same class and versions alone. Save it again here."
            )
        saved = [name for name, _ in start.payload.get("wrappers", ())]
        if saved != (expected := [type(layer).__name__ for layer in self._stateful]):
            raise InvalidEnvironment(
                f"This state holds those of the wrappers {saved}, but around {here} are {expected}. "
                "Make the environment with the same wrappers."
            )


@contextmanager
def _reset_replaced(env: Any, reset: Callable[..., Any]) -> Iterator[None]:
    own = vars(env).get("reset")
    env.reset = reset
    try:
        yield
    finally:
        if own is None:
            del env.reset
        else:
            env.reset = own


def _origin(kind: type, packages: tuple[str, ...]) -> dict[str, str]:
    return {"class": kind.__name__, **{name: _version(name) for name in packages}}


_version = functools.cache(version)


def _told(origin: dict[str, str]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in origin.items() if name != "class")
    return f"{origin.get('class')} with {versions}"
