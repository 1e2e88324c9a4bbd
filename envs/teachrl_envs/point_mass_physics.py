"""The gate: a point mass under noisy acceleration in a walled square, many at a time on plain arrays.

From Self-Paced Deep Reinforcement Learning (Klink et al. 2020, https://arxiv.org/abs/2004.11812; Klink et al. 2021,
https://jmlr.org/papers/v22/21-0112.html), as published, with 10 Euler steps of 0.01 s to an environment step:

    x' = clip(x + dt v, -4, 4)        v' = v + dt (1.5 a - friction v + n),  n ~ N(0, 0.05) per axis and Euler step

A wall runs along y = 0 with one gate. A mass that crosses it more than half the gate's width from the gate's centre
crashes: it stops where its path met the wall. The pay is exp(-0.6 d), d the distance to the goal at (0, -3).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

HALF_SIDE = 4.0
START = (0.0, 3.0)
GOAL = (0.0, -3.0)
SUCCESS_DISTANCE = 0.25
MAX_ACTION = 10.0
SUBSTEPS = 10
DT = 0.01
_FORCE = 1.5
_NOISE_STD = 0.05
_PAY_RATE = 0.6
_DT, _HALF_SIDE = np.array(DT), np.array(HALF_SIDE)  # NumPy converts a Python float anew in every call
_BLOCK = 25  # environment steps of noise drawn at once: few draws for long episodes, little waste for short ones


class PointMasses:
    """N point masses, each on its own task and with its own noise, which is a function of its seed and step alone.

    Attributes:
        position: (2, N) x and y.
        velocity: (2, N).
        tasks: (3, N) gate position, gate width, friction.
        elapsed: (N,) environment steps since each episode's beginning.
        crashed: (N,) bool, whether the last step ended in the wall.
    """

    def __init__(self, n: int) -> None:
        self.position = np.zeros((2, n))
        self.velocity = np.zeros((2, n))
        self.tasks = np.zeros((3, n))
        self.elapsed = np.zeros(n, np.int64)
        self.crashed = np.zeros(n, np.bool_)
        self._generators: list[np.random.Generator] = [np.random.default_rng(0)] * n
        self._noise = np.zeros((n, _BLOCK, SUBSTEPS, 2))

    def begin(self, i: int, task: Sequence[float] | NDArray[np.floating], seed: int) -> None:
        """Puts mass `i` at the start of an episode of `task` (3,), at rest."""
        self.place(i, task, seed, START, (0.0, 0.0), 0)

    def place(
        self,
        i: int,
        task: Sequence[float] | NDArray[np.floating],
        seed: int,
        position: Sequence[float] | Floats,
        velocity: Sequence[float] | Floats,
        elapsed: int,
    ) -> None:
        """Puts mass `i` anywhere in an episode; its noise goes on as at step `elapsed` of an episode of `seed`."""
        self.position[:, i] = position
        self.velocity[:, i] = velocity
        self.tasks[:, i] = task
        self.elapsed[i] = elapsed
        self.crashed[i] = False
        self._generators[i] = np.random.default_rng(seed)
        for _ in range(elapsed // _BLOCK + (elapsed % _BLOCK > 0)):
            self._draw(i)

    def step(self, actions: NDArray[np.floating]) -> None:
        """Moves all masses by one environment step under accelerations `actions` (N, 2), clipped to [-10, 10]."""
        within = self.elapsed % _BLOCK
        for i in np.flatnonzero(within == 0):
            self._draw(int(i))
        noise = np.ascontiguousarray(self._noise[np.arange(len(within)), within].transpose(1, 2, 0))
        noise += _FORCE * np.minimum(np.maximum(np.asarray(actions, np.float64), -MAX_ACTION), MAX_ACTION).T
        self.position, self.velocity, self.crashed = advance(self.position, self.velocity, self.tasks, noise)
        self.elapsed += 1

    def distances(self) -> Floats:
        """Returns the (N,) distances to the goal."""
        dx, dy = self.position[0] - GOAL[0], self.position[1] - GOAL[1]
        distances: Floats = np.sqrt(dx * dx + dy * dy)
        return distances

    def _draw(self, i: int) -> None:
        self._noise[i] = self._generators[i].normal(0.0, _NOISE_STD, self._noise.shape[1:])


def pay(distances: Floats) -> Floats:
    """Returns exp(-0.6 d) for (N,) distances."""
    return np.exp(-_PAY_RATE * distances)


def advance(position: Floats, velocity: Floats, tasks: Floats, acceleration: Floats) -> tuple[Floats, Floats, Bools]:
    """Integrates one environment step.

    No position enters the velocities, so all Euler steps are taken first and the first crash is looked up afterwards.

    Args:
        position: (2, N).
        velocity: (2, N).
        tasks: (3, N).
        acceleration: (SUBSTEPS, 2, N), noise included, friction not.

    Returns:
        The new position and velocity and (N,) whether the mass crashed.
    """
    path = np.empty((SUBSTEPS + 1, *position.shape))
    path[0] = position
    speed, gain, decay = velocity.copy(), np.empty_like(velocity), 1.0 - DT * tasks[2]
    for before, after, push in zip(path, path[1:], acceleration, strict=False):
        np.multiply(speed, _DT, out=after)
        after += before
        np.maximum(after, -_HALF_SIDE, out=after)
        np.minimum(after, _HALF_SIDE, out=after)
        speed *= decay
        np.multiply(push, _DT, out=gain)
        speed += gain
    crashed, x = _crashes(path, tasks)
    moved = path[-1].copy()
    if crashed.any():
        moved[0, crashed], moved[1, crashed], speed[:, crashed] = x[crashed], 0.0, 0.0
    return moved, speed, crashed


def _crashes(path: Floats, tasks: Floats) -> tuple[Bools, Floats]:
    """Returns whether each path (SUBSTEPS + 1, 2, N) hit the wall, and x where it first did, both (N,)."""
    n = path.shape[2]
    crashed, x = np.zeros(n, np.bool_), np.zeros(n)
    y = path[:, 1]
    near = np.flatnonzero((y.min(axis=0) <= 0) & (y.max(axis=0) >= 0))
    if near.size:
        crashed[near], x[near] = _first_crash(path[:, :, near], tasks[:, near])
    return crashed, x


def _first_crash(path: Floats, tasks: Floats) -> tuple[Bools, Floats]:
    before, after = path[:-1, 1], path[1:, 1]
    crossed = ((before >= 0) & (after < 0)) | ((before <= 0) & (after > 0))
    share = before / np.where(crossed, before - after, 1.0)
    x = share * path[1:, 0] + (1.0 - share) * path[:-1, 0]
    missed = crossed & (np.abs(x - tasks[0]) > 0.5 * tasks[1])
    first = missed.argmax(axis=0)
    return missed.any(axis=0), np.take_along_axis(x, first[None], axis=0)[0]
