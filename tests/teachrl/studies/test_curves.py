import math

import numpy as np
import pytest
from scipy import stats

from teachrl.studies.curves import learning_curve, performance_profile
from teachrl.studies.intervals import student_interval


def test_a_performance_profile_is_the_share_of_runs_above():
    taus = [-1.0, 0.0, 0.5, 2.0]
    band = performance_profile([0.0, 0.5, 0.5, 1.0], taus)
    assert band.value == pytest.approx([1.0, 0.75, 0.25, 0.0])
    reach = stats.kstwo.ppf(0.95, 4)
    assert band.low == pytest.approx(np.maximum(band.value - reach, 0))
    assert band.high == pytest.approx(np.minimum(band.value + reach, 1))
    pointwise = performance_profile([0.0, 0.5, 0.5, 1.0], taus, simultaneous=False)
    for k, above in enumerate((4, 3, 1, 0)):
        exact = stats.binomtest(above, 4).proportion_ci()
        assert (pointwise.low[k], pointwise.high[k]) == (pytest.approx(exact.low), pytest.approx(exact.high))
    nothing = performance_profile([], taus)
    assert np.isnan(nothing.value).all()
    assert nothing.n == 0


def test_a_learning_curve_interpolates_runs_where_all_of_them_are():
    xs = [[0, 10, 20], [5, 15, 30], [0, 40]]
    ys = [[0.0, 1.0, 1.0], [0.0, 1.0, 4.0], [0.0, 4.0]]
    band = learning_curve(xs, ys)
    assert band.x.tolist() == [5, 10, 15, 20]
    assert band.value == pytest.approx([(0.5 + 0 + 0.5) / 3, (1 + 0.5 + 1) / 3, (1 + 1 + 1.5) / 3, (1 + 2 + 2) / 3])
    low, high = student_interval([1.0, 2.0, 2.0])
    assert (band.low[3], band.high[3]) == (pytest.approx(float(low)), pytest.approx(float(high)))
    assert learning_curve(xs, ys, points=3).x.tolist() == [5.0, 12.5, 20.0]
    assert learning_curve(xs, ys, "median").value[3] == 2.0


def test_a_learning_curve_leaves_out_what_is_not_known():
    nan = math.nan
    band = learning_curve([[0, 1, 2], [0, 1, 2], [0, 1]], [[0.0, nan, 2.0], [nan, nan, nan], [4.0, 5.0]])
    assert band.n == 2
    assert band.x.tolist() == [0, 1]
    assert band.value == pytest.approx([2.0, 3.0])
    alone = learning_curve([[0, 1]], [[1.0, 2.0]])
    assert alone.value.tolist() == [1.0, 2.0]
    assert np.isnan(alone.low).all()
    for nothing in (learning_curve([], []), learning_curve([[0, 1], [2, 3]], [[1, 1], [1, 1]])):
        assert len(nothing.x) == len(nothing.low) == 0
