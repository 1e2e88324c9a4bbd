"""Labelled steps on disk, to learn from without a teacher: NumPy archives, and Minari datasets where it is installed.

An archive (npz) holds T steps of N environments in time order, as arrays (T, N, ...) by name: `observations`, or
`observations/<entry>` for each entry of a dict, as the student sees them; `actions`, the labels; `first` (T, N) bool,
where an episode begins; and, if there are any, `mask` (T, N) bool, where there is a label, `previous` (T, N, *a), what
was done before, where that is not the label before, and `parameters/<name>` of the teacher's distributions. Nothing in
it is a pickle.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from teachrl.classroom import Classroom
from teachrl.distillation.archives import Archive, Writer, flat
from teachrl.distillation.buffer import Round
from teachrl.distillation.recording import as_round, pieces
from teachrl.distillation.targets import make_targets
from teachrl.distillation.trees import Tree, leaves
from teachrl.errors import InvalidEnvironment, InvalidHyperparameter, InvalidTeacher, NonFiniteData
from teachrl.lessons import Array, Bools

MINARI = "minari:"


def record(classroom: Classroom, steps: int) -> Round:
    """Lets the teacher of a classroom act and label, and returns what the student would have seen.

    Args:
        classroom: With a teacher that labels; it is reset if it has not begun.
        steps: Steps of each environment.
    """
    return next(pieces(classroom, steps, most=steps * classroom.num_envs)).round


def make_writer(
    out: str, steps: int, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]
) -> tuple[str, Writer]:
    """Returns the name that demonstrations will be read by, and what writes them there.

    Args:
        out: A file, to which .npz is added where it is missing, or `minari:<dataset id>`.
        steps: Steps of each environment.
        observation_space: What the student sees of one environment.
        action_space: Of one environment.

    Raises:
        InvalidEnvironment: If Minari is missing.
        InvalidHyperparameter: If there is something of that name already.
    """
    if out.startswith(MINARI):
        from teachrl.distillation.minari_files import Dataset

        return out, Dataset(out.removeprefix(MINARI), observation_space, action_space)
    file = with_suffix(out)
    if out.endswith(("/", os.sep)) or Path(out).is_dir():
        raise InvalidHyperparameter(f"{out} is a directory. Pass a file as `out`, e.g. {Path(out) / 'demos.npz'}.")
    if file.exists():
        raise InvalidHyperparameter(f"{file} exists. Pass another file as `out`, or remove it.")
    return str(file), Archive(file, steps)


def with_suffix(path: str | Path) -> Path:
    """Returns the path of an archive."""
    file = Path(path)
    return file if file.suffix == ".npz" else file.with_name(f"{file.name}.npz")


def save(path: str | Path, demonstrations: Round) -> Path:
    """Writes an archive; the suffix .npz is added where it is missing. Returns its path."""
    file = with_suffix(path)
    with Archive(file, len(demonstrations)) as archive:
        archive.add_round(demonstrations)
    return file


def check_there(path: str | Path) -> None:
    """Checks that there are demonstrations of that name, before anything is made.

    Raises:
        InvalidEnvironment: If there are none.
    """
    name = str(path)
    if name.startswith(MINARI):
        from teachrl.distillation.minari_files import find

        find(name.removeprefix(MINARI))
    elif not Path(name).is_file():
        raise InvalidEnvironment(
            f"The demonstrations {name} cannot be read: there is no such file. Write some with `teachrl collect "
            "--teacher WHO --env ID --out demos.npz`."
        )


def load(path: str | Path, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> Round:
    """Reads an archive, or a Minari dataset by its id.

    Args:
        path: The file, `minari:<dataset id>`, or what `save` was given.
        observation_space: What the student sees of one environment.
        action_space: Of one environment.

    Raises:
        InvalidEnvironment: If it cannot be read, or is of other spaces.
        InvalidTeacher: If its labels do not fit the action space.
        NonFiniteData: If an observation or a label is NaN or infinite.
    """
    name = str(path)
    if name.startswith(MINARI):
        from teachrl.distillation.minari_files import read

        return read(name.removeprefix(MINARI), observation_space, action_space)
    check_there(name)
    try:
        with np.load(name, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        _check_numbers(arrays)
        parts = _nested(arrays)
        observations, actions, first = parts["observations"], parts["actions"], parts["first"].astype(bool)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InvalidEnvironment(
            f"The demonstrations {name} cannot be read ({error}). They are an npz file with the arrays observations, "
            "actions and first, each (steps, environments, ...), as `teachrl collect` writes it."
        ) from error
    mask = parts.get("mask", np.ones(first.shape, bool)).astype(bool)
    soft = parts.get("parameters") or {}
    previous = parts.get("previous")
    return assembled(name, observation_space, action_space, observations, actions, first, mask, soft, previous)


def assembled(
    name: str, observation_space: spaces.Space[Any], action_space: spaces.Space[Any], observations: Tree,
    actions: Array, first: Bools, mask: Bools, parameters: dict[str, Array], previous: Array | None = None,
) -> Round:  # fmt: skip
    """Returns demonstrations as a round, checked against the spaces they are for; a beginning is an episode's."""
    _check(name, observation_space, observations, first)
    if actions.shape[:2] != first.shape or (previous is not None and previous.shape != actions.shape):
        raise InvalidEnvironment(f"Arrays of the demonstrations {name} are not all (steps, environments, ...).")
    if previous is not None:
        _check_actions(f"{name}, previous", action_space, previous)
    first = first.copy()
    first[0] = True
    return as_round(action_space, observations, actions, first, mask, parameters, previous)


