"""Many environments at once, each with lessons of its own."""

from __future__ import annotations

from teachrl._vector.contract import LessonVectorEnv

__all__ = ["LessonVectorEnv"]
