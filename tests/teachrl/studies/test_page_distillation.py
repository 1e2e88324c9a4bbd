"""What the page tells of distillation: curves, the alarm, and the words above them."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from report_studies import distilled, small_run

from teachrl.studies.page import run_data
from teachrl.studies.page_distillation import alarm, distillation_data, ending, series
from teachrl.studies.page_json import clean
from teachrl.studies.page_runs import RunFiles
from teachrl.studies.shortfall import Ending, sentences

NAN = math.nan


def files(tmp_path, rows, status="finished", name="run"):
    place = tmp_path / name
    place.mkdir()
    (place / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (place / "meta.json").write_text(json.dumps({"status": status}))
    return RunFiles(place)


def test_numbers_are_those_of_validations_and_training_is_averaged_in_between():
    rows = [
        {"student_steps": 1, "train/proxy_loss": 4.0, "train/privileged_loss": 1.0},
        {"student_steps": 2, "train/proxy_loss": 2.0, "train/privileged_loss": None},
        {"student_steps": 3, "train/proxy_loss": 3.0, "train/privileged_loss": 2.0, "eval/return": 5.0,
         "eval/proxy_loss": 0.5, "eval/agreement": 0.8, "eval/hacking": 0.0},
        {"student_steps": 4, "train/proxy_loss": 1.0, "train/privileged_loss": 0.5},
        {"student_steps": 5, "eval/return": 6.0, "eval/proxy_loss": 0.25, "eval/agreement": None, "eval/hacking": 1.0},
        {"student_steps": 6, "train/proxy_loss": 99.0, "train/privileged_loss": 99.0},
    ]  # fmt: skip
    found = series(rows)
    expected = {
        "steps": [3, 5], "return": [5, 6], "proxy_loss": [0.5, 0.25], "agreement": [0.8, NAN], "hacking": [0, 1],
        "seen_loss": [3, 1], "privileged_loss": [1.5, 0.5],
    }  # fmt: skip
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
    assert alarm(found) == 5


def test_without_labels_in_validation_the_loss_of_training_stands_for_the_distance():
    rows = [{"student_steps": 2, "eval/return": 1.0, "train/loss": 3.0, "eval/hacking": 0.0}]
    assert series(rows)["proxy_loss"].tolist() == [3.0]
    assert series([{**rows[0], "train/proxy_loss": 2.0}])["proxy_loss"].tolist() == [2.0]


def test_runs_that_learn_from_no_teacher_have_no_such_section(tmp_path):
    assert series([{"student_steps": 2, "eval/return": 1.0, "train/loss": 3.0}]) == {}
    assert series([{"student_steps": 2, "train/proxy_loss": 3.0}]) == {}
    assert distillation_data([("a", 0, files(tmp_path, []))]) is None
    assert run_data(small_run(tmp_path / "small"))["distillation"] is None


def test_the_end_is_the_mean_of_the_last_third():
    found = {
        "steps": np.arange(9.0), "return": np.array([1.0, 9, 2, 2, 2, 2, 3, 4, 5]),
        "proxy_loss": np.array([9.0, 9, 9, 4, 4, 4, 1, 1, 4]), "agreement": np.full(9, 0.75),
        "teacher_agreement": np.array([0.0] * 6 + [0.8, 0.9, NAN]), "hacking": np.zeros(9),
        "seen_loss": np.full(9, 4.0), "privileged_loss": np.full(9, 1.0),
    }  # fmt: skip
    end = ending(found)
    assert end == Ending(0.75, pytest.approx(0.85), 2.0, 0.75, 0.5, 4.0, 9.0, 0.0, 1)
    assert end.shift == pytest.approx(0.1)
    assert math.isnan(ending({name: values[:4] for name, values in found.items()}).fall)  # too few to compare


def test_a_study_has_means_over_the_seeds_that_ended(tmp_path):
    runs = [
        ("a", 0, files(tmp_path, distilled(0), name="0")),
        ("a", 1, files(tmp_path, distilled(1), name="1")),
        ("a", 2, files(tmp_path, distilled(2)[:4], "running", "2")),
        ("b", 0, files(tmp_path, distilled(3, hacks=True), "running", "3")),
        ("c", 0, files(tmp_path, [{"steps": 1, "student_steps": 1, "eval/return": 1.0}], name="4")),
    ]
    found = clean(distillation_data(runs))
    assert [(r["variant"], r["seed"], r["alarm"] is not None) for r in found["runs"]] == [
        ("a", 0, False), ("a", 1, False), ("a", 2, False), ("b", 0, True),
    ]  # fmt: skip
    bands = {(b["variant"], b["name"]): b for b in found["bands"]}
    mean = np.mean([series(runs[k][2].metrics)["return"] for k in (0, 1)], axis=0)
    assert bands["a", "return"]["value"] == pytest.approx(mean, rel=1e-3)
    assert (bands["a", "return"]["n"], bands["b", "return"]["n"]) == (2, 1)
    assert ("b", "privileged_loss") in bands
    assert not any(name in ("steps", "hacking") for _, name in bands)
    assert [w["label"] for w in found["words"]] == ["a", "b"]
    assert "The alarm was raised" in " ".join(found["words"][1]["text"])


GOOD = Ending(0.97, 0.98, 0.3, 0.0, 0.0, 100.0, 100.0, 0, 1)


@pytest.mark.parametrize(
    ("changes", "words", "others"),
    [
        ({}, ["agree with its teacher's by 97% where it gets to itself, and by 98%", "so does its teacher"], ["loss"]),
        ({"agreement": 0.7, "teacher_agreement": 0.9}, ["loses 20 points of agreement", "DAgger"], ["hidden", "none"]),
        ({"agreement": 0.8, "teacher_agreement": 0.82, "gap": 0.8}, ["80% of its loss", "hidden from it"], ["points"]),
        ({"agreement": 0.8, "teacher_agreement": 0.8, "fall": 0.4}, ["still falls, by 40%"], ["hidden", "points"]),
        ({"agreement": 0.8, "teacher_agreement": 0.8}, ["None of the usual reasons", "no gap"], ["alarm was"]),
        ({"agreement": 0.8, "teacher_agreement": NAN, "gap": NAN}, ["None of the usual", "no alarm, no loss"], ["gap"]),
        ({"agreement": 0.8, "teacher_agreement": 0.95, "gap": 0.9, "loss": 0.004}, ["down to 0.004"], ["hidden"]),
        ({"alarms": 1, "returns": 210.4, "best_return": 1320.0}, ["alarm was raised:", "to 210 from 1,320"], ["runs"]),
        ({"alarms": 2, "runs": 5}, ["raised in 2 of 5 runs"], ["so does its teacher"]),
        ({"agreement": NAN, "teacher_agreement": NAN, "fall": 0.5}, ["still falls"], ["agree"]),
    ],
)
def test_words_name_the_reason(changes, words, others):
    told = " ".join(sentences(replace(GOOD, **changes)))
    assert all(word in told for word in words), told
    assert not any(word in told for word in others), told


def test_two_reasons_at_most_and_the_teacher_first():
    bad = replace(GOOD, agreement=0.5, teacher_agreement=0.9, gap=0.9, fall=0.9, alarms=1)
    told = sentences(bad)
    assert len(told) == 3
    assert "alarm" in told[1]
    assert "40 points" in told[2]


def test_what_is_unknown_is_not_told():
    assert sentences(Ending(NAN, NAN, NAN, NAN, NAN, 1.0, 1.0, 0, 1)) == []
