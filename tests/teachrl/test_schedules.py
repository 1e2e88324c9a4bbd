"""Schedules as plain data."""

import math

import pytest

from teachrl.errors import InvalidHyperparameter, UnknownName
from teachrl.schedules import Moment, SuccessGated, make_schedule


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
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(data: object) -> None:
    with pytest.raises(InvalidHyperparameter, match="beta"):
        make_schedule("beta", data)  # type: ignore[arg-type]


def test_an_unknown_schedule_offers_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'linear'"):
        make_schedule("beta", {"schedule": "linaer", "from": 1})
