"""Does an environment go on from a restored state as it went on from the saved one?"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from teachrl._vector.proof import alike
from teachrl._vector.restorable import PARTS
from teachrl.lessons import Lesson
from teachrl.snapshots import State
from teachrl.testing._support import EnvLike, blamed, draw, require, through_disk
from teachrl.vector import LessonVectorEnv, WrapperLike, make_vec

_APART = 5
_LOOK = "The adapter, or get_state, must save all that the next steps depend on."


def check_restorable(
    env: EnvLike,
    states: int = 20,
    actions: int = 100,
    *,
    env_kwargs: Mapping[str, Any] | None = None,
    wrappers: Sequence[WrapperLike] = (),
    workers: int = 0,
    tolerance: float = 0.0,
) -> None:
    """Checks that an environment can be saved and restored: the long form of the self-test that `make_vec` does.

    Random actions are played, over episodes with seeds of their own. States saved on the way, kept as data, are
    restored in another environment, which has played another episode before, and must show what was shown and answer
    the same actions in the same way.

    Args:
        env: A registered id, or a class or function that makes an environment.
        states: How many states are restored, five steps apart.
        actions: How many actions are played again from each.
        env_kwargs: As in `make_vec`.
        wrappers: As in `make_vec`.
        workers: As in `make_vec`, 0 or 1.
        tolerance: How far observations and rewards may be apart, relatively and absolutely; 0 asks for the same bits.

    Raises:
        ContractBroken: If it has no exact states, or does not return to one.
    """
    saved, other = (make_vec(env, 1, workers, env_kwargs=env_kwargs, wrappers=wrappers) for _ in range(2))
    try:
        why = f"{saved.env_id} must be restorable."
        require(saved.restorable, why, saved.unrestorable.rstrip("."), "See teachrl.snapshots.Adapter.")
        tape = _Tape(draw(saved.single_action_space, states * _APART + actions, 0))
        for t in range(len(tape.actions)):
            if t % _APART == 0 and t < states * _APART:
                tape.states.append(_save(saved, tape))
            tape.play(saved, t, tolerance)
        other.reset(seed=[1])
        other_actions = draw(other.single_action_space, _APART, 1)
        for t in range(_APART):
            if any(over[0] for over in other.step(other_actions[t : t + 1])[2:4]):
                break
        for k, data in enumerate(tape.states):
            _restore(other, State.from_data(data), tape, k * _APART, tolerance)
            for t in range(k * _APART, k * _APART + actions):
                tape.play(other, t, tolerance)
    finally:
        saved.close()
        other.close()


@dataclass
class _Tape:
    """What was done and seen: `shown[t]`, then `actions[t]`, which led to `results[t]` (reward and ends)."""

    actions: Any
    states: list[dict[str, Any]] = field(default_factory=list)
    shown: list[Any] = field(default_factory=list)
    results: list[tuple[Any, ...]] = field(default_factory=list)

    def play(self, envs: LessonVectorEnv, t: int, tolerance: float) -> None:
        """Takes step `t`, and begins another episode if this one ends; keeps or compares what comes of it."""
        shown, *result = envs.step(self.actions[t : t + 1])[:4]
        results = tuple(value[0] for value in result)
        if results[1] or results[2]:
            shown = envs.reset(seed=[1000 + t])[0]
        if t == len(self.results):
            self.results.append(results)
            self.shown.append(copy.deepcopy(shown))
            return
        same = alike(results, self.results[t], tolerance)
        expected = "A restored environment must give the same reward, terminated and truncated."
        require(
            same, expected, f"{list(map(float, results))}, not {list(map(float, self.results[t]))}, at step {t}", _LOOK
        )
        same = alike(shown, self.shown[t + 1], tolerance)
        require(same, "A restored environment must show the same.", f"another observation after step {t}", _LOOK)


def _save(envs: LessonVectorEnv, tape: _Tape) -> dict[str, Any]:
    if not tape.shown:
        tape.shown.append(copy.deepcopy(envs.reset(seed=[0])[0]))
    with blamed("get_state must return a teachrl State of plain data.", "See teachrl.snapshots.State."):
        data: dict[str, Any] = through_disk(envs.get_state()[0].to_data())
    return data


def _restore(envs: LessonVectorEnv, state: State, tape: _Tape, t: int, tolerance: float) -> None:
    if state.kind == "exact" and set(state.payload) >= PARTS:
        state = replace(state, seed=None)  # with its seed, a reset would draw anew what an adapter leaves out
    with blamed("A restored state must be taken.", _LOOK):
        shown, _ = envs.reset(options={"lessons": [Lesson(start=state)]})
    same = alike(shown, tape.shown[t], tolerance)
    require(same, "A restored environment must show what the saved one showed.", f"another observation at {t}", _LOOK)
