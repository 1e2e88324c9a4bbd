"""MiniGrid's games, seen in part by the student and in full by the teacher (https://arxiv.org/abs/2306.13831)."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import load_env_creator
from numpy.typing import NDArray

from teachrl.errors import InvalidEnvironment, InvalidTask, UnknownName
from teachrl_envs.minigrid import GAMES
from teachrl_envs.minigrid.board import AGENT, BALL, BOX, COLOURS, DOOR, GOAL, VIEW, Board, hidden

_LARGEST = AGENT  # of all numbers in an image
_TRIES = 100  # MiniGrid now and then paints itself into a corner and gives up
_PICKUP, _DROP, _TOGGLE = 3, 4, 5

Observation = dict[str, dict[str, Any]]


class MiniGridViews(gym.Env[Observation, np.int64]):
    """One of MiniGrid's games, with a view for the student and one for the teacher.

    The rules, the rewards (1 - 0.9 steps / limit at success), the time limit and the seven actions (left, right,
    forward, pick up, drop, toggle, done) are MiniGrid's own, and so are the levels: the same seed is the same level as
    in MiniGrid. An episode is a function of its seed and actions; there is no task space. `is_success` is whether the
    episode terminated with a reward.

    The observation is a dict of views, each a dict:

    - `"student"`: `image` (7, 7, 3) uint8, MiniGrid's partial view bit for bit, its bounds being those of its codes;
      `direction`, 0 to 3; and, in KeyCorridor alone, where the text of the mission varies, `mission`, the colour of the
      ball to pick up.
    - `"teacher"`: `image` (W, H, 3) uint8, all cells encoded as MiniGrid does (types, colours, states), the agent's own
      being (10, 0, direction), and the state of a box 1 + the colour of the key in it, 0 if it is empty; and `facts`
      (11,) uint8: the agent's x, y and direction; 1 + the colour of the open door it stands in, or 0; type and colour
      of what it carries, and if that is a box, 1 + the colour of the key in it (zeros for nothing); type, colour, x
      and y of the target: a goal (8) to be reached, a ball (6) to be picked up, or the empty cell (1) beside Memory's
      right answer.

    Args:
        game: MiniGrid's id, such as `MiniGrid-DoorKey-8x8-v0`.
        render_mode: `"rgb_array"` or None.

    Raises:
        UnknownName: If there is no such game among those that have views.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 (Gymnasium's own declaration)
    training_defaults: ClassVar[dict[str, Any]] = {"steps": 500_000, "num_envs": 16}
    provides: ClassVar[dict[str, str]] = {
        "planner": "teachrl_envs.minigrid.planner:Planner",
        "layouts": "teachrl_envs.minigrid.layouts:MiniGridLayouts",
    }
    task_space = None
    return_range = (0.0, 1.0)

    def __init__(self, game: str, render_mode: str | None = None) -> None:
        from teachrl_envs.drawing import check_render_mode

        check_render_mode(render_mode)
        self.render_mode = render_mode
        self._game = _make(game, render_mode)
        self.max_episode_steps = int(self._game.max_steps)
        self._varied = "KeyCorridor" in game
        self.action_space = spaces.Discrete(len(self._game.actions))
        self.observation_space: spaces.Space[Any] = _space(self._game.width, self._game.height, self._varied)
        self._board: Board | None = None
        self._target = (0, 0, 0, 0)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begins the level of a seed.

        Args:
            seed: The level.
            options: Nothing that this environment knows.

        Returns:
            The observation and an empty info.

        Raises:
            InvalidTask: If a task is asked for.
            InvalidEnvironment: If MiniGrid cannot make the level.
        """
        if (options or {}).get("task") is not None:
            raise InvalidTask("MiniGrid's games have no tasks: their levels differ by seed alone. Give a seed.")
        self._generate(seed)
        self._np_random, self._np_random_seed = self._game._np_random, self._game._np_random_seed
        self._board = Board.of_grid(self._game.grid)
        self._target = _target(self._game, self._board)
        return self._observe(self._board), {}

    def _generate(self, seed: int | None) -> None:
        for trial in range(_TRIES):
            try:
                self._game.reset(seed=seed if trial == 0 else None)
                return
            except RecursionError:  # further attempts go on with the seed's own stream
                continue
        raise InvalidEnvironment(f"MiniGrid could not make the level of seed {seed} in {_TRIES} attempts.")

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Plays a step.

        Args:
            action: 0 to 6: left, right, forward, pick up, drop, toggle, done.

        Raises:
            InvalidEnvironment: If no episode has begun.
        """
        game, board, chosen = self._game, self._begun(), int(action)
        _, reward, terminated, truncated, _ = game.step(chosen)
        if chosen in (_PICKUP, _DROP, _TOGGLE):
            x, y = game.front_pos.tolist()
            board.put(x, y, game.grid.get(x, y))
        info = {"is_success": bool(terminated and reward > 0)} if terminated or truncated else {}
        return self._observe(board), float(reward), bool(terminated), bool(truncated), info

    def _observe(self, board: Board) -> Observation:
        game = self._game
        x, y, direction, carried = int(game.agent_pos[0]), int(game.agent_pos[1]), int(game.agent_dir), game.carrying
        student: dict[str, Any] = {"image": board.view(x, y, direction, carried), "direction": np.int64(direction)}
        if self._varied:
            student["mission"] = np.int64(self._target[1])
        kind, colour, _ = board.cells[x, y].tolist()
        image = board.cells.copy()
        image[x, y] = (AGENT, 0, direction)
        facts = (x, y, direction, 1 + colour if kind == DOOR else 0, *_carried(carried), *self._target)
        return {"student": student, "teacher": {"image": image, "facts": np.array(facts, np.uint8)}}

    def render(self) -> NDArray[np.uint8] | None:
        """Returns MiniGrid's picture (32 H, 32 W, 3), or None without a render mode.

        Raises:
            InvalidEnvironment: If no episode has begun.
        """
        if self.render_mode is None:
            return None
        self._begun()
        picture: NDArray[np.uint8] = self._game.render()
        return picture

    def close(self) -> None:
        """Closes MiniGrid's game."""
        self._game.close()

    def _begun(self) -> Board:
        if self._board is None:
            raise InvalidEnvironment("This MiniGrid game has no episode yet: call reset() first.")
        return self._board


def _make(game: str, render_mode: str | None) -> Any:
    if game not in GAMES:
        raise UnknownName("MiniGrid game with views", game, GAMES)
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # a library does not print
    import minigrid  # noqa: F401 (registers the games)

    spec = gym.registry[game]  # gym.make warns of old versions, which are asked for by name here
    creator: Any = load_env_creator(str(spec.entry_point))
    made: Any = creator(**spec.kwargs, render_mode=render_mode)
    made.gen_obs = _nothing  # the views are made from the board instead, once a step
    return made


def _nothing() -> None:
    return None


def _space(width: int, height: int, varied: bool) -> spaces.Dict:
    student: dict[str, spaces.Space[Any]] = {
        "image": spaces.Box(0, _LARGEST, (VIEW, VIEW, 3), np.uint8),
        "direction": spaces.Discrete(4),
    }
    if varied:
        student["mission"] = spaces.Discrete(COLOURS)
    x, y, colour = width - 1, height - 1, COLOURS - 1
    highs = (x, y, 3, COLOURS, _LARGEST, colour, COLOURS, _LARGEST, colour, x, y)
    teacher: dict[str, spaces.Space[Any]] = {
        "image": spaces.Box(0, _LARGEST, (width, height, 3), np.uint8),
        "facts": spaces.Box(np.zeros(len(highs), np.uint8), np.array(highs, np.uint8), dtype=np.uint8),
    }
    return spaces.Dict({"student": spaces.Dict(student), "teacher": spaces.Dict(teacher)})


def _carried(thing: Any) -> tuple[int, int, int]:
    if thing is None:
        return 0, 0, 0
    kind, colour, _ = thing.encode()
    return kind, colour, hidden(thing) if kind == BOX else 0


def _target(game: Any, board: Board) -> tuple[int, int, int, int]:
    """Returns type, colour, x and y of what ends an episode with success."""
    if hasattr(game, "success_pos"):
        x, y = game.success_pos
        return 1, 0, int(x), int(y)
    if hasattr(game, "obj"):
        x, y = game.obj.cur_pos
        return BALL, int(game.obj.encode()[1]), int(x), int(y)
    x, y = np.argwhere(board.cells[..., 0] == GOAL)[0].tolist()
    return GOAL, int(board.cells[x, y, 1]), x, y
