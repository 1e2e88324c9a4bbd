"""A recurrent layer over many sequences at once, cleared where episodes begin.

Sequences are cut where an episode begins, and the pieces are run side by side as one batch: there is no loop over time
in Python. Filling up the shorter pieces costs less than PyTorch's packed sequences as long as there is little to fill.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from teachrl.errors import InvalidHyperparameter

_CELLS: dict[str, Callable[[int, int], nn.RNNBase]] = {"gru": nn.GRU, "lstm": nn.LSTM}

PADDING = 4
"""Pieces are filled up unless that makes more than so many times as many steps."""


class Memory(nn.Module):
    """A GRU or LSTM of one layer.

    Args:
        cell: `gru` or `lstm`.
        width: Number of inputs.
        hidden: Number of outputs.

    Attributes:
        state_size: Entries of one sequence's state; an LSTM's is its output and its cell, side by side.
    """

    def __init__(self, cell: str, width: int, hidden: int) -> None:
        super().__init__()
        if cell not in _CELLS:
            raise InvalidHyperparameter(f"A memory's cell is one of {', '.join(_CELLS)}, got {cell!r}.")
        self.rnn = _CELLS[cell](width, hidden)
        self.hidden = hidden
        self.parts = 2 if cell == "lstm" else 1
        self.state_size = hidden * self.parts

    def forward(self, x: Tensor, first: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Runs all sequences.

        Args:
            x: (T, N, width).
            first: (T, N) bool, where the memory is cleared before the step.
            state: (N, state_size).

        Returns:
            Outputs (T, N, hidden), and the states (N, state_size) after the last step.
        """
        state = state * (~first[0]).unsqueeze(-1).to(state)
        if len(x) == 1 or not bool(first[1:].any()):
            outputs, last = self.rnn(x, self._split(state))
            return outputs, self._join(last)
        return self._run_pieces(x, first, state)

    def _run_pieces(self, x: Tensor, first: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        steps, n = first.shape
        place = torch.arange(n * steps, device=x.device)  # sequence by sequence
        begins = first.t().clone()
        begins[:, 0] = True
        begins = begins.reshape(-1)
        piece, start = torch.cumsum(begins, 0) - 1, place[begins]
        age = place - start[piece]
        row = place % steps * n + place // steps  # where these steps are in x, step by step
        carried = state[start // steps] * (start % steps == 0).unsqueeze(-1).to(state)
        if self.parts == 1 and (int(age.max()) + 1) * len(start) <= PADDING * n * steps:
            return self._run_padded(x, first, age, piece, row, carried)
        return self._run_packed(x, first, age, piece, row, carried)

    def _run_padded(
        self, x: Tensor, first: Tensor, age: Tensor, piece: Tensor, row: Tensor, carried: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Fills pieces up with zeros; a GRU's state is its output, so that it is known wherever a piece ends."""
        (steps, n), pieces = first.shape, len(carried)
        slot = age * pieces + piece
        blank = x.new_zeros((int(age.max()) + 1) * pieces, x.shape[-1])
        grid = blank.index_copy(0, slot, x.flatten(0, 1).index_select(0, row)).reshape(-1, pieces, x.shape[-1])
        outputs, _ = self.rnn(grid, self._split(carried))
        outputs = outputs.flatten(0, 1).index_select(0, slot).reshape(n, steps, self.hidden).transpose(0, 1)
        return outputs, outputs[-1]

    def _run_packed(
        self, x: Tensor, first: Tensor, age: Tensor, piece: Tensor, row: Tensor, carried: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Runs the steps that there are and no others."""
        steps, n = first.shape
        rank = torch.argsort(torch.argsort(torch.bincount(piece), descending=True, stable=True))
        order = torch.argsort(age * len(carried) + rank[piece])  # by age, longer pieces first
        rows = row[order]
        packed = PackedSequence(x.flatten(0, 1).index_select(0, rows), torch.bincount(age).cpu())
        outputs, last = self.rnn(packed, self._split(carried[torch.argsort(rank)]))
        back = torch.empty_like(rows).scatter_(0, rows, torch.arange(len(rows), device=x.device))
        ends = rank[piece[steps - 1 :: steps]]
        return outputs.data.index_select(0, back).reshape(steps, n, self.hidden), self._join(last)[ends]

    def _split(self, state: Tensor) -> Tensor | tuple[Tensor, ...]:
        parts = tuple(part.unsqueeze(0).contiguous() for part in state.chunk(self.parts, dim=-1))
        return parts if self.parts > 1 else parts[0]

    def _join(self, last: Tensor | tuple[Tensor, ...]) -> Tensor:
        parts = (last,) if isinstance(last, Tensor) else last
        return torch.cat([part.squeeze(0) for part in parts], dim=-1)
