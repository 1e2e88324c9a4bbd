"""States of environments that have none of their own: the registry, the wrapper, the self-test."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import FrameStackObservation, HumanRendering, NormalizeObservation, NormalizeReward

import restorable_toys as toys
from teachrl import snapshots
from teachrl._vector import proof
from teachrl.errors import ContractBroken, InvalidEnvironment
from teachrl.lessons import Lesson
from teachrl.snapshots import find_adapter, register_adapter, replay_state
from teachrl.testing import check_restorable
from teachrl.vector import make_vec


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """Registers one of the toys' adapters, for one test."""
    monkeypatch.setattr(snapshots, "_adapters", dict(snapshots._adapters))
    return lambda adapter: register_adapter(toys.HOME, f"{toys.HOME}:{adapter}")


def made(*wrappers, kind=toys.Drift, **kwargs):
    return make_vec(kind, 1, wrappers=wrappers, **kwargs)


def walked(envs, steps=4, seed=3):
    envs.reset(seed=[seed])
    for t in range(steps):
        shown = envs.step(np.array([t % 3]))[0]
    return envs.get_state()[0], shown


def went_on(envs, state, steps=5, **options):
    rows = [envs.reset(options={"lessons": [Lesson(start=state, **options)]})[0]]
    rows += [np.append(*envs.step(np.array([t % 3]))[:2]) for t in range(steps)]
    return np.concatenate([np.ravel(row) for row in rows])


def test_without_an_adapter_it_says_what_would_help():
    envs = made()
    assert not envs.restorable
    with pytest.raises(InvalidEnvironment, match=r"Drift cannot save its exact state: .*register_adapter\."):
        envs.get_state()


def test_with_an_adapter_it_goes_on_in_another_environment_and_process(registry):
    registry("Whole")
    envs = made()
    state, shown = walked(envs)
    expected = np.concatenate([shown[0], *(np.append(*envs.step(np.array([t % 3]))[:2]) for t in range(5))])
    assert (state.kind, state.env_id, state.seed, state.elapsed) == ("exact", "Drift", 3, 4)
    np.testing.assert_array_equal(went_on(made(), state), expected)
    workers = make_vec(toys.Drift, 1, 1)
    np.testing.assert_array_equal(went_on(workers, state), expected)
    workers.close()


def test_the_seed_chooses_the_continuation(registry):
    registry("Whole")
    state, _ = walked(made())
    envs = made()
    saved, same, other, again = (went_on(envs, state, seed=seed) for seed in (None, 3, 4, 4))
    np.testing.assert_array_equal(saved, same)
    np.testing.assert_array_equal(other, again)
    assert saved[0] == other[0]
    assert (saved[1:] != other[1:]).all()
    third = envs.get_state()[0]
    assert (third.seed, third.elapsed) == (4, 9)
    np.testing.assert_array_equal(went_on(envs, third, seed=4), went_on(made(), third))


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        ("Forgetful", r"self-test of Forgetful, step 1 after a restore gave the reward .*must save all"),
        ("Hoarder", "the state holds a Discrete, which is no data"),
        ("Rude", "writes into the state"),
        ("Fragile", "Fragile cannot read this state .*'velocities'"),
        ("Rounded", "does not show, at once, what the saved one showed"),
    ],
)
def test_an_adapter_that_fails_is_refused(registry, adapter, message):
    registry(adapter)
    envs = made()
    assert not envs.restorable
    envs.reset()
    with pytest.raises(InvalidEnvironment, match=f"Drift cannot save its exact state: .*{message}"):
        envs.get_state()
    with pytest.raises(InvalidEnvironment, match=message):
        envs.reset(options={"lessons": [Lesson(start=replace(replay_state("Drift", 0, None, []), kind="exact"))]})
    with pytest.raises(ContractBroken, match=message):
        check_restorable(toys.Drift)


