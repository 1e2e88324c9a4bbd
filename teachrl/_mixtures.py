"""Gaussian mixtures with as many components as an information criterion asks for: scikit-learn's fit, on one thread."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

Criterion = Literal["aic", "bic", "aicc"]
Floats64 = NDArray[np.float64]
_FITTED = ("weights_", "means_", "covariances_", "precisions_cholesky_", "lower_bound_", "converged_")


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """A fitted mixture of K Gaussians in D dimensions.

    Attributes:
        weights: (K,).
        means: (K, D).
        covariances: (K, D, D).
    """

    weights: Floats64
    means: Floats64
    covariances: Floats64

    def state_dict(self) -> dict[str, Any]:
        """Returns the three arrays."""
        return {f.name: getattr(self, f.name).copy() for f in fields(self)}


class MixtureFitter:
    """Fits mixtures of K = `smallest`, ..., `largest` full-covariance Gaussians and picks the best one.

    Args:
        smallest: Fewest components.
        largest: Most components, inclusive.
        criterion: What to minimise; see `score`.
        em_inits: Starts of expectation-maximisation per fit, of which the best is kept.
        warm_start: Whether a fit starts from the previous one with as many components.
        random_state: Seed of the starts, the same in every fit.
    """

    def __init__(
        self, smallest: int, largest: int, criterion: Criterion, em_inits: int, warm_start: bool, random_state: int
    ) -> None:
        self.components = range(smallest, largest + 1)
        self.criterion = criterion
        self._options = {"n_init": em_inits, "warm_start": warm_start, "random_state": random_state}
        self._warm_start = warm_start
        self._previous: dict[int, GaussianMixture] = {}

    def fit(self, points: Floats64) -> Mixture | None:
        """Fits `points` (n, D) and returns the best mixture; the fewest components win a tie.

        Numbers of components whose covariances degenerate are left out; None if that is all of them.
        """
        from sklearn.exceptions import ConvergenceWarning
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted = [model for k in self.components if (model := self._fit(k, points)) is not None]
            if not fitted:
                return None
            best = fitted[int(np.argmin([self.score(model, points) for model in fitted]))]
        return Mixture(best.weights_.copy(), best.means_.copy(), best.covariances_.copy())

    def _fit(self, components: int, points: Floats64) -> GaussianMixture | None:
        model = self._model(components)
        try:
            model.fit(points)
        except ValueError:  # what scikit-learn raises where a covariance is not positive definite in float64
            self._previous.pop(components, None)
            return None
        return model

    def _model(self, components: int) -> GaussianMixture:
        from sklearn.mixture import GaussianMixture

        model = self._previous.get(components) or GaussianMixture(components, covariance_type="full", **self._options)
        if self._warm_start:
            self._previous[components] = model
        return model

    def score(self, model: GaussianMixture, points: Floats64) -> float:
        """Returns the criterion of a fitted model on `points` (n, D): lower is better.

        AIC and BIC are scikit-learn's own. AICc = AIC + 2 k (k + 1) / (n - k - 1), infinite where n <= k + 1, with
        k = K ((d² - d) / 2 + 2 d + 1) - 1 and d = D - 1, the number of task coordinates: the published code counts
        parameters without the dimension of learning progress, and so does this.
        """
        if self.criterion == "bic":
            return float(model.bic(points))
        aic = float(model.aic(points))
        if self.criterion == "aic":
            return aic
        n, d = len(points), points.shape[1] - 1
        k = model.n_components * ((d * d - d) / 2 + 2 * d + 1) - 1
        return aic + 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else math.inf

    def state_dict(self) -> dict[str, Any]:
        """Returns the seed of the starts, and the previous fits, which only `warm_start` needs."""
        return {
            "random_state": self._options["random_state"],
            "previous": {str(k): {a: np.array(getattr(m, a)) for a in _FITTED} for k, m in self._previous.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        self._options["random_state"] = int(state["random_state"])
        self._previous.clear()
        for components, arrays in state["previous"].items():
            model = self._model(int(components))
            for name in _FITTED:
                value = np.array(arrays[name])
                setattr(model, name, value if value.ndim else value.item())
