"""Observations to features: convolutions for images, one-hot for choices, everything else side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional

from teachrl.errors import InvalidHyperparameter, InvalidStudent
from teachrl_agents.normaliser import Normaliser

SMALL = 36
"""Images with fewer pixels along a side do not fit through the kernels of Mnih et al. 2015."""
SYMBOLS = 32
"""An integer image whose entries can be no more different numbers, 0 one of them, shows symbols, not brightness."""
_ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU, "elu": nn.ELU}
Leaves = dict[tuple[str, ...], spaces.Space[Any]]


def layers(width: int, hidden: Sequence[int], activation: str) -> tuple[nn.Sequential, int]:
    """Returns fully connected layers with an activation after each, and the width of the last.

    Raises:
        InvalidHyperparameter: If there is no such activation.
    """
    if activation not in _ACTIVATIONS:
        raise InvalidHyperparameter(f"An activation is one of {', '.join(_ACTIVATIONS)}, got {activation!r}.")
    found: list[nn.Module] = []
    for size in hidden:
        found += [nn.Linear(width, size), _ACTIVATIONS[activation]()]
        width = size
    return nn.Sequential(*found), width


class Pixels(nn.Module):
    """An image of brightness, or of symbols, through three convolutions and a linear layer.

    Args:
        space: (H, W, C) or (C, H, W).
        features: Number of features.
        symbols: Width of the embedding of symbols, 0 for none.
    """

    known: Tensor

    def __init__(self, space: spaces.Box, features: int, symbols: int) -> None:
        super().__init__()
        self.channels_last = space.shape.index(min(space.shape)) != 0
        height, width, channels = space.shape if self.channels_last else (*space.shape[1:], space.shape[0])
        self.scale = _scale(space)
        self.embedding: nn.Linear | None = None
        if symbols and space.dtype.kind in "iu" and (known := _entries(space)).stop - known.start <= SYMBOLS:
            self.embedding = nn.Linear(channels * len(known), symbols, bias=False)
            self.register_buffer("known", torch.arange(known.start, known.stop), persistent=False)
            channels = symbols
        self.convolutions, size = _convolutions(channels, height, width)
        self.out = nn.Sequential(nn.Linear(size, features), nn.ReLU())

    def forward(self, images: Tensor) -> Tensor:
        """Returns features (B, F) of images (B, *o)."""
        images = images if self.channels_last else images.movedim(-3, -1)
        if self.embedding is None:
            seen = images.float() * self.scale
        else:
            # A table looked up by a product with one-hot rows: twice as fast as nn.Embedding, its gradient included.
            seen = self.embedding((images.unsqueeze(-1) == self.known.to(images)).flatten(-2).float())
        return self.out(self.convolutions(seen.movedim(-1, -3)))  # type: ignore[no-any-return]


def _convolutions(channels: int, height: int, width: int) -> tuple[nn.Sequential, int]:
    if min(height, width) < SMALL:
        shapes = ((16, 3, 1, 1), (32, 3, 2, 1), (64, 3, 2, 1))
    else:
        shapes = ((32, 8, 4, 0), (64, 4, 2, 0), (64, 3, 1, 0))
    found: list[nn.Module] = []
    for out, kernel, stride, padding in shapes:
        found += [nn.Conv2d(channels, out, kernel, stride, padding), nn.ReLU()]
        height, width = ((side + 2 * padding - kernel) // stride + 1 for side in (height, width))
        channels = out
    return nn.Sequential(*found, nn.Flatten()), channels * height * width


class Encoder(nn.Module):
    """All entries of an observation, and the previous action if it is seen, to one row of features.

    Args:
        space: What is seen of one environment; dicts may hold dicts.
        vectors: Width of the layers for what is no image.
        features: Features of each image that passes convolutions.
        symbols: Width of the embedding of symbols.
        convolve: Whether images pass convolutions; else they are scaled and flattened.
        activation: That of the layers.
        normalize: Whether numbers are normalised.
        previous: Number of further columns for the previous action.

    Attributes:
        width: Number of features.
    """

    def __init__(
        self,
        space: spaces.Space[Any],
        vectors: Sequence[int] = (),
        features: int = 64,
        symbols: int = 0,
        convolve: bool = True,
        activation: str = "tanh",
        normalize: bool = True,
        previous: int = 0,
    ) -> None:
        super().__init__()
        found = dict(_leaves(space))
        images = {path: s for path, s in found.items() if convolve and _is_image(s)}
        self._images = list(images)
        self._numbers: Leaves = {p: s for p, s in found.items() if p not in images and isinstance(s, spaces.Box)}
        self._choices: Leaves = {p: s for p, s in found.items() if p not in images and not isinstance(s, spaces.Box)}
        self.pixels = nn.ModuleList(Pixels(s, features, symbols) for s in images.values())  # type: ignore[arg-type]
        numbers = sum(math.prod(s.shape or ()) for s in self._numbers.values())
        choices = sum(spaces.flatdim(s) for s in self._choices.values())
        self.normaliser = Normaliser(numbers) if normalize and numbers else None
        rest = numbers + choices + previous
        self.layers, width = layers(rest, vectors if rest else (), activation)
        self.width = width + features * len(images)

    def forward(self, observations: Any, previous: Tensor | None) -> Tensor:
        """Returns features (B, width).

        Args:
            observations: Tensors (B, *o), in dicts as in the space.
            previous: (B, P) previous actions as numbers, None if they are not seen.
        """
        parts = [self.numbers(observations)] if self._numbers else []
        if parts and self.normaliser is not None:
            parts = [self.normaliser(parts[0])]
        parts += [_one_hot(space, _at(observations, path)) for path, space in self._choices.items()]
        parts += [] if previous is None else [previous]
        encoded = [self.layers(_side_by_side(parts))] if parts else []
        for path, pixels in zip(self._images, self.pixels, strict=True):
            encoded.append(pixels(_at(observations, path)))
        return _side_by_side(encoded)

    def numbers(self, observations: Any) -> Tensor:
        """Returns the entries that are numbers, side by side, (B, D), as they came."""
        parts = []
        for path, space in self._numbers.items():
            part = _row(_at(observations, path)).float()
            parts.append(part * _scale(space) if _is_image(space) else part)
        return _side_by_side(parts)

    def observe(self, observations: Any) -> None:
        """Takes observations (B, *o) into the running statistics."""
        if self.normaliser is not None:
            self.normaliser.observe(self.numbers(observations))


def _leaves(
    space: spaces.Space[Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], spaces.Space[Any]]]:
    if isinstance(space, spaces.Dict):
        for name, part in space.spaces.items():
            yield from _leaves(part, (*path, name))
    elif isinstance(space, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
        yield path, space
    else:
        raise InvalidStudent(
            f"Networks see Box, Discrete, MultiDiscrete, MultiBinary and Dict spaces of them, got {space}"
            f"{' at ' + '.'.join(path) if path else ''}. Turn it into numbers with a wrapper, e.g. "
            "gymnasium.wrappers.FlattenObservation, or name the entries to keep: --wrapper "
            """gymnasium.wrappers.FilterObservation --wrapper.filter_keys '["image", "direction"]'."""
        )


def _is_image(space: spaces.Space[Any]) -> bool:
    return isinstance(space, spaces.Box) and len(space.shape) == 3


def _entries(space: spaces.Space[Any]) -> range:
    """Returns the whole numbers that an integer Box may hold, and from 0 on if none is below."""
    return range(min(0, int(np.min(space.low))), int(np.max(space.high)) + 1)  # type: ignore[attr-defined]


def _scale(space: spaces.Space[Any]) -> float:
    """Returns what brings integers to a size of 1 at most."""
    if space.dtype is None or space.dtype.kind not in "iu":
        return 1.0
    known = _entries(space)
    return 1.0 / max(1, known.stop - 1, -known.start)


def _row(x: Tensor) -> Tensor:
    """Returns entries (B, *o) as rows (B, D), a single number as one of one."""
    return x.unsqueeze(1) if x.ndim == 1 else x.flatten(1)


def _at(observations: Any, path: Sequence[str]) -> Tensor:
    for name in path:
        observations = observations[name]
    return observations  # type: ignore[no-any-return]


def _one_hot(space: spaces.Space[Any], values: Tensor) -> Tensor:
    if isinstance(space, spaces.MultiBinary):
        return _row(values).float()
    if isinstance(space, spaces.Discrete):
        return functional.one_hot(values.long() - int(space.start), int(space.n)).float()
    sizes = space.nvec.reshape(-1)  # type: ignore[attr-defined]
    flat = _row(values).long() - torch.as_tensor(space.start.reshape(-1), device=values.device)  # type: ignore[attr-defined]
    return torch.cat([functional.one_hot(flat[:, i], int(k)) for i, k in enumerate(sizes)], dim=-1).float()


def _side_by_side(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=-1)


def mapped(observations: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Returns observations with every tensor changed."""
    if isinstance(observations, dict):
        return {name: mapped(part, change) for name, part in observations.items()}
    return change(observations)
