"""Trials: every variant with every seed, each known by the hash of its resolved configuration."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from teachrl.configuration import build
from teachrl.runs.participants import Participants
from teachrl.runs.settings import Settings
from teachrl.runs.train import defaults, train
from teachrl.studies.causal import ORDERS
from teachrl.studies.outcomes import Variant
from teachrl.studies.overrides import about

UNIMPORTANT = ("loggers", "video", "pictures", "checkpoint_every", "workers")
"""Settings that change nothing about what is learned or measured, and so are no part of a trial's identity."""

LONGEST = 60
"""Characters of a variant's label in the name of its folder: four bytes each are less than file systems take."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One run of a study.

    Attributes:
        key: Hash of its resolved configuration: the same in whatever study, and under whatever name.
        variant: Label of its variant.
        seed: Its seed.
        config: The arguments of `train` as data; `{donor}` stands for the donor's run directory.
        donor: Key of the trial whose curriculum it replays, None for most.
    """

    key: str
    variant: str
    seed: int
    config: dict[str, Any]
    donor: str | None = None

    @property
    def place(self) -> str:
        """Its directory in that of the study."""
        folder = re.sub(r"[^\w.+-]+", "-", self.variant)[:LONGEST].strip("-.") or "arm"
        return f"runs/{folder}/{self.seed}-{self.key}"


def plan(variants: Sequence[Variant], seeds: Sequence[int]) -> list[Trial]:
    """Returns the trials of a study, all variants of the first seed first; a replaying one after its donor.

    Raises:
        TeachrlError: If a configuration is wrong, naming the variant.
    """
    resolved = {variant.label: _resolved(variant) for variant in variants}
    keys = {(v.label, seed): _key({**resolved[v.label], "seed": seed}) for v in variants for seed in seeds}
    own = {(v.arm, str(v.cell)): v.label for v in variants if v.role == "arm"}
    trials = []
    for seed, other in zip(seeds, [*seeds[1:], *seeds[:1]], strict=True):
        for variant in variants:
            config, donor = {**variant.config, "seed": seed}, None
            key = keys[variant.label, seed]
            if variant.role in ORDERS:
                donor = keys[own[variant.arm, str(variant.cell)], other]
                key = _key({**resolved[variant.label], "seed": seed, "donor": donor})
            trials.append(Trial(key, variant.label, seed, config, donor))
    return trials


def check(variants: Sequence[Variant]) -> None:
    """Puts the participants of every variant together, once, so that what does not fit is known before anything runs.

    Raises:
        TeachrlError: Naming the variant.
    """
    for variant in variants:
        if variant.role in ORDERS:  # nothing is recorded yet
            continue
        with about(f"the arm {variant.label!r}"), closing(Participants(_settings(variant), 1, workers=0)) as people:
            people.rehearse()


def _settings(variant: Variant) -> Settings:
    return Settings.checked({**defaults(), **build(variant.config, train)})


def _resolved(variant: Variant) -> dict[str, Any]:
    with about(f"the arm {variant.label!r}"):
        config = _settings(variant).config()
    left_out = (*UNIMPORTANT, "seed", *(["select"] if config["select"] == "last" else []))
    return {name: value for name, value in config.items() if name not in left_out}


def _key(config: Mapping[str, Any]) -> str:
    text = json.dumps(config, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
