"""Numbers that change over a run, written as plain data: `{schedule: linear, from: 1.0, to: 0.0, until: 0.25}`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from teachrl._checks import within
from teachrl.errors import InvalidHyperparameter, UnknownName


@dataclass(frozen=True, slots=True)
class Moment:
    """When a schedule is asked.

    Attributes:
        progress: Share of the run that has passed, from 0 to 1.
        round: Number of rounds (collect, then learn) that have passed.
    """

    progress: float = 0.0
    round: int = 0


START = Moment()


class Schedule:
    """A number that changes over a run.

    Attributes:
        stateful: Whether it depends on what it is told, so that it has a state to keep.
    """

    stateful: ClassVar[bool] = False

    def __call__(self, moment: Moment = START) -> float:
        """Returns the value at a moment."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__")

    def extremes(self) -> tuple[float, float]:
        """Returns the lowest and the highest value in a run; by default of 21 moments, as if each ended a round."""
        values = [self(Moment(p / 20, p)) for p in range(21)]
        return min(values), max(values)

    def tell(self, success: float) -> None:
        """Takes in the student's success rate of the last round, from 0 to 1."""

    def state_dict(self) -> dict[str, Any]:
        """Returns what it was told, as data."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from a `state_dict`."""


@dataclass(frozen=True)
class Constant(Schedule):
    """`{schedule: constant, value: 0.5}`, or the bare number."""

    value: float

    def __call__(self, moment: Moment = START) -> float:
        """Returns the value."""
        return self.value

    def extremes(self) -> tuple[float, float]:
        """Returns the value twice."""
        return self.value, self.value


@dataclass(frozen=True)
class Linear(Schedule):
    """`{schedule: linear, from: 1, to: 0, until: 0.25}`, or `rounds: 15` in place of `until`; constant after it.

    With `rounds: R`, from 1 to 0, it is DAgger's clip((R - i) / R, 0, 1) in round i.
    """

    begin: float
    end: float = 0.0
    until: float = 1.0
    rounds: int | None = None

    def __call__(self, moment: Moment = START) -> float:
        """Returns (1 - x) begin + x end, x being the share of the way that has passed."""
        passed = _passed(moment, self.until, self.rounds)
        return (1.0 - passed) * self.begin + passed * self.end

    def extremes(self) -> tuple[float, float]:
        """Returns first and last value, the lower one first."""
        return _sorted(self.begin, self(Moment(1.0, self.rounds or 0)))


@dataclass(frozen=True)
class Exponential(Schedule):
    """`{schedule: exponential, from: 1, to: 0.01, until: 0.5}`, or `rounds: 15`, or `factor: 0.7` for every round.

    With a factor p, from 1, it is DAgger's p^i in round i.
    """

    begin: float
    end: float | None = None
    until: float = 1.0
    rounds: int | None = None
    factor: float | None = None

    def __call__(self, moment: Moment = START) -> float:
        """Returns begin (end / begin)^x, x being the share of the way that has passed, or begin factor^round."""
        if self.factor is not None or self.end is None:
            return float(self.begin * (self.factor or 0.0) ** moment.round)
        return float(self.begin * (self.end / self.begin) ** _passed(moment, self.until, self.rounds))

    def extremes(self) -> tuple[float, float]:
        """Returns first and last value, the lower one first; with a factor the last is next to 0."""
        if self.end is not None:
            return _sorted(self.begin, self(Moment(1.0, self.rounds or 0)))
        last = {0.0: 0.0, 1.0: self.begin}.get(self.factor or 0.0, math.nextafter(0.0, self.begin))
        return _sorted(self.begin, last)


@dataclass(frozen=True)
class Piecewise(Schedule):
    """`{schedule: piecewise, points: [[0, 1], [0.3, 0.5], [1, 0]]}`: linear between (progress, value)."""

    points: tuple[tuple[float, float], ...]

    def __call__(self, moment: Moment = START) -> float:
        """Returns the interpolated value; before the first and after the last point it is theirs."""
        places, values = zip(*self.points, strict=True)
        return float(np.interp(moment.progress, places, values))

    def extremes(self) -> tuple[float, float]:
        """Returns the lowest and the highest value of the points within a run, its ends included."""
        inside = [value for place, value in self.points if 0.0 <= place <= 1.0]
        values = [self(Moment(0.0)), self(Moment(1.0)), *inside]
        return min(values), max(values)


