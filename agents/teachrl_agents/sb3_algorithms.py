"""The algorithms of Stable-Baselines3 and sb3-contrib by name, known without importing them."""

from __future__ import annotations

import importlib
from typing import Any

from teachrl.configurable import import_class
from teachrl.errors import InvalidStudent, UnknownName

ON_POLICY = {
    "PPO": "stable_baselines3",
    "A2C": "stable_baselines3",
    "TRPO": "sb3_contrib",
    "RecurrentPPO": "sb3_contrib",
}
OFF_POLICY = {
    "SAC": "stable_baselines3",
    "TD3": "stable_baselines3",
    "DDPG": "stable_baselines3",
    "DQN": "stable_baselines3",
    "TQC": "sb3_contrib",
    "QRDQN": "sb3_contrib",
    "CrossQ": "sb3_contrib",
}
ALGORITHMS = {**ON_POLICY, **OFF_POLICY}
REFUSED = {
    "ARS": "it plays whole episodes with perturbed copies of its policy, so that there is nothing to show, pay or "
    "override step by step; PPO and SAC are the usual students",
    "MaskablePPO": "it asks the environment for action masks at every step, which a classroom does not hand on; use "
    "PPO, and let the environment treat impossible actions as no-ops",
    "HER": "it is a replay buffer that sets goals itself, where teachers would; use SAC or TQC",
}


def algorithm_class(name: str) -> Any:
    """Returns the class of an algorithm, by its name or its import path.

    Raises:
        UnknownName: If there is no such algorithm.
        InvalidStudent: If it cannot be a student.
    """
    check_algorithm(name)
    if name in ALGORITHMS:
        return getattr(importlib.import_module(ALGORITHMS[name]), name)
    return import_class(name)


def check_algorithm(name: str) -> None:
    """Refuses an algorithm that does not exist or cannot be taught; names with a dot are import paths.

    Raises:
        UnknownName: If there is no such algorithm.
        InvalidStudent: If it cannot be a student.
    """
    if name in REFUSED:
        raise InvalidStudent(f"{name} cannot be a student: {REFUSED[name]}.")
    if name in ALGORITHMS:
        return
    if "." not in str(name):
        raise UnknownName("algorithm", str(name), ALGORITHMS, "Another library's is given as package.module.Class.")
    if not is_on_policy(name) and not _derives(import_class(name), "off_policy_algorithm", "OffPolicyAlgorithm"):
        raise InvalidStudent(
            f"{name} is neither an OnPolicyAlgorithm nor an OffPolicyAlgorithm of Stable-Baselines3. Derive it from "
            "one of these, or write a student of its own: a subclass of teachrl.Student."
        )


def is_on_policy(name: str) -> bool:
    """Tells whether the algorithm of that name learns from whole rollouts."""
    if name in ALGORITHMS:
        return name in ON_POLICY
    return _derives(import_class(name), "on_policy_algorithm", "OnPolicyAlgorithm")


def _derives(cls: type, module: str, base: str) -> bool:
    return issubclass(cls, getattr(importlib.import_module(f"stable_baselines3.common.{module}"), base))
