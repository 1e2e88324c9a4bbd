"""Builds the API page out of the docstrings: `python .ci/build_docs.py site`."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import warnings
from pathlib import Path

import pdoc

PACKAGES = ("teachrl", "teachrl_envs", "teachrl_agents")


def public_modules() -> list[str]:
    """Returns every module without a leading underscore."""
    found = list(PACKAGES)
    for root in PACKAGES:
        package = importlib.import_module(root)
        found += [module.name for module in pkgutil.walk_packages(package.__path__, f"{root}.")]
    return [name for name in found if not any(part.startswith("_") for part in name.split("."))]


def resolve_exports(modules: list[str]) -> None:
    """Imports the exports of packages, which are lazy, so that pdoc finds them."""
    for module in map(importlib.import_module, modules):
        for name in getattr(module, "__all__", ()):
            setattr(module, name, getattr(module, name))


def pages(modules: list[str]) -> list[str]:
    """Returns the modules that pdoc must be given by name: it finds those below a package without `__all__` itself."""
    chosen: list[str] = []
    for name in modules:
        if name not in pdoc.extract.walk_specs(chosen or [name]) or not chosen:
            chosen.append(name)
    return chosen


def main(output: str) -> None:
    """Writes the pages; what pdoc warns of (a broken import, an export that does not exist) is an error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", module="pdoc")
        modules = public_modules()
        resolve_exports(modules)
        pdoc.render.configure(docformat="google")
        pdoc.pdoc(*pages(modules), output_directory=Path(output))
    sys.stdout.write(f"{len(list(Path(output).rglob('*.html')))} pages\n")


if __name__ == "__main__":
    main(sys.argv[1])
