import shutil
import threading
import time

import pytest
from engine_teachers import comparable, config, job, odd

from teachrl.errors import InvalidRun
from teachrl.runs.directory import RunDirectory
from teachrl.studies.engines import Job
from teachrl.studies.work import (
    can_continue,
    conduct,
    is_finished,
    perform,
    wait_unclaimed,
    with_text_replaced,
)


@pytest.fixture
def trial():
    return job("k", 3)


def test_a_finished_trial_is_left_alone(tmp_path, trial):
    conduct(tmp_path, trial)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    conduct(tmp_path, trial)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_trial_goes_on_from_its_checkpoint_to_the_same_end(tmp_path):
    mark = tmp_path / "mark"  # it fails only once
    failing = job("k", 3, teacher=odd("raise", 120, mark))
    with pytest.raises(ArithmeticError):
        conduct(tmp_path, failing)
    assert can_continue(tmp_path / failing.place)
    conduct(tmp_path, failing)
    assert is_finished(tmp_path / failing.place)
    assert [entry["steps"] for entry in RunDirectory(tmp_path / failing.place).meta()["resumed"]] == [100]
    conduct(tmp_path / "undisturbed", failing)
    assert comparable(tmp_path / "undisturbed" / failing.place) == comparable(tmp_path / failing.place)


@pytest.mark.parametrize("damage", ["no checkpoint", "no meta.json", "half a meta.json", "half a config", "a file"])
def test_what_cannot_be_continued_is_done_again(tmp_path, trial, damage):
    conduct(tmp_path, trial)
    place = tmp_path / trial.place
    good = comparable(place)
    if damage == "no checkpoint":
        RunDirectory(place).write_meta({"status": "running"})
        for path in (place / "checkpoints").glob("*/complete.json"):
            path.write_text("{")
    elif damage == "no meta.json":
        (place / "meta.json").unlink()
    elif damage == "half a meta.json":
        (place / "meta.json").write_text('{"status": "fini')
    elif damage == "half a config":
        (place / "config.yaml").write_text("env: [")
    else:
        shutil.rmtree(place)
        place.mkdir()
        (place / ".config.yaml.tmp").write_text("env: ")
    assert not is_finished(place)
    assert not can_continue(place)
    conduct(tmp_path, trial)
    assert comparable(place) == good


def test_the_donor_is_named_by_its_directory(tmp_path):
    recipient = Job("r", config(teacher=odd("print", 10, "{donor}/mark")), "runs/b/0-r", "runs/a/0-d")
    (tmp_path / "runs/a/0-d").mkdir(parents=True)
    conduct(tmp_path, recipient)
    assert (tmp_path / "runs/a/0-d/mark").exists()
    path = RunDirectory(tmp_path / recipient.place).config()["teachers"][0]["init_args"]["mark"]
    assert path == str(tmp_path / "runs/a/0-d/mark")


def test_a_trial_goes_on_though_its_study_was_moved_meanwhile(tmp_path):
    (tmp_path / "old/runs/a/0-d").mkdir(parents=True)
    trial = Job("r", config(teacher=odd("raise", 120, "{donor}/mark")), "runs/b/0-r", "runs/a/0-d")
    with pytest.raises(ArithmeticError):
        conduct(tmp_path / "old", trial)
    (tmp_path / "old").rename(tmp_path / "new")
    conduct(tmp_path / "new", trial)  # in the old place there would be no mark, and it would fail again
    run = RunDirectory(tmp_path / "new" / trial.place)
    assert run.config()["teachers"][0]["init_args"]["mark"] == str(tmp_path / "new/runs/a/0-d/mark")
    assert [entry["steps"] for entry in run.meta()["resumed"]] == [100]


def test_text_is_replaced_in_every_string_and_nowhere_else():
    data = {"a": ["x{donor}", 1, None, {"b": ("{donor}", 2.5)}], "{donor}": True}
    assert with_text_replaced(data, "{donor}", "d") == {"a": ["xd", 1, None, {"b": ["d", 2.5]}], "{donor}": True}


def test_a_run_that_another_process_lets_go_of_is_waited_for(tmp_path, trial):
    place = tmp_path / trial.place
    place.mkdir(parents=True)
    held = threading.Event()

    def hold():
        with RunDirectory(place).claimed():
            held.set()
            time.sleep(0.3)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    with pytest.raises(InvalidRun, match="Another process"):
        wait_unclaimed(place, 0.1)
    conduct(tmp_path, trial)
    thread.join()
    assert is_finished(place)


def test_how_a_trial_ended_is_told(tmp_path, trial, monkeypatch):
    ended = perform(tmp_path, trial)
    assert (ended.key, ended.error, ended.lost) == ("k", None, False)
    assert 0 < ended.cpu_seconds < 10 * ended.seconds
    failed = perform(tmp_path, job("f", teacher=odd("raise")))
    assert failed.error.startswith("Traceback")
    assert "ArithmeticError: the teacher gave up" in failed.error

    def stop(*_):
        raise KeyboardInterrupt("Stopped at 40 steps.")

    monkeypatch.setattr("teachrl.studies.work.conduct", stop)
    stopped = perform(tmp_path, trial)
    assert stopped.lost
    assert "Stopped at 40 steps." in stopped.error
