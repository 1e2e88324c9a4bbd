"""Subgoals ahead of need: a provider plans for the levels of an environment, and its plans go to a file."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from teachrl.configurable import Configurable
from teachrl.errors import InvalidHyperparameter
from teachrl.lessons import Lesson
from teachrl.llm.errors import LLMError
from teachrl.providers import PROVIDERS, _made, make_provider
from teachrl.providers.asked import Asked
from teachrl.providers.prompts import PROMPT_VERSION
from teachrl.providers.provider import SubgoalProvider
from teachrl.runs.collected import environment_flags
from teachrl.runs.console import Progress
from teachrl.runs.plan_file import PlanFile
from teachrl.runs.plan_scores import Accuracy
from teachrl.runs.planning import STANDING_IN, Planning
from teachrl.setups import provided
from teachrl.subgoals import Layout, Layouts
from teachrl.teachers.tasks.levels import as_seeds
from teachrl.vector import LessonVectorEnv, make_vec

_ENVS = 16
_ASIDE = {
    *("base_url", "key_env", "mode", "cache", "timeout", "deadline", "retries", "concurrency", "allow_http", "wait"),
    *("max_calls", "max_tokens", "max_cost", "prices", "fallback"),
}  # what says how a provider is asked, and nothing of what it answers


@dataclass(frozen=True, slots=True)
class PlannedLevels:
    """What there is after `plan_subgoals`.

    Attributes:
        out: The file.
        env: The environment.
        seeds: The levels that were asked for, in words.
        levels: How many these are.
        sources: Their plans by source; `missing` are those that are still to be asked about.
        counts: What was counted now, e.g. `refused/wall` and `llm/calls`.
        accuracy: How the provider's own plans compare with the planner's, None if there are none.
        seconds: How long it took.
        env_kwargs: Arguments of the environment's constructor.
        kind: How the subgoals will be shown.
        problem: Why a language model gave no plan, most of the times that it gave none; empty if it always did.
    """

    out: str
    env: str
    seeds: str
    levels: int
    sources: dict[str, int]
    counts: dict[str, float] = field(repr=False)
    accuracy: Accuracy | None
    seconds: float
    env_kwargs: dict[str, Any] = field(default_factory=dict, repr=False)
    kind: str = "position"
    problem: str = ""

    @property
    def command(self) -> str:
        """A command that trains with the plans."""
        words = ["teachrl", "train", *environment_flags(self.env, self.env_kwargs, ())]
        words += ["--teacher", "Levels", "--teacher.seeds", self.seeds]
        words += ["--teacher", "WordsAsBeacons", "--teacher.provider", "Recorded", "--teacher.provider.path", self.out]
        words += ["--teacher.kind", self.kind] if self.kind != "position" else []
        return shlex.join(words)

    @property
    def own(self) -> int:
        """How many plans are the provider's own."""
        return sum(number for name, number in self.sources.items() if name not in (*STANDING_IN, "missing"))

    def __str__(self) -> str:
        sources = ", ".join(f"{name} {number:,}" for name, number in self.sources.items())
        lines = [f"{self.out}: plans for {self.levels:,} levels of {self.env} in {self.seconds:.3g} s: {sources}"]
        lines += [f"mostly because: {self.problem}"] if self.problem else []
        refused = {n.removeprefix("refused/"): v for n, v in self.counts.items() if n.startswith("refused/") and v}
        lines += ["refused: " + ", ".join(f"{name} {number:,.0f}" for name, number in refused.items())] * bool(refused)
        lines += [f"against the planner: {self.accuracy}"] if self.accuracy is not None else []
        if (calls := self.counts.get("llm/calls")) is not None:
            lines += [
                f"asked now: {calls:,.0f} calls, {self.counts['llm/hits']:,.0f} answers from the cache, "
                f"{self.counts['llm/tokens']:,.0f} tokens, {self.counts['llm/cost']:.4g} US dollars"
            ]
        return "\n".join(lines)

    def show(self) -> None:
        """Writes what there is, and how to train with it, to the standard output."""
        print(f"{self}\nTrain with these plans:\n  {self.command}" if self.own else self)


