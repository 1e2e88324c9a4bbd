import sys
from importlib.metadata import EntryPoint

import pytest

from teachrl import plugins


def test_ours_come_first_and_a_broken_one_is_named_and_left_out(monkeypatch, tmp_path):
    (tmp_path / "broken_plugin.py").write_text("raise OSError('no licence')")
    (tmp_path / "a_plugin.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    points = [
        EntryPoint("their", value, "teachrl.things") for value in ("a_plugin", "broken_plugin", "teachrl.lessons")
    ]
    monkeypatch.setattr(plugins, "entry_points", lambda group: [p for p in points if p.group == group])
    with pytest.warns(RuntimeWarning, match=r"'their' \(broken_plugin.*left out: OSError: no licence"):
        modules = plugins.import_plugins(("things",))
    assert [module.__name__ for module in modules] == ["teachrl.lessons", "a_plugin"]
    assert plugins.import_plugins(("things",)) == modules  # once: no second warning
    del sys.modules["a_plugin"]


def test_our_environments_are_a_plugin():
    assert "teachrl_envs" in [module.__name__ for module in plugins.import_plugins(("envs",))]
