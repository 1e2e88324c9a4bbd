"""What the environments of classic control have in common: two views, a time limit, exact states."""

from __future__ import annotations

import os
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Dict
from numpy.typing import NDArray

from teachrl.errors import InvalidEnvironment
from teachrl.seeds import draw_seed
from teachrl.snapshots import State
from teachrl_envs.classic.students import StudentView

Views = dict[str, NDArray[np.float32]]


class Viewed(gymnasium.Env[Any, Any]):
    """A mix-in for one of Gymnasium's own environments, before it in the bases.

    An episode is a pure function of (start, seed, actions). Each class gives `max_episode_steps`, `picture_size`,
    `step`, `_observe` and, where the simulation has more variables than `state`, `_payload` and `_place`.
    """

    max_episode_steps: int
    picture_size: tuple[int, int]
    state: Any
    screen: Any

    def _show(self, student: StudentView) -> None:
        """Turns the observation into the views of a student and of a teacher, who sees all of it."""
        whole = cast(Box, self.observation_space)
        self.observation_space = Dict({"student": student.space(whole), "teacher": whole})
        self._student = student
        self._seed: int | None = None
        self._elapsed, self._over = 0, True

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Views, dict[str, Any]]:
        """Begins an episode.

        Args:
            seed: The episode's seed; without one, the start's or one drawn from the environment's generator.
            options: `"start"`, a state of `get_state`, whose steps count towards the time limit; the rest is
                Gymnasium's.

        Returns:
            Both views and an empty info.

        Raises:
            InvalidEnvironment: If the start is not a state of this environment.
        """
        rest = dict(options or {})
        start = rest.pop("start", None)
        if seed is None:
            known = None if start is None else start.seed
            seed = draw_seed(self.np_random) if known is None else known
        super().reset(seed=seed, options=rest or None)
        self._seed, self._elapsed, self._over = seed, 0, False
        self._place({"state": np.asarray(self.state)} if start is None else self._checked(start))
        self._elapsed = 0 if start is None else start.elapsed
        self._student.begin(seed, self.max_episode_steps)
        return self._views(self._observe()), {}

    def get_state(self) -> State:
        """Returns the exact state, for `reset(options={"start": state})`.

        Raises:
            ResetNeeded: Before the first reset.
        """
        if self._seed is None:
            raise ResetNeeded("Call reset() before get_state().")
        env_id = self.spec.id if self.spec else f"TeachRL/{type(self).__name__}-v0"
        return State("exact", env_id, self._seed, None, self._payload(), self._elapsed)

    def render(self) -> Any:
        """Returns Gymnasium's picture, (height, width, 3) uint8, None without a render mode.

        Raises:
            ResetNeeded: Before the first reset.
        """
        if self._seed is None:
            raise ResetNeeded("Call reset() before render().")
        if self.render_mode is None:
            return None
        if self.screen is None:
            self.screen = _surface(self.picture_size)  # else Gymnasium opens a display, which its picture does not need
        return super().render()

    def close(self) -> None:
        """Lets go of the picture; Gymnasium's own would end pygame for the whole process."""
        self.screen = None

    def _payload(self) -> dict[str, Any]:
        return {"state": np.array(self.state, np.float64)}

    def _place(self, payload: dict[str, Any]) -> None:
        self.state = tuple(np.asarray(payload["state"], np.float64).tolist())

    def _observe(self) -> NDArray[np.float32]:
        raise NotImplementedError

    def _views(self, observation: NDArray[np.float32]) -> Views:
        return {"student": self._student.see(observation, self._elapsed), "teacher": observation}

    def _checked(self, start: State) -> dict[str, Any]:
        expected = self._payload()
        if start.kind != "exact" or set(start.payload) != set(expected):
            raise InvalidEnvironment(
                f"{type(self).__name__} begins at exact states with {sorted(expected)}, got a state of kind "
                f"{start.kind!r} of {start.env_id!r} with {sorted(start.payload)}. Take states with get_state()."
            )
        values = np.asarray(start.payload["state"], np.float64)
        if values.shape != expected["state"].shape or not np.isfinite(values).all():
            raise InvalidEnvironment(f"A start's state must be {expected['state'].size} finite numbers, got {values}.")
        if not 0 <= start.elapsed < self.max_episode_steps:
            raise InvalidEnvironment(
                f"A start's elapsed steps must be 0 to {self.max_episode_steps - 1}, got {start.elapsed}."
            )
        return start.payload

    def _not_running(self) -> Exception:
        if self._seed is None:
            return ResetNeeded("Call reset() before step().")
        return InvalidEnvironment(f"The episode of {type(self).__name__} has ended: call reset() before the next step.")


def _surface(size: tuple[int, int]) -> Any:
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # a library does not print
    import pygame

    return pygame.Surface(size)
