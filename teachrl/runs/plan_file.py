"""A file of what a provider planned for the levels of an environment, for `Recorded`; a kill loses seconds of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from teachrl.errors import InvalidHyperparameter
from teachrl.providers.recorded import FORMAT
from teachrl.subgoals import Layout, Subgoal

SECONDS = 5.0
"""Between two writings."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The plan of one level, and where it is from."""

    seed: int
    digest: str
    subgoals: list[Subgoal]
    source: str

    def to_data(self) -> dict[str, Any]:
        """Returns the plan as a dict of numbers and strings."""
        subgoals = [subgoal.to_data() for subgoal in self.subgoals]
        return {"seed": self.seed, "digest": self.digest, "subgoals": subgoals, "source": self.source}


class PlanFile:
    """The plans of a provider in an environment, on disk.

    Args:
        path: The file; one that is there is gone on with.
        env: The environment.
        env_kwargs: Arguments of its constructor.
        provider: Who plans, in words.

    Raises:
        InvalidHyperparameter: If the file is there and holds something else, or cannot be read or written.
    """

    def __init__(self, path: str, env: str, env_kwargs: Mapping[str, Any], provider: str) -> None:
        self.path = Path(path)
        self._head = {"format": FORMAT, "env": env, "env_kwargs": _as_json(env_kwargs), "provider": provider}
        self._plans = self._read() if self.path.exists() else {}
        self._written = time.monotonic()
        self._changed = False
        if not self.path.parent.is_dir():
            raise InvalidHyperparameter(f"`out` is in a directory that is not there: {self.path}. Make it first.")

    def __len__(self) -> int:
        return len(self._plans)

    def get(self, layout: Layout) -> Planned | None:
        """Returns the plan of a level if it is there and final: not of a fallback, and the level still the same."""
        plan = self._plans.get(int(layout.seed or 0))
        final = plan is not None and plan.source not in ("fallback", "none") and plan.digest == layout.digest
        return plan if final else None

    def add(self, plan: Planned) -> None:
        """Takes a plan, and writes the file if that was some seconds ago."""
        self._plans[plan.seed] = plan
        self._changed = True
        if time.monotonic() - self._written >= SECONDS:
            self.write()

    def write(self) -> None:
        """Writes the file, whole or not at all, if there is anything new.

        Raises:
            InvalidHyperparameter: If it cannot be written.
        """
        if not self._changed:
            return
        plans = ",\n".join(json.dumps(self._plans[seed].to_data()) for seed in sorted(self._plans))
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        try:
            with draft.open("w", encoding="utf-8") as file:
                file.write(f'{json.dumps(self._head)[:-1]}, "plans": [\n{plans}\n]}}\n')
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise InvalidHyperparameter(f"`out` {self.path} cannot be written: {error.strerror or error}.") from error
        self._written, self._changed = time.monotonic(), False

    def _read(self) -> dict[int, Planned]:
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            head = {name: data[name] for name in self._head}
            plans = [_planned(plan) for plan in data["plans"]]
        except OSError as error:
            raise InvalidHyperparameter(f"`out` {self.path} cannot be read: {error.strerror or error}.") from error
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidHyperparameter(
                f"`out` {self.path} is there and is not a file of plans ({type(error).__name__}: {error}). Nothing is "
                "overwritten: name another one, or remove it."
            ) from error
        if head != self._head:
            differing = [f"{n} {head[n]!r}, not {value!r}" for n, value in self._head.items() if head[n] != value]
            raise InvalidHyperparameter(
                f"`out` {self.path} holds plans with {'; '.join(differing)}. Nothing is overwritten: name another file."
            )
        return {plan.seed: plan for plan in plans}


def _as_json(env_kwargs: Mapping[str, Any]) -> Any:
    """Returns the arguments as they come back from a file, so that a tuple is like the list it was written as."""
    try:
        return json.loads(json.dumps(dict(env_kwargs)))
    except (TypeError, ValueError) as error:
        raise InvalidHyperparameter(f"`env_kwargs` must be what JSON can hold, got {env_kwargs!r}: {error}.") from error


def _planned(data: Mapping[str, Any]) -> Planned:
    subgoals: Sequence[Mapping[str, Any]] = data["subgoals"]
    return Planned(
        int(data["seed"]), str(data["digest"]), [Subgoal.from_data(s) for s in subgoals], str(data["source"])
    )
