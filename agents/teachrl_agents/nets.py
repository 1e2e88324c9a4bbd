"""Networks for students, as their arguments; `build` makes the module for the spaces of a classroom.

Dict observations are taken apart: images go through convolutions, everything else is put side by side, discrete
entries one-hot. Initial weights depend on `seed` alone; the global generator is neither read nor moved.
"""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar

from teachrl._checks import check, check_count, check_flag, check_number
from teachrl.configurable import Configurable

if TYPE_CHECKING:
    from gymnasium import spaces

    from teachrl_agents.net import Net


class Network(Configurable):
    """Base of all networks: the constructor stores its arguments, `build` makes the module.

    Attributes:
        recurrent: Whether it has a memory.
    """

    recurrent: ClassVar[bool] = False

    def build(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        *,
        values: bool = False,
        critic_space: spaces.Space[Any] | None = None,
        family: str = "auto",
        seed: int = 0,
    ) -> Net:
        """Makes the module.

        Args:
            observation_space: What the student sees of one environment.
            action_space: One environment's.
            values: Whether it has a critic.
            critic_space: What the critic sees, where that is another view. A recurrent net's critic sees the memory
                too: V(s) alone is biased where the student sees a part only (Baisero and Amato 2022,
                https://arxiv.org/abs/2105.11674).
            family: The distribution over a Box in place of the network's own: `gaussian`, `squashed` or `beta`.
            seed: Of the initial weights.

        Raises:
            InvalidHyperparameter: If an argument is impossible.
            InvalidStudent: If a space has entries that no network takes.
        """
        from teachrl_agents.net import Net

        given = self.init_args
        if family == "auto":
            family = given.pop("family")
        return Net(
            observation_space, action_space, **{**self.plan(), "family": family}, values=values,
            critic_space=critic_space, seed=seed,
        )  # fmt: skip

    def plan(self) -> dict[str, Any]:
        """Returns the arguments of `Net` that the network stands for."""
        raise NotImplementedError(f"{type(self).__name__} must define plan")


