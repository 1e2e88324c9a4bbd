"""Recorded runs, made by hand."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from teachrl.runs.tables import EPISODES

TYPES = {"list": pa.list_(pa.float64()), "bool": pa.bool_(), "int64": pa.int64(), "float64": pa.float64()}


@pytest.fixture
def record(tmp_path):
    """Writes a run's directory; a row is (steps, task, seed, length) and what else it has by name."""

    def write(*rows, num_envs=2, tasks=None, name="recorded", file="episodes.parquet", columns=tuple(EPISODES)):
        path = tmp_path / name
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        (path / "config.yaml").write_text(yaml.safe_dump({"num_envs": num_envs}))
        (path / "meta.json").write_text(json.dumps({"status": "running", "tasks": tasks}))
        plain = {"start": None, "learn": True, "return": 0.0, "success": None, "student": 0, "env": 0}
        filled = [
            {**plain, "steps": row[0], "task": row[1], "seed": row[2], "length": row[3], **(row[4] if row[4:] else {})}
            for row in rows
        ]
        arrays = {c: pa.array([row[c] for row in filled], TYPES[EPISODES[c]]) for c in columns}
        pq.write_table(pa.table(arrays), path / file)
        return str(path)

    return write
