from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from teachrl.advice import RuleBased
from teachrl.configurable import to_config
from teachrl.configuration import instantiate, is_complete, load_config, parse_spec, resolve_class, to_data, to_yaml
from teachrl.errors import InvalidHyperparameter, InvalidRun, UnknownName
from teachrl.flags import read_flags
from teachrl.schemas import Schema, load_yaml
from teachrl.student import Student
from teachrl.teacher import Teacher
from teachrl.teachers import ALPGMM, LLMTasks, Uniform


class Pupil(Student):
    """A student that only has arguments."""

    def __init__(self, algorithm: str = "PPO", hyperparameters: Mapping[str, Any] = {}) -> None:
        self.algorithm = algorithm
        self.hyperparameters = hyperparameters


class Editor(Teacher):
    """A teacher with a learner of its own."""

    def __init__(self, learner: Student, sizes: tuple[int, int] = (1, 2), names: Sequence[str] = ("a",)) -> None:
        self.learner = learner
        self.sizes = sizes
        self.names = names


class Untyped(Teacher):
    def __init__(self, k=5, **more: float) -> None:
        self.k = k


class Picky(Teacher):
    def __init__(self, k: int = 5) -> None:
        if k > 5:
            raise ValueError("k is 5 at most")
        self.k = k


def call(env: str, teachers: Any = (), student: Any = None, steps: int = 10, out: str | None = None) -> None:
    """Stands for `train`."""


HERE = Editor.__module__


def test_round_trip_of_a_call(tmp_path: Path) -> None:
    kwargs = {
        "env": "TeachRL/PointMass-v0",
        "env_kwargs": {"legs": "no", "bounds": [0.0, 1e-7]},
        "teachers": [ALPGMM(fit_rate=150, reward_range=(-1.0, 2.5)), Editor(Pupil("SAC", {"lr": 1e-3}), sizes=(3, 4))],
        "student": Pupil("TD3", {"learning_rate": {"schedule": "linear", "from": 1e-3}, "layers": [64, 64]}),
        "steps": 5000,
        "disable": ["tasks"],
        "view": None,
    }
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml({**kwargs, "out": Path("runs/a"), "resume": None}))
    loaded = load_config(path)
    assert list(loaded) == list(kwargs)
    assert to_config(loaded) == to_config(kwargs)
    first, second = loaded["teachers"]
    assert type(first) is ALPGMM
    assert first.reward_range == (-1.0, 2.5)
    assert type(second) is Editor
    assert type(second.learner) is Pupil
    assert second.sizes == (3, 4)
    assert to_yaml(loaded) == path.read_text()


def test_a_single_teacher_and_short_names_in_a_config_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        textwrap.dedent(f"""
        env: CartPole-v1
        teachers: [Uniform, {{class_path: ALPGMM, init_args: {{fit_rate: 1e2}}}}]
        student: {HERE}.Pupil
        steps: 5e4
        """)
    )
    loaded = load_config(path, call)
    assert [type(t) for t in loaded["teachers"]] == [Uniform, ALPGMM]
    assert loaded["teachers"][1].fit_rate == 100
    assert loaded["steps"] == 50_000
    assert isinstance(loaded["steps"], int)
    path.write_text("teachers: Uniform\n")
    assert [type(t) for t in load_config(path)["teachers"]] == [Uniform]
    path.write_text("teachers: null\n")
    assert load_config(path)["teachers"] == []


def test_an_unknown_key_of_a_config_is_an_error_with_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("env: CartPole-v1\nstep: 100\n")
    with pytest.raises(InvalidHyperparameter, match=r"no parameter step\. Did you mean steps "):
        load_config(path, call)
    path.write_text("env: CartPole-v1\nsteps: many\n")
    with pytest.raises(InvalidHyperparameter, match="steps must be of type int, got 'many'"):
        load_config(path, call)


@pytest.mark.parametrize(
    ("text", "message"),
    [("- a\n- b\n", "must be a mapping"), ("a: [1\n", "is not YAML"), ("3: 4\n", "must be a mapping")],
)
def test_a_config_that_is_not_one(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InvalidRun, match=message):
        load_config(path)


def test_a_config_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidRun, match="cannot be read: No such file"):
        load_config(tmp_path / "missing.yaml")


def test_what_describes_an_object_is_told_like_the_object() -> None:
    described = LLMTasks(provider={"class_path": "RuleBased", "init_args": {"beyond": 0.2}})
    assert to_data(described) == to_config(LLMTasks(provider=RuleBased(beyond=0.2)))
    assert to_data([described]) == [to_data(described)]
    unknown = {"class_path": "NoSuchThing"}
    assert to_data(LLMTasks(provider=unknown))["init_args"]["provider"] == unknown  # whoever needs it will say so


def test_completeness() -> None:
    assert is_complete({"env": "a", "student": Pupil(), "out": object(), "env_kwargs": {"path": Path("x")}}) is False
    assert is_complete({"env": "a", "student": Pupil(hyperparameters={"lr": lambda f: f})}) is False
    assert is_complete({"env": "a", "student": Pupil(hyperparameters={"a": np.zeros(3)})}) is False
    assert is_complete({"env": "a", "teachers": [ALPGMM()], "student": Pupil("SAC", {"lr": 0.1}), "out": Path("b")})


