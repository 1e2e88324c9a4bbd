"""A library of strategies: what was advised, and what came of it, in words that are read again.

After the strategy library of "Using Advanced LLMs to Enhance Smaller LLMs: An Interpretable Knowledge Distillation
Approach" (https://arxiv.org/abs/2408.07238), in which a strong model's advice is written down once and reused. Entries
are text for a prompt and for people; nothing in them is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachrl.advice.answers import words
from teachrl.advice.table import Column, Standing
from teachrl.errors import InvalidRun

FORMAT = "teachrl-strategies-1"
MOST = 200
"""Entries that are kept."""
_TRACED = 50
_LONGEST = 600


@dataclass(frozen=True, slots=True)
class Strategy:
    """What was advised, and what came of it.

    Attributes:
        env: Where: the environment's id.
        advice: The tasks and the reason, in words.
        uses: How often it was measured.
        cells: Mean change of the score, from 0 to 1, in the cells that were advised.
        overall: Mean change of the score in all cells known before and after.
        returns: Mean change of the return in the advised cells.
        number: Counts up with each measurement, so that the highest are the newest.
        traces: The measurements that it is the mean of, by run and question; the newest 50.
    """

    env: str
    advice: str
    uses: int = 1
    cells: float = 0.0
    overall: float = 0.0
    returns: float = 0.0
    number: int = 0
    traces: tuple[str, ...] = field(default=(), repr=False)

    def say(self) -> str:
        """Returns the strategy and its effect in a line."""
        times = f"measured {self.uses} times" if self.uses > 1 else "measured once"
        return (
            f"- {self.advice} Effect ({times}): score {self.cells:+.3f} in the advised cells, {self.overall:+.3f} "
            f"overall, return {self.returns:+.4g}."
        )

    def merged(self, other: Strategy) -> Strategy:
        """Returns the mean of two measurements of the same strategy, or more on either side."""
        uses = self.uses + other.uses
        mean = {
            name: (self.uses * getattr(self, name) + other.uses * getattr(other, name)) / uses
            for name in ("cells", "overall", "returns")
        }
        traces = (*self.traces, *other.traces)[-_TRACED:]
        return replace(self, uses=uses, number=max(self.number, other.number), traces=traces, **mean)


class Strategies:
    """The entries, in memory and, if it has a path, in a JSON file that several runs may share.

    Args:
        path: The file; it is written to by one process at a time, and replaced as a whole.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = None if path is None else Path(path)
        self.entries: list[Strategy] = [] if self.path is None else read(self.path)

    def add(self, strategy: Strategy) -> None:
        """Takes in a measurement; one with a trace that is there already is the same one again.

        Raises:
            InvalidRun: If the file cannot be read or written.
        """
        self.entries = bounded(join(self.entries, strategy))
        if self.path is not None:
            with _locked(self.path):
                write(self.path, bounded(join(read(self.path), strategy)))

    def told(self, env: str, most: int = 3) -> list[str]:
        """Returns lines on the most useful strategies of an environment, and on the newest of the others."""
        known = [s for s in self.entries if s.env == env]
        best = sorted(known, key=lambda s: (-s.overall, -s.number))[:most]
        newest = sorted((s for s in known if s not in best), key=lambda s: -s.number)[:most]
        return [s.say() for s in (*best, *newest)]

    def state_dict(self) -> list[dict[str, Any]]:
        """Returns the entries as data."""
        return [_data(s) for s in self.entries]

    def load_state_dict(self, state: Sequence[dict[str, Any]]) -> None:
        """Continues from a `state_dict`; the file is left as it is."""
        self.entries = [_strategy(entry) for entry in state]


def effect(
    scores: Column, returns: Column, standing: Standing, masses: NDArray[np.float64]
) -> tuple[float, float, float] | None:
    """Returns what came of an advice: how the student stands now, beside how it stood.

    Over the cells that are known at both times, with the share m_i of the advised tasks in cell i, the score s and the
    return R of it, both of the latest episodes,

        cells = Σ m_i (s'_i - s_i) / Σ m_i,    overall = mean_i (s'_i - s_i),    returns = Σ m_i (R'_i - R_i) / Σ m_i.

    It is what happened meanwhile, not what the advice alone did.

    Args:
        scores: (cells,) how the student stood when the advice came into force.
        returns: (cells,) the same in returns.
        standing: How it stands.
        masses: (cells,) how likely an advised task is in each cell.

    Returns:
        cells, overall and returns; None where none of the advised cells is known at both times.
    """
    change, change_of_returns = standing.latest - scores, standing.latest_returns - returns
    known = ~np.isnan(change)
    if not (total := masses[known].sum()) > 0:
        return None
    return (
        float((masses * change)[known].sum() / total),
        float(change[known].mean()),
        float((masses * change_of_returns)[known].sum() / total),
    )


