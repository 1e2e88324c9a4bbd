"""`teachrl ablate`: runs a study, every arm with every seed, and reports what it found."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from teachrl.errors import InvalidHyperparameter, InvalidStudy, TrialsFailed
from teachrl.runs.console import Progress
from teachrl.studies.dry_run import describe
from teachrl.studies.engines import Engine, check_engine, make_engine
from teachrl.studies.library import find, listing
from teachrl.studies.outcomes import Outcome, headline
from teachrl.studies.progress import Display
from teachrl.studies.records import StudyDirectory, load_study, outcomes
from teachrl.studies.schedule import conduct_all
from teachrl.studies.study import Study
from teachrl.studies.tables import write_results
from teachrl.studies.trials import Trial, check, plan


def ablate(
    study: str = "",
    out: str | None = None,
    jobs: int = 0,
    engine: Literal["local", "ray"] = "local",
    address: str | None = None,
    retry: bool = False,
    shipped: bool = True,
    dry_run: bool = False,
    power: bool = False,
    report: bool = True,
    list: bool = False,
    progress: Progress = "auto",
) -> str:
    """Compares teachers: runs every arm of a study with every seed, in processes, and reports.

    Everything is checked before anything runs. Killed, it goes on where it was when it is run again; trials that have
    finished are never repeated, and those of a changed arm are. A study is a YAML file: see the examples.

    Args:
        study: The study's file, or the name of a ready one, `teachrl ablate --list`.
        out: The study's directory; beside the file, under its name, without it; studies/<name> for a ready one.
        jobs: Trials at a time, 0 for one a core, or for all that a cluster has room for.
        engine: Where trials run: local, in processes of this machine, or ray, on a Ray cluster.
        address: Address of the Ray cluster, "auto" for the one that is running; without it one is started here.
        retry: Whether trials that failed are tried again.
        shipped: Whether results that come with the package stand for trials with the very same configuration.
        dry_run: Whether to print the plan only: trials, steps, estimated time.
        power: Whether the plan says also how small a difference this many seeds can detect.
        report: Whether to write report.html at the end.
        list: Whether to list the ready studies only.
        progress: What to show: a table, plain lines, none, or auto: a table on a terminal and plain lines elsewhere.

    Returns:
        The plan, or the verdict and where the report is.

    Raises:
        TeachrlError: If the study is wrong, before anything runs.
        TrialsFailed: If some trials failed, after all others have run.
        KeyboardInterrupt: If it was interrupted; run it again to go on.
    """
    if list:
        return listing()
    if not study:
        raise InvalidStudy("Name the study: a YAML file, or a ready one of `teachrl ablate --list`.")
    if jobs < 0:
        raise InvalidHyperparameter(f"`jobs` must be 0, for one a core, or more, got {jobs}.")
    file = find(study)
    declared = Study.load(file)
    home = StudyDirectory(out or _beside(study, file))
    variants = declared.variants()
    trials = plan(variants, declared.seeds)
    check(variants)
    check_engine(engine, address)
    if dry_run or power:
        return describe(declared, variants, trials, home, jobs or os.cpu_count() or 1, shipped, power)
    home.create()
    with home.claimed():
        home.write_plan(declared, shipped)
        for trial in trials if retry else ():
            home.clear_failure(trial)
        _run(declared, home, trials, shipped, partial(make_engine, engine, home.path, jobs or None, address), progress)
        return _conclude(home, report)


def _run(
    study: Study, home: StudyDirectory, trials: Sequence[Trial], shipped: bool, engine: Callable[[], Engine],
    progress: Progress,
) -> None:  # fmt: skip
    display = Display(progress, study.name, len({t.key for t in trials}))
    try:
        conduct_all(home, trials, outcomes(home, trials, study.metric, shipped), engine, display)
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt("What has been learned is saved. Run the same command again to go on.") from interrupt
    finally:
        display.close()


def _conclude(home: StudyDirectory, report: bool) -> str:
    """Writes tables and report; returns the verdict."""
    from teachrl.studies.analysis import analyse

    declared, found = load_study(home.path)
    write_results(declared, found, home.results)
    lines = [analyse(declared, found).verdict, f"results: {home.results}"]
    if report:
        from teachrl.studies.report import report as write_report

        write_report(str(home.path))
        lines.append(f"report:  {home.report}")
    trials = {outcome.key: outcome for outcome in found}  # arms that do the same share theirs
    failed = [outcome for outcome in trials.values() if outcome.status == "failed"]
    if failed:
        raise TrialsFailed(_failures(failed, len(trials), home) + "\n" + "\n".join(lines))
    return "\n".join(lines)


def _failures(failed: Sequence[Outcome], total: int, home: StudyDirectory) -> str:
    shown = [f"  {o.variant}, seed {o.seed}: {headline(o.error or '')}" for o in failed[:5]]
    more = [f"  and {len(failed) - 5} more"] if len(failed) > 5 else []
    return "\n".join(
        [
            f"{len(failed)} of {total} trials failed; the others stand. Their tracebacks are in {home.failures}. "
            "Run the same command with --retry to try them again.",
            *shown,
            *more,
        ]
    )


def _beside(study: str, file: Path) -> Path:
    return file.with_suffix("") if Path(study).suffix else Path("studies") / file.stem
