"""Prioritised starts: snapshots where the student's values are most wrong, or where it succeeds half of the time.

The sampling is that of Jiang, Grefenstette, Rocktäschel: Prioritized level replay (ICML 2021),
https://arxiv.org/abs/2010.03934, of snapshots in place of levels.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from teachrl._checks import check, check_number, check_share
from teachrl._starts import RECENT, StartTeacher, went_well
from teachrl.errors import InvalidStudent, InvalidTeacher
from teachrl.lessons import Episode, Floats, Observations
from teachrl.observations import stack
from teachrl.teacher import Setup
from teachrl.trajectories import Ints, Reals

Score = Literal["error", "success"]


class PrioritizedStarts(StartTeacher):
    """Draws snapshots by rank of a score, mixed with how long ago they were drawn, and new ones until all were played.

    A new snapshot is drawn uniformly with the share of snapshots that have no finished episode; else one with

        P = (1 - ρ) P_S + ρ P_C,    P_S ∝ (1 / rank)^(1/β),    P_C ∝ the draws since it was drawn,

    where rank 1 has the highest score, β is `temperature` and ρ is `staleness`. The score is a running mean over the
    snapshot's episodes, m ← m + α (x - m) with α = `smoothing`, of

    - `"error"`: x = |G - V(s)|, with G the student's discounted return of the episode and V(s) its value of where the
      episode began, after the episode, in the units of the environment's rewards (a critic that learned from scaled
      rewards is scaled back). That is an n-step TD error with n the episode's length, and without the bootstrap where
      the episode was truncated. V is the critic's: of PPO its value function, of SAC and TD3 the minimum of the
      critics at the policy's own action; those of SAC also count the entropy bonus of later steps, which G lacks.
      G is of the environment's own rewards: beside a teacher that pays rewards, V expects its bonuses too, and x holds
      them as if they were errors. The scalar `bonus_left_out` says how much was paid besides.
    - `"success"`: p (1 - p), with p the running mean of successes, begun at one half: snapshots from which the student
      succeeds half of the time come first. A success is what the environment calls one; where it does not say, a return
      of at least `share` of what the teacher got from there on.

    Args:
        trajectories: A file that `teachrl collect --snapshot_every 10` wrote; in Python also `Trajectories`.
        by: `"error"`, for students that have values, where no teacher transforms observations, or `"success"`, which
            other teachers' rewards leave alone.
        temperature: β, above 0.
        staleness: ρ, from 0 to 1.
        smoothing: α, from 0 to 1; 1 takes the newest episode alone.
        share: How much of the teacher's return is a success, where the environment does not say.
        steps: Steps of the run, by whomever, after which lessons begin where the environment begins them; None never.
    """

    citation: ClassVar[str] = "https://arxiv.org/abs/2010.03934"
    bibtex: ClassVar[str] = r"""@inproceedings{jiang2021prioritized,
  title = {Prioritized level replay},
  author = {Jiang, Minqi and Grefenstette, Edward and Rockt{\"a}schel, Tim},
  booktitle = {International Conference on Machine Learning},
  series = {Proceedings of Machine Learning Research},
  volume = {139},
  pages = {4940--4950},
  year = {2021},
  eprint = {2010.03934},
  archiveprefix = {arXiv}
}"""

    def __init__(
        self,
        trajectories: Any,
        by: Score = "error",
        temperature: float = 0.1,
        staleness: float = 0.1,
        smoothing: float = 0.5,
        share: float = 1.0,
        steps: int | None = None,
    ) -> None:
        self.trajectories = trajectories
        self.by = by
        self.temperature = temperature
        self.staleness = staleness
        self.smoothing = smoothing
        self.share = share
        self.steps = steps

    def begin(self, setup: Setup) -> None:
        """Starts a run; see `StartTeacher.begin` for what it raises."""
        check(self, "by", self.by in get_args(Score), f"one of {', '.join(get_args(Score))}")
        check_number(self, "temperature", 0, open_ends=True)
        for name in ("staleness", "smoothing", "share"):
            check_share(self, name)
        check(self, "smoothing", self.smoothing > 0, "above 0")
        self._means: Reals = np.empty(0)
        self._played: Ints = np.empty(0, np.int64)
        self._ages: Ints = np.empty(0, np.int64)
        self._bonuses: deque[float] = deque(maxlen=RECENT)
        super().begin(setup)

    def validate(self, setup: Setup) -> None:
        """Reads the trajectories; see `StartTeacher.validate` for what it raises.

        Raises:
            InvalidTeacher: Also if what the student sees where episodes begin cannot be known, by="error".
        """
        super().validate(setup)
        if self.by == "error":
            self._seen(self._example())

    def rehearse(self) -> None:
        """Asks the student for a value, by="error".

        Raises:
            InvalidTeacher: If it has none.
        """
        if self.by == "error":
            self._values(self._example())

    def _example(self) -> Observations:
        """Returns an observation (1, *o; all views); the space's own generator is left as it is."""
        space = copy.deepcopy(self.setup.observation_space)
        space.seed(0)
        return stack([space.sample()])

    def _prepare(self) -> None:
        super()._prepare()
        if not len(self._means):
            n = len(self.known)
            self._means, self._played, self._ages = np.zeros(n), np.zeros(n, np.int64), np.zeros(n, np.int64)

    def draw(self, candidates: Ints) -> int:
        """Returns one of the snapshots (C,), as the class says."""
        played = candidates[self._played[candidates] > 0]
        new = candidates[self._played[candidates] == 0]
        if self.rng.random() * len(candidates) < len(new):
            chosen = int(self.rng.choice(new))
        else:
            chosen = int(self.rng.choice(played, p=self.probabilities(played)))
        self._ages += 1
        self._ages[chosen] = 0
        return chosen

    def probabilities(self, snapshots: Ints) -> Reals:
        """Returns P (C,) of played snapshots (C,)."""
        scores, ages = self.scores()[snapshots], self._ages[snapshots]
        ranks = np.empty(len(scores))
        ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
        weights = ranks ** (-1 / self.temperature)
        by_score = weights / weights.sum()
        if not ages.any():
            return np.asarray(by_score)
        return np.asarray((1 - self.staleness) * by_score + self.staleness * ages / ages.sum())

    def scores(self) -> Reals:
        """Returns the scores (S,), of snapshots that were not played yet what they begin with."""
        return self._means * (1 - self._means) if self.by == "success" else self._means

    def heard(self, episodes: Sequence[Episode]) -> None:
        """Takes the episodes into the running means of where they began."""
        found = [float(went_well(e, self.known, self.share)) for e in episodes]
        if self.by == "error":
            found = self._errors(episodes)
        for episode, value in zip(episodes, found, strict=True):
            k = episode.lesson.start_id
            first = self._played[k] == 0
            before = 0.5 if first and self.by == "success" else self._means[k]
            weight = 1.0 if first and self.by == "error" else self.smoothing
            self._means[k] = before + weight * (value - before)
            self._played[k] += 1

    def _errors(self, episodes: Sequence[Episode]) -> list[float]:
        """Returns |G - V(s)| of the episodes.

        Raises:
            InvalidTeacher: If the student has no values of what the episodes began with.
        """
        values = self._values(stack([e.first_observation for e in episodes]))
        self._bonuses.extend(abs(e.taught_return - e.episode_return) for e in episodes)
        return [abs(e.discounted_return - float(value)) for e, value in zip(episodes, values, strict=True)]

    def _values(self, observations: Observations) -> Floats:
        """Returns the student's values (B,) of observations (B, *o; all views) that begin episodes."""
        try:
            return self.setup.values(self._seen(observations))
        except InvalidStudent as error:
            raise _without_values(error) from error

    def _seen(self, observations: Observations) -> Observations:
        try:
            return self.setup.seen(observations)
        except InvalidTeacher as error:
            raise _without_values(error) from error

    def scalars(self) -> dict[str, float]:
        """Returns also the share of snapshots that were played, the mean of their scores, and what these leave out.

        That is, of recent episodes by="error", the mean of what teachers paid (undiscounted) beside the environment.
        """
        played = self._played > 0
        mean = float(self.scores()[played].mean()) if played.any() else 0.0
        row = {**super().scalars(), "played": float(played.mean()) if len(played) else 0.0, "score_mean": mean}
        return row | ({"bonus_left_out": float(np.mean(self._bonuses or 0))} if self.by == "error" else {})


def _without_values(error: InvalidStudent | InvalidTeacher) -> InvalidTeacher:
    return InvalidTeacher(
        f"PrioritizedStarts(by='error') needs the student's values of where episodes begin: {error} Take by='success', "
        "or another student."
    )
