"""What an import costs, and who may import what, where import-linter cannot say it."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

from teachrl.student import Student
from teachrl.teacher import Teacher

ROOT = Path(__file__).parents[1]
PACKAGES = {"teachrl": "teachrl", "teachrl_envs": "envs/teachrl_envs", "teachrl_agents": "agents/teachrl_agents"}
HEAVY = ("torch", "stable_baselines3", "sb3_contrib", "sklearn", "scipy", "numba", "matplotlib", "pyarrow", "pandas")
PROBE = """
import importlib, sys, time
importlib.import_module(sys.argv[1])
print(*[name for name in sys.argv[2:] if name in sys.modules], round(time.process_time(), 2), sep=",")
"""


def modules() -> list[str]:
    """Returns every module of the three packages."""
    found = []
    for root in PACKAGES:
        path = importlib.import_module(root).__path__
        found += [root, *(module.name for module in pkgutil.walk_packages(path, f"{root}."))]
    return [name for name in found if not name.endswith("__main__")]


def source(module: str) -> str:
    """Returns a module's text, without importing it."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_text()


def defines_taught_class(module: str) -> bool:
    """Whether a module has a public class derived from Teacher or Student."""
    bases = {"Teacher", "TaskTeacher", "Student"}
    for node in ast.walk(ast.parse(source(module))):
        public = isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        if public and bases & {base.id for base in node.bases if isinstance(base, ast.Name)}:
            return True
    return False


def heavy_imports(module: str) -> tuple[list[str], float]:
    """Imports a module in a fresh process; returns the heavy libraries that came along, and its CPU seconds."""
    command = [sys.executable, "-c", PROBE, module, *HEAVY]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    *names, seconds = output.strip().split(",")
    return names, float(seconds)


TAUGHT = [name for name in modules() if defines_taught_class(name)]


def test_teachers_and_students_are_found() -> None:
    assert {"teachrl.teachers.tasks.uniform", "teachrl_agents.simulated", "teachrl_agents.sb3"} <= set(TAUGHT)
    found = [getattr(importlib.import_module("teachrl.teachers"), name) for name in ("Uniform", "ALPGMM")]
    assert all(issubclass(cls, Teacher) and inspect.getmodule(cls).__name__ in TAUGHT for cls in found)  # type: ignore[union-attr]
    assert issubclass(importlib.import_module("teachrl_agents").SB3, Student)


@pytest.mark.parametrize(
    "module", [*TAUGHT, "teachrl", "teachrl.classroom", "teachrl.testing", "teachrl.cli", *PACKAGES]
)
def test_public_modules_leave_heavy_libraries_out(module: str) -> None:
    names, seconds = heavy_imports(module)
    assert names == []
    assert seconds < 1.5


def test_importing_teachrl_imports_next_to_nothing() -> None:
    command = "import sys, teachrl; print([m for m in ('numpy', 'gymnasium', 'yaml') if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True, timeout=60)
    assert output.stdout.strip() == "[]"


@pytest.mark.parametrize("package", [m for m in modules() if "\n__all__ = " in source(m)])
def test_exports_resolve_and_stand_once(package: str) -> None:
    module = importlib.import_module(package)
    names = list(module.__all__)
    assert len(set(names)) == len(names)
    for name in names:
        assert getattr(module, name) is not None
    assert set(names) <= set(dir(module))


@pytest.mark.parametrize(
    "package", ["teachrl", "teachrl.teachers", "teachrl_agents", "teachrl_envs", "teachrl.testing"]
)
def test_public_packages_sort_their_exports(package: str) -> None:
    names = importlib.import_module(package).__all__
    constants = [n for n in names if n.isupper() and "_" in n]
    rest = [n for n in names if n not in constants]
    assert names == sorted(constants) + sorted(rest)


def test_stable_baselines3_stays_behind_the_sb3_modules() -> None:
    strays = []
    for root in PACKAGES.values():
        for path in sorted((ROOT / root).rglob("*.py")):
            if path.parent.name == "teachrl_agents" and path.name.startswith("sb3"):
                continue
            strays += [path.name for name in imported_names(path) if name in ("stable_baselines3", "sb3_contrib")]
    assert strays == []


def imported_names(path: Path) -> set[str]:
    """Returns the top-level packages that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_runs_and_students_are_kept_without_pickles() -> None:
    for root in ("teachrl/runs", "teachrl/teachers", "agents/teachrl_agents"):
        for path in sorted((ROOT / root).rglob("*.py")):
            assert not {"pickle", "cloudpickle", "dill", "joblib"} & imported_names(path), path.name
