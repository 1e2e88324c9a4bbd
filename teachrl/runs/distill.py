"""Distillation as a run: a teacher that sees more labels what a student that sees less does."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from teachrl.configurable import Configurable
from teachrl.configuration import resolve_class
from teachrl.distillation.names import make_method, make_network
from teachrl.errors import InvalidTeacher
from teachrl.plugins import import_plugins
from teachrl.policies import Imported
from teachrl.runs.console import Progress
from teachrl.runs.directory import RunDirectory, default_place
from teachrl.runs.run import Run
from teachrl.runs.run_policy import RunPolicy
from teachrl.runs.train import train
from teachrl.teacher import Teacher
from teachrl.teachers.from_policy import FromPolicy


def distill(
    teacher: Any = [],  # noqa: B006 - never changed, and readable on the command line
    env: str = "",
    env_kwargs: dict[str, Any] = {},  # noqa: B006
    wrappers: list[Any] = [],  # noqa: B006
    view: str = "student",
    teacher_view: str = "auto",
    student: Any = "Recurrent",
    method: Any = "DAgger",
    curriculum: list[Teacher] = [],  # noqa: B006
    disable: list[str] = [],  # noqa: B006
    trust: bool = False,
    steps: int = 20_000,
    num_envs: int = 8,
    workers: int = 0,
    seed: int = 0,
    out: str | None = None,
    eval_every: int | str = "auto",
    checkpoint_every: int | str = "auto",
    threads: int = 1,
    device: str = "auto",
    loggers: list[str] = ["tensorboard"],  # noqa: B006
    video: int = 2,
    pictures: bool = True,
    resume: str | None = None,
    progress: Progress = "auto",
) -> Run:
    """Teaches a student that sees less what a teacher that sees more would do.

    The result is an ordinary run: `teachrl evaluate`, `--resume`, `teachrl report` and `teachrl watch` work on it.

    Args:
        teacher: Who gives the labels: a run's directory; `planner`, which knows all of a MiniGrid game; a
            Stable-Baselines3 zip (with --trust); `package.module:function` of observations (N, *o); in Python also any
            policy or model. Of several, the first that gives a label counts.
        env: Id of the environment, with one view for each, e.g. TeachRL/CartPolePositions-v0.
        env_kwargs: Arguments of the environment's constructor.
        wrappers: What is put around each environment, innermost first: names, class paths, or functions in Python.
        view: The view the student sees.
        teacher_view: The view the teacher sees; auto is the one that its run was trained on, else `teacher`.
        student: The student's network: MLP, CNN, Recurrent, or package.module.Class.
        method: How it learns: DAgger, BC, OnPolicy, Kickstart, KDRL, Distillation, or package.module.Class.
        curriculum: Teachers of other things beside the labels, e.g. ALPGMM for the tasks.
        disable: Channels to switch off, "tasks", or one teacher's, "ALPGMM.tasks".
        trust: Load Stable-Baselines3 zips, which run code of whoever made them.
        steps: Steps of the student in the environments, all together, rounded up to whole rounds.
        num_envs: Number of parallel environments.
        workers: Processes for the environments, 0 for none beside this one.
        seed: Root of all random numbers of the run.
        out: The run's directory, which must not exist or be empty; runs/<env>/<teachers>/<seed>-<utc> without it.
        eval_every: Steps between evaluations of the validation suite, "auto" for a tenth of the run, or "never".
        checkpoint_every: Steps between checkpoints, of which the last two are kept, "auto" for a tenth, or "never".
        threads: Threads of torch and of numerical libraries.
        device: Torch's name of a device for the student, or "auto".
        loggers: What to write beside metrics.jsonl: tensorboard, csv, wandb (an extra).
        video: Number of test tasks to film at the end, from the best to the worst.
        pictures: Whether to draw the curriculum and what was mastered.
        resume: Directory of a distillation to continue exactly; a larger `steps` extends it.
        progress: What to show: a table, plain lines, none, or auto: a table on a terminal and plain lines elsewhere.

    Returns:
        The run: its directory, student and evaluation.

    Raises:
        TeachrlError: If an argument is wrong, before anything is created; or if the run fails.
        KeyboardInterrupt: If it was interrupted; it can be resumed.
    """
    shared: dict[str, Any] = {
        "steps": steps, "num_envs": num_envs, "workers": workers, "seed": seed, "eval_every": eval_every,
        "checkpoint_every": checkpoint_every, "threads": threads, "device": device, "loggers": loggers, "video": video,
        "pictures": pictures, "progress": progress,
    }  # fmt: skip
    if resume is not None:
        return train(out=out, resume=resume, **_changed(shared))
    how = make_method(method)
    sources = teacher if isinstance(teacher, list | tuple) else [teacher]
    if not sources and not getattr(how, "demonstrations", None):
        raise InvalidTeacher(
            "A distillation needs a teacher: a run's directory, planner, a Stable-Baselines3 zip or "
            "package.module:function, e.g. --teacher runs/teacher."
        )
    labellers = [as_teacher(source, teacher_view, trust) for source in sources]
    network = make_network(student)
    others = [curriculum] if isinstance(curriculum, Teacher) else list(curriculum)
    place = out if out is not None else str(default_place(env, [type(t).__name__ for t in [*labellers, *others]], seed))
    return train(
        env=env, env_kwargs=env_kwargs, wrappers=wrappers, view=view, teachers=[*labellers, *others], disable=disable,
        student=how.student(network), out=place, **shared,
    )  # fmt: skip


def _changed(shared: dict[str, Any]) -> dict[str, Any]:
    """Returns what differs from the defaults: a resumed run keeps its own settings elsewhere."""
    parameters = inspect.signature(distill).parameters
    return {name: value for name, value in shared.items() if value != parameters[name].default}


def as_teacher(source: Any, view: str = "auto", trust: bool = False) -> FromPolicy:
    """Returns a teacher that labels with what `source` names.

    Args:
        source: See `distill`.
        view: The view it sees; "auto" is the one that a run was trained on, else "teacher".
        trust: Whether to load Stable-Baselines3 zips.

    Raises:
        InvalidTeacher: If there is nothing of that name.
    """
    if isinstance(source, FromPolicy):
        return source
    if isinstance(source, Run):
        source = str(source.directory)
    policy = named(source, trust) if isinstance(source, str | os.PathLike) else source
    own = getattr(policy, "view", None) if view == "auto" else view
    return FromPolicy(policy, view=own or "teacher")


def named(source: str | os.PathLike[str], trust: bool = False) -> Any:
    """Returns the policy that a word of the command line names.

    Raises:
        InvalidTeacher: If it names none.
        InvalidRun: If it is a directory and no run's.
    """
    text = os.fspath(source)
    if text.endswith(".zip"):
        saved: Any = resolve_class("SavedModel", Configurable)
        return saved(text, trust=trust)
    if Path(text).is_dir():
        RunDirectory.open(text)
        return RunPolicy(text)
    if ":" in text:
        return Imported(text)
    if (found := _planner(text)) is not None:
        return found()
    raise InvalidTeacher(
        f"There is no teacher {text!r}: neither a run's directory, nor planner, nor a Stable-Baselines3 zip, nor "
        "package.module:function."
    )


def _planner(name: str) -> Callable[[], Any] | None:
    """Returns what plug-ins with environments export under this name: `planner` is their `Planner`."""
    for module in import_plugins(("envs",)):
        for title in (name, name.capitalize()):
            found = getattr(module, title, None)
            if isinstance(found, type) and issubclass(found, Configurable) and hasattr(found, "act"):
                return found
    return None
