"""Results of our own that come with the package, so that a new teacher is compared without running baselines again."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from teachrl.studies.outcomes import Outcome
from teachrl.studies.tables import read_results


@cache
def shipped_outcomes() -> dict[str, Outcome]:
    """Returns the outcomes in the package's folder `results`, by the hash of their configuration."""
    found: dict[str, Outcome] = {}
    for file in sorted(files("teachrl.studies").joinpath("results").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".parquet"):
            found |= {outcome.key: outcome for outcome in read_results(file.read_bytes())}
    return found
