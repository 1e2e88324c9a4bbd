"""Tasks from a language model that is told what the student masters and fails.

The strategy library is after Wang, Sudhir, Hong: Using advanced LLMs to enhance smaller LLMs: an interpretable
knowledge distillation approach (2024), https://arxiv.org/abs/2408.07238
"""

from __future__ import annotations

import warnings
from collections import Counter, deque
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from teachrl._checks import check, check_count, check_share
from teachrl.advice import Partition, Plan, Question, Standing, Strategies, Strategy, Table, make_adviser
from teachrl.advice.asking import Reply
from teachrl.advice.consultation import Consultation
from teachrl.advice.plans import entropy
from teachrl.advice.questions import Facts, messages
from teachrl.advice.strategies import advice_in_words, effect, trace
from teachrl.configurable import Configurable
from teachrl.errors import InvalidTeacher
from teachrl.lessons import Lesson, Report
from teachrl.llm import SwitchedOff
from teachrl.state import rng_state, set_rng_state
from teachrl.teacher import Setup, Teacher

_RECENT = 500
_UNIFORM = "uniform"


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """An advice whose effect is not measured yet: what it was, and how the student stood when it came into force."""

    number: int
    advice: str
    begun: int
    masses: NDArray[np.float64]
    scores: NDArray[np.float64]
    returns: NDArray[np.float64]