def test_what_a_reset_draws_must_be_saved_too(registry, monkeypatch):
    registry("Aiming")
    assert made(kind=toys.Errand).restorable
    check_restorable(toys.Errand, 3, 10)
    registry("Aimless")
    assert "self-test of Aimless, step 1 after a restore gave the reward" in made(kind=toys.Errand).unrestorable
    monkeypatch.setattr(proof, "_fault", lambda *_: "")
    with pytest.raises(ContractBroken, match="must give the same reward"):
        check_restorable(toys.Errand, 3, 10)


def test_a_live_environment_is_not_played_as_a_scratch_copy(registry, monkeypatch):
    registry("Whole")
    only, closed = toys.Drift(), []
    monkeypatch.setattr(only, "close", lambda: closed.append(True), raising=False)
    only.reset(seed=0)
    place = only.place
    envs = made({"class_path": "TimeLimit", "init_args": {"max_episode_steps": 9}}, kind=lambda: only)
    assert "gives the same environment every time" in envs.unrestorable
    assert (only.place, closed) == (place, [])


def test_an_adapter_may_ask_for_a_tolerance(registry):
    registry("Near")
    assert made().restorable
    check_restorable(toys.Drift, 3, 10, tolerance=1e-5)
    with pytest.raises(ContractBroken, match="must show what the saved one showed"):
        check_restorable(toys.Drift, 3, 10)


def test_a_derived_class_is_looked_at_for_longer(registry):
    registry("Whole")
    register_adapter("elsewhere", "elsewhere:Adapter")
    assert make_vec(toys.Gusty, 1).restorable  # the fault shows after 60 steps, beyond those of the short test
    with pytest.raises(ContractBroken):
        check_restorable(toys.Gusty)
    derived = type("Derived", (toys.Gusty,), {"__module__": "my_games"})
    assert "self-test of Whole" in make_vec(derived, 1).unrestorable


def test_the_self_test_is_done_once(registry):
    registry("Near")
    made(env_kwargs={"render_mode": "first"})
    before = toys.Drift.made
    made(env_kwargs={"render_mode": "first"})
    assert toys.Drift.made == before + 1
    made(env_kwargs={"render_mode": "second"})
    assert toys.Drift.made == before + 3


@pytest.mark.parametrize(
    "wrapper",
    [
        {"class_path": "FrameStackObservation", "init_args": {"stack_size": 2}},
        NormalizeObservation,
        NormalizeReward,
        "TimeAwareObservation",
    ],
)
def test_wrappers_with_a_state_of_their_own_are_refused_by_name(registry, wrapper):
    registry("Whole")
    envs = made({"class_path": "TimeLimit", "init_args": {"max_episode_steps": 50}}, wrapper)
    name = wrapper if isinstance(wrapper, str) else getattr(wrapper, "__name__", "FrameStackObservation")
    assert not envs.restorable
    assert f"The wrapper {name} may keep a state of its own" in envs.unrestorable
    assert "get_wrapper_state() and set_wrapper_state(data)" in envs.unrestorable


class PaysLate(gymnasium.Wrapper):
    """Pays for every 500th step that it has seen, which no short test comes to."""

    def __init__(self, env):
        super().__init__(env)
        self.seen = 0

    def step(self, action):
        self.seen += 1
        shown, reward, *rest = self.env.step(action)
        return shown, reward + float(self.seen % 500 == 0), *rest


def test_a_wrapper_of_others_that_changes_is_refused_however_late_it_acts(registry):
    registry("Whole")
    envs = made(PaysLate)
    assert envs.unrestorable.startswith(
        "the wrapper PaysLate keeps a state of its own (seen). The wrapper PaysLate may"
    )


def test_a_wrapper_that_hands_its_state_over_takes_part(registry):
    registry("Whole")
    envs = made(toys.Lagged)
    assert envs.restorable
    state, shown = walked(envs)
    assert went_on(made(toys.Lagged), state)[:2].tolist() == shown[0].tolist()
    check_restorable(toys.Drift, 5, 20, wrappers=[toys.Lagged])
    plain = made()
    with pytest.raises(InvalidEnvironment, match=r"of the wrappers \['Lagged'\], but around Drift are \[\]"):
        plain.reset(options={"lessons": [Lesson(start=state)]})


