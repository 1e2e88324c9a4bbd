"""Sentences that several rooms say."""

from __future__ import annotations

import signal
from typing import Any

import numpy as np

GUARD = (
    "A script that makes environments with workers is imported again by each of them, so the code that starts them "
    'belongs under `if __name__ == "__main__":`.'
)


def no_exact_states(env_id: str, why: str = "") -> str:
    """Says that an environment has no exact states, and why."""
    return (
        f"{env_id} cannot save its exact state: {why or 'it has no get_state().'} "
        "Replay states (teachrl.snapshots.replay_state) work for every environment."
    )


def cannot_tell_solvable(env_id: str) -> str:
    """Says that an environment does not know which of its tasks can be solved."""
    return (
        f"{env_id} cannot tell which of its tasks can be solved: it has no method solvable(task) -> bool. Give it one "
        "where there is a certain answer for every task; a batch environment also says tells_solvable = True."
    )


def ended_in_replay(env_id: str, step: int, steps: int) -> str:
    """Says that a replayed episode ended too early."""
    return (
        f"The episode of {env_id} ended at action {step} of the {steps} that should lead to its start. "
        "Replay states are exact only for the same environment, arguments and time limit; record them again."
    )


def failed(env_id: str, index: int, doing: str, task: Any, seed: int | None, why: str) -> str:
    """Says that environment `index` failed, with what it played and the last lines of its traceback."""
    playing = f"task {_show(task)}, seed {seed}"
    return f"{env_id}: environment {index} failed in {doing} ({playing}): {why}"


def exit_reason(code: int | None) -> str:
    """Says how a process ended, from its exit code."""
    if code is None:
        return "its worker closed its pipe."
    if code >= 0:
        return f"its worker exited with code {code}."
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    hint = ", as when memory runs out" if name == "SIGKILL" else ""
    return f"its worker was ended by {name}{hint}."


def last_lines(text: str, most: int = 12) -> str:
    """Returns the last lines of a traceback, on lines of their own; nothing for none."""
    return "".join(f"\n  {line}" for line in text.rstrip().splitlines()[-most:])


def first_lines(text: str, most: int = 12) -> str:
    """Returns the first lines of a stack that has its newest call first, likewise."""
    return "".join(f"\n  {line}" for line in text.strip().splitlines()[:most])


def _show(task: Any) -> str:
    if task is None:
        return "default"
    with np.printoptions(threshold=20, precision=6):
        text = str(task.tolist() if isinstance(task, np.ndarray) and task.size <= 20 else task)
    return text if len(text) <= 300 else text[:300] + "..."
