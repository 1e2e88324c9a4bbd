"""From where can Memory's hint, the object in the start room, be seen?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from teachrl_envs.minigrid.board import BALL, EMPTY, KEY, VIEW, Board


def hint_seen(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Finds the poses from which the hint can be seen.

    Args:
        image: (W, H, 3) all cells, the agent taken out.

    Returns:
        (poses,) bool, pose (x * H + y) * 4 + direction.
    """
    width, height, _ = image.shape
    board = Board(image)
    hint = np.argwhere(np.isin(image[..., 0], (KEY, BALL)))[0]  # the westernmost: the answers lie at the other end
    found = np.zeros((width, height, 4), np.bool_)
    for x, y in np.argwhere(image[..., 0] == EMPTY).tolist():
        for direction, (dx, dy) in enumerate(((1, 0), (0, 1), (-1, 0), (0, -1))):
            ahead = (hint[0] - x) * dx + (hint[1] - y) * dy
            right = (hint[1] - y) * dx - (hint[0] - x) * dy
            if 0 <= ahead < VIEW and abs(right) <= VIEW // 2:
                seen = board.visible(x, y, direction)
                found[x, y, direction] = seen[VIEW // 2 + right, VIEW - 1 - ahead]
    return found.reshape(-1)
