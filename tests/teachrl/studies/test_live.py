"""`teachrl watch --live`: a page that follows a run while it is written."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from filmed import Hills, Still
from teachrl.errors import InvalidHyperparameter, InvalidRun
from teachrl.runs import train
from teachrl.studies import live
from teachrl.studies.live import make_server

ARGUMENTS = {
    "student": Still(), "steps": 60, "num_envs": 3, "loggers": [], "progress": "none", "video": 0, "pictures": False,
    "env": "FilmedShown-v0",
}  # fmt: skip


@pytest.fixture
def run(tmp_path):
    return train(**ARGUMENTS, teachers=[Hills()], out=str(tmp_path / "run")).directory


@pytest.fixture
def serving():
    """Serves a directory for as long as the test takes; returns a function that asks for a path."""
    servers = []

    def begin(directory):
        server = make_server(directory)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

        def ask(path):
            with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}{path}", timeout=20) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read().decode()

        return ask

    yield begin
    for server in servers:
        server.shutdown()
        server.server_close()


def test_the_page_and_its_data(run, serving):
    ask = serving(run)
    status, kind, text = ask("/data.json?t=1")
    assert (status, kind) == (200, "application/json")
    assert json.loads(text)["status"]["status"] == "finished"
    status, kind, text = ask("/")
    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert 'follow("data.json")' in text
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        ask("/../secret")
    caught.value.close()


def test_it_follows_a_run_that_is_being_written(tmp_path, serving, monkeypatch):
    monkeypatch.setattr(live, "FRESH", 0.0)
    place, seen, failed = tmp_path / "run", [], []
    begun, ended = threading.Event(), threading.Event()

    def follow():
        begun.wait(20)
        ask = serving(place)
        while True:
            last = ended.is_set()
            data = json.loads(ask("/data.json")[2])
            seen.append(data["status"]["status"])
            failed.extend(data["facts"]["damage"])
            if last:
                return

    class Slow(Still):
        def learn(self, steps):
            begun.set()
            time.sleep(0.01)
            super().learn(steps)

    follower = threading.Thread(target=follow)
    follower.start()
    train(**{**ARGUMENTS, "student": Slow(), "steps": 300, "checkpoint_every": 6}, teachers=[Hills()], out=str(place))
    ended.set()
    follower.join(20)
    assert failed == []
    assert (seen[0], seen[-1]) == ("running", "finished")


@pytest.mark.parametrize("name", ["config.yaml", "meta.json", "metrics.jsonl", "eval.parquet", "episodes.parquet"])
def test_half_written_files_do_not_end_it(run, serving, name, monkeypatch):
    ask = serving(run)
    monkeypatch.setattr(live, "FRESH", 0.0)
    whole = (run / name).read_bytes()
    for size in (0, len(whole) // 2, len(whole) - 3):
        (run / name).write_bytes(whole[:size])
        assert ask("/data.json")[0] == 200
    (run / name).write_bytes(whole)
    data = json.loads(ask("/data.json")[2])
    assert data["status"]["status"] == "finished"
    assert data["facts"]["damage"] == []


def test_a_directory_that_is_gone_shows_what_was_there(run, serving, monkeypatch, tmp_path):
    ask = serving(run)
    monkeypatch.setattr(live, "FRESH", 0.0)
    run.rename(tmp_path / "elsewhere")
    assert json.loads(ask("/data.json")[2])["kind"] == "run"


def test_the_next_free_port_is_taken(run):
    first = make_server(run, 0)
    second = make_server(run, first.server_port)
    assert second.server_port > first.server_port
    first.server_close()
    second.server_close()


def test_what_cannot_be_served_says_why(run, tmp_path, monkeypatch):
    with pytest.raises(InvalidRun, match="nowhere"):
        make_server(tmp_path / "nowhere")
    with pytest.raises(InvalidHyperparameter, match="70000"):
        make_server(run, 70_000)
    monkeypatch.setattr(live, "PORTS", 1)
    taken = make_server(run, 0)
    with pytest.raises(InvalidRun, match="Pass another --port"):
        make_server(run, taken.server_port)
    taken.server_close()


def test_ctrl_c_ends_it_without_a_word_of_trouble(run):
    command = [sys.executable, "-m", "teachrl", "watch", str(run), "--live", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        line = process.stdout.readline()
        assert "http://127.0.0.1:" in line
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out.strip().startswith("The page at http://127.0.0.1:")
    assert errors == ""
