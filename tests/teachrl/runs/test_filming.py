"""Films: what is shown and written in each picture, and that nothing of the run changes."""

import re
import subprocess
import warnings

import numpy as np
import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from filmed import STEPS, Busy, Hills, Still
from teachrl.classroom import Classroom
from teachrl.errors import InvalidEnvironment
from teachrl.lessons import Lesson
from teachrl.runs.filming import Filming, caption, frame_rate, rendering, setter, teacher_names
from teachrl.runs.reel import LEAST_WIDTH, Reel, enlarged
from teachrl.runs.video import film
from teachrl.vector import make_vec

SMOOTH, STEEP = Lesson(np.array([0.25, 1.0], np.float32), seed=1), Lesson(np.array([0.75, 1.0], np.float32), seed=2)


class Watching:
    """Keeps what a reel is given."""

    def __init__(self):
        self.shots, self.held = [], 0

    def show(self, picture, lines):
        self.shots.append((int(picture[0, 0, 0]), list(lines)))

    def hold(self, seconds):
        self.held += 1

    def lines(self, word):
        return [next(t for t in (x if isinstance(x, str) else x[0] for x in lines) if word in t)
                for _, lines in self.shots]  # fmt: skip


@pytest.fixture
def school():
    """Makes a classroom with a student, and some steps behind them."""
    made = []

    def make(teachers, env="FilmedShown-v0", num_envs=3, disable=()):
        classroom = Classroom(make_vec(env, num_envs), teachers, disable=disable, seed=0)
        made.append(classroom)
        student = Still()
        student.begin(classroom, np.random.SeedSequence(0), 100)
        classroom.attach(student)
        student.learn(12)
        return classroom, student

    yield make
    for classroom in made:
        classroom.close()


def shoot(classroom, student, lesson, **how):
    reel = Watching()
    Filming(classroom, student, 0, **how).play(lesson, ["the task"], reel)
    return reel


def test_every_step_is_shown_the_true_last_one_too(school):
    reel = shoot(*school([Hills()]), STEEP)
    assert [grey for grey, _ in reel.shots] == [10 * k for k in range(STEPS + 1)]
    assert [lines[1] for _, lines in reel.shots] == [
        *(f"step {k}, return {k}.00" for k in range(STEPS)), ("step 6, return 6.00: success", "good"),
    ]  # fmt: skip
    assert reel.held == 1
    assert shoot(*school([Hills()]), SMOOTH).shots[-1][1][1] == ("step 6, return 6.00: no success", "bad")


def test_a_long_episode_is_cut_to_its_beginning_and_its_end(school):
    reel = shoot(*school([Hills()]), STEEP, most_frames=2)
    assert [grey for grey, _ in reel.shots] == [0, 10, 20, 60]


def test_on_a_suite_only_permanent_channels_are_told(school):
    reel = shoot(*school([Hills(), Busy()]), STEEP)
    assert {len(lines) for _, lines in reel.shots} == {2}
    classroom, student = school([Busy(permanent_actions=True)])
    reel = shoot(classroom, student, STEEP)
    assert {len(lines) for _, lines in reel.shots} == {3}
    assert reel.lines("actions")[-1] == "actions: Busy acted on 33% of steps"


def test_in_training_every_channel_is_told(school):
    reel = shoot(*school([Hills(), Busy()]), STEEP, taught=True)
    paid = [("0", "0"), ("0.5", "0.5"), ("0", "0.5"), ("0.5", "1"), ("0", "1"), ("0.5", "1.5"), ("0", "1.5")]
    assert reel.lines("rewards") == [f"rewards: Busy pays +{now}, in all +{total}" for now, total in paid]
    claimed = [False, False, True, False, False, True, False]  # observations 1 and 4 are claimed, in steps 2 and 5
    assert [line.endswith(", now") for line in reel.lines("actions")] == claimed
    assert reel.lines("actions")[-1] == "actions: Busy acted on 33% of steps"
    assert reel.shots[-1][1][1] == ("step 6, return 8.00: success", "good")
    assert reel.lines("subgoals")[:3] == [f"subgoals: Busy sets {k} {k}" for k in ("0", "0.1", "0.2")]
    assert reel.lines("subgoals")[-1] == "subgoals: Busy sets 0.6 0.6"  # not the next episode's
    assert [line.startswith("observations: changed") for line in reel.lines("observations")[:-1]] == [
        False, False, False, True, True, True,
    ]  # fmt: skip
    assert reel.lines("labels")[-1] == "labels: Busy disagrees by 0.5 (root mean square)"


