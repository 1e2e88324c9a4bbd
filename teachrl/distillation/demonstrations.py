"""Labelled steps on disk, to learn from without a teacher: NumPy archives, and Minari datasets where it is installed.

An archive (npz) holds T steps of N environments in time order, as arrays (T, N, ...) by name: `observations`, or
`observations/<entry>` for each entry of a dict, as the student sees them; `actions`; `first` (T, N) bool, where an
episode begins; and, if there are any, `mask` (T, N) bool, where there is a label, and `parameters/<name>` of the
teacher's distributions. Nothing in it is a pickle.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from teachrl.classroom import Classroom
from teachrl.distillation.buffer import Round
from teachrl.distillation.collecting import merged
from teachrl.distillation.targets import make_targets
from teachrl.distillation.trees import Tree, compact, leaves, mapped, stacked
from teachrl.errors import InvalidEnvironment
from teachrl.lessons import Array, Bools


def record(classroom: Classroom, steps: int) -> Round:
    """Lets the teacher of a classroom act and label, and returns what the student would have seen.

    Args:
        classroom: With a teacher that labels; it is reset if it has not begun.
        steps: Steps of each environment.
    """
    rows = []
    for _ in range(steps):
        observations, first = classroom.observed()
        labels = merged(classroom.ask())
        rows.append(
            {
                "observations": mapped(np.array, observations), "first": np.array(first), "mask": labels.mask,
                "actions": np.asarray(labels.actions), "parameters": labels.parameters or {},
            }
        )  # fmt: skip
        classroom.step(labels.actions)
    whole = stacked(rows)
    space = classroom.single_action_space
    return _round(space, whole["observations"], whole["actions"], whole["first"], whole["mask"], whole["parameters"])


def save(path: str | Path, demonstrations: Round) -> Path:
    """Writes an archive; the suffix .npz is added where it is missing. Returns its path."""
    file = Path(path)
    file = file if file.suffix == ".npz" else file.with_name(f"{file.name}.npz")
    d = demonstrations
    parts = {"observations": d.observations, "parameters": d.parameters, "actions": d.actions, "first": d.first}
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(file, **_flat({**parts, "mask": d.mask}))
    return file


def load(path: str | Path, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> Round:
    """Reads an archive, or a Minari dataset by its id.

    Args:
        path: The file, `minari:<dataset id>`, or what `save` was given.
        observation_space: What the student sees of one environment.
        action_space: Of one environment.

    Raises:
        InvalidEnvironment: If it cannot be read, or is of other spaces.
        InvalidTeacher: If its labels do not fit the action space.
    """
    name = str(path)
    if name.startswith("minari:"):
        from teachrl.distillation.minari_files import read

        return read(name.removeprefix("minari:"), observation_space, action_space)
    try:
        with np.load(name, allow_pickle=False) as archive:
            parts = _nested({key: archive[key] for key in archive.files})
        observations, actions, first = parts["observations"], parts["actions"], parts["first"].astype(bool)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidEnvironment(
            f"The demonstrations {name} cannot be read ({error}). They are an npz file with the arrays observations, "
            "actions and first, each (steps, environments, ...), as teachrl.distillation.demonstrations.save writes it."
        ) from error
    mask = parts.get("mask", np.ones(first.shape, bool)).astype(bool)
    soft = parts.get("parameters") or {}
    return assembled(name, observation_space, action_space, observations, actions, first, mask, soft)


def assembled(
    name: str, observation_space: spaces.Space[Any], action_space: spaces.Space[Any], observations: Tree,
    actions: Array, first: Bools, mask: Bools, parameters: dict[str, Array],
) -> Round:  # fmt: skip
    """Returns demonstrations as a round, checked against the spaces they are for."""
    _check(name, observation_space, observations, first)
    return _round(action_space, observations, actions, first, mask, parameters)


def _round(
    space: spaces.Space[Any],
    observations: Tree,
    actions: Array,
    first: Bools,
    mask: Bools,
    parameters: dict[str, Array],
) -> Round:
    """Returns checked steps; the previous action of each is the label before it."""
    targets = make_targets(space, actions, parameters or None, mask)
    labels = compact(space, targets.actions.numpy())
    previous = np.concatenate([labels[:1], labels[:-1]])
    first = first.copy()
    first[0] = True
    soft = {name: part.numpy() for name, part in (targets.parameters or {}).items()}
    return Round(observations, previous, first, labels, soft, mask, np.zeros((*first.shape, 0), np.float32))


def _check(name: str, space: spaces.Space[Any], observations: Tree, first: Bools) -> None:
    wanted = {entry: part.shape for entry, part in _flat({"observations": _spaces(space)}).items()}
    given = {entry: part.shape[2:] for entry, part in _flat({"observations": observations}).items()}
    if wanted != given:
        raise InvalidEnvironment(f"The demonstrations {name} show {given}, but the student sees {wanted}.")
    if any(part.shape[:2] != first.shape for part in leaves(observations)) or not first.size:
        raise InvalidEnvironment(f"Arrays of the demonstrations {name} are not all (steps, environments, ...).")


def _spaces(space: spaces.Space[Any]) -> Tree:
    return {k: _spaces(v) for k, v in space.spaces.items()} if isinstance(space, spaces.Dict) else space


def _flat(tree: dict[str, Tree], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, part in tree.items():
        found |= _flat(part, f"{before}{name}/") if isinstance(part, dict) else {f"{before}{name}": part}
    return found


def _nested(flat: dict[str, Array]) -> dict[str, Tree]:
    tree: dict[str, Tree] = {}
    for name, array in flat.items():
        *path, last = name.split("/")
        at = tree
        for part in path:
            at = at.setdefault(part, {})
        at[last] = array
    return tree
