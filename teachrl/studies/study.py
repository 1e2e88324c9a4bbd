"""A study as its file declares it: a base, arms that change it, a control, seeds, and what will be compared.

question: Does learning progress beat uniform sampling on the gate?
base: {env: TeachRL/PointMass-v0, steps: 300000}
arms:
  uniform: {teachers: [Uniform]}
  alp-gmm: {teachers: [ALPGMM]}
grid: {student.hyperparameters.learning_rate: [0.0003, 0.001]}
control: uniform
causal: yoked
metric: success_rate
contrasts: [[alp-gmm, uniform]]
seeds: 10
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from teachrl.errors import InvalidStudy, UnknownName
from teachrl.quickstart import check_env_kwargs, completed
from teachrl.runs.train import train
from teachrl.schemas import Schema, load_yaml
from teachrl.studies.causal import controls
from teachrl.studies.outcomes import METRICS, Variant
from teachrl.studies.overrides import Config, about, overridden, reaches

DEFAULTS: Config = {"video": 0, "loggers": [], "pictures": False, "checkpoint_every": "auto"}
"""What trials do differently from single runs, unless the study says otherwise: their report draws."""
NOT_IN_A_STUDY = ("seed", "out", "resume", "progress")
TEXTS = ("name", "question", "control", "metric")


@dataclass(frozen=True, eq=False)
class Study:
    """What a study compares.

    Attributes:
        name: Its name, the file's by default.
        base: The arguments of `train` that all arms share, as data.
        arms: What each arm changes about the base, by its name.
        control: The arm that the others are compared with.
        seeds: The seeds; every variant is run with each.
        question: What it asks, for readers.
        grid: Values by dotted name; every arm is run in every cell.
        causal: `"yoked"` adds the causal controls.
        metric: The primary metric: success_rate, mean_return, mastered, or a tag of metrics.jsonl.
        contrasts: Pairs of arms that are compared; each arm with the control by default.
        level: The value of the metric that counts as learned, or one for each environment by its id: the report tells
            how soon each arm got there.
    """

    name: str
    base: Config
    arms: dict[str, Config]
    control: str
    seeds: list[int]
    question: str = ""
    grid: dict[str, list[Any]] = dataclasses.field(default_factory=dict)
    causal: Literal["yoked"] | None = None
    metric: str = METRICS[0]
    contrasts: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    level: float | dict[str, float] | None = None

    @classmethod
    def load(cls, path: str | Path) -> Study:
        """Reads a study from its file.

        Raises:
            InvalidStudy: If it is not YAML, or not a study.
            TeachrlError: If a name or a value in it is wrong.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidStudy(
                f"The study {path} cannot be read: {getattr(error, 'strerror', None) or error}."
            ) from error
        return cls.parse(text, Path(path).stem)

    @classmethod
    def parse(cls, text: str, name: str) -> Study:
        """Reads a study from YAML; see `load`."""
        try:
            check_duplicates(yaml.compose(text, yaml.SafeLoader))
            data = load_yaml(text)
        except (yaml.YAMLError, RecursionError) as error:
            raise InvalidStudy(f"The study {name} is not YAML: {error}") from error
        if not isinstance(data, Mapping):
            raise InvalidStudy(f"A study is a mapping with base, arms, control and seeds, got {data!r}.")
        if data.get("grid") == {}:
            raise InvalidStudy("The grid is empty: name an axis and its values, or leave it out.")
        return cls.checked({**data, "name": data.get("name") or name})

    @classmethod
    def checked(cls, data: Mapping[str, Any]) -> Study:
        """Makes a study of data; see `load`."""
        known = {f.name for f in dataclasses.fields(cls)}
        for field in data:
            if field not in known:
                raise UnknownName("part of a study", str(field), known)
        if missing := [part for part in ("base", "arms", "control", "seeds") if data.get(part) is None]:
            raise InvalidStudy(f"A study needs base, arms, control and seeds; {' and '.join(missing)} is missing.")
        values = {"name": "study", **{name: value for name, value in data.items() if value is not None}}
        values |= {part: _text(part, values[part]) for part in TEXTS if part in values}
        values["seeds"] = _seeds(values["seeds"])
        values["base"] = _mapping("base", values["base"])
        values["arms"] = {str(n): _mapping(f"arms.{n}", c or {}) for n, c in _mapping("arms", values["arms"]).items()}
        values["grid"] = {n: _axis(n, axis) for n, axis in _mapping("grid", values.get("grid", {})).items()}
        values["contrasts"] = _contrasts(values.get("contrasts"), values["arms"], values["control"])
        study = cls(**values)
        study.check()
        return study

    def check(self) -> None:
        """Raises a TeachrlError if the parts do not fit together."""
        if len(self.arms) < 2:
            raise InvalidStudy(f"A study compares at least two arms, got {list(self.arms)}.")
        if self.control not in self.arms:
            raise UnknownName("arm", self.control, self.arms, "It is named as the control.")
        if self.causal not in (None, "yoked"):
            raise InvalidStudy(f"`causal` must be yoked or be left out, got {self.causal!r}.")
        if self.causal and len(self.seeds) < 2:
            raise InvalidStudy(
                "`causal: yoked` takes the curriculum of another seed's student: give two seeds or more."
            )
        if self.metric not in METRICS and "/" not in self.metric:
            raise UnknownName("metric", self.metric, METRICS, "A tag of metrics.jsonl, train/mastered say, is one too.")
        _check_level(self.level, self.metric)
        schema = Schema(train, skip=NOT_IN_A_STUDY, owner="train")
        for part, changes in [
            ("the base", self.base),
            *((f"the arm {n!r}", c) for n, c in self.arms.items()),
            ("the grid", self.grid),
        ]:
            for name in changes:
                with about(part):
                    schema.check_name(str(name).split(".")[0])
        for axis in self.grid:
            if not any(reaches(config, axis) for config in self._armed().values()):
                raise InvalidStudy(f"The grid's {axis} changes nothing: no arm has it.")

    @property
    def resolved_base(self) -> Config:
        """The base with what it leaves out: what the environment recommends, and the quickstart's values."""
        flat = overridden({}, {n: v for n, v in self.base.items() if "." not in n})
        base = {**DEFAULTS, **completed(flat, flat.get("env"))}
        base.setdefault("teachers", [])
        return overridden(base, {n: v for n, v in self.base.items() if "." in n})

    def _armed(self) -> dict[str, Config]:
        base = self.resolved_base
        return {name: overridden(base, changes) for name, changes in self.arms.items()}

    def variants(self) -> list[Variant]:
        """Returns all that is run with every seed: arms, then causal controls, cell by cell.

        Raises:
            TeachrlError: If an override names what does not exist.
        """
        found: list[Variant] = []
        armed = self._armed()
        for values in itertools.product(*self.grid.values()):
            cell = dict(zip(self.grid, values, strict=True))
            arms = [self._variant(name, config, cell) for name, config in armed.items()]
            found += arms
            if self.causal:
                found += controls(arms, self.control)
        _check_labels([variant.label for variant in found])
        for variant in found:
            check_env_kwargs(variant.config["env"], variant.config.get("env_kwargs") or {})
        return found

    def _variant(self, arm: str, config: Config, cell: Config) -> Variant:
        changes = {axis: value for axis, value in cell.items() if reaches(config, axis)}
        names = [axis.rpartition(".")[2] for axis in cell]
        short = {a: n if names.count(n) == 1 else a for a, n in zip(cell, names, strict=True)}
        where = "".join(f", {short[axis]} {value}" for axis, value in cell.items())
        return Variant(f"{arm}{where}", arm, "arm", cell, overridden(config, changes))

    def data(self) -> Config:
        """Returns the study as data, as it was declared."""
        return {
            **dataclasses.asdict(self),
            "grid": self.grid or None,
            "contrasts": [list(pair) for pair in self.contrasts],
        }


