"""Policies of Stable-Baselines3 students: which one fits, the networks for small images, and how others use them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common import distributions
from stable_baselines3.common.preprocessing import get_flattened_obs_dim, is_image_space
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from teachrl.errors import InvalidStudent, UnknownName
from teachrl.lessons import Array, Bools, Floats, Observations
from teachrl_agents.sb3_normaliser import Normaliser

SMALL = 36
"""Images of fewer pixels along a side than this do not fit through the kernels of Stable-Baselines3's own network."""


class SmallCNN(BaseFeaturesExtractor):
    """Three 3x3 convolutions and a linear layer, for images that are too small for the network of Mnih et al. 2015.

    Args:
        observation_space: Images, channels first.
        features_dim: Number of features.
        normalized_image: Taken for the sake of Stable-Baselines3's policies, which pass it.
    """

    def __init__(self, observation_space: spaces.Box, features_dim: int = 128, normalized_image: bool = False) -> None:
        super().__init__(observation_space, features_dim)
        channels, height, width = observation_space.shape
        for _ in range(2):
            height, width = (height + 1) // 2, (width + 1) // 2
        self.network = th.nn.Sequential(
            th.nn.Conv2d(channels, 16, 3, padding=1), th.nn.ReLU(),
            th.nn.Conv2d(16, 32, 3, stride=2, padding=1), th.nn.ReLU(),
            th.nn.Conv2d(32, 64, 3, stride=2, padding=1), th.nn.ReLU(),
            th.nn.Flatten(),
            th.nn.Linear(64 * height * width, features_dim), th.nn.ReLU(),
        )  # fmt: skip

    def forward(self, observations: th.Tensor) -> th.Tensor:
        """Returns features (B, features_dim) of images (B, C, H, W)."""
        features: th.Tensor = self.network(observations)
        return features


class SmallCombined(BaseFeaturesExtractor):
    """`SmallCNN` for the images of a dictionary, everything else flattened, side by side.

    Args:
        observation_space: The dictionary.
        cnn_output_dim: Number of features of each image.
        normalized_image: Taken for the sake of Stable-Baselines3's policies, which pass it.
    """

    def __init__(
        self, observation_space: spaces.Dict, cnn_output_dim: int = 128, normalized_image: bool = False
    ) -> None:
        images = [k for k, s in observation_space.spaces.items() if is_image_space(s)]
        widths = [
            cnn_output_dim if k in images else get_flattened_obs_dim(s) for k, s in observation_space.spaces.items()
        ]
        super().__init__(observation_space, sum(widths))
        self.parts = th.nn.ModuleDict(
            {
                k: SmallCNN(s, cnn_output_dim) if k in images else th.nn.Flatten()  # type: ignore[arg-type]
                for k, s in observation_space.spaces.items()
            }
        )

    def forward(self, observations: dict[str, th.Tensor]) -> th.Tensor:
        """Returns features (B, features_dim) of a dictionary of (B, *o)."""
        return th.cat([part(observations[key]) for key, part in self.parts.items()], dim=1)


def choose_policy(policy: str, aliases: dict[str, Any], space: spaces.Space[Any]) -> str:
    """Returns the name of the policy: the one asked for, or the one that fits the observations.

    Raises:
        UnknownName: If the algorithm has no such policy.
        InvalidStudent: If the algorithm has none for such observations.
    """
    if policy != "auto":
        if policy not in aliases:
            raise UnknownName("policy", policy, [*aliases, "auto"])
        return policy
    stem = "MultiInput" if isinstance(space, spaces.Dict) else "Cnn" if is_image_space(space) else "Mlp"
    for name in (f"{stem}Policy", f"{stem}LstmPolicy"):
        if name in aliases:
            return name
    raise InvalidStudent(f"The algorithm has no policy for observations of {space}; it has {sorted(aliases)}.")


def small_image_kwargs(space: spaces.Space[Any]) -> dict[str, Any]:
    """Returns the policy arguments that small images need; nothing for other observations."""
    if isinstance(space, spaces.Dict):
        return {"features_extractor_class": SmallCombined} if any(map(_small, space.spaces.values())) else {}
    return {"features_extractor_class": SmallCNN} if _small(space) else {}


def _small(space: spaces.Space[Any]) -> bool:
    return is_image_space(space) and sorted(space.shape or ())[1] < SMALL


