"""Demonstrations as Minari datasets (https://minari.farama.org), an optional library."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from gymnasium import spaces

from teachrl.distillation.buffer import Round
from teachrl.distillation.trees import Tree, mapped
from teachrl.errors import InvalidEnvironment


def read(name: str, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> Round:
    """Reads a local dataset, its episodes one after the other, (T, 1, ...); labels are the actions.

    Args:
        name: The dataset's id.
        observation_space: What the student sees of one environment.
        action_space: Of one environment.

    Raises:
        InvalidEnvironment: If Minari is missing, has no such dataset, or it is of other spaces.
    """
    from teachrl.distillation.demonstrations import assembled

    try:
        dataset = _minari().load_dataset(name)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise InvalidEnvironment(f"Minari has no dataset {name!r} on this machine: {error}") from error
    episodes = list(dataset.iterate_episodes())
    first = np.concatenate([np.arange(len(episode.actions)) == 0 for episode in episodes])[:, None]
    seen = [_cut(episode.observations, len(episode.actions)) for episode in episodes]
    observations = mapped(lambda *parts: np.concatenate(parts)[:, None], *seen)
    actions = np.concatenate([np.asarray(episode.actions) for episode in episodes])[:, None]
    mask = np.ones(first.shape, dtype=bool)
    return assembled(f"minari:{name}", observation_space, action_space, observations, actions, first, mask, {})


def write(
    name: str, demonstrations: Round, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]
) -> None:
    """Makes a local dataset of the actions; distributions have no place in it.

    Steps without a label count as labelled there. What an episode showed last is not recorded in rounds: its last
    observation stands twice, and rewards are 0.

    Args:
        name: The dataset's id, e.g. `cartpole/positions-v0`.
        demonstrations: What to write.
        observation_space: What the student sees of one environment.
        action_space: Of one environment.

    Raises:
        InvalidEnvironment: If Minari is missing, or has a dataset of that name.
    """
    minari = _minari()
    buffer = importlib.import_module("minari.data_collector").EpisodeBuffer
    episodes = []
    for k, (observations, actions) in enumerate(_episodes(demonstrations)):
        ended = np.arange(len(actions)) == len(actions) - 1
        twice = mapped(lambda x: np.concatenate([x, x[-1:]]), observations)
        episodes.append(
            buffer(
                id=k, observations=twice, actions=actions.astype(action_space.dtype), rewards=[0.0] * len(actions),
                terminations=[False] * len(actions), truncations=ended.tolist(), infos=None,
            )
        )  # fmt: skip
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about authors and links, which a round does not know
            minari.create_dataset_from_buffers(
                name, episodes, observation_space=observation_space, action_space=action_space, data_format="arrow"
            )
    except (OSError, ValueError) as error:
        raise InvalidEnvironment(f"Minari cannot make the dataset {name!r}: {error}") from error


def _episodes(demonstrations: Round) -> Iterator[tuple[Tree, Any]]:
    d = demonstrations
    for env in range(d.first.shape[1]):
        starts = np.flatnonzero(d.first[:, env] | (np.arange(len(d)) == 0)).tolist()
        for start, end in zip(starts, [*starts[1:], len(d)], strict=True):
            yield mapped(lambda x, at=(slice(start, end), env): x[at], d.observations), d.actions[start:end, env]


def _cut(observations: Tree, steps: int) -> Tree:
    """Leaves out what followed the last action."""
    return mapped(lambda x: np.asarray(x)[:steps], observations)


def _minari() -> Any:
    try:
        return importlib.import_module("minari")
    except ImportError as error:
        raise InvalidEnvironment("Minari datasets need Minari: pip install 'minari'.") from error
