"""Plans ahead of need: into a file, on from where it was, compared with the planner, and what is refused."""

import json
from collections import Counter

import numpy as np
import pytest

from llm_server import LLMServer, Reply
from planned_levels import ENV, MOST, knowing, oracle, read_levels
from teachrl.errors import InvalidHyperparameter, InvalidTeacher, UnknownName
from teachrl.llm import LLM, BudgetSpent, SwitchedOff, Unavailable
from teachrl.providers import Noisy, make_provider
from teachrl.providers.prompts import describe
from teachrl.providers.provider import SubgoalProvider
from teachrl.runs import plan_file, plan_subgoals, planning
from teachrl.runs.plan_scores import Comparison
from teachrl.subgoals import Subgoal
from teachrl_envs.minigrid.layouts import MiniGridLayouts

QUIET = {"progress": "none"}


@pytest.fixture
def out(tmp_path):
    return tmp_path / "plans.json"


@pytest.fixture
def model(tmp_path):
    """Makes a language model at a url, with a cache of its own."""

    def make(url="http://127.0.0.1:9/v1", **arguments):
        arguments = {"retries": 0, "timeout": 5.0, "cache": str(tmp_path / "cache")} | arguments
        return LLM("m", url, **arguments)

    return make


def written(path):
    """Returns the plans of a file by seed."""
    return {plan["seed"]: plan for plan in json.loads(path.read_text())["plans"]}


def test_a_planners_plans_are_recorded_and_read_again(out):
    found = plan_subgoals(ENV, "Planner", "0:20", str(out), **QUIET)
    assert (found.levels, found.sources) == (20, {"planner": 20})
    assert (found.accuracy.positions, found.accuracy.objects, found.accuracy.plans) == (1, 1, 1)
    assert (found.accuracy.mean, found.accuracy.std) == (0, 0)
    data = json.loads(out.read_text())
    assert (data["format"], data["env"], data["env_kwargs"]) == ("teachrl-plans-1", ENV, {})
    assert data["provider"] == "Planner()"
    levels = read_levels(range(20))
    assert [plan["digest"] for plan in data["plans"]] == [layout.digest for layout in levels]
    recorded = make_provider({"class_path": "Recorded", "init_args": {"path": str(out), "fallback": "none"}})
    recorded.begin(MiniGridLayouts(), np.random.default_rng(0))
    assert [recorded.plan(layout) for layout in levels] == [oracle(layout) for layout in levels]
    assert recorded.scalars() == {"plans/recorded": 20.0}


def test_a_models_plans(out, model, capsys):
    wrong = [{"kind": "position", "colour": "", "x": 24, "y": 24}]
    right = knowing(range(10))
    unlucky = describe(read_levels([4])[0], MOST)
    said = Counter()

    def script(messages):
        content = messages[1]["content"]
        said[content] += 1
        if content == unlucky:
            return {"subgoals": wrong}
        return {"subgoals": wrong} if said[content] == 1 and len(messages) == 2 else right(messages)

    with LLMServer(script) as server:
        found = plan_subgoals(ENV, model(server.url), "0:10", str(out), **QUIET)
        assert len(server.requests) == 20
        again = plan_subgoals(ENV, model(server.url), "0:10", str(out), **QUIET)
        assert len(server.requests) == 20
    assert found.sources == {"live": 9, "none": 1}
    assert found.counts["refused/unreachable"] == 11
    assert (found.counts["llm/calls"], found.counts["llm/tokens"]) == (20, 20 * 42)
    assert found.accuracy.positions == 1  # of those that it planned itself
    assert found.accuracy.compared == 18
    plans = written(out)
    assert (plans[4]["subgoals"], plans[4]["source"]) == ([], "none")
    assert plans[3]["subgoals"] == [s.to_data() for s in oracle(read_levels([3])[0])]
    assert (again.sources, again.counts["llm/calls"]) == ({"live": 9, "none": 1}, 0)
    found.show()
    text = capsys.readouterr().out
    assert "plans for 10 levels" in text
    assert "refused: unreachable 11" in text
    assert "asked now: 20 calls, 0 answers from the cache, 840 tokens, 0 US dollars" in text
    assert (
        f"--teacher.seeds 0:10 --teacher WordsAsBeacons --teacher.provider Recorded --teacher.provider.path {out}"
        in text
    )


def test_a_fallback_for_what_a_model_cannot(out, model):
    with LLMServer(["{}"]) as server:
        found = plan_subgoals(ENV, model(server.url), [3, 5], str(out), fallback="Planner", **QUIET)
    assert found.sources == {"fallback": 2}
    assert found.accuracy is None
    assert written(out)[3]["subgoals"] == [s.to_data() for s in oracle(read_levels([3])[0])]


