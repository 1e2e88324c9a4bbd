"""Trajectories on disk and back, and every file that is none."""

from dataclasses import fields, replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from teachrl.errors import InvalidEnvironment
from teachrl.observations import equal
from teachrl.snapshots import State, replay_state
from teachrl.trajectories import Trajectories, as_trajectories

ENV = "Walk-v0"


def make(kind="exact", **changes):
    """Two episodes of 4 and 3 steps: snapshots at 0, 2 and at 0, 2."""
    actions = (np.arange(8, dtype=np.float32).reshape(4, 2), np.ones((3, 2), np.float32))
    tasks = (np.array([1.5], np.float32), None)
    steps, episodes = np.array([0, 2, 0, 2]), np.array([0, 0, 1, 1])
    states = [
        State("exact", ENV, 7, tasks[e], {"x": np.array([t, e], np.float16), "n": [t, "a", None]}, t)
        if kind == "exact"
        else replay_state(ENV, 7 + int(e), tasks[e], actions[e][:t])
        for t, e in zip(steps, episodes, strict=True)
    ]
    parts = {
        "env_id": ENV, "action_space": "Box", "gamma": 0.5, "values_from": "critic", "states": tuple(states),
        "episodes": episodes, "steps": steps, "values": np.array([1.0, 2.0, 3.0, 4.0]),
        "returns_to_go": np.array([4.0, 2.0, 3.0, 1.0]), "discounted_returns_to_go": np.array([1.875, 1.5, 1.75, 1.0]),
        "returns": np.array([4.0, 3.0]), "lengths": np.array([4, 3]), "successes": np.array([1.0, np.nan]),
        "seeds": np.array([7, 8]), "tasks": tasks, "actions": actions, "env_kwargs": {"size": 3},
        "wrappers": ["A"], "teacher": "me",
    }  # fmt: skip
    return Trajectories(**{**parts, **changes})


def same_state(a, b):
    return all(equal(getattr(a, f), getattr(b, f)) if f in ("task", "elapsed") else True for f in State.__slots__) and (
        (a.kind, a.env_id, a.seed, a.payload.keys()) == (b.kind, b.env_id, b.seed, b.payload.keys())
    )


@pytest.mark.parametrize("kind", ["exact", "replay"])
def test_there_and_back(kind, tmp_path):
    before = make(kind)
    assert before.save(tmp_path / "deep" / "a.states") == tmp_path / "deep" / "a.states"
    after = Trajectories.load(tmp_path / "deep" / "a.states")
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["a.states"]
    for f in fields(Trajectories):
        if f.name == "states":
            assert all(same_state(a, b) for a, b in zip(before.states, after.states, strict=True))
        elif f.name in ("tasks", "actions"):
            assert all(equal(a, b) for a, b in zip(getattr(before, f.name), getattr(after, f.name), strict=True))
        else:
            np.testing.assert_array_equal(getattr(after, f.name), getattr(before, f.name))
    assert after.digest() == before.digest() != make(kind, values=np.zeros(4)).digest()
    key = "actions" if kind == "replay" else "x"
    for a, b in zip(before.states, after.states, strict=True):
        np.testing.assert_array_equal(a.payload[key], b.payload[key])
        assert a.payload[key].dtype == b.payload[key].dtype
    assert str(after) == f"4 {kind} snapshots of 2 episodes in {ENV}"


@pytest.mark.parametrize("kind", ["exact", "replay"])
def test_a_digest_is_of_all_that_counts(kind, tmp_path):
    known = make(kind)
    other = (known.actions[0], known.actions[1] + 1)
    moved = known.states[3]
    moved = State(moved.kind, ENV, moved.seed, moved.task, {"x": np.zeros(2, np.float16)}, moved.elapsed)
    changes = (
        {"actions": other}, {"tasks": (known.tasks[0] + 1, None)}, {"states": (*known.states[:3], moved)},
        {"returns_to_go": known.returns_to_go + 1}, {"seeds": known.seeds + 1},
    )  # fmt: skip
    assert len({known.digest(), *(replace(known, **change).digest() for change in changes)}) == 6
    told = replace(known, teacher="you", wrappers=[], env_kwargs={})
    assert told.digest() == known.digest() == Trajectories.load(known.save(tmp_path / "a")).digest()


