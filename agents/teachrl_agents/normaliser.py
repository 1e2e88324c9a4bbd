"""Running normalisation inside a network, so that a policy always brings its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LIMIT = 10.0
"""Normalised entries are clipped to this."""


class Normaliser(nn.Module):
    """(x - mean) / sqrt(var + 1e-8), clipped to 10 either way; only clipped until something was observed.

    Mean and variance are kept in float64 and merged batch by batch (Chan et al. 1979). Everything is a buffer, and so
    part of `state_dict`.

    Args:
        width: Number of entries.
    """

    mean: Tensor
    var: Tensor
    count: Tensor
    frozen: Tensor
    shift: Tensor
    scale: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width, dtype=torch.float64))
        self.register_buffer("var", torch.ones(width, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("frozen", torch.zeros((), dtype=torch.bool))
        self.register_buffer("shift", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Returns x (..., width) normalised; nothing is updated."""
        return ((x - self.shift) * self.scale).clamp(-LIMIT, LIMIT)

    @torch.no_grad()
    def observe(self, x: Tensor) -> None:
        """Takes in a batch (B, width), unless the statistics are frozen."""
        if bool(self.frozen) or len(x) == 0:
            return
        batch, n = x.double(), float(len(x))
        mean, var = batch.mean(0), batch.var(0, correction=0)
        total = float(self.count) + n
        away, share = mean - self.mean, n / total
        old = self.var * float(self.count)
        self.var.copy_((old + var * n + away**2 * float(self.count) * share) / total)
        self.mean.add_(away * share)
        self.count.fill_(total)
        self.shift.copy_(self.mean)
        self.scale.copy_((self.var + 1e-8).rsqrt())
