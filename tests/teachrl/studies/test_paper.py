"""What `report --paper` writes: figures that journals take, tables that compile, references that are all there."""

import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachrl.errors import InvalidStudy
from teachrl.runs import train
from teachrl.studies.analysis import analyse
from teachrl.studies.bibliography import METHODS, bibliography, key_of, split
from teachrl.studies.comparison import Estimate
from teachrl.studies.latex import contrasts_table, digits_for, escape, number, results_table, with_interval
from teachrl.studies.outcomes import Declared, Outcome, Variant
from teachrl.studies.paper import write_paper
from teachrl.studies.paper_figures import Look, cell_name, draw_curves, draw_mastery, draw_profiles, draw_split, plain
from teachrl.teachers import ALPGMM, Uniform
from teachrl_agents import SB3, SimulatedStudent

NASTY = "_100% & $x$ {#1} \\ ~^<>|"


def config(*teachers, student=None):
    specs = [{"class_path": t.class_path, "init_args": {}} for t in teachers]
    chosen = student or SB3("SAC")
    return {"teachers": specs, "student": {"class_path": chosen.class_path, "init_args": {"algorithm": "SAC"}}}


VARIANTS = [
    Variant("uniform", "uniform", "arm", {}, config(Uniform())),
    Variant(NASTY, NASTY, "arm", {}, config(ALPGMM())),
    Variant(f"{NASTY} shuffled", NASTY, "shuffled", {}, {}),
    Variant(f"{NASTY} yoked", NASTY, "yoked", {}, {}),
    Variant("target only", "uniform", "target", {}, {}),
]


def study(variants=VARIANTS, seeds=10, directories=None, metric="success_rate", extra=0):
    rng, outcomes = np.random.default_rng(0), []
    x = np.arange(1.0, 6.0) * 1e5
    for k, variant in enumerate(variants):
        for seed in range(seeds):
            final = float(np.clip(0.4 + 0.04 * k + rng.normal(0, 0.05), 0, 1))
            curve = {
                "student_steps": x,
                "total_steps": x + extra,
                "cpu_seconds": x / 500,
                metric: final * (1 - np.exp(-x / 2e5)),
            }
            place = (directories or {}).get((variant.label, seed))
            outcomes.append(
                Outcome(f"{k}-{seed}", variant.label, seed, "finished", place, {metric: final}, curve)
            )  # fmt: skip
    contrasts = [
        (v.arm, "uniform") for v in variants if v.role == "arm" and v.arm != "uniform" and v.cell == variants[0].cell
    ]
    return Declared("demo", "Does it?", list(variants), "uniform", metric, contrasts, list(range(seeds))), outcomes


def write(declared, outcomes, target):
    return write_paper(target.parent / "study", declared, outcomes, analyse(declared, outcomes), target)


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    place = tmp_path_factory.mktemp("paper")
    directories = {}
    for label, teacher in (("uniform", Uniform()), (NASTY, ALPGMM())):
        directories[label, 0] = train(
            env="TeachRL/Hypercube-v0", env_kwargs={"cubes": 3}, teachers=[teacher], student=SimulatedStudent(cubes=3),
            steps=60, num_envs=1, out=str(place / str(len(directories))), loggers=[], video=0, pictures=False,
            progress="none",
        ).directory  # fmt: skip
    (place / "study").mkdir()
    (place / "study" / "study.yaml").write_text("question: Does it?\n")
    return {path.name: path for path in write(*study(directories=directories), place / "paper")}


def size(path):
    found = re.search(rb"/MediaBox \[ ?0 0 (\S+) (\S+) ?\]", path.read_bytes())
    return tuple(float(x) for x in found.groups())


def test_everything_is_there(paper):
    assert sorted(paper) == [
        "causal_split.pdf", "contrasts.tex", "differences.pdf", "learning_curves_cpu_seconds.pdf",
        "learning_curves_student_steps.pdf", "mastery.pdf", "methods.bib", "methods.tex", "profiles.pdf", "results.tex",
    ]  # fmt: skip
    assert "of study.yaml with the SHA-256" in paper["results.tex"].read_text().splitlines()[0]


