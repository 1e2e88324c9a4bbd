"""A study's directory: its plan, its runs, what failed, and the outcomes of its trials read from all of these."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import yaml

from teachrl.errors import InvalidRun, InvalidStudy, TeachrlError
from teachrl.runs.directory import RunDirectory, utc
from teachrl.runs.facts import versions, work_tree
from teachrl.studies.measures import measure
from teachrl.studies.outcomes import METRICS, Declared, Outcome
from teachrl.studies.shipped import shipped_outcomes
from teachrl.studies.study import Study
from teachrl.studies.trials import Trial, plan
from teachrl.studies.work import is_finished

PLAN = "study.yaml"


class StudyDirectory:
    """The files of a study.

    Args:
        path: The directory.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.plan_file = self.path / PLAN
        self._draft = self.path / f".{PLAN}.tmp"
        self.runs = self.path / "runs"
        self.failures = self.path / "failures"
        self.results = self.path / "results.parquet"
        self.report = self.path / "report.html"

    @classmethod
    def is_one(cls, path: str | Path) -> bool:
        """Tells whether a directory is a study's."""
        return (Path(path) / PLAN).is_file()

    def create(self) -> None:
        """Makes the directory.

        Raises:
            InvalidStudy: If it cannot be made, or is full of something else.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            there = {p.name for p in self.path.iterdir()} - {self._draft.name}  # a draft: it was killed while it began
            strange = set() if PLAN in there else there
        except OSError as error:
            raise InvalidStudy(
                f"The study's directory {self.path} cannot be made: {error}. Pass another --out."
            ) from error
        if strange:
            raise InvalidStudy(
                f"{self.path} is not empty and no study's: it has {', '.join(sorted(strange)[:3])}. Pass another --out."
            )

    def claimed(self) -> AbstractContextManager[None]:
        """Keeps other processes from working on this study meanwhile."""
        return RunDirectory(self.path).claimed()

    # The plan

    def read_plan(self) -> dict[str, Any]:
        """Returns the plan as it was written.

        Raises:
            InvalidStudy: If there is none, or it is damaged.
        """
        try:
            data = yaml.safe_load(self.plan_file.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise InvalidStudy(
                f"{self.path} is no study's directory: it has no {PLAN}. `teachrl ablate STUDY.yaml --out {self.path}` "
                "makes one."
            ) from error
        except (OSError, yaml.YAMLError) as error:
            raise InvalidStudy(f"{self.plan_file} cannot be read: {error}") from error
        if not isinstance(data, dict) or not isinstance(data.get("study"), dict):
            raise InvalidStudy(f"{self.plan_file} holds no plan; `teachrl ablate` wrote it, and something changed it.")
        return data

    def write_plan(self, study: Study, use_shipped: bool) -> None:
        """Writes down what was declared, before anything runs; a changed declaration is kept as an amendment."""
        declared = study.data()
        old = self.read_plan() if self.plan_file.exists() else {}
        plan = {
            "declared_at": old.get("declared_at", utc()),
            "amendments": old.get("amendments", []),
            "use_shipped": use_shipped,
            "versions": versions(),
            "git": work_tree(),
            "study": declared,
        }
        if old and (changed := _changes(old["study"], declared)):
            plan["amendments"] = [
                *plan["amendments"],
                f"{utc()}: {', '.join(changed)} changed when {self._ended()} trials had ended",
            ]
        text = yaml.safe_dump(plan, sort_keys=False, allow_unicode=True, width=100)
        self._draft.write_text(text, encoding="utf-8")
        self._draft.replace(self.plan_file)

    def _ended(self) -> int:
        """Returns how many trials have results, also where a class of the old plan is not there any more."""
        try:
            return len({outcome.key for outcome in load_study(self.path)[1] if outcome.ended})
        except TeachrlError:
            return sum(1 for place in self.runs.glob("*/*") if is_finished(place))

    # Trials

    def place(self, trial: Trial) -> str:
        """Returns where a trial's run is, or would be; a run is found under whatever name its arm had."""
        found = [p for p in sorted(self.runs.glob(f"*/*-{trial.key}")) if p.is_dir()]
        return found[0].relative_to(self.path).as_posix() if found else trial.place

    def failure(self, key: str) -> str | None:
        """Returns the traceback of a trial that failed, None if it did not."""
        try:
            return str(json.loads((self.failures / f"{key}.json").read_text(encoding="utf-8"))["traceback"])
        except (OSError, ValueError, KeyError):
            return None

    def write_failure(self, trial: Trial, traceback: str) -> None:
        """Enters that a trial failed."""
        self.failures.mkdir(exist_ok=True)
        data = {"variant": trial.variant, "seed": trial.seed, "utc": utc(), "traceback": traceback}
        draft = self.failures / f".{trial.key}.tmp"
        draft.write_text(json.dumps(data, indent=1), encoding="utf-8")
        draft.replace(self.failures / f"{trial.key}.json")

    def clear_failure(self, trial: Trial) -> None:
        """Forgets that a trial failed; a run whose files are damaged, from which nothing can go on, is put aside."""
        (self.failures / f"{trial.key}.json").unlink(missing_ok=True)
        outcome = self.outcome(trial, METRICS[0], {})
        if outcome.status == "failed" and outcome.directory is not None:
            aside = self.failures / f"{trial.key}-damaged"
            shutil.rmtree(aside, ignore_errors=True)
            aside.parent.mkdir(exist_ok=True)
            outcome.directory.rename(aside)

    def outcome(self, trial: Trial, metric: str, shipped: Mapping[str, Outcome]) -> Outcome:
        """Returns what a trial came to so far."""
        place = self.path / self.place(trial)
        name = (trial.key, trial.variant, trial.seed)
        if (error := self.failure(trial.key)) is not None:
            return Outcome(*name, "failed", place if place.is_dir() else None, error=error)
        try:
            run = RunDirectory.open(place)
            if run.meta().get("status") == "finished":
                final, curve = measure(run, metric)
                return Outcome(*name, "finished", place, final, curve)
            run.checkpoint()
        except InvalidRun:
            known = shipped.get(trial.key)
            if known is not None and ("/" not in metric or metric in known.final):
                return Outcome(*name, "shipped", None, known.final, known.curve)
            return Outcome(*name, "waiting", place if place.is_dir() else None)
        except (OSError, ValueError, KeyError, TeachrlError) as damage:
            return Outcome(*name, "failed", place, error=f"The run's files are damaged: {damage}")
        return Outcome(*name, "stopped", place)


def load_study(directory: str | Path) -> tuple[Declared, list[Outcome]]:
    """Reads a study's directory: what was declared, and what every trial came to so far.

    Raises:
        InvalidStudy: If it is not a study's directory.
    """
    home = StudyDirectory(directory)
    written = home.read_plan()
    study = Study.checked(written["study"])
    variants = study.variants()
    declared = Declared(
        study.name, study.question, variants, study.control, study.metric, study.contrasts, study.seeds,
        written.get("declared_at", ""), list(written.get("amendments", [])), study.level,
    )  # fmt: skip
    return declared, outcomes(home, plan(variants, study.seeds), study.metric, bool(written.get("use_shipped")))


def outcomes(home: StudyDirectory, trials: Sequence[Trial], metric: str, use_shipped: bool) -> list[Outcome]:
    """Returns what every trial came to so far."""
    shipped = shipped_outcomes() if use_shipped else {}
    return [home.outcome(trial, metric, shipped) for trial in trials]


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Returns which parts of a declaration differ, those that say nothing about the comparison left out."""
    return [name for name in new if name not in ("name", "question") and old.get(name) != new[name]]
