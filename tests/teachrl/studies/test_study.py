"""What a study's file declares, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from teachrl.errors import InvalidEnvironment, InvalidHyperparameter, InvalidStudy, TeachrlError, UnknownName
from teachrl.studies.library import find, listing, ready
from teachrl.studies.overrides import overridden, reaches
from teachrl.studies.study import Study

WHOLE = """
question: Is it so?
base: {env: TeachRL/PointMass-v0, student: {class_path: SB3, init_args: {algorithm: PPO, hyperparameters: {n_steps: 128, batch_size: 512}}}, steps: 3e5, num_envs: 16}
arms:
  uniform: {teachers: [Uniform]}
  alp-gmm: {teachers: [ALPGMM]}
  alp-gmm 150: {teachers: [{class_path: ALPGMM, init_args: {fit_rate: 150}}]}
grid: {student.hyperparameters.learning_rate: [0.0003, 0.001]}
control: uniform
contrasts: [[alp-gmm, uniform]]
seeds: 3
"""  # noqa: E501
LEAST: dict[str, Any] = {
    "name": "x",
    "base": {"env": "TeachRL/Hypercube-v0"},
    "arms": {"uniform": {"teachers": ["Uniform"]}, "alp": {"teachers": ["ALPGMM"]}},
    "control": "uniform",
    "seeds": 2,
}


def test_a_study_is_read_with_its_defaults() -> None:
    study = Study.checked(LEAST)
    assert study.metric == "success_rate"
    assert study.contrasts == [("alp", "uniform")]
    assert study.seeds == [0, 1]
    assert study.causal is None
    base = study.resolved_base
    assert (base["steps"], base["num_envs"], base["student"]) == (20_000, 1, {"class_path": "SimulatedStudent"})
    assert (base["video"], base["loggers"], base["pictures"]) == (0, [], False)
    assert Study.checked(study.data()).data() == study.data()


def test_names_that_yaml_reads_as_numbers_are_texts() -> None:
    arms = {1: {"teachers": ["Uniform"]}, False: {"teachers": ["ALPGMM"]}}
    study = Study.checked({**LEAST, "arms": arms, "control": 1, "contrasts": [[False, 1]], "name": None})
    assert (study.control, study.contrasts, study.name) == ("1", [("False", "1")], "study")
    assert Study.parse(yaml.safe_dump({**LEAST, "name": None}), "file").name == "file"


@pytest.mark.parametrize("one", ["ALPGMM", {"class_path": "ALPGMM"}])
def test_a_single_teacher_is_a_list_of_one(one: Any) -> None:
    arms = {"uniform": {"teachers": None}, "alp": {"teachers": one, "teachers.ALPGMM.fit_rate": 70}}
    variants = Study.checked({**LEAST, "arms": arms, "causal": "yoked"}).variants()
    assert [v.label for v in variants] == ["uniform", "alp", "alp shuffled", "alp yoked", "target only"]
    assert variants[0].config["teachers"] == []
    assert variants[1].config["teachers"] == [{"class_path": "ALPGMM", "init_args": {"fit_rate": 70}}]


def test_a_grid_can_hold_whole_students() -> None:
    students = [{"class_path": "SB3", "init_args": {"algorithm": "PPO"}}, "SimulatedStudent"]
    variants = Study.checked({**LEAST, "grid": {"student": students}}).variants()
    assert [v.config["student"]["class_path"] for v in variants[::2]] == ["SB3", "SimulatedStudent"]


def test_an_algorithm_does_not_drop_what_the_same_cell_chooses() -> None:
    base = {**LEAST["base"], "student": {"class_path": "SB3", "init_args": {"algorithm": "PPO"}}}
    grid = {"student.hyperparameters.learning_rate": [0.1, 0.2], "student.algorithm": ["PPO", "SAC"]}
    found = [v.config["student"]["init_args"] for v in Study.checked({**LEAST, "base": base, "grid": grid}).variants()]
    assert [(a["algorithm"], a["hyperparameters"]["learning_rate"]) for a in found[::2]] == [
        ("PPO", 0.1), ("SAC", 0.1), ("PPO", 0.2), ("SAC", 0.2),
    ]  # fmt: skip


def test_every_arm_is_run_in_every_cell() -> None:
    variants = Study.parse(WHOLE, "whole").variants()
    assert [v.label for v in variants] == [
        "uniform, learning_rate 0.0003", "alp-gmm, learning_rate 0.0003", "alp-gmm 150, learning_rate 0.0003",
        "uniform, learning_rate 0.001", "alp-gmm, learning_rate 0.001", "alp-gmm 150, learning_rate 0.001",
    ]  # fmt: skip
    rates = [v.config["student"]["init_args"]["hyperparameters"] for v in variants]
    assert rates[0] == {"n_steps": 128, "batch_size": 512, "learning_rate": 0.0003}
    assert rates[5] == {"n_steps": 128, "batch_size": 512, "learning_rate": 0.001}
    assert variants[2].config["teachers"] == [{"class_path": "ALPGMM", "init_args": {"fit_rate": 150}}]
    assert variants[5].cell == {"student.hyperparameters.learning_rate": 0.001}


def test_a_grid_over_a_teacher_leaves_arms_without_it_alone() -> None:
    variants = Study.checked({**LEAST, "grid": {"teachers.ALPGMM.fit_rate": [100, 200]}}).variants()
    uniform = [v.config for v in variants if v.arm == "uniform"]
    assert uniform[0] == uniform[1]
    rates = [v.config["teachers"][0]["init_args"]["fit_rate"] for v in variants if v.arm == "alp"]
    assert rates == [100, 200]


def test_the_yoked_controls_replay_and_keep_the_other_teachers() -> None:
    variants = Study.checked({**LEAST, "causal": "yoked"}).variants()
    found = {(v.arm, v.role): v for v in variants}
    assert ("uniform", "yoked") not in found
    shuffled, yoked = found["alp", "shuffled"], found["alp", "yoked"]
    assert shuffled.config["teachers"] == [
        {"class_path": "Replay", "init_args": {"run": "{donor}", "order": "shuffled"}}
    ]
    assert yoked.config["teachers"][0]["init_args"]["order"] == "recorded"
    assert yoked.label == "alp yoked"
    assert found["uniform", "target"].config["teachers"] == ["Target"]


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"arms": {"a": {"teechers": []}, "uniform": {}}}, InvalidHyperparameter, "teachers"),
        ({"arms": {"uniform": {}, "a": {"student.algoritm": "PPO"}}}, InvalidHyperparameter, "no parameter"),
        ({"contrasts": [["alp", "unifrom"]]}, UnknownName, "uniform"),
        ({"contrasts": [["alp", "alp"]]}, InvalidStudy, "different arms"),
        ({"contrasts": ["alp"]}, InvalidStudy, "pair"),
        ({"grid": {"student.x": []}}, InvalidStudy, "at least one value"),
        ({"grid": {"teachers.ALPGMM.fit_rate": [1, 1]}}, InvalidStudy, "twice"),
        ({"grid": {"teachers.RIAC.k": [1, 2]}}, InvalidStudy, "no arm has it"),
        ({"grid": {"teachers.ALPGMM.fit_rat": [1, 2]}}, InvalidHyperparameter, "fit_rate"),
        ({"control": "none"}, UnknownName, "control"),
        ({"seeds": 0}, InvalidStudy, "seeds"),
        ({"seeds": [1, 1]}, InvalidStudy, "different"),
        ({"seeds": None}, InvalidStudy, "seeds is missing"),
        ({"metric": "sucess_rate"}, UnknownName, "success_rate"),
        ({"causal": "yoked", "seeds": 1}, InvalidStudy, "two seeds"),
        ({"causal": "yes"}, InvalidStudy, "yoked"),
        ({"arms": {"uniform": {}}}, InvalidStudy, "two arms"),
        ({"base": {"seed": 3}}, InvalidHyperparameter, "seed"),
        ({"base": {"env": "TeachRL/Hypercube-v0", "env_kwargs": {"dimms": 2}}}, InvalidHyperparameter, "dims"),
        ({"questoin": "?"}, UnknownName, "question"),
        ({"metric": 5}, UnknownName, "success_rate"),
        ({"metric": ["mastered"]}, InvalidStudy, "text"),
        ({"question": [1]}, InvalidStudy, "text"),
        ({"contrasts": [[["alp"], "uniform"]]}, UnknownName, "alp"),
        ({"contrasts": [["alp", "uniform"], ["uniform", "alp"]]}, InvalidStudy, "twice"),
        ({"grid": {"student.dims": [1, 1.0]}}, InvalidStudy, "twice"),
        ({"seeds": [2**70, 1]}, InvalidStudy, "below"),
        ({"base": {"env": 5}}, InvalidEnvironment, "id"),
        ({"base": {"env": None}}, InvalidEnvironment, "id"),
        ({"base": {"env": "TeachRL/Hypercube-v0", "env_kwargs": {1: 2}}}, InvalidHyperparameter, "dims"),
        ({"causal": "yoked", "arms": {**LEAST["arms"], "alp yoked": {}}}, InvalidStudy, "rename the arm"),
        ({"causal": "yoked", "arms": {**LEAST["arms"], "target only": {"steps": 5}}}, InvalidStudy, "rename the arm"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_before_anything_runs(changes: dict, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        Study.checked({**LEAST, **changes}).variants()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("base: {", "not YAML"),
        ("- a\n- b\n", "mapping"),
        ("arms:\n  a: {}\n  b: {}\n  a: {steps: 5}\n", "'a' twice, again in line 4"),
        ("", "mapping"),
        ("a: &a [*a]\n", "not YAML"),
    ],
)
def test_a_file_that_is_no_study_is_refused(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(text)
    with pytest.raises(InvalidStudy, match=words):
        Study.load(file)


def test_a_binary_or_missing_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InvalidStudy, match="cannot be read"):
        Study.load(tmp_path / "s.yaml")
    with pytest.raises(InvalidStudy, match="no file"):
        find(str(tmp_path / "none.yaml"))
    with pytest.raises(UnknownName, match="quick"):
        find("quik")


def test_ready_studies_are_listed_and_whole() -> None:
    assert {"quick", "point_mass", "stump_tracks"} <= set(ready())
    text = listing()
    for name, file in ready().items():
        assert name in text
        study = Study.load(file)
        assert study.question
        assert study.variants()
        assert yaml.safe_load(file.read_text())["metric"] == study.metric


SPEC = {"class_path": "SB3", "init_args": {"algorithm": "PPO", "hyperparameters": {"n_steps": 8, "gamma": 0.9}}}


def test_overrides_merge_mappings_and_replace_lists() -> None:
    base = {"student": SPEC, "teachers": ["Uniform", "ALPGMM"], "env_kwargs": {"legs": "short", "n": 1}}
    assert overridden(base, {"teachers": ["Uniform"]})["teachers"] == ["Uniform"]
    assert overridden(base, {"env_kwargs": {"n": 2}})["env_kwargs"] == {"legs": "short", "n": 2}
    assert overridden(base, {"env_kwargs.n": 2})["env_kwargs"] == {"legs": "short", "n": 2}
    merged = overridden(base, {"student": {"class_path": "SB3", "init_args": {"hyperparameters": {"gamma": 1.0}}}})
    assert merged["student"]["init_args"] == {"algorithm": "PPO", "hyperparameters": {"n_steps": 8, "gamma": 1.0}}
    for name in ("student.hyperparameters.gamma", "student.init_args.hyperparameters.gamma"):
        assert overridden(base, {name: 1.0}) == merged
    with_rate = overridden(base, {"teachers.ALPGMM.fit_rate": 5})["teachers"]
    assert with_rate == ["Uniform", {"class_path": "ALPGMM", "init_args": {"fit_rate": 5}}]
    assert overridden(base, {"teachers.1.fit_rate": 5})["teachers"] == with_rate
    assert base["teachers"] == ["Uniform", "ALPGMM"]


def test_the_order_of_overrides_does_not_matter() -> None:
    base = {"teachers": ["ALPGMM"], "student": SPEC}
    changes = {"teachers.ALPGMM.fit_rate": 5, "teachers": ["ALPGMM", "Uniform"], "student.init_args": {"gamma": 1}}
    changes |= {"student.class_path": "SimulatedStudent"}
    found = overridden(base, changes)
    assert found == overridden(base, dict(reversed(changes.items())))
    assert found["teachers"] == [{"class_path": "ALPGMM", "init_args": {"fit_rate": 5}}, "Uniform"]


def test_a_changed_class_or_algorithm_drops_the_arguments_of_the_one_before() -> None:
    base = {"student": SPEC}
    assert overridden(base, {"student": "SimulatedStudent"})["student"]["init_args"] == {}
    assert overridden(base, {"student.algorithm": "SAC"})["student"]["init_args"] == {"algorithm": "SAC"}
    assert overridden(base, {"student": "SB3"})["student"] == SPEC
    assert overridden(base, {"student": {"normalize": True}})["student"]["init_args"]["algorithm"] == "PPO"


def test_a_name_that_leads_nowhere_is_told_from_one_that_is_misspelt() -> None:
    config = {"teachers": ["Uniform"], "student": SPEC}
    assert not reaches(config, "teachers.ALPGMM.fit_rate")
    assert reaches(config, "student.hyperparameters.clip_range")
    with pytest.raises(InvalidHyperparameter, match="algorithm"):
        reaches(config, "student.algoritm")
    with pytest.raises(TeachrlError, match="several"):
        overridden({"teachers": ["ALPGMM", "ALPGMM"]}, {"teachers.ALPGMM.fit_rate": 3})
