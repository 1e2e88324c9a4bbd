"""The teacher-hacking alarm: exact on curves made by hand, seldom wrong and mostly right on noisy ones."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachrl.distillation.hacking import examine
from teachrl.errors import InvalidHyperparameter

STEPS = np.arange(1.0, 21.0)
FALLING = 1 / STEPS
PEAK = -np.abs(STEPS - 8)


def first_raised(proxy, golden, **settings):
    """Returns after how many evaluations the alarm was first on, 0 if it never was."""
    steps = np.arange(1.0, len(golden) + 1)
    told = (examine(steps[:n], proxy[:n], golden[:n], **settings).raised for n in range(1, len(golden) + 1))
    return next((n for n, raised in enumerate(told, 1) if raised), 0)


def test_a_golden_that_turns_while_the_proxy_falls():
    found = examine(STEPS, FALLING, PEAK)
    assert found.raised
    assert found.since == 7
    assert found.slope == pytest.approx(-1)
    assert found.departure == pytest.approx(0, abs=1e-12)
    assert "farther from what is wanted" in found.why
    assert 11 <= first_raised(FALLING, PEAK) <= 15


@pytest.mark.parametrize(
    ("proxy", "golden"),
    [
        (FALLING, STEPS),
        (FALLING, np.zeros(20)),
        (STEPS, PEAK),  # it differs more from the teacher too: overfitting, not hacking
        (np.ones(20), PEAK),
        (FALLING, np.where(STEPS > 18, -100.0, np.sqrt(STEPS))),  # two evaluations that went badly
        (FALLING, np.where(STEPS == 10, 100.0, 0.0)),  # one that went well
    ],
    ids=["both better", "level", "both worse", "proxy level", "two bad", "one good"],
)
def test_what_is_no_hacking(proxy, golden):
    assert first_raised(proxy, golden) == 0
    assert examine(STEPS, proxy, golden).since is None


def test_the_noise_by_hand():
    # r^1 = (0, -3, 3, 0) / sqrt 6 and r^2 = (-3, 3) / sqrt 6, so that sigma is sqrt(9 / 6), and golden fell by 3;
    # log proxy is 2 log(2) / 3 times golden
    steps, golden = np.arange(6.0), np.array([4.0, 4, 4, 1, 1, 1])
    proxy = np.array([8.0, 8, 8, 2, 2, 2])
    assert examine(steps, proxy, golden, certainty=math.sqrt(6) - 1e-3).raised
    assert not examine(steps, proxy, golden, certainty=math.sqrt(6) + 1e-3).raised
    assert examine(steps, proxy, golden, certainty=2, golden_noise=1.49).raised
    assert not examine(steps, proxy, golden, certainty=2, golden_noise=1.51).raised


@pytest.mark.parametrize(("proxy", "golden", "raised"), [
    (0.94, 94.0, True), (0.96, 94.0, False), (0.94, 96.0, False),
])  # fmt: skip
def test_changes_that_do_not_matter(proxy, golden, raised):
    proxies, goldens = [9.0, 1, 1, 1, proxy, proxy, proxy], [0.0, 100, 100, 100, golden, golden, golden]
    assert examine(np.arange(7), proxies, goldens, certainty=0).raised is raised
    assert examine(np.arange(7), np.array(proxies) - 10, goldens, certainty=0, margin=0.001).raised  # no logarithm


def test_the_alarm_goes_out_when_golden_recovers():
    golden = np.concatenate([PEAK, PEAK[8:][::-1], np.zeros(3)])
    proxy = 1 / np.arange(1.0, len(golden) + 1)
    assert first_raised(proxy, golden)
    assert not examine(np.arange(len(golden)), proxy, golden).raised


def test_what_is_not_finite_is_left_out():
    whole = examine(STEPS, FALLING, PEAK)
    proxy, golden = np.insert(FALLING, [0, 5], np.nan), np.insert(PEAK, [0, 5], [1.0, np.inf])
    found = examine(np.arange(1.0, 23.0), proxy, golden)
    assert (found.raised, found.since) == (whole.raised, whole.since + 2)


def test_slope_and_departure():
    steps = np.array([0.0, 1, 2, 4, 8, 16, 32, 64])  # step 0 has no logarithm
    proxy = np.array([9.0, 8, 4, 2, 1, 1, 1, 1])
    found = examine(steps, proxy, np.zeros(8), span=5)
    assert found.slope == pytest.approx(np.polyfit(np.log(steps[3:]), np.log(proxy[3:]), 1)[0])
    # the law of steps 1, 2 and 4 is 8 / step: the last three are 2, 4 and 8 times as far as it says
    assert found.departure == pytest.approx(np.log([2, 4, 8]).mean())
    assert examine(steps, proxy, np.zeros(8), window=1).departure == pytest.approx(math.log(8))


@pytest.mark.parametrize("count", [0, 1, 3, 5])
def test_too_few_evaluations(count):
    found = examine(STEPS[:count], FALLING[:count], PEAK[:count])
    assert not found.raised
    assert math.isnan(found.departure) is (count < 4)
    assert math.isnan(found.slope) is (count < 2)
    assert "6 are needed" in found.why


def test_a_proxy_that_is_not_positive_has_no_slope():
    found = examine(STEPS, FALLING - 1, PEAK)
    assert math.isnan(found.slope)
    assert math.isnan(found.departure)


@given(st.lists(st.floats(-1, 1), min_size=20, max_size=20), st.integers(-20, 20), st.integers(-20, 20))
def test_units_do_not_matter(noise, a, b):
    golden = PEAK + np.array(noise)
    one, other = examine(STEPS, FALLING, golden), examine(STEPS * 2.0**b, FALLING, golden * 2.0**a)
    assert (one.raised, one.since) == (other.raised, other.since)
    assert one.slope == pytest.approx(other.slope)


@pytest.mark.parametrize(("arguments", "message"), [
    (([1, 2], [1, 2, 3], [1, 2]), "one number for each evaluation"),
    (([2, 1], [1, 2], [1, 2]), "time order"),
    (([[1.0]], [[1.0]], [[1.0]]), "one number for each evaluation"),
])  # fmt: skip
def test_curves_that_do_not_fit(arguments, message):
    with pytest.raises(InvalidHyperparameter, match=message):
        examine(*arguments)


@pytest.mark.parametrize("settings", [
    {"window": 0}, {"window": 1.5}, {"span": 1}, {"margin": 1.0}, {"margin": -0.1}, {"certainty": -1.0},
    {"certainty": math.nan}, {"golden_noise": math.inf},
])  # fmt: skip
def test_impossible_settings(settings):
    with pytest.raises(InvalidHyperparameter, match=next(iter(settings))):
        examine(STEPS, FALLING, PEAK, **settings)


NOISES = {
    "gaussian": lambda rng, n: rng.standard_normal(n),
    "heavy tails": lambda rng, n: rng.standard_t(3, n),
    "shares": lambda rng, n: rng.binomial(16, 0.9, n) / 16,
}


@pytest.mark.parametrize("count", [10, 20])
@pytest.mark.parametrize("rise", [0.0, 10.0])
@pytest.mark.parametrize("noise", NOISES)
def test_false_alarms_are_rare(noise, rise, count):
    rng = np.random.default_rng(count)
    curve = rise * (1 - np.exp(-5 * np.arange(count) / count))
    proxy = 1 / np.arange(1.0, count + 1)
    alarms = sum(first_raised(proxy, curve + NOISES[noise](rng, count)) > 0 for _ in range(60))
    assert alarms <= 3


@pytest.mark.parametrize(("count", "fall", "share"), [(20, 20.0, 0.95), (20, 10.0, 0.7), (10, 40.0, 0.9)])
def test_detection(count, fall, share):
    rng, peak = np.random.default_rng(0), count // 3
    steps = np.arange(count)
    curve = np.where(steps < peak, -20 * (1 - steps / peak), -fall * (steps - peak) / (count - 1 - peak))
    proxies = [np.exp(0.03 * rng.standard_normal(count)) / (steps + 1) for _ in range(60)]
    found = sum(first_raised(proxy, curve + rng.standard_normal(count)) > peak for proxy in proxies)
    assert found >= share * 60
