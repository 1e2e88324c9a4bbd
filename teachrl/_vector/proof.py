"""The replay self-test: an adapter's environments have exact states once it has proved itself on a scratch copy."""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium import wrappers

from teachrl._vector.layers import is_strange, layers, may_keep_state
from teachrl._vector.restorable import Restorable
from teachrl.observations import equal
from teachrl.snapshots import Adapter, State, find_adapter

if TYPE_CHECKING:
    from teachrl._vector.recipe import Recipe

Env = gymnasium.Env[Any, Any]

_SEEN_BY = (wrappers.RecordVideo, wrappers.HumanRendering)
_STEPS, _STEPS_OF_DERIVED = 40, 200
_REPLAYED = 12
_TRIES = 5
_DATA = (bool, int, float, str, bytes, type(None), np.generic)
_proofs: dict[tuple[Any, ...], tuple[Recipe, str]] = {}


def with_states(env: Env, recipe: Recipe) -> Env:
    """Puts `Restorable` around an environment that has no states of its own, if there is an adapter for it.

    Raises:
        InvalidEnvironment: If the adapter cannot be imported.
    """
    if not recipe.adapters or env.has_wrapper_attr("get_state"):
        return env
    found = find_adapter(type(env.unwrapped), recipe.adapters)
    if found is None:
        return env
    adapter, made_for_it = found
    if seen := [type(layer).__name__ for layer in layers(env) if isinstance(layer, _SEEN_BY)]:
        return Restorable(env, adapter, f"{', '.join(seen)} would show the scratch copy that is to prove it.")
    steps = _STEPS if made_for_it and not any(map(is_strange, layers(env))) else _STEPS_OF_DERIVED
    return Restorable(env, adapter, _fault(env, recipe, adapter, steps))


def _fault(env: Env, recipe: Recipe, adapter: Adapter, steps: int) -> str:
    """Proves an adapter, once a process and recipe; returns what is wrong, empty if nothing is."""
    made = (repr(part) for part in (recipe.maker, recipe.env_kwargs, recipe.wrappers))
    key = (recipe.env_id, *made, type(adapter))
    if key not in _proofs:
        _proofs[key] = (
            recipe,
            _prove(env, recipe, adapter, steps),
        )  # keeps the recipe alive, as its repr may hold addresses
    return _proofs[key][1]


def _prove(env: Env, recipe: Recipe, adapter: Adapter, steps: int) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they were given when the environment itself was made
        scratch = replace(recipe, render_mode=None if recipe.render_mode == "human" else recipe.render_mode).wrapped()
        if scratch.unwrapped is env.unwrapped:
            return "its maker gives the same environment every time, so there is no scratch copy to prove it on."
        try:
            what = replay_fault(Restorable(scratch, adapter), steps)
            if not what and (kept := _kept_by_strangers(scratch)):
                return f"{kept}. {_advice(scratch, adapter)}"
            return what and f"in the replay self-test of {type(adapter).__name__}, {what}. {_advice(scratch, adapter)}"
        finally:
            scratch.close()


def _advice(env: Env, adapter: Adapter) -> str:
    suspects = [type(layer).__name__ for layer in layers(env) if may_keep_state(layer) or is_strange(layer)]
    if not suspects:
        return f"{type(adapter).__name__} must save all that the next steps depend on."
    return (
        f"The wrapper {', '.join(suspects)} may keep a state of its own: leave it out, or give it get_wrapper_state() "
        "and set_wrapper_state(data)."
    )


def _kept_by_strangers(env: Env) -> str:
    """Says which wrapper of others changes while it is played, empty if none does; a counter may act much later."""
    strangers = [layer for layer in layers(env) if is_strange(layer)]
    if not strangers:
        return ""
    for seed in range(_TRIES):  # as in the self-test, which one of them has passed
        with contextlib.suppress(Exception):
            env.reset(seed=seed)
            break
    before = [_own_data(layer) for layer in strangers]
    drawer = copy.deepcopy(env.action_space)
    drawer.seed(0)
    env.step(drawer.sample())
    for layer, was in zip(strangers, before, strict=True):
        now = _own_data(layer)
        if changed := [name for name in now if name not in was or not alike(was[name], now[name], 0.0)]:
            return f"the wrapper {type(layer).__name__} keeps a state of its own ({', '.join(changed)})"
    return ""


