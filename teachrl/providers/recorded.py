"""Subgoals out of a file: answers that were asked for ahead of training, or that others have published."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from teachrl._checks import check
from teachrl.errors import InvalidTeacher
from teachrl.providers.noisy import SIMULATED
from teachrl.providers.provider import SubgoalProvider
from teachrl.subgoals import Layout, Layouts, Subgoal

FORMAT = "teachrl-plans-1"
UNMET = 32
"""Levels of which none is in the file, after which a warning says so."""


@dataclass(frozen=True, slots=True)
class _Record:
    """One answer; `relative` cells are seen from where the agent begins, and `lost` ones are not cells.

    The errors of one that is `simulated` are meant, as `Noisy` made them.
    """

    subgoals: list[Subgoal]
    digest: str = ""
    relative: bool = False
    lost: int = 0
    simulated: bool = False


class Recorded(SubgoalProvider):
    """Looks plans up in a file, by what the level looks like, or else by its seed.

    The file is what `teachrl plan-subgoals` writes, or a list of published answers, `[{"seed": 3, "positions":
    [[x, y], ...]}, ...]` (or `"relative"`, cells seen from where the agent begins). Those are found by seed alone,
    which a teacher of seeds must set, such as `Levels`. Subgoals that cannot be meant in the level are left out and
    counted, but for those of `Noisy`, whose errors are meant. A plan for another level under the same seed is not used.

    Args:
        path: The file.
        fallback: What stands in for a plan that is not there or has nothing left: `"Planner"`, or `"none"`.

    Raises:
        InvalidTeacher: In `begin`, if the file cannot be read, is not one of plans or is of another environment.
    """

    _env_id: str
    _by_digest: dict[str, _Record]
    _by_seed: dict[int, _Record]

    def __init__(self, path: str, fallback: Literal["Planner", "none"] = "Planner") -> None:
        self.path = path
        self.fallback = fallback

    def begin(self, layouts: Layouts, rng: np.random.Generator) -> None:
        """Starts a run: reads the file.

        Raises:
            InvalidTeacher: If it cannot be read, is not one of plans or is of another environment.
            InvalidHyperparameter: If there is no such fallback.
        """
        super().begin(layouts, rng)
        self._missed = 0
        check(self, "fallback", self.fallback in ("Planner", "none"), "'Planner' or 'none'")
        data = _read(self.path)
        self._env_id, plans = "", data
        if isinstance(data, Mapping):
            if data.get("format") != FORMAT or not isinstance(data.get("env"), str):
                raise InvalidTeacher(
                    f"{self.path} must be of the format {FORMAT!r} and name its env, got {data.get('format')!r} and "
                    f"{data.get('env')!r}. `teachrl plan-subgoals` writes such a file."
                )
            self._env_id, plans = data["env"], data.get("plans")
        if self.env_id:
            self._check_env(self.env_id)
        self._by_digest, self._by_seed = self._indexed(plans)

    def _check_env(self, env_id: str) -> None:
        if self._env_id not in ("", env_id):
            raise InvalidTeacher(
                f"{self.path} holds plans for {self._env_id}, but the environment is {env_id}: record plans for it, "
                f"`teachrl plan-subgoals --env {env_id} ...`."
            )

    def _indexed(self, plans: Any) -> tuple[dict[str, _Record], dict[int, _Record]]:
        if not isinstance(plans, list):
            raise InvalidTeacher(f"{self.path} must hold a list of plans, got {type(plans).__name__}.")
        digests: dict[str, _Record] = {}
        seeds: dict[int, _Record] = {}
        for place, plan in enumerate(plans):
            try:
                record = _record(plan)
            except (TypeError, ValueError) as error:
                raise InvalidTeacher(f"Plan {place} of {self.path} cannot be read: {error}") from error
            if record.digest:
                digests[record.digest] = record
            if type(seed := plan.get("seed")) is int:
                seeds[seed] = record
        return digests, seeds

    def plan(self, layout: Layout) -> list[Subgoal]:
        """Returns the recorded subgoals of a level, or the fallback's.

        Raises:
            InvalidTeacher: If the file is of another environment.
        """
        self._check_env(layout.env_id)
        record = self._found(layout)
        plan = [] if record is None else self._placed(layout, record)
        if plan:
            return self.counted("recorded", plan)
        self._warn()
        return self.counted("fallback", self.layouts.oracle(layout) if self.fallback == "Planner" else [])

    def _warn(self) -> None:
        """Says so if nothing that was asked for is in the file."""
        self._missed += 1
        if self._missed == UNMET and not self._counts.get("plans/recorded"):
            warnings.warn(
                f"None of the first {UNMET} levels has a plan in {self.path}: "
                f"{'the planner plans' if self.fallback == 'Planner' else 'nobody plans'} in its place. Let the run "
                "play the levels that were recorded, --teacher Levels --teacher.seeds 0:1000.",
                RuntimeWarning,
                stacklevel=3,
            )

    def _found(self, layout: Layout) -> _Record | None:
        if self._by_digest and (record := self._by_digest.get(layout.digest)) is not None:
            return record
        record = None if layout.seed is None else self._by_seed.get(layout.seed)
        if record is not None and record.digest:
            self.count("refused/level")
            return None
        return record

    def _placed(self, layout: Layout, record: _Record) -> list[Subgoal]:
        x, y, _ = layout.agent
        plan = [Subgoal(s.x + x, s.y + y) for s in record.subgoals] if record.relative else record.subgoals
        if record.lost:
            self.count("refused/form", record.lost)
        if record.simulated:
            return [s for s in plan if 0 <= s.x < layout.width and 0 <= s.y < layout.height]
        return self.accepted(layout, plan)


def _read(path: str) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidTeacher(f"The recorded plans {path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise InvalidTeacher(f"The recorded plans {path} are not JSON: {error}.") from error


def _record(plan: Any) -> _Record:
    """Reads one plan.

    Raises:
        TypeError: If it, or a subgoal, is not a dict.
        ValueError: If its entries are not what they should be.
    """
    if not isinstance(plan, dict):
        raise TypeError(f"a plan is a dict, got {plan!r}.")
    digest = plan.get("digest") or ""
    if not isinstance(digest, str) or (not digest and type(plan.get("seed")) is not int):
        raise ValueError(f"a plan has a digest or a seed, got {digest!r} and {plan.get('seed')!r}.")
    if "subgoals" in plan:
        subgoals = _listed(plan, "subgoals")
        if wrong := [s for s in subgoals if not isinstance(s, dict)]:
            raise TypeError(f"a subgoal is a dict, got {wrong[0]!r}.")
        simulated = str(plan.get("source", "")).startswith(SIMULATED)
        return _Record([Subgoal.from_data(s) for s in subgoals], digest, simulated=simulated)
    name = "positions" if "positions" in plan else "relative"
    cells = _listed(plan, name)
    found = [Subgoal(*c) for c in cells if _is_cell(c)]
    return _Record(found, digest, name == "relative", len(cells) - len(found))


def _listed(plan: Mapping[str, Any], name: str) -> list[Any]:
    if not isinstance(plan.get(name), list):
        raise ValueError(f"it needs a list of 'subgoals', 'positions' or 'relative', has {sorted(plan)}.")
    return plan[name]  # type: ignore[no-any-return]


def _is_cell(cell: Any) -> bool:
    return isinstance(cell, list) and len(cell) == 2 and all(type(c) is int for c in cell)
