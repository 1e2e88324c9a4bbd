"""`teachrl report`: the page of a study or of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from teachrl.errors import InvalidRun, InvalidStudy
from teachrl.studies.page import page_data, render


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was written; wherever a path is expected, its file.

    Attributes:
        path: The HTML file.
        title: What it is about.
        paper: Files for a paper, if they were asked for.
    """

    path: Path
    title: str
    paper: tuple[Path, ...] = ()

    def __fspath__(self) -> str:
        return str(self.path)

    def show(self) -> None:
        """Writes where the files are to the standard output."""
        print(self.path)
        for file in self.paper:
            print(file)


def report(study: str, paper: str | None = None, out: str | None = None) -> Page:
    """Writes the page of a study, or of a single run: one HTML file that opens without a network.

    Question, plan and verdict come first; then results with intervals, learning curves, the curriculum itself, what is
    mastered, why it helped, settings, failures and versions. What still runs, or was killed, is shown as far as it got.

    Args:
        study: Directory of a study, or of a run.
        paper: Of a study: a directory for PDF figures, a LaTeX table and methods.bib.
        out: The HTML file; report.html in the study's directory without it.

    Returns:
        The page, printed by `show`.

    Raises:
        InvalidRun: If the directory is neither a study's nor a run's, or the page cannot be written.
        InvalidStudy: If the study's plan is damaged.
    """
    data = page_data(study)
    if paper is not None and data["kind"] != "study":
        raise InvalidStudy(
            f"{study} is a single run: figures and tables for a paper are made of a study. Leave --paper."
        )
    path = Path(out) if out else Path(study) / "report.html"
    if path.is_dir():
        raise InvalidRun(f"{path} is a directory. Pass a file as `out`, e.g. {path / 'report.html'}.")
    _write(render(data), path)
    return Page(path, data["title"], _paper(study, paper) if paper is not None else ())


def _write(text: str, path: Path) -> None:
    """Writes the page in one piece."""
    draft = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise InvalidRun(
            f"The page {path} cannot be written: {error.strerror or error}. Pass another --out."
        ) from error


def _paper(study: str, directory: str) -> tuple[Path, ...]:
    from teachrl.studies.analysis import analyse
    from teachrl.studies.paper import write_paper
    from teachrl.studies.records import load_study

    declared, outcomes = load_study(study)
    write_paper(Path(study), declared, outcomes, analyse(declared, outcomes), Path(directory))
    return tuple(sorted(p for p in Path(directory).iterdir() if p.is_file()))
