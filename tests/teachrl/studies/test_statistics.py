import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from teachrl.studies.intervals import (
    bca_interval,
    percentile_interval,
    sign_flip_test,
    student_interval,
    studentised_interval,
    subset_interval,
)
from teachrl.studies.statistics import (
    difference,
    estimate,
    holm,
    improvement,
    interval,
    iqm,
    mean,
    median,
    pairing,
    permutation_test,
    unpaired_difference,
)

RNG = np.random.default_rng(3)
TEN = RNG.lognormal(size=10)
numbers = st.lists(st.integers(-4, 4), min_size=1, max_size=8)


def is_nan(estimate):
    return math.isnan(estimate.low) and math.isnan(estimate.high)


# Numbers over runs


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 10, 13])
def test_the_interquartile_mean_is_scipys_trimmed_mean(n):
    x = RNG.standard_normal((n, 3))
    assert iqm(x) == pytest.approx(stats.trim_mean(x, 0.25, axis=0))
    assert mean(x) == pytest.approx(x.mean(axis=0))
    assert median(x) == pytest.approx(np.median(x, axis=0))


def test_one_run_has_a_value_and_no_interval_and_no_run_has_neither():
    for statistic in ("mean", "median", "iqm"):
        one = estimate([0.5], statistic)
        assert (one.value, one.n) == (0.5, 1)
        assert is_nan(one)
        none = estimate([], statistic)
        assert math.isnan(none.value)
        assert none.n == 0


@pytest.mark.parametrize("n", [2, 5, 6, 10, 20])
@pytest.mark.parametrize("value", [0.0, 0.1, -7.3])
def test_runs_that_are_all_alike_give_that_value(n, value):
    runs = np.full(n, value)
    for low, high in (
        *(interval(runs, statistic) for statistic in ("mean", "median", "iqm")),
        studentised_interval(runs),
        bca_interval(runs, mean),
    ):
        assert (float(low), float(high)) == (pytest.approx(value), pytest.approx(value))


# Intervals


def brute_force_interval(x, level=0.05):
    """All means that flipping the signs around them does not reject, searched from the inside out."""
    ends = sorted({np.mean(s) for k in range(1, len(x) + 1) for s in itertools.combinations(x, k)})
    kept = [m for m in ends if sign_flip_test(x - m) > level]
    return min(kept), max(kept)


@pytest.mark.parametrize("n", [6, 7, 8])
def test_the_subset_interval_holds_the_means_that_the_test_does_not_reject(n):
    x = RNG.lognormal(size=n)
    low, high = subset_interval(x)
    # The closed set of what is not rejected has its ends among the subset means.
    assert (float(low), float(high)) == pytest.approx(brute_force_interval(x))
    assert sign_flip_test(x - (low + 1e-6)) > 0.05 >= sign_flip_test(x - (low - 1e-6))
    assert sign_flip_test(x - (high - 1e-6)) > 0.05 >= sign_flip_test(x - (high + 1e-6))


@given(st.lists(st.integers(-20, 20), min_size=6, max_size=10))
def test_the_interval_leaves_0_out_exactly_if_p_is_small(values):
    low, high = subset_interval(values)
    assert bool(low > 0 or high < 0) == bool(sign_flip_test(values) <= 0.05)
    assert min(values) <= low <= high <= max(values)


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.45, 0.6, 1.0])
def test_interval_and_test_also_agree_where_sign_patterns_are_drawn(shift):
    x = np.random.default_rng(11).standard_normal((20, 50)) + shift
    low, high = subset_interval(x)
    assert np.array_equal((low > 0) | (high < 0), sign_flip_test(x) <= 0.05)
    student_low, student_high = student_interval(x)
    assert low == pytest.approx(student_low, abs=0.1)
    assert high == pytest.approx(student_high, abs=0.1)


def test_few_runs_get_students_interval():
    x = [0.1, 0.4, 0.5]
    expected = stats.t.interval(0.95, 2, np.mean(x), stats.sem(x))
    assert subset_interval(x) == (pytest.approx(expected[0]), pytest.approx(expected[1]))
    assert student_interval(x) == subset_interval(x)
    assert subset_interval([1.0, 2, 3, 4, 5, 6]) == (1.0, 6.0)  # one subset in 64 on each side


