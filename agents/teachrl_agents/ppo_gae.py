"""Generalised advantage estimation, https://arxiv.org/abs/1506.02438 (Schulman et al. 2016)."""

from __future__ import annotations

import numpy as np

from teachrl.lessons import Bools, Floats


def gae(
    rewards: Floats, values: Floats, following: Floats, terminated: Bools, truncated: Bools, gamma: float, lam: float
) -> Floats:
    """Returns generalised advantages (T, N).

    A_t = d_t + gamma lambda A_{t+1}, d_t = r_t + gamma V(s_{t+1}) - V(s_t); A is 0 beyond an episode's end, V(s_{t+1})
    is 0 where it terminated and that of the true last observation where a time limit cut it off.

    Args:
        rewards: (T, N).
        values: (T, N) of the observations before each step.
        following: (T, N) of those after it, read at time limits and in the last row.
        terminated: (T, N) bool.
        truncated: (T, N) bool.
        gamma: Discount.
        lam: Lambda.
    """
    after = np.concatenate([values[1:], following[-1:]])
    after = np.where(terminated, 0.0, np.where(truncated, following, after))
    deltas = rewards + gamma * after - values
    decay = gamma * lam * ~(terminated | truncated)
    advantages = np.zeros_like(values)
    running = np.zeros_like(values[0])
    for t in range(len(rewards) - 1, -1, -1):
        running = deltas[t] + decay[t] * running
        advantages[t] = running
    return advantages