def test_short_names_come_first_and_others_are_dotted() -> None:
    assert resolve_class("ALPGMM", Teacher) is ALPGMM
    assert resolve_class(f"{HERE}.Editor", Teacher) is Editor
    with pytest.raises(UnknownName, match="There is no teacher 'ALPGM'. Did you mean 'ALPGMM'"):
        resolve_class("ALPGM", Teacher)
    with pytest.raises(UnknownName, match="There is no student 'ALPGMM'"):
        resolve_class("ALPGMM", Student)
    with pytest.raises(UnknownName, match="module 'nowhere_at_all'"):
        resolve_class("nowhere_at_all.Teacher", Teacher)
    with pytest.raises(UnknownName, match=f"class in {HERE} 'Editr'.*'Editor'"):
        resolve_class(f"{HERE}.Editr", Teacher)
    with pytest.raises(InvalidHyperparameter, match="is not a teacher"):
        resolve_class(f"{HERE}.Pupil", Teacher)


def test_a_misspelt_argument_lists_them_all() -> None:
    with pytest.raises(InvalidHyperparameter) as caught:
        instantiate({"class_path": "ALPGMM", "init_args": {"fit_rat": 150}}, Teacher)
    message = str(caught.value)
    assert "ALPGMM has no parameter fit_rat. Did you mean fit_rate?" in message
    assert "  fit_rate: int = 250\n" in message
    assert '  criterion: Literal["aic", "bic", "aicc"] = \'aic\'' in message


@pytest.mark.parametrize("value", ["many", 1.5, [1], None, "1e-3"])
def test_an_ill_typed_argument_says_the_type(value: Any) -> None:
    with pytest.raises(InvalidHyperparameter) as caught:
        instantiate({"class_path": "ALPGMM", "init_args": {"fit_rate": value}}, Teacher)
    assert f"ALPGMM.fit_rate must be of type int, got {value!r}." in str(caught.value)
    assert "Subtypes" not in str(caught.value)


def test_nested_objects_are_checked_like_others() -> None:
    learner = {"class_path": f"{HERE}.Pupil", "init_args": {"algorithmn": "SAC"}}
    with pytest.raises(InvalidHyperparameter, match=r"Pupil has no parameter algorithmn\. Did you mean algorithm\?"):
        instantiate({"class_path": f"{HERE}.Editor", "init_args": {"learner": learner}}, Teacher)
    with pytest.raises(InvalidHyperparameter, match=r"Editor needs learner: Student"):
        instantiate(f"{HERE}.Editor", Teacher)
    wrong = {"class_path": f"{HERE}.Editor", "init_args": {"learner": {"class_path": "ALPGMM"}}}
    with pytest.raises(InvalidHyperparameter, match="Editor.learner must be of type Student"):
        instantiate(wrong, Teacher)


def test_flags_of_nested_objects() -> None:
    words = ["--learner", f"{HERE}.Pupil", "--learner.algorithm", "SAC", "--learner.hyperparameters.lr", "1e-3"]
    made = instantiate(f"{HERE}.Editor", Teacher, read_flags([*words, "--names", "b", "--sizes", "[3, 1e1]"]))
    assert isinstance(made, Editor)
    assert to_config(made.learner) == to_config(Pupil("SAC", {"lr": 0.001}))
    assert list(made.names) == ["b"]
    assert made.sizes == (3, 10)
    with pytest.raises(InvalidHyperparameter, match="name the class first"):
        instantiate(f"{HERE}.Editor", Teacher, read_flags(["--learner.algorithm", "SAC"]))


def test_flags_come_on_top_of_data() -> None:
    spec = {"class_path": f"{HERE}.Pupil", "init_args": {"hyperparameters": {"a": 1, "b": {"c": 2}}}}
    made = instantiate(spec, Student, read_flags(["--hyperparameters.b.d", "[x, 1e-3]", "--algorithm=5"]))
    assert made.init_args == {"algorithm": "5", "hyperparameters": {"a": 1, "b": {"c": 2, "d": ["x", 0.001]}}}
    made = instantiate(spec, Student, read_flags(["--hyperparameters", "{e: 3}"]))
    assert made.init_args["hyperparameters"] == {"e": 3}


def test_classes_without_types_take_anything() -> None:
    assert instantiate(f"{HERE}.Untyped", Teacher, read_flags(["--k", "7"])).init_args == {"k": 7}
    with pytest.raises(InvalidHyperparameter, match="Picky refuses its arguments: k is 5 at most"):
        instantiate(f"{HERE}.Picky", Teacher, read_flags(["--k", "7"]))


def test_an_object_stays_as_it_is() -> None:
    teacher = Uniform()
    assert instantiate(teacher, Teacher) is teacher


@pytest.mark.parametrize(
    "spec", [5, {"class": "A"}, {"class_path": "A", "args": {}}, {"class_path": "A", "init_args": 3}]
)
def test_a_description_that_is_none(spec: Any) -> None:
    with pytest.raises(InvalidHyperparameter, match="class_path: Name"):
        parse_spec(spec)


def test_numbers_in_yaml() -> None:
    assert load_yaml("[1e-3, 1E6, 5., -2e+2, 1_000, .5, a1e3, 10]") == [0.001, 1e6, 5.0, -200.0, 1000, 0.5, "a1e3", 10]


def test_a_schema_of_a_function_names_what_is_missing() -> None:
    with pytest.raises(InvalidHyperparameter, match="call needs --env: str"):
        Schema(call, prefix="--").check({})
    assert Schema(call).check({"steps": 1e3}, partial=True) == {"steps": 1000}


def test_a_module_that_is_not_python_is_told_by_its_line(tmp_path, monkeypatch):
    (tmp_path / "broken_module.py").write_text("class Mine(:\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UnknownName, match=r"broken_module.*line 1"):
        resolve_class("broken_module.Mine", Teacher)
