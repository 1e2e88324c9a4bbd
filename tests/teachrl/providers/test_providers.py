"""Providers by name, by class and as any object that plans."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from halls import DOOR, GOAL, KEY, Fixed, Hall, HallLayouts, a_layout
from teachrl import cli, make_vec
from teachrl.configuration import instantiate
from teachrl.errors import InvalidHyperparameter, InvalidTeacher, UnknownName
from teachrl.flags import read_flags
from teachrl.listing import listing
from teachrl.providers import (
    PROVIDERS,
    Noisy,
    Planner,
    Recorded,
    SentenceEncoder,
    SubgoalProvider,
    make_encoder,
    make_provider,
)
from teachrl.providers.provider import Foreign
from teachrl.subgoals import Layout, Subgoal, Unread
from teachrl.teacher import Teacher


def begun(source: Any, layouts: Any = None) -> SubgoalProvider:
    made = make_provider(source)
    made.begin(layouts or HallLayouts(), np.random.default_rng(0))
    return made


def test_the_planner_counts_what_it_finds() -> None:
    class Lost(HallLayouts):
        def oracle(self, layout: Any) -> list[Subgoal]:
            return []

    found, lost = begun("Planner"), begun("Planner", Lost())
    assert found.plan(a_layout()) == [KEY, DOOR, GOAL]
    assert lost.plan(a_layout()) == []
    assert (found.scalars(), lost.scalars()) == ({"plans/planner": 1.0}, {"plans/none": 1.0})


def test_providers_are_made_of_names_descriptions_and_objects() -> None:
    noisy = Noisy(accuracy=0.5)
    assert make_provider(noisy) is noisy
    assert isinstance(make_provider("teachrl.providers.planner.Planner"), Planner)
    made = make_provider({"class_path": "Noisy", "init_args": {"accuracy": 0.5}})
    assert made.init_args == noisy.init_args
    assert make_provider({"class_path": "Recorded", "init_args": {"path": "a"}}).init_args["path"] == "a"


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("Plannner", UnknownName, "There is no provider 'Plannner'. Did you mean 'Planner'"),
        ("nowhere.Planner", UnknownName, "no module 'nowhere'"),
        ("Recorded", InvalidHyperparameter, "The provider Recorded refuses its arguments: .*path"),
        (Planner, InvalidHyperparameter, "or an object with plan"),
        (3, InvalidHyperparameter, r"got 3\."),
    ],
)
def test_what_provides_nothing_is_refused(source: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make_provider(source)


def test_an_object_that_plans_is_enough() -> None:
    provider = begun(Fixed(KEY, Subgoal(0, 9), GOAL))
    assert isinstance(provider, Foreign)
    assert provider.plan(a_layout()) == [KEY, GOAL]
    assert provider.scalars() == {"plans/fixed": 1.0, "refused/outside": 1.0}
    assert begun(provider.source).state_dict()["source"] is None


def test_an_object_that_plans_must_return_subgoals() -> None:
    with pytest.raises(InvalidTeacher, match=r"Fixed.plan\(layout\) must return a list .* got one with \(1, 0\)"):
        begun(Fixed((1, 0))).plan(a_layout())  # type: ignore[arg-type]


def test_an_object_keeps_a_state_of_its_own() -> None:
    class Turns(Fixed):
        turn = 0

        def plan(self, layout: Any) -> list[Subgoal]:
            self.turn += 1
            return [Subgoal(self.turn % 8, 0)]

        def state_dict(self) -> Any:
            return {"turn": self.turn}

        def load_state_dict(self, state: Any) -> None:
            self.turn = state["turn"]

    whole, resumed = begun(Turns()), begun(Turns())
    whole.plan(a_layout())
    resumed.load_state_dict(whole.state_dict())
    assert whole.plan(a_layout()) == resumed.plan(a_layout()) == [Subgoal(2, 0)]
    assert whole.scalars() == resumed.scalars()


def test_a_model_that_answers_is_asked() -> None:
    class Answers:
        concurrency = 1

        def ask(self, messages: Any, schema: Any, check: Any) -> Any:
            raise NotImplementedError

    assert type(make_provider(Answers())).__name__ == "Asked"


def test_a_provider_must_plan() -> None:
    class Silent(SubgoalProvider):
        pass

    with pytest.raises(NotImplementedError, match="Silent must define plan"):
        begun(Silent()).plan(a_layout())


def test_encoders_are_made_of_names_and_objects() -> None:
    class Constant:
        dim = 2

        def encode(self, texts: Any) -> Any:
            return np.ones((len(texts), 2))

    constant = Constant()
    assert make_encoder(constant) is constant
    assert make_encoder({"class_path": "HashedWords", "init_args": {"dim": 5}}).dim == 5
    with pytest.raises(UnknownName, match="no encoder 'Hashed'"):
        make_encoder("Hashed")
    for wrong in (3, Constant, Planner()):
        with pytest.raises(InvalidHyperparameter, match="An encoder of subgoals is one of"):
            make_encoder(wrong)


def described(*words: str) -> Any:
    flags = read_flags(words)
    return instantiate("WordsAsBeacons", Teacher, flags)


def test_short_names_of_providers_come_before_policies_of_that_name() -> None:
    nested = described("--provider", "Noisy", "--provider.preset", "simulated-qwen", "--provider.extra", "2")
    assert isinstance(nested.provider, Noisy)
    assert (nested.provider.preset, nested.provider.extra) == ("simulated-qwen", 2)
    arguments = {"provider": {"class_path": "Planner"}, "kind": "object"}
    written: Any = instantiate({"class_path": "WordsAsBeacons", "init_args": arguments}, Teacher)
    assert type(written.provider) is Planner
    assert isinstance(described("--provider", "Recorded", "--provider.path", "a.json").provider, Recorded)
    words = described("--kind", "language", "--encoder", "HashedWords", "--encoder.dim", "16")
    assert words.goal_space.shape == (16,)
    assert described("--provider", "Planner").provider == "Planner"


def test_what_is_about_no_provider_is_refused() -> None:
    with pytest.raises(UnknownName, match="no provider 'Nosy'. Did you mean 'Noisy'"):
        described("--provider", "Nosy", "--provider.extra", "2")
    with pytest.raises(InvalidHyperparameter, match=r"Noisy has no parameter extras. Did you mean extra\?"):
        described("--provider", "Noisy", "--provider.extras", "2")
    with pytest.raises(InvalidHyperparameter, match="of an object without its class"):
        described("--horizon.x", "2")


def test_providers_are_listed_and_explained() -> None:
    lines = listing("providers").splitlines()
    assert [line.split()[0] for line in lines] == sorted(PROVIDERS)
    assert "--teacher.provider Noisy" in (about := listing("Noisy"))
    assert "--teacher.provider.preset {simulated-llama" in about
    assert "CONFIG" not in about
    assert "--teacher.provider PROVIDER" in listing("WordsAsBeacons")


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stands in for sentence-transformers; returns how models were loaded."""
    loaded: list[Any] = []

    class Model:
        def __init__(self, name: str, **arguments: Any) -> None:
            if name == "missing":
                raise OSError("not in the cache")
            loaded.append((name, arguments))

        def encode(self, texts: list[str], show_progress_bar: bool) -> Any:
            return np.array([[3.0, 4.0 * len(text), 0.0] for text in texts])

    module = type(sys)("sentence_transformers")
    module.SentenceTransformer = Model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    return loaded


