"""ALP-GMM: tasks where the student's performance changes most, by a Gaussian mixture over learning progress.

Portelas, Colas, Hofmann, Oudeyer: Teacher algorithms for curriculum learning of Deep RL in continuously parameterized
environments (CoRL 2019), https://arxiv.org/abs/1910.07224
"""

from __future__ import annotations

import bisect
from collections import deque
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from teachrl._checks import check, check_count, check_share, is_range
from teachrl._mixtures import Criterion, Mixture, MixtureFitter
from teachrl._neighbours import NearestNeighbours
from teachrl.errors import InvalidTeacher
from teachrl.lessons import Lesson, Report
from teachrl.state import rng_state, set_rng_state
from teachrl.teacher import Setup, Teacher

_BATCH = 128
_FIRST = 6  # the first episodes have an ALP of 0: their neighbours say nothing yet


class ALPGMM(Teacher):
    """Proposes tasks from the Gaussians in which the student's absolute learning progress (ALP) is highest.

    The ALP of an episode with task t and return r is |r - r'|, where r' is the return of the episode whose task is
    nearest to t among all that came before; it is 0 for the first six. Every `fit_rate` episodes Gaussian mixtures
    are fitted to the last `fit_rate` rows (t, ALP) and the best by `criterion` is kept. A task is uniform with
    probability `random_task_ratio`, and before there is a mixture; otherwise it comes from component k,
    t ~ N(μ_k, Σ_k) clipped to the box, with probability

        p_k = u_k / Σ_j u_j,    u_k the mean ALP of component k (uniform if all are 0).

    The mixture's weights play no part in it. Distances are in the task space's own units.

    Args:
        fit_rate: Episodes between two fits, and the number of episodes a fit looks at.
        bootstrap: Episodes of uniform tasks before the first fit; None takes `fit_rate`.
        random_task_ratio: Share of uniform tasks after that.
        min_components: Fewest Gaussians of a mixture.
        max_components: Most Gaussians of a mixture, inclusive.
        criterion: `"aic"`, `"bic"` or `"aicc"`.
        em_inits: Starts of expectation-maximisation per fit.
        warm_start: Whether a fit starts from the one before.
        history_limit: Take neighbours from the newest so many episodes only (they are forgotten in blocks, so up to
            a quarter more can be in use); None takes them from the whole history.
        reward_range: Returns are mapped from this range to [0, 1] and clipped. `"env"` takes the environment's
            `return_range`, and leaves returns as they are where it has none; None leaves them as they are.
        normalise_tasks: Whether distances and mixtures see task coordinates scaled to [0, 1]. The paper does not.
    """

    citation: ClassVar[str] = "https://arxiv.org/abs/1910.07224"
    bibtex: ClassVar[str] = r"""@inproceedings{portelas2020teacher,
  title = {Teacher algorithms for curriculum learning of deep {RL} in continuously parameterized environments},
  author = {Portelas, R{\'e}my and Colas, C{\'e}dric and Hofmann, Katja and Oudeyer, Pierre-Yves},
  booktitle = {Conference on Robot Learning},
  series = {Proceedings of Machine Learning Research},
  volume = {100},
  pages = {835--853},
  year = {2020},
  eprint = {1910.07224},
  archiveprefix = {arXiv}
}"""

    def __init__(
        self,
        fit_rate: int = 250,
        bootstrap: int | None = None,
        random_task_ratio: float = 0.2,
        min_components: int = 2,
        max_components: int = 10,
        criterion: Criterion = "aic",
        em_inits: int = 1,
        warm_start: bool = False,
        history_limit: int | None = None,
        reward_range: Literal["env"] | tuple[float, float] | None = "env",
        normalise_tasks: bool = False,
    ) -> None:
        self.fit_rate = fit_rate
        self.bootstrap = bootstrap
        self.random_task_ratio = random_task_ratio
        self.min_components = min_components
        self.max_components = max_components
        self.criterion = criterion
        self.em_inits = em_inits
        self.warm_start = warm_start
        self.history_limit = history_limit
        self.reward_range = reward_range
        self.normalise_tasks = normalise_tasks

    def begin(self, setup: Setup) -> None:
        """Starts a run.

        Raises:
            InvalidHyperparameter: If an argument of the constructor is impossible.
            InvalidTeacher: If the task space is not a bounded vector of floats.
        """
        super().begin(setup)
        self._check_hyperparameters()
        self._space = self._checked_space(setup)
        self._low, self._high = self._space.low.astype(np.float64), self._space.high.astype(np.float64)
        extent = np.where(self._high > self._low, self._high - self._low, 1.0)
        self._origin = self._low if self.normalise_tasks else np.zeros_like(self._low)
        self._scale = extent if self.normalise_tasks else np.ones_like(self._low)
        self._returns = self._checked_range(setup)
        self._history = NearestNeighbours(len(self._origin), self.history_limit)
        self._unsettled: list[tuple[Any, float]] = []
        self._recent: NDArray[np.float64] = np.empty((0, len(self._origin) + 1))
        self._fitter = MixtureFitter(
            self.min_components,
            self.max_components,
            self.criterion,
            self.em_inits,
            self.warm_start,
            random_state=int(self.rng.integers(2**31)),
        )
        self._mixture: Mixture | None = None
        self._prepare_sampling()
        self._uniform: deque[bool] = deque(maxlen=self.fit_rate)

    def _check_hyperparameters(self) -> None:
        check_count(self, "fit_rate", 2)
        check_count(self, "bootstrap", 0, optional=True)
        check_share(self, "random_task_ratio")
        check_count(self, "min_components", 1)
        check_count(self, "max_components", self.min_components)
        check(self, "max_components", self.max_components <= self.fit_rate, f"at most fit_rate, {self.fit_rate}")
        check(self, "criterion", self.criterion in get_args(Criterion), f"one of {get_args(Criterion)}")
        check_count(self, "em_inits", 1)
        check_count(self, "history_limit", 1, optional=True)
        named = self.reward_range is None or (isinstance(self.reward_range, str) and self.reward_range == "env")
        check(self, "reward_range", named or is_range(self.reward_range), "'env', None, or a pair low < high")

    def _checked_space(self, setup: Setup) -> spaces.Box:
        space = setup.task_space
        if isinstance(space, spaces.Box) and len(space.shape) == 1 and space.shape[0] > 0:  # noqa: SIM102
            if space.is_bounded() and np.issubdtype(space.dtype, np.floating):
                return space
        raise InvalidTeacher(
            f"ALPGMM needs a task space that is a bounded, one-dimensional Box of floats; {setup.env_id} has {space}. "
            "Uniform works on every task space; Parametrised(env, {'unwrapped.attribute': [low, high]}) makes a Box."
        )

    def _checked_range(self, setup: Setup) -> tuple[float, float] | None:
        if self.reward_range != "env":
            return self.reward_range
        if setup.return_range is not None and not is_range(setup.return_range):
            raise InvalidTeacher(
                f"ALPGMM maps returns from the return_range of {setup.env_id}, which is {setup.return_range} and not a "
                "finite pair (low, high) with low < high. Set reward_range to such a pair, or to None for raw returns."
            )
        return setup.return_range

    def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
        """Returns `n` lessons, each drawn on its own from the mixture or uniformly."""
        return [Lesson(self._draw()) for _ in range(n)]

    def _draw(self) -> NDArray[Any]:
        uniform = self._mixture is None or self._bootstrapping() or self.rng.random() < self.random_task_ratio
        self._uniform.append(uniform)
        if uniform:
            task = self.rng.uniform(self._low, self._high)
        else:
            k = min(bisect.bisect_right(self._cumulative, self.rng.random()), len(self._cumulative) - 1)
            point = self._centres[k] + self._factors[k] @ self.rng.standard_normal(len(self._origin))
            task = self._origin + self._scale * point
        clipped: NDArray[np.float64] = np.minimum(np.maximum(task, self._low), self._high)
        return clipped.astype(self._space.dtype)

    def _bootstrapping(self) -> bool:
        return self._episodes() < (self.fit_rate if self.bootstrap is None else self.bootstrap)

    def _episodes(self) -> int:
        return len(self._history) + len(self._unsettled)

    def update(self, report: Report) -> None:
        """Takes in every finished episode that had a task, in the order of the report, and fits when it is time."""
        for episode in report.episodes:
            if episode.lesson.task is not None:
                self._unsettled.append((np.array(episode.lesson.task), episode.episode_return))
                if self._episodes() % self.fit_rate == 0 and not self._bootstrapping():
                    self._fit()
        if len(self._unsettled) >= _BATCH:
            self._settle()

    def _settle(self) -> None:
        """Works out the ALP of the episodes since the last time.

        Nobody needs it sooner, and many neighbours are found together for the price of a few.
        """
        if not self._unsettled:
            return
        tasks, returns = zip(*self._unsettled, strict=True)
        self._unsettled.clear()
        first = len(self._history)
        points = (np.array(tasks, dtype=np.float64) - self._origin) / self._scale
        values = self._mapped(np.array(returns, dtype=np.float64))
        nearest = self._history.extend(points, values)
        alps = np.abs(values - self._history.values[nearest])
        alps[: max(0, _FIRST - first)] = 0.0
        self._recent = np.concatenate([self._recent, np.column_stack([points, alps])])[-self.fit_rate :]

    def _mapped(self, returns: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._returns is None:
            return returns
        low, high = self._returns
        return np.clip((returns - low) / (high - low), 0.0, 1.0)

    def _fit(self) -> None:
        self._settle()
        mixture = self._fitter.fit(self._recent)
        if mixture is None:
            raise InvalidTeacher(
                "ALPGMM cannot fit a mixture: tasks and learning progress differ too much in size, "
                f"{np.abs(self._recent).max(axis=0).tolist()} at most. Set reward_range to the lowest and "
                "highest return (low, high), or normalise_tasks=True."
            )
        self._mixture = mixture
        self._prepare_sampling()

    def _prepare_sampling(self) -> None:
        """Works out what a draw needs: probabilities of the components, and roots of their covariances of tasks.

        A Gaussian of task and ALP with the ALP left out is the Gaussian of the task's mean and covariance.
        """
        if self._mixture is None:
            return
        self._cumulative: list[float] = np.cumsum(self._probabilities()).tolist()
        self._centres = self._mixture.means[:, :-1]
        self._factors = np.linalg.cholesky(self._mixture.covariances[:, :-1, :-1])

    def _probabilities(self) -> NDArray[np.float64]:
        if self._mixture is None:
            return np.empty(0)
        alps = np.maximum(self._mixture.means[:, -1], 0.0)  # a mean of zeros can round to below zero
        total = alps.sum()
        return alps / total if total > 0 else np.full(len(alps), 1 / len(alps))

    def gaussians(self) -> dict[str, NDArray[np.float64]]:
        """Describes the curriculum for pictures, in the task space's units; all arrays are empty before the first fit.

        Returns:
            `means` (K, d), `covariances` (K, d, d), `weights` (K,) of the mixture, `alps` (K,) the mean ALP of each
            component and `probabilities` (K,) of being drawn from.
        """
        d = len(self._origin)
        if self._mixture is None:
            none = np.empty(0)
            means, covariances = np.empty((0, d)), np.empty((0, d, d))
            return {"means": means, "covariances": covariances, "weights": none, "alps": none, "probabilities": none}
        return {
            "means": self._origin + self._scale * self._centres,
            "covariances": self._mixture.covariances[:, :-1, :-1] * np.outer(self._scale, self._scale),
            "weights": self._mixture.weights.copy(),
            "alps": self._mixture.means[:, -1].copy(),
            "probabilities": self._probabilities(),
        }

    def recent_progress(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns the last `fit_rate` tasks (m, d), in the task space's units, and their ALP (m,)."""
        self._settle()
        return self._origin + self._scale * self._recent[:, :-1], self._recent[:, -1].copy()

    def scalars(self) -> dict[str, float]:
        """Returns recent episodes' mean ALP, the number of components and their highest ALP, the uniform share."""
        alps = self.recent_progress()[1]
        highest = self.gaussians()["alps"]
        return {
            "alp_mean": float(alps.mean()) if len(alps) else 0.0,
            "alp_highest": float(highest.max()) if len(highest) else 0.0,
            "components": float(len(highest)),
            "random_share": sum(self._uniform) / max(1, len(self._uniform)),
        }

    def state_dict(self) -> dict[str, Any]:
        """Returns the history, the recent rows, the mixture and the random state."""
        self._settle()
        return {
            "rng": rng_state(self.rng),
            "history": self._history.state_dict(),
            "recent": self._recent.copy(),
            "fitter": self._fitter.state_dict(),
            "mixture": None if self._mixture is None else self._mixture.state_dict(),
            "uniform": list(self._uniform),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`, after `begin`, bit for bit."""
        set_rng_state(self.rng, state["rng"])
        self._history.load_state_dict(state["history"])
        self._unsettled.clear()
        self._recent = np.array(state["recent"], dtype=np.float64)
        self._fitter.load_state_dict(state["fitter"])
        arrays = state["mixture"]
        self._mixture = None if arrays is None else Mixture(**{k: np.array(v) for k, v in arrays.items()})
        self._uniform = deque((bool(u) for u in state["uniform"]), maxlen=self.fit_rate)
        self._prepare_sampling()
