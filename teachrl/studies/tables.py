"""results.parquet and results.csv: a row an evaluation of every trial that has ended, and one a trial that has not."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from teachrl.studies.outcomes import AXES, METRICS, Declared, Outcome, Variant

TEXTS = ("study", "variant", "arm", "role", "cell", "trial", "status", "suite")
TIMES = ("cpu_seconds", "wall_seconds")
"""Columns that differ from machine to machine; all others are the same whenever a study is run."""
COLUMNS = (*TEXTS, "seed", *AXES[:2], *TIMES, *METRICS)


def rows(declared: Declared, outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Returns the table's rows: of each trial its validation evaluations in order, then that of the test suite."""
    variants = {v.label: v for v in declared.variants}
    return [row for outcome in outcomes for row in _rows_of(declared, variants[outcome.variant], outcome)]


def _rows_of(declared: Declared, variant: Variant, outcome: Outcome) -> Iterator[dict[str, Any]]:
    names = (*AXES, "wall_seconds", *METRICS, *([declared.metric] if "/" in declared.metric else []))
    about = {
        "study": declared.name, "variant": variant.label, "arm": variant.arm, "role": variant.role,
        "cell": json.dumps(variant.cell), "trial": outcome.key, "seed": outcome.seed, "status": outcome.status,
    }  # fmt: skip
    if not outcome.ended:
        yield {**about, "suite": None, **dict.fromkeys(names)}
        return
    for i in range(len(outcome.curve.get(AXES[0], ()))):
        yield {**about, "suite": "validation", **{n: _at(outcome.curve, n, i) for n in names}}
    yield {**about, "suite": "test", **{n: outcome.final.get(n) for n in names}}


def _at(curve: Mapping[str, Any], name: str, i: int) -> float | None:
    return float(curve[name][i]) if name in curve else None


def write_results(declared: Declared, outcomes: Sequence[Outcome], path: Path) -> None:
    """Writes the table as parquet, and beside it as CSV."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = rows(declared, outcomes)
    columns = list(COLUMNS) + ([declared.metric] if "/" in declared.metric else [])
    types = {c: pa.string() if c in TEXTS else pa.int64() if c == "seed" else pa.float64() for c in columns}
    draft = path.with_name(f".{path.name}.tmp")
    pq.write_table(pa.table({c: pa.array([r.get(c) for r in table], types[c]) for c in columns}), draft)
    draft.replace(path)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    draft = path.with_suffix(".csv.tmp")
    draft.write_text(text.getvalue(), encoding="utf-8")
    draft.replace(path.with_suffix(".csv"))


def read_results(data: bytes) -> list[Outcome]:
    """Reads the trials that had ended from the bytes of a results.parquet; one that several arms share is one trial."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(pa.BufferReader(data)).to_pylist()
    trials: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for row in table:
        if row["suite"] is not None:
            trials.setdefault((row["trial"], row["variant"], row["seed"]), []).append(row)
    outcomes: dict[str, Outcome] = {}
    for (key, _, _), found in trials.items():
        outcomes.setdefault(key, _outcome(key, found))
    return list(outcomes.values())


def _outcome(key: str, found: Sequence[Mapping[str, Any]]) -> Outcome:
    numbers = [name for name in found[0] if name not in (*TEXTS, "seed")]
    curve = [row for row in found if row["suite"] == "validation"]
    (final,) = [row for row in found[-1:] if row["suite"] == "test"]
    names = [n for n in numbers if all(row[n] is not None for row in curve)]
    return Outcome(
        key, final["variant"], final["seed"], "shipped",
        final={n: final[n] for n in numbers if final[n] is not None},
        curve={n: np.array([row[n] for row in curve], np.float64) for n in names} if curve else {},
    )  # fmt: skip
