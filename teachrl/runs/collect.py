"""Demonstrations: a teacher acts, and every step goes to a file, to be learned from without it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from teachrl import seeds
from teachrl.classroom import Classroom
from teachrl.errors import InvalidHyperparameter, InvalidTeacher
from teachrl.lessons import Episode
from teachrl.runs.collect_states import CollectedStates, collect_states
from teachrl.runs.collected import environment_flags, in_bytes
from teachrl.runs.console import Console, Progress
from teachrl.runs.labellers import as_teachers
from teachrl.runs.threads import limit_torch, limited_threads
from teachrl.vector import make_vec

if TYPE_CHECKING:
    from teachrl.distillation.recording import Piece
    from teachrl.teachers.from_policy import FromPolicy


@dataclass(frozen=True, slots=True)
class Collected:
    """What was written.

    Attributes:
        out: The file or `minari:<dataset id>`, as `demonstrations` of a method takes it.
        steps: Steps of all environments together.
        episodes: Episodes that ended.
        mean_return: Of these, None if none ended.
        success: Share of these that went well, None if none ended or the environment does not say.
        labelled: Share of steps that have a label.
        soft: Names of the labels' distribution parameters, none for bare actions.
        size: Bytes on disk.
        command: A command that learns from it.
    """

    out: str
    steps: int
    episodes: int
    mean_return: float | None
    success: float | None
    labelled: float
    soft: tuple[str, ...]
    size: int
    command: str

    def __str__(self) -> str:
        parts = [f"{self.steps:,} steps", f"{self.episodes:,} episodes"]
        parts += [] if self.mean_return is None else [f"mean return {self.mean_return:.4g}"]
        parts += [] if self.success is None else [f"success {self.success:.0%}"]
        parts += [f"soft labels ({', '.join(self.soft)})" if self.soft else "labels are bare actions"]
        parts += [] if self.labelled == 1 else [f"{self.labelled:.0%} of steps labelled"]
        return f"{self.out}: {', '.join(parts)}, {in_bytes(self.size)}"

    def show(self) -> None:
        """Writes what there is, and how to learn from it, to the standard output."""
        print(f"{self}\nLearn from it without the teacher:\n  {self.command}")


def collect(
    teacher: Any = [],  # noqa: B006 - never changed, and readable on the command line
    env: str = "",
    out: str = "",
    env_kwargs: dict[str, Any] = {},  # noqa: B006
    wrappers: list[Any] = [],  # noqa: B006
    view: str = "student",
    teacher_view: str = "auto",
    trust: bool = False,
    steps: int = 20_000,
    noise: float = 0.0,
    snapshot_every: int = 0,
    episodes: int = 10,
    keep: int = 0,
    deterministic: bool | Literal["auto"] = "auto",
    num_envs: int = 8,
    seed: int = 0,
    threads: int = 1,
    progress: Progress = "auto",
) -> Collected | CollectedStates:
    """Lets a teacher act, and writes every step for students to learn from later, or states for them to begin at.

    With `snapshot_every`, what is written are its trajectories for teachers of starts (S3RL): states of the simulation
    along `episodes` episodes, with the teacher's values of them: its critic's (of SAC and TD3 the minimum of the
    critics at its own action), a planner's steps to success, or else discounted returns-to-go. Without it,
    demonstrations.

    What is written is what the student would have seen and what the teacher would have done, as distributions where it
    has them. About 2,048 steps are held in memory at a time, whatever their number, and of a Minari dataset also the
    steps of the episodes that are running.

    Args:
        teacher: Who acts and labels: a run's directory; `planner`, which knows all of a MiniGrid game; a
            Stable-Baselines3 zip (with --trust); `package.module:function` of observations (N, *o); in Python also any
            policy or model. Of several, the first that gives a label counts.
        env: Id of the environment, with one view for each, e.g. TeachRL/CartPolePositions-v0.
        out: The file, demos.npz or teacher.states, or minari:<dataset id>, e.g. minari:cartpole/positions-v0; nothing
            is overwritten.
        env_kwargs: Arguments of the environment's constructor.
        wrappers: What is put around each environment, innermost first: names, class paths, or functions in Python.
        view: The view the student will see, which is what is written.
        teacher_view: The view the teacher sees; auto is the one that its run was trained on, else `teacher`.
        trust: Load Stable-Baselines3 zips, which run code of whoever made them.
        steps: Steps in the environments, all together, rounded up to a multiple of `num_envs`.
        noise: Share of steps at which a random action is done in place of the teacher's, whose label stands: so the
            student learns what to do beside the teacher's path.
        snapshot_every: Steps between two states; 0 writes demonstrations.
        episodes: Episodes that states are taken of, in place of `steps`.
        keep: How many of these are kept, those with the best returns; 0 is all.
        deterministic: Whether the teacher of states takes its most likely action rather than a sample; auto samples
            where it learned to (PPO, SAC) and does not where it did not (TD3, a planner).
        num_envs: Number of parallel environments.
        seed: Root of all random numbers.
        threads: Threads of torch and of numerical libraries.
        progress: What to show meanwhile: a table, plain lines, none, or auto: a table on a terminal and plain lines
            elsewhere.

    Returns:
        What was written, printed by `show`.

    Raises:
        TeachrlError: If an argument is wrong or there is something at `out`, before anything is written; or if the
            teacher fails, and then nothing is left behind.
    """
    counts = {"steps": (steps, 1), "num_envs": (num_envs, 1), "seed": (seed, 0), "threads": (threads, 1)}
    _check(env, out, {**counts, "snapshot_every": (snapshot_every, 0)}, noise)
    _check_kind(
        snapshot_every, {"episodes": (episodes, 10), "keep": (keep, 0), "deterministic": (deterministic, "auto")},
        {"view": (view, "student"), "steps": (steps, 20_000), "noise": (noise, 0.0)},
    )  # fmt: skip
    if snapshot_every:
        return collect_states(
            teacher, env, out, env_kwargs, wrappers, teacher_view, trust, episodes, snapshot_every, keep,
            deterministic, num_envs, seed, threads, progress,
        )  # fmt: skip
    return _collect_demonstrations(
        as_teachers(teacher, teacher_view, trust), env, out, env_kwargs, wrappers, view, steps, noise, num_envs, seed,
        threads, progress,
    )  # fmt: skip


def _collect_demonstrations(
    teachers: list[FromPolicy],
    env: str,
    out: str,
    env_kwargs: dict[str, Any],
    wrappers: list[Any],
    view: str,
    steps: int,
    noise: float,
    num_envs: int,
    seed: int,
    threads: int,
    progress: Progress,
) -> Collected:
    """Lets teachers act, and writes every step with their labels; the arguments are those of `collect`."""
    from teachrl.distillation.demonstrations import make_writer

    if not teachers:
        raise InvalidTeacher("There is nobody to learn from: name who acts, e.g. --teacher runs/teacher.")
    with limited_threads(threads), closing(make_vec(env, num_envs, env_kwargs=env_kwargs, wrappers=wrappers)) as envs:
        room = Classroom(envs, teachers, view=view, seed=seed)
        if "labels" not in room.channels:
            raise InvalidTeacher(
                "Demonstrations are labels, and no teacher here gives any: leave --teacher.channels out."
            )
        for one in teachers:
            one.validate(one.setup)
        limit_torch(threads)
        each = -(-steps // num_envs)
        name, writer = make_writer(out, each, room.single_observation_space, room.single_action_space)
        with writer, closing(Console(progress, f"{env}, demonstrations", each * num_envs)) as console:
            tally = _write(room, writer.add, each, noise, seed, console)
    command = _command(env, env_kwargs, wrappers, view, name)
    return tally.result(name, writer.size, command)


def _check(env: str, out: str, counts: dict[str, tuple[Any, int]], noise: float) -> None:
    for name, (value, least) in counts.items():
        whole = isinstance(value, int | float) and not isinstance(value, bool) and float(value).is_integer()
        if not whole or value < least:
            raise InvalidHyperparameter(f"`{name}` must be a whole number, at least {least}, got {value!r}.")
    if not isinstance(noise, int | float) or not 0 <= noise <= 1:
        raise InvalidHyperparameter(f"`noise` is a share of steps, from 0 to 1, got {noise!r}.")
    for name, text, example in (("env", env, "TeachRL/CartPolePositions-v0"), ("out", out, "demos.npz")):
        if not isinstance(text, str) or not text:
            raise InvalidHyperparameter(f"collect needs --{name}, e.g. --{name} {example}, got {text!r}.")


def _check_kind(
    snapshot_every: int, states: dict[str, tuple[Any, Any]], demonstrations: dict[str, tuple[Any, Any]]
) -> None:
    """Refuses arguments, with their defaults, that the other kind of file alone has."""
    strays = [n for n, (value, usual) in (demonstrations if snapshot_every else states).items() if value != usual]
    if strays and snapshot_every:
        raise InvalidHyperparameter(
            f"`{strays[0]}` is of demonstrations, but `snapshot_every` writes states, of whole `episodes` and all "
            "views. Leave one of the two out."
        )
    if strays:
        raise InvalidHyperparameter(
            f"`{strays[0]}` is of states, but without `snapshot_every` demonstrations are written, of so many `steps`. "
            "Pass snapshot_every too, e.g. 10, or leave it out."
        )


def _write(
    room: Classroom, add: Callable[[Piece], None], steps: int, noise: float, seed: int, console: Console
) -> _Tally:
    """Lets the teacher act, writes what it did, and counts."""
    from teachrl.distillation.recording import pieces

    tally = _Tally()
    for piece in pieces(room, steps, noise, seeds.branch(seed, seeds.STUDENT, 0)):
        add(piece)
        tally.add(piece, room.take_episodes())
        console.show(tally.row())
    return tally


class _Tally:
    """Counts what was written."""

    def __init__(self) -> None:
        self._steps, self._labelled = 0, 0
        self._returns: list[float] = []
        self._successes: list[bool] = []
        self._soft: tuple[str, ...] = ()

    def add(self, piece: Piece, episodes: Sequence[Episode]) -> None:
        self._steps += piece.round.mask.size
        self._labelled += int(np.count_nonzero(piece.round.mask))
        self._returns += [e.episode_return for e in episodes]
        self._successes += [e.success for e in episodes if e.success is not None]
        self._soft = tuple(piece.round.parameters)

    def row(self) -> dict[str, float]:
        """Returns the numbers of the console."""
        row = {"steps": float(self._steps), "episodes": float(len(self._returns))}
        row |= {"train/return": float(np.mean(self._returns))} if self._returns else {}
        return row | ({"train/success": float(np.mean(self._successes))} if self._successes else {})

    def result(self, out: str, size: int, command: str) -> Collected:
        row = self.row()
        return Collected(
            out, self._steps, len(self._returns), row.get("train/return"), row.get("train/success"),
            self._labelled / self._steps, self._soft, size, command,
        )  # fmt: skip


def _command(env: str, env_kwargs: dict[str, Any], wrappers: Sequence[Any], view: str, out: str) -> str:
    """Returns a command that learns from the demonstrations, in the environments that they are of."""
    words = ["teachrl", "distill", *environment_flags(env, env_kwargs, wrappers)]
    words += ["--view", view] if view != "student" else []
    return shlex.join([*words, "--method", "BC", "--method.demonstrations", out])
