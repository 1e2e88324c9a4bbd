"""The states of Gymnasium's toy text: FrozenLake, CliffWalking, Taxi and Blackjack."""

from __future__ import annotations

from typing import Any

import numpy as np

from teachrl.errors import InvalidEnvironment
from teachrl.snapshots import Adapter

_BESIDES = ("lastaction", "fickle_step", "taxi_orientation")


class TransitionsAdapter(Adapter):
    """Saves the index of the state in a table of transitions, and Taxi's passenger's mood.

    The map goes along, so that a lake of the same size with other holes is not mistaken for it.
    """

    def save(self, env: Any) -> dict[str, Any]:
        """Returns the index, the last action, which is drawn, and the map."""
        besides = {name: getattr(env, name) for name in _BESIDES if hasattr(env, name)}
        plain = {name: None if value is None else int(value) for name, value in besides.items()}
        return {"s": int(env.s), **plain, "map": _map(env)}

    def restore(self, env: Any, data: dict[str, Any], later: int) -> None:
        """Sets the same attributes.

        Raises:
            InvalidEnvironment: If the map is another one.
        """
        here = _map(env)
        if data["map"] != here or not 0 <= data["s"] < env.observation_space.n:
            raise InvalidEnvironment(
                f"This state was saved on another map of {type(env).__name__}:\n{data['map']}\nbut here is\n{here}\n"
                "Make the environment with the same arguments."
            )
        env.s = data["s"]
        for name in _BESIDES:
            if hasattr(env, name):
                setattr(env, name, data[name])
        if hasattr(env, "fickle_step"):
            env.fickle_step = bool(data["fickle_step"])

    def observe(self, env: Any) -> tuple[Any, dict[str, Any]]:
        """Returns the index, and what a reset tells besides."""
        info: dict[str, Any] = {"prob": 1.0}
        if hasattr(env, "action_mask"):
            info["action_mask"] = env.action_mask(env.s)
        return int(env.s), info


class BlackjackAdapter(Adapter):
    """Saves both hands, and how the dealer's card is drawn."""

    def save(self, env: Any) -> dict[str, Any]:
        """Returns the values of the cards, and the face of the dealer's first."""
        hands = {"player": [int(card) for card in env.player], "dealer": [int(card) for card in env.dealer]}
        return {**hands, "suit": str(env.dealer_top_card_suit), "face": str(env.dealer_top_card_value_str)}

    def restore(self, env: Any, data: dict[str, Any], later: int) -> None:
        """Deals the same hands."""
        env.player, env.dealer = list(data["player"]), list(data["dealer"])
        env.dealer_top_card_suit, env.dealer_top_card_value_str = data["suit"], data["face"]

    def observe(self, env: Any) -> tuple[Any, dict[str, Any]]:
        """Returns what the player sees."""
        return env._get_obs(), {}


def _map(env: Any) -> str:
    desc = getattr(env, "desc", None)
    return "" if desc is None else "\n".join(b"".join(row).decode() for row in np.asarray(desc, "S1"))
