import importlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import gymnasium as gym
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml

from teachrl.errors import InvalidRun
from teachrl.runs import evaluate, train
from teachrl.runs.checkpoint import checkpoints, load_tree
from teachrl.runs.directory import RunDirectory
from teachrl.teachers import ALPGMM, Uniform
from teachrl_agents import SB3, SimulatedStudent


def episodes(directory):
    return pq.read_table(Path(directory) / "episodes.parquet").to_pylist()


def evaluations(directory):
    return pq.read_table(Path(directory) / "eval.parquet").to_pylist()


def metrics(directory):
    rows = [json.loads(line) for line in (Path(directory) / "metrics.jsonl").read_text().splitlines()]
    timed = ("wall_seconds", "cpu_seconds", "perf/steps_per_second")
    return [{k: v for k, v in row.items() if k not in timed} for row in rows]


def identical(a, b):
    """Equal bit for bit, whatever the nesting."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(identical(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(identical, a, b))
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and a.numpy().tobytes() == b.numpy().tobytes()
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return a == b or (a != a and b != b)


def last_student(directory):
    return load_tree(checkpoints(Path(directory) / "checkpoints")[-1], "student")


LEARN = SimulatedStudent.learn


class Stopping(SimulatedStudent):
    """Fails once, in the middle of learning."""

    stop_at = 0

    def learn(self, steps):
        LEARN(self, steps)
        if Stopping.stop_at and self._classroom.counters.total_steps >= Stopping.stop_at:
            Stopping.stop_at = 0
            raise RuntimeError("out of luck")


@pytest.mark.parametrize("stop_at", [62, 300, 598])
def test_a_run_that_failed_goes_on_as_if_nothing_had_been(hypercube, tmp_path, stop_at):
    arguments = {**hypercube, "student": Stopping(4), "loggers": ["csv"]}
    whole = train(**arguments, out=str(tmp_path / "whole"))
    Stopping.stop_at = stop_at
    with pytest.raises(RuntimeError, match="out of luck"):
        train(**arguments, out=str(tmp_path / "cut"))
    run = train(**arguments, resume=str(tmp_path / "cut"))
    assert episodes(whole.directory) == episodes(run.directory)
    assert evaluations(whole.directory) == evaluations(run.directory)
    assert metrics(whole.directory) == metrics(run.directory)
    assert identical(last_student(whole.directory), last_student(run.directory))
    meta = json.loads((run.directory / "meta.json").read_text())
    assert (meta["status"], len(meta["resumed"]), meta["mismatches"]) == ("finished", 1, [])
    assert "traceback" not in meta


def test_a_run_killed_after_its_tables_were_whole_ends_as_if_nothing_had_been(hypercube, tmp_path):
    run = train(**{**hypercube, "teachers": [ALPGMM(fit_rate=40)]}, out=str(tmp_path / "a"))
    told = evaluations(run.directory)
    RunDirectory(run.directory).write_meta({"status": "running"})
    train(resume=str(run.directory))
    assert evaluations(run.directory) == told


def test_the_config_alone_is_enough_and_tensorboard_is_purged(hypercube, tmp_path):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    arguments = {**hypercube, "teachers": [ALPGMM(fit_rate=40)], "loggers": ["tensorboard"], "eval_every": "never"}
    whole = train(**arguments, out=str(tmp_path / "whole"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SimulatedStudent, "learn", Stopping.learn)
        Stopping.stop_at = 400
        with pytest.raises(RuntimeError):
            train(**arguments, out=str(tmp_path / "cut"))
    run = train(resume=str(tmp_path / "cut"), progress="none")
    assert episodes(whole.directory) == episodes(run.directory)
    newest = sorted((run.directory / "tb").iterdir())[-1]
    starts = [e.step for e in EventFileLoader(str(newest)).Load() if e.HasField("session_log")]
    assert starts == [360]
    assert run.evaluation.line == whole.evaluation.line == evaluate(run.directory).line


def test_a_longer_run_says_that_schedules_are_stretched(hypercube, tmp_path, capsys, fails):
    train(**{**hypercube, "teachers": [Uniform()]}, out=str(tmp_path / "run"))
    assert "finished, with 600 steps" in str(fails(resume=str(tmp_path / "run")))
    run = train(resume=str(tmp_path / "run"), steps=900, progress="plain")
    assert "The run was 600 steps long; schedules are now stretched over 900" in capsys.readouterr().out
    assert run.steps == run.classroom.counters.total_steps == 900
    assert [e["steps"] for e in episodes(run.directory)][-1] == 900
    assert yaml.safe_load((run.directory / "config.yaml").read_text())["steps"] == 900


def test_what_cannot_be_resumed_says_what_to_do(hypercube, fails, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "notes.txt").write_text("mine")
    assert "is empty" in str(fails(resume=str(tmp_path / "empty")))
    assert "is not a directory" in str(fails(resume=str(tmp_path / "missing")))
    assert "no config.yaml and no meta.json" in str(fails(resume=str(tmp_path / "foreign")))
    run = train(**{**hypercube, "teachers": [Uniform()]}, out=str(tmp_path / "half"))
    for checkpoint in checkpoints(run.directory / "checkpoints"):
        (checkpoint / "student.safetensors").unlink()
    error = fails(resume=str(run.directory))
    assert isinstance(error, InvalidRun)
    assert "no whole checkpoint" in str(error)
    whole = train(**{**hypercube, "teachers": [Uniform()]}, out=str(tmp_path / "whole"))
    (whole.directory / "episodes.parquet").write_bytes(b"PAR1 and no more")
    error = fails(resume=str(whole.directory), steps=900)
    assert "episodes.parquet" in str(error)
    assert "tables" in str(error)
    (run.directory / "meta.json").write_text("{")
    assert "meta.json cannot be read" in str(fails(resume=str(run.directory)))


def test_a_resumed_run_stays_in_its_directory(hypercube, fails, tmp_path):
    run = train(**{**hypercube, "teachers": [Uniform()]}, out=str(tmp_path / "run"))
    error = fails(resume=str(run.directory), steps=900, out=str(tmp_path / "other"))
    assert isinstance(error, InvalidRun)
    assert "stays in its own directory" in str(error)
    assert train(resume=str(run.directory), steps=900, out=str(tmp_path / "run"), progress="none").steps == 900


@pytest.mark.skipif(sys.platform == "win32", reason="directories cannot be locked there")
def test_two_processes_never_continue_one_run(hypercube, fails, tmp_path):
    run = train(**{**hypercube, "teachers": [Uniform()]}, out=str(tmp_path / "run"))
    with RunDirectory(run.directory).claimed():
        before = (run.directory / "meta.json").read_text()
        assert "Another process" in str(fails(resume=str(run.directory), steps=900))
        assert (run.directory / "meta.json").read_text() == before
    assert train(resume=str(run.directory), steps=900, progress="none", video=0).steps == 900


def test_a_config_of_another_version_takes_the_defaults_where_it_says_nothing(hypercube, tmp_path):
    run = train(**{**hypercube, "teachers": [Uniform()]}, out=str(tmp_path / "run"))
    config = yaml.safe_load((run.directory / "config.yaml").read_text())
    del config["video"], config["view"]
    (run.directory / "config.yaml").write_text(yaml.safe_dump({**config, "colour": "green"}))
    assert evaluate(run.directory).line == run.evaluation.line
    assert train(resume=str(run.directory), steps=900, progress="none", video=0).steps == 900


def test_pictures_may_be_left_out_of_a_run_that_knew_of_no_such_choice(hypercube, tmp_path):
    run = train(**{**hypercube, "teachers": [Uniform()]}, out=str(tmp_path / "run"))
    file = run.directory / "config.yaml"
    config = yaml.safe_load(file.read_text())
    assert config.pop("pictures") is False
    file.write_text(yaml.safe_dump(config))
    train(resume=str(run.directory), steps=900, pictures=False, progress="none", video=0)
    assert yaml.safe_load(file.read_text())["pictures"] is False
    assert not (run.directory / "curriculum.png").exists()


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(hypercube, tmp_path):
    arguments = {**hypercube, "teachers": [Uniform()]}
    whole = train(**arguments, out=str(tmp_path / "whole"))
    run = train(**arguments, out=str(tmp_path / "run"))
    (run.directory / "checkpoints" / "600" / "classroom.json").write_text("{}")
    (run.directory / "meta.json").write_text(
        json.dumps({**json.loads((run.directory / "meta.json").read_text()), "status": "running"})
    )
    again = train(resume=str(run.directory), progress="none")
    assert episodes(again.directory) == episodes(whole.directory)
    assert evaluations(again.directory) == evaluations(whole.directory)


def test_settings_that_matter_stay_and_others_may_change(hypercube, fails, tmp_path):
    arguments = {**hypercube, "student": Stopping(4)}
    Stopping.stop_at = 300
    with pytest.raises(RuntimeError):
        train(**arguments, out=str(tmp_path / "cut"))
    error = fails(**{**arguments, "num_envs": 4}, resume=str(tmp_path / "cut"))
    assert "num_envs was 2, got 4" in str(error)
    assert "has done 240 steps already" in str(fails(**{**arguments, "steps": 90}, resume=str(tmp_path / "cut")))
    run = train(**{**arguments, "threads": 2, "loggers": ["csv"], "eval_every": 100}, resume=str(tmp_path / "cut"))
    assert run.steps == 600


def test_a_run_of_python_objects_asks_for_the_call(hypercube, fails, tmp_path):
    arguments = {**hypercube, "wrappers": [lambda env: gym.wrappers.TimeLimit(env, 5)], "student": Stopping(4)}
    Stopping.stop_at = 300
    with pytest.raises(RuntimeError):
        train(**arguments, out=str(tmp_path / "cut"))
    assert "with the same call of train, with resume=" in str(fails(resume=str(tmp_path / "cut")))
    with pytest.raises(InvalidRun, match="Evaluate it where it was made"):
        evaluate(tmp_path / "cut")
    run = train(**arguments, resume=str(tmp_path / "cut"))
    assert evaluate(run)["mean_return"] == run.evaluation["mean_return"]


class Moody(gym.Wrapper):
    """An environment that is not deterministic."""

    def step(self, action):
        observation, *rest = self.env.step(action)
        return observation + np.random.default_rng().normal(size=4).astype(np.float32), *rest


def test_what_cannot_be_restored_exactly_is_noted(tmp_path):
    from teachrl.student import Student

    class Idle(Student):
        def begin(self, classroom, seed, total_steps):
            self.classroom = classroom

        granularity = 2
        policy = None

        def learn(self, steps):
            for _ in range(steps // 2):
                self.classroom.observed()
                self.classroom.step(np.zeros(2, np.int64))

        def act(self, observations, state=None, first=None, deterministic=True):
            return np.zeros(len(observations), np.int64), None

        def state_dict(self):
            return {}

        def load_state_dict(self, state):
            pass

    Idle.policy = property(lambda self: self)
    arguments = {**CARTPOLE, "num_envs": 2, "wrappers": [Moody], "student": Idle(), "eval_every": "never"}
    train(**arguments, steps=50, checkpoint_every=26, out=str(tmp_path / "run"))
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "50")
    meta = json.loads((tmp_path / "run" / "meta.json").read_text())
    (tmp_path / "run" / "meta.json").write_text(json.dumps({**meta, "status": "running"}))
    with pytest.warns(UserWarning, match="not an exact continuation"):
        train(**arguments, steps=50, resume=str(tmp_path / "run"))
    mismatches = json.loads((tmp_path / "run" / "meta.json").read_text())["mismatches"]
    assert {entry["steps"] for entry in mismatches} == {26}
    assert {entry["env"] for entry in mismatches} <= {0, 1}


CARTPOLE = {
    "env": "CartPole-v1",
    "wrappers": [{"class_path": "Parametrised", "init_args": {"attributes": {"unwrapped.length": [0.25, 1.5]}}}],
    "num_envs": 4, "loggers": [], "video": 0, "progress": "none", "seed": 3, "eval_every": 1920,
}  # fmt: skip
PPO = {"algorithm": "PPO", "normalize": True, "hyperparameters": {"n_steps": 32, "batch_size": 64, "n_epochs": 2}}
SAC = {"algorithm": "SAC", "hyperparameters": {"learning_starts": 100, "buffer_size": 2000, "batch_size": 16}}
POINT_MASS = {
    "env": "TeachRL/PointMass-v0", "num_envs": 4, "loggers": [], "video": 0, "progress": "none", "eval_every": 400,
}  # fmt: skip
FRAMES = {"class_path": "FrameStackObservation", "init_args": {"stack_size": 2}}  # keeps what no state holds
FAMILIES = {
    "ppo-restored": (CARTPOLE, PPO, 3840),
    "ppo-replayed": ({**CARTPOLE, "wrappers": [*CARTPOLE["wrappers"], FRAMES]}, PPO, 3840),
    "sac-exact": (POINT_MASS, SAC, 1200),
}
SCRIPT = """
import json, sys
import sklearn.mixture  # whose first import moves Python's global generator, wherever in a run that is
from teachrl.runs import train
from teachrl.teachers import ALPGMM
from teachrl_agents import SB3
if __name__ == "__main__":
    arguments, student, steps, out = json.loads(sys.argv[1])
    teachers = [ALPGMM(fit_rate=40, reward_range=[0, 500])]
    train(**arguments, teachers=teachers, student=SB3(**student), steps=steps, out=out)
