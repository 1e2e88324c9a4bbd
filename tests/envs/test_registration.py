import subprocess
import sys

import gymnasium as gym
import pytest

import teachrl_envs
from teachrl import make_vec
from teachrl.errors import InvalidEnvironment, UnknownName


def test_importing_registers_and_stays_light():
    code = (
        "import sys, warnings; warnings.simplefilter('error'); import gymnasium, teachrl_envs, importlib;"
        "importlib.reload(teachrl_envs);"
        "ids = [i for i in gymnasium.registry if i.startswith('TeachRL/')];"
        "assert {'TeachRL/StumpTracks-v0', 'TeachRL/PointMass-v0', 'TeachRL/Hypercube-v0'} <= set(ids), ids;"
        "heavy = {'Box2D', 'numba', 'pygame', 'scipy', 'torch'} & set(sys.modules);"
        "assert not heavy, heavy;"
        "gymnasium.make('TeachRL/PointMass-v0'); gymnasium.make_vec('TeachRL/Hypercube-v0', 2);"
        "heavy = {'Box2D', 'numba', 'pygame', 'scipy', 'torch'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("name", ["PointMass", "PointMassVector", "Hypercube", "HypercubeVector", "Parametrised"])
def test_public_names_come_from_the_package(name):
    assert getattr(teachrl_envs, name).__name__ == name
    assert name in dir(teachrl_envs)


def test_other_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="PointMas"):
        teachrl_envs.PointMas  # noqa: B018


@pytest.mark.parametrize("env_id", ["TeachRL/PointMass-v0", "TeachRL/Hypercube-v0"])
def test_made_environments_carry_no_wrappers(env_id):
    env = gym.make(env_id)
    assert env.unwrapped is env
    assert env.spec.id == env_id


def test_minigrids_own_ids_need_no_module():
    words = "from teachrl import make_vec; print(make_vec('MiniGrid-DoorKey-5x5-v0', 2).env_id)"
    found = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert found.stdout == "MiniGrid-DoorKey-5x5-v0\n"
    with pytest.raises(UnknownName, match=r"no env 'MiniGrid-DoorKey-5x6-v0'. Did you mean"):
        make_vec("MiniGrid-DoorKey-5x6-v0", 1)


def test_a_class_in_the_place_of_an_id_is_told_how_to_get_one(monkeypatch, tmp_path):
    (tmp_path / "hilly.py").write_text("import gymnasium\nclass Hill(gymnasium.Env): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InvalidEnvironment, match=r"write gymnasium.register\('Hill-v0', Hill\) into hilly.py"):
        make_vec("hilly:Hill", 1)
