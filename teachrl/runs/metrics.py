"""A run's metrics.jsonl: one row a log event, cut back to its checkpoint when the run is resumed."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Metrics:
    """Appends rows of numbers to a file of JSON lines.

    Args:
        path: The file.
        size: Of a resumed run: the file's size in bytes at its checkpoint; what follows is dropped, and so is a last
            line that is not whole.
    """

    def __init__(self, path: Path, size: int = 0) -> None:
        self._path = path
        self._file = path.open("ab")
        whole = path.read_bytes()[:size].rfind(b"\n") + 1
        if whole < self._file.tell():
            self._file.truncate(whole)
            self._file.seek(0, os.SEEK_END)

    @property
    def size(self) -> int:
        """The file's size in bytes."""
        return self._file.tell()

    def write(self, row: Mapping[str, float]) -> None:
        """Appends a row; numbers that are not finite become null."""
        data = {name: value if math.isfinite(value) else None for name, value in row.items()}
        self._file.write(json.dumps(data).encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Returns the rows; a last line that was cut off is left out."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def write_csv(source: Path, target: Path) -> None:
    """Writes the rows of a metrics.jsonl as a table with all their columns."""
    rows = read_metrics(source)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    draft = target.with_name(f".{target.name}.tmp")
    with draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    draft.replace(target)
