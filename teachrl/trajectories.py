"""Where a teacher has been: simulation states along its episodes, with what they were worth to it.

A file of them is data and never a pickle: one safetensors file whose arrays are named by a JSON tree, itself among
them. The header names the format and its version. It is written under another name, flushed and renamed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from teachrl.encoding import decode, encode
from teachrl.errors import InvalidEnvironment, InvalidRun
from teachrl.lessons import Array
from teachrl.snapshots import State, replay_state

FORMAT, VERSION = "teachrl-trajectories", 1
Source = Literal["critic", "planner", "return-to-go"]
Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
_PER_SNAPSHOT = ("states", "episodes", "steps", "values", "returns_to_go", "discounted_returns_to_go")
_PER_EPISODE = ("returns", "lengths", "successes", "seeds", "tasks", "actions")
_CONTENT = {"env_id", *_PER_SNAPSHOT, *_PER_EPISODE}
_TREE = "tree"
_HOW = "Write some with `teachrl collect --teacher WHO --env ID --episodes 10 --snapshot_every 10 --out FILE`."


@dataclass(frozen=True, slots=True, eq=False)
class Trajectories:
    """S snapshots along E episodes.

    Attributes:
        env_id: Id of the environment, version included.
        action_space: Of one environment, in words, to tell environments of one id apart.
        gamma: Discount of the teacher.
        values_from: Where values come from: the teacher's `"critic"`, a `"planner"` (minus the steps to success), or
            the `"return-to-go"`, discounted, for a teacher that has neither.
        states: (S,) states, the environment's own or, where it has none, the actions since the reset.
        episodes: (S,) int, the episode of each, ascending.
        steps: (S,) int, steps of the episode before it, ascending within an episode.
        values: (S,) the teacher's values, in the units that its critic learned in.
        returns_to_go: (S,) what the episode's rest returned, the environment's own rewards, undiscounted.
        discounted_returns_to_go: (S,) the same, discounted.
        returns: (E,) episodes' returns.
        lengths: (E,) int, their steps.
        successes: (E,) 1, 0, or NaN where the environment does not say.
        seeds: (E,) int, what they were reset with.
        tasks: (E,) their tasks, None for the default task.
        actions: (E,) what was done, each (length, *a).
        env_kwargs: Arguments of the environment's constructor.
        wrappers: What was around it, innermost first, as `LessonVectorEnv.made_with` has them.
        teacher: Who acted, in words.

    Raises:
        InvalidEnvironment: If these do not fit together.
    """

    env_id: str
    action_space: str
    gamma: float
    values_from: Source
    states: tuple[State, ...]
    episodes: Ints
    steps: Ints
    values: Reals
    returns_to_go: Reals
    discounted_returns_to_go: Reals
    returns: Reals
    lengths: Ints
    successes: Reals
    seeds: Ints
    tasks: tuple[Any, ...]
    actions: tuple[Array, ...]
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    wrappers: Sequence[Any] = ()
    teacher: str = ""

    def __post_init__(self) -> None:
        """Checks that all this is about the same snapshots and episodes."""
        if problem := _problem(self):
            raise InvalidEnvironment(f"Trajectories of {self.env_id} do not fit together: {problem}. {_HOW}")

    def __len__(self) -> int:
        return len(self.states)

    def __str__(self) -> str:
        kinds = " and ".join(sorted({state.kind for state in self.states}))
        return f"{len(self)} {kinds} snapshots of {len(self.returns)} episodes in {self.env_id}"

    def best(self, k: int) -> Trajectories:
        """Returns the `k` episodes of the highest return, the earlier of equals, in their order."""
        kept = np.sort(np.argsort(-self.returns, kind="stable")[:k])
        mask = np.isin(self.episodes, kept)
        rows = np.flatnonzero(mask)
        parts: dict[str, Any] = {name: _take(getattr(self, name), rows) for name in _PER_SNAPSHOT}
        parts |= {name: _take(getattr(self, name), kept) for name in _PER_EPISODE}
        return replace(self, **{**parts, "episodes": np.searchsorted(kept, self.episodes[mask])})

    def digest(self) -> str:
        """Returns what tells these from other trajectories, 16 hexadecimal digits: of all but who made them and how.

        Raises:
            InvalidRun: If something in them is not data.
        """
        arrays: dict[str, np.ndarray] = {}
        content = {name: value for name, value in _as_tree(self).items() if name in _CONTENT}
        found = hashlib.sha256(json.dumps(encode(content, arrays, "trajectories")).encode())
        for array in arrays.values():
            found.update(f"{array.dtype.str}{array.shape}".encode())
            found.update(array.tobytes())
        return found.hexdigest()[:16]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes a file in one piece, over one that is there. Returns its path.

        Raises:
            InvalidEnvironment: If the disk does not take it, or something in it is not data.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import save

        target = Path(path)
        draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        arrays: dict[str, np.ndarray] = {}
        try:
            skeleton = json.dumps(encode(_as_tree(self), arrays, "trajectories"), allow_nan=False)
            arrays[_TREE] = np.frombuffer(skeleton.encode("ascii"), np.uint8)
            target.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(save(arrays, {"format": FORMAT, "version": str(VERSION)}))  # save_file's is for us alone
            _flush(draft)
            draft.replace(target)
        except (OSError, SafetensorError, InvalidRun) as error:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            raise InvalidEnvironment(f"The trajectories {target} cannot be written: {error}") from error
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Reads a file.

        Raises:
            InvalidEnvironment: If there is none, or it is damaged, cut short, of another version or something else.
        """
        arrays = _read(Path(path))
        try:
            tree = decode(json.loads(arrays.pop(_TREE).tobytes()), arrays)
            return cls(**_from_tree(tree))
        except InvalidEnvironment:
            raise
        except Exception as error:  # what a damaged tree raises depends on the damage
            raise InvalidEnvironment(
                f"The trajectories {path} are damaged: they say of themselves that they are of this version of the "
                f"format, but cannot be read ({type(error).__name__}: {error}). {_HOW}"
            ) from error