def plan_subgoals(
    env: str = "",
    provider: Any = "Planner",
    seeds: str | list[int] = "0:1000",
    out: str = "",
    env_kwargs: dict[str, Any] = {},  # noqa: B006 - never changed, and readable on the command line
    fallback: Literal["none", "Planner"] = "none",
    most: int = 8,
    kind: Literal["position", "object", "language"] = "position",
    seed: int = 0,
    progress: Progress = "auto",
) -> PlannedLevels:
    """Plans subgoals for the levels of an environment ahead of training, and writes them to a file for `Recorded`.

    A language model is asked about several levels at a time. The file is written every few seconds: after an
    interruption, or to add levels, the same command goes on where it was, asking about what is missing and about what
    no plan was found for. A model's cache keeps answers beside it, so that they are paid for once in any case.

    Args:
        env: Id of an environment with layouts, such as TeachRL/MiniGrid-KeyCorridorS3R3-v0.
        provider: Who plans: Planner, Noisy, LLM, or package.module.Class.
        seeds: The levels: `0:1000` for the seeds 0 to 999, several separated by commas, `3,5,9:20`, or a list.
        out: The file, plans.json; one that is there must be of the same environment and provider, and is gone on with.
        env_kwargs: Arguments of the environment's constructor.
        fallback: Who plans where a language model's answer cannot be used: none leaves the plan empty.
        most: Subgoals that a language model's plan may have.
        kind: How the subgoals will be shown, which decides what a Noisy planner gets wrong.
        seed: Root of a Noisy planner's random numbers; each level has its own.
        progress: What to show meanwhile: a bar (table), plain lines, none, or auto: a bar on a terminal and plain lines
            elsewhere.

    Returns:
        What there is, printed by `show`.

    Raises:
        InvalidHyperparameter: If an argument is wrong, or the file holds something else.
        InvalidTeacher: If the environment has no layouts.
        LLMError: If a language model cannot be asked any more; what it answered until then is in the file.
    """
    wanted = _check(env, out, seeds, seed, most)
    with (
        _provider(provider, fallback, most) as planner,
        closing(make_vec(env, min(_ENVS, len(wanted)), env_kwargs=env_kwargs)) as envs,
    ):
        planner.kind, planner.env_id = kind, envs.env_id
        layouts: Layouts = provided(envs, "layouts")
        file = PlanFile(out, envs.env_id, env_kwargs, _described(planner, kind, seed))
        work = Planning(planner, layouts, file, len(wanted), seed)
        work.begin()
        try:
            work.run(_levels(envs, layouts, wanted), progress)
        except (LLMError, KeyboardInterrupt) as error:
            error.add_note(f"{_result(work, out, env, seeds, env_kwargs, kind)}\nThe same command goes on from here.")
            raise
        return _result(work, out, env, seeds, env_kwargs, kind)


def _result(
    work: Planning, out: str, env: str, seeds: str | list[int], env_kwargs: dict[str, Any], kind: str
) -> PlannedLevels:
    sources, accuracy = work.result(), work.comparison.result()
    named = seeds if isinstance(seeds, str) else ",".join(str(seed) for seed in seeds)
    levels = sum(sources.values())
    return PlannedLevels(
        out, env, named, levels, sources, work.counts(), accuracy, work.seconds, dict(env_kwargs), kind, work.problem()
    )


def _check(env: str, out: str, seeds: Any, seed: int, most: int) -> list[int]:
    """Checks the arguments; returns the levels' seeds."""
    for name, text, example in (("env", env, "TeachRL/MiniGrid-MultiRoom-N2-S4-v0"), ("out", out, "plans.json")):
        if not isinstance(text, str) or not text:
            raise InvalidHyperparameter(f"plan-subgoals needs --{name}, e.g. --{name} {example}, got {text!r}.")
    for name, value, least in (("seed", seed, 0), ("most", most, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InvalidHyperparameter(f"`{name}` must be a whole number, at least {least}, got {value!r}.")
    return as_seeds(seeds, "`seeds`")


@contextmanager
def _provider(source: Any, fallback: str, most: int) -> Iterator[SubgoalProvider]:
    """Makes the provider; a language model that is made here is closed here."""
    made = _made(source, "provider", PROVIDERS)
    if isinstance(made, SubgoalProvider) or not callable(getattr(made, "ask", None)):
        yield make_provider(made)
        return
    try:
        yield Asked(made, fallback, most=most)
    finally:
        if made is not source and callable(close := getattr(made, "close", None)):
            close()


def _described(provider: SubgoalProvider, kind: str, seed: int) -> str:
    """Says who plans: all that determines the plans, and nothing of how they are got."""
    parts = [_named(provider)]
    parts += [f"prompt {PROMPT_VERSION}"] if isinstance(provider, Asked) else []
    parts += [f"for {kind}"] if kind != "position" else []
    return ", ".join([*parts, *([f"seed {seed}"] if seed else [])])


def _named(value: Any) -> str:
    if not isinstance(value, Configurable):
        return repr(value)
    defaults = {p.name: p.default for p in inspect.signature(type(value)).parameters.values()}
    given = {n: v for n, v in value.init_args.items() if n not in _ASIDE and v != defaults.get(n)}
    return f"{type(value).__name__}({', '.join(f'{name}={_named(v)}' for name, v in given.items())})"


def _levels(envs: LessonVectorEnv, layouts: Layouts, wanted: Sequence[int]) -> Iterator[Layout]:
    """Reads the levels of some seeds, several at a time."""
    for begin in range(0, len(wanted), envs.num_envs):
        chunk = wanted[begin : begin + envs.num_envs]
        mask = np.arange(envs.num_envs) < len(chunk)
        lessons = [Lesson(seed=seed) for seed in chunk]
        observations, _ = envs.reset(options={"reset_mask": mask, "lessons": lessons})
        yield from (layouts.read(observations, row, envs.env_id, seed) for row, seed in enumerate(chunk))
