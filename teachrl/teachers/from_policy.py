"""A teacher made of any policy: a finished run, a planner, a function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from teachrl._checks import check_share
from teachrl.errors import InvalidHyperparameter, InvalidTeacher
from teachrl.lessons import Array, Bools, Labels, Lesson, Observations
from teachrl.observations import has_views, view_space
from teachrl.policies import as_policy, label
from teachrl.student import Policy
from teachrl.teacher import Setup, Teacher


class FromPolicy(Teacher):
    """Labels what the student sees with what a policy would do, or does it instead.

    A policy with a memory is asked once a step, in order, whichever channels are in use. One that sees its previous
    action is told what was executed, by the student or by whomever, where it has `after(state, executed)`, which
    returns its state with the actions (N, *a) in place of those that it chose.

    Args:
        policy: What to ask: a policy, a student that has begun, a Stable-Baselines3 model, a torch module, or a
            function of observations. Labels are soft where it has `distribution(observations)`, returning parameters
            by name. What it sees and does is compared with the environment where it has `observation_space` and
            `action_space`, or a `check_space(observation_space)` of its own.
        channels: `"labels"`, `"actions"`, or both.
        view: The view the policy sees, where the environment has several.
        share: Share of steps, drawn at random, that the actions channel overrides.
        tasks: Bounds [low, high] of the tasks that it is asked about, one pair for each coordinate, where several
            teachers share out the task space; empty is all of them.

    Raises:
        InvalidHyperparameter: In `begin`, if a channel, the share or the bounds are impossible.
        InvalidStudent: In `begin`, if `policy` is nothing that acts; a run is loaded in `validate`.
        InvalidTeacher: Likewise, if the policy sees something else or acts in another space, or the bounds hold no task
            of the space.
    """

    def __init__(
        self,
        policy: Any,
        channels: Sequence[str] = ("labels",),
        view: str = "teacher",
        share: float = 1.0,
        tasks: Sequence[Sequence[float]] = (),
    ) -> None:
        self.policy = policy
        self._channels = (channels,) if isinstance(channels, str) else tuple(channels)
        self.view = view
        self.share = share
        self.tasks = tasks

    @property
    def init_args(self) -> dict[str, Any]:
        """The constructor's arguments, by name."""
        own = {name: getattr(self, name) for name in ("policy", "view", "share", "tasks")}
        return {**own, "channels": list(self._channels)}

    @property
    def channels(self) -> frozenset[str]:
        """The channels that were asked for."""
        return frozenset(self._channels)

    def begin(self, setup: Setup) -> None:
        """Starts a run with a cleared memory."""
        super().begin(setup)
        if not self._channels or set(self._channels) - {"labels", "actions"}:
            raise InvalidHyperparameter(
                f"FromPolicy can use the channels 'labels' and 'actions', got {list(self._channels)}."
            )
        check_share(self, "share")
        self._bounds = _bounds(self.tasks, setup)
        self._viewed = has_views(setup.observation_space)
        if self._viewed:
            view_space(setup.observation_space, self.view)
        self._found: Policy | None = None
        if not callable(getattr(self.policy, "load", None)):
            self._acting()
        self._memory: Any = None
        self._asked: Observations = None
        self._answer = Labels(np.empty(0), None, np.empty(0, dtype=bool))

    def validate(self, setup: Setup) -> None:
        """Loads a policy that has to be, and checks that it fits; without this it is done when it is first asked.

        Raises:
            InvalidTeacher: If the policy sees something else or acts in another space.
        """
        self._acting()

    def _acting(self) -> Policy:
        if self._found is None:
            setup, view = self.setup, self.view if self._viewed else ""
            space = view_space(setup.observation_space, view) if view else setup.observation_space
            self._found = as_policy(self.policy, setup.action_space)
            for source in (self.policy, self._found):
                _check_spaces(source, space, setup, view)
                if callable(check := getattr(source, "check_space", None)):
                    check(space)
        return self._found

    def _ask(self, observations: Observations, first: Bools) -> Labels:
        if observations is not self._asked:
            self._asked = observations
            seen = observations[self.view] if self._viewed else observations
            policy = self._acting()
            self._answer, self._memory = label(policy, seen, self._remembered(policy), first)
        return self._answer

    def _remembered(self, policy: Policy) -> Any:
        """Returns the policy's state, with what was executed last in place of what it chose."""
        after, executed = getattr(policy, "after", None), self.setup.executed()
        if after is None or executed is None or self._memory is None:
            return self._memory
        return after(self._memory, executed)

    def label_actions(self, observations: Observations, lessons: Sequence[Lesson], first: Bools) -> Labels:
        """Labels every environment with the policy's action, where it has one and the task is its own."""
        found = self._ask(observations, first)
        if self._bounds is None:
            return found
        return Labels(found.actions, found.parameters, found.mask & self._responsible(lessons))

    def _responsible(self, lessons: Sequence[Lesson]) -> Bools:
        low, high = self._bounds  # type: ignore[misc]
        tasks = [np.full(len(low), np.nan) if lesson.task is None else np.asarray(lesson.task) for lesson in lessons]
        inside = (low <= np.stack(tasks)) & (np.stack(tasks) <= high)
        return np.asarray(inside.reshape(len(lessons), -1).all(axis=1))

    def override_actions(
        self, observations: Observations, actions: Array, lessons: Sequence[Lesson], first: Bools
    ) -> tuple[Array, Bools]:
        """Does what the policy would do, in a random share of the steps that it would label."""
        found = self.label_actions(observations, lessons, first)
        return found.actions, (self.rng.random(len(actions)) < self.share) & found.mask

    def state_dict(self) -> dict[str, Any]:
        """Returns the memory and the random state."""
        from teachrl.state import rng_state

        return {"rng": rng_state(self.rng), "memory": self._memory, "num_envs": self.setup.num_envs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        from teachrl.state import set_rng_state

        set_rng_state(self.rng, state["rng"])
        self._memory = state["memory"] if state["num_envs"] == self.setup.num_envs else None  # of other environments
        self._asked = None


def _bounds(tasks: Sequence[Sequence[float]], setup: Setup) -> tuple[Array, Array] | None:
    """Returns lowest and highest tasks, None where all tasks are its own."""
    if not len(tasks):
        return None
    shape = getattr(setup.task_space, "shape", None)
    pairs = np.asarray(tasks, dtype=np.float64)
    if shape is None or pairs.shape != (*shape, 2) or (pairs[..., 0] > pairs[..., 1]).any():
        raise InvalidHyperparameter(
            f"FromPolicy.tasks has one pair [low, high] for each coordinate of the task space {setup.task_space}, got "
            f"{tasks!r}."
        )
    _check_overlap(pairs, setup)
    return pairs[..., 0], pairs[..., 1]


def _check_overlap(pairs: Array, setup: Setup) -> None:
    """Refuses bounds that no task of the space is within."""
    low, high = getattr(setup.task_space, "low", -np.inf), getattr(setup.task_space, "high", np.inf)
    if (pairs[..., 1] >= low).all() and (pairs[..., 0] <= high).all():
        return
    pairs, low, high = pairs.reshape(-1, 2), np.ravel(low), np.ravel(high)
    names = setup.task_names or [f"coordinate {i}" for i in range(len(pairs))]
    own = ", ".join(f"{name} in [{a:g}, {b:g}]" for name, (a, b) in zip(names, pairs, strict=True))
    whole = ", ".join(f"{name} in [{a:g}, {b:g}]" for name, a, b in zip(names, low, high, strict=True))
    raise InvalidTeacher(
        f"A teacher that is asked about the tasks with {own} would label none: tasks of {setup.env_id} have {whole}. "
        "Give FromPolicy.tasks bounds within these."
    )


def _check_spaces(source: Any, seen: spaces.Space[Any], setup: Setup, view: str) -> None:
    """Refuses a policy that was made for other observations or actions."""
    own, acts = getattr(source, "observation_space", None), getattr(source, "action_space", None)
    if isinstance(acts, spaces.Space) and not _same_actions(acts, setup.action_space):
        raise InvalidTeacher(
            f"Teacher and student have different action spaces: the teacher's is {acts}, that of {setup.env_id} is "
            f"{setup.action_space}. Take a teacher that acts in {setup.action_space}."
        )
    if isinstance(own, spaces.Space) and not _fits(own, seen):
        where = f"the view {view!r} of {setup.env_id}" if view else setup.env_id
        offered = [] if not view else [n for n, s in setup.observation_space.spaces.items() if _fits(own, s)]  # type: ignore[attr-defined]
        hint = f"The view {offered[0]!r} fits." if offered else "Take a teacher that was trained on what it is to see."
        raise InvalidTeacher(f"The teacher sees {_shapes(own)}, but {where} shows {_shapes(seen)}. {hint}")


def _same_actions(a: spaces.Space[Any], b: spaces.Space[Any]) -> bool:
    if isinstance(a, spaces.Box) and isinstance(b, spaces.Box):
        return a.shape == b.shape and np.allclose(a.low, b.low) and np.allclose(a.high, b.high)
    return a == b


def _fits(own: spaces.Space[Any], seen: spaces.Space[Any]) -> bool:
    """Whether shapes agree, that of an image also with its channels first."""
    if isinstance(own, spaces.Dict) and isinstance(seen, spaces.Dict):
        return own.keys() == seen.keys() and all(_fits(own[name], seen[name]) for name in own.spaces)
    a, b = own.shape, seen.shape
    return type(own) is type(seen) and (
        a == b or (a is not None and b is not None and len(a) == 3 and a == (b[2], *b[:2]))
    )


def _shapes(space: spaces.Space[Any]) -> str:
    if isinstance(space, spaces.Dict):
        return "{" + ", ".join(f"{name}: {_shapes(part)}" for name, part in space.spaces.items()) + "}"
    return f"{type(space).__name__} of shape {space.shape}"
