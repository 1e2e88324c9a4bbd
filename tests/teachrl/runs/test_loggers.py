"""Loggers: csv, and wandb with the real library offline, which gets one run however often ours is resumed."""

import importlib.util
import json
import random
import struct
import sys
import time
import warnings

import numpy as np
import pytest

from teachrl.errors import InvalidHyperparameter
from teachrl.runs import train
from teachrl.runs.directory import RunDirectory
from teachrl.runs.loggers import LOGGERS, Logger, check_loggers, open_loggers


@pytest.fixture
def directory(tmp_path):
    return RunDirectory.create(tmp_path / "run", {"env": "E", "steps": 5}, True)


class Failing:
    """A wandb that cannot be reached."""

    calls = 0

    class Settings:
        model_fields = ()

    @classmethod
    def init(cls, **_):
        cls.calls += 1
        random.random()
        np.random.random()
        raise ConnectionError("no network")


@pytest.fixture
def failing(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", Failing)
    monkeypatch.setattr("teachrl.runs.loggers._installed", lambda library: True)
    monkeypatch.setattr(Failing, "calls", 0)


@pytest.fixture
def offline(monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")


def test_every_logger_can_be_opened_once(directory):
    opened = open_loggers([*LOGGERS, "csv"], directory)
    assert [type(logger).__name__ for logger in opened] == ["TensorBoard", "Csv", "Wandb"]
    for logger in opened:
        assert isinstance(logger, Logger)
        logger.close()
    assert not (directory.path / "wandb").exists()


def test_a_missing_library_is_named_before_anything_is_created(hypercube, fails, tmp_path, monkeypatch):
    (tmp_path / "wandb").mkdir()  # what wandb leaves where it ran is no library
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    error = fails(**{**hypercube, "loggers": ["wandb"]}, out=str(tmp_path / "run"))
    assert isinstance(error, InvalidHyperparameter)
    assert 'pip install "teachrl[wandb]"' in str(error)
    assert not (tmp_path / "run").exists()


def test_a_folder_of_the_name_is_no_library(tmp_path, monkeypatch):
    (tmp_path / "wandb").mkdir()
    for name in [n for n in sys.modules if n.partition(".")[0] == "wandb"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    importlib.invalidate_caches()
    with pytest.raises(InvalidHyperparameter, match="needs the library wandb"):
        check_loggers(["wandb"])


def test_a_failing_service_warns_once_and_the_run_goes_on(hypercube, tmp_path, failing):
    with pytest.warns(RuntimeWarning, match="wandb failed.*ConnectionError: no network") as caught:
        run = train(**{**hypercube, "loggers": ["wandb"], "pictures": True}, out=str(tmp_path / "run"))
    assert len(caught) == 1
    assert Failing.calls == 1
    assert run.steps == 600


def test_the_global_generators_stay_as_they_were(directory, failing):
    (logger,) = open_loggers(["wandb"], directory)
    before = random.getstate(), np.random.get_state()[1].tolist()
    with pytest.warns(RuntimeWarning, match="no network"):
        logger.scalars({"a": 1.0}, 3)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def records(path):
    """Reads what the library wrote into its own file: a LevelDB log, blocks of 32 KiB behind a header of 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    data, place, whole, found = path.read_bytes(), 7, b"", []
    while place < len(data):
        if (left := 32768 - place % 32768) < 7:
            place += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, place)
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole record, or the last piece of one
            found.append(wandb_internal_pb2.Record.FromString(whole))
            whole = b""
    return found


def values(items):
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


def sent(directory):
    """Returns the configuration, the rows and the id that the library has written down for a run."""
    config, rows, files = {}, [], sorted((directory / "wandb").glob("offline-run-*/run-*.wandb"))
    for record in (record for file in files for record in records(file)):
        if record.WhichOneof("record_type") == "run":
            assert record.run.project == "teachrl"
            config = values(record.run.config.update)
        if record.WhichOneof("record_type") == "history":
            rows.append(values(record.history.item))
    return config, rows, {file.stem.removeprefix("run-") for file in files}


def test_a_resumed_run_goes_on_in_the_same_place(hypercube, tmp_path, offline):
    arguments = {**hypercube, "loggers": ["wandb"], "pictures": True, "eval_every": 300, "steps": 300}
    run = train(**arguments, out=str(tmp_path / "run"))
    time.sleep(1.1)  # a run's files there are named by its id and the second
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(**{**arguments, "steps": 600}, resume=str(run.directory))
    deadline = time.monotonic() + 10
    while (found := sent(run.directory))[1][-1]["total_steps"] < 600:
        assert time.monotonic() < deadline  # its own process writes behind ours
        time.sleep(0.05)
    config, rows, ids = found
    assert ids == {json.loads((run.directory / "wandb.json").read_text())["id"]}
    assert (config["env"], config["steps"]) == ("TeachRL/Hypercube-v0", 600)
    steps = [row["total_steps"] for row in rows]
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (2, 600)
    tags = {"train/return", "perf/steps", "eval/return", "eval/mastery._type", "teacher/curriculum._type"}
    assert tags <= set().union(*rows)
