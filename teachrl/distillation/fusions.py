"""All rules for sharing out hard and soft losses by their names, and how plain data become one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from teachrl.distillation.tgeo import TGeo
from teachrl.distillation.weights import Advantage, Fusion, Scheduled
from teachrl.errors import InvalidHyperparameter, UnknownName

FUSIONS: dict[str, type[Fusion]] = {cls.name: cls for cls in (Scheduled, Advantage, TGeo)}


def make_fusion(spec: float | str | Mapping[str, Any] | Fusion) -> Fusion:
    """Returns the rule that plain data describe: a number, a schedule, a name, `{name: tgeo, hidden: 32}`, or a rule.

    Raises:
        UnknownName: If there is no such rule.
        InvalidHyperparameter: If an argument is impossible.
    """
    if isinstance(spec, str):
        spec = {"name": spec}
    if isinstance(spec, Fusion):
        fusion = spec
    elif not isinstance(spec, Mapping) or "schedule" in spec:
        fusion = Scheduled(spec if not isinstance(spec, Mapping) else dict(spec))
    else:
        name = str(spec.get("name"))
        if name not in FUSIONS:
            raise UnknownName("fusion of losses", name, FUSIONS)
        try:
            fusion = FUSIONS[name](**{key: value for key, value in spec.items() if key != "name"})
        except TypeError as error:
            raise InvalidHyperparameter(f"The fusion {name!r} cannot be made of {dict(spec)!r}: {error}.") from error
    fusion.validate(None)
    return fusion
