"""The conformance suite for environments: what passes, and one broken class for each rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest

from teachrl import Lesson
from teachrl.errors import ContractBroken, InvalidTask
from teachrl.snapshots import State
from teachrl.tasks import default_suite
from teachrl.testing import ENV_CHECKS, ToyEnv, check_env
from teachrl.testing.envs import EnvCase, check_vector
from teachrl_envs import Parametrised, PointMassVector

VIEWS = lambda **kwargs: ToyEnv(views=True, **kwargs)  # noqa: E731
DISCRETE = lambda **kwargs: ToyEnv(discrete=True, **kwargs)  # noqa: E731


def cart_pole(**kwargs: Any) -> gymnasium.Env[Any, Any]:
    return Parametrised(
        gymnasium.make("CartPole-v1", **kwargs),
        {"unwrapped.length": [0.25, 1.5], "unwrapped.gravity": [5.0, 15.0]},
        derived={"unwrapped.polemass_length": "unwrapped.masspole * unwrapped.length"},
        return_range=(0, 500),
    )


@pytest.mark.parametrize(
    "env", [ToyEnv, VIEWS, DISCRETE, "TeachRL/PointMass-v0", "TeachRL/Hypercube-v0", "TeachRL/StumpTracks-v0"]
)
def test_environments_that_keep_their_contract(env: Any) -> None:
    check_env(env)


def test_an_environment_without_success_says_so() -> None:
    check_env(cart_pole, says_success=False)
    with pytest.raises(ContractBroken, match="is_success.*says_success=False"):
        check_env(cart_pole)


class Nameless(ToyEnv):
    """Names one of two coordinates."""

    task_names = ("goal",)  # type: ignore[assignment]


class Upside(ToyEnv):
    """Has its range upside down."""

    return_range = (0.0, -1.0)


class Clips(ToyEnv):
    """Clips tasks in silence."""

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        options = dict(options or {})
        if "task" in options:
            options["task"] = np.nan_to_num(
                np.clip(options["task"], self.task_space.low, self.task_space.high), nan=1.0
            )
        return super().reset(seed=seed, options=options)


class Vague(ToyEnv):
    """Refuses tasks without saying which coordinate is wrong."""

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        try:
            return super().reset(seed=seed, options=options)
        except InvalidTask:
            raise InvalidTask("Bad task.") from None


class Astray(ToyEnv):
    """Shows float64."""

    def _see(self) -> Any:
        return super()._see().astype(np.float64)


class NotANumber(ToyEnv):
    """Pays NaN."""

    def step(self, action: Any) -> Any:
        shown, _, *rest = super().step(action)
        return shown, float("nan"), *rest


class Silent(ToyEnv):
    """Never says success."""

    def step(self, action: Any) -> Any:
        return (*super().step(action)[:4], {})


class Rich(ToyEnv):
    """Pays more than it says."""

    return_range = (0.0, 1.0)


class Takes(ToyEnv):
    """Takes the task out of the options."""

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        task = options.pop("task", None) if options else None
        return super().reset(seed=seed, options=None if task is None else {"task": task})


class Remembers(ToyEnv):
    """Begins where the last episode ended, as a simulator that is not rebuilt does."""

    carried = 0.0

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        self.carried = 1e-6 * self._position
        return super().reset(seed=seed, options=options)

    def step(self, action: Any) -> Any:
        shown, reward, *rest = super().step(action)
        return shown, reward + self.carried, *rest


class Global(ToyEnv):
    """Draws its noise from NumPy's global generator."""

    def _noise(self) -> float:
        return float(np.random.uniform(-1, 1))


class Endless(ToyEnv):
    """Never ends."""

    max_episode_steps = 10**9

    def step(self, action: Any) -> Any:
        return self._see(), 0.0, False, False, {}


class Moving(ToyEnv):
    """Draws its test suite anew at each call."""

    def task_suite(self, name: str) -> Any:
        suite = default_suite(self.task_space, name, 4)
        return {k: replace(x, seed=int(np.random.default_rng().integers(2**31))) for k, x in suite.items()}


class AnySuite(ToyEnv):
    """Has every suite that it is asked for."""

    def task_suite(self, name: str) -> Any:
        return {"only": Lesson(self.task_space.low, 0)}


class Unseeded2(AnySuite):
    """Has a suite without seeds."""

    def task_suite(self, name: str) -> Any:
        return {"only": Lesson(self.task_space.low)}


class Afar(AnySuite):
    """Has a suite outside its space."""

    def task_suite(self, name: str) -> Any:
        return {"only": Lesson(self.task_space.high + 1, 0)}


class Lossy(ToyEnv):
    """Saves its position rounded."""

    def get_state(self) -> State:
        state = super().get_state()
        return replace(state, payload={"position": round(self._position, 2)})


class Opaque(ToyEnv):
    """Saves an object."""

    def get_state(self) -> State:
        return replace(super().get_state(), payload={"position": object()})


class Grey(ToyEnv):
    """Draws floats."""

    def render(self) -> Any:
        return None if self.render_mode is None else super().render() / 255


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (Nameless, "task_names must name each coordinate"),
        (Upside, "return_range must be"),
        (Clips, "must be InvalidTask.*no error"),
        (Vague, "must name the coordinate 'goal'.*Bad task"),
        (Astray, "observation of reset must be in its space"),
        (NotANumber, "must be a finite number.*nan"),
        (Silent, "is_success"),
        (Rich, "must lie in return_range"),
        (Takes, "must not change its options"),
        (Remembers, "played again after two others.*reward"),
        (Global, "played again|global random generators"),
        (Endless, "Episodes must end"),
        (Moving, "'validation' must be the same at every call"),
        (AnySuite, "unknown suite must be UnknownName"),
        (Unseeded2, "must have a seed"),
        (Afar, "must be in the space"),
        (Lossy, "must show what was shown"),
        (Opaque, "State of plain data"),
        (Grey, r"\(H, W, 3\) uint8.*float64"),
    ],
)
def test_environments_that_break_a_rule(env: Callable[..., Any], message: str) -> None:
    with pytest.raises(ContractBroken, match=f"(?s){message}"):
        check_env(env)


def test_a_vector_environment_that_plays_other_episodes_is_found() -> None:
    class Lighter(PointMassVector):
        """Pays a little more."""

        def step(self, actions: Any) -> Any:
            shown, rewards, *rest = super().step(actions)
            return shown, rewards + 1e-9, *rest

    gymnasium.register("Lighter-v0", "teachrl_envs.point_mass:PointMass", vector_entry_point=Lighter)
    try:
        with pytest.raises(ContractBroken, match="reward"):
            check_vector(EnvCase("Lighter-v0"))
    finally:
        del gymnasium.registry["Lighter-v0"]


def test_every_rule_has_a_name_and_a_sentence() -> None:
    names = [check.__name__ for check in ENV_CHECKS]
    assert len(set(names)) == len(names)
    assert all((check.__doc__ or "").endswith(".") for check in ENV_CHECKS)
