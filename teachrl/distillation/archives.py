"""Demonstrations as NumPy archives, written a piece at a time."""

from __future__ import annotations

import tempfile
import zipfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self

import numpy as np

from teachrl.distillation.buffer import Round
from teachrl.distillation.recording import Piece
from teachrl.distillation.trees import Tree
from teachrl.errors import InvalidEnvironment
from teachrl.lessons import Array


class Writer(Protocol):
    """Something that takes demonstrations a piece at a time; at an exception it leaves nothing behind."""

    def __enter__(self) -> Self:
        """Begins."""

    def add(self, piece: Piece) -> None:
        """Takes in a piece."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Finishes the file."""

    @property
    def size(self) -> int:
        """Bytes on disk, once it is finished."""


class Archive:
    """Writes an npz file a piece at a time, through files beside it as large as it is before compression.

    Args:
        file: Its path.
        steps: Steps of each environment that will come.
    """

    def __init__(self, file: Path, steps: int) -> None:
        self._target, self._steps = file, steps
        self._arrays: dict[str, BinaryIO] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Makes room beside the file."""
        try:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            place = tempfile.TemporaryDirectory(prefix=f".{self._target.name}.", dir=self._target.parent)
        except OSError as error:
            raise self._failed(error) from error
        self._folder = Path(self._open.enter_context(place))
        return self

    def add(self, piece: Piece) -> None:
        """Takes in a piece."""
        self.add_round(piece.round)

    def add_round(self, d: Round) -> None:
        """Takes in steps.

        Raises:
            InvalidEnvironment: If the disk does not take them.
        """
        parts = {"observations": d.observations, "parameters": d.parameters, "actions": d.actions, "first": d.first}
        try:
            for name, array in flat({**parts, "mask": d.mask, "previous": d.previous}).items():
                self._array(name, array).write(np.ascontiguousarray(array).tobytes())
        except OSError as error:
            raise self._failed(error) from error

    def _array(self, name: str, like: Array) -> BinaryIO:
        if name not in self._arrays:
            handle = self._open.enter_context((self._folder / f"{len(self._arrays)}.npy").open("wb"))
            descr, shape = np.lib.format.dtype_to_descr(like.dtype), (self._steps, *like.shape[1:])
            np.lib.format.write_array_header_1_0(handle, {"descr": descr, "fortran_order": False, "shape": shape})
            self._arrays[name] = handle
        return self._arrays[name]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Packs the arrays, and gives the file its name."""
        with self._open:
            if kind is not None:
                return
            draft = self._folder / "draft"
            try:
                with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
                    for name, handle in self._arrays.items():
                        handle.flush()
                        archive.write(handle.name, f"{name}.npy")
                draft.replace(self._target)
            except OSError as problem:
                raise self._failed(problem) from problem

    def _failed(self, error: OSError) -> InvalidEnvironment:
        return InvalidEnvironment(f"The demonstrations {self._target} cannot be written: {error}")

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._target.stat().st_size


def flat(tree: dict[str, Tree], before: str = "") -> dict[str, Any]:
    """Returns the arrays of a tree by the path to each."""
    found: dict[str, Any] = {}
    for name, part in tree.items():
        found |= flat(part, f"{before}{name}/") if isinstance(part, dict) else {f"{before}{name}": part}
    return found
