"""The small parts of a run: its clock, log, pictures, films, generators, facts."""

import io
import json
import random
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from teachrl.lessons import Episode, Lesson
from teachrl.runs.clock import Clock
from teachrl.runs.console import Console, live_table, plain_line
from teachrl.runs.directory import RunDirectory
from teachrl.runs.evaluation import collect
from teachrl.runs.facts import private
from teachrl.runs.generators import generators_kept, global_generators
from teachrl.runs.interrupt import Interrupt
from teachrl.runs.metrics import Metrics, read_metrics, write_csv
from teachrl.runs.pictures import Axes, Taught, curriculum_pixels, mastery_pixels, save_overview
from teachrl.runs.tensorboard import TensorBoard
from teachrl.runs.video import choose


@given(
    total=st.integers(1, 5000), granularity=st.integers(1, 300), a=st.integers(0, 999), b=st.integers(0, 999),
    cut=st.floats(0, 1),
)  # fmt: skip
def test_pieces_are_granules_and_events_come_once_an_interval(total, granularity, a, b, cut):
    every = {"a": a, "b": b}

    def run(clock):
        found = []
        while piece := clock.next_piece():
            assert piece % granularity == 0
            found.append((clock.steps + piece, sorted(clock.advance(piece))))
        return found

    events = run(Clock(total, granularity, every))
    end = -(-total // granularity) * granularity
    assert events[-1][0] == end
    for name, interval in every.items():
        at = [steps for steps, due in events if name in due]
        multiples = range(interval, end + 1, interval) if interval else ()
        assert at == sorted(
            {-(-m // granularity) * granularity for m in multiples if m <= end} & {s for s, _ in events}
        )
        assert len(at) == len({-(-m // granularity) for m in multiples})
    resumed = events[int(cut * (len(events) - 1))][0]
    assert run(Clock(total, granularity, every, resumed)) == [e for e in events if e[0] > resumed]


def test_a_longer_clock_goes_on():
    clock = Clock(100, 32, {}, steps=0)
    assert (clock.total, clock.next_piece()) == (128, 128)
    assert Clock(200, 32, {}, steps=128).next_piece() == 96


def test_metrics_are_cut_back_and_csv_has_all_columns(tmp_path):
    metrics = Metrics(tmp_path / "m.jsonl")
    metrics.write({"steps": 1, "a": 0.5})
    size = metrics.size
    metrics.write({"steps": 2, "b": float("nan")})
    metrics.close()
    again = Metrics(tmp_path / "m.jsonl", size)
    again.write({"steps": 3, "b": 2.0})
    again.close()
    with (tmp_path / "m.jsonl").open("a") as file:
        file.write('{"steps": 4, "cut o')
    assert read_metrics(tmp_path / "m.jsonl") == [{"steps": 1, "a": 0.5}, {"steps": 3, "b": 2.0}]
    write_csv(tmp_path / "m.jsonl", tmp_path / "m.csv")
    assert (tmp_path / "m.csv").read_text().split() == ["steps,a,b", "1,0.5,", "3,,2.0"]


def test_a_file_that_lost_its_end_goes_on_behind_its_last_whole_line(tmp_path):
    (tmp_path / "m.jsonl").write_text('{"steps": 1}\n{"steps": 2, "cut o')
    metrics = Metrics(tmp_path / "m.jsonl", size=500)
    metrics.write({"steps": 3})
    metrics.close()
    assert read_metrics(tmp_path / "m.jsonl") == [{"steps": 1}, {"steps": 3}]


def test_not_a_number_becomes_null(tmp_path):
    metrics = Metrics(tmp_path / "m.jsonl")
    metrics.write({"a": float("nan"), "b": float("inf"), "c": 1})
    metrics.close()
    assert json.loads((tmp_path / "m.jsonl").read_text()) == {"a": None, "b": None, "c": 1}


def test_tensorboard_reads_what_was_written_and_no_name_of_the_host(tmp_path):
    import platform

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    first = TensorBoard(RunDirectory(tmp_path))
    for step in (1, 2, 3):
        first.scalars({"train/return": step / 2, "train/nan": float("nan")}, step)
    first.close()
    second = TensorBoard(RunDirectory(tmp_path), purge_step=2)
    second.scalars({"train/return": 9.0}, 2)
    second.picture("eval/mastery", np.zeros((4, 6, 3), np.uint8), 2)
    second.close()
    reader = EventAccumulator(str(tmp_path / "tb"))
    reader.Reload()
    assert [(e.step, e.value) for e in reader.Scalars("train/return")] == [(1, 0.5), (2, 9.0)]
    assert reader.Tags()["scalars"] == ["train/return"]
    assert (reader.Images("eval/mastery")[0].width, reader.Images("eval/mastery")[0].height) == (6, 4)
    assert all(not platform.node() or platform.node() not in p.name for p in (tmp_path / "tb").iterdir())


ROW = {"steps": 2000, "episodes": 31, "train/return": 12.5, "eval/mastered": 3, "perf/steps_per_second": 1234.5,
       "teacher/ALPGMM/alp_mean": 0.1, "total_steps": 2100}  # fmt: skip


def test_a_plain_line_says_what_matters():
    assert plain_line(ROW, 10_000) == (
        "2,000/10,000 steps, 31 episodes, return 12.5, eval mastered 3, steps per second 1,234, ALPGMM alp mean 0.1"
    )


def test_the_table_shows_every_number():
    from rich.console import Console as Rich

    rich = Rich(width=100, record=True, file=io.StringIO())
    rich.print(live_table(ROW, "title", 10_000))
    text = rich.export_text()
    for words in ("title", "2,000 of 10,000 (20%)", "train/return", "12.5", "teacher/ALPGMM/alp mean"):
        assert words in text


def test_the_console_is_silent_where_asked_and_plain_without_a_terminal(capsys):
    Console("none", "t", 10).say("secret")
    assert capsys.readouterr().out == ""
    console = Console("auto", "t", 10)
    assert console.kind == "plain"
    console.show(ROW)
    console.say("done")
    console.close()
    assert capsys.readouterr().out == "done\n"


def test_the_live_table_stays_when_it_ends(capsys):
    console = Console("table", "t", 10_000)
    console.show(ROW)
    console.say("[brackets] stay")
    console.close()
    out = capsys.readouterr().out
    assert "[brackets] stay" in out
    assert "train/return" in out


def test_global_generators_are_as_they_were():
    before = global_generators()
    with generators_kept(3):
        first = (random.random(), np.random.random(), float(torch.rand(1)))
    with generators_kept(3):
        assert (random.random(), np.random.random(), float(torch.rand(1))) == first
    after = global_generators()
    assert before["python"] == after["python"]
    assert np.array_equal(before["numpy"][1], after["numpy"][1])
    assert before["numpy"][2:] == after["numpy"][2:]
    assert torch.equal(before["torch"], after["torch"])


def test_paths_say_nothing_of_the_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert private(f"--out={tmp_path}/runs/a") == "--out=runs/a"
    assert private('File "/srv/people/anna/thesis/env.py", line 3') == 'File ".../env.py", line 3'
    assert private(f"{sys.prefix}/lib/x.py") == "<python>/lib/x.py"
    for plain in ("https://arxiv.org/abs/1910.07224", "TeachRL/PointMass-v0", "mastered 37/100", "runs/a/b"):
        assert private(plain) == plain


def test_the_first_signal_is_a_wish_and_the_second_an_interrupt():
    said = []
    handler = signal.getsignal(signal.SIGINT)
    with Interrupt(said.append) as interrupt:
        signal.raise_signal(signal.SIGINT)
        assert interrupt.wished
        assert "again to stop at once" in said[0]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is handler


def evaluation(numbers, told=True):
    n = len(numbers)
    episodes = [
        Episode(Lesson(), 0, 0, None, float(i % n), 0.0, 0.0, 5, i % n == 1 if told else None, True)
        for i in range(2 * n)
    ]
    return collect("test", 100, [f"test-{i}" for i in range(n)], numbers, episodes)


def test_an_evaluation_counts_lessons_and_keeps_their_order(tmp_path):
    found = evaluation([[0.0], [1.0], None])
    assert found.line == "mastered 1/3, mean return 1.0"
    assert (found["success_rate"], found["episodes"], dict(found)["mastered"]) == (pytest.approx(1 / 3), 2, 1)
    assert [task["return"] for task in found["tasks"]] == [0, 1, 2]
    assert [r[2:6] for r in found.rows()][:3] == [
        ("test-0", [0.0], 0, 0.0),
        ("test-0", [0.0], 1, 0.0),
        ("test-1", [1.0], 0, 1.0),
    ]
    with pytest.raises(KeyError, match="mean_return"):
        found["return"]
    found.save(tmp_path)
    assert json.loads((tmp_path / "100-test.json").read_text())["tasks"][1]["success"] == 1.0
    found.returns[:] = [[0.04], [0.05], [0.03]]
    assert found.line == "mastered 1/3, mean return 0.04"
    silent = evaluation([[0.0], [1.0]], told=False)
    assert (silent.line, silent["success_rate"], silent["mastered"]) == ("mean return 0.5", None, None)


def test_a_long_table_is_never_cut(capsys):
    found = evaluation([[float(i)] * 6 for i in range(3)])
    object.__setattr__(found, "names", ["a-very-long-name-" * 12 + str(i) for i in range(3)])
    found.show()
    out = capsys.readouterr().out
    assert all(name in out for name in found.names)
    assert out.splitlines()[-1] == found.line


class Gaussians:
    def gaussians(self):
        one = np.array([1.0])
        return {"means": np.full((1, 2), 0.5), "covariances": 0.01 * np.eye(2)[None], "probabilities": one}

    def recent_progress(self):
        return np.random.default_rng(0).random((20, 2)), np.linspace(0, 1, 20)


@pytest.mark.parametrize("dims", [0, 1, 2, 3])
@pytest.mark.filterwarnings("error")
def test_pictures_of_task_spaces_of_any_size(tmp_path, dims):
    rng = np.random.default_rng(0)
    tasks = [rng.random(dims).tolist() if dims else None for _ in range(50)]
    taught = Taught.of({"steps": list(range(1, 51)), "task": tasks, "return": rng.random(50).tolist()})
    assert taught.tasks.shape == (50, dims)
    axes = Axes.of(spaces.Box(0, 1, (dims,)) if dims else None, (), dims)
    found = evaluation(tasks[:5])
    teachers = [Gaussians()] if dims == 2 else []
    save_overview(tmp_path / "c.png", taught, found, axes, teachers)
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    pixels = mastery_pixels(found, axes)
    assert pixels.dtype == np.uint8
    assert pixels.std() > 0
    if dims:
        plain = curriculum_pixels(taught, axes, [])
        assert plain.shape == pixels.shape
        assert (dims != 2) or (plain != curriculum_pixels(taught, axes, teachers)).any()


def test_many_episodes_are_thinned_evenly():
    taught = Taught.of({"steps": list(range(1000)), "task": [[0.0]] * 1000, "return": [0.0] * 1000}, most=11)
    assert taught.steps.tolist() == [int(x) for x in np.linspace(0, 999, 11)]


def test_films_show_the_best_and_the_worst():
    found = evaluation([[0.0], [1.0], [2.0]])
    lessons = {name: Lesson() for name in found.names}
    assert list(choose(found, lessons, 2)) == ["test-2", "test-0"]
    assert list(choose(found, lessons, 9)) == ["test-2", "test-1", "test-0"]


def test_importing_train_is_light():
    heavy = (
        "torch",
        "matplotlib",
        "pyarrow",
        "rich",
        "imageio",
        "sklearn",
        "scipy",
        "stable_baselines3",
        "tensorboard",
    )
    code = f"import sys, teachrl.runs.train; print([m for m in {heavy!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