def test_columns_are_worked_through_as_if_alone():
    x = RNG.standard_normal((10, 2, 3))
    for procedure in (
        subset_interval, student_interval, studentised_interval, lambda v: bca_interval(v, iqm),
        lambda v: percentile_interval(v, median),
    ):  # fmt: skip
        low, high = procedure(x)
        assert low.shape == high.shape == (2, 3)
        alone = procedure(x[:, 1, 2])
        assert (low[1, 2], high[1, 2]) == (pytest.approx(float(alone[0])), pytest.approx(float(alone[1])))


@pytest.mark.parametrize("statistic", [mean, iqm, median])
def test_bootstrap_intervals_are_scipys(statistic):
    def along(x, axis):
        return statistic(np.moveaxis(x, axis, 0))

    # A continuous statistic agrees up to its resamples; ranks, which have few values, up to the gap between these.
    near = (0.02 if statistic is mean else 0.07) * TEN.std()
    for method, mine in (("BCa", bca_interval), ("percentile", percentile_interval)):
        theirs = stats.bootstrap((TEN,), along, n_resamples=20_000, method=method, rng=np.random.default_rng(1))
        low, high = mine(TEN, statistic, resamples=20_000)
        assert float(low) == pytest.approx(theirs.confidence_interval.low, abs=near)
        assert float(high) == pytest.approx(theirs.confidence_interval.high, abs=near)


def test_the_studentised_interval_by_all_27_resamples_of_three():
    x = np.array([1.0, 2.0, 4.0])
    centre, error = x.mean(), x.std(ddof=1) / math.sqrt(3)
    t = []
    for drawn in itertools.product(x, repeat=3):
        spread = np.std(drawn, ddof=1) / math.sqrt(3)
        shift = np.mean(drawn) - centre
        t.append(shift / spread if spread else math.copysign(math.inf, shift))
    # Of 27 resamples 3 do not vary: 1 1 1 and 2 2 2 count as minus infinity, 4 4 4 as infinity.
    low, high = studentised_interval(x, level=0.6, resamples=200_000)
    expected = [centre - np.quantile(t, q, method="inverted_cdf") * error for q in (0.7, 0.3)]
    assert [float(low), float(high)] == pytest.approx(expected)
    low, high = studentised_interval(x, level=0.06)
    assert (float(low), float(high)) == (-math.inf, math.inf)


def test_an_unpaired_difference_is_resampled_arm_by_arm():
    a, b = RNG.standard_normal(40) + 1, 3 * RNG.standard_normal(30)
    found = unpaired_difference(a, b)
    welch = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    assert found.value == pytest.approx(a.mean() - b.mean())
    assert (found.low, found.high) == (pytest.approx(welch.low, abs=0.25), pytest.approx(welch.high, abs=0.25))
    assert is_nan(unpaired_difference(a, [1.0]))


def test_resampling_gives_the_same_numbers_twice():
    assert studentised_interval(TEN) == studentised_interval(TEN)
    assert studentised_interval(TEN) != studentised_interval(TEN, seed=1)
    assert bca_interval(TEN, mean) == bca_interval(TEN, mean)


@pytest.mark.parametrize("procedure", ["paired", "studentised", "bca", "student"])
def test_a_paired_difference_depends_on_the_differences_only(procedure):
    first, second = RNG.standard_normal((2, 10))
    found = difference(first, second, procedure)
    far = difference(first + TEN, second + TEN, procedure)
    assert found.value == pytest.approx(first.mean() - second.mean())
    assert (found.low, found.high) == (pytest.approx(far.low), pytest.approx(far.high))
    assert found.low < found.value < found.high
    assert is_nan(difference([1.0], [2.0], procedure))


# Tests


@given(numbers)
def test_the_sign_flip_test_counts_all_patterns(values):
    signs = itertools.product((-1, 1), repeat=len(values))
    means = [abs(sum(s * v for s, v in zip(pattern, values, strict=True))) for pattern in signs]
    assert float(sign_flip_test(values)) == pytest.approx(np.mean(np.array(means) >= abs(sum(values))))


