"""Facts of a study for the page: how its arms differ, what failed, with which versions, where, and in what time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from teachrl.studies.outcomes import Outcome, Variant, headline
from teachrl.studies.page_map import Drawn

OWN = ("seed", "out", "resume", "progress")
"""Settings of a single run."""


def differences(variants: Sequence[Variant], runs: Sequence[Drawn] = ()) -> dict[str, Any]:
    """Returns the dotted names of settings in which variants differ, and their values as text, None where absent.

    Beside them, as `common`, the settings that all variants share, with the defaults that runs tell.

    Args:
        variants: What was declared.
        runs: Runs, whose resolved configurations tell what a variant left to the defaults.
    """
    flat = {v.label: flatten(v.config) for v in variants}
    resolved = {label: flatten(files.config) for label, _, files in reversed(runs)}
    names = dict.fromkeys(name for settings in flat.values() for name in settings)
    rows = []
    for name in names:
        if len({settings.get(name) for settings in flat.values()}) > 1:
            values = [_readable(flat[label].get(name, resolved.get(label, {}).get(name))) for label in flat]
            rows.append({"name": name, "values": values})
    return {"labels": list(flat), "rows": rows, "common": _common(list(flat.values()), resolved, {*OWN, *_names(rows)})}


def _names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [row["name"] for row in rows]


def _common(
    declared: Sequence[Mapping[str, str]], resolved: Mapping[str, Mapping[str, str]], without: set[str]
) -> list[dict[str, str]]:
    """Returns the settings that have one and the same value everywhere."""
    told = [*resolved.values()] or [*declared]
    names = dict.fromkeys(name for settings in told for name in settings)
    shared = {name: told[0].get(name) for name in names if len({settings.get(name) for settings in told}) == 1}
    return [{"name": n, "value": v} for n, v in shared.items() if v is not None and n not in without]


def flatten(config: Any, name: str = "") -> dict[str, str]:
    """Returns settings as text by dotted name; classes in a list are called by their names.

    `{"teachers": [{"class_path": "teachrl.teachers.ALPGMM", "init_args": {"fit_rate": 150}}]}` becomes
    `{"teachers": "[ALPGMM]", "teachers.ALPGMM.fit_rate": "150"}`.
    """
    if isinstance(config, Mapping) and isinstance(config.get("class_path"), str):
        arguments = flatten(config["init_args"], name) if config.get("init_args") else {}
        return {**({name: class_name(config)} if name else {}), **arguments}
    if isinstance(config, Mapping) and (config or not name):
        return {k: v for key, value in config.items() for k, v in flatten(value, _join(name, str(key))).items()}
    if isinstance(config, list | tuple) and any(_is_class(item) for item in config):
        found = {name: f"[{', '.join(class_name(item) for item in config)}]"}
        for item in config:
            inner = flatten(item, _join(name, class_name(item)))
            found |= {k: v for k, v in inner.items() if k != _join(name, class_name(item))}
        return found
    return {name: _text(config)}


def class_name(spec: Any) -> str:
    """Returns the name of a class without its modules."""
    path = spec["class_path"] if isinstance(spec, Mapping) and "class_path" in spec else spec
    return str(path).rsplit(".", 1)[-1]


def _is_class(item: Any) -> bool:
    return isinstance(item, str) or (isinstance(item, Mapping) and "class_path" in item)


def _readable(value: str | None) -> str | None:
    """Says in words what stands for a place that differs from trial to trial."""
    from teachrl.studies.causal import DONOR

    return "that of another seed" if value == DONOR else value


def _join(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list | tuple):
        return f"[{', '.join(_text(v) for v in value)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_text(v)}" for k, v in value.items()) + "}"
    return str(value)


def facts(runs: Sequence[Drawn], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Returns versions, commits, machines, keys and times of runs; a value that differs between runs is a list."""
    metas = [files.meta for _, _, files in runs if files.meta]
    return {
        "versions": _merged([meta.get("versions") or {} for meta in metas]),
        "commits": _distinct([_commit(meta) for meta in metas]),
        "machines": _distinct([_machine(meta) for meta in metas]),
        "keys": [{"variant": o.variant, "seed": o.seed, "key": o.key, "status": o.status} for o in outcomes],
        "cpu_seconds": sum(cpu_seconds(o, files) for o, files in _with_files(outcomes, runs)),
        "resumed": sum(bool(meta.get("resumed")) for meta in metas),
        "mismatches": sum(len(meta.get("mismatches") or []) for meta in metas),
        "damage": [f"{label}, seed {seed}: {line}" for label, seed, files in runs for line in files.damage],
        "runs": len(metas),
    }


def cpu_seconds(outcome: Outcome, files: Any) -> float:
    """Returns the CPU time of a run, from its log or else its curve; 0 if neither says."""
    logged = [row["cpu_seconds"] for row in (files.metrics if files else []) if row.get("cpu_seconds") is not None]
    curve = outcome.curve.get("cpu_seconds")
    return float(logged[-1]) if logged else float(curve[-1]) if curve is not None and len(curve) else 0.0


def _with_files(outcomes: Sequence[Outcome], runs: Sequence[Drawn]) -> list[tuple[Outcome, Any]]:
    by_trial = {(label, seed): files for label, seed, files in runs}
    return [(o, by_trial.get((o.variant, o.seed))) for o in outcomes]


def trouble(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Returns the trials that have no results, with their tracebacks."""
    return [
        {
            "variant": o.variant,
            "seed": o.seed,
            "status": o.status,
            "error": o.error,
            "headline": headline(o.error) if o.error else None,
        }
        for o in outcomes
        if not o.ended
    ]


def _merged(tables: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    names = dict.fromkeys(name for table in tables for name in table)
    return {name: _distinct([str(table[name]) for table in tables if name in table]) for name in names}


def _distinct(values: Sequence[str | None]) -> list[str]:
    return list(dict.fromkeys(v for v in values if v))


def _commit(meta: Mapping[str, Any]) -> str | None:
    git = meta.get("git")
    return f"{git.get('commit', '')}{' with changes' if git.get('changed') else ''}" if isinstance(git, dict) else None


def _machine(meta: Mapping[str, Any]) -> str | None:
    host = meta.get("host")
    if not isinstance(host, dict):
        return None
    return ", ".join(f"{v} CPUs" if k == "cpus" else str(v) for k, v in host.items())
