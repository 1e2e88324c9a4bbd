"""Where a teacher has been: collected from the command line and in Python, exact or replayed, and trained with."""

import json

import gymnasium
import numpy as np
import pytest

from teachrl import Classroom, Lesson, cli, make_vec
from teachrl.errors import InvalidEnvironment, InvalidHyperparameter, InvalidTeacher
from teachrl.observations import equal
from teachrl.runs import collect, console, evaluate, train
from teachrl.runs.checkpoint import load_tree, newest_checkpoint
from teachrl.runs.run_policy import RunPolicy
from teachrl.teacher import TaskTeacher
from teachrl.teachers import S3RL, PrioritizedStarts, ReverseCurriculum, Snapshots, Uniform
from teachrl.testing import check_teacher
from teachrl.trajectories import Trajectories
from teachrl_agents import MLP, PPO, SB3
from toys import ExactLine, GoRight, Line

QUIET = {"loggers": [], "progress": "none", "eval_every": "never", "video": 0, "checkpoint_every": "never"}
EXACT, NOISY, VIEWED = "StateLine-v0", "ReplayLine-v0", "ViewedLine-v0"
for name, entry, kwargs in ((EXACT, ExactLine, {}), (NOISY, Line, {}), (VIEWED, ExactLine, {"views": True})):
    gymnasium.register(name, entry, disable_env_checker=True, kwargs=kwargs)
SMALL = {"n_steps": 16, "batch_size": 16, "policy_kwargs": {"net_arch": [8]}}
OFF_POLICY = {"learning_starts": 16, "batch_size": 8, "policy_kwargs": {"net_arch": [8]}}
STUDENTS = {
    "PPO": lambda: SB3("PPO", hyperparameters=SMALL, device="cpu"),
    "SAC": lambda: SB3("SAC", hyperparameters=OFF_POLICY, device="cpu"),
    "TD3": lambda: SB3("TD3", hyperparameters=OFF_POLICY, device="cpu"),
    "ours": lambda: PPO(MLP(), n_steps=16, batch_size=16),
}


@pytest.fixture(autouse=True)
def few_tasks(monkeypatch):
    from teachrl.runs import examine

    original = examine.Examiner.suite
    monkeypatch.setattr(examine.Examiner, "suite", lambda self, name: dict(list(original(self, name).items())[:2]))


class Wanders:
    """Walks at random, towards the goal on the whole."""

    stochastic = True

    def act(self, observations, state=None, first=None, deterministic=True):
        drawn = np.zeros((len(observations), 1)) if deterministic else np.random.normal(size=(len(observations), 1))
        return (0.3 + 0.1 * drawn).astype(np.float32), state


def gather(who, env, out, **settings):
    return collect(who, env, str(out), **{"snapshot_every": 5, "episodes": 3, "progress": "none", **settings})


