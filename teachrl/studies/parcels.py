"""Directories as bytes, for trials that run where the study's directory is not."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterable
from pathlib import Path

from teachrl.errors import InvalidStudy

CODE_BYTES = 32 * 2**20
"""The most code of the user's own that is sent along."""
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})


def pack(root: Path, names: Iterable[str]) -> bytes:
    """Returns files and directories below `root` as a tar; a name that does not exist is left out."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in names:
            if (root / name).exists():
                tar.add(root / name, name)
    return buffer.getvalue()


def unpack(parcel: bytes, root: Path) -> None:
    """Writes what `pack` packed below `root`."""
    root.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(parcel)) as tar:
        tar.extractall(root, filter="data")


def arrive(parcel: bytes, place: Path) -> None:
    """Puts the packed contents of a directory at `place`, in one piece, instead of what is there."""
    draft, old = place.with_name(f".{place.name}.tmp"), place.with_name(f".{place.name}.old")
    for rest in (draft, old):
        shutil.rmtree(rest, ignore_errors=True)
    unpack(parcel, draft)
    if place.exists():
        place.rename(old)  # removing it takes longer, and a kill meanwhile would leave neither
    draft.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def pack_code(root: Path) -> bytes:
    """Returns the Python modules below a directory, without hidden directories and virtual environments.

    Raises:
        InvalidStudy: If they are too large to be sent with every study.
    """
    names = [path.relative_to(root).as_posix() for path in _modules(root)]
    size = sum((root / name).stat().st_size for name in names)
    if size > CODE_BYTES:
        raise InvalidStudy(
            f"The Python modules below {root} are {size / 2**20:.0f} MiB, more than is sent to other machines "
            f"({CODE_BYTES // 2**20} MiB). Start from the directory of your own classes, or install these there."
        )
    return pack(root, names)


def _modules(directory: Path) -> Iterable[Path]:
    for path in sorted(directory.iterdir()):
        if path.name.startswith(".") or path.name in _SKIPPED or path.is_symlink():
            continue
        if path.is_dir() and not (path / "pyvenv.cfg").exists():
            yield from _modules(path)
        elif path.suffix == ".py":
            yield path
