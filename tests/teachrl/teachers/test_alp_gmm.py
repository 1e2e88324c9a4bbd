"""ALP-GMM: learning progress against brute force, when it fits, what it draws."""

import numpy as np
import pytest
from gymnasium import spaces
from sklearn.mixture import GaussianMixture

from teachrl._mixtures import Mixture
from teachrl.errors import InvalidHyperparameter, InvalidTeacher
from teachrl.teachers import ALPGMM


def begun(setup, **arguments):
    teacher = ALPGMM(**arguments)
    teacher.begin(setup)
    return teacher


def with_mixture(setup, means, covariances, **arguments):
    """A teacher past its bootstrap with a mixture made by hand."""
    teacher = begun(setup, bootstrap=0, **arguments)
    means = np.array(means, float)
    teacher._mixture = Mixture(np.array([0.98, *[0.02 / (len(means) - 1)] * (len(means) - 1)]), means, covariances)
    teacher._prepare_sampling()
    return teacher


def brute_force_alps(tasks, values):
    alps = []
    for i, (task, value) in enumerate(zip(tasks, values, strict=True)):
        squared = ((tasks[:i].astype(np.float64) - task.astype(np.float64)) ** 2).sum(axis=1)
        alps.append(abs(value - values[squared.argmin()]) if i > 5 else 0.0)
    return np.array(alps)


@pytest.mark.parametrize("dims", [1, 2, 5])
def test_every_alp_of_a_stream_is_brute_forces(dims, make_setup, make_report):
    rng = np.random.default_rng(dims)
    box = spaces.Box(-1, 1, (dims,))
    tasks = np.clip(rng.normal(size=(2400, dims)) * 0.8, -1, 1).astype(np.float32)  # corners are met again
    tasks[600:1500] = np.round(tasks[600:1500] * 8) / 8  # ties
    tasks[rng.integers(2400, size=400)] = tasks[rng.integers(2400, size=400)]  # duplicates
    returns = rng.normal(100, 200, size=2400)
    expected = brute_force_alps(tasks, np.clip((returns + 150) / 500, 0, 1))
    teacher = begun(make_setup(box), fit_rate=2400, max_components=2, bootstrap=10_000)
    for task, episode_return in zip(tasks, returns, strict=True):
        teacher.update(make_report([task], [episode_return]))
    seen, alps = teacher.recent_progress()
    np.testing.assert_array_equal(seen, tasks)
    np.testing.assert_array_equal(alps, expected)
    assert (expected > 0).sum() > 1000


@pytest.mark.parametrize(
    ("reward_range", "return_range", "expected"),
    [
        ("env", (0.0, 10.0), [0.0, 0.25, 1.0]),
        ((-10.0, 10.0), (0.0, 1.0), [0.25, 0.625, 1.0]),
        (None, (0.0, 10.0), [-5.0, 2.5, 1000.0]),
        ("env", None, [-5.0, 2.5, 1000.0]),
    ],
)
def test_returns_are_mapped_and_clipped(reward_range, return_range, expected, make_setup, make_report):
    teacher = begun(make_setup(return_range=return_range), reward_range=reward_range)
    teacher.update(make_report([np.zeros(2)] * 3, [-5.0, 2.5, 1000.0]))
    assert teacher.state_dict()["history"]["values"].tolist() == expected


def test_it_fits_the_last_rows_when_it_is_time(make_setup, make_report):
    teacher = begun(make_setup(), fit_rate=40, bootstrap=100, max_components=3)
    rng = np.random.default_rng(0)
    fits = []
    for episode in range(1, 251):
        before = teacher._mixture
        teacher.update(make_report(rng.random((1, 2)).astype(np.float32), rng.random(1) * 300))
        if teacher._mixture is not before:
            fits.append(episode)
            rows = np.column_stack(teacher.recent_progress())
            assert len(rows) == 40
            seed = teacher.state_dict()["fitter"]["random_state"]
            models = [GaussianMixture(k, random_state=seed).fit(rows) for k in (2, 3)]
            best = min(models, key=lambda m: m.aic(rows))
            np.testing.assert_array_equal(teacher.gaussians()["means"], best.means_[:, :-1])
            np.testing.assert_array_equal(teacher.gaussians()["alps"], best.means_[:, -1])
            np.testing.assert_array_equal(teacher.gaussians()["covariances"], best.covariances_[:, :-1, :-1])
    assert fits == [120, 160, 200, 240]


def test_tasks_are_uniform_until_the_bootstrap_is_over_and_a_mixture_is_there(make_setup, make_report):
    teacher = begun(make_setup(), fit_rate=20, bootstrap=30, random_task_ratio=0.0, max_components=2)
    rng = np.random.default_rng(0)
    for episode in range(60):
        teacher.sample_tasks(1)
        assert teacher._uniform[-1] == (episode < 40)
        teacher.update(make_report(rng.random((1, 2)).astype(np.float32), rng.random(1)))