def _check(name: str, space: spaces.Space[Any], observations: Tree, first: Bools) -> None:
    wanted = {entry: part.shape for entry, part in flat({"observations": _spaces(space)}).items()}
    given = {entry: part.shape[2:] for entry, part in flat({"observations": observations}).items()}
    if wanted != given:
        raise InvalidEnvironment(f"The demonstrations {name} show {given}, but the student sees {wanted}.")
    if any(part.shape[:2] != first.shape for part in leaves(observations)) or not first.size:
        raise InvalidEnvironment(f"Arrays of the demonstrations {name} are not all (steps, environments, ...).")
    parts = flat({"observations": observations})
    for entry, own in flat({"observations": _spaces(space)}).items():
        _check_entry(name, entry, own, parts[entry])


def _check_entry(name: str, entry: str, space: spaces.Space[Any], part: Array) -> None:
    """Refuses counts where the student sees numbers, numbers where it sees counts, and what is not finite."""
    if space.dtype is not None and (space.dtype.kind == "f") != (part.dtype.kind == "f"):
        raise InvalidEnvironment(
            f"{entry!r} of the demonstrations {name} are {part.dtype}, but the student sees {space.dtype}. Write them "
            "as the environment shows them, scaled as there."
        )
    if part.dtype.kind == "f" and not (finite := np.isfinite(part)).all():
        place = tuple(int(i) for i in np.argwhere(~finite)[0][:2])
        raise NonFiniteData(
            f"{entry!r} of the demonstrations {name} hold NaN or infinity, the first at step {place[0]} of environment "
            f"{place[1]}. Leave these steps out: the mask is about labels only."
        )


def _check_actions(name: str, space: spaces.Space[Any], actions: Array) -> None:
    try:
        make_targets(space, actions)
    except (InvalidTeacher, NonFiniteData) as error:
        raise type(error)(f"In the demonstrations {name}: {error}") from error


def _spaces(space: spaces.Space[Any]) -> Tree:
    return {k: _spaces(v) for k, v in space.spaces.items()} if isinstance(space, spaces.Dict) else space


_TREES = ("observations", "parameters")
_ARRAYS = ("actions", "first", "mask", "previous")


def _check_numbers(arrays: dict[str, Array]) -> None:
    """Raises ValueError for arrays that hold no numbers, or stand where others do."""
    for name, array in arrays.items():
        top, *path = name.split("/")
        if array.dtype.kind not in "biuf":
            raise ValueError(f"{name} is an array of {array.dtype}")
        if top in _ARRAYS and path:
            raise ValueError(f"{top} is one array, and there is {name}")
        if top in _TREES and any(other.startswith(f"{name}/") for other in arrays):
            raise ValueError(f"{name} is an array, and others are entries of it")
        if top == "parameters" and len(path) != 1:
            raise ValueError(f"parameters are arrays by name, such as parameters/logits, and there is {name}")


def _nested(arrays: dict[str, Array]) -> dict[str, Tree]:
    tree: dict[str, Tree] = {}
    for name, array in arrays.items():
        *path, last = name.split("/")
        at = tree
        for part in path:
            at = at.setdefault(part, {})
        at[last] = array
    return tree
