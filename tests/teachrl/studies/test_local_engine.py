import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from engine_teachers import collect, comparable, job, odd

from teachrl.studies import local_engine, memory
from teachrl.studies.local_engine import LocalEngine
from teachrl.studies.work import can_continue, conduct, is_finished

needs_proc = pytest.mark.skipif(not memory.resident(), reason="the system does not tell about its processes")
OWNER = """
import sys
from pathlib import Path
from engine_teachers import job, odd
from teachrl.studies.local_engine import LocalEngine

directory = Path(sys.argv[1])
engine = LocalEngine(directory, 2)
for seed in range(2):
    engine.submit(job("k", seed, teacher=odd("slow", 20, directory / f"mark{seed}"), steps=5000))
try:
    while not (ended := engine.wait(1.0)):
        pass
    print(ended)
except KeyboardInterrupt:
    engine.close()
    print("closed")
"""


@pytest.fixture
def engine(tmp_path):
    with contextlib.closing(LocalEngine(tmp_path, 2)) as engine:
        yield engine


def alive(pid: int) -> bool:
    """Tells whether a process runs; one that ended and was not waited for does not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def until(condition, seconds: float = 30.0) -> float:
    """Waits until a condition holds; returns how long that took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        time.sleep(0.01)
    return time.monotonic() - began


def workers(engine: LocalEngine) -> set[int]:
    return {worker.pid for worker in engine._workers}


def test_trials_run_as_they_do_alone_in_workers_that_are_reused(engine, tmp_path):
    for seed in range(4):
        engine.submit(job(f"k{seed}", seed))
    first = workers(engine)
    ended = collect(engine, 4)
    assert sorted(ended) == ["k0", "k1", "k2", "k3"]
    assert {e.error for e in ended.values()} == {None}
    assert all(e.cpu_seconds > 0 and e.seconds > 0 and not e.lost for e in ended.values())
    assert workers(engine) == first
    assert len(first) == 2
    assert engine.wait() == []
    for seed in range(4):
        conduct(tmp_path / "alone", job(f"k{seed}", seed))
        assert comparable(tmp_path / job(f"k{seed}", seed).place) == comparable(
            tmp_path / "alone" / job(f"k{seed}", seed).place
        )


def test_a_failed_trial_tells_its_traceback_and_the_others_go_on(engine, tmp_path):
    engine.submit(job("bad", teacher=odd("raise")))
    engine.submit(job("worse", 1, num_envs=0))
    engine.submit(job("good", 2))
    ended = collect(engine, 3)
    assert "ArithmeticError: the teacher gave up" in ended["bad"].error
    assert "engine_teachers.py" in ended["bad"].error
    assert "`num_envs` must be a whole number" in ended["worse"].error
    assert not ended["bad"].lost
    assert ended["good"].error is None
    assert is_finished(tmp_path / "runs/arm/2-good")


def test_what_a_trial_prints_goes_to_its_log(engine, tmp_path, capfd):
    engine.submit(job("loud", teacher=odd("print")))
    engine.submit(job("quiet", 1))
    assert {e.error for e in collect(engine, 2).values()} == {None}
    engine.close()
    assert capfd.readouterr() == ("", "")
    lines = (tmp_path / "logs/loud.log").read_text().splitlines()
    assert sorted(lines) == ["past Python", "to the errors", "to the output"]
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["loud.log"]


@pytest.mark.parametrize(
    ("number", "hint"), [(signal.SIGKILL, "memory runs out"), (signal.SIGSEGV, "an error in compiled code")]
)
def test_a_worker_that_dies_ends_its_trial_and_is_replaced(engine, tmp_path, number, hint):
    mark = tmp_path / "mark"
    dying = job("dying", teacher=odd(str(int(number)), 50, mark))
    engine.submit(dying)
    engine.submit(job("other", 1))
    ended = collect(engine, 2)
    assert ended["other"].error is None
    assert ended["dying"].lost
    assert signal.Signals(number).name in ended["dying"].error
    assert hint in ended["dying"].error
    assert int(mark.read_text()) not in workers(engine)
    engine.submit(dying)
    assert collect(engine, 1)["dying"].error is None
    conduct(tmp_path / "alone", dying)
    assert comparable(tmp_path / dying.place) == comparable(tmp_path / "alone" / dying.place)


