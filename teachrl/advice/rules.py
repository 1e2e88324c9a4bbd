"""Advice without a model: tasks at the edge of what the student can do."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachrl._checks import check_share
from teachrl.advice.answers import MOST
from teachrl.advice.questions import Question, learnability
from teachrl.configurable import Configurable


class RuleBased(Configurable):
    """Answers from the table alone, in the same JSON as a model, so that everything else can be run and tested.

    A share `1 - beyond` of the weight goes to cells by 4 p (1 - p) + |progress| / max |progress|, where p is the
    success (or the return, mapped to [0, 1]); the rest evenly to neighbours of cells with p of at least `mastered` that
    are not mastered themselves. While neither is known, it answers with the whole task space.

    Args:
        beyond: Share of the weight on neighbours of what is mastered.
        mastered: From which p on a cell is mastered.
    """

    def __init__(self, beyond: float = 0.3, mastered: float = 0.8) -> None:
        self.beyond = beyond
        self.mastered = mastered

    def validate(self, setup: Any) -> None:
        """Checks the arguments.

        Raises:
            InvalidHyperparameter: If one is not a share.
        """
        check_share(self, "beyond")
        check_share(self, "mastered")

    def propose(self, question: Question) -> dict[str, Any]:
        """Returns the answer as JSON data."""
        weights = self._weights(question)
        chosen = np.sort(np.argsort(-weights, kind="stable")[:MOST])
        cells = [{"cell": int(i), "weight": float(weights[i])} for i in chosen if weights[i] > 0]
        if not cells:
            return {
                "reason": "Nothing is known yet.",
                "cells": [],
                "boxes": [{"bounds": [], "weight": 1.0}],
                "tasks": [],
            }
        reason = "Cells that are solved now and then or where returns move, and neighbours of what is mastered."
        return {"reason": reason, "cells": cells, "boxes": [], "tasks": []}

    def _weights(self, question: Question) -> NDArray[np.float64]:
        if (standing := question.standing) is None:
            return np.zeros(len(question.partition))
        mastered = np.nan_to_num(standing.score) >= self.mastered
        near = np.zeros(len(mastered))
        for i in np.flatnonzero(mastered).tolist():
            near[question.partition.neighbours(i)] = 1.0
        near[mastered] = 0.0
        edge = learnability(standing)
        return (1 - self.beyond) * edge / (edge.sum() or 1.0) + self.beyond * near / (near.sum() or 1.0)
