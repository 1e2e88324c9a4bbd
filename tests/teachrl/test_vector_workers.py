import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import vector_environments as ve
from hypothesis import given, settings
from hypothesis import strategies as st

from teachrl.errors import EnvironmentFailed, InvalidEnvironment, InvalidHyperparameter, InvalidTask
from teachrl.lessons import Lesson
from teachrl.snapshots import replay_state
from teachrl.vector import make_vec

WALK, MIXED, BAD = "VectorTest/Walk-v0", "VectorTest/Mixed-v0", "VectorTest/Bad-v0"


def assert_same(a, b):
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, tuple | list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    else:
        assert a == b


def pids(envs):
    return [process.pid for process in envs._backend._pool._processes]


def gone(pid):
    try:
        return (
            "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text() if Path("/proc").is_dir() else not os.kill(pid, 0)
        )
    except (OSError, ProcessLookupError):
        return True


def wait_until_gone(numbers, seconds=10.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end and not all(gone(pid) for pid in numbers):
        time.sleep(0.02)
    return all(gone(pid) for pid in numbers)


@pytest.fixture(scope="module", params=[WALK, MIXED])
def pair(request):
    envs = make_vec(request.param, 5, render_mode="rgb_array"), make_vec(request.param, 5, 2, render_mode="rgb_array")
    yield envs
    for each in envs:
        each.close()


lessons = st.builds(
    Lesson,
    task=st.none() | st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
    seed=st.none() | st.integers(0, 2**31),
)


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_workers_give_the_same_bits(pair, data):
    mask = np.ones(5, bool)
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    drawn = data.draw(st.lists(lessons, min_size=5, max_size=5))
    assert_same(*(envs.reset(seed=1, options={"lessons": drawn}) for envs in pair))
    for _ in range(8):
        actions = {"go": rng.uniform(-1, 1, (5, 2)).astype(np.float32), "say": rng.integers(3, size=5)}
        actions = actions if isinstance(pair[0].action_space, gymnasium.spaces.Dict) else actions["go"]
        result, other = (envs.step(actions) for envs in pair)
        assert_same(result, other)
        mask = result[2] | result[3] | (rng.random(5) < 0.1)
        count = int(mask.sum())
        drawn = data.draw(st.lists(lessons, min_size=count, max_size=count))
        options = {"reset_mask": mask, "lessons": drawn}
        assert_same(*(envs.reset(seed=list(range(count)), options=options) for envs in pair))


def test_workers_answer_the_same_questions(pair):
    for envs in pair:
        envs.reset(seed=0)
    assert_same(*(envs.call("place", [4, 0, 2, 0]) for envs in pair))
    assert_same(*(envs.render() for envs in pair))
    assert pair[0].task_suite("test").keys() == pair[1].task_suite("test").keys()
    states, others = (envs.get_state(np.array([True, False, False, True, True])) for envs in pair)
    assert_same([s.to_data() for s in states], [s.to_data() for s in others])
    starts = {"reset_mask": np.array([False, True, True, False, True]), "lessons": [Lesson(start=s) for s in states]}
    assert_same(*(envs.reset(seed=1, options=starts) for envs in pair))
    for name in ("observation_space", "action_space", "task_space", "task_names", "return_range", "restorable"):
        assert getattr(pair[0], name) == getattr(pair[1], name)
    assert pair[1].spec.id == pair[0].spec.id


def test_refused_lessons_leave_the_workers_alive():
    envs = make_vec(WALK, 3, 2)
    envs.reset(seed=0)
    with pytest.raises(InvalidTask, match="east is 2"):
        envs.reset(options={"lessons": [None, None, Lesson([2, 0])]})
    drift = replay_state(WALK, 0, np.array([1, 1], np.float32), np.zeros((15, 2), np.float32))
    with pytest.raises(InvalidEnvironment, match="of the 15"):
        envs.reset(options={"lessons": [None, None, Lesson(start=drift)]})
    with pytest.raises(InvalidEnvironment, match="'fly'"):
        envs.call("fly")
    envs.reset(seed=0)
    envs.step(np.zeros((3, 2), np.float32))
    envs.close()


@pytest.mark.parametrize(
    ("task", "match"),
    [
        (1, r"ZeroDivisionError: the terrain is flat(.|\n)*in _raise(.|\n)*ZeroDivisionError"),
        (2, "exited with code 7"),
        (3, r"SIGSEGV(.|\n)*_crash"),
        (4, r"no answer in time .*0.5 s(.|\n)*_hang"),
        (5, "SystemExit"),
    ],
)
def test_failures_name_the_environment_and_end_all_workers(task, match):
    envs = make_vec(BAD, 3, 2, timeout=60.0 if task != 4 else 0.5)
    envs.reset(seed=[4, 5, 6], options={"lessons": [None, Lesson(task), None]})
    workers = pids(envs)
    with pytest.raises(EnvironmentFailed, match=rf"Bad-v0: environment 1 .*task {task}, seed 5.*{match}"):
        envs.step(np.zeros(3, int))
    assert wait_until_gone(workers, 0.5)
    with pytest.raises(InvalidEnvironment, match="closed"):
        envs.step(np.zeros(3, int))
    envs.close()


def test_a_killed_worker_is_noticed():
    envs = make_vec(BAD, 2, 2)
    envs.reset(seed=0)
    os.kill(pids(envs)[1], signal.SIGKILL)
    with pytest.raises(EnvironmentFailed, match=r"environment 1 .*SIGKILL, as when memory runs out"):
        envs.step(np.zeros(2, int))


def test_close_ends_the_workers():
    envs = make_vec(WALK, 2, 2)
    workers = pids(envs)
    envs.close()
    envs.close()
    assert wait_until_gone(workers, 0.5)


def test_forgotten_environments_end_their_workers():
    envs = make_vec(WALK, 2, 2)
    workers = pids(envs)
    del envs
    assert wait_until_gone(workers)


def test_more_workers_than_environments():
    envs = make_vec(WALK, 2, 5)
    assert envs.reset(seed=0)[0].shape == (2, 3)
    envs.close()


def test_environments_that_cannot_be_made():
    with pytest.raises(EnvironmentFailed, match=r"Unmakable cannot be made(.|\n)*no terrain file"):
        make_vec(ve.Unmakable, 1, 1)
    with pytest.raises(InvalidHyperparameter, match="raech"):
        make_vec(WALK, 1, 1, env_kwargs={"raech": 1})
    with pytest.raises(EnvironmentFailed, match="no_such_module"):
        make_vec(WALK, 1, 1, modules=["no_such_module"])


def test_what_cannot_be_sent():
    with pytest.raises(InvalidEnvironment, match="workers=0"):
        make_vec(lambda: ve.Walk(), 1, 1)
    envs = make_vec(ve.SecretInfo, 1, 1)
    with pytest.raises(InvalidEnvironment, match=r"SecretInfo returned something that cannot be sent"):
        envs.reset()
    envs.close()


def test_functions_at_the_top_of_a_module_can_be_sent():
    envs = make_vec(ve.Walk, 2, 1, env_kwargs={"reach": 3.0}, wrappers=["ClipAction"])
    assert envs.call("reach") == [3.0, 3.0]
    another = envs.make_another(1, workers=1)
    assert another.call("reach") == [3.0]
    another.close()
    envs.close()


def run_script(tmp_path, text, **kwargs):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(text))
    command = [sys.executable, "-W", "error", str(script)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs)


