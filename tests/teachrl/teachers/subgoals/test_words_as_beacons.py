"""Words as Beacons on a hall, computed by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from halls import DOOR, GOAL, KEY, LEFT, RIGHT, STAY, USE, Fixed, Hall, hall_room
from teachrl import Classroom, Lesson, make_vec
from teachrl.errors import InvalidHyperparameter, InvalidTeacher, UnknownName
from teachrl.playing import play
from teachrl.providers import Noisy, SubgoalProvider
from teachrl.snapshots import State
from teachrl.subgoals import Subgoal
from teachrl.teachers import WordsAsBeacons
from teachrl.testing import check_teacher
from teachrl.testing._support import difference, through_disk


def lived(classroom: Classroom, *actions: int) -> tuple[list[Any], list[float]]:
    """Returns the goals that were seen before each action and what was paid for it."""
    seen, paid = [], []
    for action in actions:
        seen.append(classroom.observed()[0]["subgoal"][0].tolist())
        paid.append(float(classroom.step(np.full(classroom.num_envs, action))[1][0]))
    return seen, paid


def teacher(**arguments: Any) -> WordsAsBeacons:
    return WordsAsBeacons(**{"provider": Fixed(KEY, DOOR, GOAL), **arguments})


def test_subgoals_in_order_are_paid_less_the_later_they_are_reached() -> None:
    goals, paid = lived(hall_room(teacher()), RIGHT, USE, RIGHT, STAY, RIGHT, RIGHT, RIGHT, RIGHT, RIGHT)
    # The key is 2 cells ahead, then 1; taking it makes the door current, 3 cells ahead of cell 1.
    assert goals == [[2, 0], [1, 0], [3, 0], [2, 0], [2, 0], [1, 0], [3, 0], [2, 0], [1, 0]]
    expected = [0, 0.2 * (1 - 2 / 20), 0, 0, 0, 0.2 * (1 - 4 / 20), 0, 0, 1.0]
    assert paid == pytest.approx(expected)


def test_the_last_subgoal_is_shown_and_the_environment_pays_for_it() -> None:
    goals, paid = lived(hall_room(teacher(provider=Fixed(GOAL))), *[RIGHT] * 7)
    assert goals == [[7 - k, 0] for k in range(7)]
    assert paid == [0.0] * 6 + [1.0]


def test_in_words_a_bare_cell_is_called_by_what_lies_there() -> None:
    named, bare = (teacher(kind="language", provider=Fixed(*plan)) for plan in ((KEY, GOAL), (Subgoal(2, 0), GOAL)))
    empty = teacher(kind="language", provider=Fixed(Subgoal(5, 0), GOAL))
    shown = [hall_room(it).observed()[0]["subgoal"][0].tolist() for it in (named, bare, empty)]
    assert shown[0] == shown[1] != shown[2]


def test_what_was_completed_early_is_skipped_and_not_paid() -> None:
    early = teacher(provider=Fixed(DOOR, KEY, Subgoal(5, 0), GOAL))
    goals, paid = lived(hall_room(early), RIGHT, USE, RIGHT, RIGHT, USE, RIGHT, RIGHT)
    # The key goes in step 2, out of its turn; the door is turned from cell 3 in step 5; next is cell 5.
    assert goals == [[4, 0], [3, 0], [3, 0], [2, 0], [1, 0], [2, 0], [1, 0]]
    assert paid == pytest.approx([0, 0, 0, 0, 0.2 * (1 - 5 / 20), 0, 0.2 * (1 - 2 / 20)])


def test_as_published_nothing_is_skipped_and_the_last_is_not_shown() -> None:
    plan = Fixed(DOOR, KEY, Subgoal(5, 0), GOAL)
    actions = (RIGHT, USE, RIGHT, RIGHT, USE, RIGHT, RIGHT, LEFT, LEFT, LEFT, RIGHT, RIGHT, RIGHT, RIGHT)
    goals, paid = lived(hall_room(teacher(provider=plan, paper_faithful=True)), *actions)
    # The key that was taken early blocks the list until the agent stands in its cell again, in step 10.
    assert goals[5:10] == [[-1, 0], [-2, 0], [-3, 0], [-2, 0], [-1, 0]]
    assert goals[10:] == [[3, 0], [2, 0], [1, 0], [0, 0]]
    paying = {k: p for k, p in enumerate(paid) if p}
    assert paying == pytest.approx({4: 0.2 * (1 - 5 / 20), 9: 0.2 * (1 - 5 / 20), 12: 0.2 * (1 - 3 / 20)})
    alone = lived(hall_room(teacher(provider=Fixed(GOAL), paper_faithful=True)), RIGHT, RIGHT)
    assert alone == ([[0, 0], [0, 0]], [0.0, 0.0])


def test_of_two_subgoals_in_one_cell_one_is_completed_at_a_time() -> None:
    twice = teacher(provider=Fixed(DOOR, DOOR, GOAL), bonus=1.0)
    goals, paid = lived(hall_room(twice), RIGHT, RIGHT, RIGHT, USE, USE, STAY)
    assert paid == pytest.approx([0, 0, 0, 1 - 4 / 20, 1 - 1 / 20, 0])
    assert goals[-2:] == [[1, 0], [4, 0]]


def test_when_all_is_done_there_is_no_subgoal() -> None:
    goals, paid = lived(hall_room(teacher(provider=Fixed(DOOR, KEY))), RIGHT, USE, RIGHT, RIGHT, USE, RIGHT)
    assert goals[-1] == [0, 0]
    assert paid == pytest.approx([0, 0, 0, 0, 0.15, 0])
    assert lived(hall_room(teacher(provider=Fixed())), RIGHT) == ([[0, 0]], [0.0])


def test_a_new_episode_begins_a_new_plan() -> None:
    goals, paid = lived(hall_room(teacher()), RIGHT, USE, *[RIGHT] * 6, RIGHT, USE)
    assert goals[8] == [2, 0]
    assert paid[7:] == pytest.approx([1.0, 0, 0.2 * (1 - 2 / 20)])


def test_a_bonus_is_paid_in_the_step_that_truncates() -> None:
    classroom = hall_room(teacher())
    lived(classroom, RIGHT, USE, RIGHT, RIGHT, *[STAY] * 15)
    _, rewards, terminated, truncated, infos = classroom.step(np.array([USE]))
    assert truncated.tolist() == [True]
    assert not terminated.any()
    assert rewards[0] == pytest.approx(0.2 * (1 - 18 / 20))
    assert infos["final_obs"][0]["subgoal"].tolist() == [4, 0]  # to the goal: no null goal at a time limit


def test_objects_are_what_is_in_the_cell_now() -> None:
    classroom = hall_room(teacher(kind="object", provider=Fixed(Subgoal(6, 0), DOOR, GOAL)))
    goals, _ = lived(classroom, *[RIGHT] * 6)
    assert goals == [[-1, -1, -1]] * 6  # nothing is in cell 6
    turned = hall_room(teacher(kind="object", provider=Fixed(KEY, DOOR, GOAL)))
    goals, _ = lived(turned, RIGHT, USE, STAY)
    assert goals == [[5, 0, 0], [5, 0, 0], [4, 2, 1]]
    assert turned.single_observation_space["subgoal"].shape == (3,)


def test_words_are_encoded_and_unlike_words_unlike() -> None:
    classroom = hall_room(teacher(kind="language", encoder={"class_path": "HashedWords", "init_args": {"dim": 64}}))
    goals, _ = lived(classroom, RIGHT, USE, STAY)
    assert np.linalg.norm(goals[0]) == pytest.approx(1.0)
    assert goals[0] == goals[1] != goals[2]
    assert len(goals[0]) == 64
    # A subgoal without a text is named by colour and kind.
    words = hall_room(teacher(kind="language", provider=Fixed(Subgoal(4, 0, "door", "blue", "blue door"), GOAL)))
    same = hall_room(teacher(kind="language", provider=Fixed(DOOR, GOAL)))
    assert lived(words, STAY)[0] == lived(same, STAY)[0]


@pytest.mark.parametrize("kind", ["position", "object", "language"])
def test_the_space_of_goals_is_known_from_the_arguments_alone(kind: Any) -> None:
    class Broken:
        def plan(self, layout: Any) -> Any:
            raise AssertionError("nobody may ask")

    watched = teacher(kind=kind, provider=Broken())
    null = watched.null_goal
    classroom = hall_room(watched, disable=["subgoals", "rewards"])
    goals, paid = lived(classroom, RIGHT, USE, RIGHT)
    assert np.unique(goals).tolist() == [null]
    assert paid == [0, 0, 0]
    lessons = [classroom.lessons[0]]
    episodes = play(make_vec(Hall, 2), lambda seen: np.full(len(seen["subgoal"]), RIGHT), lessons, teachers=[watched])
    assert episodes[0].episode_return == episodes[0].taught_return == 1.0


def test_the_bonus_alone_and_the_observation_alone_are_the_halves() -> None:
    actions = (RIGHT, USE, RIGHT, STAY, RIGHT, RIGHT, RIGHT, RIGHT, RIGHT, STAY, RIGHT)
    goals, paid = lived(hall_room(teacher()), *actions)
    shown, unpaid = lived(hall_room(teacher(), disable=["rewards"]), *actions)
    hidden, earned = lived(hall_room(teacher(), disable=["subgoals"]), *actions)
    assert shown == goals
    assert earned == paid
    assert sum(unpaid) == 1.0
    assert np.unique(hidden).tolist() == [0]


def test_a_step_counts_once_whichever_channel_hears_of_it_first() -> None:
    subject = teacher()
    classroom = hall_room(subject)
    lived(classroom, RIGHT, USE)
    assert classroom.last is not None
    paid = [subject.shape_rewards(classroom.last)[0] for _ in range(3)]
    assert paid == pytest.approx([0.18] * 3)
    paid[0] = 7.0
    assert subject.scalars().get("bonus") is None
    goals, _ = lived(classroom, STAY)
    assert goals == [[3, 0]]


def test_dropout_leaves_whole_episodes_out() -> None:
    subject = teacher(provider="Planner", dropout=0.5)
    classroom = hall_room(subject, envs=4, seed=3)
    kept = []
    for _ in range(60):
        first = classroom.observed()[0]["subgoal"][:, 0]
        kept += first.tolist()
        for _ in range(7):
            seen, _ = classroom.observed()
            assert (seen["subgoal"][first == 0] == 0).all()
            _, rewards, terminated, _, _ = classroom.step(np.full(4, RIGHT))
            assert ((rewards == 0) | (rewards == 1))[first == 0].all()
        assert terminated.all()
    share = kept.count(0) / len(kept)
    assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(len(kept))
    assert (
        subject.scalars()["plans/planner"]
        == len(kept) - kept.count(0) + (classroom.observed()[0]["subgoal"] != 0)[:, 0].sum()
    )
    assert subject.scalars()["null"] == pytest.approx(share, abs=0.15)


def test_scalars_tell_what_came_of_episodes() -> None:
    subject = teacher(provider=Fixed(DOOR, KEY, GOAL))
    classroom = hall_room(subject)
    assert subject.scalars() == {"plans/fixed": 1.0}
    lived(classroom, RIGHT, USE, *[RIGHT] * 6)  # the key early, the door in step 5, the goal in step 8
    numbers = subject.scalars()
    assert numbers.pop("bonus") == pytest.approx(0.2 * (1 - 5 / 20))
    assert numbers == {"subgoals": 3.0, "completed": 1.0, "early": 1.0, "null": 0.0, "plans/fixed": 2.0}


def test_without_its_reward_channel_no_bonus_is_reported() -> None:
    subject = teacher()
    lived(hall_room(subject, disable=["rewards"]), *[RIGHT] * 7)
    assert subject.scalars()["bonus"] == 0.0
    assert subject.scalars()["completed"] == 1.0


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"kind": "object", "provider": Noisy(accuracy=0.5, extra=1)},
        {"kind": "language", "dropout": 0.4},
        {"paper_faithful": True},
    ],
)
def test_it_keeps_the_contract_of_teachers(arguments: Any) -> None:
    check_teacher(WordsAsBeacons(**arguments), Hall, rollouts=6)


@pytest.mark.parametrize("disable", [[], ["subgoals"], ["rewards"]])
def test_a_classroom_goes_on_bit_for_bit(disable: list[str]) -> None:
    arguments = {"provider": {"class_path": "Noisy", "init_args": {"accuracy": 0.3}}, "dropout": 0.2}
    rng = np.random.default_rng(5)
    actions = rng.choice([RIGHT, RIGHT, USE, LEFT], (130, 3))

    def played(classroom: Classroom, some: Any) -> list[Any]:
        return [(seen["subgoal"], paid) for seen, paid, *_ in map(classroom.step, some)]

    whole, resumed = (hall_room(WordsAsBeacons(**arguments), envs=3, disable=disable) for _ in range(2))
    played(whole, actions[:61])
    resumed.load_state_dict(through_disk(whole.state_dict()))
    assert not difference(played(whole, actions[61:]), played(resumed, actions[61:]))
    assert whole.teachers[0].scalars() == resumed.teachers[0].scalars()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "picture"}, "WordsAsBeacons.kind must be one of"),
        ({"bonus": -1.0}, "WordsAsBeacons.bonus must be a number of at least 0"),
        ({"dropout": 1.5}, "WordsAsBeacons.dropout must be a share"),
        ({"horizon": 0}, "WordsAsBeacons.horizon must be None or an integer of at least 1"),
        ({"provider": 3}, r"A provider of subgoals is one of Asked, LLM, .* got 3\."),
        ({"provider": {"class_path": "Noisy", "init_args": {"acuracy": 1}}}, "Noisy refuses its arguments"),
    ],
)
def test_impossible_arguments_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(InvalidHyperparameter, match=message):
        hall_room(WordsAsBeacons(**arguments))


def test_names_that_are_none_are_refused_before_a_run_begins() -> None:
    subject = WordsAsBeacons(provider="Planer")
    Classroom(make_vec(Hall, 1), [subject])
    with pytest.raises(UnknownName, match=r"no provider 'Planer'. Did you mean 'Planner'"):
        subject.validate(subject.setup)
    blind = WordsAsBeacons(provider=Fixed(), kind="language", encoder="Hashed")
    with pytest.raises(UnknownName, match="no encoder 'Hashed'"):
        Classroom(make_vec(Hall, 1), [blind])


def test_an_environment_must_have_layouts_and_a_time_limit() -> None:
    with pytest.raises(InvalidTeacher, match="no 'layouts' for teachers"):
        Classroom(make_vec("CartPole-v1", 1), [WordsAsBeacons()]).reset()
    with pytest.raises(InvalidHyperparameter, match="horizon must be given"):
        Classroom(make_vec(lambda: Hall(None), 1), [WordsAsBeacons()]).reset()
    given = Classroom(make_vec(lambda: Hall(None), 1), [teacher(horizon=10)])
    given.reset()
    assert lived(given, RIGHT, RIGHT)[1] == pytest.approx([0, 0.2 * (1 - 2 / 10)])


def test_a_provider_must_stay_inside_the_grid() -> None:
    class Wild(SubgoalProvider):
        def plan(self, layout: Any) -> list[Subgoal]:
            return [Subgoal(8, 0)]

    with pytest.raises(InvalidTeacher, match=r"Wild plans cells outside the grid"):
        hall_room(teacher(provider=Wild()))


def test_the_seed_of_a_lesson_is_told_only_where_the_level_is_its_own() -> None:
    class Notes:
        def __init__(self) -> None:
            self.seeds: list[int | None] = []

        def plan(self, layout: Any) -> list[Subgoal]:
            self.seeds.append(layout.seed)
            return []

    notes = Notes()
    subject = teacher(provider=notes)
    classroom = hall_room(subject)
    raw, _ = classroom.envs.reset()
    lesson = Lesson(seed=5)
    started = replace(lesson, start=State("exact", "Hall", 5, None, {}))
    for each in (lesson, started):
        subject.subgoals(raw, [each], np.ones(1, bool), None)
    assert notes.seeds == [None, 5, None]


def test_the_provider_is_let_go_and_its_tokens_are_told() -> None:
    class Dear(SubgoalProvider):
        closed = 0

        def plan(self, layout: Any) -> list[Subgoal]:
            return [KEY, GOAL]

        def scalars(self) -> dict[str, float]:
            return {"llm/tokens": 70.0}

        def close(self) -> None:
            self.closed += 1

    provider = Dear()
    subject = teacher(provider=provider)
    classroom = Classroom(make_vec(Hall, 1), [subject])
    subject.close()
    assert (provider.closed, subject.tokens) == (0, 0)  # it has not begun
    classroom.reset()
    subject.close()
    assert (provider.closed, subject.tokens) == (1, 70)
