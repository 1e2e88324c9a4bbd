import errno
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from teachrl.errors import InvalidRun
from teachrl.runs import checkpoint
from teachrl.runs.checkpoint import checkpoints, load_tree, newest_checkpoint, readable, save_checkpoint, save_tree


def same(a, b):
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and a.shape == b.shape and a.equal(b)
    if isinstance(a, np.ndarray | np.generic):
        if type(a) is not type(b) or a.dtype != b.dtype or a.shape != b.shape:
            return False
        return a.tobytes() == b.tobytes()
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return a == b


DTYPES = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(),
    npst.unsigned_integer_dtypes(),
    npst.floating_dtypes(sizes=(16, 32, 64)),
    npst.complex_number_dtypes(sizes=(64, 128)),
    npst.datetime64_dtypes(),
    npst.unicode_string_dtypes(max_len=4),
)
ARRAYS = npst.arrays(DTYPES, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**130), 2**130)
    | st.floats()
    | st.text()
    | st.binary(max_size=5)
    | ARRAYS
    | ARRAYS.filter(lambda a: a.ndim == 0).map(lambda a: a[()])
)
KEYS = st.text() | st.integers() | st.tuples(st.integers(), st.text()) | st.just("$")
TREES = st.recursive(
    LEAVES,
    lambda t: st.lists(t, max_size=3) | st.lists(t, max_size=3).map(tuple) | st.dictionaries(KEYS, t, max_size=3),
    max_leaves=8,
)


@given(TREES)
@settings(max_examples=150, deadline=None)
def test_a_tree_comes_back_as_it_was(tmp_path_factory, tree):
    place = tmp_path_factory.mktemp("tree")
    save_tree(place, tree)
    assert same(tree, load_tree(place))


def test_tensors_and_generators_come_back(tmp_path):
    rng = np.random.default_rng(3)
    tree = {
        "rng": dict(rng.bit_generator.state),
        "weights": {0: torch.arange(6.0).reshape(2, 3).T, 1: torch.tensor(3), 2: torch.zeros(0, 4)},
        "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
        "bool": torch.tensor([True, False]),
        "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "big_endian": np.arange(3, dtype=">f8"),
        "parameter": torch.nn.Parameter(torch.ones(2)).detach(),
    }
    save_tree(tmp_path, tree, "student")
    back = load_tree(tmp_path, "student")
    assert same(tree["weights"], back["weights"])
    assert same(tree["half"], back["half"])
    assert same(tree["bool"], back["bool"])
    assert np.array_equal(back["fortran"], tree["fortran"])
    assert back["big_endian"].dtype.str == ">f8"
    assert back["big_endian"].tolist() == [0, 1, 2]
    other = np.random.default_rng(0)
    other.bit_generator.state = back["rng"]
    assert other.random() == rng.random()


def test_what_is_not_data_is_named(tmp_path):
    with pytest.raises(InvalidRun, match=r"tree\['a'\]\[1\] is a builtins.object"):
        save_tree(tmp_path, {"a": [1, object()]})
    with pytest.raises(InvalidRun, match="array of object"):
        save_tree(tmp_path, np.array([None]))


def test_half_written_checkpoints_are_passed_over(tmp_path):
    for steps in (10, 20, 30):
        save_checkpoint(tmp_path, steps, {"a": {"x": np.arange(steps)}}, keep=3)
    (tmp_path / "20" / "complete.json").unlink()
    data = (tmp_path / "30" / "a.safetensors").read_bytes()
    (tmp_path / "30" / "a.safetensors").write_bytes(data[:-8])
    (tmp_path / ".40.tmp").mkdir()
    assert [p.name for p in checkpoints(tmp_path)] == ["10"]
    assert len(load_tree(newest_checkpoint(tmp_path), "a")["x"]) == 10


def test_old_checkpoints_go_newest_stay(tmp_path):
    for steps in (5, 100, 20):
        save_checkpoint(tmp_path, steps, {"a": steps})
    assert [p.name for p in checkpoints(tmp_path)] == ["20", "100"]


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, 10, {"a": 1})

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "flush", full)
    with pytest.raises(InvalidRun, match="20 steps could not be written: No space left.*10 steps is whole"):
        save_checkpoint(tmp_path, 20, {"a": 2})
    assert [p.name for p in tmp_path.iterdir()] == ["10"]
    assert load_tree(tmp_path / "10", "a") == 1


def test_a_missing_tree_is_an_invalid_run(tmp_path):
    with pytest.raises(InvalidRun, match="no whole tree 'b'"):
        load_tree(tmp_path, "b")


def test_a_checkpoint_of_another_layout_says_whose_it_is(tmp_path: Path) -> None:
    with (
        pytest.raises(InvalidRun, match="7 has no entry 'rng'.*meta.json says which version"),
        readable(tmp_path / "7"),
    ):
        _ = {}["rng"]
