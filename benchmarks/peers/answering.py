"""A process that measures on request: one line of JSON in, one line of JSON out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any


def answer(function: Callable[..., dict[str, Any]]) -> None:
    """Answers requests, the arguments of a function, until there are no more; what it prints goes to stderr."""
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)
        for line in sys.stdin:
            print(json.dumps(function(**json.loads(line))), file=out, flush=True)