def test_components_are_drawn_by_their_mean_alp(make_setup):
    means = [[0.5, 1.0, 0.1], [1.5, 3.0, 0.3], [2.5, 5.0, 0.0], [2.5, 1.0, 0.6]]
    teacher = with_mixture(make_setup(), means, np.stack([np.diag([1e-4, 1e-4, 1.0])] * 4), random_task_ratio=0.0)
    tasks = np.array([lesson.task for lesson in teacher.sample_tasks(5000)])
    nearest = ((tasks[:, None] - np.array(means)[None, :, :2]) ** 2).sum(axis=-1).argmin(axis=1)
    counts, expected = np.bincount(nearest, minlength=4), 5000 * np.array([0.1, 0.3, 0.0, 0.6])
    assert counts[2] == 0
    assert ((counts - expected)[[0, 1, 3]] ** 2 / expected[[0, 1, 3]]).sum() < 13.8  # 2 degrees of freedom: 1 in 1000
    np.testing.assert_allclose(teacher.gaussians()["probabilities"], [0.1, 0.3, 0.0, 0.6])


def test_no_progress_anywhere_draws_components_evenly(make_setup):
    means = [[0.5, 1.0, 0.0], [2.5, 5.0, -1e-17]]
    teacher = with_mixture(make_setup(), means, np.stack([np.eye(3) * 1e-4] * 2), random_task_ratio=0.0)
    share = np.mean([lesson.task[0] < 1.5 for lesson in teacher.sample_tasks(4000)])
    assert abs(share - 0.5) < 0.027  # 3.3 standard deviations


def test_a_component_is_drawn_from_with_its_covariance(make_setup):
    covariance = np.array([[0.04, 0.03, 0.01], [0.03, 0.09, 0.02], [0.01, 0.02, 0.5]])
    means = [[1.5, 3.0, 0.5], [1.5, 3.0, 0.5]]
    teacher = with_mixture(make_setup(), means, np.stack([covariance] * 2), random_task_ratio=0.0)
    tasks = np.array([lesson.task for lesson in teacher.sample_tasks(20_000)])
    np.testing.assert_allclose(tasks.mean(axis=0), [1.5, 3.0], atol=0.01)
    np.testing.assert_allclose(np.cov(tasks.T), covariance[:2, :2], atol=0.004)


def test_the_ratio_of_random_tasks(make_setup):
    corner = [[0.0, 0.0, 0.5], [0.0, 0.0, 0.5]]
    teacher = with_mixture(make_setup(), corner, np.stack([np.eye(3) * 1e-8] * 2), random_task_ratio=0.2)
    far = np.mean([lesson.task[0] > 0.01 for lesson in teacher.sample_tasks(8000)])
    assert abs(far - 0.2) < 0.015
    assert abs(teacher.scalars()["random_share"] - 0.2) < 0.1


def test_tasks_outside_are_clipped_to_the_border(make_setup):
    setup = make_setup()
    teacher = with_mixture(setup, [[3.5, 3.0, 1.0], [3.5, 3.0, 1.0]], np.stack([np.eye(3)] * 2), random_task_ratio=0.0)
    tasks = [lesson.task for lesson in teacher.sample_tasks(500)]
    assert all(setup.task_space.contains(task) for task in tasks)
    assert np.mean([task[0] == 3.0 for task in tasks]) > 0.5


def test_a_curriculum_moves_to_where_the_student_changes(make_setup, make_report):
    teacher = begun(make_setup(), fit_rate=100, max_components=4)
    rng = np.random.default_rng(0)
    for _ in range(300):
        task = teacher.sample_tasks(1)[0].task
        teacher.update(make_report([task], [rng.uniform(-150, 350) if task[0] < 0.75 else -100.0]))
    tasks = np.array([lesson.task for lesson in teacher.sample_tasks(400)])
    assert (tasks[:, 0] < 0.9).mean() > 0.5  # uniform: 0.3


