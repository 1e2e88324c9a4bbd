"""Schedules as plain data."""

import math

import pytest

from teachrl.errors import InvalidHyperparameter, UnknownName
from teachrl.schedules import Moment, SuccessGated, checked_schedule, make_schedule


def at(data: object, *progress: float) -> list[float]:
    schedule = make_schedule("it", data)  # type: ignore[arg-type]
    return [schedule(Moment(p)) for p in progress]


def test_values_over_progress() -> None:
    assert at(0.3, 0, 1) == [0.3, 0.3]
    assert at({"schedule": "constant", "value": 2}, 0.5) == [2]
    assert at({"schedule": "linear", "from": 1.0}, 0, 0.25, 1) == [1, 0.75, 0]
    assert at({"schedule": "linear", "from": 1, "to": 3, "until": 0.5}, 0.25, 0.5, 0.9) == [2, 3, 3]
    assert at({"schedule": "piecewise", "points": [[0.2, 1], [0.4, 3]]}, 0, 0.3, 1) == pytest.approx([1, 2, 3])
    values = at({"schedule": "exponential", "from": 1, "to": "1e-2", "until": 0.5}, 0, 0.25, 0.5, 1)
    assert values == pytest.approx([1, 0.1, 0.01, 0.01])


def test_values_over_rounds_are_those_of_dagger() -> None:
    linear = make_schedule("beta", {"schedule": "linear", "from": 1, "to": 0, "rounds": 15})
    power = make_schedule("beta", {"schedule": "exponential", "from": 1, "factor": 0.7})
    for i in range(20):
        assert linear(Moment(0.5, i)) == pytest.approx(min(max((15 - i) / 15, 0), 1))
        assert power(Moment(0.5, i)) == pytest.approx(0.7**i)


def test_a_gate_waits_for_success_and_keeps_its_state() -> None:
    gate = make_schedule("beta", {"schedule": "success", "from": 0.5, "to": 0.3, "step": 0.1})
    seen = [gate()]
    for success in (0.5, 0.4, 0.41, 0.1, 0.9, 0.9):
        gate.tell(success)
        seen.append(gate())
    assert seen == pytest.approx([0.5, 0.5, 0.5, 0.4, 0.4, 0.3, 0.3])
    again = SuccessGated(0.5, 0.0, 0.1)
    again.load_state_dict(gate.state_dict())
    again.tell(0.45)
    assert again() == pytest.approx(0.2)


@pytest.mark.parametrize(
    "data",
    [
        "fast", None, True, math.nan,
        {"schedule": "linear"},
        {"schedule": "linear", "from": 1, "too": 0},
        {"schedule": "linear", "from": 1, "until": 0},
        {"schedule": "linear", "from": 1, "until": 1, "rounds": 3},
        {"schedule": "exponential", "from": 1, "to": 0},
        {"schedule": "exponential", "from": 1},
        {"schedule": "exponential", "from": 1, "factor": 2},
        {"schedule": "piecewise", "points": [[0.5, 1], [0.5, 2]]},
        {"schedule": "piecewise", "points": [1, 2]},
        {"schedule": "success", "step": -1},
        {"schedule": "success", "share": -0.5},
        {"schedule": "success", "reference": -0.1},
        {"schedule": "success", "reference": 1.5},
        {"schedule": "linear", "from": 1, "rounds": 2.7},
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(data: object) -> None:
    with pytest.raises(InvalidHyperparameter, match="beta"):
        make_schedule("beta", data)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "low", "high"),
    [
        (0.3, 0.3, 0.3),
        ({"schedule": "linear", "from": 1, "to": 3, "rounds": 7}, 1, 3),
        ({"schedule": "linear", "from": 1, "to": -1, "until": 2}, 0, 1),
        ({"schedule": "exponential", "from": 1, "to": 1e-2}, 1e-2, 1),
        ({"schedule": "exponential", "from": 1, "factor": 0.5}, 0, 1),
        ({"schedule": "exponential", "from": 2, "factor": 1}, 2, 2),
        ({"schedule": "piecewise", "points": [[-1, 9], [0.31, 5], [0.33, -2], [2, 8]]}, -2, 5 + 4 * 0.31 / 1.31),
        ({"schedule": "success", "from": 0.5, "to": 0.1}, 0.1, 0.5),
    ],
)
def test_the_whole_range_is_known(data: object, low: float, high: float) -> None:
    schedule = make_schedule("it", data)  # type: ignore[arg-type]
    assert schedule.extremes() == pytest.approx((low, high))
    values = [schedule(Moment(p / 1000, p)) for p in range(1001)]
    assert low - 1e-9 <= min(values) <= max(values) <= high + 1e-9


def test_a_range_is_kept_all_through_a_run() -> None:
    late = {"schedule": "piecewise", "points": [[0, 0.5], [0.98, 0.5], [0.99, 3], [1, 0.5]]}
    with pytest.raises(InvalidHyperparameter, match="it must be a number of at least 0 and at most 1.*from 0.5 to 3"):
        checked_schedule("it", late, 0, 1)
    assert checked_schedule("it", late, 0, 3)() == 0.5
    fading = {"schedule": "linear", "from": 1, "to": 0}
    assert checked_schedule("it", fading, 0)() == 1
    with pytest.raises(InvalidHyperparameter, match="above 0 all through"):
        checked_schedule("it", fading, 0, open_ends=True)
    assert checked_schedule("it", {"schedule": "exponential", "from": 1, "factor": 0.5}, 0, open_ends=True)() == 1
    with pytest.raises(InvalidHyperparameter, match="it cannot wait for success"):
        checked_schedule("it", {"schedule": "success"}, 0)
    assert checked_schedule("it", {"schedule": "success"}, 0, waits=True).stateful


def test_an_unknown_schedule_offers_the_nearest() -> None:
    for none in (["a"], 3, None):
        with pytest.raises(UnknownName, match="no schedule"):
            make_schedule("beta", {"schedule": none})
    with pytest.raises(UnknownName, match="Did you mean 'linear'"):
        make_schedule("beta", {"schedule": "linaer", "from": 1})