def test_figures_are_pdf_of_one_column_with_truetype_fonts(paper):
    for path in paper.values():
        if path.suffix != ".pdf":
            continue
        data = path.read_bytes()
        assert data.startswith(b"%PDF-1.")
        assert data.rstrip().endswith(b"%%EOF")
        assert data.count(b"/Type /Page ") == 1
        assert b"/FontFile2" in data
        assert b"/Type3" not in data
        assert b"CreationDate" not in data
        width, height = size(path)
        assert width == pytest.approx(3.3 * 72, abs=1)
        assert 50 < height < 9 * 72


def test_the_same_study_is_the_same_figure(paper, tmp_path):
    assert draw_profiles(tmp_path / "profiles.pdf", *study())
    assert (tmp_path / "profiles.pdf").read_bytes() == paper["profiles.pdf"].read_bytes()
    assert not draw_mastery(tmp_path / "mastery.pdf", *study())  # without the runs there is no map


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs poppler")
def test_figures_say_what_they_show(paper):
    def words(name):
        found = subprocess.run(["pdftotext", str(paper[name]), "-"], capture_output=True, text=True, check=True).stdout
        return " ".join(found.split())

    assert "_100% & $x$ {#1} \\ ~^<>|" in words("learning_curves_student_steps.pdf")
    assert "student steps" in words("learning_curves_student_steps.pdf")
    assert "difference in success rate" in words("differences.pdf")
    assert "which tasks" in words("causal_split.pdf")
    assert "share of runs that master a task" in words("mastery.pdf")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs LaTeX")
