"""Distillation as a run: a teacher that sees more labels what a student that sees less does."""

from __future__ import annotations

import inspect
from typing import Any

from teachrl.distillation.methods import Method
from teachrl.distillation.names import make_method, make_network
from teachrl.errors import InvalidRun, InvalidTeacher
from teachrl.runs.console import Progress
from teachrl.runs.directory import default_place
from teachrl.runs.labellers import as_teachers
from teachrl.runs.run import Run
from teachrl.runs.settings import Select
from teachrl.runs.train import train
from teachrl.teacher import Teacher
from teachrl.teachers.from_policy import FromPolicy

STEPS = 20_000
OWN = (
    "teacher", "env", "env_kwargs", "wrappers", "view", "teacher_view", "student", "method", "curriculum", "disable",
    "num_envs", "seed",
)  # fmt: skip
"""What a run keeps when it is resumed."""


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
    steps: int | None = None,
    num_envs: int = 8,
    workers: int = 0,
    seed: int = 0,
    out: str | None = None,
    eval_every: int | str = "auto",
    checkpoint_every: int | str = "auto",
    select: Select = "best",
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
    Where teachers have bounds of tasks, its end also says how the student does on test tasks inside and outside them.

    Args:
        teacher: Who gives the labels: a run's directory; `planner`, which knows all of a MiniGrid game; a
            Stable-Baselines3 zip (with --trust); `package.module:function` of observations (N, *o); in Python also any
            policy or model. Of several, the first that gives a label counts; with bounds of tasks,
            `{policy: runs/a, tasks: [[0, 1.5], [0, 6]]}`, each is asked about its own only. None is needed where the
            method learns from demonstrations.
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
        steps: Steps of the student in the environments, all together, rounded up to whole rounds; 20,000 if None.
        num_envs: Number of parallel environments.
        workers: Processes for the environments, 0 for none beside this one.
        seed: Root of all random numbers of the run.
        out: The run's directory, which must not exist or be empty; runs/<env>/<teachers>/<seed>-<utc> without it.
        eval_every: Steps between evaluations of the validation suite, "auto" for a tenth of the run, or "never".
        checkpoint_every: Steps between checkpoints, of which the last two are kept, "auto" for a tenth, or "never".
        select: The student that the run ends with: best is the one that did best in the validation suite, or the last
            where eval_every is never; last is the one at the end.
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
    given = dict(locals())
    shared: dict[str, Any] = {
        "steps": steps, "num_envs": num_envs, "workers": workers, "seed": seed, "eval_every": eval_every,
        "checkpoint_every": checkpoint_every, "select": "last" if eval_every in ("never", 0) else select,
        "threads": threads, "device": device, "loggers": loggers, "video": video, "pictures": pictures,
        "progress": progress,
    }  # fmt: skip
    if resume is not None:
        _check_resumed(given)
        return train(out=out, resume=resume, **_changed(shared))
    how = make_method(method)
    labellers = as_teachers(teacher, teacher_view, trust)
    _check_source(how, labellers)
    others = [curriculum] if isinstance(curriculum, Teacher) else list(curriculum)
    teachers = [*labellers, *others]
    place = out if out is not None else str(default_place(env, [type(t).__name__ for t in teachers], seed))
    return train(
        env=env, env_kwargs=env_kwargs, wrappers=wrappers, view=view, teachers=teachers, disable=disable,
        student=how.student(make_network(student)), out=place, **{**shared, "steps": STEPS if steps is None else steps},
    )  # fmt: skip


def _check_source(how: Method, labellers: list[FromPolicy]) -> None:
    """Checks that there is something to learn from."""
    if demonstrations := getattr(how, "demonstrations", None):
        from teachrl.distillation.demonstrations import check_there

        check_there(demonstrations)
    elif not labellers:
        raise InvalidTeacher(
            "A distillation needs a teacher: a run's directory, planner, a Stable-Baselines3 zip or "
            "package.module:function, e.g. --teacher runs/teacher; or demonstrations, e.g. --method BC "
            "--method.demonstrations demos.npz, as `teachrl collect` writes them."
        )


def _check_resumed(given: dict[str, Any]) -> None:
    """Refuses what a resumed run has of its own."""
    named = [name for name in OWN if name in _changed(given)]
    if named:
        raise InvalidRun(
            f"A resumed distillation has its own {', '.join(named)}: leave them out, or start a new run with another "
            "directory as `out`."
        )


def _changed(shared: dict[str, Any]) -> dict[str, Any]:
    """Returns what differs from the defaults: a resumed run keeps its own settings elsewhere."""
    parameters = inspect.signature(distill).parameters
    return {name: value for name, value in shared.items() if value != parameters[name].default}
