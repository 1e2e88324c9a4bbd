"""Checkpoints: trees of arrays and plain data on disk, exact, atomic, and never a pickle.

A tree is stored as two files: its arrays in `<name>.safetensors`, everything else in `<name>.json`, where
`{"$": kind, ...}` stands for what JSON does not have. A checkpoint is a directory of trees named after its step. It is
written under a temporary name, flushed to the disk, and renamed, so that a directory with a step's name is whole.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from teachrl import __version__
from teachrl.encoding import decode, encode
from teachrl.errors import InvalidRun

COMPLETE = "complete.json"
"""Written last into a checkpoint: the sizes of its files."""


def save_tree(directory: str | Path, tree: Any, name: str = "tree") -> None:
    """Writes a tree and flushes it to the disk.

    Args:
        directory: An existing directory.
        tree: Nested dicts, lists and tuples of numbers, strings, None, arrays, NumPy scalars and torch tensors.
        name: Stem of the two files.

    Raises:
        InvalidRun: If the tree holds something that is not data; the message says where.
        OSError: If the disk does not take it.
    """
    from safetensors.numpy import save_file

    arrays: dict[str, np.ndarray] = {}
    skeleton = encode(tree, arrays)
    path = Path(directory)
    save_file(arrays, path / f"{name}.safetensors")
    (path / f"{name}.json").write_text(json.dumps(skeleton, allow_nan=False), encoding="ascii")
    (path / f"{name}.safetensors").chmod((path / f"{name}.json").stat().st_mode)  # safetensors lets nobody else read
    for suffix in ("safetensors", "json"):
        flush(path / f"{name}.{suffix}")


def load_tree(directory: str | Path, name: str = "tree") -> Any:
    """Reads what `save_tree` wrote, equal in value, type and dtype; torch tensors come back on the CPU.

    Raises:
        InvalidRun: If the files are missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = Path(directory)
    try:
        arrays = load_file(path / f"{name}.safetensors")
        return decode(json.loads((path / f"{name}.json").read_text(encoding="ascii")), arrays)
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise InvalidRun(
            f"The checkpoint {path.name} has no whole tree {name!r} ({error}). It was damaged or not written by "
            "teachrl; remove that checkpoint to use the one before."
        ) from error


def save_checkpoint(directory: str | Path, steps: int, trees: Mapping[str, Any], keep: int = 2) -> Path:
    """Writes a checkpoint in one piece, then removes all but the newest ones.

    Args:
        directory: Directory of all checkpoints of a run.
        steps: The checkpoint's name.
        trees: Trees by name, each of them loadable by itself.
        keep: How many checkpoints stay.

    Returns:
        The checkpoint's directory.

    Raises:
        InvalidRun: If it cannot be written; checkpoints that were there are still usable.
    """
    root = Path(directory)
    draft, final = root / f".{steps}.tmp", root / str(steps)
    try:
        root.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        for name, tree in trees.items():
            save_tree(draft, tree, name)
        _complete(draft)
        _replace(draft, final)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        standing = newest_checkpoint(root)
        raise InvalidRun(
            f"The checkpoint at {steps} steps could not be written: {error.strerror or error}. "
            + (f"The one at {standing.name} steps is whole. " if standing else "There is none before it. ")
            + "Make room, then resume the run."
        ) from error
    for old in checkpoints(root)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return final


@contextmanager
def readable(checkpoint: Path) -> Iterator[None]:
    """Wraps the restoring of a checkpoint: one of another layout was written by another version.

    Raises:
        InvalidRun: If what is restored misses an entry.
    """
    try:
        yield
    except KeyError as error:
        raise InvalidRun(
            f"The checkpoint {checkpoint.name} has no entry {error}, which this version of teachrl ({__version__}) "
            "expects. The run's meta.json says which version wrote it: use that one."
        ) from error


def checkpoints(directory: str | Path) -> list[Path]:
    """Returns the whole checkpoints of a run, oldest first; half-written and damaged ones are left out."""
    root = Path(directory)
    named = [p for p in root.iterdir() if p.name.isdigit()] if root.is_dir() else []
    return sorted((p for p in named if _is_whole(p)), key=lambda p: int(p.name))


def newest_checkpoint(directory: str | Path) -> Path | None:
    """Returns the newest whole checkpoint, None if there is none."""
    whole = checkpoints(directory)
    return whole[-1] if whole else None


def _complete(draft: Path) -> None:
    sizes = {p.name: p.stat().st_size for p in sorted(draft.iterdir())}
    (draft / COMPLETE).write_text(json.dumps(sizes), encoding="ascii")
    flush(draft / COMPLETE)
    flush(draft)


def _is_whole(path: Path) -> bool:
    try:
        sizes = json.loads((path / COMPLETE).read_text(encoding="ascii"))
        return all((path / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


def _replace(draft: Path, final: Path) -> None:
    """Puts `draft` in the place of `final`; a checkpoint of the same step gives way first."""
    shutil.rmtree(final, ignore_errors=True)
    draft.rename(final)
    flush(final.parent)


def flush(path: Path) -> None:
    """Makes sure a file's, or where the system can a directory's, contents are on the disk."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
