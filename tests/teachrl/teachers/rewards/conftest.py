"""Steps made by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from teachrl.lessons import Lesson, Step
from teachrl.testing._school import rows_of


@pytest.fixture
def make_step() -> Callable[..., Step]:
    def make(observations: Any, following: Any, terminated: Any = False, truncated: Any = False, first: Any = False):
        n = rows_of(observations)
        masks = [np.broadcast_to(np.asarray(mask, dtype=bool), n).copy() for mask in (terminated, truncated, first)]
        nothing = np.zeros(n)
        return Step(
            observations, nothing, nothing, nothing.astype(bool), nothing, following, *masks, [Lesson()] * n
        )  # fmt: skip

    return make
