"""The states of MiniGrid's and BabyAI's games, and of the games with views made of them."""

from __future__ import annotations

import functools
import inspect
from typing import Any, ClassVar

from teachrl.errors import InvalidEnvironment
from teachrl.snapshots import Adapter
from teachrl_envs.restorable.objects import NotEncodable, Reader, Writer

_LEFT_OUT = frozenset(
    {
        *("_np_random", "_np_random_seed", "spec", "actions", "action_space", "observation_space", "reward_range"),
        *("render_mode", "screen_size", "render_size", "window", "clock", "highlight", "tile_size", "agent_pov"),
        *("agent_view_size", "see_through_walls", "step_count", "grid"),
    }
)
"""Attributes that no episode changes, or that are saved on their own."""
_CHANGED = frozenset({"max_steps", "agent_pos", "agent_dir", "carrying", "mission"})
"""Names that some constructors take too, of what is set anew in each episode."""


class MiniGridAdapter(Adapter):
    """Saves the attributes of a game that are data or MiniGrid's own objects.

    Those are on the grid, in boxes, carried, remembered (a target, obstacles, rooms) and watched by BabyAI's
    instructions; what was one object is one object again.

    What the constructor was given must be the same in the game that is restored.
    """

    packages: ClassVar[tuple[str, ...]] = ("gymnasium", "minigrid")

    def save(self, env: Any) -> dict[str, Any]:
        """Returns attributes, objects, the constructor's arguments and the count of steps."""
        writer = Writer(env)
        kind: type = type(env)
        given = _arguments(kind)
        attributes: dict[str, Any] = {}
        settings: dict[str, Any] = {}
        for name, value in sorted(vars(env).items()):
            if name in _LEFT_OUT:
                continue
            try:
                (settings if name in given else attributes)[name] = writer.value(value)
            except NotEncodable:
                continue  # spaces, functions, surfaces: what the constructor makes
        attributes["grid"] = writer.value(env.grid)  # last: walls that nothing else knows of are written once
        return {
            "settings": settings,
            "attributes": attributes,
            "objects": writer.objects,
            "step_count": int(env.step_count),
        }

    def restore(self, env: Any, data: dict[str, Any], later: int) -> None:
        """Sets the attributes.

        Raises:
            InvalidEnvironment: If the game was made with other arguments.
        """
        _check_settings(env, data["settings"])
        reader = Reader(env, data["objects"])
        for name, value in data["attributes"].items():
            setattr(env, name, reader.value(value))
        env.step_count = data["step_count"] + later

    def observe(self, env: Any) -> tuple[Any, dict[str, Any]]:
        """Returns what the agent sees."""
        return env.gen_obs(), {}


class ViewsAdapter(Adapter):
    """Saves the game that `MiniGridViews` plays, and the target that its views show."""

    packages: ClassVar[tuple[str, ...]] = MiniGridAdapter.packages
    _game = MiniGridAdapter()

    def save(self, env: Any) -> dict[str, Any]:
        """Returns the game and the target."""
        return {"game": self._game.save(env._game), "target": list(env._target)}

    def restore(self, env: Any, data: dict[str, Any], later: int) -> None:
        """Restores the game and encodes its grid anew."""
        from teachrl_envs.minigrid.board import Board

        self._game.restore(env._game, data["game"], later)
        env._board = Board.of_grid(env._game.grid)
        env._target = tuple(data["target"])

    def observe(self, env: Any) -> tuple[Any, dict[str, Any]]:
        """Returns both views."""
        return env._observe(env._board), {}


def _check_settings(env: Any, saved: dict[str, Any]) -> None:
    writer = Writer(env)
    for name, value in saved.items():
        here = writer.value(vars(env)[name])
        if here != value:
            raise InvalidEnvironment(
                f"This state was saved in a {type(env).__name__} with {name}={value!r}, but this one has {here!r}. "
                "Make it with the same arguments."
            )


@functools.cache
def _arguments(kind: type) -> frozenset[str]:
    names: set[str] = set()
    for base in kind.__mro__:
        if "__init__" in vars(base):
            names |= set(inspect.signature(base.__init__).parameters)  # type: ignore[misc]
    return frozenset(names - _CHANGED)
