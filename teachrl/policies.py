"""Whatever can choose actions, as a policy: students, models with a `predict`, plain functions, torch modules."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from gymnasium import spaces

from teachrl.configurable import Configurable
from teachrl.errors import InvalidStudent, InvalidTeacher, UnknownName
from teachrl.lessons import Array, Bools, Labels, Observations
from teachrl.student import Policy, Student


def as_policy(source: Any, action_space: spaces.Space[Any] | None = None) -> Policy:
    """Returns what `source` acts by.

    Args:
        source: A policy; a student that has begun; a model with Stable-Baselines3's
            `predict(observations, state, episode_start, deterministic)`; a torch module that returns logits of a
            discrete action or the action itself; a function from observations (B, *o) to actions (B, *a); or something
            that has one of these to `load()`, such as a run.
        action_space: What a torch module's outputs are about.

    Raises:
        InvalidStudent: If it is none of these.
    """
    if isinstance(source, Student):
        return source.policy
    if callable(getattr(source, "act", None)):
        return cast(Policy, source)
    if callable(getattr(source, "predict", None)):
        return Predicting(source)
    if isinstance(source, Configurable) and callable(getattr(source, "load", None)):
        return as_policy(cast(Any, source).load(), action_space)
    if (torch := sys.modules.get("torch")) is not None and isinstance(source, torch.nn.Module):
        return Module(source, action_space)
    if callable(source) and not isinstance(source, type):
        return Calling(source)
    raise InvalidStudent(
        f"A policy has act(observations, state, first, deterministic), or is a student, a model with predict or a "
        f"function from observations (B, *o) to actions (B, *a); got {source!r}."
    )


def label(policy: Policy, observations: Observations, state: Any, first: Bools) -> tuple[Labels, Any]:
    """Asks a policy for labels, by what it has: `label`, `answer`, `distribution`, or `act` alone.

    `label(observations, state, first) -> (Labels, state)` can leave steps unlabelled;
    `answer(observations, state, first, deterministic) -> (actions, parameters, state)` has a distribution that depends
    on its memory.

    Args:
        policy: Who is asked.
        observations: (N, *o) as it sees them.
        state: What the last call returned, None at the beginning.
        first: (N,) bool, where an episode begins.

    Returns:
        The labels, and the state for the next call.

    Raises:
        InvalidTeacher: If there is not one action for each observation.
    """
    own, answer = getattr(policy, "label", None), getattr(policy, "answer", None)
    if callable(own):
        found, state = own(observations, state, first)
        return cast(Labels, found), state
    everywhere = np.ones(len(first), dtype=bool)
    if callable(answer):
        actions, parameters, state = answer(observations, state, first, True)
        return Labels(np.asarray(actions), parameters, everywhere), state
    actions, state = policy.act(observations, state, first, True)
    actions = np.asarray(actions)
    if actions.shape[:1] != (len(first),):
        raise InvalidTeacher(f"The policy {policy!r} must return {len(first)} actions, got {actions.shape[:1]}.")
    return Labels(actions, None if state is not None else _distribution(policy, observations), everywhere), state


def _distribution(policy: Policy, observations: Observations) -> dict[str, Array] | None:
    soft = getattr(policy, "distribution", None)
    try:
        return cast(dict[str, Array], soft(observations)) if callable(soft) else None
    except InvalidStudent:  # deterministic algorithms (DQN, TD3) share their policy class with those that have one
        return None


class Predicting:
    """A model with Stable-Baselines3's `predict`.

    Args:
        model: The model.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def act(
        self, observations: Observations, state: Any = None, first: Bools | None = None, deterministic: bool = True
    ) -> tuple[Array, Any]:
        """See `teachrl.student.Policy`."""
        actions, state = self._model.predict(
            observations, state=state, episode_start=first, deterministic=deterministic
        )
        return actions, state

    def distribution(self, observations: Observations) -> dict[str, Array]:
        """Returns `mean` and `std`, `pre_tanh_mean` and `pre_tanh_std` or `logits`, each (B, width), by torch.

        Raises:
            InvalidStudent: If the model's policy has no `get_distribution(observations)`, or one that depends on a
                memory.
        """
        policy = getattr(self._model, "policy", None)
        if not callable(getattr(policy, "get_distribution", None)) or hasattr(policy, "lstm_actor"):
            raise InvalidStudent(f"{type(self._model).__name__} has no action distribution of what it sees alone.")
        import torch

        policy = cast(Any, policy)
        policy.set_training_mode(False)
        with torch.no_grad():
            return _parameters(policy.get_distribution(policy.obs_to_tensor(observations)[0]))


