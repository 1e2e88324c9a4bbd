"""A point inside an episode, as data: where a lesson can start and a run resumes.

Two kinds. An `exact` state holds the simulator's own variables. A `replay` state holds the actions that led there from
the reset, for simulators that cannot be saved (Box2D); replaying them is exact because an episode is a pure function of
its task, start, seed and actions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, cast

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
