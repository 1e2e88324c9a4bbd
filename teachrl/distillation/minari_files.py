"""Demonstrations as Minari datasets (https://minari.farama.org), an optional library.

Any dataset can be read: its actions are the labels. Those that are written here have what was done as actions, and as
infos `label_mask` (T + 1, 1), `label_action` (T + 1, a) and `label_<parameter>` (T + 1, width): a dataset has one more
observation than actions, and what belongs to the last one means nothing.
"""

from __future__ import annotations

import importlib
import inspect
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from gymnasium import spaces

from teachrl.distillation.buffer import Round
from teachrl.distillation.recording import Piece
from teachrl.distillation.trees import Tree, mapped
from teachrl.errors import InvalidEnvironment, InvalidHyperparameter
from teachrl.lessons import Array

LABEL = "label_"


def find(name: str) -> Any:
    """Returns a local dataset.

    Raises:
        InvalidEnvironment: If Minari is missing, or has no such dataset.
    """
    minari = _minari()
    try:
        return minari.load_dataset(name)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise InvalidEnvironment(f"Minari has no dataset {name!r} on this machine: {error}") from error


def read(name: str, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> Round:
    """Reads a local dataset, its episodes one after the other, (T, 1, ...).

    Args:
        name: The dataset's id.
        observation_space: What the student sees of one environment.
        action_space: Of one environment.

    Raises:
        InvalidEnvironment: If Minari is missing, has no such dataset, or it is of other spaces.
    """
    from teachrl.distillation.demonstrations import assembled

    episodes = [_Labelled.of(episode, action_space) for episode in find(name).iterate_episodes()]
    if not episodes:
        raise InvalidEnvironment(f"The Minari dataset {name!r} has no episodes.")
    first = np.concatenate([np.arange(len(e.executed)) == 0 for e in episodes])[:, None]
    seen = mapped(_joined, *(e.observations for e in episodes))
    labels, executed = (_joined(*(getattr(e, part) for e in episodes)) for part in ("labels", "executed"))
    mask = _joined(*(e.mask for e in episodes))
    soft = {n: _joined(*(e.parameters[n] for e in episodes)) for n in episodes[0].parameters}
    previous = np.concatenate([executed[:1], executed[:-1]])
    return assembled(f"minari:{name}", observation_space, action_space, seen, labels, first, mask, soft, previous)


class _Labelled:
    """An episode of a dataset, (T, ...): what was seen, done, and said to be done."""

    def __init__(self, observations: Tree, executed: Array, labels: Array, mask: Array, parameters: Any) -> None:
        self.observations, self.executed, self.labels = observations, executed, labels
        self.mask, self.parameters = mask, parameters

    @classmethod
    def of(cls, episode: Any, action_space: spaces.Space[Any]) -> Self:
        executed = np.asarray(episode.actions)
        steps = len(executed)
        infos = getattr(episode, "infos", None) or {}
        said = {n.removeprefix(LABEL): np.asarray(v)[:steps] for n, v in infos.items() if n.startswith(LABEL)}
        mask = said.pop("mask", np.ones((steps, 1), bool))[:, 0].astype(bool)
        labels = said.pop("action", executed).reshape(steps, *(action_space.shape or ()))
        return cls(mapped(lambda x: np.asarray(x)[:steps], episode.observations), executed, labels, mask, said)


def _joined(*parts: Array) -> Array:
    return np.concatenate(parts)[:, None]


class Dataset:
    """Makes a local dataset a piece at a time; the steps of running episodes are held.

    Args:
        name: The dataset's id, e.g. `cartpole/positions-v0`.
        observation_space: What the student sees of one environment.
        action_space: Of one environment.

    Raises:
        InvalidEnvironment: If Minari is missing.
        InvalidHyperparameter: If there is a dataset of that name, or it is no name of one.
    """

    def __init__(self, name: str, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
        self._minari = _minari()
        self._name, self._spaces = name, (observation_space, action_space)
        self._running: dict[int, list[dict[str, Tree]]] = {}
        self._dataset: Any = None
        try:
            importlib.import_module("minari.dataset.minari_dataset").parse_dataset_id(name)
            self._place = Path(importlib.import_module("minari.storage").get_dataset_path(name))
        except (OSError, ValueError) as error:
            raise InvalidHyperparameter(f"`out` must be like minari:cartpole/positions-v0. {error}") from error
        if self._place.exists():
            raise InvalidHyperparameter(
                f"Minari has a dataset {name!r} already. Pass another name as `out`, or remove it: minari delete {name}"
            )

    def __enter__(self) -> Self:
        """Begins; nothing is written yet."""
        return self

    def add(self, piece: Piece) -> None:
        """Writes the episodes that have ended.

        Raises:
            InvalidEnvironment: If Minari refuses them.
        """
        self._write([episode for env in range(piece.rewards.shape[1]) for episode in self._ended(piece, env)])

    def _ended(self, piece: Piece, env: int) -> Iterator[Any]:
        ends = set((np.flatnonzero((piece.terminated | piece.truncated)[:, env]) + 1).tolist())
        start = 0
        for end in sorted({*ends, len(piece.rewards)}):
            self._running.setdefault(env, []).append(_rows(piece, slice(start, end), env))
            if end in ends:
                yield self._episode(self._running.pop(env))
            start = end

    def _episode(self, parts: list[dict[str, Tree]]) -> Any:
        whole = mapped(lambda *arrays: np.concatenate(arrays), *parts)
        observations = mapped(lambda x, y: np.concatenate([x, y[-1:]]), whole["observations"], whole["after"])
        steps = len(whole["rewards"])
        infos = {LABEL + n: np.concatenate([v, v[-1:]]).reshape(steps + 1, -1) for n, v in whole["labels"].items()}
        return importlib.import_module("minari.data_collector").EpisodeBuffer(
            observations=observations, actions=whole["executed"].astype(self._spaces[1].dtype), infos=infos,
            rewards=whole["rewards"].tolist(), terminations=whole["terminated"].tolist(),
            truncations=whole["truncated"].tolist(),
        )  # fmt: skip

    def _write(self, episodes: list[Any]) -> None:
        try:
            if self._dataset is not None:
                self._dataset.update_dataset_from_buffer(episodes)
            elif episodes:
                self._dataset = self._make(episodes)
        except (OSError, ValueError) as error:
            raise InvalidEnvironment(f"Minari cannot make the dataset {self._name!r}: {error}") from error

    def _make(self, episodes: list[Any]) -> Any:
        make = self._minari.create_dataset_from_buffers
        exact = {"jpeg_encoding": False} if "jpeg_encoding" in inspect.signature(make).parameters else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about authors and links, which nobody has told
            return make(
                self._name, episodes, observation_space=self._spaces[0], action_space=self._spaces[1],
                data_format="arrow", **exact,
            )  # fmt: skip

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Writes what is running as cut short; after an exception, removes what there is."""
        if kind is None:
            for parts in self._running.values():
                parts[-1]["truncated"][-1] = True
            self._write([self._episode(parts) for parts in self._running.values()])
        else:
            shutil.rmtree(self._place, ignore_errors=True)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for file in self._place.rglob("*") if file.is_file())


def _rows(piece: Piece, steps: slice, env: int) -> dict[str, Tree]:
    """Returns some steps of one environment, copied."""
    d = piece.round
    labels = {"mask": d.mask.astype(np.uint8), "action": d.actions, **d.parameters}
    parts = {
        "observations": d.observations, "after": piece.after, "executed": piece.executed, "rewards": piece.rewards,
        "terminated": piece.terminated, "truncated": piece.truncated, "labels": labels,
    }  # fmt: skip
    return mapped(lambda x: x[steps, env].copy(), parts)  # type: ignore[no-any-return]


def _minari() -> Any:
    try:
        return importlib.import_module("minari")
    except ImportError as error:
        raise InvalidEnvironment("Minari datasets need Minari: pip install 'minari'.") from error
