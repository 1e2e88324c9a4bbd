"""The data of the page, and what `teachrl report` makes of directories that are whole, half-written or neither."""

import json
import shutil

import numpy as np
import pytest
from report_studies import declared_study, outcomes_of, small_run

from teachrl.cli import main
from teachrl.errors import InvalidRun, InvalidStudy
from teachrl.studies.outcomes import Outcome, Variant
from teachrl.studies.page import page_data, render, run_data, study_data
from teachrl.studies.page_curves import curves, profiles
from teachrl.studies.page_facts import differences, flatten, trouble
from teachrl.studies.page_json import clean, to_json
from teachrl.studies.page_map import FEWEST, choose, points_each, task_axes, thinned
from teachrl.studies.page_runs import Episodes, RunFiles
from teachrl.studies.records import StudyDirectory
from teachrl.studies.report import report
from teachrl.studies.study import Study


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return small_run(tmp_path_factory.mktemp("runs") / "a")


@pytest.fixture
def copy(run, tmp_path):
    return shutil.copytree(run, tmp_path / "copy")


@pytest.fixture(scope="module")
def study(run):
    declared = declared_study()
    places = {("uniform", 0): run, ("alp-gmm", 0): run, ("alp-gmm", 3): run}
    return study_data(declared, outcomes_of(declared, places, failed=[("alp-gmm", 1)], waiting=[("uniform", 2)]))


def test_learning_progress_is_that_of_the_nearest_earlier_task():
    rng = np.random.default_rng(0)
    tasks, returns = rng.random((300, 2)), rng.random(300)
    found = Episodes(np.arange(300.0), tasks, returns, np.ones(300)).progress
    assert found[0] == 0
    for i in range(1, 300):
        nearest = np.square(tasks[:i] - tasks[i]).sum(axis=1).argmin()
        assert found[i] == abs(returns[i] - returns[nearest])


def test_windows_hold_every_episode_once(run):
    data = run_data(run)["map"]
    (drawn,) = data["runs"]
    files = RunFiles(run)
    assert sum(drawn["episodes"]) == len(files.episodes.steps) == drawn["begins"][-1] == len(drawn["steps"])
    edges = [0, *data["edges"]]
    for k in range(len(data["edges"])):
        steps = drawn["steps"][drawn["begins"][k] : drawn["begins"][k + 1]]
        assert len(steps) == drawn["episodes"][k]
        assert all(edges[k] < step <= edges[k + 1] for step in steps)
    assert drawn["tasks"][1] == pytest.approx(files.episodes.tasks[:, 1], rel=1e-3)
    assert drawn["progress"] == pytest.approx(files.episodes.progress, rel=1e-3)


def test_mastery_by_then_is_that_of_the_validation_suite(run):
    data = run_data(run)["map"]
    evaluations = data["runs"][0]["evaluations"]
    assert [e["steps"] for e in evaluations] == [40, 80, 120, 160]
    assert len(data["suites"]) == 1  # it is the same each time, and written once
    for e, scores in zip(evaluations, RunFiles(run).evaluations("validation"), strict=True):
        assert e["mastered"] == scores.mastered.tolist()
        assert len(e["mastered"]) == len(data["suites"][0]["names"]) == 16


def test_axes_are_those_of_the_environment_else_of_the_tasks(copy):
    assert task_axes([RunFiles(copy)]) == {"names": ["x 0", "x 1"], "low": [0, 0], "high": [1, 1]}
    meta = json.loads((copy / "meta.json").read_text())
    meta["tasks"] = {"names": [], "low": [None, -3.0], "high": [2.0, None]}
    (copy / "meta.json").write_text(json.dumps(meta))
    files = RunFiles(copy)
    seen = np.concatenate([files.episodes.tasks, files.evaluations("test")[-1].tasks])
    found = task_axes([files])
    assert found["names"] == ["task 0", "task 1"]
    assert found["low"] == pytest.approx([seen[:, 0].min(), -3])
    assert found["high"] == pytest.approx([2, seen[:, 1].max()])
    (copy / "meta.json").write_text(json.dumps({k: v for k, v in meta.items() if k != "tasks"}))
    assert task_axes([RunFiles(copy)])["low"] == pytest.approx(seen.min(axis=0).tolist())


