"""Demonstrations on disk: what is written is read, what does not fit is refused, and students learn from them."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium import spaces
from tiny_network import Knows, TinyNetwork

from teachrl import Classroom, FromPolicy, make_vec
from teachrl.distillation import BC, Distillation, Distiller
from teachrl.distillation.archives import Archive
from teachrl.distillation.demonstrations import check_there, load, make_writer, record, save
from teachrl.distillation.recording import pieces
from teachrl.distillation.trees import leaves
from teachrl.errors import InvalidEnvironment, InvalidHyperparameter, InvalidTeacher, NonFiniteData
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


SEEN = np.zeros((2, 1, 2), np.float32)
PARTS = {"observations": SEEN, "actions": np.zeros((2, 1), int), "first": np.zeros((2, 1), bool)}


@pytest.mark.parametrize(
    ("parts", "error", "message"),
    [
        ({"observations": SEEN + np.nan}, NonFiniteData, "'observations'.*NaN or infinity.*step 0 of environment 0"),
        ({"observations": SEEN.astype(str)}, InvalidEnvironment, "observations is an array of <U"),
        ({"observations": SEEN.astype(np.uint8)}, InvalidEnvironment, "are uint8, but the student sees float32"),
        ({"observations/x": SEEN}, InvalidEnvironment, "observations is an array, and others"),
        ({"parameters": np.zeros((2, 1, 3))}, InvalidEnvironment, "such as parameters/logits"),
        ({"parameters/a/b": np.zeros((2, 1, 3))}, InvalidEnvironment, "such as parameters/logits"),
        ({"parameters/logits": np.full((2, 1, 3), np.nan)}, NonFiniteData, "'logits'"),
        ({"actions/x": SEEN}, InvalidEnvironment, "actions is one array"),
        ({"actions": np.full((2, 1), 0.7)}, InvalidTeacher, "between two"),
        ({"actions": np.full((2, 1), "left")}, InvalidEnvironment, "actions is an array of <U"),
        ({"previous": np.full((2, 1), np.nan)}, NonFiniteData, "bad.npz, previous: "),
        ({"previous": np.full((2, 1), 3)}, InvalidTeacher, "bad.npz, previous: "),
        ({"mask": np.zeros(3, bool)}, InvalidTeacher, "mask"),
    ],
)
def test_what_an_archive_cannot_hold_is_said(parts, error, message, tmp_path):
    file = tmp_path / "bad.npz"
    np.savez(file, **{**PARTS, **parts})
    with pytest.raises(error, match=message):
        load(file, spaces.Box(-1, 1, (2,)), spaces.Discrete(3))


def test_what_is_no_archive_is_said(tmp_path):
    np.savez_compressed(tmp_path / "cut.npz", **{**PARTS, "observations": np.random.default_rng(0).random((999, 1, 2))})
    whole = bytearray((tmp_path / "cut.npz").read_bytes())
    whole[200:9000] = bytes(8800)
    (tmp_path / "cut.npz").write_bytes(whole)
    np.save(tmp_path / "single.npy", SEEN)
    for name in ("cut.npz", "single.npy"):
        with pytest.raises(InvalidEnvironment, match="cannot be read"):
            load(tmp_path / name, spaces.Box(-1, 1, (2,)), spaces.Discrete(3))


def test_counts_are_read_as_counts(tmp_path):
    np.savez(tmp_path / "a.npz", **{**PARTS, "observations": np.zeros((2, 1), np.uint8)})
    assert load(tmp_path / "a.npz", spaces.Discrete(5), spaces.Discrete(3)).first.all(1).tolist() == [True, False]


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
    with pytest.raises(InvalidHyperparameter, match="`keep` must not be 0"):
        student.begin(room(), np.random.SeedSequence(0), 100)


@pytest.mark.parametrize("most", [3, 24, 1000])
def test_pieces_are_the_same_steps_however_long_they_are(demonstrations, most):
    found = list(pieces(room(FromPolicy(Knows())), 40, most=most))
    assert len(found) == -(-40 // (most // 3))
    for name in ("observations", "actions", "first", "mask", "previous"):
        whole = np.concatenate([getattr(piece.round, name) for piece in found])
        np.testing.assert_array_equal(whole, getattr(demonstrations, name))


def test_noise_strays_from_the_labels_in_a_share_of_steps():
    (piece,) = pieces(room(FromPolicy(Knows())), 400, noise=0.3, seed=1, most=10_000)
    d = piece.round
    strays = (piece.executed != d.actions).mean()
    assert 0.15 < strays < 0.25  # two thirds of 0.3: one random action of three is the teacher's
    np.testing.assert_array_equal(d.previous[1:], piece.executed[:-1])
    ahead = (d.observations[..., 1] - d.observations[..., 0]) * np.where(d.actions == 1, 0, 1)
    assert (np.sign(ahead) == np.sign(d.actions.astype(int) - 1)).all()  # labels are the teacher's all the same
    again = next(pieces(room(FromPolicy(Knows())), 400, noise=0.3, seed=1, most=10_000))
    np.testing.assert_array_equal(again.executed, piece.executed)


def test_what_was_done_is_read_as_what_was_done(tmp_path):
    (piece,) = pieces(room(FromPolicy(Knows())), 30, noise=0.5, most=1000)
    seen = room().single_observation_space
    name, writer = make_writer(str(tmp_path / "a"), 30, seen, spaces.Discrete(3))
    with writer:
        writer.add(piece)
    found = load(name, seen, spaces.Discrete(3))
    assert writer.size == Path(name).stat().st_size
    np.testing.assert_array_equal(found.previous, piece.round.previous)
    assert (found.previous[1:] != found.actions[:-1]).any()


def stopped(writer, piece):
    with writer:
        writer.add(piece)
        raise InvalidTeacher


def test_nothing_is_overwritten_and_nothing_half_written(demonstrations, tmp_path):
    seen, acts = room().single_observation_space, spaces.Discrete(3)
    save(tmp_path / "toys", demonstrations)
    with pytest.raises(InvalidHyperparameter, match=r"toys.npz exists"):
        make_writer(str(tmp_path / "toys"), 40, seen, acts)
    _, writer = make_writer(str(tmp_path / "half"), 40, seen, acts)
    half = next(pieces(room(FromPolicy(Knows())), 40, most=30))
    with pytest.raises(InvalidTeacher):
        stopped(writer, half)
    assert [file.name for file in tmp_path.iterdir()] == ["toys.npz"]
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidEnvironment, match="cannot be written"), Archive(tmp_path / "file" / "a.npz", 1):
        pass


def test_labels_that_change_their_form_are_refused():
    class Changes(Knows):
        def label(self, observations, state=None, first=None):
            self.soft = self.asked < 3
            return super().label(observations, state, first)

    with pytest.raises(InvalidTeacher, match="same parameters at every step"):
        record(room(FromPolicy(Changes())), 10)


def test_minari_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "minari", None)
    for ask in (check_there, lambda name: make_writer(name, 10, spaces.Box(-1, 1, (2,)), spaces.Discrete(3))):
        with pytest.raises(InvalidEnvironment, match=r"^Minari datasets need Minari: pip install"):
            ask("minari:toy/line-v0")


def test_minari_datasets(tmp_path, monkeypatch):
    minari = pytest.importorskip("minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    seen, acts = spaces.Box(-20.0, 20.0, (2,), np.float32), spaces.Discrete(3)
    name, writer = make_writer("minari:toy/line-v0", 40, seen, acts)
    with writer:
        found = list(pieces(room(FromPolicy(Knows())), 40, noise=0.3, most=60))
        for piece in found:
            writer.add(piece)
    again = load(name, seen, acts)
    assert again.actions.shape == (120, 1)
    assert again.first.sum() == sum(piece.round.first.sum() for piece in found)
    for part in ("actions", "observations"):
        mine = np.concatenate([getattr(piece.round, part) for piece in found]).reshape(120, -1)
        theirs = getattr(again, part).reshape(120, -1)
        assert sorted(mine.tolist()) == sorted(theirs.tolist())
    logits = np.concatenate([piece.round.parameters["logits"] for piece in found]).reshape(120, 3)
    assert sorted(logits.tolist()) == sorted(again.parameters["logits"][:, 0].tolist())
    dataset = minari.load_dataset("toy/line-v0")
    (first,) = [episode for episode in dataset if episode.id == 0]
    assert len(first.observations) == len(first.actions) + 1
    assert first.terminations[-1] or first.truncations[-1]
    assert first.rewards[0] == found[0].rewards[0, 0]
    with pytest.raises(InvalidEnvironment, match="no dataset"):
        load("minari:toy/other-v0", seen, acts)
    with pytest.raises(InvalidHyperparameter, match="already"):
        make_writer(name, 40, seen, acts)
    with pytest.raises(InvalidHyperparameter, match="must be like minari:"):
        make_writer("minari:toy line", 40, seen, acts)
    _, half = make_writer("minari:toy/half-v0", 40, seen, acts)
    with pytest.raises(InvalidTeacher):
        stopped(half, found[0])
    assert set(minari.list_local_datasets()) == {"toy/line-v0"}