@needs_proc
def test_closing_lets_trials_write_a_checkpoint_and_they_can_be_continued(tmp_path):
    engine = LocalEngine(tmp_path, 1)
    slow = job("slow", teacher=odd("slow", 20, tmp_path / "mark"), steps=4000, checkpoint_every="never")
    engine.submit(slow)
    engine.submit(job("waiting", 1))
    until((tmp_path / "mark").exists)
    (pid,) = workers(engine)
    engine.close()
    assert not alive(pid)
    assert can_continue(tmp_path / slow.place)
    assert not (tmp_path / "runs/arm/1-waiting").exists()


def test_closing_with_patience_lets_trials_finish(tmp_path):
    engine = LocalEngine(tmp_path, 1)
    engine.submit(job("k"))
    engine.close(wait=True)
    assert is_finished(tmp_path / "runs/arm/0-k")


@needs_proc
def test_a_trial_that_does_not_stop_is_killed(tmp_path):
    engine = LocalEngine(tmp_path, 1, patience=0.2)
    engine.submit(job("k", teacher=odd("slow", 1, tmp_path / "mark"), steps=500_000, checkpoint_every="never"))
    until((tmp_path / "mark").exists)
    (pid,) = workers(engine)
    began = time.monotonic()
    engine.close()
    assert time.monotonic() - began < 3
    assert not alive(pid)


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_owner(tmp_path, number):
    here = os.pathsep.join(path for path in sys.path if path)
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": here}, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        marks = [tmp_path / "mark0", tmp_path / "mark1"]
        until(lambda: all(mark.exists() and mark.read_text() for mark in marks))
        pids = [int(mark.read_text()) for mark in marks]
        assert all(alive(pid) for pid in pids)
        os.killpg(owner.pid, number)  # as a terminal's Ctrl-C does
        seconds = until(lambda: not any(alive(pid) for pid in pids))
        assert owner.communicate(timeout=20)[0] == ("closed\n" if number == signal.SIGINT else "")
        if number == signal.SIGKILL:
            assert seconds < 1.0
        else:
            assert all(can_continue(tmp_path / "runs/arm" / f"{seed}-k") for seed in range(2))
    finally:
        owner.kill()
        owner.wait()


@needs_proc
def test_trials_wait_for_memory(tmp_path):
    free = [10**15]
    guard = memory.Guard(lambda: free[0])
    with contextlib.closing(LocalEngine(tmp_path, 2, guard=guard)) as engine:
        engine.submit(job("first"))
        assert collect(engine, 1)["first"].error is None
        assert guard.largest > 10**7
        free[0] = 0
        for seed in range(2):
            engine.submit(job("k", seed, teacher=odd("slow", 1, tmp_path / f"mark{seed}"), steps=300))
        until((tmp_path / "mark0").exists)
        assert engine.wait(1.2) == []
        assert len(engine._busy) == 1
        assert not (tmp_path / "mark1").exists()
        free[0] = 10**15
        assert engine.wait(0.5) == []
        assert len(engine._busy) == 2


@needs_proc
def test_a_worker_that_keeps_memory_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(local_engine, "GROWTH", 10**8)
    with contextlib.closing(LocalEngine(tmp_path, 1)) as engine:
        engine.submit(job("first"))
        collect(engine, 1)
        before = workers(engine)
        engine.submit(job("large", 1, teacher=odd("keep")))
        assert collect(engine, 1)["large"].error is None
        assert workers(engine) == set()
        engine.submit(job("next", 2))
        assert collect(engine, 1)["next"].error is None
        assert not workers(engine) & before


@needs_proc
def test_threads_of_numerical_libraries_are_one(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with contextlib.closing(LocalEngine(tmp_path, 1)) as engine:
        engine.submit(job("k"))
        (pid,) = workers(engine)
        until(lambda: b"OMP_NUM_THREADS=1\0" in Path(f"/proc/{pid}/environ").read_bytes(), 5)
        assert collect(engine, 1)["k"].error is None
