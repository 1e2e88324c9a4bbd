"""A simulated student for the toy task space of ALP-GMM (https://arxiv.org/abs/1910.07224, section 4.1)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from teachrl.errors import InvalidHyperparameter, InvalidStudent
from teachrl.lessons import Array, Bools, Floats, Observations
from teachrl.student import Student

if TYPE_CHECKING:
    from teachrl.classroom import Classroom

FULL = 100
UNLOCKS = 75


class SimulatedStudent(Student):
    r"""Learns the cubes of `TeachRL/Hypercube-v0` by visiting them, easy neighbours first.

    The first `dims` coordinates of an observation say which cube \(i\) the task lies in. A visit raises the cube's
    competence \(c_i \in [0, 100]\) by one if \(i\) is the all-zero corner, or if a neighbour before it,
    \(j \ne i\) with \(j_k \in \{i_k - 1, i_k\}\), has \(c_j \ge 75\). The performance, which is the action, is
    \(c_i / 100\) after the visit. Nothing is forgotten and nothing is random. The policy performs and does not learn.

    Args:
        cubes: Cubes along each dimension, as in the environment.
        dims: Dimensions that matter, as in the environment.
    """

    accepts = frozenset({"tasks", "starts", "rewards", "learn"})
    citation = "https://arxiv.org/abs/1910.07224"

    def __init__(self, cubes: int = 10, dims: int = 2) -> None:
        self.cubes = cubes
        self.dims = dims

    def validate(self, setup: Any) -> None:
        """Refuses impossible sizes.

        Raises:
            InvalidHyperparameter: If `cubes` or `dims` is not a positive integer.
        """
        for name in ("cubes", "dims"):
            if not isinstance(value := getattr(self, name), int) or value < 1:
                raise InvalidHyperparameter(f"SimulatedStudent's {name} must be a positive integer, got {value!r}.")

    def begin(self, classroom: Classroom, seed: np.random.SeedSequence, total_steps: int) -> None:
        """Begins with no competence.

        Raises:
            InvalidHyperparameter: If `cubes` or `dims` is impossible.
            InvalidStudent: If the classroom's observations and actions are not those of a hypercube.
        """
        self.validate(None)
        shape, actions = classroom.single_observation_space.shape, classroom.single_action_space
        if shape is None or len(shape) != 1 or shape[0] < self.dims or actions.shape != (1,):
            raise InvalidStudent(
                f"SimulatedStudent plays TeachRL/Hypercube-v0: it expects observations of at least {self.dims} "
                f"coordinates and one action, got {classroom.single_observation_space} and {actions}."
            )
        self._classroom = classroom
        self._competence = [0] * self.cubes**self.dims
        self._strides = [self.cubes ** (self.dims - 1 - k) for k in range(self.dims)]
        self._earlier: dict[int, list[int]] = {}

    @property
    def competence(self) -> Array:
        """(cubes, ..., cubes) int, the competence of every cube."""
        return np.array(self._competence).reshape((self.cubes,) * self.dims)

    @property
    def granularity(self) -> int:
        """One step of all environments."""
        return self._classroom.num_envs

    @property
    def policy(self) -> SimulatedPolicy:
        """Performs as well as the student can by now."""
        return SimulatedPolicy(self)

    def learn(self, steps: int) -> None:
        """Visits the tasks of `steps` more environment steps, rounded up to whole vector steps."""
        for _ in range(-(-steps // self._classroom.num_envs)):
            self._classroom.step(self.act(*self._classroom.observed()))

    def act(self, observations: Observations, first: Bools) -> Array:
        """Visits the tasks (N, >= dims), one environment after the other; returns performances (N, 1) float32.

        Lessons with `learn=False` are performed without learning.
        """
        performances = np.empty((len(observations), 1), dtype=np.float32)
        lessons = self._classroom.lessons
        for n, cube in enumerate(self._cubes(observations)):
            if lessons[n].learn:
                self._visit(cube)
            performances[n, 0] = self._competence[cube] / FULL
        return performances

    def perform(self, observations: Observations) -> Array:
        """Returns the performances (B, 1) float32 at tasks (B, >= dims), learning nothing."""
        competences = [self._competence[cube] / FULL for cube in self._cubes(observations)]
        return np.array(competences, dtype=np.float32).reshape(-1, 1)

    def values(self, observations: Observations) -> Floats:
        """Returns what the student would be paid (B,) at tasks (B, >= dims)."""
        return self.perform(observations)[:, 0]

    def _cubes(self, observations: Observations) -> list[int]:
        """Returns the cube of each task; the right edge belongs to the last one."""
        last = self.cubes - 1
        return [
            sum(min(int(x * self.cubes), last) * stride for x, stride in zip(task, self._strides, strict=True))
            for task in observations[:, : self.dims].tolist()
        ]

    def _visit(self, cube: int) -> None:
        earlier = self._earlier.get(cube)
        if earlier is None:
            earlier = self._earlier[cube] = self._neighbours(cube)
        competence = self._competence
        if competence[cube] < FULL and (cube == 0 or any(competence[j] >= UNLOCKS for j in earlier)):
            competence[cube] += 1

    def _neighbours(self, cube: int) -> list[int]:
        """Returns the neighbours before a cube, diagonals included."""
        index = [cube // stride % self.cubes for stride in self._strides]
        options = [{i * stride, max(i - 1, 0) * stride} for i, stride in zip(index, self._strides, strict=True)]
        return [j for j in map(sum, itertools.product(*options)) if j != cube]

    def scalars(self) -> dict[str, float]:
        """Returns the share of cubes mastered, competence above 75, and the mean competence in [0, 1]."""
        mastered = sum(c > UNLOCKS for c in self._competence)
        return {
            "mastered": mastered / len(self._competence),
            "competence": sum(self._competence) / FULL / len(self._competence),
        }

    def state_dict(self) -> dict[str, Any]:
        """Returns the table of competences."""
        return {"competence": np.array(self._competence, dtype=np.int64)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        self._competence = [int(c) for c in state["competence"]]


class SimulatedPolicy:
    """What a simulated student can do by now.

    Args:
        student: Whose table is read.
    """

    def __init__(self, student: SimulatedStudent) -> None:
        self._student = student

    def act(
        self, observations: Observations, state: Any = None, first: Bools | None = None, deterministic: bool = True
    ) -> tuple[Array, Any]:
        """Returns performances (B, 1) at the tasks (B, >= dims); see `teachrl.student.Policy`."""
        return self._student.perform(observations), None
