"""A teacher that knows all of a MiniGrid game and plans: its labels are right wherever a student has got to."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from teachrl.configurable import Configurable
from teachrl.errors import InvalidHyperparameter
from teachrl.lessons import Array, Bools, Floats, Labels, Observations

if TYPE_CHECKING:
    from gymnasium import spaces

    from teachrl_envs.minigrid.search import Plan

ACTIONS = 7
_DONE = 6  # does nothing
_UNLIKELY = -50.0  # the logit of an action that is not best; a finite one, so that divergences stay numbers


class Planner(Configurable):
    """Plans in MiniGrid's DoorKey, FourRooms, KeyCorridor, Memory, MultiRoom and ObstructedMaze.

    Reads the teacher's view. Finds the fewest steps to the end from every pose of a stage (a state of doors, things and
    hand), so that it labels any state a student gets into by looking it up; it plans again only when a stage is new to
    it, and what it does depends on no history but, in Memory, on whether the hint was seen. Which locked door, key and
    blockers to deal with is chosen by cheapest ways through obstacles, and things put away are taken to be out of the
    way: where several are left to deal with, distances can be off by some steps. A state that it finds no plan for has
    distance infinity and a label that is masked.

    Args:
        look: In Memory, walk to where the hint can be seen before walking to the answer, so that a student who follows
            can know what the teacher knows; False walks straight to it.
        cache: Stages that are remembered.
        seed: Of the choice among equally good actions where `act` is not deterministic.

    Raises:
        InvalidHyperparameter: If the cache is not positive.
    """

    def __init__(self, look: bool = True, cache: int = 2048, seed: int = 0) -> None:
        if cache < 1:
            raise InvalidHyperparameter(f"Planner.cache is a number of stages of at least 1, got {cache}.")
        self.look = look
        self.cache = cache
        self.seed = seed
        self._rng = np.random.default_rng(seed)
        self._plans: OrderedDict[tuple[bytes, ...], Plan] = OrderedDict()
        self._sights: OrderedDict[bytes, Bools] = OrderedDict()

    def check_space(self, space: spaces.Space[Any]) -> None:
        """Checks that it can read what a view shows, before a game begins.

        Raises:
            InvalidTeacher: If that is not the teacher's view of a game.
        """
        from gymnasium.vector.utils import create_empty_array

        from teachrl_envs.minigrid.world import teachers_view

        teachers_view(create_empty_array(space, 1))

    def act(
        self, observations: Observations, state: Any = None, first: Bools | None = None, deterministic: bool = True
    ) -> tuple[Array, Any]:
        """Chooses the best actions, the first of equally good ones or any of them; `done` where there is no plan.

        Args:
            observations: The teacher's view, `{"image": (B, W, H, 3), "facts": (B, 11)}`.
            state: What the last call returned; in Memory, (B,) whether the hint was seen, else None.
            first: (B,) bool, true where an episode begins.
            deterministic: Whether ties are broken by the actions' order.

        Returns:
            Actions (B,) int64 and the state.

        Raises:
            InvalidTeacher: If the observations are not those of the teacher's view.
        """
        best, _, state = self._consult(observations, state, first)
        if deterministic:
            return np.where(best.any(axis=1), best.argmax(axis=1), _DONE), state
        scores = best * self._rng.random(best.shape)
        return np.where(best.any(axis=1), scores.argmax(axis=1), _DONE), state

    def label(self, observations: Observations, state: Any = None, first: Bools | None = None) -> tuple[Labels, Any]:
        """Returns the labels of `act` with `logits` (B, 7) that share out all probability among the best actions.

        The mask is False where there is no plan, and where the episode is over.
        """
        best, _, state = self._consult(observations, state, first)
        mask: Bools = np.any(best, axis=1)
        return Labels(np.where(mask, best.argmax(axis=1), _DONE), {"logits": _logits(best)}, mask), state

    def distribution(self, observations: Observations, state: Any = None) -> dict[str, Array]:
        """Returns `logits` (B, 7) that share out all probability among the best actions, among all without a plan."""
        return {"logits": _logits(self._consult(observations, state, None)[0])}

    def distances(self, observations: Observations, state: Any = None) -> Floats:
        """Returns (B,) steps to success: 0 at the end, infinity where there is no plan.

        Without a `state`, Memory's hint counts as seen if it can be seen from where the agent stands.
        """
        return self._consult(observations, state, None)[1]

    def _consult(
        self, observations: Observations, state: Any, first: Bools | None
    ) -> tuple[NDArray[np.bool_], Floats, Any]:
        from teachrl_envs.minigrid.kernels import FAR
        from teachrl_envs.minigrid.world import teachers_view, without_agents

        images, facts = teachers_view(observations)
        images = without_agents(images, facts)
        poses = ((facts[:, 0].astype(int) * images.shape[2]) + facts[:, 1]) * 4 + facts[:, 2]
        seen = self._seen(images, facts, poses, state, first)
        best = np.zeros((len(images), ACTIONS), np.bool_)
        distances = np.full(len(images), np.inf)
        for k, pose in enumerate(poses.tolist()):
            plan = self._plan(images[k], facts[k], pose, seen is None or bool(seen[k]))
            if plan.value[pose] < FAR:
                distances[k] = plan.value[pose]
                best[k, plan.best(pose)] = True
        return best, distances, seen

    def _plan(self, image: NDArray[np.uint8], facts: NDArray[np.uint8], pose: int, seen: bool) -> Plan:
        """Returns the plan of a stage, kept from before if it was made for poses like this one."""
        from teachrl_envs.minigrid.kernels import FAR
        from teachrl_envs.minigrid.search import look_first, plan
        from teachrl_envs.minigrid.world import read_world

        key = (image.tobytes(), facts[4:].tobytes(), bytes([seen]))
        found = self._plans.get(key)
        if found is None or found.value[pose] == FAR:
            world = read_world(image, facts)
            found = plan(world, pose)
            if not seen:
                found = look_first(found, self._sight(image))
            _keep(self._plans, key, found, self.cache)
        return found

    def _seen(
        self, images: Array, facts: Array, poses: Array, state: Any, first: Bools | None
    ) -> NDArray[np.bool_] | None:
        """Returns (B,) whether Memory's hint was seen; None in other games, and where looking does not matter."""
        from teachrl_envs.minigrid.board import EMPTY

        if not self.look or not (facts[:, 7] == EMPTY).any():
            return None
        before = np.zeros(len(images), np.bool_) if state is None else np.asarray(state, np.bool_)
        if first is not None:
            before = before & ~np.asarray(first, np.bool_)
        now = [self._sight(image)[pose] for image, pose in zip(images, poses.tolist(), strict=True)]
        return before | np.array(now, np.bool_)

    def _sight(self, image: NDArray[np.uint8]) -> Bools:
        """Returns (poses,) from where Memory's hint can be seen."""
        from teachrl_envs.minigrid.hint import hint_seen

        key = image.tobytes()
        found = self._sights.get(key)
        if found is None:
            found = hint_seen(image)
            _keep(self._sights, key, found, self.cache)
        return found


def _keep(known: OrderedDict[Any, Any], key: Any, value: Any, most: int) -> None:
    known[key] = value
    if len(known) > most:
        known.popitem(last=False)


def _logits(best: NDArray[np.bool_]) -> Floats:
    among = np.where(best.any(axis=1, keepdims=True), best, True)
    return np.where(among, -np.log(among.sum(axis=1, keepdims=True)), _UNLIKELY).astype(np.float32)
