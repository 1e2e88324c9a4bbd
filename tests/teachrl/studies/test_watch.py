"""`teachrl watch`: the film of a run, which stays as it is."""

import hashlib

import numpy as np
import pytest

import teachrl.studies.watch as watching
from filmed import STEPS, Busy, Hills, Still
from teachrl.cli import main
from teachrl.errors import InvalidEnvironment, InvalidHyperparameter, InvalidRun, UnknownName
from teachrl.runs import train
from teachrl.studies.watch import watch

ARGUMENTS = {
    "student": Still(), "steps": 24, "num_envs": 3, "loggers": [], "progress": "none", "video": 0, "pictures": False,
    "env": "FilmedShown-v0",
}  # fmt: skip


@pytest.fixture
def run(tmp_path):
    teachers = [Hills(), Busy()]
    return train(**ARGUMENTS, teachers=teachers, disable=["Busy.labels"], out=str(tmp_path / "run")).directory


@pytest.fixture
def reels(monkeypatch):
    """What is put on film, in place of films."""
    made = []

    class Written:
        def __init__(self, path, fps, lines):
            self.path, self.lines, self.events = path, lines, []
            made.append(self)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def card(self, title, lines):
            self.events.append((title, *lines))

        def show(self, picture, lines):
            assert len(lines) <= self.lines
            self.events.append([x if isinstance(x, str) else x[0] for x in lines])

        def hold(self, seconds):
            pass

    monkeypatch.setattr(watching, "Reel", Written)
    return made


def digest(directory):
    return {
        str(p.relative_to(directory)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in directory.rglob("*")
        if p.is_file() and p.suffix != ".mp4"
    }


def test_two_parts_with_title_cards(run, reels):
    assert watch(str(run), tasks=2) == str(run / "videos" / "24-watch.mp4")
    (reel,) = reels
    cards = [i for i, event in enumerate(reel.events) if isinstance(event, tuple)]
    assert cards == [0, 1 + 2 * (STEPS + 1)]
    assert reel.events[0] == (
        "FilmedShown-v0 after 24 steps", "2 tasks of the validation suite", "without help from any teacher",
    )  # fmt: skip
    assert reel.events[cards[1]][1:] == ("2 lessons as training would go on", "tasks: set by Hills")
    first, second = reel.events[1 : cards[1]], reel.events[cards[1] + 1 :]
    assert {len(lines) for lines in first} == {3}
    assert {lines[2] for lines in first} == {"tasks: the validation suite"}
    assert second[0][2:] == [
        "tasks: set by Hills", "starts: the ordinary one", "rewards: Busy pays +0, in all +0",
        "actions: Busy acted on 0% of steps", "subgoals: Busy sets 0 0", "observations: left as they are by Busy",
    ]  # fmt: skip
    assert second[-1][1] == "step 6, return 8.00: success"
    assert len(second) == 2 * (STEPS + 1)


def test_the_lessons_are_those_that_training_would_go_on_with(run, reels):
    watch(run, tasks=2)
    served = 6  # two episodes in each of three environments
    lessons = [e[0] for e in reels[0].events if isinstance(e, list) and "Hills" in e[2]]
    assert list(dict.fromkeys(lessons)) == [f"slope angle {0.75 - 0.01 * (served + i):.2f}, mud 0.25" for i in (0, 1)]
    watch(run, tasks=2)
    assert reels[1].events == reels[0].events  # nothing has moved on


def test_the_run_stays_as_it_is(run, tmp_path):
    before = digest(run)
    target = tmp_path / "a" / "film.mp4"
    assert main(["watch", str(run), "--tasks", "1", "--out", str(target)]) == 0
    assert target.stat().st_size > 1000
    assert digest(run) == before
    assert not list(run.glob("videos/*"))


def test_a_run_at_hand_does_not_move_on(tmp_path, reels):
    run = train(**ARGUMENTS, teachers=[Hills(), Busy()], disable=["labels"], out=str(tmp_path / "run"))
    served = run.classroom.teachers[0].served
    watch(run, tasks=2)
    assert run.classroom.teachers[0].served == served
    assert reels[0].events


def test_the_seed_chooses_the_tasks(run, reels):
    for seed in (0, 0, 1):
        watch(run, tasks=3, seed=seed)
    shown = [[e[0] for e in reel.events if isinstance(e, list) and "suite" in e[2]] for reel in reels]
    assert shown[0] == shown[1] != shown[2]


def test_without_a_task_teacher_tasks_are_uniform(tmp_path, reels):
    run = train(**ARGUMENTS, out=str(tmp_path / "run")).directory
    watch(run, tasks=1, suite="test")
    assert reels[0].events[0][1] == "1 task of the test suite"
    assert reels[0].events[-1][2:] == ["tasks: uniform, nobody sets them"]


def test_what_cannot_be_filmed_says_why(run, tmp_path):
    blind = train(**{**ARGUMENTS, "env": "FilmedBlind-v0"}, out=str(tmp_path / "blind")).directory
    with pytest.raises(InvalidEnvironment, match="FilmedBlind-v0 cannot be filmed"):
        watch(blind)
    with pytest.raises(UnknownName, match="validation"):
        watch(run, suite="validatoin")
    with pytest.raises(InvalidRun, match="there is no run in it"):
        watch(tmp_path / "nowhere")
    for change, text in (({"tasks": 0}, "`tasks`"), ({"out": "film.avi"}, "mp4"), ({"seed": -1}, "`seed`")):
        with pytest.raises(InvalidHyperparameter, match=text):
            watch(run, **change)
    assert np.all([not list(d.glob("**/*.mp4")) for d in (run, blind)])
