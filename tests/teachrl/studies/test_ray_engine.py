import contextlib
import os
import shutil
import sys
import time
import warnings
from pathlib import Path

import pytest
from engine_teachers import collect, comparable, config, job, odd

from teachrl.errors import InvalidStudy
from teachrl.runs.directory import RunDirectory
from teachrl.studies import ray_engine
from teachrl.studies.engines import Job, make_engine
from teachrl.studies.work import can_continue, conduct, is_finished

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    ray = pytest.importorskip("ray")
    cluster_utils = pytest.importorskip("ray.cluster_utils")

QUICK_TO_NOTICE = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 300,
    "health_check_failure_threshold": 3,
}


@pytest.fixture(scope="module")
def cluster():
    """Three nodes with one CPU each, all on this machine."""
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": QUICK_TO_NOTICE}
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture
def engine(cluster, tmp_path):
    with contextlib.closing(make_engine("ray", tmp_path, address=cluster.address)) as engine:
        yield engine


def until(condition, seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def node_of(cluster, pid: int):
    """Returns the node of a worker, None for the head."""
    by_raylet = {node.all_processes["raylet"][0].process.pid: node for node in cluster.worker_nodes}
    return by_raylet.get(parent(pid))


def test_trials_run_as_they_do_alone_and_nothing_stays_elsewhere(engine, tmp_path):
    assert engine.slots == 3
    assert engine.wait() == []
    trials = [job("a", 1), job("b", 2), job("bad", 3, teacher=odd("raise"))]
    for trial in trials:
        engine.submit(trial)
    ended = collect(engine, 3)
    assert ended["a"].error is None
    assert ended["b"].error is None
    assert "ArithmeticError: the teacher gave up" in ended["bad"].error
    assert not ended["bad"].lost
    assert RunDirectory(tmp_path / trials[2].place).meta()["status"] == "failed"
    for trial in trials[:2]:
        conduct(tmp_path / "alone", trial)
        assert comparable(tmp_path / trial.place) == comparable(tmp_path / "alone" / trial.place)
    assert not list(tmp_path.glob("runs/arm/.*"))
    engine.submit(trials[0])
    (again,) = engine.wait(0.0)
    assert (again.error, again.seconds) == (None, 0.0)


def test_a_donor_travels_with_the_trial(engine, tmp_path):
    donor = job("donor", 5)
    conduct(tmp_path, donor)
    recipient = Job("r", config(teacher=odd("need", 10, "{donor}/episodes.parquet")), "runs/b/0-r", donor.place)
    engine.submit(recipient)
    shutil.rmtree(tmp_path / donor.place)  # it has left already
    assert collect(engine, 1)["r"].error is None
    written = RunDirectory(tmp_path / recipient.place).config()["teachers"][0]["init_args"]["mark"]
    assert written == str(tmp_path / donor.place / "episodes.parquet")
    lacking = Job("l", config(teacher=odd("need", 10, "{donor}/episodes.parquet")), "runs/b/0-l", donor.place)
    engine.submit(lacking)
    assert "ArithmeticError" in collect(engine, 1)["l"].error


def test_modules_of_the_working_directory_travel_to_other_machines(cluster, tmp_path, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    (work / "a_teacher_of_ones_own.py").write_text("from teachrl.teachers import Uniform\nclass Own(Uniform): pass\n")
    monkeypatch.chdir(work)
    monkeypatch.setattr(ray_engine, "_has_other_machines", lambda ray: True)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    with contextlib.closing(make_engine("ray", tmp_path, address=cluster.address)) as engine:
        monkeypatch.chdir(tmp_path)
        engine.submit(job("own", teacher="a_teacher_of_ones_own.Own"))
        assert collect(engine, 1)["own"].error is None


def test_closing_brings_back_what_was_done_and_it_is_continued(cluster, tmp_path):
    engine = make_engine("ray", tmp_path, address=cluster.address)
    mark = tmp_path / "mark"
    slow = job("slow", teacher=odd("slow", 50, mark), steps=2000)
    engine.submit(slow)
    until(mark.exists)
    engine.close()
    place = tmp_path / slow.place
    assert can_continue(place)
    with contextlib.closing(make_engine("ray", tmp_path, address=cluster.address)) as engine:
        engine.submit(slow)
        assert collect(engine, 1)["slow"].error is None
    assert is_finished(place)
    assert len(RunDirectory(place).meta()["resumed"]) == 1
    conduct(tmp_path / "alone", slow)
    assert comparable(place) == comparable(tmp_path / "alone" / slow.place)


def test_nothing_is_lost_with_a_node(cluster, engine, tmp_path, capfd):
    marks = [tmp_path / f"mark{seed}" for seed in range(5)]
    trials = [job(f"k{seed}", seed, teacher=odd("slow", 20, mark), steps=150) for seed, mark in enumerate(marks)]
    for trial in trials:
        engine.submit(trial)
    until(lambda: any(mark.exists() and node_of(cluster, int(mark.read_text() or 1)) for mark in marks))
    victim = next(mark for mark in marks if mark.exists() and node_of(cluster, int(mark.read_text() or 1)))
    cluster.remove_node(node_of(cluster, int(victim.read_text())), allow_graceful=False)
    assert not is_finished(tmp_path / trials[marks.index(victim)].place)
    ended = collect(engine, len(trials))
    assert {key: e.error for key, e in ended.items()} == {trial.key: None for trial in trials}
    for trial in trials:
        conduct(tmp_path / "alone", trial)
        assert comparable(tmp_path / trial.place) == comparable(tmp_path / "alone" / trial.place)


def test_a_cluster_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InvalidStudy, match="ray start --head"):
        make_engine("ray", tmp_path, address="127.0.0.1:9")


def test_without_an_address_a_cluster_is_started_and_ended(tmp_path):
    ray.shutdown()
    engine = make_engine("ray", tmp_path, 2)
    assert engine.slots == 2
    pid = ray._private.worker._global_node.all_processes["raylet"][0].process.pid
    engine.submit(job("k"))
    engine.close(wait=True)
    assert is_finished(tmp_path / "runs/arm/0-k")
    assert not ray.is_initialized()
    until(lambda: not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes())
