import math

import numpy as np
import pytest

from teachrl.errors import InvalidRun
from teachrl.runs import train
from teachrl.runs.tables import EPISODES, EVALUATIONS, write_rows
from teachrl.studies.transfer import Grid, read_transfer, transfer
from teachrl.teachers import Uniform
from teachrl_agents import SimulatedStudent

LINE = Grid(np.array([0.0]), np.array([3.0]), bins=3)


def curves(by_cell, steps=(10, 20, 30, 40)):
    """Evaluated episodes of one lesson a cell: (steps, tasks, scores)."""
    rows = [
        (at, [cell + 0.5], score) for cell, scores in by_cell.items() for at, score in zip(steps, scores, strict=True)
    ]
    return [list(column) for column in zip(*rows, strict=True)]


def run(by_cell, taught, grid=LINE):
    """Transfer of cells with these scores, taught at these steps."""
    pairs = [(at, [cell + 0.5]) for cell, times in taught.items() for at in times]
    tasks = np.array([task for _, task in pairs]).reshape(len(pairs), -1)
    return transfer(*curves(by_cell), [at for at, _ in pairs], tasks, grid)


def numbers(values):
    return [None if math.isnan(v) else round(float(v), 9) for v in values]


def test_three_cells_by_hand():
    scores = {0: [0.1, 0.9, 0.6, 0.5], 1: [0.0, 0.2, 0.3, 0.8], 2: [0.0, 0.1, 0.2, 0.4]}
    # Cell 0 from the beginning, done by 15; cell 1 from 25 on, to the end; cell 2 never.
    found = run(scores, {0: range(1, 16), 1: [25, 28, 35, 38]})
    assert found.steps.tolist() == [10, 20, 30, 40]
    assert found.scores.T.tolist() == list(scores.values())
    assert found.taught.tolist() == [15, 4, 0]
    assert numbers(found.forgetting) == [0.4, 0.0, 0.0]
    assert numbers(found.forward) == [None, 0.2, 0.4]  # 0.2 - 0.0 at 20; for the untaught cell at the end
    assert numbers(found.backward) == [-0.4, None, None]  # 0.5 - 0.9, at 20; nothing after cell 1's teaching
    assert found.summary() == pytest.approx({"forgetting": 0.4 / 3, "forward": 0.3, "backward": -0.4})


def test_nine_tenths_of_the_teaching_count_as_all_of_it():
    scores = {0: [0.1, 0.2, 0.4, 0.8]}
    ten = run(scores, {0: [1] * 9 + [39]})
    assert numbers(ten.backward)[0] == 0.7  # the ninth of ten, at 1: 0.8 - 0.1 at 10
    eleven = run(scores, {0: [1] * 9 + [15, 39]})
    assert numbers(eleven.backward)[0] == 0.6  # the tenth of eleven, at 15: 0.8 - 0.2 at 20


def test_an_episode_ends_before_the_evaluation_of_its_step():
    scores = {0: [0.1, 0.2, 0.4, 0.8]}
    assert numbers(run(scores, {0: [20]}).forward)[0] is None  # before is the evaluation at 10, the first
    assert numbers(run(scores, {0: [21]}).forward)[0] == 0.1
    assert numbers(run(scores, {0: [20]}).backward)[0] == 0.6  # after is the one at 20
    assert numbers(run(scores, {0: [21]}).backward)[0] == 0.4
    assert numbers(run(scores, {0: [31]}).backward)[0] is None  # after is the last
    assert numbers(run(scores, {0: [41]}).backward)[0] is None  # after all evaluations


def test_cells_without_lessons_have_no_scores():
    found = run({0: [0.5, 0.5, 0.5, 0.5]}, {1: [15, 16]})
    assert np.isnan(found.scores[:, 1]).all()
    assert numbers(found.forgetting) == [0.0, None, None]
    assert found.taught.tolist() == [0, 2, 0]
    assert found.summary()["forward"] == 0.0
    assert math.isnan(found.summary()["backward"])


def test_a_score_is_the_mean_over_a_cells_episodes():
    found = transfer([5, 5, 5, 9], [[0.1], [0.9], [2.5], [0.5]], [1.0, 0.0, 1.0, 1.0], [], np.empty((0, 1)), LINE)
    assert found.scores[0].tolist() == pytest.approx([0.5, np.nan, 1.0], nan_ok=True)
    assert found.scores[1].tolist() == pytest.approx([1.0, np.nan, np.nan], nan_ok=True)
    assert found.forgetting.tolist() == pytest.approx([0.0, np.nan, np.nan], nan_ok=True)


