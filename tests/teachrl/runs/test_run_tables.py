import numpy as np
import pyarrow.parquet as pq
import pytest
from gymnasium import spaces

from teachrl.lessons import Episode, Lesson
from teachrl.runs.tables import EPISODES, Table, episode_row, task_bounds, task_numbers
from teachrl.snapshots import State


def row(steps):
    return (steps, [0.5, 1.0], 7, None, True, 1.5, 3, None, 0, 2)


def filled(directory, *parts):
    table = Table(directory, "episodes", EPISODES)
    for part in parts:
        for steps in part:
            table.append(row(steps))
        table.write_part(part[-1])
    return table


def test_parts_become_one_file_in_the_order_of_steps(tmp_path):
    table = filled(tmp_path, [1, 2], [90, 100], [110])
    table.append(row(120))
    assert sorted(p.name for p in (tmp_path / "episodes").iterdir()) == [
        "part-100.parquet", "part-110.parquet", "part-2.parquet",
    ]  # fmt: skip
    assert table.read(["steps"])["steps"] == [1, 2, 90, 100, 110, 120]
    table.compact()
    assert not (tmp_path / "episodes").exists()
    stored = pq.read_table(tmp_path / "episodes.parquet")
    assert stored["steps"].to_pylist() == [1, 2, 90, 100, 110, 120]
    assert stored["success"].to_pylist() == [None] * 6
    assert stored["task"].to_pylist() == [[0.5, 1.0]] * 6
    assert table.read(["steps"])["steps"] == [1, 2, 90, 100, 110, 120]


def test_rewinding_drops_later_parts(tmp_path):
    filled(tmp_path, [1, 2], [90, 100], [110])
    again = Table(tmp_path, "episodes", EPISODES)
    again.rewind(100, 100)
    assert again.read(["steps"])["steps"] == [1, 2, 90, 100]


def test_rewinding_a_compacted_table_cuts_it_and_it_grows_on(tmp_path):
    filled(tmp_path, [1, 2], [90, 100], [110]).compact()
    again = Table(tmp_path, "episodes", EPISODES)
    again.rewind(100, 100)
    assert not (tmp_path / "episodes.parquet").exists()
    again.append(row(105))
    again.write_part(105)
    again.compact()
    assert pq.read_table(tmp_path / "episodes.parquet")["steps"].to_pylist() == [1, 2, 90, 100, 105]


def test_an_interrupted_compaction_is_taken_up_from_the_whole_file(tmp_path):
    table = filled(tmp_path, [1, 2])
    parts = {p.name: p.read_bytes() for p in (tmp_path / "episodes").iterdir()}
    table.compact()
    (tmp_path / "episodes").mkdir()
    for name, data in parts.items():
        (tmp_path / "episodes" / name).write_bytes(data)
    again = Table(tmp_path, "episodes", EPISODES)
    assert again.read(["steps"])["steps"] == [1, 2]
    again.rewind(2, 2)
    assert again.read(["steps"])["steps"] == [1, 2]


def test_an_empty_table_is_a_table(tmp_path):
    table = Table(tmp_path, "episodes", EPISODES)
    table.write_part(10)
    table.compact()
    assert pq.read_table(tmp_path / "episodes.parquet").column_names == list(EPISODES)


def test_a_failed_write_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full(table, path, **_):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    table = Table(tmp_path, "episodes", EPISODES)
    table.append(row(1))
    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(OSError, match="No space"):
        table.write_part(1)
    assert list((tmp_path / "episodes").iterdir()) == []
    assert table.rows["steps"] == [1]


@pytest.mark.parametrize(
    ("space", "task", "expected"),
    [
        (spaces.Box(0, 1, (2, 1), np.float32), np.array([[0.25], [0.5]], np.float32), [0.25, 0.5]),
        (spaces.Discrete(5), np.int64(3), [3.0]),
        (spaces.MultiDiscrete([3, 4]), np.array([2, 1]), [2.0, 1.0]),
        (spaces.Dict({"a": spaces.Discrete(2), "b": spaces.Box(0, 1, (1,))}), {"a": 1, "b": np.ones(1)}, [0, 1, 1]),
        (spaces.Text(5), "abc", None),
        (spaces.Box(0, 1, (2,)), None, None),
        (None, "anything", None),
    ],
)
def test_tasks_as_numbers(space, task, expected):
    numbers = task_numbers(task, space)
    if isinstance(space, spaces.Text):
        assert numbers is None or all(isinstance(x, float) for x in numbers)
    else:
        assert numbers == expected


def test_a_start_is_told_by_its_id():
    state = State("exact", "E-v0", 1, None)
    episode = Episode(Lesson(None, 4, state, False, 2, 9), 3, 4, None, 1.0, 1.0, 2.0, 5, True, True, 1)
    assert episode_row(10, episode, None) == (10, None, 4, 9, False, 1.0, 5, True, 1, 3)


def older(path):
    """Takes the column `env` away, as in tables of older runs."""
    pq.write_table(pq.read_table(path).drop_columns(["env"]), path)


def test_tables_of_older_runs_are_read_and_compacted_with_nulls(tmp_path):
    table = filled(tmp_path, [1, 2], [90])
    for part in (tmp_path / "episodes").iterdir():
        older(part)
    table.append(row(95))
    table.write_part(95)
    assert table.read(["steps", "env"]) == {"steps": [1, 2, 90, 95], "env": [None, None, None, 2]}
    assert table.read(["env"]) == {"env": [None, None, None, 2]}
    table.compact()
    stored = pq.read_table(tmp_path / "episodes.parquet")
    assert stored.column_names == list(EPISODES)
    assert stored["env"].to_pylist() == [None, None, None, 2]


def test_a_compacted_table_of_an_older_run_is_rewound_and_grows_on(tmp_path):
    filled(tmp_path, [1, 2], [90, 100]).compact()
    older(tmp_path / "episodes.parquet")
    again = Table(tmp_path, "episodes", EPISODES)
    again.rewind(90, 90)
    again.append(row(95))
    again.compact()
    stored = pq.read_table(tmp_path / "episodes.parquet")
    assert stored["steps"].to_pylist() == [1, 2, 90, 95]
    assert stored["env"].to_pylist() == [None, None, None, 2]


def test_a_box_of_tasks_as_data():
    box = spaces.Box(np.float32([0.0, -np.inf]), np.float32([0.5, 4.0]))
    assert task_bounds(box, ("a", "b")) == {"names": ["a", "b"], "low": [0.0, None], "high": [0.5, 4.0]}
    assert task_bounds(spaces.Discrete(3), ()) is None
    assert task_bounds(None, ()) is None
