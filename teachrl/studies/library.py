"""The ready studies that come with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from teachrl.errors import InvalidStudy, UnknownName
from teachrl.studies.study import Study


def ready() -> dict[str, Path]:
    """Returns the files of the ready studies by name."""
    folder = files("teachrl.studies").joinpath("ready")
    found = {Path(str(file)).stem: Path(str(file)) for file in folder.iterdir() if file.name.endswith(".yaml")}
    return dict(sorted(found.items()))


def find(study: str) -> Path:
    """Returns a study's file.

    Raises:
        InvalidStudy: If there is no such file.
        UnknownName: If it is no file's name, and there is no such ready study.
    """
    if Path(study).is_file():
        return Path(study)
    if Path(study).suffix:
        name = Path(study).stem
        known = (
            f"`teachrl ablate {name}` is a ready study"
            if name in ready()
            else "`teachrl ablate --list` tells which are ready"
        )
        raise InvalidStudy(f"There is no file {study}. Write it, as `teachrl ablate --help` shows; {known}.")
    if study not in ready():
        raise UnknownName("ready study", study, ready(), "One of your own is named by its file, with .yaml.")
    return ready()[study]


def listing() -> str:
    """Returns the ready studies, with what they ask."""
    lines, width = [], 2 + max(map(len, ready()))
    for name, file in ready().items():
        study = Study.load(file)
        arms = f"{len(study.arms)} arms, {len(study.seeds)} seeds" + (
            f", causal: {study.causal}" if study.causal else ""
        )
        lines.append(f"{name:<{width}}{study.question} ({arms})")
    folder = next(iter(ready().values())).parent
    return "\n".join([*lines, "", f"Copy one to change it: they are in {folder}."])
