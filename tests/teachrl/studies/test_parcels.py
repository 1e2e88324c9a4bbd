import pytest

from teachrl.errors import InvalidStudy
from teachrl.studies import parcels
from teachrl.studies.parcels import arrive, pack, pack_code, unpack


def contents(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def run(tmp_path):
    run = tmp_path / "study" / "runs" / "a"
    (run / "checkpoints" / "10").mkdir(parents=True)
    (run / "meta.json").write_text("{}")
    (run / ".hidden").write_bytes(b"\x00\xff")
    (run / "checkpoints" / "10" / "x").write_text("weights")
    return run


def test_what_was_packed_is_unpacked(run, tmp_path):
    root = tmp_path / "study"
    parcel = pack(root, ["runs/a/meta.json", "runs/a/checkpoints", "runs/missing"])
    unpack(parcel, tmp_path / "other")
    assert contents(tmp_path / "other") == {"runs/a/meta.json": b"{}", "runs/a/checkpoints/10/x": b"weights"}


def test_nothing_is_a_parcel_too(tmp_path):
    unpack(pack(tmp_path, []), tmp_path / "other")
    assert contents(tmp_path / "other") == {}


def test_what_arrives_takes_the_place_of_what_was_there(run, tmp_path):
    place = tmp_path / "here" / "0-k"
    place.mkdir(parents=True)
    (place / "old").write_text("old")
    (tmp_path / "here" / ".0-k.tmp").mkdir()  # of an arrival that was killed
    (tmp_path / "here" / ".0-k.tmp" / "half").write_text("h")
    (tmp_path / "here" / ".0-k.old").mkdir()
    arrive(pack(run, ["."]), place)
    assert contents(place) == contents(run)
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["0-k"]


def test_nothing_is_written_outside(tmp_path):
    (tmp_path / "secret").write_text("s")
    (tmp_path / "root").mkdir()
    parcel = pack(tmp_path / "root", ["../secret"])
    (tmp_path / "secret").unlink()
    with pytest.raises(Exception, match="outside the destination"):
        unpack(parcel, tmp_path / "root")
    assert not (tmp_path / "secret").exists()


def test_code_is_modules_without_environments_and_hidden_directories(tmp_path):
    for name in ("a.py", "package/b.py", ".git/c.py", "venv/d.py", "__pycache__/e.py", "data.bin", "runs/x/f.parquet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "venv/pyvenv.cfg").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "package")
    parcel = pack_code(tmp_path)
    unpack(parcel, tmp_path / "there")
    assert contents(tmp_path / "there") == {"a.py": b"a.py", "package/b.py": b"package/b.py"}


def test_too_much_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(parcels, "CODE_BYTES", 10)
    (tmp_path / "a.py").write_text("x" * 11)
    with pytest.raises(InvalidStudy, match="more than is sent to other machines"):
        pack_code(tmp_path)