class SuccessGated(Schedule):
    """`{schedule: success, from: 0.5, to: 0, step: 0.1, share: 0.8}`: a step down after every round that went well.

    A round went well if its success rate is above `share` times a reference: that of the first round, or `reference`.
    The rule is that of ResiP (Ankile et al. 2024, https://arxiv.org/abs/2407.16677), with its defaults for `from`,
    `step` and `share`.

    Args:
        begin: The first value.
        end: It never falls below this.
        step: How much it falls.
        share: Share of the reference that a round must exceed.
        reference: Success rate of the first round if None.
    """

    stateful = True

    def __init__(
        self,
        begin: float = 0.5,
        end: float = 0.0,
        step: float = 0.1,
        share: float = 0.8,
        reference: float | None = None,
    ) -> None:
        self.begin, self.end, self.step, self.share, self.reference = begin, end, step, share, reference
        self._value, self._reference = begin, reference

    def __call__(self, moment: Moment = START) -> float:
        """Returns the value after the last round."""
        return self._value

    def extremes(self) -> tuple[float, float]:
        """Returns `end` and `begin`."""
        return self.end, self.begin

    def tell(self, success: float) -> None:
        """Takes a step down if the round went well; the first round sets the reference and takes no step."""
        if self._reference is None:
            self._reference = float(success)
        elif success > self.share * self._reference:
            self._value = max(self.end, self._value - self.step)

    def state_dict(self) -> dict[str, Any]:
        """Returns the value and the reference."""
        return {"value": self._value, "reference": self._reference}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from a `state_dict`."""
        self._value, self._reference = state["value"], state["reference"]


def _passed(moment: Moment, until: float, rounds: int | None) -> float:
    share = moment.progress / until if rounds is None else moment.round / rounds
    return min(max(share, 0.0), 1.0)


def _sorted(one: float, other: float) -> tuple[float, float]:
    return min(one, other), max(one, other)


_FORMS: dict[str, tuple[Callable[..., Schedule], set[str], set[str]]] = {
    "constant": (Constant, {"value"}, set()),
    "linear": (Linear, {"from"}, {"to", "until", "rounds"}),
    "exponential": (Exponential, {"from"}, {"to", "until", "rounds", "factor"}),
    "piecewise": (Piecewise, {"points"}, set()),
    "success": (SuccessGated, set(), {"from", "to", "step", "share", "reference"}),
}
_NAMES = {"from": "begin", "to": "end"}


def make_schedule(what: str, data: float | Mapping[str, Any] | Schedule) -> Schedule:
    """Returns the schedule that plain data describe; a bare number is constant.

    Args:
        what: What messages call the number, e.g. `"DAgger.beta"`.
        data: A number, a mapping with the entry `schedule`, or a schedule.

    Raises:
        UnknownName: If there is no such schedule.
        InvalidHyperparameter: If an entry is missing, unknown or impossible.
    """
    if isinstance(data, Schedule):
        return data
    if not isinstance(data, Mapping):
        return Constant(_number(what, data))
    kind = data.get("schedule")
    if not isinstance(kind, str) or kind not in _FORMS:
        raise UnknownName("schedule", str(kind), _FORMS, f"{what} is a number, or a mapping like {{schedule: linear, "
                          "from: 1.0, to: 0.0}.")  # fmt: skip
    make, needed, optional = _FORMS[kind]
    given = {name: value for name, value in data.items() if name != "schedule"}
    if not needed <= set(given) <= needed | optional:
        raise InvalidHyperparameter(
            f"{what}: the schedule {kind!r} takes {', '.join(sorted(needed)) or 'nothing'}"
            f"{' and optionally ' + ', '.join(sorted(optional)) if optional else ''}, got {dict(data)!r}."
        )
    values = {_NAMES.get(name, name): _entry(what, name, value) for name, value in given.items()}
    schedule = make(**values)
    _check(what, schedule, data)
    return schedule


def checked_schedule(
    what: str,
    data: float | Mapping[str, Any] | Schedule,
    least: float,
    most: float = math.inf,
    open_ends: bool = False,
    waits: bool = False,
) -> Schedule:
    """Returns the schedule that plain data describe, whose values stay in a range all through a run.

    Args:
        what: What messages call the number.
        data: As `make_schedule` takes them.
        least: The lowest value that is possible.
        most: The highest.
        open_ends: Whether these two are not.
        waits: Whether somebody tells it of successes, so that it may wait for them.

    Raises:
        UnknownName: If there is no such schedule.
        InvalidHyperparameter: If an entry is impossible, or a value.
    """
    schedule = make_schedule(what, data)
    low, high = schedule.extremes()
    if not (least <= low and high <= most) or (open_ends and (low == least or high == most)):
        raise InvalidHyperparameter(
            f"{what} must be a number {within(least, most, open_ends)} all through a run, got {data!r}"
            f"{'' if low == high else f', which takes values from {low:g} to {high:g}'}."
        )
    if schedule.stateful and not waits:
        raise InvalidHyperparameter(
            f"{what} cannot wait for success, of which nothing tells it: take a linear, exponential or piecewise "
            f"schedule, got {data!r}."
        )
    return schedule


def _entry(what: str, name: str, value: Any) -> Any:
    if name == "points":
        right = isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0
        if not right or any(not isinstance(p, Sequence) or isinstance(p, str) or len(p) != 2 for p in value):
            raise InvalidHyperparameter(f"{what}: points are pairs [progress, value], got {value!r}.")
        return tuple((_number(what, place), _number(what, height)) for place, height in value)
    if name in ("rounds", "reference") and value is None:
        return None
    number = _number(what, value)
    if name == "rounds" and not number.is_integer():
        raise InvalidHyperparameter(f"{what}: `rounds` is a count of rounds, got {value!r}.")
    return int(number) if name == "rounds" else number


def _number(what: str, value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InvalidHyperparameter(
            f"{what} takes a finite number, or a schedule like {{schedule: linear, from: 1.0, to: 0.0}}, got {value!r}."
        )
    return number


def _check(what: str, schedule: Schedule, data: Mapping[str, Any]) -> None:
    """Raises InvalidHyperparameter for entries that are numbers, but impossible ones."""
    wrong = ""
    if isinstance(schedule, Linear | Exponential):
        if schedule.until <= 0 or (schedule.rounds is not None and schedule.rounds < 1):
            wrong = "`until` is a share of the run above 0, `rounds` a count of at least 1"
        elif schedule.rounds is not None and "until" in data:
            wrong = "it takes `until` or `rounds`, not both"
    if isinstance(schedule, Exponential):
        if (schedule.end is None) == (schedule.factor is None):
            wrong = "it takes either `to` or `factor`"
        elif schedule.factor is not None and (not 0 <= schedule.factor <= 1 or {"until", "rounds"} & set(data)):
            wrong = "`factor` is from 0 to 1, and stands without `until` and `rounds`"
        elif schedule.end is not None and not schedule.begin * schedule.end > 0:
            wrong = "`from` and `to` are of one sign and not 0"
    if isinstance(schedule, Piecewise):
        places = [place for place, _ in schedule.points]
        if any(a >= b for a, b in itertools.pairwise(places)):
            wrong = "progress must rise from point to point"
    if isinstance(schedule, SuccessGated):
        if schedule.step <= 0 or schedule.end > schedule.begin:
            wrong = "`step` is above 0, and `to` not above `from`"
        elif schedule.share < 0 or not 0 <= (schedule.reference or 0.0) <= 1:
            wrong = "`share` is not below 0, and `reference` a success rate, from 0 to 1"
    if wrong:
        raise InvalidHyperparameter(f"{what}: {wrong}, got {dict(data)!r}.")
