"""A teacher at play: what it does, what it thinks of where it is, and snapshots of the simulation along the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from teachrl import seeds
from teachrl.errors import InvalidEnvironment, InvalidStudent, InvalidTeacher
from teachrl.ledger import Ledger
from teachrl.lessons import Array, Bools, Episode, Floats, Lesson, Observations
from teachrl.observations import as_actions, equal, has_views, take
from teachrl.policies import as_policy
from teachrl.snapshots import State, replay_state
from teachrl.student import Policy
from teachrl.tasks import sample_tasks
from teachrl.teachers.from_policy import FromPolicy
from teachrl.trajectories import Source, Trajectories
from teachrl.vector import LessonVectorEnv

MOST_STEPS = 100_000
"""Steps after which an episode without a time limit has gone on for too long."""


@dataclass(slots=True, eq=False)
class Guide:
    """A policy that plays, and where its values come from.

    Attributes:
        policy: Who acts.
        view: The view that it sees, None in an environment that has one only.
        critic_view: The view that its critic sees, None where that is the policy's.
        gamma: Its discount.
        deterministic: Whether it takes its most likely action rather than a sample.
        source: Where its values come from.
    """

    policy: Policy
    view: str | None
    critic_view: str | None
    gamma: float
    deterministic: bool
    source: Source

    @classmethod
    def of(cls, who: FromPolicy, envs: LessonVectorEnv, gamma: float, deterministic: bool | None) -> Guide:
        """Returns the guide that a teacher's policy is; `gamma` is of one that has none.

        Without a word on it, a policy that draws its actions from a distribution does so, and others do not.
        """
        policy = as_policy(who.policy, envs.single_action_space)
        known = [getattr(x, "gamma", None) for x in (who.policy, policy)]
        sampled = bool(getattr(policy, "stochastic", False))
        return cls(
            policy,
            who.view if has_views(envs.single_observation_space) else None,
            getattr(who.policy, "critic_view", None),
            next((float(g) for g in known if g is not None), gamma),
            not sampled if deterministic is None else deterministic,
            _source(policy),
        )

    def act(self, raw: Observations, state: Any, first: Bools) -> tuple[Array, Any]:
        """Returns actions (N, *a) for observations (N, *o; all views), and the policy's next state."""
        return self.policy.act(self._seen(raw), state, first, self.deterministic)

    def values(self, raw: Observations, state: Any, first: Bools) -> Floats | None:
        """Returns what it thinks of observations (N, *o; all views), None where it thinks nothing.

        A critic's values, or minus a planner's steps to success, infinite where there is no plan.
        """
        policy = cast(Any, self.policy)
        if self.source == "planner":
            return -np.asarray(policy.distances(self._seen(raw), state), np.float64)
        if self.source == "return-to-go":
            return None
        try:
            return np.asarray(self._ask_critic(policy, raw, state, first), np.float64)
        except InvalidStudent:  # a student without a critic, a distilled one for example
            self.source = "return-to-go"
            return None

    def _ask_critic(self, policy: Any, raw: Observations, state: Any, first: Bools) -> Floats:
        if self.critic_view is not None:
            return policy.values(self._seen(raw), state, first, critic=raw[self.critic_view])  # type: ignore[no-any-return]
        if getattr(policy, "recurrent", False):
            return policy.values(self._seen(raw), state, first)  # type: ignore[no-any-return]
        return policy.values(self._seen(raw))  # type: ignore[no-any-return]

    def _seen(self, raw: Observations) -> Observations:
        return raw if self.view is None else raw[self.view]


def _source(policy: Policy) -> Source:
    if callable(getattr(policy, "distances", None)):
        return "planner"
    return "critic" if callable(getattr(policy, "values", None)) else "return-to-go"


@dataclass(slots=True, eq=False)
class _Tape:
    """One episode: its rewards, and snapshots by their step."""

    steps: list[int] = field(default_factory=list)
    states: list[State | None] = field(default_factory=list)  # None stands for the actions up to there
    values: list[float] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    actions: Array | None = None
    episode: Episode | None = None
    shown: Observations = None  # (1, *o; all views) at the last of the snapshots

    def replayed(self, env_id: str) -> Iterator[State]:
        """Yields the states, the actions that led there where there is no exact one."""
        episode, actions = cast(Episode, self.episode), cast(Array, self.actions)
        for step, state in zip(self.steps, self.states, strict=True):
            yield state or replay_state(env_id, episode.seed, episode.lesson.task, actions[:step])


