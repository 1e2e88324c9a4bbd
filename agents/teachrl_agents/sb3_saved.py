"""Models that Stable-Baselines3 or sb3-contrib saved as a zip, as policies."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teachrl.configurable import Configurable
from teachrl.errors import InvalidStudent

if TYPE_CHECKING:
    from teachrl_agents.sb3_policies import SB3Policy

_MARKS = (
    ("PPO", {"clip_range"}),
    ("TRPO", {"cg_max_steps"}),
    ("TQC", {"top_quantiles_to_drop_per_net"}),
    ("QRDQN", {"exploration_rate", "n_quantiles"}),
    ("DQN", {"exploration_rate"}),
    ("CrossQ", {"target_entropy", "policy_delay"}),
    ("SAC", {"target_entropy"}),
    ("TD3", {"policy_delay"}),
    ("A2C", {"normalize_advantage"}),
)
"""What a saved model has that tells its algorithm, the most particular first; DDPG is saved as the TD3 it is."""


class SavedModel(Configurable):
    """A model from a Stable-Baselines3 zip, with the statistics it was trained with where they lie beside it.

    Such a file can run code of whoever made it when it is loaded.

    Args:
        path: The zip.
        algorithm: The algorithm, `auto` to see it from the file, or `package.module.Class`.
        normaliser: File of `VecNormalize`, `auto` for a `vecnormalize.pkl` beside the zip or in the folder of its name
            (RL Baselines3 Zoo's place), or `none`.
        trust: Whether to load it at all.

    Raises:
        InvalidStudent: When it is asked for, if it is not trusted or cannot be read.
    """

    def __init__(self, path: str, algorithm: str = "auto", normaliser: str = "auto", trust: bool = False) -> None:
        self.path = path
        self.algorithm = algorithm
        self.normaliser = normaliser
        self.trust = trust

    def load(self) -> SB3Policy:
        """Loads the model."""
        from teachrl_agents.sb3_algorithms import algorithm_class
        from teachrl_agents.sb3_policies import SB3Policy

        if not Path(self.path).is_file():
            raise InvalidStudent(f"There is no file {self.path!r}.")
        if not self.trust:
            raise InvalidStudent(
                f"{self.path} is a Stable-Baselines3 zip, which can run code of whoever made it when it is loaded. If "
                "you know where it comes from, pass --trust (trust=True)."
            )
        warnings.warn(f"Loading {self.path}, which can run code of whoever made it.", RuntimeWarning, stacklevel=2)
        found = algorithm_class(_algorithm(self.path) if self.algorithm == "auto" else self.algorithm)
        try:
            model = found.load(self.path, device="cpu")
        except Exception as error:  # what is unpickled may raise anything
            raise InvalidStudent(f"{self.path} cannot be loaded as {found.__name__}: {error}") from error
        file = self._normaliser_file()
        return SB3Policy(model, None if file is None else _Statistics(file, model))

    def _normaliser_file(self) -> Path | None:
        if self.normaliser == "none":
            return None
        if self.normaliser != "auto":
            return Path(self.normaliser)
        zipped = Path(self.path)
        places = [zipped.parent / "vecnormalize.pkl", zipped.with_suffix("") / "vecnormalize.pkl"]
        return next((place for place in places if place.is_file()), None)


class _Statistics:
    """The observation statistics of a saved `VecNormalize`."""

    def __init__(self, file: Path, model: Any) -> None:
        from stable_baselines3.common.vec_env import VecNormalize

        try:
            self._saved: Any = VecNormalize.load(str(file), _NoEnvs(model))  # type: ignore[arg-type]
        except Exception as error:  # what is unpickled may raise anything
            raise InvalidStudent(f"The normaliser {file} cannot be loaded: {error}") from error

    def normalize_obs(self, observations: Any) -> Any:
        """Returns observations (B, *o) as the model was trained on."""
        return self._saved.normalize_obs(observations)


class _NoEnvs:
    """As much of a vector environment as a normaliser looks at when it is loaded."""

    num_envs, render_mode = 1, None

    def __init__(self, model: Any) -> None:
        self.observation_space, self.action_space = model.observation_space, model.action_space


def _algorithm(path: str) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            data = json.loads(archive.read("data"))
            # PyTorch stores names as they are; those of a memory are the same whatever class the policy is of.
            memory = "policy.pth" in archive.namelist() and b"lstm_actor." in archive.read("policy.pth")
            module = str(dict(data["policy_class"]).get("__module__"))
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise InvalidStudent(f"{path} is no model saved by Stable-Baselines3: {error}.") from error
    if "maskable" in module:
        raise InvalidStudent(
            f"{path} holds a policy that asks the environment for action masks, which no teacher is given. To have it "
            "act without them, name the class: SavedModel(path, algorithm='sb3_contrib.MaskablePPO')."
        )
    found = next((name for name, marks in _MARKS if marks <= set(data)), None)
    if found is None:
        raise InvalidStudent(f"{path} does not tell its algorithm. Name it: SavedModel(path, algorithm='PPO').")
    return "RecurrentPPO" if memory and found == "PPO" else found
