"""Gymnasium's vector infos: arrays over N with a mask `_key` for each key, split where episodes end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from teachrl.lessons import Bools, Episode, Floats, Observations
from teachrl.observations import take


def autoreset_infos(
    infos: dict[str, Any], reset_infos: dict[str, Any], final: Observations, episodes: Sequence[Episode], done: Bools
) -> dict[str, Any]:
    """Returns the infos of a step after which some environments were reset, as Gymnasium's same-step autoreset does.

    Args:
        infos: Of the step.
        reset_infos: Of the resets.
        final: (E, *o) the true last observations of the E ended episodes.
        episodes: The E ended episodes.
        done: (N,) where an episode ended.
    """
    final_infos, running_infos = split_infos(infos, done)
    final_infos = {**final_infos, **episode_infos(episodes, done)}
    final_obs = np.full(len(done), None, dtype=object)
    for row, i in enumerate(np.flatnonzero(done).tolist()):
        final_obs[i] = take(final, row)
    marks = {"_final_obs": done.copy(), "_final_info": done.copy()}
    return {**merge_infos(running_infos, reset_infos, done), "final_obs": final_obs, "final_info": final_infos, **marks}


def told_success(infos: dict[str, Any], n: int) -> Floats:
    """Returns (N,) 1 or 0 where an episode ended and the environment says whether it succeeded, NaN elsewhere.

    Args:
        infos: As `autoreset_infos` returns them, or those of a step in which none ended.
        n: N.
    """
    found, final = np.full(n, np.nan), infos.get("final_info", {})
    if "is_success" in final:
        told = np.flatnonzero(final.get("_is_success", np.ones(n, dtype=bool)))
        found[told] = [bool(final["is_success"][i]) for i in told]
    return found


def merge_infos(running: dict[str, Any], begun: dict[str, Any], done: Bools) -> dict[str, Any]:
    """Joins the infos of running episodes with those of the episodes that begin where `done` (N,)."""
    merged = dict(running)
    for key, value in begun.items():
        if key.startswith("_") and key[1:] in begun:
            continue
        mask = begun.get(f"_{key}", done)
        merged[key] = _join(running[key], value, mask) if key in running else value
        merged[f"_{key}"] = mask | running.get(f"_{key}", np.zeros_like(done))
    return merged


def _join(running: Any, begun: Any, mask: Bools) -> Any:
    if isinstance(running, dict) and isinstance(begun, dict):
        return merge_infos(running, begun, mask)
    if isinstance(running, np.ndarray) and isinstance(begun, np.ndarray) and running.shape == begun.shape:
        chosen = mask.reshape(len(mask), *(1,) * (running.ndim - 1))
        return np.where(chosen, begun, running)
    joined = np.full(len(mask), None, dtype=object)
    for i, beginning in enumerate(mask.tolist()):
        joined[i] = (begun if beginning else running)[i]
    return joined


def split_infos(infos: dict[str, Any], done: Bools) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parts the infos of ended episodes from those of running ones, by the masks."""
    final: dict[str, Any] = {}
    running: dict[str, Any] = {}
    for key, value in infos.items():
        if key.startswith("_") and key[1:] in infos:
            continue
        mask = infos.get(f"_{key}", np.ones_like(done))
        for part, chosen in ((final, mask & done), (running, mask & ~done)):
            if chosen.any():
                part[key], part[f"_{key}"] = value, chosen
    return final, running


def episode_infos(episodes: Sequence[Episode], done: Bools) -> dict[str, Any]:
    """Returns the entry `"episode"` that loggers read: returns `r` and lengths `l` of ended episodes."""
    returns, lengths = np.zeros(len(done)), np.zeros(len(done), dtype=np.int64)
    for episode in episodes:
        returns[episode.env], lengths[episode.env] = episode.episode_return, episode.length
    return {"episode": {"r": returns, "l": lengths, "_r": done, "_l": done}, "_episode": done}