def test_a_script_without_a_guard_is_told_so(tmp_path):
    script = run_script(
        tmp_path,
        """
        from teachrl.vector import make_vec
        make_vec("CartPole-v1", 2, workers=2)
        """,
    )
    _, complaint = script.communicate(timeout=60)
    assert script.returncode == 1
    last = complaint.rstrip().splitlines()[-1]
    assert last.startswith("teachrl.errors.EnvironmentFailed: CartPole-v1: ")
    assert '`if __name__ == "__main__":`' in last
    assert (
        complaint.count("InvalidEnvironment: Workers were asked for while a worker imports the script") <= 2
    )  # no storm


SLEEPER = """
    import numpy as np, time
    from teachrl.vector import make_vec
    if __name__ == "__main__":
        envs = make_vec("CartPole-v1", 2, workers=2)
        envs.reset(seed=0)
        print(*[p.pid for p in envs._backend._pool._processes], flush=True)
        while True:
            _, _, terminated, truncated, _ = envs.step(np.zeros(2, int))
            envs.reset(options={"reset_mask": terminated | truncated})
"""


@pytest.mark.skipif(os.name != "posix", reason="signals to groups")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_is_left_behind(tmp_path, number):
    script = run_script(tmp_path, SLEEPER, start_new_session=True)
    workers = [int(pid) for pid in script.stdout.readline().split()]
    assert len(workers) == 2
    if number == signal.SIGINT:
        os.killpg(script.pid, number)
    else:
        script.send_signal(number)
    _, complaint = script.communicate(timeout=30)
    assert wait_until_gone(workers)
    assert complaint.count("Traceback") == (number == signal.SIGINT)
    assert "resource_tracker" not in complaint
    assert "ForkServer" not in complaint


def test_a_normal_exit_leaves_nothing_to_say(tmp_path):
    script = run_script(tmp_path, SLEEPER.replace("while True", "for _ in range(3)"))
    out, complaint = script.communicate(timeout=60)
    assert (script.returncode, complaint) == (0, "")
    assert wait_until_gone([int(pid) for pid in out.split()])


def test_workers_import_only_what_the_environment_needs():
    envs = make_vec("vector_environments:VectorTest/Walk-v0", 1, 1, wrappers=[ve.TellModules])
    modules = envs.call("modules")[0]
    assert "teachrl" in modules
    assert not {"torch", "stable_baselines3", "sklearn", "teachrl_agents"} & set(modules)
    envs.close()