def test_a_file_is_gone_on_with(out, model, monkeypatch):
    with LLMServer(knowing(range(6))) as server:
        plan_subgoals(ENV, model(server.url), "0:3", str(out), **QUIET)
        before = out.read_text()
        other = model("http://127.0.0.1:8/v1", timeout=1.0)  # elsewhere, in another way, but the same model
        assert plan_subgoals(ENV, other, "0:3", str(out), **QUIET).sources == {"live": 3}
        assert out.read_text() == before
        found = plan_subgoals(ENV, model(server.url, cache=str(out.parent / "b")), "1:6", str(out), **QUIET)
    assert len(server.requests) == 6
    assert found.sources == {"live": 5}
    assert list(written(out)) == [0, 1, 2, 3, 4, 5]


def test_a_level_that_is_another_now_is_planned_again(out):
    plan_subgoals(ENV, "Planner", "0:3", str(out), **QUIET)
    right = out.read_text()
    data = json.loads(right)
    data["plans"][1] |= {"digest": "of an older version", "subgoals": []}
    out.write_text(json.dumps(data))
    plan_subgoals(ENV, "Planner", "0:3", str(out), **QUIET)
    assert out.read_text() == right


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"env": "Other-v0"}, "env 'Other-v0', not 'TeachRL/MiniGrid-MultiRoom-N2-S4-v0'"),
        ({"provider": "Planner()"}, "provider 'Planner\\(\\)', not 'Noisy\\(accuracy=0.5\\)'"),
        ({"env_kwargs": {"a": 1}}, "env_kwargs {'a': 1}, not {}"),
        ({"format": "mine"}, "format 'mine'"),
        ({"plans": [{"seed": 1}]}, "not a file of plans"),
        (None, "not a file of plans"),
    ],
)
def test_nothing_is_overwritten(change, message, out):
    plan_subgoals(ENV, Noisy(accuracy=0.5), "0:2", str(out), **QUIET)
    text = "{" if change is None else json.dumps(json.loads(out.read_text()) | change)
    out.write_text(text)
    with pytest.raises(InvalidHyperparameter, match=message):
        plan_subgoals(ENV, Noisy(accuracy=0.5), "0:2", str(out), **QUIET)
    assert out.read_text() == text


def test_what_a_noisy_planner_says_of_a_level_depends_on_no_other(tmp_path):
    noisy = {"class_path": "Noisy", "init_args": {"accuracy": 0.5, "mean": 2.0, "std": 1.0}}
    found = plan_subgoals(ENV, noisy, "0:60", str(tmp_path / "a"), **QUIET)
    plan_subgoals(ENV, noisy, "40:60", str(tmp_path / "b"), **QUIET)
    plan_subgoals(ENV, noisy, "0:40", str(tmp_path / "b"), **QUIET)
    plan_subgoals(ENV, noisy, "0:60", str(tmp_path / "c"), seed=1, **QUIET)
    a, b, c = (written(tmp_path / name) for name in "abc")
    assert a == b
    assert a != c
    assert found.sources == {"simulated": 60}
    assert 0.3 < found.accuracy.positions < 0.7
    assert 0.3 < found.accuracy.mean < 2.0


def test_a_budget_ends_it_and_what_there_is_is_kept(out, model):
    with LLMServer(knowing(range(6))) as server:
        with pytest.raises(BudgetSpent) as caught:
            plan_subgoals(ENV, model(server.url, max_calls=2, concurrency=1), "0:6", str(out), **QUIET)
        assert "live 2, missing 4\n" in caught.value.__notes__[0]
        assert caught.value.__notes__[0].endswith("The same command goes on from here.")
        assert len(written(out)) == 2
        found = plan_subgoals(ENV, model(server.url), "0:6", str(out), **QUIET)
    assert found.sources == {"live": 6}
    assert len(server.requests) == 6


def test_an_endpoint_that_stumbles_leaves_gaps_for_the_next_time(out, model):
    right = knowing(range(4))
    answers = iter([Reply(status=500)])
    with LLMServer(lambda messages: next(answers, None) or right(messages)) as server:
        found = plan_subgoals(ENV, model(server.url, concurrency=1), "0:4", str(out), **QUIET)
        assert found.sources == {"live": 3, "missing": 1}
        assert plan_subgoals(ENV, model(server.url), "0:4", str(out), **QUIET).sources == {"live": 4}


@pytest.mark.parametrize(("arguments", "error"), [({}, Unavailable), ({"mode": "off"}, SwitchedOff)])
def test_an_endpoint_that_is_not_there(arguments, error, out, model):
    with pytest.raises(error) as caught:
        plan_subgoals(ENV, model(**arguments), "0:9", str(out), **QUIET)
    assert "missing 9" in caught.value.__notes__[0]
    assert not out.exists()


