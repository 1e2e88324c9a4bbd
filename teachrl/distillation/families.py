"""Distribution families by the names of their parameters.

| action space    | parameters                       | family             |
|-----------------|----------------------------------|--------------------|
| `Discrete`      | `logits`                         | `Categorical`      |
| `MultiDiscrete` | `logits`, side by side           | `MultiCategorical` |
| `MultiBinary`   | `logits`                         | `Bernoulli`        |
| `Box`           | `mean`, `std`                    | `Gaussian`         |
| `Box`, bounded  | `pre_tanh_mean`, `pre_tanh_std`  | `SquashedGaussian` |
| `Box`, bounded  | `alpha`, `beta`                  | `Beta`             |
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gymnasium import spaces

from teachrl.distillation.continuous import Beta, Continuous, Gaussian, SquashedGaussian
from teachrl.distillation.discrete import Bernoulli, Categorical, Choices, MultiCategorical
from teachrl.distillation.family import Family, Parameters
from teachrl.errors import InvalidHyperparameter

__all__ = [
    "FAMILIES",
    "Bernoulli",
    "Beta",
    "Categorical",
    "Choices",
    "Continuous",
    "Family",
    "Gaussian",
    "MultiCategorical",
    "Parameters",
    "SquashedGaussian",
    "choose_family",
]

FAMILIES: tuple[type[Family], ...] = (Categorical, MultiCategorical, Bernoulli, Gaussian, SquashedGaussian, Beta)


def choose_family(space: spaces.Space[Any], names: Iterable[str]) -> Family:
    """Returns the family over a space whose parameters have these names; further names are left alone.

    Raises:
        InvalidHyperparameter: If there is none; the message says which there are.
    """
    given = set(names)
    fitting = [cls for cls in FAMILIES if cls.accepts(space)]
    if not fitting:
        raise InvalidHyperparameter(
            f"Policies over {space} cannot be distilled: action spaces are Discrete, MultiDiscrete, MultiBinary or Box."
        )
    for cls in fitting:
        if set(cls.fill) <= given:
            return cls(space)
    forms = "; ".join(f"{' and '.join(cls.fill)} of a {cls.title}" for cls in fitting)
    raise InvalidHyperparameter(f"Distributions over {space} have {forms}. Got {sorted(given) or 'no parameters'}.")