class SB3Policy:
    """A model's policy as it is now, with its observation normaliser.

    Sampled actions are drawn from PyTorch's global generator.

    Args:
        model: A Stable-Baselines3 model.
        normaliser: What it sees observations through; its statistics are read, never updated.
    """

    def __init__(self, model: Any, normaliser: Normaliser | Any | None = None) -> None:
        self._model, self._normaliser = model, normaliser
        self.observation_space, self.action_space = model.observation_space, model.action_space

    @property
    def gamma(self) -> float:
        """The model's discount."""
        return float(self._model.gamma)

    @property
    def stochastic(self) -> bool:
        """Whether it draws its actions from a distribution, as PPO and SAC do and TD3 and DQN do not."""
        policy = self._model.policy
        actor = getattr(policy, "actor", None)
        return any(hasattr(policy, name) for name in ("get_distribution", "lstm_actor")) or hasattr(
            actor, "get_action_dist_params"
        )

    def act(
        self, observations: Observations, state: Any = None, first: Bools | None = None, deterministic: bool = True
    ) -> tuple[Array, Any]:
        """Chooses actions (B, *a) for observations (B, *o); see `teachrl.student.Policy`."""
        actions, state = self._model.policy.predict(
            self._seen(observations), state=state, episode_start=first, deterministic=deterministic
        )
        return actions, state

    def _seen(self, observations: Observations) -> Any:
        return observations if self._normaliser is None else self._normaliser.normalize_obs(observations)

    def _tensors(self, observations: Observations) -> Any:
        self._model.policy.set_training_mode(False)
        return self._model.policy.obs_to_tensor(self._seen(observations))[0]

    def distribution(self, observations: Observations) -> dict[str, Array]:
        """Returns the parameters of the action distribution, by name, each (B, ...).

        `mean` and `std` of a Gaussian, `pre_tanh_mean` and `pre_tanh_std` of one that is squashed (SAC, TQC, CrossQ),
        `logits` of anything discrete; several discrete actions lie side by side.

        Raises:
            InvalidStudent: If the policy has no distribution, or one that depends on its memory.
        """
        policy, tensors = self._model.policy, self._tensors(observations)
        with th.no_grad():
            if hasattr(policy, "lstm_actor"):
                raise InvalidStudent("A recurrent policy's distribution depends on its memory; use `act`.")
            if hasattr(policy, "get_distribution"):
                return _parameters(policy.get_distribution(tensors))
            if hasattr(getattr(policy, "actor", None), "get_action_dist_params"):
                mean, log_std, _ = policy.actor.get_action_dist_params(tensors)
                return {"pre_tanh_mean": _array(mean), "pre_tanh_std": _array(log_std.exp().expand_as(mean))}
        raise InvalidStudent(f"{type(self._model).__name__} has no action distribution; use `act`.")

    def values(self, observations: Observations) -> Floats:
        """Returns the values (B,) of observations (B, *o): a critic's, or the action values of the policy's choice.

        A recurrent critic is asked with its memory cleared.
        """
        policy, tensors = self._model.policy, self._tensors(observations)
        with th.no_grad():
            return _array(_values(policy, tensors)).reshape(-1)


def _values(policy: Any, tensors: Any) -> th.Tensor:
    """Returns values (B,) or (B, 1), by the kind of critic that the policy has."""
    if hasattr(policy, "lstm_actor"):
        return _recurrent_values(policy, tensors)
    if hasattr(policy, "predict_values"):
        return policy.predict_values(tensors)  # type: ignore[no-any-return]
    if hasattr(policy, "q_net"):
        return policy.q_net(tensors).max(dim=1).values  # type: ignore[no-any-return]
    if hasattr(policy, "quantile_net"):
        return policy.quantile_net(tensors).mean(dim=1).max(dim=1).values  # type: ignore[no-any-return]
    critics = policy.critic(tensors, policy._predict(tensors, deterministic=True))
    if isinstance(critics, tuple):
        return th.cat(critics, dim=1).min(dim=1).values
    return critics.flatten(1).mean(dim=1)  # type: ignore[no-any-return]


def _recurrent_values(policy: Any, tensors: Any) -> th.Tensor:
    batch = len(next(iter(tensors.values())) if isinstance(tensors, dict) else tensors)
    lstm = policy.lstm_actor
    blank = th.zeros(lstm.num_layers, batch, lstm.hidden_size, device=policy.device)
    return policy.predict_values(tensors, (blank, blank), th.ones(batch, device=policy.device))  # type: ignore[no-any-return]


def _parameters(distribution: Any) -> dict[str, Array]:
    inner = distribution.distribution
    if isinstance(distribution, distributions.MultiCategoricalDistribution):
        return {"logits": np.concatenate([_array(part.logits) for part in inner], axis=1)}
    if hasattr(inner, "logits"):
        return {"logits": _array(inner.logits)}
    squashed = getattr(distribution, "bijector", None) is not None  # state-dependent exploration can be asked to
    names = ("pre_tanh_mean", "pre_tanh_std") if squashed else ("mean", "std")
    return dict(zip(names, (_array(inner.mean), _array(inner.stddev)), strict=True))


def _array(tensor: th.Tensor) -> Array:
    return tensor.detach().cpu().numpy()
