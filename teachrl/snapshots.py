"""A point inside an episode, as data: where a lesson can start and a run resumes.

Two kinds. An `exact` state holds the simulator's own variables. A `replay` state holds the actions that led there from
the reset, for simulators that cannot be saved (Box2D); replaying them is exact because an episode is a pure function of
its task, start, seed and actions.

Environments that know nothing of this library have exact states where an `Adapter` is registered for their module:

```python
register_adapter("my_simulator.envs", "my_package.states:MyAdapter")
```

`make_vec` then offers the states of every environment defined there, once the adapter has proved itself on a scratch
copy: restored, it must show the saved observation and go on in the same way. `teachrl.testing.check_restorable` is the
long form of that proof, for an adapter's own tests.
"""

from __future__ import annotations

import functools
import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, cast

import numpy as np

from teachrl.errors import InvalidEnvironment


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """A simulation state that its environment can return to.

    Attributes:
        kind: `"exact"` or `"replay"`.
        env_id: Id of the environment that made it, version included.
        seed: The seed the episode was reset with.
        task: The episode's task, None for the default task.
        payload: Arrays, numbers, strings and containers of them, the environment's own for an exact state. A replay
            state has `"actions"` (t, *action) and, if its episode did not begin at a reset, `"start"`, a State's data.
        elapsed: Environment steps taken since the episode's beginning, as the time limit counts them.
    """

    kind: Literal["exact", "replay"]
    env_id: str
    seed: int | None
    task: Any
    payload: dict[str, Any] = field(default_factory=dict)
    elapsed: int = 0

    def to_data(self) -> dict[str, Any]:
        """Returns the state as a dict of arrays, numbers, strings and containers."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> State:
        """Rebuilds a state from `to_data`'s dict.

        Raises:
            InvalidEnvironment: If entries are missing or unknown.
        """
        if set(data) != set(cls.__slots__):
            raise InvalidEnvironment(
                f"A state has the entries {sorted(cls.__slots__)}, but this one has {sorted(data)}. "
                "Save states with State.to_data()."
            )
        return cls(**data)


def replay_state(env_id: str, seed: int, task: Any, actions: np.ndarray, start: State | None = None) -> State:
    """Describes the point reached from a reset (or from `start`) by `actions` of shape (t, *action)."""
    payload: dict[str, Any] = {"actions": actions}
    elapsed = len(actions)
    if start is not None:
        payload["start"] = start.to_data()
        elapsed += start.elapsed
    return State("replay", env_id, seed, task, payload, elapsed)


def replay_plan(state: State) -> tuple[State | None, np.ndarray]:
    """Returns where a replay state's actions begin (None: at a reset) and the actions."""
    start = state.payload.get("start")
    return (None if start is None else State.from_data(start)), cast(np.ndarray, state.payload["actions"])


class Adapter(ABC):
    """Saves and restores the simulation of environments whose classes cannot do it themselves.

    It is given the innermost environment. The state of its random generator, `np_random`, is saved and restored
    besides, and so are the steps that a `TimeLimit` has counted.

    Attributes:
        packages: Distributions with whose versions a state is saved; it is refused with any other.
        tolerance: How far, relatively and absolutely, a restored environment may be from the saved one in observations
            and rewards: 0 asks for the same bits.
    """

    packages: ClassVar[tuple[str, ...]] = ("gymnasium",)
    tolerance: ClassVar[float] = 0.0

    @abstractmethod
    def save(self, env: Any) -> dict[str, Any]:
        """Returns all that the next steps depend on, as copies: arrays, numbers, strings and containers of them."""

    @abstractmethod
    def restore(self, env: Any, data: dict[str, Any], later: int) -> None:
        """Puts what `save` returned into an environment that was just reset; `data` stays as it is.

        Args:
            env: The innermost environment.
            data: What `save` returned, here or in another process.
            later: Steps that were added to the state's `elapsed` since it was saved, 0 for none; an environment that
                counts its steps itself adds them to its own count.

        Raises:
            InvalidEnvironment: If it is not a state of this environment, e.g. of one made with other arguments.
        """

    @abstractmethod
    def observe(self, env: Any) -> tuple[Any, dict[str, Any]]:
        """Returns the observation of a restored environment and the info that its `reset` would give."""


_adapters: dict[str, str] = {}


def register_adapter(module: str, adapter: str) -> None:
    """Names the adapter of the environments whose classes, or bases, are defined in a module or package.

    Of several that fit, the one with the longest name counts, and that of a class before those of its bases.

    Args:
        module: The module or package, e.g. `"gymnasium.envs.classic_control"`.
        adapter: Where the adapter is, `"module:Class"`; it is imported when it is needed.

    Raises:
        InvalidEnvironment: If the adapter is not named so.
    """
    home, _, name = adapter.partition(":")
    if not home or not name:
        raise InvalidEnvironment(f"An adapter is named 'module:Class', got {adapter!r}.")
    _adapters[module] = adapter


def registered_adapters() -> dict[str, str]:
    """Returns the adapters by the modules that they are for."""
    return dict(_adapters)


def find_adapter(kind: type, adapters: Mapping[str, str]) -> tuple[Adapter, bool] | None:
    """Finds the adapter of a class of environments among `adapters`.

    Returns:
        The adapter, and whether it was made for the class itself rather than for one of its bases; None if there is
        none.

    Raises:
        InvalidEnvironment: If it cannot be imported.
    """
    for base in kind.__mro__:
        fitting = [name for name in adapters if f"{base.__module__}.".startswith(f"{name}.")]
        if fitting:
            return _load(adapters[max(fitting, key=len)]), base is kind
    return None


@functools.cache
def _load(path: str) -> Adapter:
    home, _, name = path.partition(":")
    try:
        adapter = getattr(importlib.import_module(home), name)()
    except (ImportError, AttributeError, TypeError) as error:
        raise InvalidEnvironment(f"The adapter {path} cannot be made: {type(error).__name__}: {error}") from error
    if not isinstance(adapter, Adapter):
        raise InvalidEnvironment(f"The adapter {path} must be a teachrl.snapshots.Adapter, got {adapter!r}.")
    return adapter


def saved_array(data: Mapping[str, Any], name: str, like: Any) -> np.ndarray:
    """Returns a copy of an array of a state, for adapters.

    Args:
        data: The state.
        name: The array's name in it.
        like: The environment's own array.

    Raises:
        InvalidEnvironment: If their shapes differ.
    """
    value, expected = np.array(data[name]), np.shape(like)
    if value.shape != expected:
        raise InvalidEnvironment(
            f"The state's {name!r} has the shape {value.shape}, but the environment's has {expected}: the state was "
            "saved in an environment made with other arguments. Make this one with the same, or save it again."
        )
    return value