@pytest.mark.parametrize(("env", "kind"), [(EXACT, "exact"), (NOISY, "replay")])
def test_what_is_recorded_is_what_happened(env, kind, tmp_path):
    """Every state leads back to where it was taken, and playing on from it earns the return-to-go."""
    collected = gather(GoRight(), env, tmp_path / "a", num_envs=2, episodes=5, snapshot_every=3)
    found, envs = collected.trajectories, make_vec(env, 1)
    for k, state in enumerate(found.states):
        e, t = int(found.episodes[k]), int(found.steps[k])
        assert (state.kind, state.elapsed, t % 3) == (kind, t, 0)
        envs.reset(seed=[int(found.seeds[e])], options={"lessons": [Lesson(found.tasks[e], start=state)]})
        rewards = []
        for action in found.actions[e][t:]:
            _, reward, terminated, truncated, _ = envs.step(action[None])
            rewards.append(float(reward[0]))
        assert terminated[0] or truncated[0]
        assert found.returns_to_go[k] == pytest.approx(sum(rewards))
        assert found.discounted_returns_to_go[k] == pytest.approx(sum(r * 0.99**i for i, r in enumerate(rewards)))
        assert found.successes[e] == terminated[0]
    assert (found.values_from, found.gamma) == ("return-to-go", 0.99)
    np.testing.assert_array_equal(found.values, found.discounted_returns_to_go)
    np.testing.assert_allclose(found.returns, found.returns_to_go[found.steps == 0])
    assert found.lengths.tolist() == [len(a) for a in found.actions]
    assert np.bincount(found.episodes).tolist() == [-(-n // 3) for n in found.lengths]
    assert len({task.tobytes() for task in found.tasks}) == 5
    assert ("get_state" in collected.note) == (kind == "replay")


def test_it_is_a_function_of_the_seed(tmp_path):
    a, b, c = (
        gather(Wanders(), EXACT, tmp_path / str(k), seed=seed, num_envs=2).trajectories
        for k, seed in enumerate((3, 3, 4))
    )
    assert a.digest() == b.digest() != c.digest()
    many = gather(GoRight(), EXACT, tmp_path / "many", seed=3, num_envs=7, episodes=5).trajectories
    few = gather(GoRight(), EXACT, tmp_path / "few", seed=3, num_envs=2, episodes=5).trajectories
    assert many.digest() == few.digest()


def test_what_samples_is_sampled(tmp_path):
    def actions(name, **settings):
        return np.concatenate(gather(Wanders(), EXACT, tmp_path / name, **settings).trajectories.actions)

    assert len(np.unique(actions("auto"))) > 1
    assert (actions("mode", deterministic=True) == np.float32(0.3)).all()
    slow = gather(GoRight(), EXACT, tmp_path / "slow", deterministic=False).trajectories.actions
    assert (np.concatenate(slow) == np.float32(0.25)).all()


def test_the_best_are_kept(tmp_path):
    whole = gather(Wanders(), EXACT, tmp_path / "a", episodes=6).trajectories
    kept = gather(Wanders(), EXACT, tmp_path / "b", episodes=6, keep=2).trajectories
    assert sorted(kept.returns) == sorted(whole.returns)[-2:]
    assert set(kept.seeds) < set(whole.seeds)


@pytest.mark.parametrize("name", STUDENTS)
def test_values_are_the_critics(name, tmp_path):
    """Of a run: its gamma, and its critic's values of what it saw there."""
    student = STUDENTS[name]()
    run = train(EXACT, student=student, steps=64, num_envs=2, out=str(tmp_path / "run"), **QUIET)
    found = gather(str(tmp_path / "run"), EXACT, tmp_path / "a", episodes=2).trajectories
    assert (found.values_from, found.gamma) == ("critic", run.student.gamma)
    envs = make_vec(EXACT, 1)
    seen = [
        envs.reset(seed=[0], options={"lessons": [Lesson(found.tasks[e], start=state)]})[0]
        for e, state in zip(found.episodes, found.states, strict=True)
    ]
    expected = run.student.policy.values(np.concatenate(seen))
    np.testing.assert_allclose(found.values, expected, rtol=1e-4)
    if name in ("SAC", "TD3"):
        import torch

        policy, tensors = run.student.model.policy, torch.as_tensor(np.concatenate(seen))
        with torch.no_grad():
            both = torch.cat(policy.critic(tensors, policy._predict(tensors, deterministic=True)), dim=1)
        np.testing.assert_allclose(expected, both.min(dim=1).values.numpy())
    assert RunPolicy(str(tmp_path / "run")).load().stochastic == (name != "TD3")


def test_a_critic_that_sees_more_is_shown_it(tmp_path):
    student = PPO(MLP(), n_steps=16, batch_size=16, critic_view="teacher")
    run = train(VIEWED, student=student, steps=64, num_envs=2, out=str(tmp_path / "run"), **QUIET)
    found = gather(str(tmp_path / "run"), VIEWED, tmp_path / "a", episodes=2).trajectories
    assert found.values_from == "critic"
    raw, _ = make_vec(VIEWED, 1).reset(seed=[0], options={"lessons": [Lesson(found.tasks[0], start=found.states[1])]})
    value = run.student.policy.values(raw["student"], critic=raw["teacher"])
    np.testing.assert_allclose(found.values[1], value[0], rtol=1e-5)


def test_the_planner_counts_steps(tmp_path):
    env = "TeachRL/MiniGrid-DoorKey-5x5-v0"
    found = gather("planner", env, tmp_path / "a", episodes=4, snapshot_every=1).trajectories
    assert found.values_from == "planner"
    assert (found.successes == 1).all()
    np.testing.assert_array_equal(-found.values, found.lengths[found.episodes] - found.steps)


def test_from_the_command_line(tmp_path, monkeypatch, capsys):
    """A short PPO learns CartPole, is collected, and S3RL begins another one's episodes there."""
    monkeypatch.chdir(tmp_path)
    quiet = ["--progress", "none", "--video", "0", "--eval_every", "never", "--checkpoint_every", "never"]
    small = ["--student", "SB3", "--student.hyperparameters.n_steps", "64", "--num_envs", "2", *quiet]
    words = ["train", "--env", "CartPole-v1", "--steps", "256", *small]
    assert cli.main([*words, "--out", "teacher"]) == 0
    capsys.readouterr()
    states = ["collect", "--teacher", "teacher", "--env", "CartPole-v1", "--episodes", "4", "--snapshot_every", "5"]
    assert cli.main([*states, "--keep", "3", "--deterministic", "auto", "--out", "cart.states"]) == 0
    said = capsys.readouterr().out
    assert "exact snapshots of 3 episodes in CartPole-v1, mean return" in said
    assert "values from the critic" in said
    assert "--teacher S3RL --teacher.trajectories cart.states" in said
    begin = ["--teacher", "S3RL", "--teacher.trajectories", "cart.states", "--teacher.limit", "4"]
    assert cli.main([*words, *begin, "--teacher.steps", "128", "--out", "student"]) == 0
    scalars = json.loads((tmp_path / "student" / "metrics.jsonl").read_text().splitlines()[-1])
    assert scalars["teacher/S3RL/first_phase"] == 0
    assert sum(v for k, v in scalars.items() if "cluster_" in k) >= 128 / 4
    capsys.readouterr()
    assert cli.main([*states, "--out", "cart.states"]) == 1
    assert "cart.states exists" in capsys.readouterr().err
    (tmp_path / "cart.states").rename("gone")
    assert cli.main(["evaluate", "student", "--num_envs", "2"]) == 0  # nobody begins there any more
    capsys.readouterr()
    assert cli.main([*words, *begin, "--out", "next"]) == 1
    assert "cart.states cannot be read: there is no such file" in capsys.readouterr().err
    assert not (tmp_path / "next").exists()


@pytest.mark.parametrize("make", [S3RL, Snapshots, ReverseCurriculum, PrioritizedStarts])
def test_the_contract(make, tmp_path, monkeypatch):
    from teachrl.testing import ToyEnv

    gymnasium.register("Toy-v0", ToyEnv, disable_env_checker=True)
    file = gather(GoRight(), "Toy-v0", tmp_path / "a").out
    del gymnasium.registry["Toy-v0"]
    found = Trajectories.load(file)
    states = [type(s)(s.kind, "ToyEnv", s.seed, s.task, s.payload, s.elapsed) for s in found.states]
    parts = {name: getattr(found, name) for name in found.__slots__}
    Trajectories(**{**parts, "env_id": "ToyEnv", "states": tuple(states)}).save(file)
    check_teacher(lambda: make(file))


@pytest.mark.parametrize("student", STUDENTS)
@pytest.mark.parametrize("make", [S3RL, ReverseCurriculum, PrioritizedStarts])
def test_students_and_task_teachers(student, make, tmp_path):
    """Training goes on under tasks of another teacher, and evaluations begin where the environment begins."""
    found = gather(GoRight(), EXACT, tmp_path / "a", snapshot_every=1).trajectories
    teacher = make(found)
    settings = {**QUIET, "eval_every": 32}
    run = train(EXACT, teachers=[Uniform(), teacher], student=STUDENTS[student](), steps=64, num_envs=2,
                out=str(tmp_path / "run"), **settings)  # fmt: skip
    assert teacher.scalars()["restored"] == 1
    assert run.evaluation.mean_return < 0

    def never(lessons):
        raise AssertionError("evaluations begin where the environment begins them")

    teacher.sample_starts = never
    assert evaluate(run).mean_return == run.evaluation.mean_return
    rows = {row["start"] for row in _episodes(tmp_path / "run")}
    assert rows
    assert None not in rows
    assert rows <= set(range(len(found)))


def _episodes(path):
    import pyarrow.parquet as pq

    return pq.read_table(path / "episodes.parquet").to_pylist()


class Known(TaskTeacher):
    """Serves the tasks that were recorded."""

    def __init__(self, file: str) -> None:
        self.file = file

    def sample(self, n):
        tasks = Trajectories.load(self.file).tasks
        return [tasks[k] for k in self.rng.integers(len(tasks), size=n)]


@pytest.mark.parametrize("env", [EXACT, NOISY])
@pytest.mark.parametrize("make", [S3RL, ReverseCurriculum, PrioritizedStarts])
def test_a_run_goes_on_exactly(env, make, tmp_path):
    """Stopped within restored episodes and resumed, it is bit for bit the run that was not stopped."""
    file = gather(GoRight(), env, tmp_path / "a").out
    settings = {
        S3RL: {"limit": 7, "steps": 100, "clusters": 2},
        ReverseCurriculum: {"window": 9, "threshold": 1.0},
    }.get(make, {})

    def run(steps, **more):
        teachers = [Known(file), make(file, **settings)]
        student = PPO(MLP(), n_steps=8, batch_size=16)
        return train(env, teachers=teachers, student=student, steps=steps, num_envs=2, **QUIET, **more)

    run(160, out=str(tmp_path / "whole"))
    run(80, out=str(tmp_path / "cut"))
    middle = load_tree(newest_checkpoint(tmp_path / "cut" / "checkpoints"), "classroom")
    running = [e["lesson"] for e in middle["running"]["ledger"]["episodes"]]
    assert any(lesson["start"] is not None for lesson in running)
    assert all((lesson["limit"] == 7) == (make is S3RL) for lesson in running if lesson["start"] is not None)
    resumed = run(160, resume=str(tmp_path / "cut"))
    assert resumed.classroom.mismatches == []
    assert _episodes(tmp_path / "cut") == _episodes(tmp_path / "whole")
    a, b = (load_tree(newest_checkpoint(tmp_path / name / "checkpoints"), "student") for name in ("whole", "cut"))
    assert a["net"].keys() == b["net"].keys()
    assert all(equal(a["net"][name], b["net"][name]) for name in a["net"])
    starts = [row["start"] for row in _episodes(tmp_path / "whole")]
    assert (None in starts) == (make is S3RL)  # its first phase ends in between


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"episodes": 0}, "`episodes` must be a whole number, at least 1, got 0"),
        ({"snapshot_every": -1}, "`snapshot_every` must be a whole number, at least 0"),
        ({"keep": -1}, "`keep` must be a whole number, at least 0"),
        ({"deterministic": "perhaps"}, "`deterministic` is true, false or auto, got 'perhaps'"),
        ({"num_envs": 0}, "`num_envs` must be"),
        ({"out": "minari:line/states-v0"}, "States are one file, no Minari dataset"),
        ({"noise": 0.1}, "`noise` is of demonstrations, but `snapshot_every` writes states"),
        ({"steps": 100}, "`steps` is of demonstrations"),
        ({"view": "teacher"}, "`view` is of demonstrations"),
        ({"snapshot_every": 0, "episodes": 3}, "`episodes` is of states, but without `snapshot_every` demonstrations"),
        ({"snapshot_every": 0, "keep": 3}, "`keep` is of states"),
        ({"snapshot_every": 0, "deterministic": True}, "`deterministic` is of states"),
        ({"out": ""}, "collect needs --out"),
        ({"env": ""}, "collect needs --env"),
    ],
)
def test_impossible_arguments(settings, match, tmp_path):
    arguments = {"teacher": GoRight(), "env": EXACT, "out": str(tmp_path / "a"), "snapshot_every": 5, **settings}
    with pytest.raises(InvalidHyperparameter, match=match):
        collect(**arguments, progress="none")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("progress", ["table", "plain"])
