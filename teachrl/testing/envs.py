"""Does an environment keep the contract of task environments?"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium import spaces

from teachrl.errors import InvalidTask, UnknownName
from teachrl.lessons import Lesson
from teachrl.observations import equal, take
from teachrl.snapshots import State
from teachrl.tasks import SUITES, default_suite, sample_tasks, task_names
from teachrl.testing._play import Player, attribute, first_difference
from teachrl.testing._support import (
    EnvLike,
    blamed,
    call_error,
    difference,
    env_maker,
    require,
    through_disk,
    untouched_generators,
)
from teachrl.vector import make_vec


@dataclass(frozen=True)
class EnvCase:
    """What a check is about.

    Attributes:
        env: The environment's id, or what makes one.
        max_steps: Steps within which an episode of random actions must end.
        says_success: Whether it says on an episode's last step if that was a success.
    """

    env: EnvLike
    max_steps: int = 3000
    says_success: bool = True

    def make(self, **kwargs: Any) -> gymnasium.Env[Any, Any]:
        """Makes one."""
        return env_maker(self.env)(**kwargs)

    def player(self) -> Player:
        """Returns a fresh environment, ready to be played."""
        return Player(self.make(), self.max_steps)

    def tasks(self, n: int, seed: int = 0) -> list[Any]:
        """Returns `n` tasks, None without a task space."""
        space = attribute(self.make(), "task_space")
        return [None] * n if space is None else sample_tasks(space, n, np.random.default_rng(seed))


def check_env(env: EnvLike, max_steps: int = 3000, says_success: bool = True) -> None:
    """Checks an environment against the contract of task environments.

    Args:
        env: A registered id, or a class or function that makes one.
        max_steps: Steps within which an episode of random actions must end.
        says_success: Whether `info["is_success"]` is expected on an episode's last step; False for an environment
            that has no notion of success.

    Raises:
        ContractBroken: At the first rule that is not kept.
    """
    for check in ENV_CHECKS:
        check(EnvCase(env, max_steps, says_success))


def check_attributes(case: EnvCase) -> None:
    """`task_space`, `task_names` and `return_range` are what they should be."""
    env = case.make()
    space, names, bounds = (attribute(env, name) for name in ("task_space", "task_names", "return_range"))
    look = "Parametrised(env, {'unwrapped.attribute': [low, high]}) gives any environment a task space."
    require(space is None or isinstance(space, spaces.Space), "task_space must be a gymnasium.Space.", space, look)
    if isinstance(space, spaces.Box):
        right = isinstance(names, tuple) and len(set(names)) == len(names) == int(np.prod(space.shape))
        look = f"Give a tuple of {np.prod(space.shape):.0f} different names."
        require(right, f"task_names must name each coordinate of {space}.", names, look)
    right = bounds is None or (len(bounds) == 2 and bounds[0] < bounds[1])
    require(right, "return_range must be (lowest, highest) or None.", bounds, "It is what teachers scale returns by.")


def check_invalid_tasks(case: EnvCase) -> None:
    """A task outside the space is refused with the name of the coordinate, never clipped."""
    env = case.make()
    space = attribute(env, "task_space")
    for task, name in _outside(space, attribute(env, "task_names") or ()):
        error = call_error(lambda task=task: env.reset(seed=0, options={"task": task}))  # type: ignore[misc]
        said = "no error" if error is None else f"{type(error).__name__}: {error}"
        look = "Pass tasks through teachrl.tasks.check_task in reset."
        require(isinstance(error, InvalidTask), f"The task {task!r} outside the space must be InvalidTask.", said, look)
        require(name in str(error), f"The error for {task!r} must name the coordinate {name!r}.", said, look)


def _outside(space: Any, names: tuple[str, ...]) -> list[tuple[Any, str]]:
    if not isinstance(space, spaces.Box):
        return [] if space is None else [(object(), "")]
    middle = sample_tasks(space, 1, np.random.default_rng(0))[0] if space.is_bounded() else np.zeros(space.shape)
    found = []
    for i, name in enumerate(task_names(space, names)):
        for bound, beyond in ((space.low.flat[i], -1.0), (space.high.flat[i], 1.0), (0.0, np.nan)):
            if np.isfinite(bound):
                task = np.array(middle, np.float64)
                task.flat[i] = bound + beyond
                found.append((task, name))
    return found


def check_spaces(case: EnvCase) -> None:
    """Observations lie in their space, rewards are finite numbers, ends are bools, infos are dicts."""
    player = case.player()
    for k, task in enumerate(case.tasks(3)):
        player.play(task, seed=k, actions=k, watch=True)


def check_success(case: EnvCase) -> None:
    """`info["is_success"]` is a bool on the last step of every episode."""
    player = case.player()
    for k, task in enumerate(case.tasks(3)):
        success = player.play(task, seed=k, actions=k).success
        if case.says_success or success is not None:
            look = "Set it on the last step; check_env(..., says_success=False) if there is no success."
            require(
                isinstance(success, bool | np.bool_), 'info["is_success"] must be a bool at the end.', success, look
            )


def check_return_range(case: EnvCase) -> None:
    """Returns lie in `return_range`."""
    player = case.player()
    bounds = attribute(player.env, "return_range")
    for k, task in enumerate(case.tasks(3) if bounds is not None else []):
        total = sum(player.play(task, seed=k, actions=k).rewards)
        slack = 1e-6 * max(1.0, abs(bounds[0]), abs(bounds[1]))
        inside = bounds[0] - slack <= total <= bounds[1] + slack
        require(inside, f"Returns must lie in return_range {bounds}.", f"{total:g} in {task!r}", "Widen it.")


def check_pure_episodes(case: EnvCase) -> None:
    """An episode is a function of task, seed and actions alone, whatever was played before in the same object."""
    first, second = case.tasks(2)
    used = case.player()
    once = used.play(first, seed=7, actions=1)
    used.play(second, seed=8, actions=2)
    used.play(second, seed=9, actions=3, stop_after=3)
    again, fresh = used.play(first, seed=7, actions=1), case.player().play(first, seed=7, actions=1)
    for other, when in ((again, "played again after two others"), (fresh, "played in a fresh environment")):
        found = first_difference(once, other)
        look = "Rebuild the simulation in reset, and draw from self.np_random after super().reset(seed=seed)."
        require(not found, f"The same lesson and actions, {when}, must be the same episode.", found, look)


def check_generators(case: EnvCase) -> None:
    """No global random generator is touched or depended on."""
    task = case.tasks(1)[0]
    episodes = []
    for seed in (1, 2):
        with untouched_generators("An environment", seed):
            episodes.append(case.player().play(task, seed=5, actions=4))
    found = first_difference(*episodes)
    require(not found, "An episode must not depend on the global random generators.", found, "Use self.np_random.")


def check_options_unchanged(case: EnvCase) -> None:
    """The `options` of a reset and the task in it are read, never written to, and neither are actions."""
    player, task = case.player(), case.tasks(1)[0]
    options = {} if task is None else {"task": task}
    before = copy.deepcopy(options)
    player.play(task, seed=3, actions=5, options=options)
    found = difference(before, options)
    require(not found, "reset must not change its options.", found, "Take what you need with options.get.")


def check_suites(case: EnvCase) -> None:
    """The suites are fixed lessons with seeds, inside the space, and unknown names are errors."""
    env, other = case.make(), case.make()
    space = attribute(env, "task_space")
    names = tuple(dict.fromkeys((*SUITES, *(attribute(env, "suites") or ()))))
    for name in names:
        suite = _suite(env, space, name)
        look = f"See task_suite({name!r})."
        kept = isinstance(suite, dict) and bool(suite) and all(isinstance(x, Lesson) for x in suite.values())
        require(kept, f"The suite {name!r} must be lessons by name.", type(suite).__name__, look)
        for key, lesson in suite.items():
            require(lesson.seed is not None, f"Each lesson of {name!r} must have a seed.", f"none in {key!r}", look)
            inside = space is None or space.contains(lesson.task)
            require(inside, f"Each task of {name!r} must be in the space.", f"{lesson.task!r} in {key!r}", look)
        plain = [{k: (x.task, x.seed) for k, x in _suite(e, space, name).items()} for e in (env, env, other)]
        found = difference(plain[0], plain[1]) or difference(plain[0], plain[2])
        require(not found, f"The suite {name!r} must be the same at every call.", found, look)
    error = call_error(lambda: _suite(env, space, "no such suite"))
    look = "Raise teachrl.errors.UnknownName."
    require(isinstance(error, UnknownName), "An unknown suite must be UnknownName.", repr(error), look)


def _suite(env: Any, space: Any, name: str) -> dict[str, Lesson]:
    own = attribute(env, "task_suite")
    return default_suite(space, name) if own is None else cast(dict[str, Lesson], own(name))


def check_solvable(case: EnvCase) -> None:
    """`solvable(task)`, which an environment may have, tells from the task alone whether it can be solved at all."""
    player = case.player()
    if attribute(player.env, "solvable") is None:
        return
    tasks, envs = case.tasks(20, seed=2), make_vec(case.env, 2)
    look = "solvable(task) looks at the task alone; leave it out where there is no certain answer for every task."
    with blamed("solvable must answer for every task.", look), untouched_generators("solvable", seed=1):
        answers = [attribute(player.env, "solvable")(task) for task in tasks]
    wrong = [answer for answer in answers if not isinstance(answer, bool | np.bool_)]
    require(not wrong, "solvable(task) must return a bool.", wrong[:1], look)
    player.play(tasks[0], seed=1, actions=1)
    for env, when in ((player.env, "after an episode"), (case.make(), "in a fresh environment")):
        again = [attribute(env, "solvable")(task) for task in tasks]
        require(again == answers, f"solvable must give the same answers {when}.", f"{again}, not {answers}", look)
    together = envs.solvable(tasks) if envs.tells_solvable else None
    look = "A class of vector_entry_point defines solvable(tasks) and tells_solvable = True."
    require(together == answers, "make_vec must answer as one environment does.", together, look)


def check_states(case: EnvCase) -> None:
    """A state of `get_state`, kept as data, is where another environment goes on bit for bit."""
    task, envs, others = case.tasks(1)[0], make_vec(case.env, 1), make_vec(case.env, 1)
    if not envs.restorable:
        return
    whole = case.player().play(task, seed=11, actions=6)
    steps = min(3, len(whole.actions) - 1)
    envs.reset(options={"lessons": [Lesson(task, seed=11)]})
    for action in whole.actions[:steps]:
        envs.step(np.stack([action]))
    with blamed("get_state must return a teachrl State of plain data.", "See teachrl.snapshots.State."):
        data = through_disk(envs.get_state()[0].to_data())
    require(data["elapsed"] == steps, f"After {steps} steps, State.elapsed must be {steps}.", data["elapsed"], "Count.")
    with blamed("reset must take a state of get_state.", 'See reset(options={"start": state}).'):
        shown, _ = others.reset(options={"lessons": [Lesson(task, seed=11, start=State.from_data(data))]})
    look = "The state must hold everything that the next steps depend on, the random stream too."
    same = equal(take(shown, 0), whole.observations[steps])
    require(same, "A restored state must show what was shown.", take(shown, 0), look)
    found = first_difference(whole.after(steps), Player.play_vector(others, [whole.actions[steps:]])[0])
    require(not found, "A restored state must go on as the undisturbed episode.", found, look)


def check_rendering(case: EnvCase) -> None:
    """`render_mode="rgb_array"` gives pictures, (H, W, 3) uint8, where the metadata promise it."""
    if "rgb_array" not in case.make().metadata.get("render_modes", []):
        return
    with blamed('It must be made with render_mode="rgb_array".', "metadata['render_modes'] promises it."):
        env = case.make(render_mode="rgb_array")
        env.reset(seed=0)
        picture: Any = env.render()
    env.close()
    kept = isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.shape[2:] == (3,)
    came = f"{getattr(picture, 'dtype', type(picture).__name__)} {np.shape(picture)}"
    require(kept, "render must return (H, W, 3) uint8.", came, "See render.")


def check_vector(case: EnvCase) -> None:
    """Two environments of `make_vec` play the episodes that one environment plays alone."""
    tasks = case.tasks(2, seed=1)
    alone = [case.player().play(task, seed=20 + k, actions=30 + k) for k, task in enumerate(tasks)]
    envs = make_vec(case.env, 2)
    lessons = [Lesson(task, seed=20 + k) for k, task in enumerate(tasks)]
    with blamed("make_vec must play it.", "See vector_entry_point, if it has one."):
        shown, _ = envs.reset(options={"lessons": lessons})
        together = Player.play_vector(envs, [episode.actions for episode in alone])
    for k, (one, other) in enumerate(zip(alone, together, strict=True)):
        same = equal(take(shown, k), one.observations[0])
        require(same, "make_vec must begin the same episodes as one environment.", take(shown, k), "See its reset.")
        found = first_difference(one.after(0), other)
        require(not found, "make_vec must play the same episodes as one environment.", found, "See vector_entry_point.")


ENV_CHECKS: tuple[Callable[[EnvCase], None], ...] = (
    check_attributes,
    check_invalid_tasks,
    check_spaces,
    check_success,
    check_return_range,
    check_options_unchanged,
    check_pure_episodes,
    check_generators,
    check_suites,
    check_solvable,
    check_states,
    check_rendering,
    check_vector,
)
"""The rules for environments, each a function of an `EnvCase`."""
