"""Steps to success from any state, a function of the state alone."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachrl_envs.minigrid.kernels import FAR, Costs, Flags
from teachrl_envs.minigrid.search import plan, walked_to
from teachrl_envs.minigrid.world import read_world, without_agents


class Distances:
    """Finds the steps that the planner's plans take, and remembers them.

    A plan is made for one pose of a stage, and which locked door and blockers it deals with can hang on that pose. The
    planner takes the pose at which a stage was first met; here it is always the first cell of those that can be walked
    to, so that a state's distance does not depend on what was asked before. It can differ from the planner's by a few
    steps where there are several ways. In Memory, looking at the hint is left out: these are the steps that one who
    knows the answer takes.

    Args:
        cache: Stages that are remembered.
    """

    def __init__(self, cache: int = 2048) -> None:
        self._cache = cache
        self._known: OrderedDict[bytes, tuple[tuple[Flags, Costs], ...]] = OrderedDict()  # by parts that hang together

    def __call__(self, images: NDArray[Any], facts: NDArray[Any]) -> NDArray[np.float64]:
        """Returns (B,) steps to success, infinity where there is no way; of the teachers' images and facts."""
        cells = without_agents(images, facts)
        poses = (facts[:, 0].astype(int) * images.shape[2] + facts[:, 1]) * 4 + facts[:, 2]
        steps = [self._steps(cells[k], facts[k], pose) for k, pose in enumerate(poses.tolist())]
        found = np.array(steps, np.float64)
        return np.where(found < FAR, found, np.inf)

    def _steps(self, cells: NDArray[np.uint8], facts: NDArray[np.uint8], pose: int) -> int:
        key = cells.tobytes() + facts[4:].tobytes()
        parts = self._known.get(key, ())
        for reached, value in parts:
            if reached[pose // 4]:
                return int(value[pose])
        world = read_world(cells, facts)
        reached = walked_to(world, pose // 4)
        value = plan(world, 4 * int(np.argmax(reached))).value
        self._known[key] = (*parts, (reached, value))
        if len(self._known) > self._cache:
            self._known.popitem(last=False)
        return int(value[pose])
