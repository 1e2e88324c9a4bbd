import contextlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from engine_teachers import collect, job, odd

from teachrl.errors import InvalidHyperparameter, InvalidStudy, UnknownName
from teachrl.studies.engines import make_engine
from teachrl.studies.work import is_finished


def test_an_engine_is_made_by_its_name(tmp_path):
    engine = make_engine("local", tmp_path, 3)
    assert engine.slots == 3
    assert engine.wait() == []
    engine.close()
    assert list(tmp_path.iterdir()) == []


def test_a_trial_that_changes_the_working_directory_does_not_lead_others_astray(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with contextlib.closing(make_engine("local", Path("study"), 1)) as engine:
        for trial in (job("a", teacher=odd("chdir")), job("b")):
            engine.submit(trial)
            assert {key: e.error for key, e in collect(engine, 1).items()} == {trial.key: None}
            assert is_finished(tmp_path / "study" / trial.place)


def test_an_unknown_engine_is_refused_with_the_nearest_name(tmp_path):
    with pytest.raises(UnknownName, match="There is no engine 'locall'. Did you mean 'local'"):
        make_engine("locall", tmp_path)


@pytest.mark.parametrize("jobs", [0, -1, 1.5, True, "2"])
def test_an_impossible_number_of_jobs_is_refused(tmp_path, jobs):
    with pytest.raises(InvalidHyperparameter, match="`jobs` must be a whole number, at least 1"):
        make_engine("local", tmp_path, jobs)


def test_processes_of_this_machine_have_no_address(tmp_path):
    with pytest.raises(InvalidHyperparameter, match="choose --engine ray"):
        make_engine("local", tmp_path, 1, "auto")


def test_without_ray_it_is_said_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InvalidStudy, match=r'pip install "teachrl\[ray\]"'):
        make_engine("ray", tmp_path, 1)


def test_engines_are_imported_when_they_are_chosen():
    script = "import sys, teachrl.studies.ray_engine, teachrl.studies.local_engine; print('ray' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert importlib.util.find_spec("teachrl.studies.engines")