"""


def in_this_process(arguments, student, steps, **more):
    importlib.import_module("sklearn.mixture")  # as in the script
    return train(
        **{**arguments, **more},
        teachers=[ALPGMM(fit_rate=40, reward_range=[0, 500])],
        student=SB3(**student),
        steps=steps,
    )


def start(tmp_path, arguments, student, steps, place):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    words = json.dumps([arguments, student, steps, str(place)])
    return subprocess.Popen(
        [sys.executable, str(script), words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, start_new_session=True,
    )  # fmt: skip


def living(group):
    """Command lines of a process group's members that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, member_of = stat.read_text().rpartition(")")[2].split()[:3]
            if int(member_of) == group and state != "Z":
                found.append((stat.parent / "cmdline").read_text())
        except OSError:
            continue
    return found


def wait_for_checkpoint(process, place, seconds=120):
    until = time.monotonic() + seconds
    while not checkpoints(place / "checkpoints"):
        if process.poll() is not None or time.monotonic() > until:
            pytest.fail(f"no checkpoint was written: {process.communicate()[0]}")
        time.sleep(0.02)


@pytest.mark.parametrize("family", FAMILIES)
def test_killed_at_a_random_moment_it_ends_in_the_same_bits(tmp_path, family):
    arguments, student, steps = FAMILIES[family]
    whole = in_this_process(arguments, student, steps, out=str(tmp_path / "whole"))
    place = tmp_path / "cut"
    process = start(tmp_path, arguments, student, steps, place)
    wait_for_checkpoint(process, place)
    time.sleep(random.random())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    workers = 2 if family.startswith("ppo") else 0
    if json.loads((place / "meta.json").read_text())["status"] == "running":
        in_this_process(arguments, student, steps, resume=str(place), workers=workers)
    assert episodes(place) == episodes(whole.directory)
    assert evaluations(place) == evaluations(whole.directory)
    assert identical(last_student(place), last_student(whole.directory))
    assert json.loads((place / "meta.json").read_text())["mismatches"] == []


