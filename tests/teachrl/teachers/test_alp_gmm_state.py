"""ALP-GMM: what it remembers, and that nothing outside it matters."""

import json
import random
import subprocess
import sys

import numpy as np
import pytest

from teachrl.teachers import ALPGMM

SMALL = {"fit_rate": 30, "max_components": 4}


def play(teacher, make_report, episodes, seed):
    """Returns the tasks served while a student with random progress plays them, three at a time."""
    rng, tasks = np.random.default_rng(seed), []
    for _ in range(episodes // 3):
        served = [lesson.task for lesson in teacher.sample_tasks(3)]
        teacher.update(make_report(served, rng.uniform(-200, 400, 3) * [t[0] for t in served]))
        tasks += served
    return np.array(tasks)


def begun(setup, **arguments):
    teacher = ALPGMM(**{**SMALL, **arguments})
    teacher.begin(setup)
    return teacher


@pytest.mark.parametrize("played", [0, 3, 21, 30, 99])
@pytest.mark.parametrize("arguments", [{}, {"warm_start": True}, {"history_limit": 40}, {"normalise_tasks": True}])
def test_a_restored_teacher_continues_bit_for_bit(played, arguments, make_setup, make_report):
    teacher, other = begun(make_setup(), **arguments), begun(make_setup(seed=9), **arguments)
    play(teacher, make_report, played, seed=1)
    play(other, make_report, 33, seed=2)
    other.load_state_dict(teacher.state_dict())
    assert teacher.scalars() == other.scalars()
    np.testing.assert_array_equal(
        play(teacher, make_report, 75, seed=3), play(other, make_report, 75, seed=3), strict=True
    )
    for name, array in teacher.gaussians().items():
        np.testing.assert_array_equal(array, other.gaussians()[name])


def test_the_state_is_data(make_setup, make_report):
    teacher = begun(make_setup(), warm_start=True)
    play(teacher, make_report, 60, seed=1)

    def data(value):
        if isinstance(value, dict):
            return all(isinstance(k, str) and data(v) for k, v in value.items())
        if isinstance(value, list):
            return all(data(v) for v in value)
        return value is None or isinstance(value, int | float | str | np.ndarray)

    assert data(teacher.state_dict())
    json.dumps(teacher.state_dict()["rng"])


def test_a_state_does_not_change_afterwards(make_setup, make_report):
    teacher, other = begun(make_setup()), begun(make_setup())
    play(teacher, make_report, 60, seed=1)
    state = teacher.state_dict()
    other.load_state_dict(state)
    expected = play(other, make_report, 60, seed=2)
    play(teacher, make_report, 60, seed=3)
    other.load_state_dict(state)
    np.testing.assert_array_equal(play(other, make_report, 60, seed=2), expected)


def test_same_seed_same_lessons_others_differ(make_setup, make_report):
    a, b, c = (play(begun(make_setup(seed=seed)), make_report, 90, seed=1) for seed in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_begin_starts_anew(make_setup, make_report):
    teacher = begun(make_setup())
    first = play(teacher, make_report, 60, seed=1)
    teacher.begin(make_setup())
    np.testing.assert_array_equal(play(teacher, make_report, 60, seed=1), first)


def test_global_generators_are_neither_used_nor_touched(make_setup, make_report):
    np.random.seed(1)
    random.seed(1)
    before = np.random.get_state()[1].tolist(), random.getstate()
    first = play(begun(make_setup()), make_report, 60, seed=1)
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before
    np.random.seed(2)
    np.testing.assert_array_equal(play(begun(make_setup()), make_report, 60, seed=1), first)


def test_scalars_of_a_run(make_setup, make_report):
    teacher = begun(make_setup(), random_task_ratio=0.0)
    assert teacher.scalars() == {"alp_mean": 0.0, "alp_highest": 0.0, "components": 0.0, "random_share": 0.0}
    play(teacher, make_report, 30, seed=1)
    scalars = teacher.scalars()
    assert scalars["alp_mean"] == pytest.approx(teacher.recent_progress()[1].mean())
    assert scalars["alp_highest"] == teacher.gaussians()["alps"].max()
    assert scalars["components"] == len(teacher.gaussians()["weights"])
    assert scalars["random_share"] == 1.0
    play(teacher, make_report, 15, seed=1)
    assert teacher.scalars()["random_share"] == 0.5


def test_pictures_before_the_first_fit_are_empty(make_setup):
    teacher = begun(make_setup())
    shapes = {name: array.shape for name, array in teacher.gaussians().items()}
    assert shapes == {
        "means": (0, 2), "covariances": (0, 2, 2), "weights": (0,), "alps": (0,), "probabilities": (0,),
    }  # fmt: skip
    assert [array.shape for array in teacher.recent_progress()] == [(0, 2), (0,)]


def test_arguments_are_kept_under_their_names():
    arguments = {"fit_rate": 150, "random_task_ratio": 0.05, "reward_range": (0.0, 1.0)}
    kept = ALPGMM(**arguments).init_args
    assert {name: kept[name] for name in arguments} == arguments
    assert len(kept) == 11


def test_importing_it_leaves_the_heavy_libraries_out():
    code = (
        "import sys; from teachrl.teachers import ALPGMM, Uniform; "
        "print([m for m in ('sklearn', 'scipy', 'torch', 'numba', 'stable_baselines3') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
