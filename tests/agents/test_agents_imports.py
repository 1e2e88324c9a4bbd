"""Students are known without the libraries that they learn with."""

from __future__ import annotations

import subprocess
import sys

import pytest

import teachrl_agents

SCRIPT = """
import sys
from teachrl_agents import CNN, MLP, PPO, SB3, Recurrent, SimulatedStudent
PPO(Recurrent()).accepts, CNN().init_args, MLP()
SB3("PPO").accepts, SB3("SAC").init_args, SimulatedStudent().accepts
from teachrl_agents.sb3 import taught
heavy = {"torch", "stable_baselines3", "sb3_contrib", "sklearn", "scipy", "numba"} & set(sys.modules)
sys.exit(", ".join(sorted(heavy)) or 0)
"""


def test_students_are_imported_lightly() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_unknown_name_lists_the_students() -> None:
    with pytest.raises(AttributeError, match="CNN, MLP, NetPolicy, PPO, Recurrent, SB3"):
        _ = teachrl_agents.SB4
    assert {"CNN", "MLP", "NetPolicy", "PPO", "Recurrent", "SB3", "export"} <= set(dir(teachrl_agents))
