"""The references of a study as BibTeX: its teachers and students, the statistics, and the library below all of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from teachrl.configuration import parse_spec, resolve_class
from teachrl.errors import TeachrlError
from teachrl.student import Student
from teachrl.studies.latex import escape
from teachrl.studies.outcomes import Declared
from teachrl.teacher import Teacher

STATISTICS = r"""@inproceedings{agarwal2021deep,
  title = {Deep reinforcement learning at the edge of the statistical precipice},
  author = {Agarwal, Rishabh and Schwarzer, Max and Castro, Pablo Samuel and Courville, Aaron and Bellemare, Marc G.},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {34},
  pages = {29304--29320},
  year = {2021},
  eprint = {2108.13264},
  archiveprefix = {arXiv}
}

@book{fisher1935design,
  title = {The design of experiments},
  author = {Fisher, Ronald A.},
  publisher = {Oliver and Boyd},
  address = {Edinburgh},
  year = {1935}
}

@article{hartigan1969using,
  title = {Using subsample values as typical values},
  author = {Hartigan, John A.},
  journal = {Journal of the American Statistical Association},
  volume = {64},
  number = {328},
  pages = {1303--1317},
  year = {1969},
  doi = {10.1080/01621459.1969.10501057}
}

@article{student1908probable,
  title = {The probable error of a mean},
  author = {{Student}},
  journal = {Biometrika},
  volume = {6},
  number = {1},
  pages = {1--25},
  year = {1908}
}

@article{efron1979bootstrap,
  title = {Bootstrap methods: Another look at the jackknife},
  author = {Efron, Bradley},
  journal = {The Annals of Statistics},
  volume = {7},
  number = {1},
  pages = {1--26},
  year = {1979}
}

@article{holm1979simple,
  title = {A simple sequentially rejective multiple test procedure},
  author = {Holm, Sture},
  journal = {Scandinavian Journal of Statistics},
  volume = {6},
  number = {2},
  pages = {65--70},
  year = {1979}
}

@article{newcombe2006confidence,
  title = {Confidence intervals for an effect size measure based on the {Mann--Whitney} statistic. {Part} 2: Asymptotic methods and evaluation},
  author = {Newcombe, Robert G.},
  journal = {Statistics in Medicine},
  volume = {25},
  number = {4},
  pages = {559--573},
  year = {2006},
  doi = {10.1002/sim.2324}
}

@article{massey1951kolmogorov,
  title = {The {Kolmogorov--Smirnov} test for goodness of fit},
  author = {Massey, Frank J.},
  journal = {Journal of the American Statistical Association},
  volume = {46},
  number = {253},
  pages = {68--78},
  year = {1951}
}"""  # noqa: E501
GYMNASIUM = r"""@article{towers2024gymnasium,
  title = {Gymnasium: A standard interface for reinforcement learning environments},
  author = {Towers, Mark and Kwiatkowski, Ariel and Terry, Jordan and others},
  journal = {arXiv preprint arXiv:2407.17032},
  year = {2024}
}"""
METHODS = (
    "The unit of analysis is the training run: a run's metric is averaged over its tasks first "
    r"\cite{agarwal2021deep}. Means have 95\,\% intervals of subsample means \cite{hartigan1969using}, interquartile "
    r"means those of the percentile bootstrap over runs \cite{efron1979bootstrap}. Declared contrasts are differences "
    "of runs paired by seed, whose 95\\,\\% intervals are the outer ends of subsample means and of Student's interval "
    r"\cite{hartigan1969using,student1908probable}; they are tested by flipping signs \cite{fisher1935design}, "
    r"with Holm's correction over all declared contrasts \cite{holm1979simple}. Probabilities of improvement have "
    r"intervals after Newcombe \cite{newcombe2006confidence}, and performance profiles simultaneous bands by "
    r"Kolmogorov's statistic \cite{massey1951kolmogorov}. Environments follow Gymnasium's interface "
    r"\cite{towers2024gymnasium}."
)
"""What was done, as a paragraph that cites what is in the bibliography."""


def bibliography(declared: Declared) -> str:
    """Returns the entries of everything that a study uses, each once."""
    entries: dict[str, str] = {}
    for text in (*_methods(declared), STATISTICS, GYMNASIUM):
        for entry in split(text):
            entries.setdefault(key_of(entry), entry)
    return "\n\n".join(entries.values()) + "\n"


def split(text: str) -> list[str]:
    """Returns the single entries of a BibTeX text."""
    return [part.strip() for part in re.split(r"\n(?=@)", text.strip()) if part.strip()]


def key_of(entry: str) -> str:
    """Returns the key of an entry, `""` if it has none."""
    found = re.match(r"@\w+\{([^,\s]+),", entry)
    return found[1] if found else ""


def _methods(declared: Declared) -> list[str]:
    """Returns the texts of the teachers and students of a study; where a class has a link only, an entry of that."""
    texts, links = [], []
    for base, name, arguments in dict.fromkeys(_specs(declared)):
        try:
            cls: Any = resolve_class(name, base)
        except TeachrlError:  # it was found where the study ran, and is not here
            continue
        if text := cls.references(dict(arguments)) if base is Student else cls.bibtex:
            texts.append(text)
        elif cls.citation:
            links.append((cls.__name__, cls.citation))
    known = "\n".join(texts)
    return [*texts, *(_misc(*link) for link in links if link[1].rsplit("/", 1)[-1] not in known)]


def _specs(declared: Declared) -> Iterator[tuple[type, str, tuple[tuple[str, str], ...]]]:
    """Yields the names of teachers and students, with the arguments that are words."""
    for variant in declared.variants:
        teachers = variant.config.get("teachers") or []
        described: list[tuple[type, Any]] = [
            (Teacher, spec) for spec in (teachers if isinstance(teachers, list) else [teachers])
        ]
        if (student := variant.config.get("student")) is not None:
            described.append((Student, student))
        for base, spec in described:
            found = parse_spec(spec)
            words = tuple(sorted((k, v) for k, v in found["init_args"].items() if isinstance(v, str)))
            yield base, found["class_path"], words


def _misc(name: str, link: str) -> str:
    fields = {"title": escape(name), "howpublished": escape(link), "key": escape(name)}
    return f"@misc{{{name.lower()},\n" + ",\n".join(f"  {k} = {{{v}}}" for k, v in fields.items()) + "\n}"