def as_trajectories(source: Any) -> Trajectories:
    """Returns trajectories as they are, or reads their file.

    Raises:
        InvalidEnvironment: If they cannot be read.
    """
    return source if isinstance(source, Trajectories) else Trajectories.load(source)


def _problem(t: Trajectories) -> str:
    """Returns what does not fit, or nothing."""
    for names in (_PER_SNAPSHOT, _PER_EPISODE):
        counts = {name: len(getattr(t, name)) for name in names}
        if len(set(counts.values())) != 1 or 0 in counts.values():
            return f"there must be equally many of each and at least one, got {counts}"
    if t.values_from not in get_args(Source):
        return f"values come from one of {', '.join(get_args(Source))}, got {t.values_from!r}"
    if len(t) and (t.episodes.min() < 0 or t.episodes.max() >= len(t.returns) or (np.diff(t.episodes) < 0).any()):
        return f"the episodes of snapshots must ascend from 0 to at most {len(t.returns) - 1}"
    for name in ("values", "returns_to_go", "discounted_returns_to_go", "returns"):
        if not np.isfinite(getattr(t, name)).all():
            return f"{name} must be finite"
    if ((t.steps < 0) | (t.steps >= t.lengths[t.episodes])).any():
        return "a snapshot must be taken before the last step of its episode"
    strays = sorted({state.env_id for state in t.states} - {t.env_id})
    return f"there are states of {strays}" if strays else ""


def _take(values: Any, rows: Array) -> Any:
    return tuple(values[i] for i in rows.tolist()) if isinstance(values, tuple) else values[rows]


def _as_tree(t: Trajectories) -> dict[str, Any]:
    tree = {f.name: getattr(t, f.name) for f in fields(t)}
    tree |= {"env_kwargs": dict(t.env_kwargs), "wrappers": list(t.wrappers)}
    return tree | {"states": [_state_data(t, k) for k in range(len(t))]}


def _state_data(t: Trajectories, k: int) -> dict[str, Any] | None:
    """Returns a state as data; None for the first actions of its episode, which are in the file once already."""
    state, episode, step = t.states[k], int(t.episodes[k]), int(t.steps[k])
    again = _replayed(t.env_id, t.seeds, t.tasks, t.actions, episode, step)
    plain = state.kind == "replay" and set(state.payload) == {"actions"} and state.seed == again.seed
    same = plain and state.task is again.task and np.array_equal(state.payload["actions"], again.payload["actions"])
    return None if same else state.to_data()


def _replayed(env_id: str, seeds: Any, tasks: Any, actions: Any, episode: int, step: int) -> State:
    return replay_state(env_id, int(seeds[episode]), tasks[episode], actions[episode][:step])


def _from_tree(tree: dict[str, Any]) -> dict[str, Any]:
    def state(data: dict[str, Any] | None, episode: int, step: int) -> State:
        if data is not None:
            return State.from_data(data)
        return _replayed(tree["env_id"], tree["seeds"], tree["tasks"], tree["actions"], episode, step)

    places = zip(tree["states"], tree["episodes"].tolist(), tree["steps"].tolist(), strict=True)
    return {**tree, "states": tuple(state(*place) for place in places)}


def _read(path: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of a file of this version."""
    from safetensors import SafetensorError, safe_open
    from safetensors.numpy import load_file

    if not path.is_file():
        where = "" if path.is_absolute() else f" in {Path.cwd()}"
        raise InvalidEnvironment(f"The trajectories {path} cannot be read: there is no such file{where}. {_HOW}")
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
        if header.get("format") == FORMAT and header.get("version") == str(VERSION):
            return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise InvalidEnvironment(
            f"{path} is no whole file of trajectories ({error}): cut short, damaged, or something else. {_HOW}"
        ) from error
    if header.get("format") != FORMAT:
        raise InvalidEnvironment(f"{path} is no file of trajectories. {_HOW}")
    raise InvalidEnvironment(
        f"{path} is of version {header.get('version')} of the format; this teachrl reads version {VERSION}. Read it "
        "with the teachrl that wrote it, or collect it again."
    )


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
