"""Potential-based reward shaping: guidance that leaves the optimal policy as it is.

Ng, Harada, Russell: Policy invariance under reward transformations: theory and application to reward shaping (ICML
1999),
https://people.eecs.berkeley.edu/~pabbeel/cs287-fa09/readings/NgHaradaRussell-shaping-ICML1999.pdf
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from teachrl._checks import check_number
from teachrl.errors import InvalidHyperparameter, InvalidTeacher, NonFiniteData
from teachrl.lessons import Bools, Floats, Observations, Step
from teachrl.observations import take
from teachrl.policies import Imported
from teachrl.state import rng_state, set_rng_state
from teachrl.teacher import Setup, Teacher

_PLANNER = "planner"


class PotentialShaping(Teacher):
    """Pays the growth of a potential of states, which leaves the optimal policy as it is.

        F(s, s') = γ Φ(s') - Φ(s),    Φ = 0 where an episode terminates

    An episode's discounted payments add up to -Φ(s_0) where it terminates, whatever was done in it, and to
    γ^T Φ(s_T) - Φ(s_0) at a time limit: that is no terminal state, and its potential counts as the student's bootstrap
    does, which is lower by as much.

    Each state's potential is computed once, when it is come to. A potential that changes with time keeps the policy
    too: what was paid for coming to a state is taken back for leaving it (Devlin and Kudenko 2012).

    Args:
        potential: `"planner"`: Φ(s) = scale · γ^d(s), d the steps to success that a planner with full knowledge needs,
            which is the optimal value of a game that pays `scale` at success; Φ = 0 where there is no way. The
            environment must provide layouts or a planner, as TeachRL/MiniGrid-* do. `"module:function"`, or a function,
            from observations (B, *o; all views) to numbers (B,): Φ(s) = scale · function(s).
        scale: What potentials are multiplied by.
        gamma: Discount γ; None takes the student's. With another one than the student's the optimal policy may change.

    Raises:
        InvalidHyperparameter: In `begin`, if an argument is impossible; at the first step, if the planner's distances
            are to be discounted by a γ of 1, which makes all potentials equal.
        InvalidTeacher: In `begin`, if the environment provides neither layouts nor a planner that tell distances.
        UnknownName: Likewise, if there is no such module or function.
        NonFiniteData: If a potential is NaN or infinite.
    """

    citation: ClassVar[str] = (
        "https://people.eecs.berkeley.edu/~pabbeel/cs287-fa09/readings/NgHaradaRussell-shaping-ICML1999.pdf"
    )
    bibtex: ClassVar[str] = r"""@inproceedings{ng1999policy,
  title = {Policy invariance under reward transformations: theory and application to reward shaping},
  author = {Ng, Andrew Y. and Harada, Daishi and Russell, Stuart},
  booktitle = {International Conference on Machine Learning},
  pages = {278--287},
  year = {1999}
}"""

    def __init__(self, potential: Any = _PLANNER, scale: float = 1.0, gamma: float | None = None) -> None:
        self.potential = potential
        self.scale = scale
        self.gamma = gamma

    def begin(self, setup: Setup) -> None:
        """Starts a run."""
        super().begin(setup)
        check_number(self, "scale", -np.inf, np.inf, open_ends=True)
        check_number(self, "gamma", 0.0, 1.0, optional=True)
        self._planned = isinstance(self.potential, str) and self.potential == _PLANNER
        self._ask = _distances(setup) if self._planned else _function(self.potential)
        self._values: NDArray[np.float64] = np.zeros(setup.num_envs)  # of the observations that came last
        self._known = np.zeros(setup.num_envs, dtype=bool)

    def shape_rewards(self, step: Step) -> Floats:
        """Returns γ Φ(s') - Φ(s), (N,)."""
        gamma = self.setup.gamma if self.gamma is None else float(self.gamma)
        new = step.first | ~self._known
        before = np.where(new, self._look(step.observations, new, gamma), self._values)
        going_on = ~step.terminated
        self._values, self._known = self._look(step.next_observations, going_on, gamma), going_on
        return gamma * self._values - before

    def scalars(self) -> dict[str, float]:
        """Returns the mean potential of where the environments are."""
        return {"potential": float(self._values.mean())}

    def _look(self, observations: Observations, rows: Bools, gamma: float) -> NDArray[np.float64]:
        """Returns (N,) potentials of some rows, zeros in the others."""
        found, asked = np.zeros(len(rows)), np.flatnonzero(rows)
        if asked.size:
            found[asked] = self._potentials(observations if rows.all() else take(observations, asked), asked, gamma)
        return found

    def _potentials(self, observations: Observations, rows: NDArray[np.int64], gamma: float) -> NDArray[np.float64]:
        found = np.asarray(self._ask(observations), dtype=np.float64)
        if self._planned:
            return self.scale * _nearness(found, gamma)
        if found.shape != rows.shape:
            raise InvalidTeacher(
                f"The potential {self.potential!r} must return one number for each of {len(rows)} observations, got "
                f"the shape {found.shape}."
            )
        if not np.isfinite(found).all():
            wrong = rows[~np.isfinite(found)].tolist()
            raise NonFiniteData(
                f"The potential {self.potential!r} must return finite numbers: it is NaN or infinite in the "
                f"environments {wrong}."
            )
        return self.scale * found

    def state_dict(self) -> dict[str, Any]:
        """Returns the potentials of where the environments are, and the random state."""
        return {"rng": rng_state(self.rng), "values": self._values.copy(), "known": self._known.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        set_rng_state(self.rng, state["rng"])
        self._values, self._known = state["values"].copy(), state["known"].copy()


def _distances(setup: Setup) -> Callable[[Observations], Any]:
    """Returns what tells steps to success: layouts, whose answers depend on nothing else, or else a planner."""
    try:
        source = setup.provided("layouts")
    except InvalidTeacher:
        source = setup.provided(_PLANNER)
    found = getattr(source, "distances", None)
    if not callable(found):
        raise InvalidTeacher(
            f"{type(source).__name__}, which {setup.env_id} provides, has no distances(observations), the steps to "
            "success that the potential 'planner' is made of. Add them, or name a function as `potential`."
        )
    return found  # type: ignore[no-any-return]


def _function(potential: Any) -> Callable[[Observations], Any]:
    found = Imported(potential).load() if isinstance(potential, str) and ":" in potential else potential
    if not callable(found):
        raise InvalidHyperparameter(
            f"PotentialShaping.potential must be 'planner', a function from observations (B, *o) to numbers (B,) or "
            f"its name 'module:function', got {potential!r}."
        )
    return found  # type: ignore[no-any-return]


def _nearness(distances: Floats, gamma: float) -> NDArray[np.float64]:
    """Returns γ^distance, 0 where it is infinite."""
    if gamma >= 1:
        raise InvalidHyperparameter(
            "PotentialShaping's potential 'planner' is gamma^steps, which is the same everywhere with a gamma of 1: "
            "the student discounts nothing, or has not told. Give the teacher a gamma below 1, or attach a student."
        )
    return np.where(np.isfinite(distances), gamma**distances, 0.0)
