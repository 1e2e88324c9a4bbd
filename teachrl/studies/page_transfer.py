"""Forgetting and transfer of a study's variants for the page: over runs, and by cell of the task space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from teachrl.errors import InvalidRun
from teachrl.studies.page_map import Drawn, short
from teachrl.studies.page_runs import Floats
from teachrl.studies.statistics import estimate
from teachrl.studies.transfer import Grid, Transfer, read_transfer

MEASURES = ("forgetting", "forward", "backward")
BINS = 4


def transfer_data(runs: Sequence[Drawn], axes: dict[str, Any]) -> dict[str, Any] | None:
    """Returns what variants forgot and transferred, None where no run can tell.

    Args:
        runs: The runs that have a directory.
        axes: Names and ends of the task coordinates; the cells divide the first two.
    """
    if not axes["names"]:
        return None
    grid = Grid(np.array(axes["low"][:2], np.float64), np.array(axes["high"][:2], np.float64), BINS)
    found: dict[str, list[Transfer]] = {}
    for label, _, files in runs:
        if files.dims == len(axes["names"]) and (told := _read(files.path, grid)) is not None:
            found.setdefault(label, []).append(told)
    if not found:
        return None
    return {
        "names": axes["names"][:2],
        "low": grid.low,
        "high": grid.high,
        "bins": BINS,
        "variants": [_variant(label, told) for label, told in found.items()],
    }


def _read(path: Any, grid: Grid) -> Transfer | None:
    try:
        return read_transfer(path, grid=grid)
    except InvalidRun:
        return None


def _variant(label: str, runs: Sequence[Transfer]) -> dict[str, Any]:
    """Returns the measures over runs, each run first averaged over its cells, and their means in each cell."""
    summaries = [run.summary() for run in runs]
    over_runs = {m: estimate([s[m] for s in summaries if np.isfinite(s[m])]) for m in MEASURES}
    cells = {m: short(_means(np.array([getattr(run, m) for run in runs], np.float64))) for m in MEASURES}
    return {"label": label, "n": len(runs), **over_runs, "cells": cells}


def _means(values: Floats) -> Floats:
    """Returns the means over the first axis of what is finite, NaN where nothing is."""
    known = np.isfinite(values)
    counts = known.sum(axis=0)
    found: Floats = np.where(counts > 0, np.where(known, values, 0.0).sum(axis=0) / np.maximum(counts, 1), np.nan)
    return found
