"""The arguments of a run, checked, and as data."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from teachrl.configurable import is_data
from teachrl.configuration import to_data
from teachrl.errors import InvalidHyperparameter, InvalidStudent, InvalidTeacher
from teachrl.runs.loggers import check_loggers
from teachrl.student import Student
from teachrl.teacher import Teacher

Select = Literal["last", "best"]


@dataclass(frozen=True, eq=False)
class Settings:
    """What a run consists of; the attributes are the arguments of `teachrl.train` of the same names."""

    env: str
    env_kwargs: dict[str, Any]
    wrappers: list[Any]
    view: str
    teachers: list[Teacher]
    disable: list[str]
    student: Student
    steps: int
    num_envs: int
    workers: int
    seed: int
    eval_every: int | str
    checkpoint_every: int | str
    select: Select
    threads: int
    device: str
    loggers: list[str]
    video: int
    pictures: bool

    @classmethod
    def checked(cls, arguments: Mapping[str, Any]) -> Settings:
        """Checks the arguments of `train`, as far as that is possible without an environment.

        Raises:
            InvalidHyperparameter: If a number is impossible, or a logger's library is missing.
            InvalidTeacher: If a teacher is not one.
            InvalidStudent: If the student is not one.
            UnknownName: If there is no such logger.
        """
        values = {f.name: arguments[f.name] for f in fields(cls)}
        for name, least in (("steps", 1), ("num_envs", 1), ("workers", 0), ("seed", 0), ("threads", 1), ("video", 0)):
            values[name] = _count(name, values[name], least)
        for name in ("eval_every", "checkpoint_every"):
            values[name] = _interval(name, values[name])
        if not isinstance(values["pictures"], bool):
            raise InvalidHyperparameter(f"`pictures` must be true or false, got {values['pictures']!r}.")
        values["teachers"] = _teachers(values["teachers"])
        _check_select(values["select"], values["eval_every"])
        check_loggers(values["loggers"])
        if not isinstance(values["env"], str) or not values["env"]:
            raise InvalidHyperparameter(
                f"`env` must be the id of an environment, e.g. 'TeachRL/StumpTracks-v0', got {values['env']!r}."
            )
        _check_student(values["student"])
        values["student"] = _on_device(values["student"], values["device"])
        return cls(**values)

    def config(self) -> dict[str, Any]:
        """Returns the settings as data: what is not data becomes its repr."""
        config = {f.name: to_data(getattr(self, f.name)) for f in fields(self)}
        return {name: _without_addresses(value) for name, value in config.items()}

    def is_data(self) -> bool:
        """Tells whether `config` says everything."""
        return all(is_data(getattr(self, f.name)) for f in fields(self))

    def every(self, name: str) -> int:
        """Returns `eval_every` or `checkpoint_every` in steps: "auto" is a tenth of the run, 0 is never."""
        value = getattr(self, name)
        if isinstance(value, int):
            return value
        return 0 if value == "never" else -(-self.steps // 10)

    @property
    def teacher_names(self) -> list[str]:
        """The teachers' class names."""
        return [type(t).__name__ for t in self.teachers]


FREE_TO_CHANGE = frozenset(
    {"steps", "workers", "threads", "device", "loggers", "eval_every", "checkpoint_every", "video", "pictures"}
)
"""Settings that may differ when a run is resumed."""


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Returns the names of settings that differ though a resumed run needs them as they were."""
    return [
        name
        for name in new
        if name not in FREE_TO_CHANGE and name in old and _comparable(old[name]) != _comparable(new[name])
    ]


def _comparable(value: Any) -> Any:
    """Returns a setting for comparison: without devices, NaN equal to itself."""
    if isinstance(value, Mapping):
        return {k: _comparable(v) for k, v in value.items() if k != "device"}
    if isinstance(value, list):
        return [_comparable(v) for v in value]
    return "nan" if isinstance(value, float) and math.isnan(value) else value


def _count(name: str, value: Any, least: int) -> int:
    whole = isinstance(value, int | float) and not isinstance(value, bool) and float(value).is_integer()
    if not whole or value < least:
        raise InvalidHyperparameter(f"`{name}` must be a whole number, at least {least}, got {value!r}.")
    return int(value)


def _interval(name: str, value: Any) -> int | str:
    if isinstance(value, str):
        if value in ("auto", "never"):
            return value
        raise InvalidHyperparameter(
            f"`{name}` must be a number of steps, 'auto' (a tenth of the run) or 'never', got {value!r}."
        )
    return _count(name, value, 0)


def _check_select(select: Any, eval_every: int | str) -> None:
    if select not in get_args(Select):
        raise InvalidHyperparameter(f"`select` must be 'last' or 'best', got {select!r}.")
    if select == "best" and eval_every in ("never", 0):
        raise InvalidHyperparameter(
            f"select='best' takes the student that did best in the validation suite, but eval_every={eval_every!r} "
            "leaves that out. Pass eval_every='auto' or a number of steps, or select='last'."
        )


def _teachers(value: Any) -> list[Teacher]:
    teachers: list[Any] = [value] if isinstance(value, Teacher | type) else list(value)
    for teacher in teachers:
        if not isinstance(teacher, Teacher):
            hint = " Pass an instance, not the class." if isinstance(teacher, type) else ""
            raise InvalidTeacher(f"Expected a teacher (a subclass of teachrl.Teacher), got {teacher!r}.{hint}")
    return teachers


def _check_student(student: Any) -> None:
    if not isinstance(student, Student):
        hint = " Pass an instance, not the class." if isinstance(student, type) else ""
        raise InvalidStudent(
            f"`student` must be a student (a subclass of teachrl.Student), e.g. SB3('PPO') of teachrl_agents, "
            f"got {student!r}.{hint}"
        )


def _on_device(student: Student, device: str) -> Student:
    """Puts the student on the run's device, where the run names one.

    Raises:
        InvalidHyperparameter: If a device is named for a student that has no choice.
    """
    if device not in ("auto", getattr(student, "device", "cpu")):
        if "device" not in student.init_args:
            raise InvalidHyperparameter(
                f"{type(student).__name__} has no choice of device, got device={device!r}; leave it out."
            )
        student.device = device  # type: ignore[attr-defined]
    return student


def _without_addresses(value: Any) -> Any:
    """Removes memory addresses from reprs, which are different each time."""
    if isinstance(value, dict):
        return {k: _without_addresses(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_addresses(v) for v in value]
    return re.sub(r" at 0x[0-9a-fA-F]+", "", value) if isinstance(value, str) else value
