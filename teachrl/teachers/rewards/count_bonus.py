"""Count-based exploration: a bonus for what was seldom seen.

Strehl, Littman: An analysis of model-based interval estimation for Markov decision processes (Journal of Computer and
System Sciences 2008), https://doi.org/10.1016/j.jcss.2007.08.009, whose MBIE-EB it is; for deep reinforcement learning,
Bellemare, Srinivasan, Ostrovski, Schaul, Saxton, Munos: Unifying count-based exploration and intrinsic motivation
(NeurIPS 2016), https://arxiv.org/abs/1606.01868
"""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from teachrl._checks import check, check_count, check_number
from teachrl.lessons import Array, Floats, Observations, Step
from teachrl.observations import has_views, take, view_space
from teachrl.state import rng_state, set_rng_state
from teachrl.teacher import Setup, Teacher

Scope = Literal["lifelong", "episodic"]


class CountBonus(Teacher):
    """Pays for coming to an observation that was seldom come to.

        F(s') = scale / √N(s')

    N(s') are the visits of s' so far, this one and beginnings of episodes included; visits at the same step count one
    after another, in the order of the environments. Observations are the same if all their bytes are (by a hash of 64
    bits), so that counts grow only where observations recur: in MiniGrid, on other grids, or rounded by `decimals`.
    Memory grows by some hundred bytes for each different observation.

    The bonus changes what is optimal, unlike `PotentialShaping`; lifelong, it fades.

    Args:
        scale: The bonus of a first visit. 0.005 is what studies of MiniGrid settled on for counts.
        scope: `"lifelong"`: counts of the whole run, shared by all environments. `"episodic"`: each environment's
            counts begin anew with an episode.
        view: The view that is counted, where the environment has several.
        decimals: Round numbers with fractions to so many decimals before counting; None counts them as they are.

    Raises:
        InvalidHyperparameter: In `begin`, if an argument is impossible.
        UnknownName: In `begin`, if there is no such view.
    """

    citation: ClassVar[str] = "https://doi.org/10.1016/j.jcss.2007.08.009, https://arxiv.org/abs/1606.01868"
    bibtex: ClassVar[str] = r"""@article{strehl2008analysis,
  title = {An analysis of model-based interval estimation for {M}arkov decision processes},
  author = {Strehl, Alexander L. and Littman, Michael L.},
  journal = {Journal of Computer and System Sciences},
  volume = {74},
  number = {8},
  pages = {1309--1331},
  year = {2008}
}
@inproceedings{bellemare2016unifying,
  title = {Unifying count-based exploration and intrinsic motivation},
  author = {Bellemare, Marc G. and Srinivasan, Sriram and Ostrovski, Georg and Schaul, Tom and Saxton, David and
            Munos, R{\'e}mi},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {29},
  year = {2016},
  eprint = {1606.01868},
  archiveprefix = {arXiv}
}"""

    def __init__(
        self, scale: float = 0.005, scope: Scope = "lifelong", view: str = "student", decimals: int | None = None
    ) -> None:
        self.scale = scale
        self.scope = scope
        self.view = view
        self.decimals = decimals

    def begin(self, setup: Setup) -> None:
        """Starts a run."""
        super().begin(setup)
        check_number(self, "scale", 0.0, np.inf, open_ends=True)
        check(self, "scope", self.scope in get_args(Scope), "'lifelong' or 'episodic'")
        check_count(self, "decimals", 0, optional=True)
        self._viewed = has_views(setup.observation_space)
        view_space(setup.observation_space, self.view)
        tables = setup.num_envs if self.scope == "episodic" else 1
        self._tables: list[dict[int, int]] = [{} for _ in range(tables)]

    def shape_rewards(self, step: Step) -> Floats:
        """Returns scale / √N(s'), (N,)."""
        rows = np.flatnonzero(step.first)
        if rows.size:
            if self.scope == "episodic":
                for row in rows.tolist():
                    self._tables[row].clear()
            self._visit(take(self._seen(step.observations), rows), rows)
        visits = self._visit(self._seen(step.next_observations), np.arange(len(step.first)))
        return float(self.scale) / np.sqrt(visits)

    def scalars(self) -> dict[str, float]:
        """Returns the number of different observations that are being counted, in the mean of the tables."""
        return {"counted_states": sum(len(table) for table in self._tables) / len(self._tables)}

    def _seen(self, observations: Observations) -> Observations:
        return observations[self.view] if self._viewed else observations

    def _visit(self, observations: Observations, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Counts a visit of each of what the environments `rows` show; returns the visits so far."""
        visits = []
        for row, key in zip(rows.tolist(), _keys(observations, self.decimals), strict=True):
            table = self._tables[row if self.scope == "episodic" else 0]
            table[key] = table.get(key, 0) + 1
            visits.append(table[key])
        return np.array(visits, dtype=np.int64)

    def state_dict(self) -> dict[str, Any]:
        """Returns the counts as arrays, and the random state."""
        tables = [
            {"keys": np.fromiter(t.keys(), np.uint64, len(t)), "visits": np.fromiter(t.values(), np.int64, len(t))}
            for t in self._tables
        ]
        return {"rng": rng_state(self.rng), "tables": tables}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        set_rng_state(self.rng, state["rng"])
        self._tables = [dict(zip(t["keys"].tolist(), t["visits"].tolist(), strict=True)) for t in state["tables"]]


def _keys(observations: Observations, decimals: int | None) -> list[int]:
    """Returns a hash for each row."""
    rows = np.concatenate(_bytes(observations, decimals), axis=1)
    digests = (hashlib.blake2b(row, digest_size=8).digest() for row in np.ascontiguousarray(rows))
    return [int.from_bytes(digest, "little") for digest in digests]


def _bytes(observations: Observations, decimals: int | None) -> list[NDArray[np.uint8]]:
    """Returns the leaves of a batch as bytes, each (B, width)."""
    if isinstance(observations, dict | tuple):
        parts = observations.values() if isinstance(observations, dict) else observations
        return [leaf for part in parts for leaf in _bytes(part, decimals)]
    leaf: Array = np.asarray(observations)
    if leaf.dtype.kind == "f":
        leaf = (leaf if decimals is None else leaf.round(decimals)) + 0.0  # -0 is 0
    return [np.ascontiguousarray(leaf.reshape(len(leaf), -1)).view(np.uint8)]
