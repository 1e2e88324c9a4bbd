"""A Stable-Baselines3 model at work in a classroom, driven a rollout or a training cycle at a time."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import TrainFrequencyUnit
from stable_baselines3.common.utils import get_device
from stable_baselines3.common.vec_env import VecTransposeImage

from teachrl.classroom import Classroom
from teachrl.errors import InvalidHyperparameter, InvalidStudent
from teachrl.lessons import Bools, Observations
from teachrl_agents.sb3_hyperparameters import check_policy_kwargs, default_of, make_noise
from teachrl_agents.sb3_normaliser import Normaliser
from teachrl_agents.sb3_policies import SB3Policy, choose_policy, small_image_kwargs
from teachrl_agents.sb3_replay import LessonReplay, make_replay
from teachrl_agents.sb3_rollouts import LessonDictRollouts, LessonRollouts, sequences_like
from teachrl_agents.sb3_state import Generators, load_model_state, model_state
from teachrl_agents.sb3_vec_env import ClassroomVecEnv

_EXPECTED = ("You are trying to run", "You have specified a mini-batch size", "The number of environments used is")
"""Beginnings of Stable-Baselines3's warnings about settings that were asked for."""


class Engine:
    """A model, its environments, its normaliser and its generators.

    Args:
        classroom: Where it learns.
        algorithm: The class.
        policy: Name of its policy, or `"auto"`.
        normalize: Whether to normalise observations and returns.
        settings: Constructor arguments of the algorithm.
        device: Where it computes.
        seed: Seed of its generators.
        total_steps: Length of the whole run.

    Raises:
        InvalidHyperparameter: If the algorithm refuses its arguments.
        InvalidStudent: If it cannot learn in such a classroom.
    """

    def __init__(
        self,
        classroom: Classroom,
        algorithm: Any,
        policy: str,
        normalize: bool,
        settings: dict[str, Any],
        device: str,
        seed: int,
        total_steps: int,
    ) -> None:
        self._classroom = classroom
        self._lived = ClassroomVecEnv(classroom)
        env = BaseAlgorithm._wrap_env(self._lived, monitor_wrapper=False, verbose=0)
        self._transpose = env if isinstance(env, VecTransposeImage) else None
        gamma = float(settings.get("gamma", default_of(algorithm, "gamma")))
        self._normaliser = Normaliser(env, self._lived, gamma) if normalize else None
        self._generators = Generators(_checked_device(device) == "cuda")
        self._entered = False
        with self._generators.lent():
            self.model = _build(algorithm, policy, self._normaliser or env, dict(settings), device, seed)
            self._bind()
            self.model.set_logger(Logger(None, []))
            self.model._last_obs = ()  # anything but None, or the environments would be reset here
            _, self._callback = self.model._setup_learn(self._whole(total_steps), reset_num_timesteps=False)

    def _bind(self) -> None:
        model = self.model
        self.off_policy = isinstance(model, OffPolicyAlgorithm)
        if self.off_policy:
            model.replay_buffer.bind(self._lived, model.policy)
            return
        if not isinstance(model.rollout_buffer, LessonRollouts):
            model.rollout_buffer = sequences_like(model.rollout_buffer)
        # Stable-Baselines3 reshapes dictionaries in place and discrete observations at once.
        plain = isinstance(self._lived.observation_space, spaces.Box)
        changed = self._normaliser is not None or self._transpose is not None or not plain
        model.rollout_buffer.bind(self._lived, model.policy, keep_shown=changed)

    @property
    def reward_scale(self) -> float:
        """What rewards are divided by before they are learned from; 1 without a normaliser."""
        if self._normaliser is None:
            return 1.0
        return float(np.sqrt(self._normaliser.ret_rms.var + self._normaliser.epsilon))

    @property
    def granularity(self) -> int:
        """Environment steps of a rollout, or of a training cycle; of one step where a cycle is a whole episode."""
        if not self.off_policy:
            return int(self.model.n_steps * self.model.n_envs)
        frequency, unit = self.model.train_freq
        return int((frequency if unit == TrainFrequencyUnit.STEP else 1) * self.model.n_envs)

    def _whole(self, steps: int) -> int:
        """Rounds a run's length up to whole granules, so that a schedule ends with the run."""
        return max(1, math.ceil(steps / self.granularity)) * self.granularity

    def extend(self, total_steps: int) -> None:
        """Stretches schedules over a longer run."""
        self.model._total_timesteps = self._whole(total_steps)

    def learn(self, steps: int) -> None:
        """Learns for `steps` more environment steps, rounded up to whole granules."""
        with self._generators.lent():
            end = self.model.num_timesteps + steps
            while self.model.num_timesteps < end:
                self._arrive()
                if self.off_policy:
                    self._cycle()
                else:
                    self._rollout()

    def _arrive(self) -> None:
        """Takes up what the classroom shows, where a rollout begins."""
        fresh = None if self.off_policy else self._classroom.begin_rollout()
        if fresh is not None:
            self._enter(fresh, np.ones(self._lived.num_envs, dtype=bool))
        elif not self._entered:
            self._enter(*self._classroom.observed())
        else:
            self._lived.enter(self._classroom.observed()[0])

    def _enter(self, observations: Observations, first: Bools) -> None:
        """Begins from `observations` (N, *o), where the episodes in `first` (N,) begin."""
        seen = self._lived.enter(observations)
        if self._transpose is not None:
            seen = self._transpose.transpose_observations(seen)
        if self._normaliser is not None:
            self.model._last_original_obs, seen = seen, self._normaliser.enter(seen)
        self.model._last_obs, self.model._last_episode_starts = seen, np.array(first, dtype=bool)
        self._entered = True

    def _rollout(self) -> None:
        """Collects a rollout, reports it and learns from it."""
        model, buffer = self.model, self.model.rollout_buffer
        model.collect_rollouts(model.env, self._callback, buffer, n_rollout_steps=model.n_steps)
        model._update_current_progress_remaining(model.num_timesteps, model._total_timesteps)
        self._classroom.report(buffer.rollout())
        if buffer.learnable > 1:
            model.train()

    def _cycle(self) -> None:
        """Collects a training cycle's steps and learns from the replay buffer."""
        model = self.model
        buffer: LessonReplay = model.replay_buffer
        collected = model.collect_rollouts(
            model.env,
            train_freq=model.train_freq,
            action_noise=model.action_noise,
            callback=self._callback,
            learning_starts=model.learning_starts,
            replay_buffer=buffer,
            log_interval=None,
        )
        updates = model.gradient_steps if model.gradient_steps >= 0 else collected.episode_timesteps
        if model.num_timesteps > model.learning_starts and updates and buffer.learnable:
            model.train(batch_size=model.batch_size, gradient_steps=updates)
            self._classroom.counters.updates += 1

    @property
    def policy(self) -> SB3Policy:
        """The policy as it is now."""
        return SB3Policy(self.model, self._normaliser)

    def scalars(self) -> dict[str, float]:
        """Returns what the model logged last, by the last part of its names."""
        return {name.split("/")[-1]: float(value) for name, value in self.model.logger.name_to_value.items()}

    def state_dict(self) -> dict[str, Any]:
        """Returns everything that training changes, as data."""
        return {
            "entered": self._entered,
            "model": model_state(self.model),
            "normaliser": None if self._normaliser is None else self._normaliser.state_dict(),
            "generators": self._generators.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        total = self.model._total_timesteps
        load_model_state(self.model, state["model"])
        self.model._total_timesteps = max(total, self.model._total_timesteps)
        if self._normaliser is not None:
            if state["normaliser"] is None:
                raise InvalidStudent(
                    "The saved student comes without its observation normaliser, though it was trained with one "
                    "(normalize=True): what it sees would mean something else. Take another checkpoint, or train again."
                )
            self._normaliser.load_state_dict(state["normaliser"])
        self._generators.load_state_dict(state["generators"])
        self._entered = bool(state["entered"])


def _checked_device(device: str) -> str:
    """Returns the kind of a device, refusing one that Stable-Baselines3 would silently replace by the CPU."""
    kind = str(get_device(device).type)
    if device != "auto" and not device.startswith(kind):
        raise InvalidHyperparameter(
            f"The device {device!r} is not there: torch finds {kind!r} only. Pass device='auto', or install a torch "
            "built for it."
        )
    return kind


def _build(algorithm: Any, policy: str, env: Any, settings: dict[str, Any], device: str, seed: int) -> Any:
    """Makes the model, with buffers of ours and without the warnings about what was asked for."""
    name = choose_policy(policy, algorithm.policy_aliases, env.observation_space)
    kwargs = dict(settings.pop("policy_kwargs", None) or {})
    check_policy_kwargs(algorithm.__name__, algorithm.policy_aliases[name], kwargs)
    if not name.startswith("Mlp"):
        kwargs = {**small_image_kwargs(env.observation_space), **kwargs}
    if settings.get("action_noise") is not None:
        settings["action_noise"] = make_noise(settings["action_noise"], int(np.prod(env.action_space.shape)))
    with warnings.catch_warnings():
        for beginning in _EXPECTED:
            warnings.filterwarnings("ignore", beginning)
        try:
            model = algorithm(
                name, env, policy_kwargs=kwargs, device=device, seed=seed, _init_setup_model=False, **settings
            )
            _set_buffers(model)
            model._setup_model()
        except (AssertionError, NotImplementedError, TypeError, ValueError) as error:
            raise _refusal(algorithm.__name__, error) from error
    return model


def _set_buffers(model: Any) -> None:
    if isinstance(model, OffPolicyAlgorithm):
        model.replay_buffer = make_replay(model)
    else:
        nested = isinstance(model.observation_space, spaces.Dict)
        model.rollout_buffer_class = LessonDictRollouts if nested else LessonRollouts


def _refusal(algorithm: str, error: Exception) -> Exception:
    """Returns our error for what an algorithm says when it cannot be built."""
    if "action space" in str(error) or "observation space" in str(error):
        return InvalidStudent(f"{algorithm} cannot learn in this environment: {error}. Take another algorithm.")
    return InvalidHyperparameter(f"{algorithm} refuses its hyperparameters: {error}")