class MLP(Network):
    """Fully connected layers; actor and critic share none. Images are scaled and flattened.

    Args:
        hidden: Width of each layer.
        activation: `tanh`, `relu` or `elu`.
        family: The distribution over a Box: `gaussian` (`auto`), `squashed` by tanh, or `beta`.
        std: Initial standard deviation over a Box, in half ranges of the action (of the space where it has no bounds).
        state_std: Whether the standard deviation depends on what is seen.
        normalize: Normalise by running mean and variance, scaled images too, discrete entries left out.
        previous: Whether the previous action is seen too.
    """

    def __init__(
        self,
        hidden: tuple[int, ...] = (64, 64),
        activation: str = "tanh",
        family: str = "auto",
        std: float = 1.0,
        state_std: bool = False,
        normalize: bool = True,
        previous: bool = False,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.family = family
        self.std = std
        self.state_std = state_std
        self.normalize = normalize
        self.previous = previous

    def plan(self) -> dict[str, Any]:
        """Returns the arguments of `Net`."""
        return {**_common(self), "hidden": _widths(self, "hidden"), "convolve": False}


class CNN(Network):
    """Convolutions for images, a fully connected layer for the rest, side by side; shared by actor and critic.

    Images under 36 pixels a side pass three 3x3 convolutions, larger ones those of Mnih et al. 2015
    (https://doi.org/10.1038/nature14236). An image of few different integers, as MiniGrid's, shows symbols: those of
    each channel are embedded, and added up.

    Args:
        features: Features of each image.
        vectors: Width of the layers for what is no image.
        hidden: Width of each layer on top, which actor and critic have of their own.
        symbols: Width of the embedding of symbols; 0 scales them like pixels.
        activation: `relu`, `tanh` or `elu`.
        family: The distribution over a Box: `gaussian` (`auto`), `squashed` by tanh, or `beta`.
        std: Initial standard deviation over a Box, in half ranges of the action (of the space where it has no bounds).
        state_std: Whether the standard deviation depends on what is seen.
        normalize: Normalise by running mean and variance, images and discrete entries left out.
        previous: Whether the previous action is seen too.
    """

    def __init__(
        self,
        features: int = 64,
        vectors: tuple[int, ...] = (64,),
        hidden: tuple[int, ...] = (64,),
        symbols: int = 8,
        activation: str = "relu",
        family: str = "auto",
        std: float = 1.0,
        state_std: bool = False,
        normalize: bool = True,
        previous: bool = False,
    ) -> None:
        self.features = features
        self.vectors = vectors
        self.hidden = hidden
        self.symbols = symbols
        self.activation = activation
        self.family = family
        self.std = std
        self.state_std = state_std
        self.normalize = normalize
        self.previous = previous

    def plan(self) -> dict[str, Any]:
        """Returns the arguments of `Net`."""
        return {
            **_common(self), "hidden": _widths(self, "hidden"), "vectors": _widths(self, "vectors"),
            "features": _whole(self, "features", 1), "symbols": _whole(self, "symbols", 0),
        }  # fmt: skip


class Recurrent(Network):
    """An encoder as in `CNN`, a memory on top, and a linear actor and critic that share both.

    Args:
        hidden: Width of the memory.
        cell: `gru` or `lstm`.
        features: Features of each image.
        vectors: Width of the layers for what is no image.
        symbols: Width of the embedding of symbols; 0 scales them like pixels.
        activation: `tanh`, `relu` or `elu`.
        family: The distribution over a Box: `gaussian` (`auto`), `squashed` by tanh, or `beta`.
        std: Initial standard deviation over a Box, in half ranges of the action (of the space where it has no bounds).
        state_std: Whether the standard deviation depends on what is seen.
        normalize: Normalise by running mean and variance, images and discrete entries left out.
        previous: Whether the previous action is seen too.
    """

    recurrent = True

    def __init__(
        self,
        hidden: int = 64,
        cell: str = "gru",
        features: int = 64,
        vectors: tuple[int, ...] = (64,),
        symbols: int = 8,
        activation: str = "tanh",
        family: str = "auto",
        std: float = 1.0,
        state_std: bool = False,
        normalize: bool = True,
        previous: bool = True,
    ) -> None:
        self.hidden = hidden
        self.cell = cell
        self.features = features
        self.vectors = vectors
        self.symbols = symbols
        self.activation = activation
        self.family = family
        self.std = std
        self.state_std = state_std
        self.normalize = normalize
        self.previous = previous

    def plan(self) -> dict[str, Any]:
        """Returns the arguments of `Net`."""
        return {
            **_common(self), "hidden": (), "vectors": _widths(self, "vectors"), "features": _whole(self, "features", 1),
            "symbols": _whole(self, "symbols", 0), "cell": self.cell, "memory": _whole(self, "hidden", 1),
        }  # fmt: skip


def network_for(observation_space: spaces.Space[Any]) -> Network:
    """Returns the usual network for such observations: CNN where there are images, else MLP."""
    from gymnasium import spaces

    parts = list(observation_space.spaces.values()) if isinstance(observation_space, spaces.Dict) else []
    if any(isinstance(network_for(part), CNN) for part in parts):
        return CNN()
    return CNN() if len(observation_space.shape or ()) == 3 else MLP()


def _common(network: Network) -> dict[str, Any]:
    """Returns the arguments that all networks have, checked."""
    check_number(network, "std", 0, open_ends=True)
    for name in ("state_std", "normalize", "previous"):
        check_flag(network, name)
    names = ("activation", "family", "std", "state_std", "normalize", "previous")
    return {name: getattr(network, name) for name in names}


def _whole(network: Network, name: str, least: int) -> int:
    """Returns the argument of that name, a whole number from `least` up."""
    check_count(network, name, least)
    return int(getattr(network, name))


def _widths(network: Network, name: str) -> tuple[int, ...]:
    """Returns the argument of that name, the widths of some layers or of none."""
    found = getattr(network, name)
    right = isinstance(found, list | tuple) and all(
        not isinstance(width, bool) and isinstance(width, Integral) and int(width) >= 1 for width in found
    )
    check(network, name, right, "a list of integers of at least 1, the width of each layer")
    return tuple(int(width) for width in found)
