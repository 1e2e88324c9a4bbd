from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from teachrl import cli, listing
from teachrl.errors import UnknownName

HEAVY = ("torch", "stable_baselines3", "sb3_contrib", "sklearn", "scipy", "numba", "matplotlib", "pyarrow")
MEASURED = """
import sys, time
from teachrl.cli import main
code = main(sys.argv[1:])
sys.stderr.write(repr((code, time.process_time(), sorted({name.partition(".")[0] for name in sys.modules}))))
"""


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["train", "--teacher", "ALPGMM", "--help"]])
def test_help_is_quick_and_leaves_the_heavy_libraries_alone(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", MEASURED, *words], capture_output=True, text=True, check=True)
    code, seconds, modules = eval(done.stderr)
    assert code == 0
    assert not set(HEAVY) & set(modules)
    if words == ["--help"]:
        assert seconds < 1.0


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {name}" in text for name in cli.VERBS)
    assert "teachrl train --env TeachRL/PointMass-v0 --teacher ALPGMM" in text
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("teachrl ")


@pytest.mark.parametrize("words", [["train", "--teacher", "ALPGMM", "--help"], ["train", "--teacher.help=ALPGMM"]])
def test_help_on_a_class_explains_every_parameter(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert cli.main(words) == 0
    text = capsys.readouterr().out
    assert "https://arxiv.org/abs/1910.07224" in text
    assert "--teacher.fit_rate" in text
    assert "CONFIG" not in text


def test_help_on_a_wrapper_leaves_out_its_environment(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "--wrapper.help", "Parametrised"]) == 0
    text = capsys.readouterr().out
    assert "--wrapper.attributes" in text
    assert "--wrapper.env" not in text


def test_lists_are_lines_with_whole_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "teachers"]) == 0
    lines = capsys.readouterr().out.splitlines()
    alp = next(line for line in lines if line.startswith("ALPGMM "))
    assert alp.split()[1] == "tasks"
    assert alp.endswith("[https://arxiv.org/abs/1910.07224]")
    assert any(line.startswith("SB3 ") for line in listing.listing("students").splitlines())
    envs = listing.listing("envs")
    assert re.search(r"^TeachRL/StumpTracks-v0 +stump_height, obstacle_spacing", envs, re.MULTILINE)
    assert "CartPole-v1" not in envs


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("methods", r"^DAgger +Dataset aggregation .* \[https://proceedings.mlr.press/v15/ross11a.html\]$"),
        ("networks", r"^Recurrent +An encoder as in `CNN`"),
        ("losses", r"^js +alpha KL\(T \|\| M\).*arxiv.org/abs/2306.13649\]$"),
    ],
)
def test_what_distillation_can_choose_from_is_listed(kind: str, line: str) -> None:
    assert re.search(line, listing.listing(kind), re.MULTILINE)


def test_methods_are_found_without_torch() -> None:
    code = "from teachrl.distillation.names import methods\nimport sys\nprint(len(methods()), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["6", "False"]


def test_narrow_terminals_wrap_descriptions_only(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "AVeryLongNameOfATeacherThatIsNeverCutAnywhere"
    monkeypatch.setattr(listing, "rows", lambda kind: [(name, "tasks, starts", "word " * 20, "paper")])
    monkeypatch.setattr(listing, "_terminal_width", lambda: 80)
    first, *more = listing.listing("teachers").splitlines()
    assert first.startswith(f"{name}  tasks, starts  word")
    assert more
    assert all(line.startswith(" " * 62) and len(line) <= 62 + 30 for line in more)


def test_one_of_them_is_explained() -> None:
    assert "--teacher.fit_rate" in listing.listing("ALPGMM")
    assert "--student.algorithm" in listing.listing("SB3")
    assert "--env_kwargs.legs" in listing.listing("TeachRL/StumpTracks-v0")
    assert "Uniform takes no parameters." in listing.listing("Uniform")
    assert "--method.beta" in listing.listing("DAgger")
    assert "--student.hidden" in listing.listing("Recurrent")
    assert listing.listing("js").startswith("--method.loss.name js\n")
    assert "--method.loss.alpha" in listing.listing("js")
    with pytest.raises(UnknownName, match="Did you mean 'Kickstart'"):
        listing.listing("Kikstart")
    with pytest.raises(UnknownName, match="Did you mean 'forward_kl'"):
        listing.listing("forwardkl")
    with pytest.raises(UnknownName, match="Did you mean 'teachers'"):
        listing.listing("teacher")


def test_python_m_teachrl(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "teachrl", "nothing"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("teachrl: There is no verb 'nothing'.")
