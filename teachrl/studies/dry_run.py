"""What a study would do: its trials, steps and time, and how small a difference its seeds can detect."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from teachrl.configuration import build
from teachrl.runs.participants import Participants
from teachrl.runs.settings import Settings
from teachrl.runs.threads import limited_threads
from teachrl.runs.train import defaults, train
from teachrl.student import Student
from teachrl.studies.causal import ORDERS
from teachrl.studies.outcomes import Outcome, Variant
from teachrl.studies.progress import duration
from teachrl.studies.records import StudyDirectory, outcomes
from teachrl.studies.schedule import needed
from teachrl.studies.study import Study
from teachrl.studies.trials import Trial

PROBE_SECONDS = 3.0


def describe(
    study: Study,
    variants: Sequence[Variant],
    trials: Sequence[Trial],
    home: StudyDirectory,
    jobs: int,
    shipped: bool,
    power: bool,
) -> str:
    """Returns the plan as text; nothing is written."""
    known = outcomes(home, trials, study.metric, shipped)
    status = {outcome.key: outcome.status for outcome in known}
    left = needed(trials, {key: "waiting" if s == "failed" else s for key, s in status.items()})
    lines = [f"{study.name}: {study.question}" if study.question else study.name, ""]
    lines += [f"  {_row(variant, trials, status)}" for variant in variants]
    steps = sum(int(trial.config["steps"]) for trial in left.values())
    lines += [
        "",
        f"trials     {len(status)}, {len(left)} to run: {len(variants)} arms x {len(study.seeds)} seeds",
        f"steps      {steps:,}",
        f"time       {_time(variants, left.values(), known, jobs)}",
        f"metric     {study.metric}, on the test suite at the end of each run",
        f"contrasts  {', '.join(f'{a} - {b}' for a, b in study.contrasts)}",
        f"directory  {home.path}",
    ]
    if power:
        lines += [f"power      {line}" for line in _power(study, variants, known)]
    return "\n".join(lines)


def _row(variant: Variant, trials: Sequence[Trial], status: Mapping[str, str]) -> str:
    states = [status[trial.key] for trial in trials if trial.variant == variant.label]
    told = ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states))
    return f"{variant.label:<36} {int(variant.config['steps']):>12,} steps   {told}"


def _time(variants: Sequence[Variant], left: Iterable[Trial], known: Sequence[Outcome], jobs: int) -> str:
    """Estimates from trials that have ended, and otherwise by letting each arm learn for a moment."""
    trials = list(left)
    if not trials:
        return "nothing is left to run"
    by_label = {variant.label: variant for variant in variants}
    seconds: dict[str, float] = {}
    for label in dict.fromkeys(trial.variant for trial in trials):
        ended = [o.final["cpu_seconds"] for o in known if o.variant == label and o.ended and "cpu_seconds" in o.final]
        if ended:
            seconds[label] = float(np.median(ended))
        elif by_label[label].role not in ORDERS:
            try:
                seconds[label] = _probe(by_label[label])
            except Exception as error:  # a teacher of one's own may raise whatever it likes
                return f"unknown: {label} fails as soon as it learns, with {type(error).__name__}: {error}"
    typical = max(seconds.values(), default=0.0)
    total = sum(seconds.get(trial.variant, typical) for trial in trials)
    return f"about {duration(total / jobs)} with {jobs} jobs ({duration(total)} of CPU time), evaluations not counted"


def _probe(variant: Variant) -> float:
    """Lets an arm learn for a moment; returns the CPU seconds that its whole run would take at this pace."""
    settings = Settings.checked({**defaults(), **build(variant.config, train)})
    with limited_threads(settings.threads):
        people = Participants(settings, settings.steps, workers=0)
        try:
            student = people.student
            student.learn(student.granularity)  # what is compiled and imported at first use
            warm = min(student.warm_up, settings.steps)
            early = _seconds(student, warm) if warm else 0.0
            deadline, piece, steps, late = time.monotonic() + PROBE_SECONDS, student.granularity, 0, 0.0
            while steps == 0 or (time.monotonic() < deadline and steps < settings.steps):
                late += _seconds(student, piece)
                steps, piece = steps + piece, 2 * piece
            return early + late / steps * (settings.steps - warm)
        finally:
            people.close()


def _seconds(student: Student, steps: int) -> float:
    began = time.process_time()
    student.learn(steps)
    return time.process_time() - began


def _power(study: Study, variants: Sequence[Variant], known: Sequence[Outcome]) -> list[str]:
    from teachrl.studies.power import detectable

    seeds, cells = len(study.seeds), math.prod(map(len, study.grid.values()))
    if seeds < 2:
        return ["one seed detects nothing"]
    lines = []
    for first, second in study.contrasts:
        spread = _spread(first, second, study.metric, variants, known)
        found = detectable(seeds, spread, len(study.contrasts) * cells)
        if math.isinf(found):
            lines.append(f"{first} - {second}: {seeds} seeds cannot show any difference, however large; take more")
            continue
        size = (
            f"{found:.3g} of {study.metric}" if spread else f"{found:.3g} standard deviations of the paired differences"
        )
        basis = f"whose standard deviation is {spread:.3g} so far" if spread else "of which nothing is known yet"
        lines.append(f"{first} - {second}: 8 of 10 studies with {seeds} seeds detect a difference of {size}, {basis}")
    return lines


def _spread(
    first: str, second: str, metric: str, variants: Sequence[Variant], known: Sequence[Outcome]
) -> float | None:
    """Returns the standard deviation of paired differences, pooled over the cells; None with too few results."""
    labels = {(v.arm, str(v.cell)): v.label for v in variants if v.role == "arm"}
    values = {(o.variant, o.seed): o.final[metric] for o in known if metric in o.final}
    squares, freedom = 0.0, 0
    for cell in {cell for _, cell in labels}:
        a, b = labels[first, cell], labels[second, cell]
        pairs = [x - values[b, seed] for (label, seed), x in values.items() if label == a and (b, seed) in values]
        if len(pairs) > 1:
            squares += float(np.var(pairs, ddof=1)) * (len(pairs) - 1)
            freedom += len(pairs) - 1
    return math.sqrt(squares / freedom) if squares else None
