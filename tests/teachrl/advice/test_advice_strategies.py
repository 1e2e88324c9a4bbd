"""The strategy library: what it keeps, what it tells, and that many may write to it."""

import json
import threading

import numpy as np
import pytest

from teachrl.advice import Strategies, Strategy, Table
from teachrl.advice.strategies import FORMAT, advice_in_words, bounded, effect, join, read
from teachrl.errors import InvalidRun


def strategy(advice="Wide gates.", overall=0.1, mark="a", env="Gate-v0", **others):
    return Strategy(env, advice, overall=overall, traces=(mark,), **others)


def test_an_effect_by_hand():
    table = Table(4, 1.0, (0.0, 10.0))
    for cell, value in ((0, 2.0), (1, 4.0), (2, 6.0)):
        table.add([cell], value, None)
    before = table.standing()
    table.turn()
    for cell, value in ((0, 5.0), (1, 3.0), (3, 9.0)):
        table.add([cell], value, None)
    found = effect(before.latest, before.latest_returns, table.standing(), np.array([0.5, 0.25, 0.0, 0.25]))
    assert found == pytest.approx(((0.5 * 0.3 - 0.25 * 0.1) / 0.75, (0.3 - 0.1 + 0.0) / 3, (1.5 - 0.25) / 0.75))
    assert effect(before.latest, before.latest_returns, table.standing(), np.array([0, 0, 0, 1.0])) is None


def test_the_same_strategy_is_one_entry_with_the_mean_effect():
    entries = join(join([], strategy(cells=0.2)), strategy("WIDE gates.", overall=0.4, cells=0.0, mark="b"))
    (one,) = entries
    assert (one.uses, one.number, one.traces) == (2, 2, ("a", "b"))
    assert (one.overall, one.cells) == pytest.approx((0.25, 0.1))
    assert join(entries, strategy(mark="b", overall=9.0)) == entries  # measured already, by a run before it was resumed
    assert len(join(entries, strategy(env="Other-v0", mark="c"))) == 2


def test_a_full_library_gives_up_the_least_useful_of_the_older_half():
    entries = []
    for i, overall in enumerate([0.5, -0.2, 0.1, -0.9, 0.0, -1.0]):
        entries = join(entries, strategy(f"advice {i}", overall, str(i)))
    assert [s.advice for s in bounded(entries, 5)] == [f"advice {i}" for i in (0, 2, 3, 4, 5)]
    assert [s.advice for s in bounded(entries, 3)] == [f"advice {i}" for i in (0, 4, 5)]


def test_the_best_and_the_newest_are_told():
    library = Strategies()
    for i, overall in enumerate([0.5, -0.2, 0.9, -0.9, 0.0]):
        library.add(strategy(f"advice {i}", overall, str(i)))
    library.add(strategy("elsewhere", 7.0, "x", env="Other-v0"))
    assert [line.split()[2] for line in library.told("Gate-v0", most=2)] == ["2", "0", "4", "3"]
    assert library.told("Nowhere-v0") == []


def test_a_line_says_what_was_advised_and_what_came_of_it():
    line = strategy("Wide gates. Tasks: 100% gate 1.", 0.04, cells=0.213, returns=-3.5).say()
    assert line == (
        "- Wide gates. Tasks: 100% gate 1. Effect (measured once): score +0.213 in the advised cells, +0.040 overall, "
        "return -3.5."
    )
    assert advice_in_words("Near\nones first", "100% gate 1") == "Near ones first. Tasks: 100% gate 1."
    assert advice_in_words("", "100% gate 1") == "Tasks: 100% gate 1."


def test_the_file_is_readable_and_comes_back(tmp_path):
    path = tmp_path / "new" / "strategies.json"
    Strategies(path).add(strategy(cells=0.25))
    data = json.loads(path.read_text())
    assert data["format"] == FORMAT
    assert data["strategies"][0]["words"].startswith("- Wide gates. Effect (measured once): score +0.250")
    again = Strategies(path)
    assert again.entries == [strategy(cells=0.25, number=1)]
    assert again.told("Gate-v0") == [again.entries[0].say()]
    assert {p.name for p in path.parent.iterdir()} == {"strategies.json", "strategies.json.lock"}


def test_runs_at_the_same_time_lose_nothing(tmp_path):
    path = tmp_path / "strategies.json"

    def work(run):
        library = Strategies(path)
        for i in range(8):
            library.add(strategy(f"advice {run}-{i}", mark=f"{run}-{i}"))

    threads = [threading.Thread(target=work, args=(run,)) for run in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = read(path)
    assert {s.advice for s in entries} == {f"advice {run}-{i}" for run in range(4) for i in range(8)}
    assert sorted(s.number for s in entries) == list(range(1, 33))


def test_its_state_is_data_and_leaves_the_file_alone(tmp_path):
    library = Strategies(tmp_path / "a.json")
    library.add(strategy())
    state = json.loads(json.dumps(library.state_dict()))
    other = Strategies(tmp_path / "b.json")
    other.load_state_dict(state)
    assert other.entries == library.entries
    assert not (tmp_path / "b.json").exists()


def test_words_in_a_file_are_cut_to_a_line(tmp_path):
    path = tmp_path / "strategies.json"
    path.write_text(json.dumps({"format": FORMAT, "strategies": [{"env": "Gate-v0", "advice": "a\n\nb" + "x" * 5000}]}))
    (entry,) = Strategies(path).entries
    assert entry.advice.startswith("a bxxx")
    assert len(entry.advice) == 600


@pytest.mark.parametrize(
    "text",
    [
        "[]", "{}", '{"format": "other"}', '{"format": "teachrl-strategies-1", "strategies": [{}]}',
        '{"format": "teachrl-strategies-1", "strategies": [{"env": "e", "advice": "a", "overall": "much"}]}',
        '{"format": "teachrl-strategies-1", "strategies": [7]}',
    ],
)  # fmt: skip
def test_another_file_is_refused(tmp_path, text):
    path = tmp_path / "strategies.json"
    path.write_text(text)
    with pytest.raises(InvalidRun, match=r"strategies\.json is not a strategy library .*Give the library another path"):
        Strategies(path)
    assert path.read_text() == text


def test_a_file_that_is_no_json_or_cannot_be_written(tmp_path):
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(InvalidRun, match=r"broken\.json cannot be read"):
        Strategies(tmp_path / "broken.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidRun, match="cannot be (read|written)"):
        Strategies(tmp_path / "file" / "strategies.json").add(strategy())
