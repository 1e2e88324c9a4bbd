"""Trials and how they are known."""

from __future__ import annotations

from typing import Any

import pytest

from teachrl.errors import InvalidHyperparameter, TeachrlError
from teachrl.studies.study import Study
from teachrl.studies.trials import Trial, check, plan

BASE: dict[str, Any] = {
    "name": "x",
    "base": {"env": "TeachRL/Hypercube-v0", "steps": 300},
    "arms": {"uniform": {"teachers": ["Uniform"]}, "alp": {"teachers": ["ALPGMM"]}},
    "control": "uniform",
    "seeds": 3,
}


def trials(**changes: Any) -> dict[tuple[str, int], Trial]:
    study = Study.checked({**BASE, **changes})
    return {(t.variant, t.seed): t for t in plan(study.variants(), study.seeds)}


def test_a_trial_is_known_by_what_it_does_and_not_by_its_name() -> None:
    first = trials()
    renamed = trials(arms={"uniform": {"teachers": ["Uniform"]}, "curriculum": {"teachers": ["ALPGMM"]}}, seeds=[2, 0])
    assert len({t.key for t in first.values()}) == 6
    assert renamed["curriculum", 2].key == first["alp", 2].key
    assert first["alp", 2].place == f"runs/alp/2-{first['alp', 2].key}"


def test_a_long_name_fits_a_file_system() -> None:
    found = trials(arms={"uniform": {"teachers": ["Uniform"]}, "ä" * 300: {"teachers": ["ALPGMM"]}})
    folder = found["ä" * 300, 0].place.split("/")[1]
    assert len(folder.encode()) <= 255


@pytest.mark.parametrize(
    "silent", [{"video": 3}, {"loggers": ["csv"]}, {"workers": 2}, {"checkpoint_every": "never"}, {"select": "last"}]
)
def test_what_changes_no_number_changes_no_key(silent: dict[str, Any]) -> None:
    assert trials(base={**BASE["base"], **silent})["alp", 0].key == trials()["alp", 0].key


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 301},
        {"env_kwargs": {"dummies": 1}},
        {"eval_every": 50},
        {"student.dims": 3},
        {"num_envs": 2},
        {"select": "best"},
    ],
)
def test_what_matters_changes_the_key(changes: dict[str, Any]) -> None:
    assert trials(base={**BASE["base"], **changes})["alp", 0].key != trials()["alp", 0].key


def test_a_default_that_is_written_out_changes_no_key() -> None:
    written = {"uniform": {"teachers": ["Uniform"]}, "alp": {"teachers": [{"class_path": "teachrl.teachers.ALPGMM"}]}}
    assert trials(arms=written)["alp", 1].key == trials()["alp", 1].key


def test_controls_replay_the_next_seed_and_both_the_same() -> None:
    found = trials(causal="yoked")
    for seed, donor in ((0, 1), (1, 2), (2, 0)):
        assert found["alp yoked", seed].donor == found["alp shuffled", seed].donor == found["alp", donor].key
        assert found["alp yoked", seed].key != found["alp shuffled", seed].key
    keys = [t.key for t in found.values()]
    assert len(set(keys)) == len(keys)


def test_arms_that_do_the_same_are_one_trial() -> None:
    found = trials(grid={"teachers.ALPGMM.fit_rate": [50, 60]})
    assert found["uniform, fit_rate 50", 0].key == found["uniform, fit_rate 60", 0].key


def test_an_arm_that_cannot_be_put_together_is_named() -> None:
    study = Study.checked({**BASE, "arms": {**BASE["arms"], "bad": {"student": "SB3"}}})
    with pytest.raises(TeachrlError) as caught:
        check([v for v in study.variants() if v.arm == "bad" and v.config.update(steps=0) is None])
    assert isinstance(caught.value, InvalidHyperparameter)
    assert "'bad'" in "".join(caught.value.__notes__)
