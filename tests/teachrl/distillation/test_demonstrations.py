"""Demonstrations on disk: what is written is read, what does not fit is refused, and students learn from them."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from tiny_network import Knows, TinyNetwork

from teachrl import Classroom, FromPolicy, make_vec
from teachrl.distillation import BC, Distillation, Distiller
from teachrl.distillation.demonstrations import load, record, save
from teachrl.distillation.trees import leaves
from teachrl.errors import InvalidEnvironment, InvalidHyperparameter, InvalidTeacher
from teachrl.testing.toy import ToyEnv

KWARGS = {"views": True, "discrete": True}


def room(*teachers):
    return Classroom(make_vec(ToyEnv, 3, env_kwargs=KWARGS), list(teachers), seed=1)


@pytest.fixture(scope="module")
def demonstrations():
    return record(room(FromPolicy(Knows())), 40)


def test_what_is_recorded_is_what_the_teacher_does(demonstrations):
    d = demonstrations
    assert d.observations.shape == (40, 3, 2)
    assert d.first[0].all()
    running = ~d.first[1:]
    assert (d.previous[1:][running] == d.actions[:-1][running]).all()
    assert d.parameters["logits"].shape == (40, 3, 3)


def test_an_archive_is_read_as_it_was_written(demonstrations, tmp_path):
    file = save(tmp_path / "some" / "toys", demonstrations)
    assert file.name == "toys.npz"
    space = room().single_observation_space
    again = load(file, space, spaces.Discrete(3))
    for name in ("observations", "actions", "first", "mask", "previous"):
        np.testing.assert_array_equal(getattr(again, name), getattr(demonstrations, name))
    np.testing.assert_array_equal(again.parameters["logits"], demonstrations.parameters["logits"])


def test_dict_observations_keep_their_form(tmp_path):
    first = np.zeros((4, 2), bool)
    seen = {"image": np.zeros((4, 2, 7, 7, 3), np.uint8), "inner": {"x": np.ones((4, 2, 1), np.float32)}}
    file = tmp_path / "dict.npz"
    np.savez(
        file, **{"observations/image": seen["image"], "observations/inner/x": seen["inner"]["x"]},
        actions=np.zeros((4, 2), np.int64), first=first,
    )  # fmt: skip
    space = spaces.Dict(
        {"image": spaces.Box(0, 255, (7, 7, 3), np.uint8), "inner": spaces.Dict({"x": spaces.Box(-1, 1, (1,))})}
    )
    found = load(file, space, spaces.Discrete(2))
    assert found.observations["image"].dtype == np.uint8
    assert len(list(leaves(found.observations))) == 2
    assert found.mask.all()


def test_what_does_not_fit_is_refused(demonstrations, tmp_path):
    file = save(tmp_path / "toys.npz", demonstrations)
    with pytest.raises(InvalidEnvironment, match=r"show \{'observations': \(2,\)\}, but the student sees"):
        load(file, spaces.Box(-1, 1, (3,)), spaces.Discrete(3))
    with pytest.raises(InvalidTeacher):
        load(file, spaces.Box(-1, 1, (2,)), spaces.Discrete(2))
    for name in ("nothing.npz", "text.npz"):
        (tmp_path / "text.npz").write_text("no archive")
        with pytest.raises(InvalidEnvironment, match="cannot be read"):
            load(tmp_path / name, spaces.Box(-1, 1, (2,)), spaces.Discrete(3))
    np.savez(tmp_path / "part.npz", actions=np.zeros((2, 2)))
    with pytest.raises(InvalidEnvironment, match="'observations"):
        load(tmp_path / "part.npz", spaces.Box(-1, 1, (2,)), spaces.Discrete(3))


@pytest.mark.parametrize("hidden", [0, 4], ids=["memoryless", "recurrent"])
def test_a_student_learns_from_a_file_alone(demonstrations, tmp_path, hidden):
    file = str(save(tmp_path / "toys.npz", demonstrations))

    def begun():
        classroom = room()
        student = Distiller(TinyNetwork(hidden), BC(file, rounds=4, learning_rate=3e-2, sequence=5, keep=100), "cpu")
        student.begin(classroom, np.random.SeedSequence(0), 120)
        return student, classroom

    whole, classroom = begun()
    whole.learn(30)
    early = whole.scalars()["loss"]
    saved = whole.state_dict()
    whole.learn(90)
    assert whole.scalars()["loss"] < early
    assert classroom.counters.total_steps == 0
    again, _ = begun()
    again.load_state_dict(saved)
    again.learn(90)
    for a, b in zip(whole.engine.net.parameters(), again.engine.net.parameters(), strict=True):
        assert torch.equal(a, b)


def test_demonstrations_are_not_learned_from_once(demonstrations, tmp_path):
    file = str(save(tmp_path / "toys.npz", demonstrations))
    student = Distiller(TinyNetwork(), Distillation(demonstrations=file, keep=0, horizon=10), "cpu")
    student.begin(room(), np.random.SeedSequence(0), 100)
    with pytest.raises(InvalidHyperparameter, match="`keep` must not be 0"):
        student.learn(30)


def test_minari_datasets(demonstrations, tmp_path, monkeypatch):
    pytest.importorskip("minari")
    from teachrl.distillation.minari_files import write

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    seen = spaces.Box(-20.0, 20.0, (2,), np.float32)
    write("toy/line-v0", demonstrations, seen, spaces.Discrete(3))
    found = load("minari:toy/line-v0", seen, spaces.Discrete(3))
    assert found.actions.shape == (120, 1)
    assert found.actions[:40, 0].tolist() == demonstrations.actions[:, 0].tolist()
    np.testing.assert_array_equal(found.observations[80:, 0], demonstrations.observations[:, 2])
    assert found.first.sum() == demonstrations.first.sum()
    with pytest.raises(InvalidEnvironment, match="no dataset"):
        load("minari:toy/other-v0", seen, spaces.Discrete(3))
