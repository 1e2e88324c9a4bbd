"""The teachers that come with teachrl, imported on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from teachrl.teachers.from_policy import FromPolicy
    from teachrl.teachers.rewards.count_bonus import CountBonus
    from teachrl.teachers.rewards.potential_shaping import PotentialShaping
    from teachrl.teachers.starts.prioritized_starts import PrioritizedStarts
    from teachrl.teachers.starts.reverse_curriculum import ReverseCurriculum
    from teachrl.teachers.starts.s3rl import S3RL
    from teachrl.teachers.starts.snapshots import Snapshots
    from teachrl.teachers.subgoals.words_as_beacons import WordsAsBeacons
    from teachrl.teachers.tasks.alp_gmm import ALPGMM
    from teachrl.teachers.tasks.levels import Levels
    from teachrl.teachers.tasks.llm_tasks import LLMTasks
    from teachrl.teachers.tasks.replay import Replay
    from teachrl.teachers.tasks.target import Target
    from teachrl.teachers.tasks.uniform import Uniform
    from teachrl.teachers.tasks.uniform_solvable import UniformSolvable

_HOME = {
    "ALPGMM": "teachrl.teachers.tasks.alp_gmm",
    "Levels": "teachrl.teachers.tasks.levels",
    "LLMTasks": "teachrl.teachers.tasks.llm_tasks",
    "Replay": "teachrl.teachers.tasks.replay",
    "Target": "teachrl.teachers.tasks.target",
    "Uniform": "teachrl.teachers.tasks.uniform",
    "UniformSolvable": "teachrl.teachers.tasks.uniform_solvable",
    "FromPolicy": "teachrl.teachers.from_policy",
    "CountBonus": "teachrl.teachers.rewards.count_bonus",
    "PotentialShaping": "teachrl.teachers.rewards.potential_shaping",
    "PrioritizedStarts": "teachrl.teachers.starts.prioritized_starts",
    "ReverseCurriculum": "teachrl.teachers.starts.reverse_curriculum",
    "S3RL": "teachrl.teachers.starts.s3rl",
    "Snapshots": "teachrl.teachers.starts.snapshots",
    "WordsAsBeacons": "teachrl.teachers.subgoals.words_as_beacons",
}

__all__ = [
    "ALPGMM",
    "CountBonus",
    "FromPolicy",
    "LLMTasks",
    "Levels",
    "PotentialShaping",
    "PrioritizedStarts",
    "Replay",
    "ReverseCurriculum",
    "S3RL",
    "Snapshots",
    "Target",
    "Uniform",
    "UniformSolvable",
    "WordsAsBeacons",
]


def __getattr__(name: str) -> Any:
    """Imports a teacher on first use, so that `import teachrl.teachers` stays quick."""
    if name not in _HOME:
        raise AttributeError(f"module 'teachrl.teachers' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
