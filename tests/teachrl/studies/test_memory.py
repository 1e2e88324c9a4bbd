import os

import pytest

from teachrl.studies.memory import Guard, available, peak, resident

needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc")


@needs_proc
def test_memory_is_read_of_the_system():
    assert 10**7 < resident() == pytest.approx(resident(os.getpid()), rel=0.05)
    assert peak() >= resident() * 0.99
    assert available() > 10**7
    block = bytearray(b"x" * 50_000_000)
    assert peak() > 50_000_000
    assert len(block) == 50_000_000


def test_the_tightest_control_group_limits_what_is_available(tmp_path):
    own, job = tmp_path / "own", tmp_path / "groups" / "slurm" / "job"
    own.write_text("4:memory:/elsewhere\n0::/slurm/job\n")
    job.mkdir(parents=True)
    free = available(tmp_path / "groups", own)
    for folder, limit in ((job, "max"), (job.parent, "1000")):
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text("700\n")
        (folder / "memory.stat").write_text("anon 400\ninactive_file 100\n")
    (tmp_path / "memory.max").write_text("1\n")  # outside
    assert available(tmp_path / "groups", own) == 400
    (job.parent / "memory.current").write_text("2000\n")
    assert available(tmp_path / "groups", own) == 0
    (job.parent / "memory.max").unlink()
    unlimited = available(tmp_path / "groups", own)
    assert (unlimited is None) == (free is None)
    assert unlimited is None or unlimited > 10**7


def test_a_process_that_is_gone_has_no_memory():
    assert resident(2**22 + 1) == 0


def test_one_trial_always_starts():
    guard = Guard(lambda: 0)
    guard.learn(10**9)
    assert guard.has_room([])


def test_without_knowledge_there_is_no_guard():
    guard = Guard(lambda: None)
    guard.learn(10**9)
    assert guard.has_room([1, 2, 3])


@pytest.mark.parametrize(
    ("free", "running", "own", "room"),
    [
        (120, [100], 0, False),  # 1.2 times the largest is not exceeded
        (121, [100], 0, True),
        (121, [60], 0, False),  # the running one will grow by 40
        (161, [60], 0, True),
        (91, [100], 30, True),  # its process has 30 already
        (90, [100], 30, False),
        (241, [200], 0, True),  # a running one that is larger than all that ended counts
        (240, [200], 0, False),
    ],
)
def test_there_must_be_room_for_the_largest_trial_so_far(free, running, own, room):
    guard = Guard(lambda: free)
    guard.learn(100)
    assert guard.has_room(running, own) is room
