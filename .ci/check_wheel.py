"""Checks that a wheel holds the three packages and their data files."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

ROOTS = {"teachrl": "teachrl", "teachrl_envs": "envs/teachrl_envs", "teachrl_agents": "agents/teachrl_agents"}


def expected() -> set[str]:
    """Returns what the wheel must hold: every file of the three packages, by its place in site-packages."""
    files = set()
    for package, source in ROOTS.items():
        for path in Path(source).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                files.add(f"{package}/{path.relative_to(source).as_posix()}")
    return files


def main(wheel: str) -> int:
    """Compares a wheel with the work tree; returns the exit status."""
    held = set(zipfile.ZipFile(wheel).namelist())
    missing = sorted((expected() | {"teachrl/quickstart.yaml", "teachrl/py.typed"}) - held)
    tops = {name.split("/")[0] for name in held}
    strange = sorted(name for name in tops - set(ROOTS) if not name.endswith(".dist-info"))
    sys.stdout.write(f"{Path(wheel).name}: {len(held)} files, missing {missing}, unexpected {strange}\n")
    return 1 if missing or strange else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
