"""Data of the page as JSON: what is not finite is null, and nothing in it ends the script that holds it."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def to_json(data: Any) -> str:
    """Returns data as JSON that can stand in a script of an HTML page: no tag can begin or end in it."""
    text = json.dumps(clean(data), allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def clean(value: Any) -> Any:
    """Returns data as JSON has it: dataclasses as mappings, arrays as lists, None for what is not finite."""
    if isinstance(value, Mapping):
        return {str(k): clean(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [clean(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return clean(value.tolist())
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: clean(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return value if value is None or isinstance(value, str | int) else str(value)