def test_the_sign_flip_test_is_scipys_on_ties_that_rounding_would_break():
    x = np.array([0.1, 0.2, -0.3, 0.4, 0.7, -0.1, 0.3, 0.6])
    theirs = stats.permutation_test((x,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert float(sign_flip_test(x)) == pytest.approx(theirs.pvalue)
    assert float(sign_flip_test([0.1, 0.2, -0.3])) == 1.0
    assert float(sign_flip_test([0.0] * 10)) == 1.0
    assert float(sign_flip_test([0.3] * 10)) == pytest.approx(2 / 1024)
    assert float(sign_flip_test([1.0])) == 1.0
    assert math.isnan(sign_flip_test([]))


def test_the_sign_flip_test_of_many_pairs_draws_patterns():
    x = np.random.default_rng(5).standard_normal(16) + 0.5
    signs = 1 - 2 * ((np.arange(2**16)[:, None] >> np.arange(16)) & 1)
    exact = (np.abs(signs @ x) >= abs(x.sum()) - 1e-9).mean()
    assert float(sign_flip_test(x)) == pytest.approx(exact, abs=0.005)
    assert float(sign_flip_test(np.ones(30))) == pytest.approx(2 / 2**14)  # never 0


@given(st.lists(st.integers(0, 3), min_size=2, max_size=4), st.lists(st.integers(0, 3), min_size=2, max_size=4))
def test_the_permutation_test_is_scipys(first, second):
    theirs = stats.permutation_test((first, second), lambda a, b: np.mean(a) - np.mean(b), n_resamples=np.inf)
    below, above = (
        stats.permutation_test(
            (first, second), lambda a, b: np.mean(a) - np.mean(b), n_resamples=np.inf, alternative=side
        ).pvalue
        for side in ("less", "greater")
    )
    mine = permutation_test(first, second)
    if len(first) == len(second):  # else scipy doubles the smaller tail, ours counts what is at least as far from 0
        assert mine == pytest.approx(theirs.pvalue)
    assert min(below, above) - 1e-12 <= mine <= 1.0


def test_the_permutation_test_draws_where_splits_are_too_many():
    first, second = np.random.default_rng(2).standard_normal((2, 12))
    second += 0.8
    p = permutation_test(first, second)
    theirs = stats.permutation_test(
        (first, second), lambda a, b: np.mean(a) - np.mean(b), n_resamples=50_000, rng=np.random.default_rng(0)
    )
    assert p == pytest.approx(theirs.pvalue, abs=0.01)
    assert permutation_test(np.zeros(20), np.ones(20)) == pytest.approx(1 / 20_001)
    assert permutation_test(np.ones(20), np.ones(20)) == 1.0
    assert math.isnan(permutation_test([], [1.0]))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
    first, nothing, last = holm([0.01, math.nan, 0.02])
    assert (first, last) == (pytest.approx(0.03), pytest.approx(0.04))  # what was declared counts, ended or not
    assert math.isnan(nothing)


# Probability of improvement and pairing


@given(numbers, numbers)
def test_the_probability_of_improvement_is_mann_whitneys(first, second):
    found = improvement(first, second)
    assert found.value == pytest.approx(stats.mannwhitneyu(first, second).statistic / (len(first) * len(second)))
    mirrored = improvement(second, first)
    assert found.value + mirrored.value == pytest.approx(1.0)
    if found.n > 1:
        assert 0 <= found.low <= found.value <= found.high <= 1
        assert (mirrored.low, mirrored.high) == (pytest.approx(1 - found.high), pytest.approx(1 - found.low))
    else:
        assert is_nan(found)


def test_the_probability_of_improvement_is_never_certain():
    found = improvement(np.arange(10) + 10.0, np.arange(10.0))
    assert (found.value, found.high) == (1.0, 1.0)
    # (1 - θ)² = t²(18) V(θ), solved by hand for 10 and 10 runs.
    theta, t = found.low, stats.t.ppf(0.975, 18)
    v = theta * (1 - theta) / 100 * (1 + 9 * ((1 - theta) / (2 - theta) + theta / (1 + theta)))
    assert (1 - theta) ** 2 == pytest.approx(t**2 * v)
    assert 0.75 < theta < 0.9
    assert math.isnan(improvement([], [1.0]).value)


def test_what_pairing_buys():
    common = np.arange(10.0)
    noise = np.array([1, -1] * 5)
    found = pairing(common + noise, common - noise)
    x, y = common + noise, common - noise
    assert found.correlation == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert found.gain == pytest.approx((x.var() + y.var()) / (2 * noise).var())
    assert pairing([1.0, 2, 3, 4], [1.0, -1, -1, 1]).gain == pytest.approx(1.0)
    assert pairing(common, common + 1).gain == math.inf
    assert pairing(common, np.ones(10)).gain == 1.0
    assert math.isnan(pairing(common, np.ones(10)).correlation)
    assert math.isnan(pairing([1.0, 2.0], [2.0, 1.0]).gain)
