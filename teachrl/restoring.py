"""Takes environments back to where a checkpoint left them."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from teachrl.errors import EnvironmentFailed, InvalidEnvironment
from teachrl.ledger import Ledger
from teachrl.lessons import Observations
from teachrl.observations import equal, take
from teachrl.snapshots import State
from teachrl.vector import LessonVectorEnv


def restore_environments(
    envs: LessonVectorEnv, ledger: Ledger, states: list[dict[str, Any]] | None, raw: Observations
) -> list[dict[str, Any]]:
    """Restores the N running episodes and compares what each shows with what it showed.

    Args:
        envs: Fresh environments.
        ledger: The running episodes, loaded.
        states: Exact states as data, or None to replay the executed actions.
        raw: (N, *o) what the environments showed when they were saved.

    Returns:
        One entry for each environment that is not where it was: its index, task, seed and the reason.
    """
    mismatches = []
    action_shape = envs.single_action_space.shape or ()
    for i, lesson in enumerate(ledger.lessons):
        state = ledger.state_of(i, envs.env_id, action_shape) if states is None else State.from_data(states[i])
        reason = _restore(envs, i, replace(lesson, start=state), ledger.seed(i), raw)
        if reason:
            warnings.warn(
                f"Environment {i} of {envs.env_id} did not return to where it was ({reason}); its episode is restarted "
                "with the same lesson and seed, and this run is not an exact continuation.",
                stacklevel=2,
            )
            task = None if lesson.task is None else np.asarray(lesson.task).tolist()
            mismatches.append({"env": i, "task": task, "seed": ledger.seed(i), "reason": reason})
    return mismatches


def _restore(envs: LessonVectorEnv, i: int, lesson: Any, seed: int, raw: Observations) -> str:
    """Restores one environment; returns why it is not where it was, or an empty string."""
    mask = np.arange(envs.num_envs) == i
    try:
        shown, _ = envs.reset(seed=[seed], options={"reset_mask": mask, "lessons": [lesson]})
    except (InvalidEnvironment, EnvironmentFailed) as error:
        return str(error)
    return "" if equal(take(shown, i), take(raw, i)) else "it shows another observation: it is not deterministic"