def _own_data(layer: Any) -> dict[str, Any]:
    return {name: copy.deepcopy(value) for name, value in vars(layer).items() if name != "env" and not _not_data(value)}


@dataclass(frozen=True, slots=True)
class _Tape:
    """What was done and seen: `shown[t]`, then `actions[t]`, which led to `results[t]` (reward and ends)."""

    states: dict[int, State]
    shown: list[Any]
    actions: list[Any]
    results: list[tuple[Any, ...]]


def replay_fault(env: Restorable, steps: int = _STEPS) -> str:
    """Plays random actions, returns to some of the states on the way and plays the same actions again.

    Args:
        env: A scratch copy.
        steps: How many, over episodes that follow one another without seeds.

    Returns:
        What is not the same the second time, or not data; empty if all is.
    """
    why = ""
    for seed in range(_TRIES):  # MiniGrid cannot make the levels of some seeds
        try:
            tape = _record(env, seed, steps)
        except Exception as error:  # other people's code may fail in any way
            why = f"an episode cannot be played, {type(error).__name__}: {error}"
            continue
        return _replay_all(env, tape)
    return why


def _record(env: Restorable, seed: int, steps: int) -> _Tape:
    drawer = copy.deepcopy(env.action_space)
    drawer.seed(seed)
    at = {0, 1, steps // 6, steps // 2, steps - _REPLAYED}
    tape = _Tape({}, [], [], [])
    shown, over = env.reset(seed=seed)[0], False
    for t in range(steps):
        if over:
            shown, over = env.reset()[0], False
        if t in at:
            tape.states[t] = env.get_state()
        tape.shown.append(copy.deepcopy(shown))
        tape.actions.append(drawer.sample())
        shown, *result, _ = env.step(copy.deepcopy(tape.actions[-1]))
        tape.results.append(tuple(result))
        over = bool(result[1] or result[2])
    return tape


def _replay_all(env: Restorable, tape: _Tape) -> str:
    for t, state in tape.states.items():
        if name := _not_data(state.payload):
            return f"the state holds a {name}, which is no data (arrays, numbers, strings and containers)"
        try:
            what = _replay(env, tape, t, state)
        except Exception as error:  # other people's code may fail in any way
            what = f"a restored environment cannot be played, {type(error).__name__}: {error}"
        if what:
            return what
    return ""


def _replay(env: Restorable, tape: _Tape, begin: int, state: State) -> str:
    near = env.state_adapter.tolerance
    before = copy.deepcopy(state.payload)
    other = replace(state, seed=None)  # with its seed, a reset would draw anew what the adapter leaves out
    shown, over = env.reset(options={"start": other})[0], False
    for t in range(begin, min(begin + _REPLAYED, len(tape.actions))):
        if over:
            shown = env.reset()[0]
        if not alike(shown, tape.shown[t], near):
            when = "at once" if t == begin else f"{t - begin} steps after it"
            return f"a restored environment does not show, {when}, what the saved one showed"
        shown, *result, _ = env.step(copy.deepcopy(tape.actions[t]))
        if not alike(tuple(result), tape.results[t], near):
            return f"step {t - begin + 1} after a restore gave {_told(result)}, not {_told(tape.results[t])}"
        over = bool(result[1] or result[2])
    return "" if alike(before, state.payload, 0.0) else "an environment writes into the state that it begins at"


def alike(a: Any, b: Any, near: float) -> bool:
    """Tells whether two trees of data are the same, within `near` relatively and absolutely; 0 is bit for bit."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(alike(a[k], b[k], near) for k in a)
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(alike(x, y, near) for x, y in zip(a, b, strict=True))
    if near and np.issubdtype(np.asarray(a).dtype, np.floating):
        return np.shape(a) == np.shape(b) and np.allclose(a, b, near, near, equal_nan=True)
    return equal(a, b)


def _told(result: Sequence[Any]) -> str:
    reward, terminated, truncated = result
    return f"the reward {reward}, terminated {bool(terminated)}, truncated {bool(truncated)}"


def _not_data(value: Any) -> str:
    """Returns the type of what is no data in a tree, empty if all is."""
    if isinstance(value, dict):
        return next((found for pair in value.items() for part in pair if (found := _not_data(part))), "")
    if type(value) in (list, tuple):
        return next((found for part in value if (found := _not_data(part))), "")
    plain = value.dtype.kind != "O" if isinstance(value, np.ndarray) else isinstance(value, _DATA)
    return "" if plain else type(value).__name__
