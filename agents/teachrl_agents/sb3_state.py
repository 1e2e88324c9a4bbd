"""A Stable-Baselines3 model as data, without its own pickles: networks, optimisers, counters, memories, generators."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch as th

from teachrl.state import rng_state, set_rng_state

_COUNTERS = (
    "num_timesteps", "_total_timesteps", "_num_timesteps_at_start", "_n_updates", "_episode_num", "_n_calls",
    "exploration_rate", "_current_progress_remaining",
)  # fmt: skip


class Generators:
    """The global generators, which Stable-Baselines3 draws from, lent to one student at a time.

    Outside `lent` the process's own generators are untouched, so that several students, evaluations and other code can
    live beside each other.

    Args:
        cuda: Whether the student draws on a GPU too.
    """

    def __init__(self, cuda: bool) -> None:
        self._cuda = cuda
        self._own = self._read()

    def _read(self) -> tuple[Any, ...]:
        cuda = th.cuda.get_rng_state_all() if self._cuda else []
        return random.getstate(), np.random.get_state(legacy=False), th.get_rng_state(), cuda

    def _write(self, state: tuple[Any, ...]) -> None:
        python, numpy, torch, cuda = state
        random.setstate(python)
        np.random.set_state(numpy)
        th.set_rng_state(torch)
        if self._cuda:
            th.cuda.set_rng_state_all(cuda)

    def keep(self) -> None:
        """Takes the present state of the global generators as the student's own."""
        self._own = self._read()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Puts the student's generators in place of the process's for a while."""
        outside = self._read()
        self._write(self._own)
        try:
            yield
        finally:
            self.keep()
            self._write(outside)

    def state_dict(self) -> dict[str, Any]:
        """Returns the student's generators as data."""
        (version, words, gauss), numpy, torch, cuda = self._own
        return {
            "python": {"version": version, "words": np.array(words, dtype=np.uint32), "gauss": gauss},
            "numpy": {**numpy, "state": {k: np.array(v) for k, v in numpy["state"].items()}},
            "torch": torch.numpy().copy(),
            "cuda": [s.numpy().copy() for s in cuda],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`; a GPU's generators are left alone where it has none."""
        python, numpy = state["python"], state["numpy"]
        words = {"key": np.array(numpy["state"]["key"], dtype=np.uint32), "pos": int(numpy["state"]["pos"])}
        cuda = [_byte_tensor(s) for s in state["cuda"]]
        self._own = (
            (python["version"], tuple(int(w) for w in python["words"]), python["gauss"]),
            {**numpy, "state": words},
            _byte_tensor(state["torch"]),
            cuda if len(cuda) == len(self._own[3]) else self._own[3],
        )


def model_state(model: Any) -> dict[str, Any]:
    """Returns everything of a model that training changes, replay buffer and action noise included."""
    modules, tensors = model._get_torch_save_params()
    return {
        "modules": {name: _encode(_find(model, name).state_dict()) for name in modules},
        "tensors": {name: _encode(_find(model, name)) for name in tensors},
        "counters": {name: _number(getattr(model, name)) for name in _COUNTERS if hasattr(model, name)},
        "action_space": rng_state(model.action_space.np_random),
        "last": {name: _encode(getattr(model, name, None)) for name in ("_last_obs", "_last_original_obs")},
        "first": _encode(model._last_episode_starts),
        "lstm": [_encode(t) for t in _lstm(model)],
        "exploration": {name: _encode(t) for name, t in _exploration(model).items()},
        "noise": [_encode(noise.noise_prev) for noise in _noises(model)],
        "replay": model.replay_buffer.contents() if hasattr(model, "replay_buffer") else None,
        "scalars": {k: float(v) for k, v in model.logger.name_to_value.items()},
    }


def load_model_state(model: Any, state: dict[str, Any]) -> None:
    """Continues from `model_state`, in a model made with the same arguments."""
    for name, part in state["modules"].items():
        _find(model, name).load_state_dict(_decode_module(part))
    for name, value in state["tensors"].items():
        _find(model, name).data.copy_(th.tensor(np.array(value)))
    for name, value in state["counters"].items():
        setattr(model, name, value)
    set_rng_state(model.action_space.np_random, state["action_space"])
    for name, value in state["last"].items():
        setattr(model, name, _copy(value))
    model._last_episode_starts = _copy(state["first"])
    for tensor, value in zip(_lstm(model), state["lstm"], strict=True):
        tensor.copy_(th.tensor(np.array(value)))
    for name, value in state["exploration"].items():
        setattr(_action_dist(model), name, th.tensor(np.array(value), device=model.device))
    for noise, value in zip(_noises(model), state["noise"], strict=True):
        noise.noise_prev = np.array(value)
    if state["replay"] is not None:
        model.replay_buffer.load_contents(state["replay"])
    model.logger.name_to_value.update(state["scalars"])


def _find(model: Any, name: str) -> Any:
    for part in name.split("."):
        model = getattr(model, part)
    return model


def _number(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _encode(value: Any) -> Any:
    if isinstance(value, th.Tensor):
        return value.detach().cpu().numpy().copy()
    if isinstance(value, dict):
        return {str(k): _encode(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(v) for v in value]
    return np.array(value) if isinstance(value, np.ndarray) else value


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    return None if value is None else np.array(value)


def _decode_module(state: dict[str, Any]) -> dict[str, Any]:
    """Undoes `_encode` for a network's or an optimiser's state, whose keys of parameters are integers."""
    if set(state) == {"state", "param_groups"}:
        moments = {int(k): {n: _tensor(v) for n, v in part.items()} for k, part in state["state"].items()}
        groups = [{k: tuple(v) if k == "betas" else v for k, v in group.items()} for group in state["param_groups"]]
        return {"state": moments, "param_groups": groups}
    return {k: _tensor(v) for k, v in state.items()}


def _tensor(value: Any) -> Any:
    return th.tensor(np.array(value)) if isinstance(value, np.ndarray | np.generic) else value


def _byte_tensor(value: Any) -> th.Tensor:
    return th.tensor(np.array(value, dtype=np.uint8))


def _lstm(model: Any) -> list[th.Tensor]:
    states = getattr(model, "_last_lstm_states", None)
    return [] if states is None else [*states.pi, *states.vf]


def _action_dist(model: Any) -> Any:
    return getattr(getattr(model, "actor", None) or model.policy, "action_dist", None)


def _exploration(model: Any) -> dict[str, th.Tensor]:
    """The exploration matrices of state-dependent exploration, of the present rollout."""
    names = ("exploration_mat", "exploration_matrices") if getattr(model, "use_sde", False) else ()
    return {name: matrix for name in names if (matrix := getattr(_action_dist(model), name, None)) is not None}


def _noises(model: Any) -> list[Any]:
    noise = getattr(model, "action_noise", None)
    return [n for n in getattr(noise, "noises", [noise]) if hasattr(n, "noise_prev")]