def test_points_are_thinned_evenly():
    assert thinned(5, 9, 400).tolist() == [5, 6, 7, 8]
    rows = thinned(100, 1100, 50)
    assert (len(rows), rows[0], rows[-1]) == (50, 100, 1099)
    assert set(np.diff(rows)) == {20, 21}


def test_where_not_all_runs_fit_the_worst_the_median_and_the_best_are_drawn(run):
    runs = [(label, seed, RunFiles(run)) for label in ("a", "b") for seed in range(30)]
    assert points_each(runs) < FEWEST <= points_each(runs[:6])
    ranking = {label: {seed: (seed * 7) % 30 for seed in range(30)} for label in ("a", "b")}
    chosen = choose(runs, ranking)
    assert [(label, ranking[label][seed]) for label, seed, _ in chosen] == [
        ("a", 0), ("a", 15), ("a", 29), ("b", 0), ("b", 15), ("b", 29),
    ]  # fmt: skip
    assert choose(runs[:6], ranking) == runs[:6]


def test_mastery_is_the_share_of_runs(study, run):
    shares = {m["variant"]: (m["n"], m["share"]) for m in study["mastery"]}
    mastered = RunFiles(run).evaluations("test")[-1].mastered.tolist()
    assert shares == {"uniform": (1, mastered), "alp-gmm": (2, mastered)}


def test_a_study_is_told_whole(study):
    assert (study["title"], study["question"]) == ("toy", "Does it help?")
    assert study["counts"] == {"total": 40, "finished": 38, "waiting": 1, "failed": 1}
    assert study["plan"]["contrasts"] == [["alp-gmm", "uniform"]]
    assert [v["label"] for v in study["variants"] if v["control"]] == ["uniform"]
    assert "1" not in study["variants"][1]["values"]  # it failed
    (split,) = study["analysis"]["splits"]
    parts = sum(split[name]["value"] for name in ("tasks", "order", "adaptivity"))
    assert parts == pytest.approx(split["gain"]["value"], abs=1e-5)
    assert {(b["axis"], b["metric"]) for b in study["curves"]["bands"]} == {
        (axis, metric) for axis in study["curves"]["axes"] for metric in study["curves"]["metrics"]
    }
    assert study["curves"]["axes"] == ["student_steps", "total_steps", "cpu_seconds"]
    assert [t["status"] for t in study["trouble"]] == ["waiting", "failed"]
    assert [v["label"] for v in study["transfer"]["variants"]] == ["uniform", "alp-gmm"]
    assert study["facts"]["versions"]["python"]


def test_bands_hold_their_curve(study):
    for band in study["curves"]["bands"]:
        assert all(a <= b <= c for a, b, c in zip(band["low"], band["value"], band["high"], strict=True))


def test_fewer_than_ten_seeds_name_no_winner():
    declared = declared_study(seeds=9, causal=False)
    data = study_data(declared, outcomes_of(declared))
    assert data["analysis"]["exploratory"]
    assert "better" not in data["analysis"]["verdict"] + data["analysis"]["contrasts"][0]["verdict"]


def test_settings_are_flattened_to_dotted_names():
    config = {
        "steps": 10, "env_kwargs": {"a": {"b": [1, 2.5]}}, "wrappers": [], "seed": None,
        "teachers": ["Uniform", {"class_path": "teachrl.teachers.ALPGMM", "init_args": {"fit_rate": 150}}],
        "student": {"class_path": "x.SB3", "init_args": {"hyperparameters": {"gamma": 0.9}}},
    }  # fmt: skip
    assert flatten(config) == {
        "steps": "10", "env_kwargs.a.b": "[1, 2.5]", "wrappers": "[]", "seed": "null",
        "teachers": "[Uniform, ALPGMM]", "teachers.ALPGMM.fit_rate": "150", "student": "SB3",
        "student.hyperparameters.gamma": "0.9",
    }  # fmt: skip