def test_actions_of_replays_are_kept_once(tmp_path):
    long = np.zeros((2000, 8))
    every = np.arange(0, 2000, 2)
    n = len(every)
    states = tuple(replay_state(ENV, 0, None, long[:t]) for t in every.tolist())
    zeros = np.zeros(n)
    found = make(
        states=states, episodes=np.zeros(n, int), steps=every, values=zeros, returns_to_go=zeros,
        discounted_returns_to_go=zeros, returns=np.zeros(1), lengths=np.array([2000]), successes=np.zeros(1),
        seeds=np.zeros(1, int), tasks=(None,), actions=(long,),
    )  # fmt: skip
    assert found.save(tmp_path / "a").stat().st_size < 2 * long.nbytes
    assert all(len(s.payload["actions"]) == t for s, t in zip(Trajectories.load(tmp_path / "a").states, every))  # noqa: B905


def test_a_replay_that_begins_elsewhere_keeps_its_own_actions(tmp_path):
    plain = make("replay")
    other = replay_state(ENV, 7, plain.tasks[0], plain.actions[0][:2], start=make().states[0])
    changed = replace(plain, states=(plain.states[0], other, *plain.states[2:]))
    changed.save(tmp_path / "a")
    loaded = Trajectories.load(tmp_path / "a")
    assert loaded.states[1].payload["start"]["kind"] == "exact"
    assert "start" not in loaded.states[3].payload


def test_the_best_episodes():
    """Of returns 2, 5, 5, 1 the best three are the first three, the best two those in the middle."""
    three = make(
        states=make().states, episodes=np.array([0, 1, 2, 3]), steps=np.zeros(4, int),
        returns=np.array([2.0, 5.0, 5.0, 1.0]), lengths=np.full(4, 3), successes=np.zeros(4), seeds=np.arange(4),
        tasks=(None,) * 4, actions=tuple(np.full((3, 1), k) for k in range(4)),
    )  # fmt: skip
    best = three.best(2)
    assert best.seeds.tolist() == [1, 2]
    assert best.episodes.tolist() == [0, 1]
    assert best.values.tolist() == [2.0, 3.0]
    assert [a[0, 0] for a in best.actions] == [1, 2]
    assert three.best(1).seeds.tolist() == [1]
    assert three.best(3).seeds.tolist() == [0, 1, 2]
    assert three.best(9).seeds.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"values": np.zeros(3)}, "equally many of each and at least one, got .*'values': 3"),
        ({"seeds": np.zeros(1, int)}, "equally many"),
        ({"values_from": "guess"}, "values come from one of critic"),
        ({"episodes": np.array([0, 0, 1, 2])}, "ascend from 0 to at most 1"),
        ({"episodes": np.array([0, 1, 0, 1])}, "ascend"),
        ({"values": np.array([0.0, 1.0, np.nan, 0.0])}, "values must be finite"),
        ({"steps": np.array([0, 4, 0, 2])}, "before the last step"),
        ({"env_id": "Run-v0"}, r"states of \['Walk-v0'\]"),
    ],
)
def test_what_does_not_fit_together(changes, expected):
    with pytest.raises(InvalidEnvironment, match=f"do not fit together: .*{expected}"):
        make(**changes)


def test_files_that_are_none(tmp_path):
    file = make().save(tmp_path / "a.states")
    whole = file.read_bytes()

    def refused(match, path=file):
        with pytest.raises(InvalidEnvironment, match=match):
            Trajectories.load(path)

    refused(r"no such file.*teachrl collect", tmp_path / "b.states")
    refused("no such file", tmp_path)
    for size in (0, 5, 100, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:size])
        refused(r"a\.states is no whole file of trajectories")
    file.write_bytes(b"PK" + whole)
    refused("no whole file")
    save_file({"a": np.zeros(3)}, file)
    refused("is no file of trajectories")
    save_file({"a": np.zeros(3)}, file, {"format": "teachrl-trajectories", "version": "2"})
    refused(r"of version 2 of the format; this teachrl reads version 1")
    save_file({"a": np.zeros(3)}, file, {"format": "teachrl-trajectories", "version": "1"})
    refused("are damaged")
    save_file({"tree": np.frombuffer(b'{"a": 1}', np.uint8)}, file, {"format": "teachrl-trajectories", "version": "1"})
    refused("are damaged")


def test_a_failed_write_leaves_the_old_file(tmp_path):
    file = make().save(tmp_path / "a.states")
    before = file.read_bytes()
    with pytest.raises(InvalidEnvironment, match="cannot be written: trajectories.*is a builtins.object"):
        make(tasks=(object(), None)).save(file)
    (tmp_path / "plain").write_text("")
    with pytest.raises(InvalidEnvironment, match="cannot be written"):
        make().save(tmp_path / "plain" / "a.states")
    assert file.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.states", "plain"]


def test_trajectories_stand_for_themselves(tmp_path):
    found = make()
    assert as_trajectories(found) is found
    assert len(as_trajectories(str(found.save(tmp_path / "a")))) == 4
