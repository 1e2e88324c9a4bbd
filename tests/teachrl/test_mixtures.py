"""The choice among mixtures against scikit-learn's own figures."""

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from teachrl._mixtures import MixtureFitter


def clusters(rng, n=240, dims=3):
    centres = rng.normal(size=(4, dims)) * 4
    return centres[rng.integers(4, size=n)] + rng.normal(size=(n, dims)) * 0.2


@pytest.mark.parametrize("criterion", ["aic", "bic", "aicc"])
@pytest.mark.parametrize("em_inits", [1, 2])
def test_the_lowest_criterion_wins(criterion, em_inits):
    points = clusters(np.random.default_rng(0))
    models = [GaussianMixture(k, n_init=em_inits, random_state=7).fit(points) for k in range(2, 6)]
    n, d = len(points), 2
    parameters = [k * ((d * d - d) / 2 + 2 * d + 1) - 1 for k in range(2, 6)]
    scores = {
        "aic": [m.aic(points) for m in models],
        "bic": [m.bic(points) for m in models],
        "aicc": [
            m.aic(points) + 2 * p * (p + 1) / (n - p - 1) for m, p in zip(models, parameters, strict=True)
        ],
    }[criterion]  # fmt: skip
    best = models[int(np.argmin(scores))]
    fitter = MixtureFitter(2, 5, criterion, em_inits, False, random_state=7)
    mixture = fitter.fit(points)
    np.testing.assert_array_equal(mixture.means, best.means_)
    np.testing.assert_array_equal(mixture.covariances, best.covariances_)
    np.testing.assert_array_equal(mixture.weights, best.weights_)
    assert [fitter.score(m, points) for m in models] == scores


def test_aicc_is_infinite_with_too_few_points():
    points = clusters(np.random.default_rng(0), n=20)
    model = GaussianMixture(4, random_state=0).fit(points)  # 23 parameters
    assert MixtureFitter(2, 4, "aicc", 1, False, 0).score(model, points) == np.inf


def test_every_fit_starts_alike():
    points = np.random.default_rng(1).random((100, 3))
    fitter = MixtureFitter(2, 6, "aic", 1, False, random_state=3)
    first, second = fitter.fit(points), fitter.fit(points)
    np.testing.assert_array_equal(first.means, second.means)
    assert fitter.state_dict() == {"random_state": 3, "previous": {}}


def test_a_warm_start_is_scikit_learns():
    rng = np.random.default_rng(2)
    before, after = rng.random((200, 3)), rng.random((200, 3))
    model = GaussianMixture(3, warm_start=True, random_state=3).fit(before).fit(after)
    fitter = MixtureFitter(3, 3, "aic", 1, True, random_state=3)
    fitter.fit(before)
    np.testing.assert_array_equal(fitter.fit(after).means, model.means_)
    assert not np.array_equal(model.means_, GaussianMixture(3, random_state=3).fit(after).means_)


def test_a_warm_start_survives_a_state_round_trip():
    rng = np.random.default_rng(2)
    before, after = rng.random((200, 3)), rng.random((200, 3))
    fitter, other = MixtureFitter(2, 4, "aic", 1, True, 3), MixtureFitter(2, 4, "aic", 1, True, 9)
    fitter.fit(before)
    other.load_state_dict(fitter.state_dict())
    np.testing.assert_array_equal(fitter.fit(after).means, other.fit(after).means)


def test_points_in_one_place_are_no_warning():
    mixture = MixtureFitter(2, 10, "aic", 1, False, 0).fit(np.zeros((50, 3)))
    np.testing.assert_allclose(mixture.means, 0.0)


def test_nothing_fits_a_line_of_huge_numbers():
    line = np.linspace(0, 1e9, 60)
    assert MixtureFitter(2, 4, "aic", 1, False, 0).fit(np.stack([line, 2 * line], axis=1)) is None


def test_a_degenerate_fit_is_left_out(monkeypatch):
    points = clusters(np.random.default_rng(0))
    ordinary = GaussianMixture.fit

    def fit(model, x):
        if model.n_components == 4:
            raise ValueError("ill-defined empirical covariance")
        return ordinary(model, x)

    assert len(MixtureFitter(4, 5, "bic", 1, False, 0).fit(points).weights) == 4
    monkeypatch.setattr(GaussianMixture, "fit", fit)
    assert len(MixtureFitter(4, 5, "bic", 1, False, 0).fit(points).weights) == 5


def test_the_fit_keeps_to_one_thread_and_gives_the_others_back():
    from threadpoolctl import threadpool_info

    before = [(i["filepath"], i["num_threads"]) for i in threadpool_info()]
    MixtureFitter(2, 3, "aic", 1, False, 0).fit(np.random.default_rng(0).random((50, 3)))
    after = {i["filepath"]: i["num_threads"] for i in threadpool_info()}
    assert all(after[path] == threads for path, threads in before)