def test_a_grid_covers_its_tasks_and_takes_two_coordinates():
    tasks = np.array([[0.0, -1.0, 7.0], [3.0, 2.0, 9.0], [1.5, 0.5, 8.0]])
    grid = Grid.over(tasks)
    assert (grid.low.tolist(), grid.high.tolist(), grid.size) == ([0.0, -1.0], [3.0, 2.0], 9)
    assert grid.cells(tasks).tolist() == [0, 8, 4]
    assert grid.cells([[2.9, -1.0, 0.0], [-5.0, 9.0, 0.0]]).tolist() == [6, 2]  # outside: the nearest
    assert Grid.over([[1.0], [1.0]]).cells([[1.0]]).tolist() == [0]  # no extent
    assert Grid.over(tasks, bins=2, dims=1).size == 2


def eval_row(steps, suite, task, value, success):
    return (steps, suite, "lesson", task, 0, value, 5, success)


def episode(steps, task, learn=True, student=0):
    told = {"steps": steps, "task": task, "learn": learn, "student": student}
    return [told.get(column) for column in EPISODES]


def test_a_run_is_read_from_its_tables(tmp_path):
    rows = [
        eval_row(at, suite, [x], value, success)
        for at, suite, x, value, success in (
            (10, "validation", 0.5, 7.0, True), (10, "validation", 2.5, 7.0, False),
            (20, "validation", 0.5, 7.0, False), (20, "validation", 2.5, 7.0, True), (20, "test", 0.5, 7.0, True),
        )
    ]  # fmt: skip
    write_rows(EVALUATIONS, rows, tmp_path / "eval.parquet")
    taught = [
        episode(3, [0.5]), episode(4, [2.5], learn=False), episode(5, [2.5], student=1), episode(6, None),
        episode(25, [2.5]),
    ]  # fmt: skip
    write_rows(EPISODES, taught, tmp_path / "episodes.parquet")
    found = read_transfer(tmp_path, grid=LINE)
    assert found.scores[:, [0, 2]].tolist() == [[1.0, 0.0], [0.0, 1.0]]  # successes, not returns
    assert found.taught.tolist() == [1, 0, 1]
    assert numbers(found.forgetting) == [1.0, None, 0.0]
    assert numbers(found.forward) == [None, None, 1.0]
    assert numbers(found.backward) == [-1.0, None, None]
    assert read_transfer(tmp_path, bins=2).grid.low.tolist() == [0.5]
    assert read_transfer(tmp_path, "test", grid=LINE).scores.shape == (1, 3)


def test_where_success_is_not_told_the_score_is_the_return(tmp_path):
    rows = [eval_row(10, "validation", [0.5], 3.0, None), eval_row(20, "validation", [0.5], 5.0, None)]
    write_rows(EVALUATIONS, rows, tmp_path / "eval.parquet")
    assert read_transfer(tmp_path, grid=LINE).scores[:, 0].tolist() == [3.0, 5.0]
    assert read_transfer(tmp_path, grid=LINE).taught.tolist() == [0, 0, 0]


def test_runs_that_cannot_tell_say_so(tmp_path):
    with pytest.raises(InvalidRun, match="no evaluation of the suite 'validation'"):
        read_transfer(tmp_path)
    write_rows(EVALUATIONS, [eval_row(10, "validation", None, 3.0, None)], tmp_path / "eval.parquet")
    with pytest.raises(InvalidRun, match="tasks that are numbers"):
        read_transfer(tmp_path)
    (tmp_path / "eval.parquet").write_bytes(b"half a file")
    with pytest.raises(InvalidRun, match="cannot be read"):
        read_transfer(tmp_path)


def test_a_real_run(tmp_path):
    train(
        env="TeachRL/Hypercube-v0", env_kwargs={"cubes": 4}, teachers=[Uniform()], student=SimulatedStudent(cubes=4),
        steps=600, num_envs=2, loggers=[], progress="none", video=0, pictures=False, out=tmp_path / "run",
    )  # fmt: skip
    found = read_transfer(tmp_path / "run")
    assert found.scores.shape == (len(found.steps), 9)
    assert len(found.steps) >= 10
    assert found.taught.sum() == 600
    assert (found.forgetting >= 0).all()
    assert np.isnan(found.forward).all()  # uniform teaches every cell from the beginning
