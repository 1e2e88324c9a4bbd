"""What the results of collecting say of themselves."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from teachrl.configurable import to_config
from teachrl.errors import InvalidHyperparameter


def environment_flags(env: str, env_kwargs: Mapping[str, Any], wrappers: Sequence[Any]) -> list[str]:
    """Returns the words of a command line that make an environment as it was made."""
    words = ["--env", env]
    for name, value in env_kwargs.items():
        words += [f"--env_kwargs.{name}", _word(value)]
    for wrapper in wrappers:
        described = to_config(wrapper)
        found: dict[str, Any] = described if isinstance(described, dict) else {"class_path": _path(wrapper)}
        words += ["--wrapper", str(found["class_path"])]
        for name, value in (found.get("init_args") or {}).items():
            words += [f"--wrapper.{name}", _word(value)]
    return words


def check_writable(out: str, example: str) -> None:
    """Checks that a new file can be written at `out`, and leaves nothing there.

    Args:
        out: The file.
        example: What a file in a directory could be called.

    Raises:
        InvalidHyperparameter: If there is something already, or its directory cannot be written to.
    """
    place = Path(out)
    try:
        if out.endswith(("/", os.sep)) or place.is_dir():
            raise InvalidHyperparameter(f"{out} is a directory. Pass a file as `out`, e.g. {place / example}.")
        if place.exists():
            raise InvalidHyperparameter(f"{out} exists. Pass another file as `out`, or remove it.")
        parent = next(p for p in place.absolute().parents if p.exists())
        tempfile.TemporaryDirectory(dir=parent).cleanup()  # permissions alone do not tell, of root for example
    except OSError as error:
        raise InvalidHyperparameter(f"{out} cannot be written: {error}. Pass another file as `out`.") from error


def in_bytes(size: float) -> str:
    """Returns a size on disk in words."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def _path(wrapper: Any) -> str:
    return wrapper if isinstance(wrapper, str) else f"{wrapper.__module__}.{wrapper.__qualname__}"


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(to_config(value))