class LLMTasks(Teacher):
    """Asks a language model which tasks the student should meet next, and draws tasks as it says.

    The task space is cut into cells, and every `every` episodes the model is shown a table of them: episodes, success,
    mean return, learning progress. It answers with cells, boxes and single tasks, and weights, as JSON that is checked
    against the task space. What is asked at episode k * every comes into force at episode (k + 1) * every. Until then,
    and if no answer comes (the server is down, the budget spent, the answer wrong twice), the last distribution goes
    on; the first is uniform. Nobody waits: an answer that is not there by then is late, and comes into force when it
    arrives. A share `uniform` of all tasks is uniform whatever the model says.

    What came of an advice (the change of the score, which is the success, or else the return mapped to [0, 1], in the
    advised cells and overall) is written down in words after the next `every` episodes. The most useful and the newest
    of these strategies are told with the next question.

    With `RuleBased` and with answers from a cache or a replay that are there in time, runs are exactly reproducible and
    resumable; a live model's are not. A library that has grown since makes other questions, which no cache has.

    Args:
        provider: Who is asked: `"RuleBased"`, which needs no model, `"LLM"` (`teachrl.llm.LLM`), or an object with
            `propose(question)`, which returns an answer at once, or with `ask(messages, schema, check)`, which may
            take its time.
        cells: Cells along each coordinate of real numbers, one number for all or one for each; None takes as many as
            make about 64 cells. Whole numbers are cells of their own. Where there would be more than 1024 cells, the
            table has slices of single coordinates in their place.
        every: Episodes between two questions.
        uniform: Share of uniform tasks.
        decay: What is left of the weight of episodes in the table with each question.
        library: A JSON file of strategies, read when a run begins and added to, which several runs may share; None
            keeps a run's own strategies with the run.
        about: The environment in words, for the model: what is to be done, and what the coordinates of a task mean.
    """

    citation: ClassVar[str] = "https://arxiv.org/abs/2408.07238"
    bibtex: ClassVar[str] = r"""@article{wang2024using,
  title = {Using advanced {LLMs} to enhance smaller {LLMs}: an interpretable knowledge distillation approach},
  author = {Wang, Tong and Sudhir, K. and Hong, Dat},
  journal = {arXiv preprint arXiv:2408.07238},
  year = {2024},
  eprint = {2408.07238},
  archiveprefix = {arXiv}
}"""
    short_names: ClassVar[dict[str, str]] = {"provider": "teachrl.advice.asking:PROVIDERS"}

    def __init__(
        self,
        provider: Any = "RuleBased",
        cells: int | Sequence[int] | None = None,
        every: int = 200,
        uniform: float = 0.2,
        decay: float = 0.7,
        library: str | None = None,
        about: str = "",
    ) -> None:
        self.provider = provider
        self.cells = cells
        self.every = every
        self.uniform = uniform
        self.decay = decay
        self.library = library
        self.about = about

    def validate(self, setup: Any) -> None:
        """Lets the provider check itself.

        Raises:
            TeachrlError: If it cannot be asked.
        """
        adviser = make_adviser(self.provider)
        if isinstance(adviser, Configurable):
            adviser.validate(setup)

    def begin(self, setup: Setup) -> None:
        """Starts a run.

        Raises:
            InvalidHyperparameter: If an argument of the constructor is impossible.
            InvalidTeacher: If the task space is none, or cannot be cut into cells.
            InvalidRun: If the library cannot be read.
        """
        super().begin(setup)
        self._check_hyperparameters()
        if setup.task_space is None:
            raise InvalidTeacher(
                f"LLMTasks sets tasks, but {setup.env_id} has no task space. Give it one with "
                "Parametrised(env, {'unwrapped.attribute': [low, high]}), or leave the teacher out."
            )
        self._partition = Partition(setup.task_space, setup.task_names, self.cells, setup.env_id)
        self._table = Table(len(self._partition), self.decay, setup.return_range)
        self._consultation = Consultation(make_adviser(self.provider))
        self._strategies = Strategies(self.library)
        self._everything = self._plan = Plan.everything(self._partition)
        self._source, self._changed, self._episodes = _UNIFORM, 0, 0
        self._trial: _Trial | None = None
        self._served: deque[str] = deque(maxlen=_RECENT)
        self._warned: set[str] = set()

    def _check_hyperparameters(self) -> None:
        each = self.cells if isinstance(self.cells, Sequence) else [self.cells]
        right = all(c is None or (isinstance(c, int) and not isinstance(c, bool) and c >= 1) for c in each)
        check(self, "cells", right, "None, an integer of at least 1, or one for each coordinate")
        check_count(self, "every", 1)
        check_share(self, "uniform")
        check_share(self, "decay")

    def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
        """Returns `n` lessons, each uniform with probability `uniform`, otherwise out of what was advised last."""
        return [Lesson(self._draw()) for _ in range(n)]

    def _draw(self) -> Any:
        free = self.rng.random() < self.uniform
        self._served.append(_UNIFORM if free else self._source)
        return (self._everything if free else self._plan).draw(self._partition, self.rng)

    def update(self, report: Report) -> None:
        """Takes in every finished episode that had a task, in the order of the report, and asks when it is time."""
        for episode in report.episodes:
            if episode.lesson.task is not None:
                cells = self._partition.find(episode.lesson.task)
                self._table.add(cells, episode.episode_return, episode.success)
                self._episodes += 1
                if self._episodes % self.every == 0:
                    self._turn()
        if self._consultation.late:
            self._take(self._table.standing())

    def _turn(self) -> None:
        """Measures the advice in force, takes the next that is due, and asks for another."""
        standing = self._table.standing()
        self._measure(standing)
        self._take(standing)
        if self._consultation.busy:
            self._consultation.skip()
            return  # what is fresh stays fresh until somebody is told
        number = self._consultation.asked + 1
        asked = Question(number, self._partition, standing, messages(self._partition, standing, self._facts()))
        self._consultation.ask(asked, self._episodes + self.every)
        self._table.turn()

    def _facts(self) -> Facts:
        return Facts(
            env_id=self.setup.env_id,
            about=self.about,
            return_range=self.setup.return_range,
            episodes=self._episodes,
            every=self.every,
            uniform=self.uniform,
            plan=self._plan.say(self._partition),
            strategies=self._strategies.told(self.setup.env_id),
        )

    def _take(self, standing: Standing) -> None:
        """Brings the answer into force, if it is due and there and is one."""
        reply: Reply | None = self._consultation.take(self._episodes)
        if reply is None or reply.plan is None:
            self._warn(reply)
            return
        self._plan, self._source, self._changed = reply.plan, reply.source, self._episodes
        advice = advice_in_words(reply.plan.reason, reply.plan.say(self._partition))
        masses = reply.plan.masses(self._partition)
        number = self._consultation.asked
        self._trial = _Trial(number, advice, self._episodes, masses, standing.latest, standing.latest_returns)

    def _warn(self, reply: Reply | None) -> None:
        """Says once of each kind of failure what it is; they are counted from then on."""
        if reply is not None and reply.failure not in {*self._warned, SwitchedOff.kind}:
            self._warned.add(reply.failure)
            warnings.warn(
                f"LLMTasks got no advice and goes on with the tasks it has. {reply.problem}",
                RuntimeWarning,
                stacklevel=4,
            )

    def _measure(self, standing: Standing) -> None:
        """Writes down what came of the advice in force, once it was in force for half of `every` at least."""
        trial = self._trial
        if trial is None or 2 * (self._episodes - trial.begun) < self.every:
            return
        self._trial = None
        if (found := effect(trial.scores, trial.returns, standing, trial.masses)) is not None:
            seed = self.setup.seed
            mark = trace(self.setup.env_id, seed.entropy, seed.spawn_key, trial.number, trial.begun, trial.advice)
            self._strategies.add(Strategy(self.setup.env_id, trial.advice, 1, *found, traces=(mark,)))

    def scalars(self) -> dict[str, float]:
        """Returns what was asked and came of it, the age and entropy of the distribution, and shares by source.

        `llm/asked`, `llm/answered`, `llm/late` and `llm/failed` count questions, `llm/failed/<kind>` and
        `llm/source/<source>` tell why and from where, `llm/tokens` and `llm/cost` are those of the answers;
        `client/...` is what the language model says of its calls since the process began, those in vain too.
        `advice_age` counts episodes since the distribution last changed; `entropy` is 1 for the uniform one;
        `share/<source>` are shares of the last 500 tasks.
        """
        counts = Counter(self._served)
        shares = {f"share/{source}": count / len(self._served) for source, count in sorted(counts.items())}
        base = self._everything.masses(self._partition)
        mixed = self.uniform * base + (1 - self.uniform) * self._plan.masses(self._partition)
        return {
            **self._consultation.scalars(),
            "advice_age": float(self._episodes - self._changed),
            "entropy": entropy(mixed, base),
            "strategies": float(len(self._strategies.entries)),
            **shares,
        }

    @property
    def tokens(self) -> int:
        """Tokens of all calls to the language model since the process began."""
        return int(self._consultation.scalars().get("client/tokens", 0))

    def state_dict(self) -> dict[str, Any]:
        """Returns the table, the distribution, the question that is out, the strategies and the random state."""
        trial = self._trial
        return {
            "rng": rng_state(self.rng),
            "episodes": self._episodes,
            "table": self._table.state_dict(),
            "plan": self._plan.to_data(),
            "source": self._source,
            "changed": self._changed,
            "consultation": self._consultation.state_dict(),
            "trial": None if trial is None else {f.name: copy(getattr(trial, f.name)) for f in fields(trial)},
            "strategies": self._strategies.state_dict(),
            "served": list(self._served),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`, after `begin`; a question that had no answer is asked again."""
        set_rng_state(self.rng, state["rng"])
        self._episodes, self._changed, self._source = state["episodes"], state["changed"], state["source"]
        self._table.load_state_dict(state["table"])
        self._plan = Plan.from_data(state["plan"])
        self._consultation.load_state_dict(state["consultation"], self._partition)
        self._trial = None if state["trial"] is None else _Trial(**copy(state["trial"]))
        self._strategies.load_state_dict(state["strategies"])
        self._served = deque(state["served"], maxlen=_RECENT)

    def close(self) -> None:
        """Gives up the question that is out; its thread ends with the answer, or with the process."""
        self._consultation.close()
