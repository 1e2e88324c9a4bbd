"""Words as Beacons from the command line, on MiniGrid."""

from __future__ import annotations

import copy
import json
import shlex
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from teachrl import Classroom, cli, make_vec
from teachrl.errors import InvalidTeacher
from teachrl.providers import Recorded
from teachrl.runs import evaluate
from teachrl.runs.checkpoint import checkpoints, load_tree
from teachrl.runs.evaluate import graduate
from teachrl.runs.run_policy import RunPolicy
from teachrl.teachers import WordsAsBeacons
from teachrl.testing import check_teacher
from teachrl.testing._support import difference

ROOMS = "TeachRL/MiniGrid-MultiRoom-N2-S4-v0"
STUDENT = "--student PPO --student.network CNN --student.n_steps 32 --student.n_epochs 2 --num_envs 8"
QUIET = "--eval_every never --video 0 --pictures false --loggers '[]' --progress none"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(line: str) -> int:
    return cli.main(shlex.split(line))


def train(out: str, teacher: str, steps: int = 256, more: str = "") -> None:
    parts = f"--env {ROOMS} --teacher WordsAsBeacons {teacher} {STUDENT}"
    assert run(f"train {parts} --steps {steps} --out {out} {QUIET} {more}") == 0


def last_row(out: str) -> dict[str, Any]:
    return json.loads(Path(out, "metrics.jsonl").read_text().splitlines()[-1])  # type: ignore[no-any-return]


def test_a_student_is_trained_with_subgoals() -> None:
    train("a", "--teacher.provider Noisy --teacher.provider.preset simulated-qwen --teacher.kind object", 512)
    row = last_row("a")
    assert row["teacher/WordsAsBeacons/plans/simulated-qwen"] >= 8
    assert row["teacher/WordsAsBeacons/subgoals"] == 2.0
    config = yaml.safe_load(Path("a", "config.yaml").read_text())["teachers"][0]["init_args"]
    assert config["provider"]["class_path"] == "teachrl.providers.noisy.Noisy"
    assert config["provider"]["init_args"]["preset"] == "simulated-qwen"


def test_evaluation_needs_no_provider() -> None:
    file = recorded_file("plans.json", 4)
    train("a", "--teacher.provider Recorded --teacher.provider.path plans.json")
    before = evaluate("a", episodes=1)["mean_return"]
    file.unlink()
    assert evaluate("a", episodes=1)["mean_return"] == before


def test_whoever_was_taught_with_subgoals_teaches_without() -> None:
    train("a", "--teacher.kind object")
    policy = copy.copy(RunPolicy("a").load())
    envs = make_vec(ROOMS, 3)
    seen = envs.reset(seed=[0, 1, 2])[0]["student"]
    assert RunPolicy("a").observation_space == envs.single_observation_space["student"]
    assert policy.act(seen, deterministic=True)[0].shape == (3,)
    shown = {**seen, "subgoal": np.full((3, 3), -1, np.float32)}  # the null goal, as evaluations show it
    with graduate(Path("a")) as it:
        assert policy.values(seen).tolist() == it.student.policy.values(shown).tolist()  # type: ignore[attr-defined]
    assert run(f"collect --teacher a --env {ROOMS} --episodes 2 --out a.states --snapshot_every 9 --progress none") == 0
    assert run(f"distill --teacher a --env {ROOMS} --steps 256 --out b {QUIET}") == 0


def recorded_file(name: str, levels: int) -> Path:
    """Writes the planner's plans for some levels."""
    subject = WordsAsBeacons()
    classroom = Classroom(make_vec(ROOMS, 1), [subject])
    provider, layouts = subject._ask()
    plans = []
    for seed in range(levels):
        raw, _ = classroom.envs.reset(seed=[seed], options={"reset_mask": np.ones(1, bool)})
        layout = layouts.read(raw, 0, ROOMS, seed)
        subgoals = [s.to_data() for s in provider.plan(layout)]
        plans.append({"seed": seed, "digest": layout.digest, "subgoals": subgoals, "source": "planner"})
    place = Path(name)
    place.write_text(json.dumps({"format": "teachrl-plans-1", "env": ROOMS, "env_kwargs": {}, "plans": plans}))
    return place


def test_recorded_plans_are_met_again_on_their_levels() -> None:
    recorded_file("plans.json", 20)
    recorded = "--teacher.provider Recorded --teacher.provider.path plans.json --teacher Levels --teacher.seeds"
    train("a", f"{recorded} 0:20")
    counts = [k for k in last_row("a") if "/plans/" in k or "/refused/" in k]
    assert counts == ["teacher/WordsAsBeacons/plans/recorded"]


def test_a_file_for_another_game_ends_a_run_before_it_begins(capsys: pytest.CaptureFixture[str]) -> None:
    recorded_file("plans.json", 2)
    other = "TeachRL/MiniGrid-DoorKey-5x5-v0"
    line = (
        f"train --env {other} --teacher WordsAsBeacons --teacher.provider Recorded --teacher.provider.path plans.json"
    )
    assert run(f"{line} {STUDENT} --steps 256 --out a") == 1
    assert f"holds plans for {ROOMS}, but the environment is {other}" in capsys.readouterr().err
    assert not Path("a").exists()
    classroom = Classroom(make_vec(other, 1), [WordsAsBeacons(provider=Recorded("plans.json"))])
    with pytest.raises(InvalidTeacher, match="holds plans for"):
        classroom.reset()


def test_a_provider_that_is_switched_off_need_not_be_there() -> None:
    train("a", "--teacher.provider Recorded --teacher.provider.path none.json", more="--disable '[rewards, subgoals]'")
    assert not [k for k in last_row("a") if "/plans/" in k]


def test_a_resumed_run_ends_as_an_undisturbed_one() -> None:
    for out, steps in (("whole", 512), ("parted", 256)):
        train(out, "--teacher.provider Noisy --teacher.dropout 0.3", steps)
    assert run("train --resume parted --steps 512") == 0
    whole, parted = (checkpoints(Path(out) / "checkpoints")[-1] for out in ("whole", "parted"))
    for part in ("student", "classroom"):
        assert not difference(load_tree(whole, part), load_tree(parted, part))


@pytest.mark.parametrize("kind", ["position", "object", "language"])
def test_it_keeps_the_contract_on_minigrid(kind: Any) -> None:
    check_teacher(WordsAsBeacons(kind=kind), ROOMS, num_envs=2, rollouts=6)


def test_subgoals_cost_little() -> None:
    rooms = [Classroom(make_vec(ROOMS, 16), teachers, seed=0) for teachers in ([], [WordsAsBeacons()])]
    actions = np.random.default_rng(0).integers(0, 7, (150, 16))
    seconds = np.zeros((5, 2))
    for turn in seconds:
        for k, room in enumerate(rooms):
            room.observed()
            start = time.process_time()
            for chosen in actions:
                room.step(chosen)
            turn[k] = time.process_time() - start
    assert np.median(seconds[1:, 0] / seconds[1:, 1]) > 0.75  # about 0.9; room for what else runs


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["position", "object", "language"])
def test_a_longer_run_with_simulated_errors(kind: str) -> None:
    teacher = f"--teacher.kind {kind} --teacher.provider Noisy --teacher.provider.preset simulated-llama"
    train("a", teacher, 4096)
    assert last_row("a")["teacher/WordsAsBeacons/plans/simulated-llama"] > 50
    assert run("evaluate a --episodes 1") == 0
