"""Threads of numerical libraries: small networks are fastest on one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Gives BLAS, OpenMP and torch (if it was imported) so many threads, and puts them back afterwards."""
    from threadpoolctl import threadpool_limits

    torch = sys.modules.get("torch")
    before = None if torch is None else torch.get_num_threads()
    with threadpool_limits(limits=threads):
        limit_torch(threads)
        try:
            yield
        finally:
            if before is not None:
                limit_torch(before)


def limit_torch(threads: int) -> None:
    """Gives torch so many threads if it was imported."""
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(threads)