def test_tables_and_references_compile(paper, tmp_path):
    for path in paper.values():
        shutil.copy(path, tmp_path)
    (tmp_path / "document.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\\input{methods}\\input{results}"
        "\\input{contrasts}\\nocite{*}\\bibliographystyle{plain}\\bibliography{methods}\\end{document}"
    )
    for command in (["pdflatex", "-halt-on-error"], ["bibtex"], ["pdflatex", "-halt-on-error"], ["pdflatex"]):
        done = subprocess.run([*command, "document"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:]
    assert "undefined" not in done.stdout


def test_a_changed_declaration_is_confessed(tmp_path):
    declared, outcomes = study()
    write(declared, outcomes, tmp_path / "kept")
    assert "changed" not in (tmp_path / "kept" / "methods.tex").read_text()
    changed = replace(declared, amendments=["2026: metric, seed_list changed"])
    write(changed, outcomes, tmp_path / "changed")
    assert "2026: metric, seed\\_list changed." in (tmp_path / "changed" / "methods.tex").read_text()


def test_names_cannot_break_a_document():
    assert escape("a_b & 50% of $x$ #1 {c}") == r"a\_b \& 50\% of \$x\$ \#1 \{c\}"
    assert escape("\\ ~ ^ < > | [x]") == (
        r"\textbackslash{} \textasciitilde{} \textasciicircum{} \textless{} \textgreater{} \textbar{} {[}x{]}"
    )
    assert escape("a--b\nc\x00") == "a-{}-b c"


@given(st.text())
def test_no_special_character_is_left_bare(text):
    spelt = re.sub(r"\\text[a-z]+\{\}|\\[&%$#_{}]|\$-\$|\$\\to\$|\{\[\}|\{\]\}|-\{\}-|\{\}", "", escape(text))
    assert not set(spelt) & set('\\&%$#_{}~^<>|[]\n"')


def test_numbers_and_intervals():
    assert number(0.12345, 3) == "$0.123$"
    assert number(-0.0001, 2) == "$0.00$"
    assert number(0.5, 1, signed=True) == "$+0.5$"
    assert number(float("nan"), 2) == "--"
    assert number(float("-inf"), 2) == r"$-\infty$"
    assert with_interval(Estimate(0.25, 0.125, 0.5, 10), 3) == ("$0.250$", "[$0.125$, $0.500$]")
    assert with_interval(Estimate(0.25, np.nan, np.nan, 1), 2) == ("$0.25$", "--")
    assert [digits_for([x]) for x in (0.6, 0.01, 12.0, 250.0, 99_999.0, 0.0)] == [3, 4, 1, 0, 0, 2]


def test_tables_have_a_row_for_everything():
    declared, outcomes = study()
    analysis = analyse(declared, outcomes)
    text = results_table(analysis)
    rows = [line for line in text.splitlines() if line.endswith("\\\\") and "multicolumn" not in line]
    assert len(rows) == len(VARIANTS)
    assert all(row.count("&") - row.count("\\&") == 5 for row in rows)
    (row,) = [line for line in contrasts_table(analysis).splitlines() if line.lstrip().startswith(escape(NASTY))]
    assert row.count("&") - row.count("\\&") == 7
    assert f"{escape(NASTY)} $-$ uniform & 10 & $+0.0" in row
    assert "xploratory" not in text
    few = analyse(*study(seeds=3))
    assert "Exploratory: fewer than 10 seeds." in contrasts_table(few)


def test_the_bibliography_has_every_method_and_all_that_is_cited():
    text = bibliography(study()[0])
    entries = split(text)
    keys = [key_of(entry) for entry in entries]
    assert len(set(keys)) == len(keys)
    assert {"portelas2020teacher", "raffin2021stable", "haarnoja2018soft", "towers2024gymnasium"} <= set(keys)
    assert {key for group in re.findall(r"\\cite\{([^}]+)\}", METHODS) for key in group.split(",")} <= set(keys)
    for entry in entries:
        assert re.match(r"@(article|inproceedings|book|misc)\{\w+,\n", entry)
        assert entry.count("{") == entry.count("}")
        assert {"title", "year"} <= set(re.findall(r"^  (\w+) = \{", entry, re.MULTILINE))


def test_a_class_with_a_link_only_gets_an_entry_once():
    linked = Variant("a", "a", "arm", {}, config(ALPGMM(), student=SimulatedStudent()))
    text = bibliography(study([linked])[0])
    assert "simulatedstudent" not in text  # the same paper as ALPGMM's
    alone = Variant("a", "a", "arm", {}, config(Uniform(), student=SimulatedStudent()))
    assert "@misc{simulatedstudent,\n  title = {SimulatedStudent},\n" in bibliography(study([alone])[0])
    short = Variant("a", "a", "arm", {}, {"teachers": ["Uniform"], "student": "SB3"})
    assert [key_of(e) for e in split(bibliography(study([short])[0]))][:2] == [
        "raffin2021stable", "schulman2017proximal",
    ]  # fmt: skip
    gone = Variant("a", "a", "arm", {}, {"teachers": [{"class_path": "nowhere.Teacher"}], "student": None})
    assert bibliography(study([gone])[0]).startswith("@inproceedings{agarwal2021deep,")


def test_a_grid_has_a_panel_a_cell(tmp_path):
    variants = [
        Variant(f"{arm}, learning_rate {rate}", arm, "arm", {"student.learning_rate": rate}, {})
        for rate in (0.1, 0.2) for arm in ("uniform", "alp-gmm")
    ]  # fmt: skip
    declared, outcomes = study(variants, seeds=4)
    assert draw_curves(tmp_path / "curves.pdf", declared, outcomes, "cpu_seconds")
    assert size(tmp_path / "curves.pdf")[1] > 250
    assert cell_name(declared.cells[0]) == "learning_rate 0.1"
    assert not draw_split(tmp_path / "split.pdf", analyse(declared, outcomes))


def test_what_cannot_be_shown_is_left_out(tmp_path):
    declared, outcomes = study([VARIANTS[0]], seeds=1)
    bare = [Outcome("k", "uniform", 0, "finished", None, {"success_rate": 0.5})]
    assert [p.name for p in write(declared, bare, tmp_path / "paper")] == [
        "profiles.pdf", "results.tex", "methods.tex", "methods.bib",
    ]  # fmt: skip
    with pytest.raises(InvalidStudy, match="has ended"):
        write(declared, [Outcome("k", "uniform", 0, "waiting")], tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidStudy, match="cannot be written"):
        write(declared, outcomes, tmp_path / "file" / "paper")


def test_all_steps_are_an_axis_where_they_differ(tmp_path):
    declared, outcomes = study(VARIANTS[:2], seeds=2, extra=500)
    assert tmp_path / "paper" / "learning_curves_total_steps.pdf" in write(declared, outcomes, tmp_path / "paper")


def test_arms_are_told_by_colour_and_references_by_grey():
    look = Look(study()[0])
    styles = [look(v) for v in VARIANTS]
    assert styles[0]["color"] != styles[1]["color"] == styles[2]["color"]
    assert len({s["linestyle"] for s in styles[1:4]}) == 3
    assert styles[4]["color"] == "#6b6b6b"
    assert plain("_a\n$b$") == r" _a \$b\$"
