"""Which trial runs when: what has results is left alone, and a replaying trial waits for its donor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from teachrl.studies.engines import Ended, Engine, Job
from teachrl.studies.outcomes import Outcome
from teachrl.studies.progress import Display
from teachrl.studies.records import StudyDirectory
from teachrl.studies.trials import Trial

POLL_SECONDS = 0.5
TRIES = 2
"""How often a trial is started again whose process was lost."""


def conduct_all(
    home: StudyDirectory,
    trials: Sequence[Trial],
    known: Sequence[Outcome],
    make_engine: Callable[[], Engine],
    display: Display,
) -> None:
    """Runs all trials that have no results yet.

    Args:
        home: The study's directory.
        trials: All trials, a replaying one after its donor or before it.
        known: What each came to before.
        make_engine: Makes the engine, if there is anything to run.
        display: Told what happens.
    """
    status = {outcome.key: outcome.status for outcome in known}
    waiting = needed(trials, status)
    failed = {key for key, s in status.items() if s == "failed"}
    display.start(waiting.values(), status)
    if not waiting:
        return
    school = _School(home, trials, waiting, failed, {key for key, s in status.items() if s == "finished"}, display)
    engine = make_engine()
    try:
        while school.waiting or school.running:
            school.start(engine)
            for ended in engine.wait(POLL_SECONDS) if school.running else ():
                school.end(ended)
            display.tick()
    finally:
        engine.close()


class _School:
    """The trials that wait, run, are done and failed."""

    def __init__(
        self,
        home: StudyDirectory,
        trials: Sequence[Trial],
        waiting: dict[str, Trial],
        failed: set[str],
        done: set[str],
        display: Display,
    ) -> None:
        self._home, self._display = home, display
        self._all = {trial.key: trial for trial in trials}
        self.waiting, self.running, self.failed, self.done = waiting, dict[str, Trial](), failed, done
        self._lost: Counter[str] = Counter()

    def start(self, engine: Engine) -> None:
        """Starts what can be started; gives up what waits for a donor that failed."""
        ready = [t for t in self.waiting.values() if t.donor is None or t.donor in self.done]
        for trial in ready[: max(engine.slots - len(self.running), 0)]:
            self.running[trial.key] = self.waiting.pop(trial.key)
            engine.submit(self._job(trial))
            self._display.started(trial)
        for trial in [t for t in self.waiting.values() if t.donor in self.failed]:
            del self.waiting[trial.key]
            self._fail(trial, Ended(trial.key, "The trial whose curriculum it replays failed.", 0.0, 0.0))

    def end(self, ended: Ended) -> None:
        """Enters how a trial ended; one whose process was lost goes on where it was, twice at most."""
        trial = self.running.pop(ended.key)
        if ended.error is None:
            self.done.add(ended.key)
            self._display.ended(trial, ended)
        elif ended.lost and self._lost[ended.key] < TRIES:
            self._lost[ended.key] += 1
            self.waiting[ended.key] = trial
            self._display.lost(trial, ended)
        else:
            self._fail(trial, ended)

    def _fail(self, trial: Trial, ended: Ended) -> None:
        self.failed.add(trial.key)
        self._home.write_failure(trial, ended.error or "")
        self._display.ended(trial, ended)

    def _job(self, trial: Trial) -> Job:
        donor = None if trial.donor is None else self._home.place(self._all[trial.donor])
        return Job(trial.key, trial.config, self._home.place(trial), donor)


def needed(trials: Sequence[Trial], status: Mapping[str, str]) -> dict[str, Trial]:
    """Returns the trials to run, by key: those without results, and shipped ones whose episodes are to be replayed."""
    found = {t.key: t for t in trials if status[t.key] in ("waiting", "stopped")}
    donors = {t.donor for t in found.values() if t.donor is not None}
    return {t.key: t for t in trials if t.key in found or (t.key in donors and status[t.key] == "shipped")}
