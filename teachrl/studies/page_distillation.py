"""What came over from teachers to students, for the page: closeness, its reasons, and the alarm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from teachrl.runs.alarm import PROXIES, proxy_of
from teachrl.studies.curves import learning_curve
from teachrl.studies.page_curves import POINTS
from teachrl.studies.page_map import Drawn, short
from teachrl.studies.page_runs import Floats
from teachrl.studies.shortfall import Ending, sentences

Row = Mapping[str, Any]
AT_EVALUATIONS = {
    "return": "eval/return",
    "agreement": "eval/agreement",
    "teacher_agreement": "eval/teacher_agreement",
    "entropy": "eval/entropy",
    "calibration_error": "eval/calibration_error",
    "hacking": "eval/hacking",
}
"""Numbers of validations."""
IN_BETWEEN = {"seen_loss": "train/proxy_loss", "privileged_loss": "train/privileged_loss"}
"""Numbers of training rounds, averaged since the validation before."""
SIGNS = ("eval/hacking", "eval/agreement", "train/proxy_loss")
"""A run that has none of these at its last validation is no distillation."""


def distillation_data(runs: Sequence[Drawn]) -> dict[str, Any] | None:
    """Returns what students took over from their teachers, None where no run learned from one.

    Args:
        runs: The runs that have a directory.
    """
    told = [(label, seed, files, found) for label, seed, files in runs if (found := series(files.metrics))]
    if not told:
        return None
    labels = list(dict.fromkeys(label for label, *_ in told))
    ended = {label: [found for name, _, files, found in told if name == label and _ended(files)] for label in labels}
    groups = {label: ended[label] or [found for name, _, _, found in told if name == label] for label in labels}
    return {
        "runs": [
            {"variant": label, "seed": seed, "alarm": alarm(found), **{name: short(y) for name, y in found.items()}}
            for label, seed, _, found in told
        ],
        "bands": [band for label, group in groups.items() for band in _bands(label, group)],
        "words": [{"label": label, "text": sentences(_mean(group))} for label, group in groups.items()],
    }


def series(rows: Sequence[Row]) -> dict[str, Floats]:
    """Returns the numbers of a run at its E validations, (E,) each with NaN where one is missing; {} if it has none.

    Args:
        rows: Its rows of metrics.jsonl.
    """
    at = [i for i, row in enumerate(rows) if row.get("eval/return") is not None]
    if not at or not any(sign in rows[at[-1]] for sign in SIGNS):
        return {}
    told = [rows[i] for i in at]
    proxy = proxy_of(told[-1]) or PROXIES[0]
    found = {"steps": _column(told, "student_steps")}
    found |= {name: _column(told, tag) for name, tag in {**AT_EVALUATIONS, "proxy_loss": proxy}.items()}
    pieces = [rows[i + 1 : j + 1] for i, j in zip([-1, *at], at, strict=False)]
    if any(IN_BETWEEN["privileged_loss"] in row for row in rows):
        for name, tag in IN_BETWEEN.items():
            found[name] = np.array([_mean_of(_column(piece, tag)) for piece in pieces], np.float64)
    return {name: values for name, values in found.items() if np.isfinite(values).any()}


def alarm(found: Mapping[str, Floats]) -> float | None:
    """Returns the steps at which the alarm was first raised, None if it never was."""
    raised = np.flatnonzero(found.get("hacking", np.zeros(0)) > 0)
    return float(found["steps"][raised[0]]) if len(raised) else None


def ending(found: Mapping[str, Floats]) -> Ending:
    """Returns where the numbers of a run ended, over its last third of validations."""
    third = max(1, len(found["steps"]) // 3)

    def last(name: str, back: int = 0) -> float:
        values = found.get(name, np.full(3 * third, np.nan))
        return _mean_of(values[len(values) - (back + 1) * third : len(values) - back * third])

    seen, privileged, own, there = (
        last(name) for name in ("seen_loss", "privileged_loss", "agreement", "teacher_agreement")
    )
    before = last("proxy_loss", 1) if len(found["steps"]) >= 6 else np.nan
    return Ending(
        agreement=own,
        teacher_agreement=there,
        loss=last("proxy_loss"),
        gap=(seen - privileged) / seen if seen > 0 and privileged >= 0 else np.nan,
        fall=1 - last("proxy_loss") / before if before > 0 else np.nan,
        returns=last("return"),
        best_return=float(np.nanmax(found["return"])),
        alarms=float(alarm(found) is not None),
        runs=1,
    )


def _mean(group: Sequence[Mapping[str, Floats]]) -> Ending:
    """Returns the means over the runs of a variant, of what they know."""
    ends = [ending(found) for found in group]
    names = ("agreement", "teacher_agreement", "loss", "gap", "fall", "returns", "best_return")
    means = {name: _mean_of(np.array([getattr(end, name) for end in ends], np.float64)) for name in names}
    return Ending(**means, alarms=sum(end.alarms for end in ends), runs=len(ends))


def _bands(label: str, group: Sequence[Mapping[str, Floats]]) -> list[dict[str, Any]]:
    """Returns the curves of a variant: means over runs with 95 % intervals."""
    bands = []
    for name in dict.fromkeys(name for found in group for name in found if name not in ("steps", "hacking")):
        known = [found for found in group if name in found]
        band = learning_curve([found["steps"] for found in known], [found[name] for found in known], points=POINTS)
        if len(band.x):
            numbers = {key: short(getattr(band, key)) for key in ("x", "value", "low", "high")}
            bands.append({"variant": label, "name": name, "n": band.n, **numbers})
    return bands


def _ended(files: Any) -> bool:
    return bool(files.meta.get("status") == "finished")


def _column(rows: Sequence[Row], name: str) -> Floats:
    return np.array([np.nan if row.get(name) is None else row[name] for row in rows], np.float64)


def _mean_of(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
