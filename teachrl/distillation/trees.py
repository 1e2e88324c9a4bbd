"""Observations and what goes with them, as (nested) dicts of arrays with the same leading axes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from teachrl.lessons import Array

Tree = Any
"""An array, or a dict of trees."""


def mapped(function: Callable[..., Any], *trees: Tree) -> Tree:
    """Applies a function to the arrays at each place of trees of one form."""
    if isinstance(trees[0], dict):
        return {name: mapped(function, *(tree[name] for tree in trees)) for name in trees[0]}
    return function(*trees)


def leaves(tree: Tree) -> Iterator[Any]:
    """Yields the arrays of a tree."""
    if isinstance(tree, dict):
        for part in tree.values():
            yield from leaves(part)
    else:
        yield tree


def stacked(trees: Sequence[Tree]) -> Tree:
    """Joins trees of one form along a new first axis."""
    return mapped(lambda *arrays: np.stack(arrays), *trees)


def tensors(tree: Tree, device: torch.device | str = "cpu") -> Tree:
    """Returns the arrays of a tree as tensors; float64 becomes float32, bytes stay bytes."""
    return mapped(lambda array: _tensor(array, device), tree)


def _tensor(array: Any, device: torch.device | str) -> torch.Tensor:
    array = np.asarray(array)
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    elif array.dtype in (np.uint16, np.uint32, np.uint64):
        array = array.astype(np.int64)
    return torch.as_tensor(array, device=device)


def detached(state: Any) -> Any:
    """Returns a state of modules and optimisers with copies of its tensors, without gradient and on the CPU."""
    if isinstance(state, torch.Tensor):
        return state.detach().cpu().clone()
    if isinstance(state, dict):
        return {key: detached(part) for key, part in state.items()}
    return [detached(part) for part in state] if isinstance(state, list) else state


def compact(space: spaces.Space[Any], actions: Array) -> Array:
    """Returns actions in the smallest type that holds all of their space; numbers as float32."""
    if isinstance(space, spaces.Box):
        return np.asarray(actions, dtype=np.float32 if space.dtype == np.float64 else space.dtype)
    start = np.asarray(getattr(space, "start", 0))
    count = np.asarray(getattr(space, "n", 2) if isinstance(space, spaces.Discrete) else getattr(space, "nvec", 2))
    dtype = np.result_type(np.min_scalar_type(int(start.min())), np.min_scalar_type(int((start + count - 1).max())))
    return np.asarray(actions).astype(dtype)


def harmless(space: spaces.Space[Any], n: int) -> Array:
    """Returns n actions (n, *a) of a space, as near to zero as it has them."""
    blank = np.zeros((n, *(space.shape or ())), space.dtype)
    if isinstance(space, spaces.Box):
        return np.clip(blank, space.low, space.high).astype(blank.dtype)
    blank += np.asarray(getattr(space, "start", 0), blank.dtype)
    return blank