def test_a_disabled_channel_is_off(school):
    classroom, student = school([Hills(), Busy()], disable=["rewards", "Busy.labels"])
    told = [channel for each in Filming(classroom, student, 0, taught=True).activities() for channel in each]
    assert told == ["actions", "subgoals", "observations"]
    reel = shoot(classroom, student, STEEP, taught=True)
    assert {len(lines) for _, lines in reel.shots} == {5}
    assert setter(classroom.teachers, "tasks", classroom.disable) == "Hills"
    assert setter(classroom.teachers, "tasks", ["tasks"]) is None


def test_filming_changes_nothing(school):
    classroom, student = school([Hills(), Busy()])
    before = classroom.state_dict()
    state = np.random.get_state()[1].copy()
    shoot(classroom, student, STEEP, taught=True)
    after = classroom.state_dict()
    assert np.array_equal(before["teachers"]["1-Busy"]["counts"], after["teachers"]["1-Busy"]["counts"])
    assert before["teachers"]["0-Hills"] == after["teachers"]["0-Hills"]
    assert before["curriculum"] == after["curriculum"]
    assert before["counters"] == after["counters"]
    assert np.array_equal(np.random.get_state()[1], state)


def test_two_teachers_of_a_class_are_told_apart():
    assert [name for name, _ in teacher_names([Busy(), Hills(), Busy()])] == ["Busy-1", "Hills", "Busy-2"]


@pytest.mark.parametrize(
    ("env", "text"), [("FilmedBlind-v0", "does not render to pictures"), ("FilmedTextual-v0", "got str")]
)
def test_an_environment_without_pictures_is_named(school, env, text):
    classroom, student = school([Hills()], env=env)
    with pytest.raises(InvalidEnvironment, match=f"{env} cannot be filmed: .*{text}"):
        shoot(classroom, student, STEEP)


def read_film(path):
    """Returns the (T, H, W, 3) pictures, and how many there are a second."""
    command = [get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    told = subprocess.run(command, capture_output=True, check=True)
    width, height, fps = re.search(r"Video: .* (\d+)x(\d+)[, ].* (\d+) fps", told.stderr.decode()).groups()
    return np.frombuffer(told.stdout, np.uint8).reshape(-1, int(height), int(width), 3), int(fps)


def test_a_film_is_a_file_with_every_picture(school, tmp_path):
    classroom, student = school([Hills()])
    (path,) = film(classroom, student, {"validation-3": STEEP}, tmp_path / "videos", "60", 0)
    assert path == tmp_path / "videos" / "60-validation-3.mp4"
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    frames, fps = read_film(path)
    assert fps == frame_rate(classroom.envs) == 10
    assert len(frames) == STEPS + 1 + 15
    assert frames[0].shape[0] % 2 == frames[0].shape[1] % 2 == 0
    assert frames[0].shape[1] >= LEAST_WIDTH
    assert abs(int(frames[3][100, 100, 0]) - 30) < 6
    assert (frames[0][-40:] < 100).any()  # text under the picture
    assert not np.array_equal(frames[0][-40:], frames[5][-40:])


def test_a_film_that_fails_leaves_nothing(tmp_path):
    def fail():
        with Reel(tmp_path / "film.mp4", 10, 1) as reel, warnings.catch_warnings():
            warnings.simplefilter("error")
            reel.card("title", ["line"])
            reel.show(np.zeros((20, 480, 3), np.uint8), ["text that is far too long for a line " * 9])
            reel.show(np.zeros((40, 480, 3), np.uint8), [])

    with pytest.raises(InvalidEnvironment, match="must have one size"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_small_pictures_are_enlarged_by_whole_pixels():
    small = np.arange(2 * 100 * 3, dtype=np.uint8).reshape(2, 100, 3)
    big = enlarged(small)
    assert big.shape == (10, 500, 3)
    assert np.array_equal(big[::5, ::5], small)
    assert enlarged(big) is big


def test_captions_name_the_task(school):
    classroom, _ = school([Hills()])
    assert caption(STEEP, "validation-3", classroom.envs) == "slope angle 0.75, mud 1.00"
    assert caption(Lesson(None), "validation-3", classroom.envs) == "validation-3"


def test_environments_for_films_are_the_same_with_pictures(school):
    classroom, _ = school([Hills()])
    envs = rendering(classroom.envs, 2)
    assert (envs.num_envs, envs.render_mode) == (2, "rgb_array")
    envs.close()