def test_evaluating_twice_as_often_changes_no_weight(tmp_path):
    often = in_this_process(CARTPOLE, PPO, 768, out=str(tmp_path / "a"), eval_every=128)
    rare = in_this_process(CARTPOLE, PPO, 768, out=str(tmp_path / "b"), eval_every=256)
    assert identical(last_student(often.directory), last_student(rare.directory))
    assert len(evaluations(often.directory)) - 100 == 2 * (len(evaluations(rare.directory)) - 100) > 0


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_ctrl_c_takes_a_checkpoint_and_says_how_to_go_on(tmp_path):
    place = tmp_path / "cut"
    arguments = {**CARTPOLE, "checkpoint_every": 640, "eval_every": "never", "workers": 2, "progress": "plain"}
    process = start(tmp_path, arguments, PPO, 10**6, place)
    wait_for_checkpoint(process, place)
    os.killpg(process.pid, signal.SIGINT)
    output = process.communicate(timeout=60)[0]
    assert process.returncode != 0
    assert f"teachrl train --resume {place}" in output
    assert json.loads((place / "meta.json").read_text())["status"] == "interrupted"
    until = time.monotonic() + 20
    while (left := living(process.pid)) and time.monotonic() < until:
        time.sleep(0.1)
    assert left == []
    newest = int(checkpoints(place / "checkpoints")[-1].name)
    total = -(-(newest + 1) // 128) * 128
    config = yaml.safe_load((place / "config.yaml").read_text())
    (place / "config.yaml").write_text(yaml.safe_dump({**config, "steps": total}))
    assert train(resume=str(place), progress="none").steps == total
