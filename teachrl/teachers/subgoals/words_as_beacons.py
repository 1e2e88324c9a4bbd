"""Words as Beacons: the student is shown subgoals and paid for reaching them, while it is trained.

Ruiz-Gonzalez, Andres, G. Bascoy, Del Ser: Words as Beacons: Guiding RL Agents with High-Level Language Prompts (2024),
https://arxiv.org/abs/2410.08632
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, get_args

import numpy as np
from gymnasium import spaces

from teachrl import seeds
from teachrl._checks import check, check_count, check_flag, check_number, check_share
from teachrl._pursuit import Ints, Pursuit, Recent
from teachrl._wording import Wording, named_cells
from teachrl.errors import InvalidHyperparameter, InvalidTeacher
from teachrl.lessons import Array, Bools, Floats, Lesson, Observations, Step
from teachrl.providers import make_encoder, make_provider
from teachrl.providers.provider import Kind, SubgoalProvider
from teachrl.state import rng_state, set_rng_state
from teachrl.subgoals import Layouts, Subgoal, Unread
from teachrl.teacher import Setup, Teacher

_EMPTY = 1  # MiniGrid's type of a cell with nothing in it
_FARTHEST = 255.0


class WordsAsBeacons(Teacher):
    """Shows the current subgoal of a plan, and pays a bonus when it is reached; a provider plans once an episode.

    A subgoal is completed when the agent stands on its cell, or when what is in the cell (type, colour, state) changed
    during the step. Completing the current one makes the next one current that is still open, and pays

        bonus (1 - k / T),    k the steps since it became current, T the time limit.

    The last subgoal of a plan is the game's own goal: it is shown, and the environment pays for it. One that is
    completed before its turn is not paid and skipped later. What is shown stands in the observation as `subgoal`:

    - `position`: (2,) target minus agent, in cells along x and y, not turned to where the agent faces; zeros if there
      is no subgoal.
    - `object`: (3,) type, colour and state of what is in the target cell now; -1 if that is empty or there is no
      subgoal.
    - `language`: (dim,) the encoder's vector of the subgoal's text; zeros if there is no subgoal.

    Evaluation and deployment show no subgoal and need no provider.

    Args:
        provider: Who plans: `Planner` (with full knowledge), `Noisy` (a planner that errs), `Recorded` (a file), `LLM`
            (a language model), or any object with `plan(layout) -> list[teachrl.subgoals.Subgoal]`.
        kind: How a subgoal is shown: `position`, `object` or `language`.
        bonus: What reaching a subgoal at once would pay.
        dropout: Share of episodes in which no subgoal is shown or paid, so that the student learns to do without.
        paper_faithful: As published: the last subgoal is not shown either, and those completed early are not skipped.
        encoder: Encodes texts, for `language`: `HashedWords`, `SentenceEncoder`, or any object with
            `encode(texts) -> (n, dim)` and `dim`.
        horizon: T, None for the environment's time limit.

    Raises:
        InvalidHyperparameter: In `begin`, if an argument is impossible.
        InvalidTeacher: In `validate`, or else when it is first asked, if the environment has no layouts.
    """

    citation: ClassVar[str] = "https://arxiv.org/abs/2410.08632"
    bibtex: ClassVar[str] = r"""@article{ruizgonzalez2024words,
  title = {Words as Beacons: Guiding {RL} Agents with High-Level Language Prompts},
  author = {Ruiz-Gonzalez, Unai and Andres, Alain and G. Bascoy, Pedro and Del Ser, Javier},
  journal = {arXiv preprint arXiv:2410.08632},
  year = {2024},
  eprint = {2410.08632},
  archiveprefix = {arXiv}
}"""
    short_names: ClassVar[Mapping[str, str]] = {
        "provider": "teachrl.providers:PROVIDERS",
        "encoder": "teachrl.providers:ENCODERS",
    }

    def __init__(
        self,
        provider: Any = "Planner",
        kind: Kind = "position",
        bonus: float = 0.2,
        dropout: float = 0.0,
        paper_faithful: bool = False,
        encoder: Any = "HashedWords",
        horizon: int | None = None,
    ) -> None:
        self.provider = provider
        self.kind = kind
        self.bonus = bonus
        self.dropout = dropout
        self.paper_faithful = paper_faithful
        self.encoder = encoder
        self.horizon = horizon

    @cached_property
    def goal_space(self) -> spaces.Box:
        """What a shown subgoal is, known without a provider."""
        if self.kind == "position":
            return spaces.Box(-_FARTHEST, _FARTHEST, (2,), np.float32)
        if self.kind == "object":
            return spaces.Box(-1.0, _FARTHEST, (3,), np.float32)
        return spaces.Box(-1.0, 1.0, (self._encoder.dim,), np.float32)

    @cached_property
    def _encoder(self) -> Any:
        return make_encoder(self.encoder)

    @property
    def null_goal(self) -> int:
        """What all entries of a goal are while there is no subgoal."""
        return -1 if self.kind == "object" else 0

    def begin(self, setup: Setup) -> None:
        """Starts a run; the provider starts when it is first asked.

        Raises:
            InvalidHyperparameter: If an argument of the constructor is impossible.
        """
        super().begin(setup)
        check(self, "kind", self.kind in get_args(Kind), f"one of {get_args(Kind)}")
        check_number(self, "bonus", 0)
        check_share(self, "dropout")
        check_flag(self, "paper_faithful")
        check_count(self, "horizon", 1, optional=True)
        n = setup.num_envs
        self._pursuit, self._recent = Pursuit(n, self.paper_faithful), Recent()
        self._wording = Wording(n, self._encoder, self.goal_space.shape[0]) if self.kind == "language" else None
        self._begun = np.zeros(n, np.bool_)  # whether the running episode was begun here and has taken no step yet
        self._known: tuple[SubgoalProvider, Layouts] | None = None
        self._provider_state: dict[str, Any] | None = None
        self._step: Step | None = None
        self._paid: Floats = np.zeros(n)
        self._nothing, self._earned = np.zeros(n), np.zeros(n)  # what was earned in the running episodes
        self._pays = False
        self._contents: Ints = np.zeros((n, 1, 3), np.int64)  # of the subgoals' cells, as the environments show now
        self._agents: Ints = np.zeros((n, 2), np.int64)

    def validate(self, setup: Setup) -> None:
        """Starts the provider, so that what it lacks is known before a run begins.

        Raises:
            TeachrlError: If it cannot provide; the message says why.
        """
        self._ask()
        if self._wording is not None:
            self._wording.vector("goal")

    def _ask(self) -> tuple[SubgoalProvider, Layouts]:
        """Returns the provider and the layouts, started on first use: an evaluation has neither."""
        if self._known is None:
            layouts: Layouts = self.setup.provided("layouts")
            if self.horizon is None and self.setup.max_episode_steps is None:
                raise InvalidHyperparameter(
                    f"WordsAsBeacons.horizon must be given where the environment has no time limit, got None for "
                    f"{self.setup.env_id}. It is the number of steps in which a bonus decays to nothing."
                )
            provider = make_provider(self.provider)
            provider.kind, provider.env_id = self.kind, self.setup.env_id
            provider.begin(layouts, np.random.default_rng(seeds.branch(self.setup.seed, 0)))
            if self._provider_state is not None:
                provider.load_state_dict(self._provider_state)
            self._known = provider, layouts
        return self._known

    def _begin_episodes(self, begins: Bools, observations: Observations, lessons: Sequence[Lesson]) -> None:
        rows = np.flatnonzero(begins).tolist()
        plans = [self._plan(observations, row, lessons[row]) for row in rows]
        self._pursuit.begin(rows, plans)
        self._earned[rows] = 0.0
        if self._wording is not None:
            self._wording.begin(rows, plans)
        self._look(observations)
        self._pursuit.measure(self._agents)

    def _plan(self, observations: Observations, row: int, lesson: Lesson) -> list[Subgoal]:
        if self.dropout > 0 and self.rng.random() < self.dropout:
            return []
        provider, layouts = self._ask()
        seed = lesson.seed if lesson.start is None else None  # elsewhere the level is not as the seed made it
        layout = Unread(layouts, observations, row, self.setup.env_id, seed)
        plan = provider.plan(layout)
        if wrong := [s for s in plan if s.x < 0 or s.y < 0]:
            raise _outside(provider, wrong[0])
        return plan if self._wording is None else named_cells(plan, layouts, layout)

    def _look(self, observations: Observations) -> None:
        """Notes where the agents are and what is in the subgoals' cells."""
        provider, layouts = self._ask()
        try:
            self._agents, self._contents = layouts.look(observations, self._pursuit.cells)
        except IndexError as error:
            raise _outside(provider, self._pursuit.cells.max(axis=(0, 1)).tolist()) from error

    def _advance(self, step: Step) -> None:
        """Takes in a step, once, whichever channel hears of it first."""
        if step is self._step:
            return
        if np.count_nonzero(step.first):  # the quickest way to ask whether there is any
            late = step.first & ~self._begun
            if late.any():  # nobody asked for the subgoals of their beginning
                self._begin_episodes(late, step.observations, step.lessons)
            self._begun[:] = False
        pursuit, earlier = self._pursuit, self._contents
        self._look(step.next_observations)
        ages = pursuit.advance(self._agents, earlier, self._contents)
        self._paid = self._nothing if ages is None else self._bonuses(ages)
        if np.count_nonzero(step.terminated) or np.count_nonzero(step.truncated):
            done = step.terminated | step.truncated
            self._recent.add(pursuit.pursued[0, done], pursuit.tally[:, done], self._earned[done])
        self._step = step

    def _bonuses(self, ages: Ints) -> Floats:
        limit = self.horizon or self.setup.max_episode_steps or 1
        bonuses: Floats = np.where(ages > 0, self.bonus * np.maximum(0.0, 1.0 - ages / limit), 0.0)
        if self._pays:
            self._earned += bonuses
        return bonuses

    def subgoals(self, observations: Observations, lessons: Sequence[Lesson], first: Bools, step: Step | None) -> Array:
        """Returns the current subgoals as they are shown, (N, *g)."""
        if step is None:
            self._begin_episodes(first, observations, lessons)
            self._begun |= first
        else:
            self._advance(step)
        pursuit = self._pursuit
        if self.kind == "position":
            return pursuit.away.copy()
        if self._wording is not None:
            return self._wording.vectors(pursuit.active[:, 0], pursuit.places.tolist())
        found = self._contents[np.arange(len(first)), pursuit.places]
        return np.where(pursuit.active & (found[:, :1] != _EMPTY), found, -1).astype(np.float32)

    def shape_rewards(self, step: Step) -> Floats:
        """Returns the bonuses for subgoals that this step completed, (N,)."""
        self._pays = True
        self._advance(step)
        return self._paid.copy()

    def scalars(self) -> dict[str, float]:
        """Returns what came of the last 100 episodes, and the provider's counts.

        `subgoals`, `bonus` and `early` (completed out of order) are means per episode, `completed` is the share of
        planned subgoals, `null` that of steps without one. `plans/...` say how many plans came from where.
        """
        provider = {} if self._known is None else self._known[0].scalars()
        return self._recent.scalars() | provider

    @property
    def tokens(self) -> int:
        """Language-model tokens that the provider has spent since the process began."""
        return 0 if self._known is None else self._known[0].tokens

    def close(self) -> None:
        """Lets the provider go."""
        if self._known is not None:
            self._known[0].close()

    def state_dict(self) -> dict[str, Any]:
        """Returns the plans, how far they are pursued, the provider's state and the random state."""
        return {
            "rng": rng_state(self.rng),
            "num_envs": self.setup.num_envs,
            "pursuit": self._pursuit.state_dict(),
            "recent": self._recent.state_dict(),
            "wording": None if self._wording is None else self._wording.state_dict(),
            "begun": self._begun.copy(),
            "contents": self._contents.copy(),
            "earned": self._earned.copy(),
            "provider": self._provider_state if self._known is None else self._known[0].state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`, after `begin`; the provider does when it is first asked."""
        set_rng_state(self.rng, state["rng"])
        self._provider_state, self._step = state["provider"], None
        if self._known is not None and self._provider_state is not None:
            self._known[0].load_state_dict(self._provider_state)
        if state["num_envs"] == self.setup.num_envs:  # else they are other environments
            self._pursuit.load_state_dict(state["pursuit"])
            self._recent.load_state_dict(state["recent"])
            if self._wording is not None:
                self._wording.load_state_dict(state["wording"])
            self._begun, self._contents = state["begun"].copy(), state["contents"].copy()
            self._earned = state["earned"].copy()


def _outside(provider: SubgoalProvider, what: object) -> InvalidTeacher:
    return InvalidTeacher(
        f"{type(provider).__name__} plans cells outside the grid, {what}: `plan` returns cells inside."
    )