def trace(*facts: object) -> str:
    """Returns a name for a measurement, the same for the same facts."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def advice_in_words(reason: str, tasks: str) -> str:
    """Returns an advice as a line: why, and which tasks."""
    reason = words(reason)
    ends = "" if not reason or reason[-1] in ".!?…" else "."
    return f"{reason}{ends} Tasks: {words(tasks, _LONGEST - 200)}.".strip()


def join(entries: Sequence[Strategy], new: Strategy) -> list[Strategy]:
    """Returns the entries with one more measurement, merged with the same strategy if that is there."""
    if any(set(new.traces) & set(s.traces) for s in entries):
        return list(entries)
    new = replace(new, number=1 + max((s.number for s in entries), default=0))
    same: Callable[[Strategy], bool] = lambda s: (s.env, s.advice.casefold()) == (new.env, new.advice.casefold())  # noqa: E731
    merged = [s.merged(new) if same(s) else s for s in entries]
    return merged if any(map(same, entries)) else [*merged, new]


def bounded(entries: Sequence[Strategy], most: int = MOST) -> list[Strategy]:
    """Returns the entries, without the least useful of the older half if there are too many."""
    kept = list(entries)
    while len(kept) > most:
        older = sorted(kept, key=lambda s: s.number)[: (len(kept) + 1) // 2]
        kept.remove(min(older, key=lambda s: s.overall))
    return kept


def read(path: Path) -> list[Strategy]:
    """Reads a library; one that is not there yet is empty.

    Raises:
        InvalidRun: If it cannot be read, or is none.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise InvalidRun(f"The strategy library {path} cannot be read: {error}") from error
    try:
        if data["format"] != FORMAT:
            raise ValueError(f"its format is {data['format']!r}")
        return [_strategy(entry) for entry in data["strategies"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidRun(
            f"{path} is not a strategy library of this version ({FORMAT}): {error!r}. Give the library another path."
        ) from error


def write(path: Path, entries: Sequence[Strategy]) -> None:
    """Replaces a library as a whole.

    Raises:
        InvalidRun: If it cannot be written.
    """
    data = {"format": FORMAT, "strategies": [{"words": s.say(), **_data(s)} for s in entries]}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".tmp", delete=False) as draft:
            json.dump(data, draft, indent=1, ensure_ascii=False)
            draft.flush()
            os.fsync(draft.fileno())
        os.replace(draft.name, path)
    except OSError as error:
        raise InvalidRun(f"The strategy library {path} cannot be written: {error}") from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keeps other processes from writing meanwhile, where the system can lock a file."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with ExitStack() as opened:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = opened.enter_context(path.with_name(f"{path.name}.lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            raise InvalidRun(f"The strategy library {path} cannot be written: {error}") from error
        yield


def _data(strategy: Strategy) -> dict[str, Any]:
    return {**asdict(strategy), "traces": list(strategy.traces)}


_TYPES: dict[str, Any] = {"env": str, "advice": str, "uses": int, "number": int}


def _strategy(entry: dict[str, Any]) -> Strategy:
    """Rebuilds an entry; its words are cut to one printable line, for people may have written it.

    Raises:
        ValueError: If a value is of another type.
    """
    known = {f.name: entry[f.name] for f in fields(Strategy) if f.name in entry}
    wrong = [n for n, v in known.items() if n != "traces" and not isinstance(v, _TYPES.get(n, (int, float)))]
    if wrong or not all(isinstance(t, str) for t in known.get("traces", ())):
        raise ValueError(f"wrong type of {wrong or 'traces'}")
    made = Strategy(**{**known, "traces": tuple(known.get("traces", ()))})
    return replace(made, advice=words(made.advice, _LONGEST))