def test_a_kill_loses_little(out, monkeypatch):
    monkeypatch.setattr(plan_file, "SECONDS", 0.0)
    plan = planning.Planning._take
    seen = []

    def interrupted(self, item):
        plan(self, item)
        seen.append(len(written(out)))  # what a kill would leave
        if len(seen) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(planning.Planning, "_take", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        plan_subgoals(ENV, "Planner", "0:9", str(out), **QUIET)
    assert seen == [1, 2, 3]
    assert "planner 3, missing 6" in caught.value.__notes__[0]
    assert [path.name for path in out.parent.iterdir()] == ["plans.json"]


class Silent(SubgoalProvider):
    def plan(self, layout):
        return []


def test_a_provider_of_ones_own(out):
    found = plan_subgoals(ENV, Silent(), "0:3", str(out), **QUIET)
    assert (found.sources, found.accuracy) == ({"none": 3}, None)


def test_the_statistics_by_hand():
    key, door, ball = Subgoal(1, 2, "key", "red"), Subgoal(4, 4, "door", "red"), Subgoal(6, 1, "ball", "blue")
    compared = Comparison()
    assert compared.result() is None
    compared.add([key, Subgoal(3, 1), ball], [key, door, ball])  # 4 cells off
    compared.add([key, door], [key, door, ball])  # one is missing
    compared.add([Subgoal(4, 4, "door", "blue"), key], [door])  # another colour, and one too many
    found = compared.result()
    assert found.compared == 8
    assert found.positions == 5 / 8
    assert found.objects == 4 / 8
    assert found.mean == 4 / 6
    assert found.std == pytest.approx(np.std([0, 4, 0, 0, 0, 0]))
    assert found.plans == 0
    assert str(found).startswith(
        "62.5% of 8 cells equal, 50.0% of things, 0.0% of whole plans; Manhattan error 0.67 ± 1.49"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"env": ""}, "needs --env, e.g. --env TeachRL"),
        ({"out": ""}, "needs --out, e.g. --out plans.json"),
        ({"seeds": "all"}, "`seeds` must be seeds from 0"),
        ({"seed": -1}, "`seed` must be a whole number, at least 0"),
        ({"most": 0}, "`most` must be a whole number, at least 1"),
        ({"out": "no/such/directory/plans.json"}, "directory that is not there"),
        ({"provider": 5}, "A provider of subgoals is one of"),
    ],
)
def test_impossible_arguments(arguments, message, out):
    with pytest.raises(InvalidHyperparameter, match=message):
        plan_subgoals(**{"env": ENV, "seeds": "0:2", "out": str(out), "progress": "none"} | arguments)


def test_an_environment_without_layouts(out):
    with pytest.raises(InvalidTeacher, match="CartPole-v1 has no 'layouts' for teachers"):
        plan_subgoals("CartPole-v1", "Planner", "0:2", str(out), **QUIET)


def test_an_unknown_provider(out):
    with pytest.raises(UnknownName, match="provider 'Plannr'. Did you mean 'Planner'"):
        plan_subgoals(ENV, "Plannr", "0:2", str(out), **QUIET)


def test_what_is_shown_meanwhile(monkeypatch, capsys):
    monkeypatch.setattr(planning, "PLAIN_SECONDS", 0.0)
    display = planning.Display("plain", 2000)
    display.show({"live": 1200, "none": 3})
    assert capsys.readouterr().out == "1,203/2,000 plans: live 1,200, none 3\n"
    bar = planning.Display("table", 20)
    bar.show({"live": 5})
    bar.close()
    text = capsys.readouterr().out
    assert "5/20" in text
    assert "live 5" in text


def test_arguments_of_the_environment_are_in_the_command_and_compared_as_json(out):
    kwargs = {"game": "MiniGrid-MultiRoom-N2-S4-v0"}
    found = plan_subgoals(ENV, "Planner", "0:2", str(out), kwargs, **QUIET)
    assert "--env_kwargs.game MiniGrid-MultiRoom-N2-S4-v0" in found.command
    path = out.with_name("others.json")
    first = plan_file.PlanFile(str(path), ENV, {"size": (1, 2)}, "p")
    first.add(plan_file.Planned(0, "d", [], "none"))
    first.write()
    assert len(plan_file.PlanFile(str(path), ENV, {"size": (1, 2)}, "p")) == 1
    with pytest.raises(InvalidHyperparameter, match="what JSON can hold"):
        plan_file.PlanFile(str(path), ENV, {"size": object()}, "p")


def test_a_model_made_from_a_name_is_closed(out, monkeypatch):
    closed = []
    monkeypatch.setattr(LLM, "close", lambda llm: closed.append(llm))
    source = {"class_path": "LLM", "init_args": {"model": "m", "mode": "off"}}
    with pytest.raises(SwitchedOff):
        plan_subgoals(ENV, source, "0:2", str(out), **QUIET)
    assert closed