def _parameters(found: Any) -> dict[str, Array]:
    """Returns the parameters of one of Stable-Baselines3's distributions, whose own hold torch's."""
    inner = found.distribution
    parts = inner if isinstance(inner, list) else [inner]
    if hasattr(parts[0], "logits"):
        return {"logits": np.concatenate([part.logits.cpu().numpy() for part in parts], axis=-1)}
    squashed = getattr(found, "bijector", None) is not None  # state-dependent exploration can be asked to
    names = ("pre_tanh_mean", "pre_tanh_std") if squashed else ("mean", "std")
    return dict(zip(names, (part.cpu().numpy() for part in (inner.mean, inner.stddev)), strict=True))


class Calling:
    """A function without a memory.

    Args:
        function: From observations (B, *o) to actions (B, *a).
    """

    def __init__(self, function: Callable[[Observations], Any]) -> None:
        self._function = function

    def act(
        self, observations: Observations, state: Any = None, first: Bools | None = None, deterministic: bool = True
    ) -> tuple[Array, Any]:
        """See `teachrl.student.Policy`."""
        return np.asarray(self._function(observations)), None


class Module:
    """A torch module without a memory, in evaluation mode while it is asked.

    Args:
        module: From observations (B, *o) to logits (B, n) of a `Discrete` action, or to actions (B, *a).
        action_space: Which of the two; None takes the outputs for actions.
    """

    def __init__(self, module: Any, action_space: spaces.Space[Any] | None = None) -> None:
        self._module, self._space = module, action_space
        self._weight = next(iter(module.parameters()), None)

    def act(
        self, observations: Observations, state: Any = None, first: Bools | None = None, deterministic: bool = True
    ) -> tuple[Array, Any]:
        """See `teachrl.student.Policy`; there are no samples."""
        outputs = self._outputs(observations)
        if isinstance(self._space, spaces.Discrete):
            return outputs.argmax(axis=-1) + int(self._space.start), None
        if isinstance(self._space, spaces.Box):
            inside = np.minimum(np.maximum(outputs, self._space.low), self._space.high)
            return inside.astype(self._space.dtype, copy=False), None
        return outputs, None

    def distribution(self, observations: Observations) -> dict[str, Array]:
        """Returns `logits` (B, n).

        Raises:
            InvalidStudent: If the outputs are actions.
        """
        if not isinstance(self._space, spaces.Discrete):
            raise InvalidStudent("A torch module that returns actions has no distribution.")
        return {"logits": self._outputs(observations)}

    def _outputs(self, observations: Observations) -> Array:
        import torch

        training = self._module.training
        if training:
            self._module.eval()
        with torch.no_grad():
            found = self._module(_tensors(observations, torch.zeros(1) if self._weight is None else self._weight))
        if training:
            self._module.train()
        return np.asarray(found.cpu().numpy())


def _tensors(observations: Observations, like: Any) -> Any:
    import torch

    if isinstance(observations, dict):
        return {name: _tensors(part, like) for name, part in observations.items()}
    found = torch.as_tensor(np.asarray(observations), device=like.device)
    return found.to(like.dtype) if found.is_floating_point() else found


class Imported(Configurable):
    """A function, policy or model that a module has, by its name, so that a run's configuration can hold it.

    Args:
        path: `package.module:name`.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def load(self) -> Any:
        """Imports it.

        Raises:
            UnknownName: If there is no such module, or it has no such name.
        """
        module_name, _, name = self.path.partition(":")
        try:
            module = importlib.import_module(module_name)
        except (ImportError, ValueError) as error:
            raise UnknownName("module", module_name, (), f"({error})") from error
        if not hasattr(module, name):
            known = [n for n in vars(module) if not n.startswith("_")]
            raise UnknownName(f"function or policy in {module_name}", name, known)
        return getattr(module, name)