def check_duplicates(node: Any) -> None:
    """Raises InvalidStudy if a mapping names the same key twice, which YAML readers pass over in silence."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            check_duplicates(item)
    if not isinstance(node, yaml.MappingNode):
        return
    keys = [key.value for key, _ in node.value]
    for i, (key, value) in enumerate(node.value):
        if key.value in keys[:i]:
            raise InvalidStudy(
                f"The study names {key.value!r} twice, again in line {key.start_mark.line + 1}: rename one."
            )
        check_duplicates(value)


def _check_labels(labels: list[str]) -> None:
    for label in labels:
        if labels.count(label) > 1:
            raise InvalidStudy(f"Two variants would be called {label!r}: rename the arm that is called like a control.")


def _text(name: str, value: Any) -> str:
    if isinstance(value, Mapping | list):
        raise InvalidStudy(f"`{name}` must be text, got {value!r}.")
    return str(value)


def _mapping(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidStudy(f"`{name}` must be a mapping of names to values, got {value!r}.")
    return {str(k): v for k, v in value.items()}


def _axis(name: str, values: Any) -> list[Any]:
    if not isinstance(values, list) or not values:
        raise InvalidStudy(f"The grid's {name} must be a list of at least one value, got {values!r}.")
    if any(a == b for a, b in itertools.combinations(values, 2)):
        raise InvalidStudy(f"The grid's {name} names a value twice: {values!r}.")
    return values


def _seeds(value: Any) -> list[int]:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return list(range(value))
    whole = isinstance(value, list) and all(isinstance(s, int) and not isinstance(s, bool) for s in value)
    if whole and value and len(set(value)) == len(value) and min(value) >= 0 and max(value) < 2**63:
        return list(value)
    raise InvalidStudy(f"`seeds` must be a number of seeds or a list of different ones below 2^63, got {value!r}.")


def _contrasts(value: Any, arms: Mapping[str, Any], control: str) -> list[tuple[str, str]]:
    if value is None:
        return [(arm, control) for arm in arms if arm != control]
    pairs = [_pair(pair, arms) for pair in (value if isinstance(value, list | tuple) else [value])]
    if len({frozenset(pair) for pair in pairs}) < len(pairs):
        raise InvalidStudy(f"A contrast is named twice, maybe the other way round: {[list(pair) for pair in pairs]}.")
    return pairs


def _check_level(level: Any, metric: str) -> None:
    for value in level.values() if isinstance(level, Mapping) else () if level is None else (level,):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidStudy(
                f"`level` must be a number, a value of the metric {metric}, or {{env: number, ...}}, got {level!r}."
            )


def _pair(value: Any, arms: Mapping[str, Any]) -> tuple[str, str]:
    if not isinstance(value, list | tuple) or len(value) != 2 or str(value[0]) == str(value[1]):
        raise InvalidStudy(f"A contrast is a pair of different arms, e.g. [alp-gmm, uniform], got {value!r}.")
    for arm in value:
        if str(arm) not in arms:
            raise UnknownName("arm", str(arm), arms, "A contrast names it.")
    return str(value[0]), str(value[1])
