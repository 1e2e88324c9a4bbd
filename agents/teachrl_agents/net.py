"""The network of a student: observations over time to action distributions, values and memory.

T steps of N sequences; `*o` an observation's shape, `*a` an action's, S the entries of a sequence's memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from teachrl.distillation.families import Family
from teachrl.errors import InvalidHyperparameter
from teachrl_agents.encoders import Encoder, layers, mapped
from teachrl_agents.heads import Head, make_family
from teachrl_agents.memory import Memory

if TYPE_CHECKING:
    from teachrl_agents.net_policy import NetPolicy


@dataclass(frozen=True, slots=True, eq=False)
class Out:
    """What a network answers.

    Attributes:
        parameters: Distribution parameters by name, each (T, N, width), of the net's `family`.
        values: (T, N), None without a critic, or where it was not asked or not shown its view.
        state: (N, S) the memory after the last step.
    """

    parameters: dict[str, Tensor]
    values: Tensor | None
    state: Tensor


class Net(nn.Module):
    """Encoder, memory if it has one, actor and critic, as `teachrl_agents.nets` builds them.

    Args:
        observation_space: What is seen of one environment.
        action_space: One environment's.
        family: See `make_family`.
        hidden: Width of the layers that actor and critic have of their own.
        vectors, features, symbols, convolve, activation, normalize: See `Encoder`.
        cell, memory: See `Memory`; width 0 is none.
        std, state_std: See `Head`.
        previous: Whether the previous action is seen.
        values: Whether there is a critic.
        critic_space: What it sees, where that is another view.
        seed: Of the initial weights.

    Attributes:
        family: The distributions that it answers with.
        recurrent: Whether it has a memory.
        traceable: Whether its way depends on shapes alone, so that its gradients can be written down once.
        carries: Whether it has a memory or sees the previous action.
        arguments: What it was made with, by name and as data, but for spaces, critic and seed.
        state_size: S, 0 without a memory.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        *,
        family: str = "auto",
        hidden: Sequence[int] = (64, 64),
        vectors: Sequence[int] = (),
        features: int = 64,
        symbols: int = 0,
        convolve: bool = True,
        activation: str = "tanh",
        normalize: bool = True,
        cell: str = "gru",
        memory: int = 0,
        std: float = 1.0,
        state_std: bool = False,
        previous: bool = False,
        values: bool = False,
        critic_space: spaces.Space[Any] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        shared = {
            "vectors": tuple(vectors), "features": features, "symbols": symbols, "convolve": convolve,
            "activation": activation, "normalize": normalize,
        }  # fmt: skip
        self.arguments: dict[str, Any] = {
            **shared, "family": family, "hidden": tuple(hidden), "cell": cell, "memory": memory, "std": std,
            "state_std": state_std, "previous": previous,
        }  # fmt: skip
        self.observation_space, self.action_space, self.critic_space = observation_space, action_space, critic_space
        self.family: Family = make_family(action_space, family)
        self.previous = previous
        first = torch.as_tensor(np.asarray(getattr(action_space, "start", 0)))
        dtype = torch.float32 if isinstance(action_space, spaces.Box) else torch.int64
        self._blank = torch.zeros(self.family.shape, dtype=dtype) + first.to(dtype)
        columns = self.family.action_points(self._blank.unsqueeze(0)).shape[-1] if previous else 0
        with torch.random.fork_rng(devices=[]):  # modules draw initial weights when they are made
            self.encoder = Encoder(observation_space, **shared, previous=columns)  # type: ignore[arg-type]
            width = self.encoder.width
            self.memory = Memory(cell, width, memory) if memory else None
            width = memory or width
            self.actor, top = layers(width, hidden, activation)
            self.head = Head(top, self.family, std, state_std)
            self.critic_encoder, self.critic = None, None
            if values:
                if critic_space is not None:
                    self.critic_encoder = Encoder(critic_space, **shared)  # type: ignore[arg-type]
                    width = self.critic_encoder.width + memory
                own = hidden or ((memory,) if critic_space is not None else ())
                body, top = layers(width, own, activation)
                self.critic = nn.Sequential(*body, nn.Linear(top, 1))
        self.recurrent = self.memory is not None
        self.traceable = not self.recurrent
        self.carries = self.recurrent or previous
        self.state_size = self.memory.state_size if self.memory is not None else 0
        self._initialise_on_one_thread(seed)

    def _initialise_on_one_thread(self, seed: int) -> None:
        """Draws initial weights: orthogonal ones differ in their last bits with the number of threads."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            self._initialise(seed)
        finally:
            torch.set_num_threads(threads)

    @torch.no_grad()
    def _initialise(self, seed: int) -> None:
        """Orthogonal weights, gain sqrt(2), 1 for memory and values, 0.01 for actions; biases 0; embeddings N(0, 1)."""
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if name.endswith("log_std"):
                continue
            if parameter.ndim < 2:
                parameter.zero_()
            elif "embedding" in name:
                parameter.normal_(generator=generator)
            elif self.memory is not None and name.startswith("memory"):
                for gate in torch.split(parameter, self.memory.hidden):
                    nn.init.orthogonal_(gate, generator=generator)
            else:
                last = self.critic is not None and name == f"critic.{len(self.critic) - 1}.weight"
                gain = 0.01 if name == "head.linear.weight" else 1.0 if last else math.sqrt(2)
                nn.init.orthogonal_(parameter, gain, generator=generator)

    def initial_state(self, n: int) -> Tensor:
        """Returns the empty memory of n sequences, (n, S)."""
        return torch.zeros(n, self.state_size, device=self.device)

    def blank_actions(self, n: int) -> Tensor:
        """Returns n actions (n, *a) to pass as previous ones where there are none."""
        return self._blank.to(self.device).expand(n, *self._blank.shape).clone()

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.head.linear.weight.device

    def forward(
        self,
        observations: Any,
        previous: Tensor | None = None,
        first: Tensor | None = None,
        state: Tensor | None = None,
        *,
        critic: Any = None,
        values: bool = True,
        burn_in: int = 0,
    ) -> Out:
        """Answers T steps of N sequences.

        Args:
            observations: Tensors (T, N, *o), in dicts as in the space; integers as they are.
            previous: (T, N, *a) the actions that led there; None is none at all. Not read where `first` is.
            first: (T, N) bool, where an episode begins: memory and previous action are cleared before the step. None
                is nowhere.
            state: (N, S) the memory before the first step; None is empty.
            critic: Tensors (T, N, *c) of the critic's own view, where it has one.
            values: Whether to ask the critic.
            burn_in: Number of first steps that only warm up the memory: without gradient, and left out of the answer.

        Raises:
            InvalidHyperparameter: If `burn_in` leaves no step to answer.
        """
        steps, n = _sizes(observations, self.observation_space)
        first = torch.zeros(steps, n, dtype=torch.bool, device=self.device) if first is None else first
        state = self.initial_state(n) if state is None else state
        if burn_in:
            if not 0 < burn_in < steps:
                raise InvalidHyperparameter(f"burn_in is a number of steps below the {steps} given, got {burn_in}.")
            state = self._warmed(observations, previous, first, state, burn_in)
            observations, critic = (_from(part, burn_in) for part in (observations, critic))
            previous, first, steps = _from(previous, burn_in), first[burn_in:], steps - burn_in
        encoded = self.encoder(_flat(observations), self._previous_points(previous, first))
        if self.memory is not None:
            remembered, state = self.memory(encoded.unflatten(0, (steps, -1)), first, state)
            encoded = remembered.flatten(0, 1)
        parameters = {k: v.unflatten(0, (steps, -1)) for k, v in self.head(self.actor(encoded)).items()}
        found = self._values(encoded, critic) if values else None
        return Out(parameters, None if found is None else found.reshape(steps, -1), state)

    @torch.no_grad()
    def _warmed(self, observations: Any, previous: Tensor | None, first: Tensor, state: Tensor, steps: int) -> Tensor:
        before = None if previous is None else previous[:steps]
        return self(mapped(observations, lambda x: x[:steps]), before, first[:steps], state, values=False).state  # type: ignore[no-any-return]

    def _previous_points(self, previous: Tensor | None, first: Tensor) -> Tensor | None:
        """Returns the previous actions as rows (T * N, P) of numbers, zeros where there is none."""
        if not self.previous:
            return None
        steps, n = first.shape
        given = self.blank_actions(steps * n) if previous is None else previous.flatten(0, 1)
        seen = (~first).flatten() if previous is not None else torch.zeros_like(first).flatten()
        blank = self._blank.to(given)
        given = torch.where(seen.reshape(-1, *(1,) * blank.ndim), given, blank)
        return self.family.action_points(given).float() * seen.unsqueeze(-1)

    def _values(self, encoded: Tensor, critic: Any) -> Tensor | None:
        if self.critic is None or (self.critic_encoder is not None and critic is None):
            return None
        if self.critic_encoder is not None:
            own = self.critic_encoder(_flat(critic), None)
            # The memory is the actor's: the critic reads it and leaves it as it is.
            encoded = own if self.memory is None else torch.cat([own, encoded.detach()], dim=-1)
        return self.critic(encoded)  # type: ignore[no-any-return]

    def observe(self, observations: Any, learn: Tensor | None = None, critic: Any = None) -> None:
        """Takes observations into the running statistics.

        Args:
            observations: Tensors (T, N, *o).
            learn: (T, N) bool, which of them count; None is all.
            critic: Tensors (T, N, *c) of the critic's own view.
        """
        for encoder, seen in ((self.encoder, observations), (self.critic_encoder, critic)):
            if encoder is not None and seen is not None and encoder.normaliser is not None:
                rows = _flat(seen)
                encoder.observe(rows if learn is None else mapped(rows, lambda x: x[learn.flatten()]))

    def freeze_normaliser(self, frozen: bool = True) -> None:
        """Keeps the running statistics as they are, or lets them go on."""
        for encoder in (self.encoder, self.critic_encoder):
            if encoder is not None and encoder.normaliser is not None:
                encoder.normaliser.frozen.fill_(frozen)

    def critic_parameters(self) -> Iterator[nn.Parameter]:
        """Yields the weights that only values depend on."""
        for module in (self.critic_encoder, self.critic):
            if module is not None:
                yield from module.parameters()

    def actor_parameters(self) -> Iterator[nn.Parameter]:
        """Yields the weights that actions depend on, the critic too where they share some."""
        own = {id(parameter) for parameter in self.critic_parameters()}
        yield from (parameter for parameter in self.parameters() if id(parameter) not in own)

    def policy(self, generator: torch.Generator | None = None) -> NetPolicy:
        """Returns the policy that the net is, as it is now; samples are drawn with the generator."""
        from teachrl_agents.net_policy import NetPolicy

        return NetPolicy(self, generator)

    def set_std(self, std: float) -> None:
        """Sets the standard deviation of the actions, in half ranges."""
        self.head.set_std(std)


def to_tensors(observations: Any, device: torch.device | str = "cpu") -> Any:
    """Returns observations, arrays in dicts as they come from a classroom, as tensors; float64 becomes float32.

    Arrays are not copied where that is not needed.
    """
    if isinstance(observations, dict):
        return {name: to_tensors(part, device) for name, part in observations.items()}
    array = np.asarray(observations)
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    elif array.dtype in (np.uint16, np.uint32, np.uint64):
        array = array.astype(np.int64)
    return torch.as_tensor(array, device=device)


def one_step(observations: Any) -> Any:
    """Returns observations (N, *o) as (1, N, *o)."""
    return mapped(observations, lambda x: x.unsqueeze(0))


def _sizes(observations: Any, space: spaces.Space[Any]) -> tuple[int, int]:
    while isinstance(space, spaces.Dict):
        name, space = next(iter(space.spaces.items()))
        observations = observations[name]
    return observations.shape[0], observations.shape[1]  # not as int(), which an export would write down


def _flat(observations: Any) -> Any:
    return mapped(observations, lambda x: x.flatten(0, 1))


def _from(observations: Any, step: int) -> Any:
    return None if observations is None else mapped(observations, lambda x: x[step:])
