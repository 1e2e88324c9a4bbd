"""Drawing on machines without a display."""

from __future__ import annotations

import os
import sys


def draw_without_display() -> None:
    """Lets MuJoCo draw through EGL where there is no display; through GLFW, its first choice, it would abort.

    What `MUJOCO_GL` says already stands.
    """
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("MUJOCO_GL", "egl")
