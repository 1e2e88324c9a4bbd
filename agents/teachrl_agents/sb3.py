"""Students that learn with Stable-Baselines3 or sb3-contrib, and stock Stable-Baselines3 models made taught ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from teachrl.errors import InvalidStudent
from teachrl.lessons import Floats, Observations
from teachrl.student import Student
from teachrl.teacher import Teacher
from teachrl_agents.sb3_algorithms import algorithm_class, check_algorithm, is_on_policy
from teachrl_agents.sb3_citations import LIBRARY, METHODS
from teachrl_agents.sb3_hyperparameters import default_of, preset, resolve

if TYPE_CHECKING:
    from gymnasium.vector import VectorEnv
    from stable_baselines3.common.vec_env import VecEnv

    from teachrl.classroom import Classroom
    from teachrl_agents.sb3_engine import Engine
    from teachrl_agents.sb3_policies import SB3Policy

NOTHING: Final[dict[str, Any]] = {}
"""No hyperparameters; a default that is never written to."""
_CHANNELS = frozenset({"tasks", "starts", "subgoals", "rewards", "observations", "actions"})


class SB3(Student):
    """Any algorithm of Stable-Baselines3 or sb3-contrib.

    On-policy algorithms announce their rollouts and report them. Actions that teachers override are learned from as
    executed, with their own log-probabilities, and lessons with `learn=False` are left out. Training is in whole
    rollouts, off-policy in whole training cycles.

    Args:
        algorithm: PPO, A2C, TRPO, RecurrentPPO, SAC, TD3, DDPG, TQC, CrossQ, DQN, QRDQN, or `package.module.Class`.
        policy: The algorithm's name of a policy; `"auto"` takes the one that fits the observations, with a small
            network for images under 36 pixels.
        normalize: Normalise observations and returns by their running statistics.
        preset: `"zoo"` takes RL Baselines3 Zoo's tuned settings of the environment, which `hyperparameters` override.
        hyperparameters: The algorithm's own, by name. A schedule is `{"schedule": "linear", "from": 1e-3, "to": 0}`,
            action noise `{"noise": "normal", "sigma": 0.1}`, a class a dotted name (`"torch.nn.ReLU"`).
        device: PyTorch's name of a device; `"auto"` takes a GPU where there is one.
    """

    citation = "https://jmlr.org/papers/v22/20-1364.html"
    bibtex = LIBRARY

    @classmethod
    def references(cls, init_args: Mapping[str, Any]) -> str:
        """Returns the BibTeX entries of the library and of the algorithm."""
        algorithm = init_args.get("algorithm", "PPO")
        return "\n\n".join([LIBRARY, *([METHODS[algorithm]] if algorithm in METHODS else [])])

    def __init__(
        self,
        algorithm: str = "PPO",
        policy: str = "auto",
        normalize: bool = False,
        preset: str | None = None,
        hyperparameters: dict[str, Any] = NOTHING,
        device: str = "auto",
    ) -> None:
        self.algorithm = algorithm
        self._policy = policy
        self.normalize = normalize
        self.preset = preset
        self.hyperparameters = hyperparameters
        self.device = device
        self._engine: Engine | None = None

    @property
    def init_args(self) -> dict[str, Any]:
        """The constructor's arguments, by name."""
        names = ("normalize", "preset", "hyperparameters", "device")
        chosen = {"algorithm": self.algorithm, "policy": self._policy}  # `policy` is the trained one's name
        return {**chosen, **{name: getattr(self, name) for name in names}}

    @property
    def accepts(self) -> frozenset[str]:  # type: ignore[override]
        """The channels that this algorithm can use: all but labels, which no algorithm of these learns from.

        `"rollout"` on-policy only. `"learn"` not off-policy with n-step returns, which string steps together.
        """
        check_algorithm(self.algorithm)
        if is_on_policy(self.algorithm):
            return _CHANNELS | {"learn", "rollout"}
        return _CHANNELS | {"learn"} if self.hyperparameters.get("n_steps", 1) == 1 else _CHANNELS

    @property
    def gamma(self) -> float:  # type: ignore[override]
        """The algorithm's discount."""
        if self._engine is not None:
            return float(self._engine.model.gamma)
        return float(self.hyperparameters.get("gamma", default_of(algorithm_class(self.algorithm), "gamma")))

    def _settings(self, env_id: str | None) -> tuple[Any, bool, dict[str, Any]]:
        """Returns the algorithm, whether to normalise, and the constructor arguments for an environment."""
        algorithm = algorithm_class(self.algorithm)
        tuned = preset(self.preset, self.algorithm, env_id)
        normalize = bool(tuned.pop("normalize", False)) or self.normalize
        given = {**tuned, **self.hyperparameters}
        if isinstance(given.get("policy_kwargs"), dict):
            given["policy_kwargs"] = {**(tuned.get("policy_kwargs") or {}), **given["policy_kwargs"]}
        return algorithm, normalize, resolve(algorithm, given)

    def validate(self, setup: Any) -> None:
        """Checks the arguments, a preset's only if `setup.env_id` says for which environment.

        Raises:
            UnknownName: If there is no such algorithm or preset.
            InvalidHyperparameter: If a hyperparameter does not exist or is ill-typed.
            InvalidStudent: If the algorithm cannot be a student.
        """
        self._settings(getattr(setup, "env_id", None))

    def begin(self, classroom: Classroom, seed: np.random.SeedSequence, total_steps: int) -> None:
        """Makes the model.

        Raises:
            UnknownName: If there is no such algorithm, policy or preset.
            InvalidHyperparameter: If a hyperparameter does not exist or the algorithm refuses it.
            InvalidStudent: If the algorithm cannot learn in such a classroom.
        """
        from teachrl_agents.sb3_engine import Engine

        algorithm, normalize, settings = self._settings(classroom.envs.env_id)
        self._engine = Engine(
            classroom, algorithm, self._policy, normalize, settings, self.device,
            seed=int(seed.generate_state(1)[0]), total_steps=total_steps,
        )  # fmt: skip
        classroom.gamma = self.gamma

    @property
    def engine(self) -> Engine:
        """The model at work.

        Raises:
            InvalidStudent: Before `begin`.
        """
        if self._engine is None:
            raise InvalidStudent("This student has not begun: call begin(classroom, seed, total_steps) first.")
        return self._engine

    @property
    def model(self) -> Any:
        """The Stable-Baselines3 model.

        Raises:
            InvalidStudent: Before `begin`.
        """
        return self.engine.model

    @property
    def granularity(self) -> int:
        """Environment steps of a rollout (n_steps x num_envs), or of an off-policy training cycle."""
        return self.engine.granularity

    @property
    def warm_up(self) -> int:
        """Steps that off-policy algorithms collect before they learn."""
        return int(getattr(self.model, "learning_starts", 0))

    def learn(self, steps: int) -> None:
        """Learns for `steps` more environment steps, rounded up to whole granules."""
        self.engine.learn(steps)

    def extend(self, total_steps: int) -> None:
        """Makes the run longer; schedules are stretched over the new length."""
        self.engine.extend(total_steps)

    @property
    def policy(self) -> SB3Policy:
        """The policy as it is now, its observation normaliser included."""
        return self.engine.policy

    def values(self, observations: Observations) -> Floats:
        """Returns the critic's values (B,) of observations (B, *o) as the classroom shows them.

        They are in the units of the rewards that were paid, also where it learned from normalised ones.
        """
        return self.engine.policy.values(observations) * self.engine.reward_scale

    def scalars(self) -> dict[str, float]:
        """Returns losses and what else the algorithm logged last."""
        return self.engine.scalars()

    def state_dict(self) -> dict[str, Any]:
        """Returns networks, optimisers, counters, normaliser, generators, replay buffer and noise, as data."""
        return self.engine.state_dict()

    def graduate_state(self) -> dict[str, Any]:
        """Returns the same without the replay buffer, which acting does not need."""
        state = self.state_dict()
        return {**state, "model": {**state["model"], "replay": None}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`, after `begin` with the same arguments; a longer run stays longer."""
        self.engine.load_state_dict(state)


def taught(
    envs: VectorEnv[Any, Any, Any],
    *teachers: Teacher,
    disable: Collection[str] = (),
    view: str = "student",
    seed: int = 0,
) -> VecEnv:
    """Makes a Stable-Baselines3 environment with teachers in it, for a stock model and its own `learn`.

    Example:
        >>> model = PPO("MlpPolicy", taught(make_vec("TeachRL/StumpTracks-v0", 8), ALPGMM()))
        >>> model.learn(1_000_000)

    Args:
        envs: Environments made by `make_vec`.
        *teachers: Who teaches.
        disable: Channels, or one teacher's, to switch off.
        view: The view that the model sees.
        seed: Root of the seed tree of episodes and teachers; the model has a seed of its own.

    Raises:
        InvalidStudent: If a teacher needs what a stock model cannot do.
        InvalidTeacher: If the teachers cannot teach there.
        InvalidEnvironment: If the environments were not made by `make_vec`.
    """
    from teachrl.classroom import Classroom
    from teachrl_agents.sb3_vec_env import ClassroomVecEnv

    classroom = Classroom(envs, teachers, disable=disable, view=view, seed=seed)
    refused = sorted(classroom.channels & {"actions", "labels"})
    refused += ["rollout"] if _needs_rollouts(classroom) else []
    if refused:
        raise InvalidStudent(
            f"A stock Stable-Baselines3 model cannot use {refused}: it does not know which actions were executed, what "
            "a teacher would have done, or when lessons change. Train the student teachrl_agents.SB3 in place of the "
            "model, which can use actions and rollouts, or disable these channels."
        )
    return ClassroomVecEnv(classroom, stock=True)


def _needs_rollouts(classroom: Classroom) -> bool:
    lessons = classroom.channels & {"tasks", "starts"}
    return any(teacher.cadence == "rollout" and teacher.channels & lessons for teacher in classroom.teachers)
