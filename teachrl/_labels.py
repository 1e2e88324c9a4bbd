"""Labels as teachers give them, looked at once a step before anything is done with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from teachrl.errors import InvalidTeacher, NonFiniteData, TeachrlError
from teachrl.lessons import Array, Bools, Labels, Lesson, Observations

if TYPE_CHECKING:
    from teachrl.teacher import LabelsActions

_all = np.logical_and.reduce
_NUMBERS = "biuf"


class LabelAsker:
    """Asks teachers for labels, and refuses what is not one finite action of the space for each environment.

    Numbers may lie outside a Box, as what a policy is before the environment clips it; a logit may be -inf. What the
    mask leaves out may be anything.

    Args:
        space: The action space.
        env_id: What messages call the environment.
    """

    def __init__(self, space: spaces.Space[Any], env_id: str) -> None:
        self._space, self._env_id, self._shape = space, env_id, tuple(space.shape or ())
        self._box = not isinstance(space, spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary)
        self._low = np.asarray(getattr(space, "start", 0), np.int64)
        count = space.n if isinstance(space, spaces.Discrete) else getattr(space, "nvec", 2)
        self._high = self._low + np.asarray(count, np.int64) - 1

    def __call__(
        self, teacher: LabelsActions, observations: Observations, lessons: Sequence[Lesson], first: Bools
    ) -> Labels:
        """Returns a teacher's labels as it gives them; arguments as those of `label_actions`.

        Raises:
            InvalidTeacher: If it fails, or they do not fit the action space and the environments; names the teacher.
            NonFiniteData: If one that counts is NaN or infinite.
        """
        try:
            labels = teacher.label_actions(observations, lessons, first)
        except TeachrlError:
            raise
        except Exception as error:  # whatever a policy does with observations that it was not made for
            raise InvalidTeacher(
                f"{named(teacher)} cannot label what {self._env_id} shows: {type(error).__name__}: {error}. Check that "
                "it is meant for this environment, and its view."
            ) from error
        if not self._plainly_right(labels, len(lessons)):
            self._look_closely(labels, len(lessons), named(teacher))
        return labels

    def _plainly_right(self, labels: Any, n: int) -> bool:
        """Tells within microseconds that all rows are right; if not, those that count may be right all the same."""
        if not isinstance(labels, Labels):
            return False
        actions, mask, parameters = labels.actions, labels.mask, labels.parameters
        if not (type(actions) is type(mask) is np.ndarray and mask.shape == (n,) and mask.dtype.kind == "b"):
            return False
        kind = actions.dtype.kind
        if actions.shape != (n, *self._shape) or kind not in ("fiu" if self._box else "iu"):
            return False
        right = np.isfinite(actions) if self._box else (actions >= self._low) & (actions <= self._high)
        if not _all(right, axis=None):
            return False
        if parameters is None:
            return True
        return isinstance(parameters, Mapping) and all(
            type(part) is np.ndarray
            and part.dtype.kind == "f"
            and part.shape[:1] == (n,)
            and _all(part < np.inf if name == "logits" else np.isfinite(part), axis=None)
            for name, part in parameters.items()
        )

    def _look_closely(self, labels: Any, n: int, name: str) -> None:
        if not isinstance(labels, Labels):
            raise InvalidTeacher(
                f"{name} must label with teachrl.Labels(actions, parameters, mask), got {labels!r:.200}."
            )
        if not isinstance(labels.parameters, Mapping | None):
            raise InvalidTeacher(
                f"The parameters of the labels of {name} are arrays by name, such as {{'logits': ...}}, or None; got "
                f"{labels.parameters!r:.200}."
            )
        actions, mask = _array("actions", labels.actions, name), _array("mask", labels.mask, name)
        if actions.shape != (n, *self._shape) or mask.shape != (n,):
            raise InvalidTeacher(
                f"{name} must label {n} environments with actions {(n, *self._shape)} and a mask {(n,)}, got "
                f"{actions.shape} and {mask.shape}."
            )
        counts = mask.astype(bool)
        parts = {key: _array(key, part, name) for key, part in (labels.parameters or {}).items()}
        for key, part in {"actions": actions, **parts}.items():
            if part.shape[:1] != (n,):
                raise InvalidTeacher(f"{key!r} of the labels of {name} must have {n} rows, got the shape {part.shape}.")
            wrong = ~(np.isfinite(part) | ((part == -np.inf) & (key == "logits"))).reshape(n, -1).all(1) & counts
            if wrong.any():
                raise NonFiniteData(
                    f"The labels of {name} hold NaN or infinity in {key!r}, the first in environment "
                    f"{int(np.flatnonzero(wrong)[0])}. Check what it sees (its view and its observation normaliser), "
                    "or leave such steps out with the mask of `Labels`."
                )
        given = actions[counts]
        if not self._box and ((given < self._low) | (given > self._high) | (given != np.round(given))).any():
            raise InvalidTeacher(
                f"{name} labels with actions that {self._space} does not have: {np.unique(given)[:10]}."
            )


def named(teacher: object) -> str:
    """Returns what messages call a teacher: its class, and its policy's if it has one."""
    policy = getattr(teacher, "policy", None)
    return type(teacher).__name__ + ("" if policy is None else f" ({type(policy).__name__})")


def _array(key: str, value: Any, name: str) -> Array:
    """Returns a part of labels as numbers."""
    try:
        found = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged lists, tensors on a GPU or with a gradient
        raise InvalidTeacher(f"{key!r} of the labels of {name} is no array: {error}") from error
    if found.dtype.kind not in _NUMBERS:
        raise InvalidTeacher(f"{key!r} of the labels of {name} is an array of numbers, got {value!r:.200}.")
    return found
