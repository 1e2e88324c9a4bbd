"""What a run notes about where it ran: versions, code and machine, with no host name and no absolute path."""

from __future__ import annotations

import functools
import os
import platform
import re
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = (
    "teachrl", "gymnasium", "numpy", "torch", "stable-baselines3", "sb3-contrib", "scikit-learn", "scipy", "numba",
    "box2d", "minigrid", "mujoco",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the libraries that a run's numbers depend on."""
    return dict(_versions())


@functools.cache
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def host_facts() -> dict[str, Any]:
    """Returns the kind of machine, not its name."""
    return {"system": platform.system(), "machine": platform.machine(), "cpus": os.cpu_count()}


def work_tree() -> dict[str, Any] | None:
    """Returns the commit of the working directory and whether it has changes; None outside of git.

    It is looked up once in a process, which goes on with the code that it imported whatever changes on the disk.
    """
    found = _work_tree(os.getcwd())
    return None if found is None else dict(found)


@functools.cache
def _work_tree(directory: str) -> dict[str, Any] | None:
    commit = _git("rev-parse", "HEAD")
    return None if commit is None else {"commit": commit, "changed": bool(_git("status", "--porcelain"))}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def private(text: str) -> str:
    """Returns `text` with its absolute paths cut to what tells nothing about the machine."""
    for place, short in _places():
        text = text.replace(f"{place}{os.sep}", f"{short}{os.sep}" if short else "")
    return re.sub(r"(?<![\w.>~/:-])/(?:[\w.+-]+/)+(?=[\w.+-])", ".../", text)


def _places() -> list[tuple[str, str]]:
    """Returns known directories and what stands for them, the innermost first."""
    here = Path(__file__).resolve().parents[2]
    places = {
        str(Path.cwd()): "",
        str(here): "",
        sys.prefix: "<python>",
        sys.base_prefix: "<python>",
        tempfile.gettempdir(): "<tmp>",
        str(Path.home()): "~",
    }
    return sorted(((p, s) for p, s in places.items() if len(p) > 1), key=lambda x: -len(x[0]))
