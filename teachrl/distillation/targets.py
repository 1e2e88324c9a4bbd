"""Labels as tensors, checked: what a student is to match."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from teachrl.distillation.families import Choices, Family, Parameters, choose_family
from teachrl.errors import InvalidHyperparameter, InvalidTeacher, NonFiniteData


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What a teacher would have done, (T, N, ...) or any leading axes.

    Attributes:
        actions: (..., *a). Rows that are masked out hold zeros, or a choice's first option.
        family: The family of the distributions, None if there are bare actions only.
        parameters: Distribution parameters by name, each (..., width); None as above.
        mask: (...,) bool, where there is a label.
    """

    actions: Tensor
    family: Family | None
    parameters: Parameters | None
    mask: Tensor

    def __getitem__(self, index: Any) -> Targets:
        """Returns the labels at an index of the leading axes, a minibatch for example."""
        parameters = None if self.parameters is None else {k: v[index] for k, v in self.parameters.items()}
        return Targets(self.actions[index], self.family, parameters, self.mask[index])


def one_form(parameters: Iterable[Mapping[str, Any] | None]) -> tuple[str, ...]:
    """Returns the names of the labels' parameters, which are the same at every step; none for bare actions.

    Raises:
        InvalidTeacher: If they are not the same.
    """
    names = {tuple(sorted(part or ())) for part in parameters}
    if len(names) > 1:
        raise InvalidTeacher(f"Labels must have the same parameters at every step, got {sorted(names)}.")
    return next(iter(names), ())


def make_targets(
    space: spaces.Space[Any],
    actions: Any,
    parameters: Mapping[str, Any] | None = None,
    mask: Any = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Targets:
    """Returns labels as tensors.

    Args:
        space: The action space of teacher and student.
        actions: (..., *a), arrays or tensors, as `Labels` has them.
        parameters: Distribution parameters by name, each (..., width), or None.
        mask: (...,) bool, where there is a label; None is everywhere.
        device: Where to put them.
        dtype: Of all numbers but choices.

    Raises:
        InvalidTeacher: If shapes do not fit the space, choices lie outside it or between its options, or parameters are
            impossible.
        NonFiniteData: If a label that counts holds NaN or infinity.
    """
    shape = tuple(space.shape or ())
    actions = actions if isinstance(actions, Tensor) else np.asarray(actions)
    if isinstance(actions, np.ndarray) and actions.dtype.kind not in "biuf":
        raise InvalidTeacher(f"Labels for {space} are actions in numbers, got an array of {actions.dtype}.")
    given = torch.as_tensor(actions, device=device)
    lead = given.shape[: given.ndim - len(shape)]
    if tuple(given.shape[len(lead) :]) != shape:
        raise InvalidTeacher(f"Labels for {space} are actions of shape (..., {shape}), got {tuple(given.shape)}.")
    counts = torch.ones(lead, dtype=torch.bool, device=device) if mask is None else torch.as_tensor(mask, device=device)
    if counts.shape != lead:
        raise InvalidTeacher(f"A mask of labels has the shape {tuple(lead)}, got {tuple(counts.shape)}.")
    kept = _actions(space, given, counts.bool(), dtype)
    if parameters is None:
        return Targets(kept, None, None, counts.bool())
    try:
        family = choose_family(space, parameters)
        tensors = {name: torch.as_tensor(parameters[name], device=device).to(dtype) for name in family.fill}
        family.check(tensors)
    except InvalidHyperparameter as error:
        raise InvalidTeacher(f"The teacher's labels do not fit: {error}") from error
    return Targets(
        kept, family, {n: _parameter(family, n, v, counts.bool()) for n, v in tensors.items()}, counts.bool()
    )


def _actions(space: spaces.Space[Any], given: Tensor, mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Returns checked actions, zeros or the first option where there is no label."""
    if isinstance(space, spaces.Box):
        _check_finite("actions", given, mask, lead=mask.ndim)
        return torch.where(_wide(mask, given), given.to(dtype), torch.zeros((), dtype=dtype, device=given.device))
    first = torch.as_tensor(np.asarray(getattr(space, "start", 0)), device=given.device)
    if given.is_floating_point():
        _check_finite("actions", given, mask, lead=mask.ndim)
        if between := int(((given != given.round()) & _wide(mask, given)).sum()):
            raise InvalidTeacher(f"Labels must be actions of {space}; {between} of {given.numel()} are between two.")
    choices = torch.where(_wide(mask, given), given, first.to(given)).long()
    _check_range(space, choices - first.long())
    return choices


def _check_range(space: spaces.Space[Any], indices: Tensor) -> None:
    count = {spaces.Discrete: "n", spaces.MultiDiscrete: "nvec"}.get(type(space))
    most = torch.as_tensor(np.asarray(getattr(space, count) if count else 2), device=indices.device)
    wrong = (indices < 0) | (indices >= most)
    if bool(wrong.any()):
        raise InvalidTeacher(f"Labels must be actions of {space}; {int(wrong.sum())} of {wrong.numel()} are not.")


def _parameter(family: Family, name: str, values: Tensor, mask: Tensor) -> Tensor:
    """Returns a checked parameter, with a harmless value where there is no label."""
    if values.shape[:-1] != mask.shape:
        raise InvalidTeacher(f"{name!r} of the labels is ({tuple(mask.shape)}, {family.width}), got "
                             f"{tuple(values.shape)}.")  # fmt: skip
    safe = torch.where(mask.unsqueeze(-1), values, torch.full_like(values, family.fill[name]))
    if isinstance(family, Choices):
        # -inf is an option that is never taken, but one of each choice must be possible
        nothing = safe.masked_fill(safe == -torch.inf, 0.0)
        _check_finite(name, nothing, mask, lead=mask.ndim)
        if bool(family.impossible({name: safe}).any()):
            raise InvalidTeacher(
                "The teacher's labels give every action probability 0: all logits of a row are -inf, or all of one of "
                "its choices."
            )
        return safe
    _check_finite(name, safe, mask, lead=mask.ndim)
    if name in family.positive and bool((safe <= 0).any()):
        raise InvalidTeacher(f"{name!r} of a {family.title} must be above 0, got {float(safe.min()):.3g}.")
    return safe


def _wide(mask: Tensor, like: Tensor) -> Tensor:
    return mask.reshape(*mask.shape, *(1 for _ in range(like.ndim - mask.ndim)))


def _check_finite(name: str, values: Tensor, mask: Tensor, lead: int) -> None:
    """Raises NonFiniteData if a label that counts is not finite."""
    wrong = ~torch.isfinite(values)
    wrong = (wrong.flatten(lead).any(-1) if wrong.ndim > lead else wrong) & mask
    if not bool(wrong.any()):
        return
    place = tuple(int(i) for i in wrong.nonzero()[0])
    raise NonFiniteData(
        f"The teacher's labels hold NaN or infinity in {name!r}: {int(wrong.sum())} of {int(mask.sum())} labels, the "
        f"first at {place}. Check what the teacher sees (its view and its observation normaliser), or leave those "
        "samples out with the mask of `Labels`."
    )