def test_progress_is_told_in_episodes(progress, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(console, "PLAIN_SECONDS", 0.0)
    gather(GoRight(), EXACT, tmp_path / "a", progress=progress)
    said = capsys.readouterr().out
    assert ("3 of 3 (100%)" if progress == "table" else "3/3 episodes\n") in said
    assert "steps" not in said


def test_the_command_makes_the_same_environment(tmp_path):
    made = {"env_kwargs": {"broken_at": 40.5}, "wrappers": ["gymnasium.wrappers.OrderEnforcing"]}
    found = gather(GoRight(), NOISY, tmp_path / "a", **made)
    words = found.command.split()
    assert words[2:4] == ["--env", NOISY]
    assert words[words.index("--env_kwargs.broken_at") + 1] == "40.5"
    assert words[words.index("--wrapper") + 1] == "gymnasium.wrappers.OrderEnforcing"


def test_what_cannot_be_collected(tmp_path):
    with pytest.raises(InvalidHyperparameter, match="is a directory"):
        gather(GoRight(), EXACT, tmp_path)
    for teachers, match in [([], "of one teacher, got 0"), ([GoRight(), GoRight()], "of one teacher, got 2")]:
        with pytest.raises(InvalidTeacher, match=match):
            gather(teachers, EXACT, tmp_path / "a")
    with pytest.raises(InvalidTeacher, match="planner reads the teacher's view"):
        gather("planner", "CartPole-v1", tmp_path / "a")
    with pytest.raises(InvalidEnvironment, match="Actions must"):
        gather(lambda observations: np.zeros((7, 7), np.float32), EXACT, tmp_path / "a")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("env", ["TeachRL/MiniGrid-DoorKey-5x5-v0", "CartPole-v1"])
def test_time_counts_from_a_fresh_start(env, tmp_path):
    """The time limit is whole again; nothing else is other than it was."""
    who = "planner" if "Grid" in env else lambda observations: np.zeros(len(observations), np.int64)
    found = gather(who, env, tmp_path / "a", episodes=1, snapshot_every=4).trajectories
    envs = make_vec(env, 1)
    (lesson,) = _begun(S3RL(found, clusters=0), envs, found, 1)
    assert (found.states[1].elapsed, lesson.start.elapsed) == (4, 0)
    shown, _ = envs.reset(seed=[0], options={"lessons": [Lesson(start=found.states[1])]})
    again, _ = envs.reset(seed=[0], options={"lessons": [lesson]})
    assert equal(shown, again)
    assert envs.get_state()[0].elapsed == 0
    steps, action = 0, np.array([6 if "Grid" in env else 0])
    if "Grid" in env:
        over = False
        while not over:
            _, _, terminated, truncated, _ = envs.step(action)
            over, steps = bool(terminated[0] or truncated[0]), steps + 1
        assert steps == 250  # 10 times 5 times 5: what an episode has


def _begun(teacher, envs, found, snapshot):
    Classroom(envs, teacher)
    return [teacher.begun_at(Lesson(seed=0), snapshot)]
