"""Memory that several processes share: a mapped file without a name.

The file is removed as soon as everyone has mapped it, so that nothing is left behind however a process ends, and the
mapping goes with the last array that uses it.
"""

from __future__ import annotations

import mmap
import os
import secrets
import sys
import tempfile
from pathlib import Path

from teachrl.errors import EnvironmentFailed

_IN_MEMORY = Path("/dev/shm")


def create(size: int) -> tuple[str, mmap.mmap]:
    """Makes shared memory of `size` zero bytes and returns the name to `attach` it by.

    Raises:
        EnvironmentFailed: If there is not enough.
    """
    if sys.platform == "win32":
        name = f"teachrl-{secrets.token_hex(8)}"
        return name, mmap.mmap(-1, size, tagname=name)
    places = [str(_IN_MEMORY), tempfile.gettempdir()] if _IN_MEMORY.is_dir() else [tempfile.gettempdir()]
    reasons = []
    for place in places:
        try:
            return _create_file(place, size)
        except OSError as error:
            reasons.append(f"{place}: {error}")
    raise EnvironmentFailed(
        f"No {size} bytes of memory can be shared with the workers ({'; '.join(reasons)}). "
        "Use fewer environments, or workers=0."
    )


def attach(name: str, size: int) -> mmap.mmap:
    """Maps memory made by another process."""
    if sys.platform == "win32":
        return mmap.mmap(-1, size, tagname=name)
    with Path(name).open("r+b") as file:
        return mmap.mmap(file.fileno(), size)


def release(name: str) -> None:
    """Removes the name; the memory lives as long as it is mapped."""
    if sys.platform != "win32":
        Path(name).unlink(missing_ok=True)


def _create_file(place: str, size: int) -> tuple[str, mmap.mmap]:
    descriptor, name = tempfile.mkstemp(prefix="teachrl-", dir=place)
    try:
        os.ftruncate(descriptor, size)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size)  # a full disk is an error here, not a bus error later
        return name, mmap.mmap(descriptor, size)
    except OSError:
        release(name)
        raise
    finally:
        os.close(descriptor)