class Scout:
    """Plays episodes side by side, the teacher's way, and takes snapshots.

    Which episodes there are is settled before the first step: short ones are not preferred for being done first.

    Args:
        envs: Where to play; left open.
        guide: Who plays.
        every: Steps between two snapshots; the first is of an episode's beginning.
        seed: Root of the episodes' seeds and tasks.
        most_steps: Steps of an episode that is given up, in environments without a time limit that is longer.
    """

    def __init__(
        self,
        envs: LessonVectorEnv,
        guide: Guide,
        every: int,
        seed: np.random.SeedSequence,
        most_steps: int = MOST_STEPS,
    ) -> None:
        self._envs, self._guide, self._every = envs, guide, every
        self._most = max(most_steps, envs.max_episode_steps or 0)
        self._rng = np.random.default_rng(seed)
        self._ledger = Ledger(envs.num_envs)
        self._tapes: list[_Tape] = []
        self._lessons: list[Lesson] = []
        self._next = 0
        self._playing = np.zeros(envs.num_envs, np.int64)  # the tape of each environment
        self._raw: Observations = None

    def play(self, episodes: int) -> Iterator[int]:
        """Plays `episodes` episodes, and yields after each step how many have ended.

        Raises:
            InvalidEnvironment: If one does not end.
        """
        self._tapes = [_Tape() for _ in range(episodes)]
        self._lessons = self._make_lessons(episodes)
        self._next = 0
        first = np.ones(self._envs.num_envs, np.bool_)
        self._begin(first)
        state: Any = None
        while any(tape.episode is None for tape in self._tapes):
            self._snapshot(state, first)
            actions, state = self._guide.act(self._raw, state, first)
            first = self._step(as_actions(actions, self._envs.single_action_space.dtype))
            yield sum(tape.episode is not None for tape in self._tapes)

    def _make_lessons(self, n: int) -> list[Lesson]:
        space = self._envs.task_space
        tasks = [None] * n if space is None else sample_tasks(space, n, self._rng)
        return [Lesson(task, seed=seeds.draw_seed(self._rng)) for task in tasks]

    def _begin(self, mask: Bools) -> None:
        """Begins the next episodes in the masked environments; where none is left, the last again, unrecorded."""
        rows = np.flatnonzero(mask)
        numbers = np.arange(self._next, self._next + len(rows))
        self._next += len(rows)
        self._playing[rows] = np.where(numbers < len(self._tapes), numbers, -1)
        lessons = [self._lessons[min(k, len(self._lessons) - 1)] for k in numbers.tolist()]
        options = {"reset_mask": mask, "lessons": lessons}
        self._raw, _ = self._envs.reset(options=options)
        self._ledger.begin(rows, lessons, [cast(int, lesson.seed) for lesson in lessons], self._raw)
        self._ledger.check_finite(self._envs.env_id, observations=self._raw)

    def _snapshot(self, state: Any, first: Bools) -> None:
        """Takes down where the recorded environments are, if it is time to."""
        due = (self._playing >= 0) & (self._ledger.lengths % self._every == 0)
        if not due.any():
            return
        values = self._guide.values(self._raw, state, first)
        found = self._envs.get_state(due) if self._envs.restorable else [None] * int(due.sum())
        for i, exact in zip(np.flatnonzero(due).tolist(), found, strict=True):
            value = 0.0 if values is None else float(values[i])
            if np.isinf(value) and self._guide.source == "planner":
                continue  # no way to success leads from here
            tape, step = self._tapes[self._playing[i]], int(self._ledger.lengths[i])
            tape.states.append(exact)
            tape.steps.append(step)
            tape.values.append(value)
            tape.shown = take(self._raw, np.array([i]))

    def _step(self, actions: Array) -> Bools:
        """Takes a step; returns where new episodes have begun after it."""
        raw, rewards, terminated, truncated, infos = self._envs.step(actions)
        self._ledger.check_finite(self._envs.env_id, observations=raw, rewards=rewards)
        self._ledger.record(actions, rewards, rewards)
        self._raw = raw
        for i in np.flatnonzero(self._playing >= 0).tolist():
            self._tapes[self._playing[i]].rewards.append(float(rewards[i]))
        ended = np.asarray(terminated | truncated)
        if ended.any():
            rows = np.flatnonzero(ended)
            for i, episode in zip(rows.tolist(), self._ledger.close(rows, terminated, infos), strict=True):
                if (number := self._playing[i]) >= 0:
                    self._tapes[number].episode, self._tapes[number].actions = episode, self._ledger.actions(i)
            self._begin(ended)
        self._check_end()
        return ended

    def _check_end(self) -> None:
        """Refuses an episode that has gone on for too long."""
        endless = np.flatnonzero((self._playing >= 0) & (self._ledger.lengths >= self._most))
        if len(endless):
            seed = self._lessons[self._playing[endless[0]]].seed
            raise InvalidEnvironment(
                f"An episode of the teacher's in {self._envs.env_id} (seed {seed}) has not ended after {self._most} "
                "steps. Give the environment a time limit, e.g. env_kwargs={'max_episode_steps': 1000} or the wrapper "
                "TimeLimit, there and where students begin at its states."
            )

    def check_replays(self) -> None:
        """Begins at the last snapshot of each episode that is no exact state, in an environment that has played before.

        Raises:
            InvalidEnvironment: If the same seed and actions lead elsewhere.
        """
        if self._envs.restorable:
            return
        with closing(self._envs.make_another(1)) as envs:
            for tape in self._tapes:
                *_, state = [None, *tape.replayed(self._envs.env_id)]
                if state is not None and (why := _led_elsewhere(envs, state, tape.shown)):
                    raise InvalidEnvironment(
                        f"{self._envs.env_id} cannot be begun at recorded states. They cannot be saved: "
                        f"{self._envs.unrestorable or 'it has no get_state().'} And the same seed and actions, played "
                        f"again, do not lead there: {why}. It keeps something from one episode to the next, such as a "
                        "simulation that reset does not make anew."
                    )

    def trajectories(self, gamma: float, **about: Any) -> Trajectories:
        """Returns what was taken down.

        Args:
            gamma: Discount of returns-to-go.
            **about: Further attributes of `Trajectories`; how the environments were made is known.

        Raises:
            InvalidTeacher: If there is not a single snapshot.
        """
        tapes = [tape for tape in self._tapes if tape.steps and tape.episode is not None]
        if not tapes:
            raise InvalidTeacher(
                f"There is nothing to begin at: the teacher sees no way to success in {self._envs.env_id}."
            )
        episodes = [cast(Episode, tape.episode) for tape in tapes]
        plain = [_to_go(tape.rewards, 1.0)[tape.steps] for tape in tapes]
        discounted = [_to_go(tape.rewards, gamma)[tape.steps] for tape in tapes]
        critic = self._guide.source != "return-to-go"
        return Trajectories(
            env_id=self._envs.env_id,
            action_space=str(self._envs.single_action_space),
            gamma=gamma,
            values_from=self._guide.source,
            states=tuple(state for tape in tapes for state in tape.replayed(self._envs.env_id)),
            episodes=np.repeat(np.arange(len(tapes)), [len(tape.steps) for tape in tapes]),
            steps=np.array([step for tape in tapes for step in tape.steps]),
            values=np.concatenate([tape.values for tape in tapes] if critic else discounted),
            returns_to_go=np.concatenate(plain),
            discounted_returns_to_go=np.concatenate(discounted),
            returns=np.array([e.episode_return for e in episodes]),
            lengths=np.array([e.length for e in episodes]),
            successes=np.array([np.nan if e.success is None else float(e.success) for e in episodes]),
            seeds=np.array([e.seed for e in episodes]),
            tasks=tuple(e.lesson.task for e in episodes),
            actions=tuple(cast(Array, tape.actions) for tape in tapes),
            **{**(self._envs.made_with or {}), **about},
        )


def _led_elsewhere(envs: LessonVectorEnv, state: State, shown: Observations) -> str:
    """Says what a replay came to if not to where it was recorded, empty if it came there."""
    try:
        seen, _ = envs.reset(options={"lessons": [Lesson(state.task, start=state)]})
    except InvalidEnvironment as error:
        return str(error).rstrip(".")
    return "" if equal(seen, shown) else f"another observation after the {len(state.payload['actions'])} actions"


def _to_go(rewards: Sequence[float], gamma: float) -> Array:
    """Returns G_t = r_t + γ G_(t+1), for each step of an episode."""
    found, total = np.zeros(len(rewards)), 0.0
    for t in range(len(rewards) - 1, -1, -1):
        total = rewards[t] + gamma * total
        found[t] = total
    return found