def test_only_differences_are_shown_and_defaults_are_filled_in(run):
    rates = {"plain": {}, "fast": {"spread": 3}}
    variants = [
        Variant(n, n, "arm", {}, {"steps": 5, "teachers": [{"class_path": "Uniform", "init_args": a}]})
        for n, a in rates.items()
    ]
    assert differences(variants)["rows"] == [{"name": "teachers.Uniform.spread", "values": [None, "3"]}]
    files = RunFiles(run)
    files.__dict__["config"] = {"teachers": [{"class_path": "Uniform", "init_args": {"spread": 1}}]}
    rows = differences(variants, [("plain", 0, files)])["rows"]
    assert rows == [{"name": "teachers.Uniform.spread", "values": ["1", "3"]}]


def test_what_is_the_same_for_all_is_told_beside(run):
    variants = [
        Variant(n, n, "arm", {}, {"steps": 5, "seed": 1, "teachers": [{"class_path": "Replay", "init_args": a}]})
        for n, a in {"a": {"run": "{donor}"}, "b": {}}.items()
    ]
    found = differences(variants)
    assert found["rows"] == [{"name": "teachers.Replay.run", "values": ["that of another seed", None]}]
    assert found["common"] == [{"name": "steps", "value": "5"}, {"name": "teachers", "value": "[Replay]"}]
    common = {row["name"]: row["value"] for row in differences(variants, [("a", 0, RunFiles(run))])["common"]}
    assert common["num_envs"] == "1"  # a default, which the run tells
    assert "seed" not in common


def test_curves_are_over_the_runs_that_ended():
    declared = declared_study(3, causal=False)
    outcomes = outcomes_of(declared)
    begun = Outcome("x", "uniform", 9, "stopped", curve={k: v[:1] for k, v in outcomes[0].curve.items()})

    def shown(found):
        return next(b for b in curves(declared, found)["bands"] if b["variant"] == "uniform")

    assert (shown([*outcomes, begun])["n"], len(shown([*outcomes, begun])["x"])) == (3, len(shown(outcomes)["x"]))
    assert shown([begun])["n"] == 1


def test_profiles_fall_at_the_results():
    declared = declared_study(3, causal=False)
    outcomes = [Outcome(f"{s}", "uniform", s, "finished", final={"success_rate": x}) for s, x in enumerate((0, 0, 0.5))]
    (profile,) = profiles(declared, outcomes)
    shares = dict(zip(profile["x"], profile["value"], strict=True))
    assert shares[0.0] == pytest.approx(1 / 3, abs=1e-3)
    assert shares[0.5] == 0.0


def test_a_failure_is_named_by_its_error():
    error = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    x\nValueError: no\nA note.'
    (told,) = trouble([Outcome("k", "uniform", 0, "failed", error=error), Outcome("l", "uniform", 1, "finished")])
    assert (told["headline"], told["error"]) == ("ValueError: no", error)


def test_json_has_no_nan_and_ends_no_script():
    text = to_json({"a": [np.nan, np.inf, np.float32(0.5)], "b": "</script><!-- & \u2028", "c": np.arange(2)})
    assert not set(text) & set("<>&\u2028")
    assert json.loads(text) == {"a": [None, None, 0.5], "b": "</script><!-- & \u2028", "c": [0, 1]}
    assert clean({1: (None, True, 1.23456789)}) == {"1": [None, True, 1.23457]}


