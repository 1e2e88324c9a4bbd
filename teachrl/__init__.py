"""Teachers for reinforcement learning, around any Gymnasium environment and any student."""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "train": "teachrl.runs",
    "evaluate": "teachrl.runs",
    "distill": "teachrl.runs",
    "collect": "teachrl.runs",
    "make_vec": "teachrl.vector",
    "Classroom": "teachrl.classroom",
    "Teacher": "teachrl.teacher",
    "TaskTeacher": "teachrl.teacher",
    "Setup": "teachrl.teacher",
    "FromPolicy": "teachrl.teachers.from_policy",
    "Student": "teachrl.student",
    "Policy": "teachrl.student",
    "Learner": "teachrl.student",
    "Views": "teachrl.views",
    "Lesson": "teachrl.lessons",
    "Episode": "teachrl.lessons",
    "Step": "teachrl.lessons",
    "Rollout": "teachrl.lessons",
    "Report": "teachrl.lessons",
    "Labels": "teachrl.lessons",
    "State": "teachrl.snapshots",
    "TeachrlError": "teachrl.errors",
}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Imports a public name on first use, so that `import teachrl` stays quick."""
    if name not in _HOME:
        raise AttributeError(f"module 'teachrl' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
