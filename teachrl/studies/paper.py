"""What a study gives to a paper: PDF figures, LaTeX tables, a paragraph on methods, and the bibliography it cites."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from teachrl.errors import InvalidStudy
from teachrl.studies.bibliography import METHODS, bibliography
from teachrl.studies.comparison import Analysis
from teachrl.studies.latex import contrasts_table, escape, results_table
from teachrl.studies.outcomes import AXES, Declared, Outcome
from teachrl.studies.paper_figures import draw_curves, draw_differences, draw_mastery, draw_profiles, draw_split


def write_paper(
    directory: Path, declared: Declared, outcomes: Sequence[Outcome], analysis: Analysis, target: Path
) -> list[Path]:
    r"""Writes figures, tables and references; a figure with nothing to show is left out.

    Figures are PDF files as wide as one column (3.3 in): learning curves, differences, performance profiles, mastery
    maps, the causal split. Tables are `results.tex` and `contrasts.tex`, which need `\usepackage{booktabs}`, and
    `methods.tex` is a paragraph on the statistics that cites `methods.bib`.

    Args:
        directory: The study's directory.
        declared: Its plan.
        outcomes: What its trials came to.
        analysis: What was found.
        target: Where the files go, created if need be.

    Returns:
        The files.

    Raises:
        InvalidStudy: If no trial has ended yet, or the files cannot be written.
    """
    if not analysis.summaries:
        raise InvalidStudy(f"No trial of {directory} has ended: there is nothing for a paper yet. Run it with ablate.")
    try:
        target.mkdir(parents=True, exist_ok=True)
        return [*_figures(declared, outcomes, analysis, target), *_texts(directory, declared, analysis, target)]
    except OSError as error:
        raise InvalidStudy(f"{target} cannot be written: {error}. Pass another directory.") from error


def _figures(declared: Declared, outcomes: Sequence[Outcome], analysis: Analysis, target: Path) -> list[Path]:
    drawn: dict[str, Callable[[Path], bool]] = {
        f"learning_curves_{axis}": partial(draw_curves, declared=declared, outcomes=outcomes, axis=axis)
        for axis in _axes(outcomes)
    }
    drawn |= {
        "differences": partial(draw_differences, analysis=analysis),
        "profiles": partial(draw_profiles, declared=declared, outcomes=outcomes),
        "mastery": partial(draw_mastery, declared=declared, outcomes=outcomes),
        "causal_split": partial(draw_split, analysis=analysis),
    }
    return [path for name, draw in drawn.items() if draw(path := target / f"{name}.pdf")]


def _axes(outcomes: Sequence[Outcome]) -> list[str]:
    """Returns what curves are drawn over: all steps only where some of them were not the student's."""
    apart = any(
        not np.array_equal(o.curve["student_steps"], o.curve["total_steps"])
        for o in outcomes
        if {"student_steps", "total_steps"} <= o.curve.keys()
    )
    return [axis for axis in AXES if apart or axis != "total_steps"]


def _texts(directory: Path, declared: Declared, analysis: Analysis, target: Path) -> list[Path]:
    origin = f"% Made by teachrl {version('teachrl')} of {_plan(directory)}.\n"
    texts = {"results.tex": results_table(analysis), "methods.tex": METHODS + _changes(declared) + "\n"}
    if analysis.contrasts:
        texts["contrasts.tex"] = contrasts_table(analysis)
    texts["methods.bib"] = bibliography(declared)
    for name, text in texts.items():
        (target / name).write_text((origin if name.endswith(".tex") else "") + text, encoding="utf-8")
    return [target / name for name in texts]


def _changes(declared: Declared) -> str:
    """Says what of the declaration was changed after it was first written."""
    if not declared.amendments:
        return ""
    return f" The declaration was changed after it was first written: {escape('; '.join(declared.amendments))}."


def _plan(directory: Path) -> str:
    """Names the study's plan by the hash of its file, so that a table can be traced to it."""
    plan = directory / "study.yaml"
    if not plan.is_file():
        return "a study without a file"
    return f"study.yaml with the SHA-256 {hashlib.sha256(plan.read_bytes()).hexdigest()[:16]}"