def test_the_page_is_one_file(study):
    page = render(study)
    assert page.count("const DATA = ") == 1
    assert "</script><b>no</b>" not in page  # a traceback of the study says so
    assert "follow(" not in page.rpartition("const DATA = ")[2]
    assert 'follow("data.json")' in render(study, live=True).rpartition("const DATA = ")[2]
    assert len(page) < 6_500_000


def test_a_run_is_reported_beside_itself(copy, capsys):
    page = report(str(copy))
    assert page.path == copy / "report.html"
    status = page_data(copy)["status"]
    assert (status["status"], status["steps"]) == ("finished", 160)
    assert status["written"] == pytest.approx((copy / "meta.json").stat().st_mtime, abs=1)
    assert "Uniform on TeachRL/Hypercube-v0" in page.path.read_text(encoding="utf-8")
    assert main(["report", str(copy), "--out", str(copy / "pages" / "b.html")]) == 0
    assert str(copy / "pages" / "b.html") in capsys.readouterr().out
    assert (copy / "pages" / "b.html").stat().st_size > 1e6


def test_a_study_in_which_nothing_ran_is_reported_as_such(tmp_path):
    home = StudyDirectory(tmp_path / "study")
    home.create()
    text = (
        "base: {env: TeachRL/Hypercube-v0, steps: 40}\n"
        "arms: {uniform: {teachers: [Uniform]}, alp-gmm: {teachers: [ALPGMM]}}\ncontrol: uniform\nseeds: 2\n"
    )
    home.write_plan(Study.parse(text, "nothing"), use_shipped=False)
    assert report(str(home.path)).title == "nothing"
    data = page_data(home.path)
    assert data["counts"] == {"total": 4, "waiting": 4}
    assert data["map"]["runs"] == data["mastery"] == data["curves"]["bands"] == []


def test_a_half_written_run_is_shown_as_far_as_it_got(copy):
    (copy / "episodes.parquet").write_bytes(b"PAR1 half of it")
    (copy / "eval.parquet").unlink()
    (copy / "metrics.jsonl").write_text('{"steps": 1, "total_')
    data = page_data(copy)
    assert data["map"]["runs"][0]["steps"] == []
    assert data["curves"]["metrics"] == []
    assert any("episodes.parquet cannot be read" in line for line in data["facts"]["damage"])
    assert report(str(copy)).path.exists()


def test_a_run_that_was_killed_at_once_is_shown(tmp_path, copy):
    (tmp_path / "begun").mkdir()
    shutil.copy(copy / "config.yaml", tmp_path / "begun")
    assert page_data(tmp_path / "begun")["status"]["status"] is None
    (tmp_path / "begun" / "meta.json").write_text("{")
    (tmp_path / "begun" / "config.yaml").write_text("[")
    data = page_data(tmp_path / "begun")
    damaged = data["facts"]["damage"]
    assert len(damaged) == 2
    assert "config.yaml" in "".join(damaged)
    assert "meta.json" in "".join(damaged)


def test_what_is_neither_is_refused(tmp_path, run, copy):
    for place, words in ((tmp_path / "no", "is not a directory"), (run.parent, "a is a run's"), (tmp_path, "neither")):
        with pytest.raises(InvalidRun, match=words):
            report(str(place))
    with pytest.raises(InvalidStudy, match="is a single run"):
        report(str(copy), paper=str(tmp_path / "paper"))
    with pytest.raises(InvalidRun, match="is a directory"):
        report(str(copy), out=str(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidRun, match="cannot be written"):
        report(str(copy), out=str(tmp_path / "file" / "a.html"))


def test_shipped_results_need_no_directory():
    declared = declared_study(causal=False)
    outcomes = [Outcome(o.key, o.variant, o.seed, "shipped", None, o.final, o.curve) for o in outcomes_of(declared)]
    data = study_data(declared, outcomes)
    assert data["counts"] == {"total": 20, "shipped": 20}
    assert data["map"]["runs"] == []
    assert data["transfer"] is None
    assert data["facts"]["cpu_seconds"] > 0