def test_a_sentence_encoder_is_loaded_once_and_never_downloaded(library: list[Any]) -> None:
    encoder = make_encoder({"class_path": "SentenceEncoder", "init_args": {"model": "mini", "dim": 3}})
    assert library == []
    np.testing.assert_allclose(encoder.encode(["a"]), [[0.6, 0.8, 0.0]], rtol=1e-6)
    encoder.encode(["b", "c"])
    assert library == [("mini", {"device": "cpu", "local_files_only": True})]


def test_a_sentence_encoder_must_be_there_and_of_its_length(library: list[Any], monkeypatch: Any) -> None:
    with pytest.raises(InvalidHyperparameter, match=r"SentenceEncoder.dim must be .* 3, got 384"):
        SentenceEncoder("mini").encode(["a"])
    with pytest.raises(InvalidHyperparameter, match=r"got 'missing' \(not in the cache\). Nothing is downloaded"):
        SentenceEncoder("missing").encode(["a"])
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(InvalidHyperparameter, match="sentence-transformers, which is not installed: .*HashedWords"):
        SentenceEncoder("mini").encode(["a"])


def test_hashed_words_are_unit_vectors_of_the_words_alone() -> None:
    encoder = make_encoder("HashedWords")
    a, b, c, d, none = encoder.encode(["red door", "Door,  RED", "blue door", "green ball", ""])
    assert a.dtype == np.float32
    assert a.shape == (384,)
    np.testing.assert_array_equal(a, b)
    assert np.linalg.norm(a) == pytest.approx(1.0)
    assert a @ c == pytest.approx(0.5)
    assert a @ d == pytest.approx(0.0)
    assert not none.any()
    door = encoder.encode(["door"])[0]  # the same on every machine
    assert np.flatnonzero(door).tolist() == [72]
    assert door[72] == -1.0
    with pytest.raises(InvalidHyperparameter, match="HashedWords.dim must be an integer of at least 1"):
        make_encoder({"class_path": "HashedWords", "init_args": {"dim": 0}}).encode(["a"])


def test_the_command_line_lists_providers(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "providers"]) == 0
    assert "Recorded" in capsys.readouterr().out


def test_a_layout_is_read_when_somebody_looks_at_it() -> None:
    observations, _ = make_vec(Hall, 3).reset()
    looked: list[int] = []

    class Watched(HallLayouts):
        def read(self, observations: Any, row: int, env_id: str, seed: int | None) -> Layout:
            looked.append(len(observations["student"]))
            return super().read(observations, row, env_id, seed)

    unread = Unread(Watched(), observations, 1, "Hall", 5)
    observations["teacher"]["cells"][:] = 0  # it has a copy
    assert (unread.env_id, unread.seed, looked) == ("Hall", 5, [])
    assert unread.raw["teacher"]["cells"].shape == (1, 8, 3)
    assert unread.digest == a_layout().digest
    assert unread.things == a_layout().things
    assert looked == [1]
    with pytest.raises(AttributeError, match="A layout has no 'size'; it has env_id, seed, width"):
        _ = unread.size  # type: ignore[attr-defined]
