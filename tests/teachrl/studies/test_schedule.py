"""Which trial runs when."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from teachrl.studies.engines import Ended, Job
from teachrl.studies.outcomes import Outcome
from teachrl.studies.progress import Display, duration
from teachrl.studies.records import StudyDirectory
from teachrl.studies.schedule import conduct_all, needed
from teachrl.studies.trials import Trial


class Desk:
    """An engine that does nothing but remember; trials in `failing` fail."""

    def __init__(
        self, slots: int = 2, failing: Sequence[str] = (), broken: bool = False, losing: Sequence[str] = ()
    ) -> None:
        self.slots, self.failing, self.broken, self.losing = slots, failing, broken, list(losing)
        self.log: list[str] = []
        self.most = 0
        self.jobs: list[Job] = []
        self.closed: bool | None = None

    def submit(self, job: Job) -> None:
        self.log.append(f"+{job.key}")
        self.jobs.append(job)
        self.most = max(self.most, len(self.jobs))

    def wait(self, timeout: float | None) -> list[Ended]:
        if self.broken:
            raise KeyboardInterrupt
        job = self.jobs.pop(0)
        self.log.append(f"-{job.key}")
        if job.key in self.losing:
            self.losing.remove(job.key)
            return [Ended(job.key, "killed by SIGKILL", 1.0, 1.0, lost=True)]
        return [Ended(job.key, "Boom\nValueError: 3" if job.key in self.failing else None, 1.0, 1.0)]

    def close(self, wait: bool = False) -> None:
        self.closed = wait


TRIALS = [
    Trial("y0", "yoked", 0, {"steps": 3}, donor="a1"),
    Trial("a0", "alp", 0, {"steps": 3}),
    Trial("a1", "alp", 1, {"steps": 3}),
    Trial("u0", "uniform", 0, {"steps": 3}),
    Trial("u0", "uniform again", 0, {"steps": 3}),
]


def outcomes(**status: str) -> list[Outcome]:
    return [Outcome(t.key, t.variant, t.seed, status.get(t.key, "waiting")) for t in TRIALS]  # type: ignore[arg-type]


def run(home: Path, desk: Desk, **status: str) -> None:
    conduct_all(StudyDirectory(home), TRIALS, outcomes(**status), lambda: desk, Display("none", "x", 4))


def test_a_replaying_trial_waits_for_its_donor_and_slots_are_kept(tmp_path: Path) -> None:
    desk = Desk(slots=2)
    run(tmp_path, desk)
    assert sorted(word for word in desk.log if word[0] == "+") == ["+a0", "+a1", "+u0", "+y0"]
    assert desk.log.index("-a1") < desk.log.index("+y0")
    assert desk.most == 2
    assert desk.closed is False


def test_jobs_say_where_the_donor_lies(tmp_path: Path) -> None:
    (tmp_path / "runs" / "older name" / "1-a1").mkdir(parents=True)
    desk = Desk(slots=1)
    seen: list[Job] = []
    desk.submit = lambda job: (seen.append(job), Desk.submit(desk, job))[1]  # type: ignore[method-assign,func-returns-value]
    run(tmp_path, desk)
    (yoked,) = [job for job in seen if job.key == "y0"]
    assert yoked.donor == "runs/older name/1-a1"
    assert yoked.place == "runs/yoked/0-y0"


def test_what_has_results_is_not_run_and_without_work_no_engine_is_made(tmp_path: Path) -> None:
    desk = Desk()
    run(tmp_path, desk, a0="finished", a1="finished", u0="shipped")
    assert [w for w in desk.log if w[0] == "+"] == ["+y0"]

    def never() -> Desk:
        raise RuntimeError("made")

    done = outcomes(a0="finished", a1="finished", u0="shipped", y0="failed")
    conduct_all(StudyDirectory(tmp_path), TRIALS, done, never, Display("none", "x", 4))


def test_a_shipped_donor_is_run_when_its_episodes_are_needed() -> None:
    status = {"y0": "waiting", "a0": "shipped", "a1": "shipped", "u0": "shipped"}
    assert set(needed(TRIALS, status)) == {"y0", "a1"}
    assert set(needed(TRIALS, {**status, "y0": "finished"})) == set()


def test_failures_are_written_and_stop_only_what_needs_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk(failing=["a1"])
    home = StudyDirectory(tmp_path)
    conduct_all(home, TRIALS, outcomes(), lambda: desk, Display("plain", "x", 4))
    assert home.failure("a1") == "Boom\nValueError: 3"
    assert "donor" in (home.failure("y0") or "") or "replays" in (home.failure("y0") or "")
    assert home.failure("u0") is None
    assert "failed: alp, seed 1: ValueError: 3" in capsys.readouterr().out
    home.clear_failure(TRIALS[2])
    assert home.failure("a1") is None


def test_an_interrupt_closes_the_engine(tmp_path: Path) -> None:
    desk = Desk(broken=True)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, desk)
    assert desk.closed is False


def test_a_lost_trial_goes_on_and_is_given_up_after_the_third_time(tmp_path: Path) -> None:
    desk = Desk(losing=["a0", "a0", "u0", "u0", "u0"])
    run(tmp_path, desk)
    assert desk.log.count("+a0") == desk.log.count("+u0") == 3
    assert StudyDirectory(tmp_path).failure("a0") is None
    assert StudyDirectory(tmp_path).failure("u0") == "killed by SIGKILL"


def test_times_are_said_in_their_units() -> None:
    assert [duration(s) for s in (12, 240, 7200)] == ["12 s", "4 min", "2.0 h"]