def test_normalised_tasks_do_not_depend_on_units(make_setup, make_report):
    narrow = begun(make_setup(spaces.Box(0, 1, (2,))), fit_rate=50, max_components=3)
    wide = begun(
        make_setup(spaces.Box(np.float32([0, -512]), np.float32([4, 512]))),
        fit_rate=50, max_components=3, normalise_tasks=True,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    for point, r in zip(np.round(rng.random((100, 2)), 2).astype(np.float32), rng.random(100) * 300, strict=True):
        narrow.update(make_report([point], [r]))
        wide.update(make_report([point * 4.0 * [1, 256] - [0, 512]], [r]))
    np.testing.assert_allclose(wide.recent_progress()[1], narrow.recent_progress()[1])
    np.testing.assert_allclose(wide.gaussians()["means"], narrow.gaussians()["means"] * [4, 1024] - [0, 512], rtol=1e-4)
    scale = np.outer([4, 1024], [4, 1024])
    np.testing.assert_allclose(wide.gaussians()["covariances"], narrow.gaussians()["covariances"] * scale, rtol=1e-3)
    for a, b in zip(narrow.sample_tasks(20), wide.sample_tasks(20), strict=True):
        np.testing.assert_allclose(a.task * [4, 1024] - [0, 512], b.task, rtol=1e-3, atol=0.05)


def test_reports_may_come_in_pieces_of_any_size(make_setup, make_report):
    one, other = (begun(make_setup(), fit_rate=70, max_components=3) for _ in range(2))
    rng = np.random.default_rng(0)
    tasks, returns = rng.random((400, 2)).astype(np.float32), rng.random(400) * 300
    other.update(make_report(tasks, returns))
    for i, (task, episode_return) in enumerate(zip(tasks, returns, strict=True)):
        one.update(make_report([task], [episode_return]))
        if i % 90 == 0:
            one.scalars()
    np.testing.assert_array_equal(one.gaussians()["means"], other.gaussians()["means"])
    for a, b in zip(one.recent_progress(), other.recent_progress(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_task_may_be_changed_after_its_report(make_setup, make_report):
    teacher, task = begun(make_setup()), np.ones(2, np.float32)
    teacher.update(make_report([task], [0.0]))
    task[:] = 2.0
    assert teacher.recent_progress()[0].tolist() == [[1.0, 1.0]]


def test_episodes_without_tasks_are_ignored(make_setup, make_report):
    teacher = begun(make_setup())
    teacher.update(make_report([None, np.ones(2), None], [1.0, 2.0, 3.0]))
    teacher.update(make_report([], []))
    assert len(teacher.recent_progress()[0]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fit_rate": 1}, r"ALPGMM.fit_rate must be an integer of at least 2, got 1"),
        ({"fit_rate": 250.0}, r"fit_rate must be an integer .* got 250.0"),
        ({"fit_rate": 5}, r"max_components must be at most fit_rate, 5, got 10"),
        ({"bootstrap": -1}, r"bootstrap must be None or an integer of at least 0, got -1"),
        ({"random_task_ratio": 1.5}, r"random_task_ratio must be a share from 0 to 1, got 1.5"),
        ({"random_task_ratio": float("nan")}, r"random_task_ratio must be a share"),
        ({"min_components": 0}, r"min_components must be an integer of at least 1, got 0"),
        ({"max_components": 1}, r"max_components must be an integer of at least 2, got 1"),
        ({"criterion": "AIC"}, r"criterion must be one of .*'aic', 'bic', 'aicc'.* got 'AIC'"),
        ({"em_inits": True}, r"em_inits must be an integer of at least 1, got True"),
        ({"history_limit": 0}, r"history_limit must be None or an integer of at least 1, got 0"),
        ({"reward_range": (1.0, 1.0)}, r"reward_range must be 'env', None, or a pair"),
        ({"reward_range": (0.0, float("inf"))}, r"reward_range must be"),
        ({"reward_range": "auto"}, r"reward_range must be .* got 'auto'"),
    ],
)
def test_impossible_hyperparameters(arguments, message, make_setup):
    with pytest.raises(InvalidHyperparameter, match=message):
        begun(make_setup(), **arguments)


@pytest.mark.parametrize(
    "space",
    [
        None,
        spaces.Discrete(4),
        spaces.Box(0, 1, (2, 2)),
        spaces.Box(-np.inf, 1, (2,)),
        spaces.Box(0, 9, (2,), np.int64),
    ],
)
def test_task_spaces_that_it_cannot_use(space, make_setup):
    with pytest.raises(InvalidTeacher, match="Uniform works on every task space"):
        begun(make_setup(space))


def test_an_infinite_return_range_is_an_error(make_setup):
    with pytest.raises(InvalidTeacher, match="Set reward_range"):
        begun(make_setup(return_range=(-np.inf, 0.0)))


def test_a_mixture_that_cannot_be_fitted_is_an_error(make_setup, make_report):
    space = spaces.Box(np.float64([0, 0]), np.float64([1e9, 2e9]), dtype=np.float64)
    teacher = begun(make_setup(space), fit_rate=20, max_components=4)
    line = np.linspace(0, 1e9, 20)
    with pytest.raises(InvalidTeacher, match="normalise_tasks=True"):
        teacher.update(make_report(np.stack([line, 2 * line], axis=1), np.zeros(20)))
