"""The global random generators: nothing of ours uses them, but a student may own them."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


def global_generators() -> dict[str, Any]:
    """Returns the state of Python's, NumPy's and torch's global generators as data; torch's only if it was imported."""
    state: dict[str, Any] = {"python": random.getstate(), "numpy": np.random.get_state(legacy=True)}
    if (torch := sys.modules.get("torch")) is not None:
        state["torch"] = torch.get_rng_state()
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def set_global_generators(state: dict[str, Any]) -> None:
    """Puts the global generators into a state of `global_generators`."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    if "torch" in state:
        import torch

        torch.set_rng_state(state["torch"])
        if "cuda" in state:
            torch.cuda.set_rng_state_all(state["cuda"])


@contextmanager
def generators_kept(seed: int) -> Iterator[None]:
    """Seeds the global generators within, and puts them back as they were afterwards."""
    before = global_generators()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(seed)
    try:
        yield
    finally:
        set_global_generators(before)
