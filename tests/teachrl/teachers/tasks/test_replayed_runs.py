"""Replay of real runs: the same curriculum teaches the same student the same."""

import pyarrow.parquet as pq
import pytest

from teachrl.cli import main
from teachrl.runs import train
from teachrl.teachers import ALPGMM, Replay, Uniform
from teachrl.testing import check_teacher
from teachrl_agents import SB3, SimulatedStudent

QUIET = {"loggers": [], "progress": "none", "video": 0, "pictures": False, "eval_every": "never"}
HYPERCUBE = {
    "env": "TeachRL/Hypercube-v0", "env_kwargs": {"cubes": 4}, "student": SimulatedStudent(cubes=4), "steps": 900,
    "num_envs": 3, "seed": 5, **QUIET,
}  # fmt: skip


def episodes(run):
    return pq.read_table(run.directory / "episodes.parquet").to_pylist()


@pytest.fixture
def hypercube(tmp_path):
    teacher = ALPGMM(fit_rate=60, max_components=3)
    return train(**HYPERCUBE, teachers=[teacher], out=str(tmp_path / "recorded"))


def test_a_run_taught_its_own_record_is_the_same_run(hypercube, tmp_path):
    again = train(**HYPERCUBE, teachers=[Replay(str(hypercube.directory))], out=str(tmp_path / "again"))
    assert len(episodes(again)) == 900
    assert episodes(again) == episodes(hypercube)
    assert again.evaluation.scalars() == hypercube.evaluation.scalars()
    assert again.classroom.teachers[0].scalars() == {"position": 1.0, "repeated": pytest.approx(3 / 903), "dropped": 0}


def test_shuffled_it_is_the_same_lessons_in_another_order(hypercube, tmp_path):
    teacher = Replay(str(hypercube.directory), "shuffled")
    shuffled = train(**HYPERCUBE, teachers=[teacher], out=str(tmp_path / "shuffled"))
    was, now = ([(tuple(e["task"]), e["seed"]) for e in episodes(run)] for run in (hypercube, shuffled))
    assert now != was
    assert sorted(now) == sorted(was)


def test_a_learning_student_learns_the_same_from_its_own_record(tmp_path):
    hyperparameters = {"n_steps": 32, "batch_size": 64, "n_epochs": 2, "policy_kwargs": {"log_std_init": 2.0}}
    arguments = {
        "env": "TeachRL/PointMass-v0", "env_kwargs": {"max_episode_steps": 40}, "steps": 2560, "num_envs": 4,
        "student": SB3("PPO", hyperparameters=hyperparameters), **QUIET,
    }  # fmt: skip
    recorded = train(**arguments, teachers=[Uniform()], out=str(tmp_path / "recorded"))
    again = train(**arguments, teachers=[Replay(str(recorded.directory))], out=str(tmp_path / "again"))
    was, now = episodes(recorded), episodes(again)
    assert len({e["length"] for e in was}) > 5  # crashes end episodes at all times
    finished = [e for e in was if e["steps"] <= 2560 - 40 * 4]  # what began before then has ended
    assert len(finished) > 60
    assert now[: len(finished)] == finished


def test_a_replaying_run_that_was_interrupted_goes_on_exactly(hypercube, tmp_path):
    arguments = {**HYPERCUBE, "num_envs": 2}
    whole, first = (
        train(
            **{**arguments, "steps": steps}, teachers=[Replay(str(hypercube.directory), "shuffled")],
            out=str(tmp_path / str(steps)),
        )
        for steps in (900, 400)
    )  # fmt: skip
    resumed = train(resume=str(first.directory), steps=900, progress="none")
    assert episodes(resumed) == episodes(whole)
    assert resumed.classroom.teachers[0].scalars() == whole.classroom.teachers[0].scalars()


@pytest.mark.parametrize("order", ["recorded", "shuffled", "reversed"])
def test_it_keeps_the_contract_of_teachers(order, tmp_path):
    arguments = {**HYPERCUBE, "env_kwargs": {}, "student": SimulatedStudent(), "steps": 200, "num_envs": 4}
    recorded = train(**arguments, teachers=[Uniform()], out=str(tmp_path / "recorded"))
    check_teacher(Replay(str(recorded.directory), order), envs="TeachRL/Hypercube-v0", rollouts=5)


def test_from_the_command_line(hypercube, tmp_path):
    flags = [
        "train", "--env", "TeachRL/Hypercube-v0", "--env_kwargs.cubes", "4", "--student", "SimulatedStudent",
        "--student.cubes", "4", "--steps", "90", "--num_envs", "3", "--seed", "5", "--video", "0", "--progress", "none",
        "--eval_every", "never", "--out", str(tmp_path / "again"),
        "--teacher", "Replay", "--teacher.run", str(hypercube.directory),
    ]  # fmt: skip
    assert main(flags) == 0
    rows = pq.read_table(tmp_path / "again" / "episodes.parquet").to_pylist()
    assert rows == episodes(hypercube)[:90]