class Framed(FrameStackObservation):
    """Gymnasium's, as the error message advises."""

    def get_wrapper_state(self):
        return {"frames": [frame.copy() for frame in self.obs_queue]}

    def set_wrapper_state(self, data):
        self.obs_queue.extend(data["frames"])


def test_what_the_message_advises_helps(registry):
    registry("Whole")
    check_restorable(toys.Drift, 5, 20, wrappers=[{"class_path": f"{__name__}.Framed", "init_args": {"stack_size": 3}}])


def test_a_scratch_copy_is_never_shown(registry):
    registry("Whole")
    made(env_kwargs={"render_mode": "rgb_array"})
    before = toys.Drift.made
    envs = made(HumanRendering, env_kwargs={"render_mode": "rgb_array"})
    assert envs.unrestorable == "HumanRendering would show the scratch copy that is to prove it."
    assert toys.Drift.made == before + 1


def test_the_time_limit_goes_on(registry):
    registry("Whole")
    limit = {"class_path": "TimeLimit", "init_args": {"max_episode_steps": 7}}
    state, _ = walked(made(limit), 4, seed=0)
    envs = made(limit)
    envs.reset(options={"lessons": [Lesson(start=state)]})
    assert [bool(envs.step(np.array([1]))[3][0]) for _ in range(3)] == [False, False, True]
    envs.reset(options={"lessons": [Lesson(start=replace(state, elapsed=6))]})
    assert envs.step(np.array([1]))[3][0]
    envs.reset(seed=[0])
    assert not envs.step(np.array([1]))[3][0]


def test_states_of_other_versions_and_classes_are_refused(registry):
    registry("Other")
    state, _ = walked(made())
    assert set(state.payload["origin"]) == {"class", "gymnasium", "numpy"}
    for change in ({"gymnasium": "0.26.0"}, {"class": "Glide"}):
        origin = {**state.payload["origin"], **change}
        other = replace(state, payload={**state.payload, "origin": origin})
        with pytest.raises(InvalidEnvironment, match=r"saved by (Drift|Glide) with gymnasium .* Save it again here"):
            made().reset(options={"lessons": [Lesson(start=other)]})
    for payload in ({}, {**state.payload, "simulation": {"place": 0.0}}):
        with pytest.raises(InvalidEnvironment, match=r"begins at exact states with|cannot read this state"):
            made().reset(options={"lessons": [Lesson(start=replace(state, payload=payload))]})


def test_options_and_states_are_never_written_to(registry):
    registry("Whole")
    env = made()
    state, _ = walked(env)
    options = {"lessons": [Lesson(start=state)], "wind": 3}
    env.reset(options=options)
    assert set(options) == {"lessons", "wind"}
    assert env.call("options") == [{"wind": 3}]


def test_a_state_before_the_first_reset(registry):
    registry("Whole")
    with pytest.raises(InvalidEnvironment, match=r"no episode yet.*reset\(\) first"):
        made().get_state()


def test_adapters_are_found_by_the_nearest_name():
    class Alone:
        __module__ = "outer.inner.deep"

    class Heir(Alone):
        __module__ = "mine"

    right, wrong = f"{toys.HOME}:Whole", f"{toys.HOME}:Near"
    for known in ({"outer": wrong, "outer.inner": right}, {"outer.inner.deep": right, "outer.inner": wrong}):
        assert type(find_adapter(Alone, known)[0]) is toys.Whole
    assert find_adapter(Alone, {"outer.in": right}) is None
    assert find_adapter(Alone, {"outer": right})[1]
    assert not find_adapter(Heir, {"outer": right})[1]
    assert type(find_adapter(Heir, {"outer": wrong, "mine": right})[0]) is toys.Whole


def test_adapters_that_cannot_be_had():
    with pytest.raises(InvalidEnvironment, match="named 'module:Class', got 'mine'"):
        register_adapter("mine", "mine")
    for path, why in (("no_such_module:A", "ModuleNotFoundError"), (f"{toys.HOME}:Drift", "must be a teachrl")):
        register_adapter(toys.HOME, path)
        with pytest.raises(InvalidEnvironment, match=why):
            made()
