"""What tests of a language model's plans share."""

import importlib

import numpy as np
import pytest

from planned_levels import MOST, SEEDS, knowing, read_levels
from teachrl.llm import LLM
from teachrl.providers.asked import Asked
from teachrl_envs.minigrid.layouts import MiniGridLayouts


@pytest.fixture(scope="session")
def levels():
    return read_levels(SEEDS)


@pytest.fixture(scope="session")
def script():
    return knowing(SEEDS)


@pytest.fixture(scope="session")
def loaded():
    """The client's libraries, which take longer than all else."""
    return importlib.import_module("teachrl.llm.transport")


@pytest.fixture
def begin(tmp_path, loaded):
    """Begins a provider around an `LLM`, and closes both at the end."""
    begun = []

    def make(url="http://127.0.0.1:9/v1", fallback="Planner", wait=False, most=MOST, **arguments):
        llm = LLM(**{"model": "m", "base_url": url, "cache": str(tmp_path), "retries": 0, "timeout": 5.0} | arguments)
        provider = Asked(llm, fallback, wait, most)
        provider.begin(MiniGridLayouts(), np.random.default_rng(0))
        begun.append(provider)
        return provider

    yield make
    for provider in begun:
        provider.close()
        provider.llm.close()
