"""The page of a study or of a single run: one JSON object, and one HTML file that draws it and needs nothing else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from teachrl.errors import InvalidRun
from teachrl.studies.comparison import EXPLORATORY, Analysis
from teachrl.studies.outcomes import Declared, Outcome, Status, Variant
from teachrl.studies.page_curves import curves, profiles
from teachrl.studies.page_distillation import distillation_data
from teachrl.studies.page_facts import differences, facts, flatten, trouble
from teachrl.studies.page_json import clean, to_json
from teachrl.studies.page_map import Drawn, map_data, mastery_data
from teachrl.studies.page_runs import RunFiles
from teachrl.studies.page_sources import sources_data
from teachrl.studies.page_transfer import transfer_data

Data = dict[str, Any]
SCRIPTS = ("base.js", "tables.js", "charts.js", "distillation.js", "map.js", "maps.js", "facts.js", "page.js")


def page_data(directory: str | os.PathLike[str]) -> Data:
    """Returns what the page of a study's or a run's directory shows, as data that JSON has.

    Args:
        directory: The directory; the study or the run may still be running.

    Raises:
        InvalidStudy: If it is a study's directory whose plan is damaged.
        InvalidRun: If it is neither a study's nor a run's directory.
    """
    from teachrl.studies.records import StudyDirectory, load_study

    path = Path(directory)
    if StudyDirectory.is_one(path):
        return study_data(*load_study(path))
    if not any((path / name).exists() for name in ("config.yaml", "meta.json")):
        raise InvalidRun(f"{path} {_what_is_wrong(path)}. Pass a directory that `train` or `ablate` made.")
    return run_data(path)


def study_data(declared: Declared, outcomes: Sequence[Outcome], analysis: Analysis | None = None) -> Data:
    """Returns what the page of a study shows.

    Args:
        declared: The plan.
        outcomes: What the trials came to.
        analysis: What was found, worked out here without it.
    """
    from teachrl.studies.analysis import analyse

    analysis = analysis or analyse(declared, outcomes)
    runs = _runs(outcomes)
    curriculum = map_data(runs, {summary.variant: summary.values for summary in analysis.summaries})
    found: Data = clean(
        {
            "kind": "study",
            "title": declared.name,
            "question": declared.question,
            "plan": _plan(declared),
            "counts": _counts(outcomes),
            "variants": [_variant(v, declared, analysis) for v in declared.variants],
            "analysis": _analysis(analysis),
            "curves": curves(declared, outcomes),
            "distillation": distillation_data(runs),
            "sources": sources_data(runs),
            "profiles": profiles(declared, outcomes),
            "map": curriculum,
            "mastery": mastery_data(runs),
            "transfer": transfer_data(runs, curriculum["axes"]),
            "differences": differences(declared.variants, runs),
            "trouble": trouble(outcomes),
            "facts": facts(runs, outcomes),
        }
    )
    return found


def run_data(directory: str | os.PathLike[str]) -> Data:
    """Returns what the page of a single run shows; what is not written yet is empty.

    Args:
        directory: The run's directory.
    """
    files = RunFiles(Path(directory))
    outcome = _outcome(files)
    variant = Variant(outcome.variant, outcome.variant, "arm", {}, files.config)
    declared = Declared(
        str(files.config.get("env", Path(directory).name)), "", [variant], variant.label, "success_rate", [],
        [outcome.seed], str(files.meta.get("created", "")),
    )  # fmt: skip
    runs = [(variant.label, outcome.seed, files)]
    curriculum = map_data(runs, {})
    found: Data = clean(
        {
            "kind": "run",
            "title": f"{variant.label} on {declared.name}",
            "question": "",
            "plan": _plan(declared),
            "status": {
                **{k: files.meta.get(k) for k in ("status", "created", "ended", "result", "traceback")},
                "steps": files.steps,
                "written": files.written,
            },
            "counts": _counts([outcome]),
            "variants": [{"label": variant.label, "arm": variant.arm, "role": "arm", "cell": {}, "values": {}}],
            "final": outcome.final,
            "curves": curves(declared, [outcome]),
            "distillation": distillation_data(runs),
            "sources": sources_data(runs),
            "map": curriculum,
            "mastery": mastery_data(runs),
            "transfer": transfer_data(runs, curriculum["axes"]),
            "differences": {
                "labels": ["value"],
                "rows": [{"name": n, "values": [v]} for n, v in flatten(files.config).items()],
            },
            "trouble": [],
            "facts": facts(runs, [outcome]),
        }
    )
    return found


def render(data: Data, live: bool = False) -> str:
    """Returns the page as HTML that opens without a network, from any place.

    Args:
        data: What `page_data` returned.
        live: Whether the page asks for `data.json` beside itself every few seconds, and redraws.
    """
    from jinja2 import Environment
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    template = Environment(autoescape=True).from_string(_template("page.html"))
    return template.render(
        title=data["title"],
        css=Markup(_template("page.css")),
        plotly=Markup(get_plotlyjs()),
        scripts=[Markup(_template(name)) for name in SCRIPTS],
        data=Markup(to_json(data)),
        live=live,
    )


def _template(name: str) -> str:
    return (resources.files("teachrl.studies") / "templates" / name).read_text(encoding="utf-8")


def _plan(declared: Declared) -> Data:
    configs = [v.config for v in declared.variants]
    told = {
        name: list(dict.fromkeys(str(c[name]) for c in configs if c.get(name) is not None))
        for name in ("env", "steps", "num_envs")
    }
    return {
        **told,
        "student": list(dict.fromkeys(flatten({"student": c.get("student")})["student"] for c in configs)),
        "arms": list(dict.fromkeys(v.arm for v in declared.variants)),
        "cells": declared.cells,
        "control": declared.control,
        "metric": declared.metric,
        "contrasts": declared.contrasts,
        "seeds": declared.seeds,
        "declared_at": declared.declared_at,
        "amendments": declared.amendments,
        "enough": EXPLORATORY,
    }


def _counts(outcomes: Sequence[Outcome]) -> Data:
    names = [o.status for o in outcomes]
    return {"total": len(names), **{name: names.count(name) for name in dict.fromkeys(names)}}


def _variant(variant: Variant, declared: Declared, analysis: Analysis) -> Data:
    summary = next((s for s in analysis.summaries if s.variant == variant.label), None)
    return {
        "label": variant.label,
        "arm": variant.arm,
        "role": variant.role,
        "cell": variant.cell,
        "control": variant.arm == declared.control and variant.role == "arm",
        "values": summary.values if summary else {},
        "summary": {name: getattr(summary, name) for name in ("mean", "median", "iqm")} if summary else None,
    }


def _analysis(analysis: Analysis) -> Data:
    names = ("metric", "exploratory", "contrasts", "splits", "verdict", "missing", "reaches")
    return {name: getattr(analysis, name) for name in names}


def _runs(outcomes: Sequence[Outcome]) -> list[Drawn]:
    return [(o.variant, o.seed, RunFiles(o.directory)) for o in outcomes if o.directory is not None]


def _outcome(files: RunFiles) -> Outcome:
    """Returns what a single run came to so far."""
    from teachrl.runs.directory import RunDirectory
    from teachrl.studies.measures import measure

    try:
        final, curve = measure(RunDirectory(files.path))
    except (OSError, ValueError, KeyError) as error:
        files.damage.append(f"The run's metrics cannot be read: {str(error)[:200]}")
        final, curve = {}, {}
    teachers = flatten({"teachers": files.config.get("teachers") or []})["teachers"].strip("[]")
    status: Status = "finished" if files.meta.get("status") == "finished" else "stopped"
    seed = files.config.get("seed")
    return Outcome(
        "", teachers or "no teacher", seed if isinstance(seed, int) else 0, status, files.path, final, curve
    )  # fmt: skip


def _what_is_wrong(path: Path) -> str:
    if not path.is_dir():
        return "is not a directory"
    inner = sorted(p.parent for p in path.glob("**/meta.json"))
    hint = f", but {inner[0]} is a run's" if inner else ""
    return f"is neither a study's directory, with a study.yaml, nor a run's, with a config.yaml{hint}"
